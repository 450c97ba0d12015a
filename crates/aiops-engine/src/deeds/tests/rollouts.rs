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
    // With minReadySeconds the last pod is ready before it counts.
    let available = |available: i64| {
        set(
            "StatefulSet",
            json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": available,
            "updatedReplicas": 3, "currentRevision": "new", "updateRevision": "new"}),
        )
    };
    assert_eq!(available(2), Verdict::Unknown);
    assert_eq!(available(3), Verdict::Passed);
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

#[test]
fn a_deadline_that_an_earlier_template_missed_does_not_fail_the_next_one() {
    let late = |name: &str| {
        json!({"status": {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": format!("ReplicaSet \"{name}\" has timed out progressing.")}]}})
    };
    // With the strategy Recreate none of the pods of the good revision is there when it is gone back to.
    let mut world = World::of(deployment()).with(replica_sets());
    let action = rollback();
    done(&action, &mut world, KEY);
    world.lists.push(Vec::new());
    world.edit(json!({"metadata": {"generation": 3}, "status": {"observedGeneration": 3, "replicas": 0,
        "updatedReplicas": 0, "readyReplicas": 0, "availableReplicas": 0}}));
    world.edit(late("web-2"));
    let (verdict, why) = verify(&action, KEY, &world.seen());
    assert_eq!(verdict, Verdict::Unknown, "{why}");
    world.edit(late("web-1"));
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Failed, "the good revision timed out itself");
    world.edit(late("web-9"));
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Failed, "of whom it is cannot be told");
}

#[test]
fn a_rollback_whose_revision_is_not_there_is_not_taken_for_done() {
    let mut world = World::of(deployment()).with(replica_sets());
    done(&rollback(), &mut world, KEY);
    assert_eq!(verify(&rollback(), KEY, &world.seen()).0, Verdict::Passed);
    world.lists[0].retain(|set| set["metadata"]["name"] != "web-1");
    assert_eq!(verify(&rollback(), KEY, &world.seen()).0, Verdict::Unknown);
    world.lists.clear();
    assert_eq!(verify(&rollback(), KEY, &world.seen()).0, Verdict::Unknown, "not looked at");
}

/// A workload that was scaled from 3 to 5, with this status.
fn scaled(kind: &str, spec: Value, status: Value) -> (Verdict, String) {
    let mut world = World::of(deployment()).with(Vec::new());
    world.edit(json!({"spec": spec}));
    let action =
        Action::ScaleWorkload { target: Target::known(kind, "shop", "web").with_uid("d-1"), replicas: 5 };
    done(&action, &mut world, KEY);
    world.edit(json!({"status": null}));
    world.edit(json!({"status": status}));
    verify(&action, KEY, &world.seen())
}

#[test]
fn a_scale_is_judged_by_its_pods_and_not_by_the_template() {
    let counts = |all: i64, updated: i64, ready: i64| {
        json!({"observedGeneration": 2, "replicas": all, "updatedReplicas": updated, "readyReplicas": ready,
            "availableReplicas": ready, "currentRevision": "old", "updateRevision": "new"})
    };
    for (kind, spec) in [
        ("Deployment", json!({"paused": true})),
        ("Deployment", json!({})),
        ("StatefulSet", json!({"updateStrategy": {"type": "OnDelete"}})),
        (
            "StatefulSet",
            json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 9}}}),
        ),
        ("StatefulSet", json!({})),
    ] {
        let verdict = |status: Value| scaled(kind, spec.clone(), status).0;
        assert_eq!(verdict(counts(5, 1, 5)), Verdict::Passed, "{kind} {spec}");
        assert_eq!(verdict(counts(5, 5, 5)), Verdict::Passed, "{kind} {spec}");
        assert_eq!(verdict(counts(5, 5, 4)), Verdict::Unknown, "{kind} {spec}: one is not ready");
        assert_eq!(verdict(counts(3, 0, 3)), Verdict::Unknown, "{kind} {spec}: the new ones are not there");
        assert_eq!(verdict(counts(7, 7, 5)), Verdict::Unknown, "{kind} {spec}: two are too many");
        let mut young = counts(5, 5, 5);
        young["availableReplicas"] = json!(4);
        assert_eq!(verdict(young), Verdict::Unknown, "{kind} {spec}: one is not available");
        let mut unseen = counts(5, 5, 5);
        unseen["observedGeneration"] = json!(1);
        assert_eq!(verdict(unseen), Verdict::Unknown, "{kind} {spec}: its controller has not come to it");
    }
}

#[test]
fn a_scale_during_a_rollout_may_have_its_surge() {
    let status = json!({"observedGeneration": 2, "replicas": 7, "updatedReplicas": 2, "readyReplicas": 5,
        "availableReplicas": 5, "conditions": [{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"web-2\" has timed out progressing."}]});
    let spec =
        |surge: Value| json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}}});
    for (surge, verdict) in
        [(json!("25%"), Verdict::Passed), (json!(2), Verdict::Passed), (json!(1), Verdict::Unknown)]
    {
        let (is, why) = scaled("Deployment", spec(surge.clone()), status.clone());
        assert_eq!(is, verdict, "{surge}: {why}");
    }
}

#[test]
fn a_workload_that_holds_its_pods_still_is_well_when_they_are() {
    let mut object = deployment();
    object["spec"]["paused"] = json!(true);
    object["status"]["updatedReplicas"] = json!(0);
    let mut world = World::of(object);
    assert_eq!(well(&web(), &world.seen()).0, Verdict::Passed);
    world.edit(json!({"status": {"readyReplicas": 2}}));
    assert_eq!(well(&web(), &world.seen()).0, Verdict::Unknown);
    world.edit(json!({"spec": {"paused": false}, "status": {"readyReplicas": 3}}));
    assert_eq!(well(&web(), &world.seen()).0, Verdict::Unknown, "now its template counts");
    let mut set = deployment();
    set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    set["status"] = json!({"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 0,
        "numberReady": 3, "numberAvailable": 3});
    let daemon = Target::known("DaemonSet", "shop", "web").with_uid("d-1");
    assert_eq!(well(&daemon, &World::of(set).seen()).0, Verdict::Passed);
}
