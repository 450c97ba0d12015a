//! Whoever owns a target is asked: nothing is written to it directly.

use serde_json::{Value, json};

use super::{super::*, fits, misfits};
use crate::{
    model::method::DeployMethod,
    planner::{
        Planned,
        fixtures::{self, World, made, refused},
    },
};

const TRACKING: (&str, &str, &str) =
    ("annotations", "argocd.argoproj.io/tracking-id", "store:apps/Deployment:shop/web");

fn application(edit: impl FnOnce(&mut Value)) -> Value {
    let mut app = json!({
        "metadata": {"name": "store", "namespace": "argocd", "uid": "u-app"},
        "spec": {},
        "status": {
            "sync": {"status": "OutOfSync"}, "health": {"status": "Degraded"},
            "history": [
                {"id": 6, "revision": "aaaa", "deployedAt": "2026-01-01T09:55:00Z"},
                {"id": 7, "revision": "bbbb", "deployedAt": "2026-01-01T11:55:00Z"},
            ],
        },
    });
    edit(&mut app);
    app
}

fn by_argo(world: World, edit: impl FnOnce(&mut Value)) -> World {
    let (map, key, id) = TRACKING;
    let world = world.mark(map, key, id);
    world.put("applications", application(edit));
    world
}

/// Issues that have remedies for a workload.
const ISSUES: [&str; 7] =
    ["crash_loop", "image_pull", "oom_kill", "pod_not_ready", "high_cpu", "high_memory", "cpu_throttling"];

