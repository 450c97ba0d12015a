//! Requests about plans and methods: from what a caller names to what it is shown.

use std::sync::Arc;

use serde_json::json;

use super::super::{Coordinator, Parts};
use crate::{
    Engine,
    coordination::{Coordination, PlanRequest, ResourceTrouble, Trigger, WorkloadName},
    error::Error,
    issue::Severity,
    model::{
        action::Action,
        caller::{Caller, Via},
        method::DeployMethod,
        plan::Approval,
        target::Target,
    },
    planner::fixtures::{NOW, World},
    ports::Ids,
    settings::Settings,
    testing::{self, FixedClock, memory_store::MemoryStore},
    text::estimate_tokens,
};

struct NoIds;

impl Ids for NoIds {
    fn unique(&self) -> String {
        panic!("a plan keeps nothing and needs no id")
    }
}

fn coordinator(engine: Engine) -> Coordinator {
    let clock = Arc::new(FixedClock(NOW.parse().unwrap()));
    Coordinator::new(Parts {
        engine,
        store: Arc::new(MemoryStore::new(clock)),
        acting: None,
        ids: Arc::new(NoIds),
        settings: Settings::default(),
    })
}

fn ann() -> Caller {
    Caller::identified("ann", Vec::new(), Via::Mcp)
}

fn trigger(kind: &str, name: &str, issue: &str) -> Trigger {
    Trigger {
        namespace: "shop".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        issue: issue.to_owned(),
        ..Trigger::default()
    }
}

async fn plan(world: World, trigger: Trigger) -> Result<crate::coordination::PlanView, Error> {
    coordinator(world.engine_with_rows()).plan(&ann(), PlanRequest { trigger }).await
}

#[tokio::test]
async fn a_plan_is_shown_with_its_difference_in_few_tokens() {
    let view = plan(World::crashing(), trigger("deploy", "web", "pod_crash_loop")).await.unwrap();
    assert_eq!(
        (view.remedy.as_str(), view.problem.as_str()),
        ("rollback-to-good-revision", "crash_loop on Deployment shop/web")
    );
    assert_eq!((view.approval, view.refused.as_deref()), (Approval::Auto, None), "{}", view.rule);
    assert_eq!((view.steps[0].status.as_str(), view.digest.len()), ("pending", 64));
    let proof = view.steps[0].proof.as_ref().unwrap();
    assert!(proof.diff.iter().any(|line| line.contains("shop/web:1")), "{proof:?}");
    let text = serde_json::to_string(&view).unwrap();
    assert!(estimate_tokens(&text) <= 500, "{} tokens: {text}", estimate_tokens(&text));
    assert!(!view.deployed.details.contains_key("reason"), "{:?}", view.deployed);
}

#[tokio::test]
async fn a_plan_of_a_real_cluster_is_as_short_and_made_at_once() {
    let engine = World::recorded().engine_at("2026-11-27T11:04:41Z");
    let coordinator = coordinator(engine);
    let mut trigger = trigger("Deployment", "checkout", "crash_loop");
    trigger.namespace = "shop".to_owned();
    let view = coordinator.plan(&ann(), PlanRequest { trigger }).await.unwrap();
    let text = serde_json::to_string(&view).unwrap();
    assert!(estimate_tokens(&text) <= 500, "{} tokens: {text}", estimate_tokens(&text));
    assert!(
        view.steps[0].proof.as_ref().unwrap().diff.iter().any(|line| line.ends_with("checkout:2.13.1")),
        "{text}"
    );
}

#[tokio::test]
async fn a_plan_that_the_guard_refuses_is_shown_with_the_rule() {
    let world = World::crashing();
    world.put(
        "namespaces",
        json!({"metadata": {"name": "shop", "uid": "u", "labels": {"aiops.io/ignore": "true"}}}),
    );
    let view = plan(world, trigger("Deployment", "web", "crash_loop")).await.unwrap();
    assert_eq!((view.approval, view.rule.as_str()), (Approval::Deny, "opt-out"));
    assert!(view.refused.is_some() && !view.steps.is_empty());

    let other = Trigger { digest: Some("0".repeat(64)), ..trigger("Deployment", "web", "crash_loop") };
    let view = plan(World::crashing(), other).await.unwrap();
    assert!(view.refused.unwrap().contains("another one now"));

    let mut unable = World::crashing();
    unable.0.allowed = false;
    let view = plan(unable, trigger("Deployment", "web", "crash_loop")).await.unwrap();
    assert_eq!(view.rule, "dry-run");
    assert!(view.refused.unwrap().contains("lacks the right"));
}

