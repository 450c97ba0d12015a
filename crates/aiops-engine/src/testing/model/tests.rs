//! The model behaves as the API server and the controllers that were measured.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{Admission, Key, Model, Refusal, Symptom, Trouble, build, json::*};
use crate::{
    SharedInventory,
    model::{
        action::{Action, Release},
        target::Target,
    },
    ports::{
        Clock, Cluster,
        acting::{Acting, Mutation, NotDone, NotDoneKind, Verb},
    },
};

struct Hands(Mutex<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

fn cluster() -> (Model, Arc<Hands>) {
    let clock = Arc::new(Hands(Mutex::new("2026-11-27T11:00:00Z".parse().unwrap())));
    let model = Model::new(Arc::clone(&clock) as Arc<dyn Clock>);
    for object in [build::namespace("shop"), build::node("n1"), build::node("n2")] {
        model.put("kubectl", object);
    }
    (model, clock)
}

fn pass(model: &Model, clock: &Hands, seconds: i64) {
    for _ in 0..seconds {
        let now = *clock.0.lock();
        *clock.0.lock() = now + SignedDuration::from_secs(1);
        model.settle(20);
    }
}

fn mutation(verb: Verb, key: &Key, body: Value) -> Mutation {
    let target = Target::known(&key.kind, &key.namespace, &key.name);
    Mutation {
        verb,
        action: Action::RestartWorkload { target: target.clone() },
        target,
        body,
        uid: None,
        resource_version: None,
        dry_run: false,
        effect_key: "key".to_owned(),
        workflow: "wf-1".to_owned(),
    }
}

fn read(model: &Model, key: &Key) -> Value {
    Value::clone(&model.object(key).unwrap())
}

fn send(model: &Model, mutation: &Mutation) -> Result<u16, Refusal> {
    model.request("aiops", mutation).map(|answer| answer.status)
}

fn web(model: &Model, clock: &Hands, replicas: i64) -> Key {
    let key = model.put("kubectl", build::deployment("shop", "web", "registry.example/web:1", replicas));
    pass(model, clock, 6);
    key
}

#[test]
fn a_deployment_rolls_out_and_back_by_the_template_of_an_old_replica_set() {
    let (model, clock) = cluster();
    let key = web(&model, &clock, 3);
    assert_eq!(number(&read(&model, &key), "/status/availableReplicas"), 3);
    let bad = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "registry.example/web:bad"}]}}}});
    send(&model, &mutation(Verb::MergePatch, &key, bad)).unwrap();
    pass(&model, &clock, 20);
    let stuck = read(&model, &key);
    assert_eq!(text(&stuck, "/metadata/annotations/deployment.kubernetes.io~1revision"), "2");
    assert_eq!(number(&stuck, "/status/availableReplicas"), 3, "the old pods serve");
    assert_eq!(number(&stuck, "/status/updatedReplicas"), 1);
    let waiting = model.objects("Pod").into_iter().filter(|(_, pod)| {
        text(pod, "/status/containerStatuses/0/state/waiting/reason") == "ImagePullBackOff"
    });
    assert_eq!(waiting.count(), 1);
    let old = model
        .objects("ReplicaSet")
        .into_iter()
        .find(|(_, set)| text(set, "/metadata/annotations/deployment.kubernetes.io~1revision") == "1");
    let mut template = old.unwrap().1.pointer("/spec/template").cloned().unwrap();
    take(&mut template, "/metadata/labels/pod-template-hash");
    let back = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
    send(&model, &mutation(Verb::JsonPatch, &key, back)).unwrap();
    pass(&model, &clock, 10);
    let good = read(&model, &key);
    assert_eq!(text(&good, "/metadata/annotations/deployment.kubernetes.io~1revision"), "3");
    assert_eq!(number(&good, "/status/updatedReplicas"), 3);
    assert_eq!(number(&good, "/status/availableReplicas"), 3);
    assert_eq!(model.objects("ReplicaSet").len(), 2, "the old ReplicaSet is used again");
}

