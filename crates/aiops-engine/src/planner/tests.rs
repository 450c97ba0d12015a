//! Plans: what is chosen, in which order, under which name, and what is refused.

use serde_json::{Value, json};

use super::{
    fixtures::{World, made, problem, refused, trouble},
    *,
};
use crate::{
    error::Error,
    fingerprint,
    model::{
        action::{Resources, UndoClass},
        layer::Layer,
        plan::{Approval, Risk},
    },
};

mod hanging;
mod proving;
mod recorded;
mod releases;
mod unanswered;

async fn planned(engine: &Engine, problem: &Problem, order: &Order) -> Result<Planned, Error> {
    plan(engine, problem, order, &Limits::default()).await
}

#[tokio::test]
async fn a_plan_says_what_is_done_and_what_must_hold() {
    let plan = made(World::crashing().plan("Deployment", "web", "pod_crash_loop").await);
    assert_eq!((plan.remedy.as_str(), plan.remedy_version), ("rollback-to-good-revision", 1));
    assert_eq!(plan.layers, [Layer::Application]);
    assert_eq!(plan.problem.target.uid.as_deref(), Some("u-web"));
    assert_eq!((plan.approval, plan.rule.as_str()), (Approval::Deny, ""));
    let [step] = plan.steps.as_slice() else { panic!("{:?}", plan.steps) };
    assert_eq!((step.order, step.undo, step.required), (0, UndoClass::Exact, true));
    let [checkpoint] = plan.checkpoints.as_slice() else { panic!("{:?}", plan.checkpoints) };
    assert_eq!((checkpoint.after_step, checkpoint.timeout_seconds), (0, 600));
    assert_eq!(checkpoint.checks, ["pods_running", "endpoints_healthy"]);
}

#[tokio::test]
async fn the_same_trouble_makes_the_same_plan() {
    let digest = |plan: &Plan| fingerprint::digest(plan).unwrap();
    for issue in ["crash_loop", "image_pull", "network_issue"] {
        let one = made(World::crashing().plan("Deployment", "web", issue).await);
        let other = made(World::crashing().plan("Deployment", "web", issue).await);
        assert_eq!(digest(&one), digest(&other), "{issue}");
    }
    let named = made(World::crashing().plan("Pod", "web-2-a", "crash_loop").await);
    let whole = made(World::crashing().plan("Deployment", "web", "crash_loop").await);
    assert_eq!(digest(&named), digest(&whole), "a pod and its workload are one trouble");
    // Other counts and sentences are no other plan; another uid is.
    let counted = World::crashing();
    counted.edit("pods", "web-2-a", |pod| pod["status"]["containerStatuses"][0]["restartCount"] = json!(9));
    assert_eq!(digest(&made(counted.plan("Deployment", "web", "crash_loop").await)), digest(&whole));
    let again = World::crashing();
    again.edit("deployments", "web", |web| web["metadata"]["uid"] = json!("u-new"));
    for set in ["web-1", "web-2"] {
        again.edit("replicasets", set, |set| set["metadata"]["ownerReferences"][0]["uid"] = json!("u-new"));
    }
    assert_ne!(digest(&made(again.plan("Deployment", "web", "crash_loop").await)), digest(&whole));
}

#[tokio::test]
async fn where_no_good_revision_is_known_a_crash_loop_is_restarted_and_a_missing_image_is_not() {
    let alone = |reason: &str| {
        let world = World::troubled(reason);
        world.0.objects.lock().retain(|(_, _, name), _| name != "web-1");
        world
    };
    let plan = made(alone("CrashLoopBackOff").plan("Deployment", "web", "crash_loop").await);
    assert_eq!(plan.remedy, "restart-rollout");
    assert_eq!(plan.steps[0].undo, UndoClass::Irreversible);
    let why = refused(alone("ImagePullBackOff").plan("Deployment", "web", "image_pull").await);
    assert!(why.contains("imagePullSecrets") && why.contains("no earlier revision"), "{why}");
}