#[tokio::test]
async fn no_remedy_is_an_answer() {
    let world = World::empty();
    world.put(
        "persistentvolumeclaims",
        json!({"metadata": {"name": "data", "namespace": "shop", "uid": "u"}}),
    );
    let view = plan(world, trigger("pvc", "data", "pvc_lost")).await.unwrap();
    assert_eq!((view.remedy.as_str(), view.digest.as_str(), view.rule.as_str()), ("none", "", "no-remedy"));
    assert!(view.why.contains("look for the volume") && view.refused.is_some());
}

#[tokio::test]
async fn what_a_trigger_names_is_read_from_memory() {
    let coordinator = coordinator(World::crashing().engine_with_rows());
    let problem = |trigger: Trigger| coordinator.0.problem(&trigger);
    let (of_pod, _) = problem(trigger("pods", "web-2-a", "CrashLoopBackOff")).unwrap();
    assert_eq!((of_pod.issue.as_str(), of_pod.severity), ("crash_loop", Severity::High));
    assert_eq!(of_pod.target.to_string(), "Deployment shop/web");
    assert_eq!(of_pod.named.to_string(), "Pod shop/web-2-a");
    let (loud, _) =
        problem(Trigger { severity: Some(Severity::Low), ..trigger("Deployment", "web", "pod_crash") })
            .unwrap();
    assert_eq!(loud.severity, Severity::Low);
    // An action alone names its object and needs no issue.
    let action = Action::RestartWorkload { target: Target::known("Deployment", "shop", "web") };
    let (of_action, order) = problem(Trigger { action: Some(action), ..Trigger::default() }).unwrap();
    assert_eq!((of_action.issue.as_str(), of_action.target.name.as_str()), ("unspecified", "web"));
    assert!(order.action.is_some());
    let beside = ResourceTrouble {
        kind: "Pod".to_owned(),
        name: "web-2-b".to_owned(),
        namespace: "shop".to_owned(),
        issue: "it sulks".to_owned(),
    };
    let (_, order) =
        problem(Trigger { resources: vec![beside.clone()], ..trigger("Deployment", "web", "also bad") })
            .unwrap();
    assert_eq!(
        (order.resources[0].issue.as_str(), order.resources[0].target.name.as_str()),
        ("unspecified", "web")
    );

    for (trigger, part) in [
        (trigger("Deployment", "web", "sadness"), "no issue that is known"),
        (trigger("Deployment", "web", ""), "no issue that is known"),
        (trigger("Deploymnt", "web", "crash_loop"), "did you mean deployment"),
        (trigger("", "web", "crash_loop"), "no kind that can be repaired"),
        (trigger("Deployment", "wep", "crash_loop"), "did you mean web?"),
        (trigger("Deployment", "../web", "crash_loop"), "cannot be the name"),
        (
            Trigger { namespace: "Sh op".to_owned(), ..trigger("Deployment", "web", "crash_loop") },
            "cannot be a namespace",
        ),
        (
            Trigger { namespace: String::new(), ..trigger("Deployment", "web", "crash_loop") },
            "namespace: is required",
        ),
        (Trigger { resources: vec![beside; 12], ..trigger("Deployment", "web", "crash_loop") }, "at most 9"),
    ] {
        let error = problem(trigger).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn what_an_operator_made_may_be_named_by_its_resource() {
    let world = World::crashing();
    world.edit("deployments", "web", |web| {
        web["metadata"]["ownerReferences"] = json!([
            {"apiVersion": "kafka.strimzi.io/v1", "kind": "Kafka", "name": "events", "uid": "u-k", "controller": true},
        ]);
    });
    world.put("kafkas", json!({"metadata": {"name": "events", "namespace": "shop", "uid": "u-k"}}));
    let coordinator = coordinator(world.engine_with_rows());
    let (problem, _) = coordinator.0.problem(&trigger("kafka", "events", "crash_loop")).unwrap();
    assert_eq!((problem.target.group.as_str(), problem.target.kind.as_str()), ("kafka.strimzi.io", "Kafka"));
    let request = PlanRequest { trigger: trigger("Kafka", "events", "crash_loop") };
    let view = coordinator.plan(&ann(), request).await.unwrap();
    assert_eq!(
        (view.remedy.as_str(), view.steps[0].target.as_str()),
        ("nudge-operator", "Kafka shop/events")
    );
    for (kind, name) in [("Kafka", "other"), ("Rabbit", "events")] {
        let error = coordinator.0.problem(&trigger(kind, name, "crash_loop")).unwrap_err().to_string();
        assert!(error.contains("no kind that can be repaired"), "{error}");
    }
}

#[tokio::test]
async fn an_object_of_the_cluster_needs_no_namespace_and_ignores_one() {
    let world = World::empty();
    world.put("nodes", json!({"metadata": {"name": "node-1"}, "spec": {}, "status": {}}));
    let coordinator = coordinator(world.engine_with_rows());
    let (problem, _) = coordinator.0.problem(&trigger("node", "node-1", "NotReady")).unwrap();
    assert_eq!((problem.issue.as_str(), problem.target.namespace.as_str()), ("node_not_ready", ""));
}

fn web(kind: &str) -> WorkloadName {
    WorkloadName { kind: kind.to_owned(), namespace: "shop".to_owned(), name: "web".to_owned() }
}

#[tokio::test]
async fn a_deployment_method_is_read_once_in_five_minutes() {
    let world = World::healthy().mark("annotations", "meta.helm.sh/release-name", "shop-web").mark(
        "labels",
        "helm.sh/chart",
        "web-1.2.0",
    );
    let coordinator = coordinator(world.engine_with_rows());
    let target = Target::known("Deployment", "shop", "web");
    // A trigger answers from memory, before anything was read.
    assert_eq!(coordinator.0.method_in_memory(&target).method, DeployMethod::Helm);
    assert_eq!(
        coordinator.0.method_in_memory(&Target::known("Job", "shop", "x")).method,
        DeployMethod::Unknown
    );
    let view = coordinator.deployment_method(&ann(), web("deployment")).await.unwrap();
    assert_eq!((view.deployed.method, view.resource_kind.as_str()), (DeployMethod::Helm, "Deployment"));
    assert_eq!(view.deployed.details["chart"], "web-1.2.0");
    assert_eq!(view.detected_at, "2026-01-01T12:00:00.000Z");
    assert_eq!(coordinator.0.method_in_memory(&target).method, DeployMethod::Helm);
    let again = coordinator.deployment_method(&ann(), web("Deployment")).await.unwrap();
    assert_eq!(again, view);
    let cache = coordinator.method_cache(&ann()).await.unwrap();
    assert_eq!((cache.total_entries, cache.valid_entries, cache.ttl_seconds), (1, 1, 300));
    coordinator.forget_methods(&ann()).await.unwrap();
    assert_eq!(coordinator.method_cache(&ann()).await.unwrap().total_entries, 0);

    for (name, part) in [
        (WorkloadName { name: "wep".to_owned(), ..web("deployment") }, "not found"),
        (web("teapot"), "no kind"),
        (WorkloadName { namespace: "..".to_owned(), ..web("deployment") }, "cannot be a namespace"),
    ] {
        let error = coordinator.deployment_method(&ann(), name).await.unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn without_a_cluster_labels_and_owners_decide() {
    let object = json!({
        "metadata": {"name": "web", "namespace": "shop", "labels": {"argocd.argoproj.io/instance": "store"}},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {}},
    });
    let coordinator = coordinator(testing::engine(&[(aiops_inventory::Kind::Deployment, object)], None, NOW));
    let view = coordinator.deployment_method(&ann(), web("deployment")).await.unwrap();
    assert_eq!(view.deployed.method, DeployMethod::Argocd);
}