#[test]
fn stale_versions_and_other_uids_are_refused_and_the_same_patch_again_changes_nothing() {
    let (model, clock) = cluster();
    let key = web(&model, &clock, 1);
    let before = read(&model, &key);
    let annotate = json!({"metadata": {"annotations": {"aiops.io/effect": "key"}}});
    let mut patch = mutation(Verb::MergePatch, &key, annotate);
    patch.resource_version = Some(text(&before, "/metadata/resourceVersion").to_owned());
    assert_eq!(send(&model, &patch).unwrap(), 200);
    let after = read(&model, &key);
    assert_eq!(number(&before, "/metadata/generation"), number(&after, "/metadata/generation"));
    assert_eq!(send(&model, &patch).unwrap_err().status, 409);
    patch.resource_version = None;
    send(&model, &patch).unwrap();
    assert_eq!(read(&model, &key), after, "neither generation nor resourceVersion moves");
    patch.uid = Some("other".to_owned());
    assert_eq!(send(&model, &patch).unwrap_err().status, 422);
    let mut delete = mutation(Verb::Delete, &key, Value::Null);
    delete.uid = Some("other".to_owned());
    assert_eq!(send(&model, &delete).unwrap_err().status, 409);
    let effects = model.journal().iter().filter(|entry| entry.is_effect() && entry.changed).count();
    assert_eq!(effects, 1);
    let managers =
        items(&after, "/metadata/managedFields").filter(|f| text(f, "/manager") == "aiops").count();
    assert_eq!(managers, 1);
}

#[test]
fn a_failed_test_of_a_patch_a_webhook_a_missing_right_and_nonsense_are_told_apart() {
    let (model, clock) = cluster();
    let key = web(&model, &clock, 1);
    let test = json!([{"op": "test", "path": "/spec/replicas", "value": 9}]);
    let refusal = send(&model, &mutation(Verb::JsonPatch, &key, test)).unwrap_err();
    assert_eq!((refusal.status, refusal.is_test), (422, true));
    assert_eq!(NotDone::from(refusal).kind, NotDoneKind::Conflict);
    for (body, status) in [
        (json!({"spec": {"replicas": -1}}), 422),
        (json!({"spec": {"replica": 1}}), 400),
        (json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}}), 422),
        (json!({"spec": {"template": {"spec": {"containers": []}}}}), 422),
        (json!({"metadata": {"annotations": {"a": 1}}}), 400),
    ] {
        let shown = body.to_string();
        assert_eq!(
            send(&model, &mutation(Verb::MergePatch, &key, body)).unwrap_err().status,
            status,
            "{shown}"
        );
    }
    let gone = Key::new("Deployment", "shop", "gone");
    assert_eq!(send(&model, &mutation(Verb::MergePatch, &gone, json!({}))).unwrap_err().status, 404);
    let scale = mutation(Verb::MergePatch, &key, json!({"spec": {"replicas": 2}}));
    model.refuse(Admission { kind: "Deployment".into(), namespace: "shop".into(), message: "frozen".into() });
    let refusal = send(&model, &scale).unwrap_err();
    assert!(refusal.status == 403 && refusal.message.contains("frozen"), "{refusal:?}");
    model.deny("patch", "deployments");
    assert!(send(&model, &scale).unwrap_err().message.contains("cannot patch"));
    assert_eq!(number(&read(&model, &key), "/spec/replicas"), 1);
}

#[test]
fn evictions_keep_budgets_and_two_budgets_are_an_error() {
    let (model, clock) = cluster();
    web(&model, &clock, 2);
    model.put("kubectl", build::budget("shop", "web", 1));
    pass(&model, &clock, 1);
    let pods = model.objects("Pod");
    let evict = |pod: &Key, dry_run: bool| {
        let mut evict = mutation(Verb::Evict, pod, Value::Null);
        evict.dry_run = dry_run;
        send(&model, &evict)
    };
    assert_eq!(evict(&pods[0].0, true).unwrap(), 201);
    assert_eq!(evict(&pods[0].0, false).unwrap(), 201);
    let blocked = evict(&pods[1].0, false).unwrap_err();
    assert_eq!((blocked.status, blocked.is_budget), (429, true));
    pass(&model, &clock, 6);
    assert!(model.object(&pods[0].0).is_none(), "it ended, and another one came");
    assert_eq!(model.objects("Pod").len(), 2);
    let mut second = build::budget("shop", "web", 1);
    put(&mut second, "/metadata/name", "web-too");
    model.put("kubectl", second);
    assert_eq!(evict(&pods[1].0, false).unwrap_err().status, 500);
}

#[test]
fn dry_runs_change_nothing() {
    let (model, clock) = cluster();
    let key = web(&model, &clock, 1);
    let before = read(&model, &key);
    let mut scale = mutation(Verb::MergePatch, &key, json!({"spec": {"replicas": 5}}));
    scale.dry_run = true;
    let answer = model.request("aiops", &scale).unwrap();
    assert_eq!(number(&answer.object.unwrap(), "/spec/replicas"), 5);
    assert_eq!(read(&model, &key), before);
    assert!(!model.journal().last().unwrap().is_effect());
}