#[tokio::test]
async fn what_nothing_helps_is_answered_with_what_to_look_at() {
    let world = World::empty();
    world.put(
        "persistentvolumeclaims",
        json!({"metadata": {"name": "data", "namespace": "shop", "uid": "u"}}),
    );
    let why = refused(world.plan("PersistentVolumeClaim", "data", "pvc_lost").await);
    assert!(why.contains("look for the volume"), "{why}");
    let why = refused(World::crashing().plan("Deployment", "web", "unspecified").await);
    assert!(why.contains("name an action"), "{why}");
}

#[tokio::test]
async fn what_is_not_there_is_an_error_that_helps() {
    let engine = || World::crashing().engine();
    let order = Order::default();
    let missing = planned(&engine(), &problem("Deployment", "wep", "crash_loop"), &order).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
    let unknown = planned(&engine(), &problem("Deployment", "web", "sadness"), &order).await.unwrap_err();
    assert!(matches!(unknown, Error::Invalid { .. }), "{unknown}");
    let mut again = problem("Deployment", "web", "crash_loop");
    again.target.uid = Some("u-before".to_owned());
    let other = planned(&engine(), &again, &order).await.unwrap_err();
    assert!(matches!(other, Error::Conflict { .. }), "{other}");
    let nowhere = crate::testing::engine(&[], None, super::fixtures::NOW);
    let offline = planned(&nowhere, &problem("Deployment", "web", "crash_loop"), &order).await.unwrap_err();
    assert!(matches!(offline, Error::Unavailable { .. }), "{offline}");
}

#[tokio::test]
async fn a_pod_that_is_gone_stands_for_its_workload() {
    let mut gone = problem("Pod", "web-2-z", "crash_loop");
    gone.target = problem("Deployment", "web", "").target;
    let planned = planned(&World::crashing().engine(), &gone, &Order::default()).await.unwrap();
    assert_eq!(made(planned).problem.target.to_string(), "Deployment shop/web");
}

#[tokio::test]
async fn an_ordered_action_is_a_plan_of_one_step() {
    let target = || problem("Deployment", "web", "").target;
    for (action, remedy) in [
        (Action::RestartWorkload { target: target() }, "restart-workload"),
        (Action::ScaleWorkload { target: target(), replicas: 4 }, "scale-workload"),
        (
            Action::RollbackWorkload { target: target(), revision: 0, source: String::new() },
            "rollback-workload",
        ),
        (
            Action::SetResources {
                target: target(),
                container: "app".to_owned(),
                resources: Resources { memory_limit: Some("1Gi".to_owned()), ..Resources::default() },
            },
            "set-resources",
        ),
    ] {
        let plan = made(World::healthy().order("Deployment", "web", action).await.unwrap());
        assert_eq!((plan.remedy.as_str(), plan.steps.len()), (remedy, 1));
        assert_eq!(plan.steps[0].action.target().uid.as_deref(), Some("u-web"), "{remedy}");
    }
    let rollback = Action::RollbackWorkload { target: target(), revision: 0, source: String::new() };
    let plan = made(World::healthy().order("Deployment", "web", rollback).await.unwrap());
    assert!(
        matches!(&plan.steps[0].action, Action::RollbackWorkload { revision: 1, source, .. } if source == "web-1")
    );
    let evict = Action::EvictPod { target: problem("Pod", "web-2-a", "").target };
    let plan = made(World::healthy().order("Pod", "web-2-a", evict).await.unwrap());
    assert_eq!(plan.steps[0].action.target().uid.as_deref(), Some("u-web-2-a"));
}

