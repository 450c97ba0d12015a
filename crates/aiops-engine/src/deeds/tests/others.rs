//! Deeds that cannot be undone, those that change nothing, and what each refuses.

use super::*;

pub(super) fn autoscaler() -> Value {
    json!({"metadata": {"name": "web-hpa"}, "spec": {"scaleTargetRef":
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}})
}

fn is_refused(seen: &Observation, part: &str) {
    assert!(matches!(seen, Observation::Refused { why } if why.contains(part)), "{part}: {seen:?}");
}

#[test]
fn a_restart_is_known_by_its_key_in_the_template() {
    let action = Action::RestartWorkload { target: web() };
    let mut world = World::of(deployment());
    done(&action, &mut world, KEY);
    let place = &world.object()["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(place, &json!({ RESTART: KEY }));
    assert!(matches!(observe(&action, KEY, "wf-1", &world.seen()), Observation::Applied { .. }));
    // Another order restarts again.
    assert!(matches!(observe(&action, "wf-2/0/do", "wf-2", &world.seen()), Observation::Ready(_)));
}

#[test]
fn a_workload_whose_pods_stay_is_not_restarted() {
    let action = Action::RestartWorkload { target: web() };
    let mut paused = World::of(deployment());
    paused.edit(json!({"spec": {"paused": true}}));
    is_refused(&observe(&action, KEY, "wf-1", &paused.seen()), "paused");
    let mut on_delete = World::of(deployment());
    on_delete.edit(json!({"spec": {"updateStrategy": {"type": "OnDelete"}}}));
    is_refused(&observe(&action, KEY, "wf-1", &on_delete.seen()), "OnDelete");
    let job = Action::RestartWorkload { target: Target::known("Job", "shop", "web") };
    is_refused(&observe(&job, KEY, "wf-1", &World::of(deployment()).seen()), "cannot be restarted");
}

#[test]
fn replicas_that_an_autoscaler_owns_are_not_set() {
    let world = World::of(deployment()).with(vec![autoscaler()]);
    is_refused(&observe(&scale(5), KEY, "wf-1", &world.seen()), "web-hpa");
    let mut other = autoscaler();
    other["spec"]["scaleTargetRef"]["name"] = "api".into();
    let world = World::of(deployment()).with(vec![other]);
    assert!(matches!(observe(&scale(5), KEY, "wf-1", &world.seen()), Observation::Ready(_)));
    let daemon = Action::ScaleWorkload { target: Target::known("DaemonSet", "shop", "web"), replicas: 2 };
    is_refused(&observe(&daemon, KEY, "wf-1", &world.seen()), "cannot be scaled");
}

#[test]
fn a_rollback_needs_its_source_as_it_was_planned() {
    let world = World::of(deployment()).with(Vec::new());
    is_refused(&observe(&rollback(), KEY, "wf-1", &world.seen()), "web-1");
    let mut moved = replica_sets();
    moved[0]["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "7".into();
    let world = World::of(deployment()).with(moved);
    is_refused(&observe(&rollback(), KEY, "wf-1", &world.seen()), "plan anew");
    let mut foreign = replica_sets();
    foreign[0]["metadata"]["ownerReferences"][0]["uid"] = "somebody".into();
    let world = World::of(deployment()).with(foreign);
    is_refused(&observe(&rollback(), KEY, "wf-1", &world.seen()), "web-1");
}

#[test]
fn a_template_that_no_revision_holds_is_not_replaced() {
    let mut world = World::of(deployment()).with(replica_sets());
    world.edit(json!({"spec": {"template": {"spec": {"hostNetwork": true}}}, "metadata": {"generation": 3}}));
    let seen = observe(&rollback(), KEY, "wf-1", &world.seen());
    assert!(matches!(seen, Observation::Wait { .. }), "{seen:?}");
    world.edit(json!({"status": {"observedGeneration": 3}}));
    is_refused(&observe(&rollback(), KEY, "wf-1", &world.seen()), "could not be undone");
}

#[test]
fn a_stateful_set_goes_back_to_a_controller_revision() {
    let revision = |name: &str, number: i64, image: &str| {
        let mut template = template(image);
        template["$patch"] = "replace".into();
        template["metadata"]["creationTimestamp"] = Value::Null;
        json!({"metadata": {"name": name, "uid": format!("{name}-uid"),
                "ownerReferences": [{"kind": "StatefulSet", "name": "web", "uid": "d-1", "controller": true}]},
            "revision": number, "data": {"spec": {"template": template}}})
    };
    let mut set = deployment();
    set["kind"] = "StatefulSet".into();
    set["metadata"].as_object_mut().unwrap().remove("annotations");
    let target = Target::known("StatefulSet", "shop", "web").with_uid("d-1");
    let action = Action::RollbackWorkload { target, revision: 1, source: "web-r1".to_owned() };
    let mut world = World::of(set).with(vec![revision("web-r1", 1, "web:1"), revision("web-r2", 2, "web:2")]);
    let before = settled(world.object());
    let step = done(&action, &mut world, KEY);
    assert_eq!(world.object()["spec"]["template"], template("web:1"));
    let back = ready(observe_undo(&step, BACK, "wf-1", &world.seen()));
    world.take(&back.mutation).unwrap();
    assert_eq!(settled(world.object()), before, "an object without annotations has none again");
}

#[test]
fn resources_need_a_container_and_quantities() {
    let set = |container: &str, limit: Option<&str>| Action::SetResources {
        target: web(),
        container: container.to_owned(),
        resources: Resources { memory_limit: limit.map(str::to_owned), ..Resources::default() },
    };
    let seen = World::of(deployment()).seen();
    is_refused(&observe(&set("web", None), KEY, "wf-1", &seen), "no request and no limit");
    is_refused(&observe(&set("web", Some("lots")), KEY, "wf-1", &seen), "no quantity");
    is_refused(&observe(&set("db", Some("1Gi")), KEY, "wf-1", &seen), "no container db");
    let same = observe(&set("web", Some("262144Ki")), KEY, "wf-1", &seen);
    assert!(matches!(same, Observation::Settled { .. }), "{same:?}");
}

#[test]
fn a_patch_of_resources_tests_the_container_at_its_place() {
    let ready = ready(observe(&resources(), KEY, "wf-1", &World::of(deployment()).seen()));
    let test = &ready.mutation.body[0];
    assert_eq!(test, &json!({"op": "test", "path": "/spec/template/spec/containers/1/name", "value": "web"}));
    assert_eq!(
        ready.diff,
        [
            "containers[web].resources.limits.cpu: none -> 1",
            "containers[web].resources.limits.memory: 256Mi -> 1024Mi"
        ]
    );
}

fn evict() -> Action {
    Action::EvictPod { target: Target::known("Pod", "shop", "web-1-x").with_uid("p-1") }
}

fn delete() -> Action {
    Action::DeletePod { target: Target::known("Pod", "shop", "web-1-x").with_uid("p-1") }
}

fn of_job() -> Value {
    let mut pod = pod();
    pod["metadata"]["ownerReferences"][0]["kind"] = "Job".into();
    pod
}

#[test]
fn evictions_and_deletions_are_pinned_to_uid_and_version() {
    let eviction = ready(observe(&evict(), KEY, "wf-1", &World::of(pod()).seen())).mutation;
    assert_eq!((eviction.verb, eviction.uid.as_deref()), (Verb::Evict, Some("p-1")));
    assert_eq!(eviction.resource_version.as_deref(), Some("5"));
    let deletion = ready(observe(&delete(), KEY, "wf-1", &World::of(of_job()).seen())).mutation;
    assert_eq!((deletion.verb, deletion.uid.as_deref()), (Verb::Delete, Some("p-1")));
    assert_eq!(deletion.resource_version.as_deref(), Some("5"));
}

#[test]
fn a_pod_that_is_gone_needs_no_eviction() {
    let ending = {
        let mut world = World::of(pod());
        world.edit(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
        world
    };
    let again = {
        let mut world = World::of(pod());
        world.edit(json!({"metadata": {"uid": "p-2"}}));
        world
    };
    let gone = World { object: None, lists: Vec::new() };
    for action in [evict(), delete()] {
        for world in [&ending, &again, &gone] {
            let seen = observe(&action, KEY, "wf-1", &world.seen());
            assert!(matches!(seen, Observation::Settled { .. }), "{seen:?}");
        }
        assert_eq!(verify(&action, KEY, &gone.seen()).0, Verdict::Passed);
        assert_eq!(verify(&action, KEY, &again.seen()).0, Verdict::Passed);
        assert_eq!(verify(&action, KEY, &ending.seen()).0, Verdict::Unknown);
    }
}

#[test]
fn a_pod_that_nobody_would_make_again_stays() {
    let mut bare = pod();
    bare["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    let mut mirror = pod();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    for action in [evict(), delete()] {
        is_refused(&observe(&action, KEY, "wf-1", &World::of(bare.clone()).seen()), "no owner");
        is_refused(&observe(&action, KEY, "wf-1", &World::of(mirror.clone()).seen()), "kubelet");
    }
    is_refused(&observe(&delete(), KEY, "wf-1", &World::of(pod()).seen()), "evict it");
}

fn application() -> Value {
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd", "uid": "a-1", "resourceVersion": "3"},
        "spec": {"syncPolicy": {"syncOptions": ["CreateNamespace=true"]}},
        "status": {"sync": {"status": "OutOfSync", "revision": "bbb"}, "health": {"status": "Degraded"},
            "history": [{"id": 4, "revision": "aaa", "source": {"repoURL": "https://git.example/r"}}]}})
}

fn sync() -> Action {
    Action::SyncApplication { target: Target::known("Application", "argocd", "web").with_uid("a-1") }
}

fn sync_back(history: i64) -> Action {
    let target = Target::known("Application", "argocd", "web").with_uid("a-1");
    Action::RollbackApplication { target, history }
}

/// Argo CD takes the operation up and says how it went.
fn run(world: &mut World, phase: &str) {
    let operation = world.object()["operation"].clone();
    world.edit(json!({"operation": null, "status": {"operationState": {"phase": phase, "message": "m", "operation": operation}}}));
}

#[test]
fn an_application_is_asked_once_and_known_by_the_key() {
    for action in [sync(), sync_back(4)] {
        let mut world = World::of(application());
        done(&action, &mut world, KEY);
        let operation = &world.object()["operation"];
        assert_eq!(operation["info"], json!([{"name": INFO, "value": KEY}]));
        assert_eq!(operation["sync"]["syncOptions"], json!(["CreateNamespace=true"]));
        assert_eq!(operation["sync"].get("prune"), None);
        let is_applied = |world: &World| {
            matches!(observe(&action, KEY, "wf-1", &world.seen()), Observation::Applied { .. })
        };
        assert!(is_applied(&world), "while it waits");
        run(&mut world, "Running");
        assert!(is_applied(&world), "while it runs");
        run(&mut world, "Succeeded");
        assert!(is_applied(&world), "after another operation");
        assert_eq!(verify(&action, KEY, &World::of(application()).seen()).0, Verdict::Unknown);
    }
}

#[test]
fn an_operation_that_runs_is_waited_for() {
    let mut world = World::of(application());
    done(&sync(), &mut world, KEY);
    let other = |world: &World| observe(&sync(), "wf-2/0/do", "wf-2", &world.seen());
    assert!(matches!(other(&world), Observation::Wait { .. }));
    run(&mut world, "Running");
    assert!(matches!(other(&world), Observation::Wait { .. }));
    world.edit(json!({"status": {"operationState": {"phase": "Succeeded"}}}));
    assert!(matches!(other(&world), Observation::Ready(_)));
}

#[test]
fn an_application_is_verified_by_phase_sync_and_health() {
    let mut world = World::of(application());
    done(&sync(), &mut world, KEY);
    assert_eq!(verify(&sync(), KEY, &world.seen()).0, Verdict::Unknown);
    let mut failed = world.clone();
    run(&mut failed, "Failed");
    assert_eq!(verify(&sync(), KEY, &failed.seen()).0, Verdict::Failed);
    run(&mut world, "Succeeded");
    assert_eq!(verify(&sync(), KEY, &world.seen()).0, Verdict::Unknown, "not healthy yet");
    world.edit(json!({"status": {"health": {"status": "Healthy"}}}));
    assert_eq!(verify(&sync(), KEY, &world.seen()).0, Verdict::Unknown, "not synced yet");
    assert_eq!(verify(&sync_back(4), KEY, &world.seen()).0, Verdict::Passed, "a rollback is out of sync");
    world.edit(json!({"status": {"sync": {"status": "Synced"}, "reconciledAt": "2026-01-01T00:00:00Z",
        "operationState": {"finishedAt": "2026-01-01T00:00:09Z"}}}));
    assert_eq!(verify(&sync(), KEY, &world.seen()).0, Verdict::Unknown, "compared before it ended");
    world.edit(json!({"status": {"reconciledAt": "2026-01-01T00:00:10Z"}}));
    assert_eq!(verify(&sync(), KEY, &world.seen()).0, Verdict::Passed);
}

#[test]
fn automated_sync_refuses_a_rollback_and_is_noted_at_a_sync() {
    let mut world = World::of(application());
    world.edit(json!({"spec": {"syncPolicy": {"automated": {"selfHeal": true}}}}));
    is_refused(&observe(&sync_back(4), KEY, "wf-1", &world.seen()), "automated sync");
    let diff = ready(observe(&sync(), KEY, "wf-1", &world.seen())).diff;
    assert!(diff.iter().any(|line| line.contains("self-heal")), "{diff:?}");
    is_refused(&observe(&sync_back(9), KEY, "wf-1", &World::of(application()).seen()), "no entry 9");
}

#[test]
fn a_nudge_is_an_annotation_and_the_resource_says_whether_it_helped() {
    let target = Target::new("example.io", "Database", "shop", "db").with_uid("r-1");
    let action = Action::NudgeOperator { target };
    let mut world = World::of(json!({"metadata": {"name": "db", "namespace": "shop", "uid": "r-1",
        "resourceVersion": "1", "generation": 1}, "status": {"observedGeneration": 1}}));
    done(&action, &mut world, KEY);
    assert_eq!(world.object()["metadata"]["annotations"], json!({ NUDGE: KEY }));
    assert!(matches!(observe(&action, KEY, "wf-1", &world.seen()), Observation::Applied { .. }));
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Unknown, "it says nothing");
    world.edit(json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}));
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Unknown);
    world.edit(json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Passed);
    let ready =
        json!([{"type": "Ready", "status": "True"}, {"type": "Degraded", "status": "True", "reason": "R"}]);
    world.edit(json!({"status": {"conditions": ready}}));
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Unknown);
}