#[test]
fn stateful_and_daemon_sets_replace_one_pod_after_another_and_keep_revisions() {
    let (model, clock) = cluster();
    let db = model.put("kubectl", build::stateful_set("shop", "db", "registry.example/db:1", 3));
    let agent = model.put("kubectl", build::daemon_set("shop", "agent", "registry.example/agent:1"));
    pass(&model, &clock, 20);
    for key in [&db, &agent] {
        let restart = json!({"spec": {"template": {"metadata": {"annotations": {"aiops.io/restart": "k"}}}}});
        send(&model, &mutation(Verb::MergePatch, key, restart)).unwrap();
    }
    pass(&model, &clock, 1);
    let there = model.objects("Pod").iter().filter(|(_, pod)| is_ready(pod)).count();
    assert!(there >= 3, "only one of each goes at a time: {there}");
    pass(&model, &clock, 30);
    let set = read(&model, &db);
    assert_eq!(number(&set, "/status/updatedReplicas"), 3);
    assert_eq!(text(&set, "/status/currentRevision"), text(&set, "/status/updateRevision"));
    assert_eq!(number(&read(&model, &agent), "/status/updatedNumberScheduled"), 2);
    assert_eq!(model.objects("ControllerRevision").len(), 4);
}

#[test]
fn an_ordered_stateful_set_keeps_a_pod_that_hangs_until_somebody_takes_it_away() {
    let (model, clock) = cluster();
    for (name, policy) in [("ordered", "OrderedReady"), ("parallel", "Parallel")] {
        let mut set = build::stateful_set("shop", name, "registry.example/db:1", 2);
        put(&mut set, "/spec/podManagementPolicy", policy);
        model.put("kubectl", set);
    }
    pass(&model, &clock, 15);
    let trouble = Trouble::Crash { code: 1 };
    model.ail(Symptom { image: "registry.example/db:bad".to_owned(), command: None, trouble });
    let image = |tag: &str| {
        json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image",
            "value": format!("registry.example/db:{tag}")}])
    };
    let updated =
        |name: &str| number(&read(&model, &Key::new("StatefulSet", "shop", name)), "/status/updatedReplicas");
    for tag in ["bad", "1"] {
        for name in ["ordered", "parallel"] {
            let key = Key::new("StatefulSet", "shop", name);
            send(&model, &mutation(Verb::JsonPatch, &key, image(tag))).unwrap();
        }
        pass(&model, &clock, 30);
    }
    // The last pod crashes; the template is good again, and one keeps the pod all the same.
    assert_eq!((updated("ordered"), updated("parallel")), (1, 2));
    model.delete("kubectl", &Key::new("Pod", "shop", "ordered-1"));
    pass(&model, &clock, 30);
    assert_eq!(updated("ordered"), 2);
}

#[test]
fn the_record_of_a_release_is_one_new_revision_and_what_was_deployed_superseded() {
    let (model, _) = cluster();
    let object =
        |tag: &str| vec![build::deployment("shop", "web", &format!("registry.example/web:{tag}"), 1)];
    model.put_release(("shop", "web"), 1, "superseded", object("1"));
    model.put_release(("shop", "web"), 2, "deployed", object("2"));
    let release = Release { name: "web".to_owned(), namespace: "shop".to_owned(), from: 2, to: 1 };
    let key = Key::new("Secret", "shop", "sh.helm.release.v1.web.v3");
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": key.name, "namespace": "shop",
        "annotations": {"aiops.io/effect": "k"}}});
    let target = Target::new("", "Secret", "shop", &key.name);
    let action = Action::RecordRelease { target, release };
    let record = Mutation {
        uid: None,
        resource_version: None,
        effect_key: "k".to_owned(),
        action,
        ..mutation(Verb::Create, &key, body)
    };
    let perform =
        |record: &Mutation| futures_util::FutureExt::now_or_never(Acting::perform(&model, record)).unwrap();
    let statuses = || -> Vec<String> {
        let all = model.objects("Secret").into_iter();
        all.map(|(_, secret)| text(&secret, "/metadata/labels/status").to_owned()).collect()
    };
    perform(&Mutation { dry_run: true, ..record.clone() }).unwrap();
    assert_eq!(statuses(), ["superseded", "deployed"]);
    assert_eq!(perform(&record).unwrap().status, 201);
    assert_eq!(statuses(), ["superseded", "superseded", "deployed"]);
    // The same again finds its own, another one is refused.
    assert_eq!(perform(&record).unwrap().status, 200);
    let other = perform(&Mutation { effect_key: "other".to_owned(), ..record });
    assert_eq!(other.unwrap_err().kind, NotDoneKind::Conflict);
    let held = futures_util::FutureExt::now_or_never(Cluster::release(&model, "shop", "web", 3)).unwrap();
    assert_eq!(held.unwrap().objects, object("1"));
    let shown = read(&model, &key);
    assert!(shown.get("data").is_some(), "the model keeps what a read does not show");
}