#[tokio::test]
async fn an_order_that_contradicts_itself_is_refused() {
    let web = || problem("Deployment", "web", "").target;
    let resources = |limit: &str| Resources { memory_limit: Some(limit.to_owned()), ..Resources::default() };
    let set = |container: &str, resources: Resources| Action::SetResources {
        target: web(),
        container: container.to_owned(),
        resources,
    };
    for (action, part) in [
        (Action::RestartWorkload { target: Target::known("Deployment", "shop", "api") }, "the target is"),
        (Action::CordonNode { target: web() }, "is for a Node"),
        (Action::EvictPod { target: web() }, "is for a Pod"),
        (set("sidecar", resources("1Gi")), "no container"),
        (set("app", resources("lots")), "no quantity"),
        (set("app", resources("-1")), "no quantity"),
        (set("app", Resources::default()), "at least one"),
        (Action::RestartWorkload { target: web().with_uid("u-before") }, "made again"),
        (
            Action::RecordRelease {
                target: web(),
                release: crate::model::action::Release {
                    name: "a".into(),
                    namespace: "b".into(),
                    from: 1,
                    to: 2,
                },
            },
            "cannot be ordered",
        ),
    ] {
        let error = World::healthy().order("Deployment", "web", action).await.unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    let same = Action::ScaleWorkload { target: web(), replicas: 2 };
    assert!(
        refused(World::healthy().order("Deployment", "web", same).await.unwrap())
            .contains("2 replicas already")
    );
    let delete = Action::DeletePod { target: problem("Pod", "web-2-a", "").target };
    let why = refused(World::healthy().order("Pod", "web-2-a", delete).await.unwrap());
    assert!(why.contains("belongs to no Job"), "{why}");
    let bare = World::empty();
    bare.put("pods", json!({"metadata": {"name": "bare", "namespace": "shop", "uid": "u"}, "status": {"phase": "Running"}}));
    let evict = Action::EvictPod { target: problem("Pod", "bare", "").target };
    let why = refused(bare.order("Pod", "bare", evict).await.unwrap());
    assert!(why.contains("nobody would make it again"), "{why}");
    let unknown = Action::RollbackWorkload { target: web(), revision: 9, source: String::new() };
    let why = refused(World::healthy().order("Deployment", "web", unknown).await.unwrap());
    assert!(why.contains("revision 9; it has 2, 1"), "{why}");
}

fn layered() -> World {
    let world = World::crashing();
    world.put(
        "nodes",
        json!({"metadata": {"name": "node-1", "uid": "u-n", "labels": {"role": "worker"}}, "spec": {}}),
    );
    world.put(
        "machineconfigpools",
        json!({"metadata": {"name": "worker", "uid": "u-p"}, "spec": {"nodeSelector": {"matchLabels": {"role": "worker"}}}}),
    );
    world.put(
        "clusteroperators",
        json!({"metadata": {"name": "dns", "uid": "u-co"}, "status": {"relatedObjects": [
            {"group": "operator.openshift.io", "resource": "dnses", "name": "default"}]}}),
    );
    world
}

#[tokio::test]
async fn several_layers_are_repaired_from_below_upwards() {
    let order = Order {
        resources: vec![
            problem("Node", "node-1", "node_not_ready"),
            problem("ClusterOperator", "dns", "operator_degraded"),
            problem("Deployment", "web", "crash_loop"),
        ],
        ..Order::default()
    };
    let first = problem("Deployment", "web", "crash_loop");
    let plan = made(planned(&layered().engine(), &first, &order).await.unwrap());
    assert_eq!(plan.layers, [Layer::Infrastructure, Layer::Platform, Layer::Application]);
    let names: Vec<(&str, bool)> =
        plan.steps.iter().map(|step| (step.action.name(), step.required)).collect();
    assert_eq!(names, [("await-pool", true), ("nudge-operator", true), ("rollback-workload", false)]);
    let after: Vec<u32> = plan.checkpoints.iter().map(|checkpoint| checkpoint.after_step).collect();
    assert_eq!(after, [0, 1, 2]);
    assert_eq!(plan.checkpoints[0].checks.len(), 4);
    assert_eq!((plan.remedy.as_str(), plan.risk), ("layers", Risk::High));
    assert!(plan.why.contains("infrastructure layer"), "{}", plan.why);
}

#[tokio::test]
async fn a_plan_over_layers_is_bounded_and_needs_something_to_do() {
    let first = problem("Deployment", "web", "crash_loop");
    let many = Order {
        resources: (0..12).map(|number| problem("Pod", &format!("p-{number}"), "crash_loop")).collect(),
        ..Order::default()
    };
    let error = planned(&layered().engine(), &first, &many).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { rule, .. } if rule == "plan-size"), "{error}");
    let both = Order { action: Some(Action::RestartWorkload { target: first.target.clone() }), ..many };
    assert!(planned(&layered().engine(), &first, &both).await.is_err());
    let service = World::empty();
    service.put("services", json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u"}}));
    let nothing = Order { resources: vec![problem("Service", "web", "down")], ..Order::default() };
    let why =
        refused(planned(&service.engine(), &problem("Service", "web", "down"), &nothing).await.unwrap());
    assert!(why.contains("no remedy fits any"), "{why}");
}