/// No plan for any issue touches the workload itself.
async fn leaves_alone(make: impl Fn(&'static str) -> World, owner: &str) {
    for reason in ["CrashLoopBackOff", "OOMKilled", "ImagePullBackOff"] {
        for issue in ISSUES {
            match make(reason).plan("Deployment", "web", issue).await {
                Planned::Plan(plan) => {
                    let own = plan.steps.iter().find(|step| step.action.target().kind == "Deployment");
                    assert_eq!(own, None, "{owner}: {issue} after {reason}");
                }
                Planned::NoRemedy { why } => assert!(why.len() > 60, "{why}"),
            }
        }
    }
    let target = fixtures::problem("Deployment", "web", "").target;
    for action in [
        Action::RestartWorkload { target: target.clone() },
        Action::ScaleWorkload { target: target.clone(), replicas: 5 },
        Action::RollbackWorkload { target: target.clone(), revision: 1, source: "web-1".to_owned() },
    ] {
        let name = action.name();
        let why = refused(make("CrashLoopBackOff").order("Deployment", "web", action).await.unwrap());
        assert!(why.contains(owner), "{name}: {why}");
    }
}

#[tokio::test]
async fn argo_cd_is_synced_or_rolled_back_through_its_application() {
    let plan = made(by_argo(World::crashing(), |_| ()).plan("Deployment", "web", "crash_loop").await);
    assert_eq!((plan.remedy.as_str(), plan.deployed.method), ("rollback-application", DeployMethod::Argocd));
    assert_eq!(plan.deployed.owner.as_ref().unwrap().to_string(), "Application argocd/store");
    assert!(
        matches!(&plan.steps[0].action, Action::RollbackApplication { history: 6, target } if target.uid.as_deref() == Some("u-app"))
    );

    // Argo CD refuses to roll back what syncs by itself, and so does aiops.
    let automated = |app: &mut Value| app["spec"]["syncPolicy"]["automated"] = json!({});
    let plan = made(by_argo(World::crashing(), automated).plan("Deployment", "web", "crash_loop").await);
    assert_eq!(plan.remedy, "sync-application");
    misfits(
        by_argo(World::crashing(), automated),
        "Deployment",
        "web",
        "rollback-application",
        "syncs by itself",
    )
    .await;
    let off = |app: &mut Value| app["spec"]["syncPolicy"]["automated"] = json!({"enabled": false});
    fits(by_argo(World::crashing(), off), "Deployment", "web", "rollback-application").await;

    let once = |app: &mut Value| drop(app["status"]["history"].as_array_mut().unwrap().remove(0));
    misfits(
        by_argo(World::crashing(), once),
        "Deployment",
        "web",
        "rollback-application",
        "no earlier entry",
    )
    .await;
    let older = |app: &mut Value| app["status"]["history"][1]["deployedAt"] = json!("2026-01-01T10:30:00Z");
    misfits(by_argo(World::crashing(), older), "Deployment", "web", "rollback-application", "did not make")
        .await;

    let draft = fits(by_argo(World::healthy(), |_| ()), "Deployment", "web", "sync-application").await;
    assert!(draft.why.contains("OutOfSync and Degraded"), "{}", draft.why);
    let busy = |app: &mut Value| app["status"]["operationState"]["phase"] = json!("Running");
    misfits(by_argo(World::healthy(), busy), "Deployment", "web", "sync-application", "another operation")
        .await;
    misfits(World::healthy(), "Deployment", "web", "sync-application", "").await;

    // What is Synced has the image that is missing: only another source helps.
    let synced = |app: &mut Value| {
        app["status"]["sync"]["status"] = json!("Synced");
        app["spec"]["syncPolicy"]["automated"] = json!({});
    };
    let world = by_argo(World::troubled("ImagePullBackOff"), synced);
    let why = refused(world.plan("Deployment", "web", "image_pull").await);
    assert!(why.contains("revert the change in its source"), "{why}");
    let plan = made(by_argo(World::crashing(), synced).plan("Deployment", "web", "crash_loop").await);
    assert_eq!(plan.remedy, "sync-application");
    leaves_alone(|reason| by_argo(World::troubled(reason), |_| ()), "Argo CD").await;
    leaves_alone(|reason| by_argo(World::troubled(reason), automated), "Argo CD").await;
}

#[tokio::test]
async fn an_application_that_is_not_there_leaves_nothing_to_do() {
    let (map, key, id) = TRACKING;
    let why = refused(World::crashing().mark(map, key, id).plan("Deployment", "web", "crash_loop").await);
    assert!(why.contains("could not be found"), "{why}");
    // Two of one name: the one that lists the workload is meant.
    let world = by_argo(World::crashing(), |_| ());
    world.put(
        "applications",
        application(|app| {
            app["metadata"]["namespace"] = json!("team-a");
            app["metadata"]["uid"] = json!("u-other");
            app["status"]["resources"] = json!([{"kind": "Deployment", "namespace": "shop", "name": "web"}]);
        }),
    );
    let plan = made(world.plan("Deployment", "web", "crash_loop").await);
    assert_eq!(plan.deployed.owner.unwrap().uid.as_deref(), Some("u-other"));
}

#[tokio::test]
async fn an_application_is_a_target_of_its_own() {
    let world = World::empty();
    world.put("applications", application(|app| app["metadata"]["namespace"] = json!("shop")));
    let plan = made(world.plan("Application", "store", "out_of_sync").await);
    assert_eq!(plan.remedy, "sync-application");
}

#[tokio::test]
async fn flux_is_named_with_its_command() {
    let by_flux = |reason: &'static str| {
        World::troubled(reason).mark("labels", "kustomize.toolkit.fluxcd.io/name", "apps").mark(
            "labels",
            "kustomize.toolkit.fluxcd.io/namespace",
            "flux-system",
        )
    };
    let why = refused(by_flux("CrashLoopBackOff").plan("Deployment", "web", "crash_loop").await);
    assert!(why.contains("flux reconcile kustomization apps -n flux-system"), "{why}");
    leaves_alone(by_flux, "Flux").await;
    let release = |reason: &'static str| {
        World::troubled(reason).mark("labels", "helm.toolkit.fluxcd.io/name", "web").mark(
            "annotations",
            "meta.helm.sh/release-name",
            "web",
        )
    };
    leaves_alone(release, "Flux").await;
}