#[test]
fn containers_crash_for_want_of_memory_until_their_limit_is_raised() {
    let (model, clock) = cluster();
    let mut hungry = build::deployment("shop", "hungry", "registry.example/hungry:1", 1);
    let env = json!([{"name": "MODEL_NEEDS_MEMORY", "value": "300Mi"}]);
    hungry.pointer_mut("/spec/template/spec/containers/0").unwrap()["env"] = env;
    let key = model.put("kubectl", hungry);
    pass(&model, &clock, 30);
    let (_, pod) = model.objects("Pod").pop().unwrap();
    assert_eq!(text(&pod, "/status/containerStatuses/0/lastState/terminated/reason"), "OOMKilled");
    let raise = json!([{
        "op": "replace", "path": "/spec/template/spec/containers/0/resources/limits/memory", "value": "512Mi",
    }]);
    send(&model, &mutation(Verb::JsonPatch, &key, raise)).unwrap();
    pass(&model, &clock, 10);
    assert_eq!(number(&read(&model, &key), "/status/availableReplicas"), 1);
}

#[test]
fn an_application_syncs_fails_hangs_and_heals() {
    for (behaviour, phase) in [("", "Succeeded"), ("fail", "Failed"), ("hang", "Running")] {
        let (model, clock) = cluster();
        let app = model.put("kubectl", build::application("shop", "web", "main", behaviour));
        let wanted = build::deployment("shop", "web", "registry.example/web:2", 2);
        model.put_manifests(&app, "main", vec![wanted]);
        let key = web(&model, &clock, 1);
        let sync = json!({"operation": {"initiatedBy": {"username": "aiops"}, "sync": {"revision": "main"}}});
        send(&model, &mutation(Verb::MergePatch, &app, sync)).unwrap();
        pass(&model, &clock, 10);
        let app = read(&model, &app);
        assert_eq!(text(&app, "/status/operationState/phase"), phase);
        assert!(!has(&app, "/operation"));
        let replicas = number(&read(&model, &key), "/spec/replicas");
        assert_eq!(replicas, if phase == "Succeeded" { 2 } else { 1 });
    }
}

#[test]
fn a_recording_stands_still_until_something_is_changed_and_feeds_an_inventory() {
    let clock = Arc::new(Hands(Mutex::new("2026-11-27T11:04:41Z".parse().unwrap())));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/clusters/checkout-outage");
    let mut objects = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") && !path.ends_with("version.json") {
            objects.push(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
        }
    }
    let model = Model::from_objects(objects, Arc::clone(&clock) as Arc<dyn Clock>);
    let pods = |model: &Model| {
        let mut pods: Vec<_> = model.objects("Pod").into_iter().map(|(key, _)| key).collect();
        pods.retain(|key| key.namespace == "shop" && key.name.starts_with("checkout"));
        pods
    };
    let before = pods(&model);
    pass(&model, &clock, 60);
    assert_eq!(pods(&model), before, "nothing that was recorded is replaced");
    model.relist();
    let known = model.take_changes().len();
    assert!(known > 300, "{known}");
    pass(&model, &clock, 60);
    let moved: Vec<String> = model.take_changes().iter().map(|delta| delta.key.to_string()).collect();
    assert!(moved.is_empty(), "nothing moves by itself: {moved:?}");
    model.relist();
    let inventory = SharedInventory::default();
    model.feed(&inventory);
    assert!(inventory.look().status(aiops_inventory::Kind::Pod).rows > 80);
    let key = Key::new("Deployment", "shop", "checkout");
    let old = model.object(&Key::new("ReplicaSet", "shop", "checkout-55f6bcc5f8")).unwrap();
    let mut template = old.pointer("/spec/template").cloned().unwrap();
    take(&mut template, "/metadata/labels/pod-template-hash");
    let back = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
    send(&model, &mutation(Verb::JsonPatch, &key, back)).unwrap();
    pass(&model, &clock, 20);
    let healthy = read(&model, &key);
    assert_eq!(number(&healthy, "/status/availableReplicas"), 4, "{healthy:#}");
    let slice = model.objects("EndpointSlice").into_iter().find(|(key, _)| key.name.starts_with("checkout"));
    assert_eq!(items(&slice.unwrap().1, "/endpoints").filter(|e| flag(e, "/conditions/ready")).count(), 4);
}
