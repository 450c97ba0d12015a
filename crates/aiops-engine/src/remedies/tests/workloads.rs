//! Restart, rollback, limits, scaling and eviction.

use serde_json::{Value, json};

use super::{super::*, fits, misfits};
use crate::planner::fixtures::{self, World};

const ROLLBACK: &str = "rollback-to-good-revision";

#[tokio::test]
async fn a_rollout_that_began_the_trouble_is_rolled_back() {
    let draft = fits(World::crashing(), "Deployment", "web", ROLLBACK).await;
    let Action::RollbackWorkload { target, revision, source } = &draft.moves[0].action else {
        panic!("{draft:?}")
    };
    assert_eq!((target.uid.as_deref(), *revision, source.as_str()), (Some("u-web"), 1, "web-1"));
    assert!(draft.why.contains("never complete") && draft.why.contains("served for 2 h"), "{}", draft.why);

    // The rollout was complete for a moment: a process without a readiness probe counts as ready when it starts.
    let complete = World::crashing();
    complete.edit("deployments", "web", |web| {
        web["status"]["conditions"][0]["reason"] = json!("NewReplicaSetAvailable");
    });
    let draft = fits(complete, "Deployment", "web", ROLLBACK).await;
    assert!(draft.why.contains("first seen 180 s after"), "{}", draft.why);

    // Pods of the old revision that are still there prove it good.
    let half = World::crashing();
    half.put("pods", fixtures::pod("web-1-a", "web-1"));
    let draft = fits(half, "Deployment", "web", ROLLBACK).await;
    assert!(draft.why.contains("still has 1 pods that are well"), "{}", draft.why);
}

#[tokio::test]
async fn a_rollout_that_did_not_begin_it_is_not_rolled_back() {
    misfits(World::healthy(), "Deployment", "web", ROLLBACK, "in trouble now").await;

    let long_ago = World::crashing();
    long_ago.edit("replicasets", "web-2", |set| {
        set["metadata"]["creationTimestamp"] = json!("2025-12-30T09:00:00Z");
    });
    long_ago.edit("replicasets", "web-1", |set| {
        set["metadata"]["creationTimestamp"] = json!("2025-12-29T09:00:00Z");
    });
    long_ago.edit("deployments", "web", |web| {
        web["status"]["conditions"][0]["reason"] = json!("NewReplicaSetAvailable");
    });
    misfits(long_ago, "Deployment", "web", ROLLBACK, "ran for a while").await;

    let both = World::crashing();
    let mut old = fixtures::pod("web-1-a", "web-1");
    fixtures::trouble(&mut old, "CrashLoopBackOff");
    both.put("pods", old);
    misfits(both, "Deployment", "web", ROLLBACK, "earlier revision is in trouble too").await;

    let one = World::crashing();
    one.put("pods", fixtures::pod("web-2-c", "web-2"));
    misfits(one, "Deployment", "web", ROLLBACK, "pod web-2-c of the current revision is well").await;

    let first = World::crashing();
    first.0.objects.lock().retain(|(_, _, name), _| name != "web-1");
    misfits(first, "Deployment", "web", ROLLBACK, "no earlier revision").await;

    // The revision before came a minute earlier: nobody knows whether it was any good.
    let brief = World::crashing();
    brief.edit("replicasets", "web-1", |set| {
        set["metadata"]["creationTimestamp"] = json!("2026-01-01T11:54:00Z");
    });
    misfits(brief, "Deployment", "web", ROLLBACK, "known to have been good").await;

    // It was not available before the rollout either.
    let never = World::crashing();
    never.edit("deployments", "web", |web| {
        web["status"]["conditions"][1]["lastTransitionTime"] = json!("2026-01-01T11:00:00Z");
    });
    misfits(never, "Deployment", "web", ROLLBACK, "known to have been good").await;

    let paused = World::crashing();
    paused.edit("deployments", "web", |web| web["spec"]["paused"] = json!(true));
    misfits(paused, "Deployment", "web", ROLLBACK, "paused").await;

    let unrecorded = World::crashing();
    unrecorded.edit("deployments", "web", |web| {
        web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop/web:3");
    });
    misfits(unrecorded, "Deployment", "web", ROLLBACK, "could not be undone").await;
}