#[tokio::test]
async fn hostile_objects_are_read_without_harm() {
    let world = World::crashing();
    world.edit("deployments", "web", |web| {
        web["spec"]["replicas"] = json!("many");
        web["metadata"]["labels"] = json!(["not", "a", "map"]);
        web["metadata"]["annotations"] =
            json!({"argocd.argoproj.io/tracking-id": "../../x:y/z:\u{1b}[31m/w"});
        web["status"] = json!(7);
    });
    world.edit("pods", "web-2-a", |pod| {
        trouble(pod, "\u{202e}evil\u{0}");
        pod["status"]["containerStatuses"][0]["restartCount"] = json!(i64::MAX);
        pod["metadata"]["creationTimestamp"] = json!("yesterday");
    });
    world.edit("replicasets", "web-2", |set| {
        set["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "99999999999999999999"})
    });
    let planned = planned(&world.engine(), &problem("Deployment", "web", "crash_loop"), &Order::default())
        .await
        .unwrap();
    let text = match planned {
        Planned::Plan(plan) => serde_json::to_string(&plan).unwrap(),
        Planned::NoRemedy { why } => why,
    };
    assert!(!text.contains('\u{0}') && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn a_scale_that_would_delete_volumes_is_not_planned() {
    let set = |when: &str| {
        let world = World::empty();
        let mut set = super::fixtures::deployment();
        set["kind"] = json!("StatefulSet");
        set["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenScaled": when});
        set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]);
        world.put("statefulsets", set);
        world
    };
    let scale =
        |replicas| Action::ScaleWorkload { target: problem("StatefulSet", "web", "").target, replicas };
    let why = refused(set("Delete").order("StatefulSet", "web", scale(1)).await.unwrap());
    assert!(why.contains("deletes the volumes of the pods that go"), "{why}");
    made(set("Delete").order("StatefulSet", "web", scale(3)).await.unwrap());
    made(set("Retain").order("StatefulSet", "web", scale(1)).await.unwrap());
}

#[tokio::test]
async fn a_scale_for_which_the_quota_has_no_room_is_not_planned() {
    let world = || {
        let world = World::healthy();
        world.put(
            "resourcequotas",
            json!({"metadata": {"name": "pods", "namespace": "shop"},
                "status": {"hard": {"pods": "10"}, "used": {"pods": "7"}}}),
        );
        world
    };
    let scale =
        |replicas| Action::ScaleWorkload { target: problem("Deployment", "web", "").target, replicas };
    let why = refused(world().order("Deployment", "web", scale(6)).await.unwrap());
    assert!(why.contains("ResourceQuota pods leaves room for 3 more pods, and 4 would be needed"), "{why}");
    made(world().order("Deployment", "web", scale(5)).await.unwrap());
    made(world().order("Deployment", "web", scale(1)).await.unwrap());
    let with = |spec: Value, hard: &str| {
        let world = World::healthy();
        world.put(
            "resourcequotas",
            json!({"metadata": {"name": "pods", "namespace": "shop"}, "spec": spec,
                "status": {"hard": {"pods": hard}, "used": {"pods": "7"}}}),
        );
        world
    };
    // More than it allows by now: fewer is what helps.
    made(with(json!({}), "5").order("Deployment", "web", scale(1)).await.unwrap());
    // It counts some pods only.
    made(with(json!({"scopes": ["Terminating"]}), "7").order("Deployment", "web", scale(3)).await.unwrap());
}