#[tokio::test]
async fn what_olm_or_an_operator_made_is_theirs() {
    let by_olm = |reason: &'static str| World::troubled(reason).mark("labels", "olm.owner", "etcd.v1");
    leaves_alone(by_olm, "OLM").await;
    let named = |reason: &'static str| {
        World::troubled(reason).mark("labels", "app.kubernetes.io/managed-by", "pg-operator")
    };
    leaves_alone(named, "pg-operator").await;

    let controlled = |reason: &'static str| {
        let world = World::troubled(reason);
        world.edit("deployments", "web", |web| {
            web["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "kafka.strimzi.io/v1", "kind": "Kafka", "name": "events", "uid": "u-k", "controller": true}]);
        });
        world.put("kafkas", json!({"metadata": {"name": "events", "namespace": "shop", "uid": "u-k"}}));
        world
    };
    let plan = made(controlled("CrashLoopBackOff").plan("Deployment", "web", "crash_loop").await);
    assert_eq!((plan.remedy.as_str(), plan.deployed.method), ("nudge-operator", DeployMethod::Operator));
    assert_eq!(plan.steps[0].action.target().to_string(), "Kafka shop/events");
    leaves_alone(controlled, "Kafka shop/events controls").await;
}

#[tokio::test]
async fn a_cluster_operator_is_nudged_by_its_configuration() {
    let operator = |related: Value| {
        let world = World::empty();
        world.put(
            "clusteroperators",
            json!({"metadata": {"name": "dns", "uid": "u-co"}, "status": {"relatedObjects": related}}),
        );
        world
    };
    let related = json!([
        {"group": "", "resource": "namespaces", "name": "openshift-dns-operator"},
        {"group": "operator.openshift.io", "resource": "dnses", "name": "default"},
    ]);
    let plan = made(operator(related).plan("ClusterOperator", "dns", "operator_degraded").await);
    assert_eq!(plan.steps[0].action.target().to_string(), "DNS default");
    let why = refused(operator(json!([])).plan("ClusterOperator", "dns", "operator_degraded").await);
    assert!(why.contains("no configuration"), "{why}");
}

#[tokio::test]
async fn helm_is_answered_with_its_command_and_a_restart_is_no_fight() {
    let by_helm = || World::crashing().mark("annotations", "meta.helm.sh/release-name", "web");
    let secret = |version: &str, status: &str| {
        json!({"metadata": {"name": format!("sh.helm.release.v1.web.v{version}"), "namespace": "shop",
            "labels": {"owner": "helm", "name": "web", "version": version, "status": status}}})
    };
    misfits(by_helm(), "Deployment", "web", "rollback-release", "helm rollback web -n shop --wait").await;
    let world = by_helm();
    for (version, status) in [("3", "superseded"), ("4", "failed"), ("5", "deployed")] {
        world.put("secrets", secret(version, status));
    }
    misfits(world, "Deployment", "web", "rollback-release", "helm rollback web 3 -n shop --wait").await;
    misfits(World::crashing(), "Deployment", "web", "rollback-release", "").await;

    // The upgrade began it: the command is the answer, and no restart hides it.
    let why = refused(by_helm().plan("Deployment", "web", "crash_loop").await);
    assert!(why.contains("helm rollback web -n shop --wait"), "{why}");
    let calm = World::healthy().mark("annotations", "meta.helm.sh/release-name", "web");
    assert_eq!(made(calm.plan("Deployment", "web", "crash_loop").await).remedy, "restart-rollout");

    for (action, is_allowed) in [("scale", false), ("rollback", false), ("restart", true)] {
        let target = fixtures::problem("Deployment", "web", "").target;
        let action = match action {
            "scale" => Action::ScaleWorkload { target, replicas: 5 },
            "rollback" => Action::RollbackWorkload { target, revision: 1, source: "web-1".to_owned() },
            _ => Action::RestartWorkload { target },
        };
        let planned = by_helm().order("Deployment", "web", action).await.unwrap();
        match planned {
            Planned::Plan(plan) => assert!(is_allowed, "{}", plan.remedy),
            Planned::NoRemedy { why } => assert!(!is_allowed && why.contains("helm upgrade web"), "{why}"),
        }
    }
    // A name out of an annotation never becomes part of a selector.
    let forged = World::crashing().mark("annotations", "meta.helm.sh/release-name", "web,owner!=helm");
    misfits(forged, "Deployment", "web", "rollback-release", "could not be read").await;
}