#[tokio::test]
async fn refused_pods_and_missing_images_are_rolled_back_too() {
    fits(World::troubled("ImagePullBackOff"), "Deployment", "web", ROLLBACK).await;
    let refused = World::healthy();
    refused.0.objects.lock().retain(|(kind, ..), _| kind != "pods");
    refused.edit("deployments", "web", |web| {
        web["status"]["conditions"] = json!([
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"},
            {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"},
        ]);
    });
    let draft = fits(refused, "Deployment", "web", ROLLBACK).await;
    assert!(draft.why.contains("are refused"), "{}", draft.why);
}

/// A StatefulSet or DaemonSet `db` of two revisions, the newest in trouble.
fn set(kind: &str, plural: &str) -> World {
    World::empty().with_set(kind, plural, "db")
}

#[tokio::test]
async fn stateful_sets_and_daemon_sets_go_back_by_their_controller_revisions() {
    for (kind, plural) in [("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")] {
        let draft = fits(set(kind, plural), kind, "db", ROLLBACK).await;
        let Action::RollbackWorkload { revision, source, .. } = &draft.moves[0].action else {
            panic!("{draft:?}")
        };
        assert_eq!((*revision, source.as_str()), (1, "db-1"), "{kind}");
        // Pods of a StatefulSet come one after another: it would wait for the one that hangs.
        let evicts = draft.moves.get(1).map(|one| one.action.target().name.as_str());
        assert_eq!(evicts, (kind == "StatefulSet").then_some("db-0"), "{kind}");
        let by_hand = set(kind, plural);
        by_hand.edit(plural, "db", |set| set["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
        misfits(by_hand, kind, "db", ROLLBACK, "OnDelete").await;
    }
    let held = set("StatefulSet", "statefulsets");
    held.edit("statefulsets", "db", |set| {
        set["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 9}});
    });
    misfits(held, "StatefulSet", "db", ROLLBACK, "partition").await;
}

#[tokio::test]
async fn a_restart_is_an_order_that_says_what_it_saw() {
    let draft = fits(World::healthy(), "Deployment", "web", "restart-rollout").await;
    assert!(draft.why.contains("because it was asked for"), "{}", draft.why);
    let draft = fits(World::crashing(), "Deployment", "web", "restart-rollout").await;
    assert!(draft.why.contains("2 of 2 pods are in trouble (CrashLoopBackOff)"), "{}", draft.why);
    let empty = World::healthy();
    empty.edit("deployments", "web", |web| web["spec"]["replicas"] = json!(0));
    misfits(empty, "Deployment", "web", "restart-rollout", "scaled to 0").await;
    let bare = World::empty();
    let mut pod = fixtures::pod("bare", "web-2");
    pod["metadata"]["ownerReferences"] = json!([]);
    bare.put("pods", pod);
    misfits(bare, "Pod", "bare", "restart-rollout", "nobody would make it again").await;
}

fn killed() -> World {
    World::troubled("OOMKilled")
}

fn limit_of(draft: &Draft) -> (Option<&str>, Option<&str>) {
    let Action::SetResources { container, resources, .. } = &draft.moves[0].action else {
        panic!("{draft:?}")
    };
    assert_eq!(container, "app");
    (resources.memory_limit.as_deref(), resources.memory_request.as_deref())
}

#[tokio::test]
async fn a_memory_limit_is_raised_by_a_half_within_what_is_allowed() {
    let draft = fits(killed(), "Deployment", "web", "raise-memory-limit").await;
    assert_eq!(limit_of(&draft), (Some("384Mi"), None));

    let guaranteed = killed();
    guaranteed.edit("deployments", "web", |web| {
        web["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["memory"] = json!("256Mi");
    });
    assert_eq!(
        limit_of(&fits(guaranteed, "Deployment", "web", "raise-memory-limit").await),
        (Some("384Mi"), Some("384Mi"))
    );

    let ranged = |item: Value| {
        let world = killed();
        world.put(
            "limitranges",
            json!({"metadata": {"name": "bounds", "namespace": "shop"}, "spec": {"limits": [item]}}),
        );
        world
    };
    let capped = ranged(json!({"type": "Container", "max": {"memory": "300Mi"}}));
    let draft = fits(capped, "Deployment", "web", "raise-memory-limit").await;
    assert_eq!(limit_of(&draft).0, Some("288Mi"));
    assert!(draft.why.contains("LimitRange bounds"), "{}", draft.why);
    let full = ranged(json!({"type": "Container", "max": {"memory": "256Mi"}}));
    misfits(
        full,
        "Deployment",
        "web",
        "raise-memory-limit",
        "LimitRange bounds leaves container app no more than 256Mi",
    )
    .await;
    let ratio = ranged(json!({"type": "Container", "maxLimitRequestRatio": {"memory": "2"}}));
    misfits(ratio, "Deployment", "web", "raise-memory-limit", "LimitRange bounds").await;

    let quota = |hard: &str| {
        let world = killed();
        world.put(
            "resourcequotas",
            json!({"metadata": {"name": "team", "namespace": "shop"},
                "status": {"hard": {"limits.memory": hard}, "used": {"limits.memory": "512Mi"}}}),
        );
        world
    };
    // Two replicas take 128Mi more each, and the surplus pod of the rollout all of its 384Mi.
    assert_eq!(
        limit_of(&fits(quota("1152Mi"), "Deployment", "web", "raise-memory-limit").await).0,
        Some("384Mi")
    );
    misfits(quota("600Mi"), "Deployment", "web", "raise-memory-limit", "ResourceQuota team").await;

    misfits(World::crashing(), "Deployment", "web", "raise-memory-limit", "killed for memory").await;
    let unlimited = killed();
    unlimited.edit("deployments", "web", |web| {
        web["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({});
    });
    misfits(unlimited, "Deployment", "web", "raise-memory-limit", "no memory limit").await;
}

#[tokio::test]
async fn a_cpu_limit_is_raised_where_it_is_plain_which() {
    let draft = fits(World::healthy(), "Deployment", "web", "raise-cpu-limit").await;
    let Action::SetResources { resources, .. } = &draft.moves[0].action else { panic!("{draft:?}") };
    assert_eq!(resources.cpu_limit.as_deref(), Some("750m"));
    let two = World::healthy();
    two.edit("deployments", "web", |web| {
        let more = json!({"name": "proxy", "resources": {"limits": {"cpu": "1"}}});
        web["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().push(more);
    });
    misfits(two, "Deployment", "web", "raise-cpu-limit", "does not say which").await;
    let vertical = World::healthy();
    vertical.put(
        "verticalpodautoscalers",
        json!({"metadata": {"name": "vpa", "namespace": "shop"}, "spec": {"targetRef": {"kind": "Deployment", "name": "web"}}}),
    );
    misfits(vertical, "Deployment", "web", "raise-cpu-limit", "VerticalPodAutoscaler shop/vpa owns").await;
}

#[tokio::test]
async fn load_is_shared_by_more_replicas_where_all_are_well() {
    let draft = fits(World::healthy(), "Deployment", "web", "scale-out").await;
    assert!(matches!(draft.moves[0].action, Action::ScaleWorkload { replicas: 3, .. }), "{draft:?}");
    misfits(World::crashing(), "Deployment", "web", "scale-out", "0 of 2 pods").await;
    let quota = World::healthy();
    quota.put(
        "resourcequotas",
        json!({"metadata": {"name": "team", "namespace": "shop"}, "status": {"hard": {"pods": "5"}, "used": {"pods": "5"}}}),
    );
    misfits(quota, "Deployment", "web", "scale-out", "ResourceQuota team leaves room for 0").await;
    misfits(set("StatefulSet", "statefulsets"), "StatefulSet", "db", "scale-out", "not known").await;
}

#[tokio::test]
async fn one_pod_in_trouble_by_itself_is_evicted() {
    let one = || {
        let world = World::healthy();
        world.edit("pods", "web-2-b", |pod| fixtures::trouble(pod, "CrashLoopBackOff"));
        world
    };
    let draft = fits(one(), "Pod", "web-2-b", "evict-pod").await;
    assert!(matches!(&draft.moves[0].action, Action::EvictPod { target } if target.name == "web-2-b"));
    misfits(one(), "Pod", "web-2-a", "evict-pod", "pod web-2-a was named").await;
    misfits(World::crashing(), "Deployment", "web", "evict-pod", "2 pods are in trouble").await;
    misfits(World::healthy(), "Deployment", "web", "evict-pod", "").await;
}

#[tokio::test]
async fn an_estimate_follows_the_strategy() {
    let seconds = |edit: fn(&mut Value)| async move {
        let world = World::healthy();
        world.edit("deployments", "web", edit);
        rollout_seconds(&world.near("Deployment", "web", "unspecified").await)
    };
    let plain = seconds(|_| ()).await;
    let many = seconds(|web| {
        web["spec"]["replicas"] = json!(40);
        web["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": 1, "maxUnavailable": 0});
    })
    .await;
    let at_once = seconds(|web| {
        web["spec"]["replicas"] = json!(40);
        web["spec"]["strategy"] = json!({"type": "Recreate"});
    })
    .await;
    let slow = seconds(|web| web["spec"]["minReadySeconds"] = json!(120)).await;
    assert!(plain < many && at_once < many && plain < slow, "{plain} {many} {at_once} {slow}");
    let absurd = seconds(|web| {
        web["spec"]["replicas"] = json!(i64::MAX);
        web["spec"]["minReadySeconds"] = json!(i64::MAX);
        web["spec"]["strategy"]["rollingUpdate"] =
            json!({"maxSurge": "9223372036854775807%", "maxUnavailable": -5});
    })
    .await;
    assert!((30..=3_600).contains(&absurd), "{absurd}");
}

#[tokio::test]
async fn a_stateful_set_is_not_left_waiting_for_a_pod_that_hangs() {
    let parallel = set("StatefulSet", "statefulsets");
    parallel.edit("statefulsets", "db", |set| set["spec"]["podManagementPolicy"] = json!("Parallel"));
    assert_eq!(fits(parallel, "StatefulSet", "db", ROLLBACK).await.moves.len(), 1);

    let many = set("StatefulSet", "statefulsets");
    let mut second =
        many.0.objects.lock().values().find(|pod| pod["metadata"]["name"] == "db-0").cloned().unwrap();
    second["metadata"]["name"] = json!("db-1");
    second["metadata"]["uid"] = json!("u-db-1");
    many.put("pods", second);
    let part = "--to-revision=1 -n shop`, then `kubectl delete pod db-0 db-1 -n shop`";
    misfits(many, "StatefulSet", "db", ROLLBACK, part).await;

    let plan =
        fixtures::made(set("StatefulSet", "statefulsets").plan("StatefulSet", "db", "crash_loop").await);
    let together: Vec<bool> =
        plan.steps.iter().map(|step| crate::planner::is_judged_with_next(&plan, step.order)).collect();
    assert_eq!(together, [true, false]);
    let alone = fixtures::made(World::crashing().plan("Deployment", "web", "crash_loop").await);
    assert!(
        !crate::planner::is_judged_with_next(&alone, 0) && !crate::planner::is_judged_with_next(&alone, 7)
    );
}

#[tokio::test]
async fn every_change_of_its_template_frees_a_stateful_set() {
    let names = |draft: &Draft| draft.moves.iter().map(|one| one.action.name()).collect::<Vec<_>>();
    let draft = fits(set("StatefulSet", "statefulsets"), "StatefulSet", "db", "restart-rollout").await;
    assert_eq!(names(&draft), ["restart-workload", "evict-pod"]);
    let killed = set("StatefulSet", "statefulsets");
    killed.edit("pods", "db-0", |pod| fixtures::trouble(pod, "OOMKilled"));
    killed.edit("statefulsets", "db", |set| {
        set["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "64Mi"}});
    });
    let draft = fits(killed, "StatefulSet", "db", "raise-memory-limit").await;
    assert_eq!(names(&draft), ["set-resources", "evict-pod"]);
    let calm = set("StatefulSet", "statefulsets");
    calm.edit("pods", "db-0", |pod| pod["status"] = fixtures::pod("db-0", "db-2")["status"].clone());
    assert_eq!(names(&fits(calm, "StatefulSet", "db", "restart-rollout").await), ["restart-workload"]);

    let target = fixtures::problem("StatefulSet", "db", "").target;
    let ordered = set("StatefulSet", "statefulsets");
    let action = Action::RestartWorkload { target };
    let plan = fixtures::made(ordered.order("StatefulSet", "db", action).await.unwrap());
    assert_eq!(plan.steps.len(), 2);
    assert!(crate::planner::is_judged_with_next(&plan, 0));
}

#[tokio::test]
async fn a_restart_in_between_is_no_rollout_of_its_own() {
    // Revision 2 crashes, somebody restarts it: revision 3 is the same, and going back to 2 would help nobody.
    let restarted = || {
        let world = World::crashing();
        let mut third = fixtures::replica_set(3, "2026-01-01T11:58:00Z");
        let at = json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T11:58:00Z"});
        third["spec"]["template"]["metadata"]["annotations"] = at.clone();
        third["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop/web:2");
        world.put("replicasets", third);
        world.edit("deployments", "web", |web| web["spec"]["template"]["metadata"]["annotations"] = at);
        let mut pod = fixtures::pod("web-3-a", "web-3");
        fixtures::trouble(&mut pod, "CrashLoopBackOff");
        world.put("pods", pod);
        world
    };
    let draft = fits(restarted(), "Deployment", "web", ROLLBACK).await;
    assert!(matches!(&draft.moves[0].action, Action::RollbackWorkload { revision: 1, .. }), "{draft:?}");
    let alone = restarted();
    alone.0.objects.lock().retain(|(_, _, name), _| name != "web-1");
    misfits(alone, "Deployment", "web", ROLLBACK, "no earlier revision").await;
}