#[test]
fn a_pool_is_waited_for_and_never_written_to() {
    let action =
        Action::AwaitPool { target: Target::known("MachineConfigPool", "", "worker").with_uid("m-1") };
    let mut world = World::of(json!({"metadata": {"name": "worker", "uid": "m-1", "resourceVersion": "1"},
        "status": {"machineCount": 3, "updatedMachineCount": 1,
            "conditions": [{"type": "Updated", "status": "False"}, {"type": "Updating", "status": "True"}]}}));
    let seen = observe(&action, KEY, "wf-1", &world.seen());
    assert!(matches!(&seen, Observation::Wait { why } if why.contains("1 of 3")), "{seen:?}");
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Unknown);
    world.edit(json!({"status": {"conditions": [{"type": "Updated", "status": "True"}]}}));
    assert!(matches!(observe(&action, KEY, "wf-1", &world.seen()), Observation::Settled { .. }));
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Passed);
    world.edit(json!({"status": {"conditions": [{"type": "Degraded", "status": "True", "reason": "R"}]}}));
    is_refused(&observe(&action, KEY, "wf-1", &world.seen()), "degraded");
    assert_eq!(verify(&action, KEY, &world.seen()).0, Verdict::Failed);
}

#[test]
fn a_cordon_that_somebody_took_back_has_failed() {
    let mut world = World::of(node());
    done(&cordon(), &mut world, KEY);
    assert_eq!(verify(&cordon(), KEY, &world.seen()).0, Verdict::Passed);
    world.edit(json!({"spec": {"unschedulable": null}}));
    assert_eq!(verify(&cordon(), KEY, &world.seen()).0, Verdict::Failed);
    // What was done by us stays done by us: a second write would fight whoever took it back.
    assert!(matches!(observe(&cordon(), KEY, "wf-1", &world.seen()), Observation::Applied { .. }));
}