#[tokio::test]
async fn a_release_that_was_read_is_rolled_back_object_by_object() {
    let world = World::crashing().mark("annotations", "meta.helm.sh/release-name", "web");
    let mut near = world.near("Deployment", "web", "crash_loop").await;
    near.release = Some(HelmRelease {
        current: 5,
        earlier: Some(3),
        changed: vec![near.target().clone()],
        ..HelmRelease::default()
    });
    let remedy = REMEDIES.iter().find(|remedy| remedy.name() == "rollback-release").unwrap();
    let draft = remedy.fits(&near).unwrap();
    let names: Vec<&str> = draft.moves.iter().map(|one| one.action.name()).collect();
    assert_eq!(names, ["revert-manifest", "record-release"]);
    assert_eq!(draft.moves[1].action.target().name, "sh.helm.release.v1.web.v6");
    near.release.as_mut().unwrap().obstacle = Some("it has hooks".to_owned());
    assert!(remedy.fits(&near).unwrap_err().contains("it has hooks"));
}

#[tokio::test]
async fn a_release_goes_back_by_order_though_nothing_is_wrong() {
    let read = |near: &mut crate::planner::Neighbourhood| {
        near.release = Some(HelmRelease {
            current: 2,
            earlier: Some(1),
            changed: vec![near.target().clone()],
            ..HelmRelease::default()
        });
    };
    let remedy = REMEDIES.iter().find(|remedy| remedy.name() == "rollback-release").unwrap();
    let calm = || World::healthy().mark("annotations", "meta.helm.sh/release-name", "web");
    let mut near = calm().near("Deployment", "web", "release_rollback").await;
    read(&mut near);
    let draft = remedy.fits(&near).unwrap();
    assert_eq!((draft.why.as_str(), draft.moves.len()), ("ordered by the caller", 2));
    // Without an order it takes evidence that the upgrade began the trouble.
    let mut near = calm().near("Deployment", "web", "crash_loop").await;
    read(&mut near);
    assert!(remedy.fits(&near).is_err());
    let near = World::healthy().near("Deployment", "web", "release_rollback").await;
    assert!(remedy.fits(&near).unwrap_err().contains("belongs to no Helm release"));
}

#[tokio::test]
async fn an_autoscaler_owns_the_replicas_and_nothing_else() {
    let scaled = |world: World| {
        world.put(
            "horizontalpodautoscalers",
            json!({"metadata": {"name": "web-hpa", "namespace": "shop"}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}}),
        );
        world
    };
    misfits(scaled(World::healthy()), "Deployment", "web", "scale-out", "web-hpa owns the replicas").await;
    let target = fixtures::problem("Deployment", "web", "").target;
    let action = Action::ScaleWorkload { target, replicas: 5 };
    let why = refused(scaled(World::healthy()).order("Deployment", "web", action).await.unwrap());
    assert!(why.contains("minReplicas"), "{why}");
    let plan = made(scaled(World::crashing()).plan("Deployment", "web", "crash_loop").await);
    assert_eq!(plan.remedy, "rollback-to-good-revision");
    assert!(plan.deployed.also[0].contains("web-hpa"), "{:?}", plan.deployed.also);
}

#[tokio::test]
async fn nothing_is_scaled_while_its_autoscalers_are_not_known() {
    let mut near = World::healthy().near("Deployment", "web", "high_cpu").await;
    allows(&near, Change::Replicas).unwrap();
    near.gaps.push("horizontalpodautoscalers could not be read: forbidden".to_owned());
    let why = allows(&near, Change::Replicas).unwrap_err();
    assert!(why.contains("not known") && why.contains("forbidden"), "{why}");
    allows(&near, Change::Restart).unwrap();
}
