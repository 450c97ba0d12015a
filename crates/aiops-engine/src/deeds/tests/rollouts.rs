//! When a rollout counts as complete, as failed, and as neither.

use super::*;

fn restarted(world: &mut World) -> Action {
    let action = Action::RestartWorkload { target: web() };
    done(&action, world, KEY);
    action
}

/// The controller made a ReplicaSet of the current template.
fn recorded(world: &mut World) {
    let template = world.object()["spec"]["template"].clone();
    world.lists = vec![replica_sets(), Vec::new()];
    world.lists[0].push(replica_set("web-3", 3, "ccc", template));
}

fn pod_of(hash: &str, status: Value) -> Value {
    json!({"metadata": {"name": format!("web-{hash}"), "labels": {"app": "web", "pod-template-hash": hash}},
        "status": {"containerStatuses": [status]}})
}

#[test]
fn a_rollout_is_complete_when_all_pods_are_new_ready_and_available() {
    let mut world = World::of(deployment());
    let action = restarted(&mut world);
    recorded(&mut world);
    let verdict = |world: &World| verify(&action, KEY, &world.seen());
    world.edit(json!({"metadata": {"generation": 3}}));
    assert_eq!(verdict(&world).0, Verdict::Unknown, "not seen by its controller");
    world.edit(json!({"status": {"observedGeneration": 3, "updatedReplicas": 1, "replicas": 4}}));
    assert_eq!(verdict(&world).0, Verdict::Unknown, "not all are new");
    world.edit(json!({"status": {"updatedReplicas": 3, "replicas": 4}}));
    assert_eq!(verdict(&world).0, Verdict::Unknown, "an old one is left");
    world.edit(json!({"status": {"replicas": 3, "readyReplicas": 2}}));
    assert_eq!(verdict(&world).0, Verdict::Unknown, "not all are ready");
    world.edit(json!({"status": {"readyReplicas": 3, "availableReplicas": 3}}));
    assert_eq!(
        verdict(&world),
        (
            Verdict::Passed,
            "Deployment shop/web: 3 of 3 pods are of the current template, ready and available".to_owned()
        )
    );
}

#[test]
fn new_pods_that_cannot_start_fail_it_early_and_old_ones_do_not() {
    let mut world = World::of(deployment());
    let action = restarted(&mut world);
    recorded(&mut world);
    world.edit(json!({"status": {"updatedReplicas": 1, "replicas": 4}}));
    let looping = |crashes: i64| {
        json!({"name": "web", "restartCount": crashes, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 3}}})
    };
    let mut verdict = |pods: Vec<Value>| {
        world.lists[1] = pods;
        verify(&action, KEY, &world.seen())
    };
    assert_eq!(verdict(vec![pod_of("bbb", looping(9))]).0, Verdict::Unknown, "an old pod");
    assert_eq!(verdict(vec![pod_of("ccc", looping(1))]).0, Verdict::Unknown, "one crash may pass");
    let (failed, why) = verdict(vec![pod_of("ccc", looping(2))]);
    assert_eq!(failed, Verdict::Failed);
    assert!(why.contains("exit code 3") && why.contains("web-ccc"), "{why}");
    let no_image = json!({"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff"}}});
    assert_eq!(verdict(vec![pod_of("ccc", no_image)]).0, Verdict::Failed);
    let mut ending = pod_of("ccc", looping(5));
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    assert_eq!(verdict(vec![ending]).0, Verdict::Unknown, "one that is going");
}

#[test]
fn a_rollout_past_its_deadline_has_failed() {
    let mut world = World::of(deployment());
    let action = restarted(&mut world);
    world.edit(
        json!({"status": {"updatedReplicas": 1, "conditions": [{"type": "Progressing", "status": "False",
        "reason": "ProgressDeadlineExceeded", "message": "has timed out"}]}}),
    );
    let (verdict, why) = verify(&action, KEY, &world.seen());
    assert_eq!(verdict, Verdict::Failed);
    assert!(why.contains("has timed out"), "{why}");
}

#[test]
fn what_a_controller_set_back_has_failed() {
    for (action, mut world) in exact() {
        let before = world.object().clone();
        done(&action, &mut world, KEY);
        world.object = Some(before);
        assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Failed, "{action:?}");
    }
    let mut world = World::of(deployment());
    let action = restarted(&mut world);
    world.object = Some(deployment());
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Failed);
}

#[test]
fn a_stateful_set_is_updated_by_revision_and_a_daemon_set_by_node() {
    let set = |kind: &str, status: Value| {
        let mut object = deployment();
        object["status"] = status;
        let action = Action::RestartWorkload { target: Target::known(kind, "shop", "web").with_uid("d-1") };
        let mut world = World::of(object);
        done(&action, &mut world, KEY);
        verify(&action, KEY, &world.seen()).0
    };
    let stateful = |updated: i64, current: &str| {
        set(
            "StatefulSet",
            json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3,
            "updatedReplicas": updated, "currentRevision": current, "updateRevision": "new"}),
        )
    };
    assert_eq!(stateful(1, "old"), Verdict::Unknown);
    assert_eq!(stateful(3, "new"), Verdict::Passed);
    let daemon = |updated: i64, ready: i64| {
        set(
            "DaemonSet",
            json!({"observedGeneration": 2, "desiredNumberScheduled": 3,
            "updatedNumberScheduled": updated, "numberReady": ready, "numberAvailable": ready}),
        )
    };
    assert_eq!(daemon(2, 3), Verdict::Unknown);
    assert_eq!(daemon(3, 2), Verdict::Unknown);
    assert_eq!(daemon(3, 3), Verdict::Passed);
}

#[test]
fn a_partition_is_complete_when_its_part_is() {
    let mut object = deployment();
    object["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    object["status"] = json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 1,
        "currentRevision": "old", "updateRevision": "new"});
    let action =
        Action::RestartWorkload { target: Target::known("StatefulSet", "shop", "web").with_uid("d-1") };
    let mut world = World::of(object);
    done(&action, &mut world, KEY);
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Passed);
    world.edit(json!({"status": {"updatedReplicas": 0}}));
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Unknown);
}