/// A StatefulSet whose volumes go with its pods when it is scaled down.
fn forgetful() -> Value {
    let mut set = deployment();
    set["kind"] = "StatefulSet".into();
    set["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenScaled": "Delete"});
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]);
    set
}

#[test]
fn a_stateful_set_whose_volumes_would_be_deleted_is_not_scaled_down() {
    let set = Target::known("StatefulSet", "shop", "web").with_uid("d-1");
    let to = |replicas| Action::ScaleWorkload { target: set.clone(), replicas };
    let seen = |object: Value| observe(&to(2), KEY, "wf-1", &World::of(object).with(Vec::new()).seen());
    is_refused(&seen(forgetful()), "whenScaled is Delete");
    for keeps in [json!({"whenScaled": "Retain", "whenDeleted": "Delete"}), Value::Null] {
        let mut set = forgetful();
        set["spec"]["persistentVolumeClaimRetentionPolicy"] = keeps;
        assert!(matches!(seen(set), Observation::Ready(_)));
    }
    let mut without = forgetful();
    without["spec"]["volumeClaimTemplates"] = json!([]);
    assert!(matches!(seen(without), Observation::Ready(_)));
    // Up it goes, and not down again by itself: who has joined meanwhile may hold data.
    let mut world = World::of(forgetful()).with(Vec::new());
    let done = done(&to(5), &mut world, KEY);
    is_refused(&observe_undo(&done, BACK, "wf-1", &world.seen()), "from 5 to 3 deletes the volumes");
}
