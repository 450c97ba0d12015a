//! Helm releases: one object set back, and the record.

use super::*;
use crate::{
    deeds::release::differing,
    model::action::{Action, Release},
};

fn release() -> Release {
    Release { name: "web".to_owned(), namespace: "shop".to_owned(), from: 5, to: 3 }
}

/// The Deployment as a chart renders it.
fn rendered(tag: &str, cpu: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2,
        "template": {"spec": {"containers": [{"name": "web", "image": format!("web:{tag}"),
            "env": [{"name": "PASSWORD", "value": format!("canary-{tag}")}],
            "resources": {"requests": {"cpu": cpu}}}]}}}})
}

/// The same as the API server keeps it, with what it filled in.
fn live(tag: &str, cpu: &str) -> Value {
    let mut object = rendered(tag, cpu);
    object["metadata"] = json!({"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7",
        "annotations": {"meta.helm.sh/release-name": "web"}});
    object["spec"]["strategy"] = json!({"type": "RollingUpdate"});
    object["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = json!("IfNotPresent");
    object
}

fn container(object: &mut Value) -> &mut Value {
    &mut object["spec"]["template"]["spec"]["containers"][0]
}

fn revision(status: &str, objects: &[Value]) -> Sight {
    Sight::Release { status: status.to_owned(), objects: objects.to_vec(), has_hooks: false }
}

fn revert() -> Action {
    let target = Target::known("Deployment", "shop", "web").with_uid("u-1");
    Action::RevertManifest { target, release: release() }
}

/// What is seen while the two revisions are these objects.
fn seen(world: &World, from: &Value, to: &Value) -> Vec<Sight> {
    let mut seen = world.seen();
    seen.push(revision("deployed", std::slice::from_ref(from)));
    seen.push(revision("superseded", std::slice::from_ref(to)));
    seen
}

#[test]
fn an_object_of_a_release_goes_back_and_forth_exactly() {
    let (from, to) = (rendered("2", "0.5"), rendered("1", "0.1"));
    // The API server writes quantities in its own way.
    let mut world = World::of(live("2", "500m"));
    let before = world.object().clone();
    let action = revert();
    assert_eq!(looks(&action).len(), 3);
    let sent = ready(observe(&action, KEY, "wf-1", &seen(&world, &from, &to)));
    let told = format!("{:?} {:?} {:?}", sent.pre_image, sent.post_image, sent.diff);
    assert!(!told.contains("canary"), "{told}");
    assert_eq!((&sent.pre_image["revision"], &sent.post_image["revision"]), (&json!(5), &json!(3)));
    assert!(sent.diff.iter().any(|line| line.ends_with("containers[web].image: web:2 -> web:1")), "{told}");
    world.take(&sent.mutation).unwrap();
    assert_eq!(world.take(&sent.mutation), Err("409"));
    let mut now = world.object().clone();
    assert_eq!(container(&mut now)["image"], "web:1");
    assert_eq!(container(&mut now)["imagePullPolicy"], "IfNotPresent");
    let judge = |key: &str| observe(&action, key, "wf-1", &seen(&world, &from, &to));
    assert!(matches!(judge(KEY), Observation::Applied { .. }));
    assert!(matches!(judge("another"), Observation::Settled { .. }));

    let step = StepRecord {
        order: 0,
        direction: Direction::Do,
        action: action.clone(),
        state: StepState::Applied,
        effect_key: KEY.to_owned(),
        pre_image: Some(sent.pre_image),
        post_image: Some(sent.post_image),
        result: None,
        started_at: None,
        finished_at: None,
    };
    // Somebody's edit of a field that was written is left alone.
    let mut edited = world.object().clone();
    container(&mut edited)["image"] = json!("web:9");
    let judged = observe_undo(&step, BACK, "wf-1", &seen(&World::of(edited), &from, &to));
    assert!(matches!(judged, Observation::Conflict { .. }), "{judged:?}");
    let back = ready(observe_undo(&step, BACK, "wf-1", &seen(&world, &from, &to)));
    world.take(&back.mutation).unwrap();
    let judged = observe_undo(&step, BACK, "wf-1", &seen(&world, &from, &to));
    assert!(matches!(judged, Observation::Applied { .. }), "{judged:?}");
    let mut after = world.object().clone();
    after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
    // The manifest's own spelling of the same amount.
    assert_eq!(container(&mut after)["resources"]["requests"]["cpu"], "0.5");
    container(&mut after)["resources"]["requests"]["cpu"] = json!("500m");
    assert_eq!(after, before);
}

#[test]
fn drift_is_refused_and_what_the_difference_does_not_touch_may_differ() {
    let (from, to) = (rendered("2", "1"), rendered("1", "1"));
    let judge = |edit: &dyn Fn(&mut Value)| {
        let mut object = live("2", "1");
        edit(&mut object);
        observe(&revert(), KEY, "wf-1", &seen(&World::of(object), &from, &to))
    };
    assert!(matches!(judge(&|_| {}), Observation::Ready(_)));
    assert!(matches!(judge(&|object| object["spec"]["replicas"] = json!(7)), Observation::Ready(_)));
    let drifted = [
        judge(&|object| container(object)["image"] = json!("web:hot")),
        judge(&|object| container(object)["env"] = json!([])),
        judge(&|object| container(object)["name"] = json!("sidecar")),
        judge(&|object| object["spec"]["template"]["spec"]["containers"] = json!([])),
    ];
    for seen in drifted {
        assert!(matches!(&seen, Observation::Refused { why } if why.contains("drifted")), "{seen:?}");
    }
    let object = || Sight::Object(live("2", "1"));
    let upgraded =
        [object(), revision("superseded", &[from]), revision("superseded", std::slice::from_ref(&to))];
    let judged = observe(&revert(), KEY, "wf-1", &upgraded);
    assert!(matches!(&judged, Observation::Refused { why } if why.contains("plan anew")), "{judged:?}");
    let lost = [object(), revision("deployed", &[]), revision("superseded", &[to])];
    assert!(matches!(observe(&revert(), KEY, "wf-1", &lost), Observation::Refused { .. }));
    assert!(matches!(observe(&revert(), KEY, "wf-1", &[object()]), Observation::Wait { .. }));
}

#[test]
fn entries_of_a_list_that_stay_keep_what_the_api_server_gave_them() {
    let service = |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": ports}});
    let from = service(json!([{"port": 80}, {"port": 81}]));
    let to = service(json!([{"port": 80}]));
    let mut object = service(json!([{"port": 80, "nodePort": 30_080}, {"port": 81, "nodePort": 30_081}]));
    object["metadata"] = json!({"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "1"});
    let action =
        Action::RevertManifest { target: Target::new("", "Service", "shop", "web"), release: release() };
    let mut world = World::of(object);
    let sent = ready(observe(&action, KEY, "wf-1", &seen(&world, &from, &to)));
    world.take(&sent.mutation).unwrap();
    assert_eq!(world.object()["spec"]["ports"], json!([{"port": 80, "nodePort": 30_080}]));
}

#[test]
fn what_is_more_than_patching_objects_is_not_done() {
    let map = |name: &str, text: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": text}});
    let secret = |digest: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}, "digest": digest});
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "x"}});
    let between = |from: &[Value], to: &[Value]| {
        differing(&revision("deployed", from), &revision("superseded", to), "shop")
    };
    let changed =
        between(&[map("a", "2"), map("b", "1"), secret("1")], &[map("a", "1"), map("b", "1"), secret("1")]);
    assert_eq!(changed.unwrap(), [Target::new("", "ConfigMap", "shop", "a")]);
    let mut beta = map("a", "1");
    beta["apiVersion"] = json!("v1beta1");
    for (from, to, why) in [
        (vec![map("a", "2"), map("b", "1")], vec![map("a", "1")], "would delete ConfigMap b"),
        (vec![map("a", "2")], vec![map("a", "1"), map("b", "1")], "would make ConfigMap b again"),
        (vec![secret("2")], vec![secret("1")], "changes Secret web"),
        (vec![definition.clone()], vec![definition], "holds CustomResourceDefinition x"),
        (vec![map("a", "2")], vec![beta], "different API versions"),
        (vec![map("a", "2"), map("a", "3")], vec![map("a", "1")], "twice"),
        (vec![json!("text")], vec![map("a", "1")], "no object"),
    ] {
        let told = between(&from, &to).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
    let hooks = Sight::Release { status: "superseded".to_owned(), objects: Vec::new(), has_hooks: true };
    let told = |to: &Sight| differing(&revision("deployed", &[]), to, "shop").unwrap_err();
    assert!(told(&hooks).contains("hooks"));
    assert!(told(&revision("failed", &[])).contains("failed"));
    assert!(told(&Sight::Absent).contains("could not be read"));
}

#[test]
fn a_release_is_recorded_once_and_the_record_is_finished_when_it_was_cut_off() {
    let secret = |version: i64, status: &str| {
        json!({"metadata": {"name": format!("sh.helm.release.v1.web.v{version}"),
            "labels": {"version": version.to_string(), "status": status}}})
    };
    let mut ours = secret(6, "deployed");
    ours["metadata"]["annotations"] = json!({ EFFECT: KEY });
    let target = Target::new("", "Secret", "shop", "sh.helm.release.v1.web.v6");
    let action = Action::RecordRelease { target, release: release() };
    let judge = |object: Option<Value>, kept: Vec<Value>| {
        observe(&action, KEY, "wf-1", &World { object, lists: vec![kept] }.seen())
    };
    let sent = ready(judge(None, vec![secret(3, "superseded"), secret(5, "deployed")]));
    assert_eq!(sent.mutation.verb, Verb::Create);
    assert_eq!(sent.mutation.body["metadata"]["annotations"][EFFECT], KEY);
    assert_eq!(sent.mutation.body.get("data"), None);
    let with = |last: &Value, old: &str| vec![secret(3, "superseded"), secret(5, old), last.clone()];
    let cut_off = judge(Some(ours.clone()), with(&ours, "deployed"));
    assert!(matches!(cut_off, Observation::Ready(_)), "{cut_off:?}");
    let done = judge(Some(ours.clone()), with(&ours, "superseded"));
    assert!(matches!(done, Observation::Applied { .. }), "{done:?}");
    let theirs = secret(6, "deployed");
    for refused in [
        judge(Some(theirs.clone()), with(&theirs, "superseded")),
        judge(None, vec![secret(3, "superseded"), secret(5, "superseded"), secret(7, "deployed")]),
        judge(None, vec![secret(5, "deployed")]),
        judge(None, Vec::new()),
    ] {
        assert!(matches!(refused, Observation::Refused { .. }), "{refused:?}");
    }
    for (status, verdict) in
        [("deployed", Verdict::Passed), ("superseded", Verdict::Passed), ("failed", Verdict::Unknown)]
    {
        assert_eq!(verify(&action, KEY, &[Sight::Object(secret(6, status))]).0, verdict);
    }
}

/// Helm marks what it owns with labels and annotations that no manifest has.
#[test]
fn what_others_wrote_among_labels_and_annotations_stays_when_a_revision_has_none() {
    let bare =
        || json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"a": "1"}});
    let mut dressed = bare();
    dressed["metadata"]["labels"] = json!({"tier": "gold"});
    dressed["metadata"]["annotations"] = json!({"example.com/owner": "ann"});
    let live = |said: &Value, others: bool| {
        let mut object = said.clone();
        object["metadata"]["namespace"] = json!("shop");
        object["metadata"]["uid"] = json!("u-1");
        object["metadata"]["resourceVersion"] = json!("7");
        if others {
            object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
            object["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!("web");
        }
        object
    };
    let target = Target::known("ConfigMap", "shop", "web").with_uid("u-1");
    let action = Action::RevertManifest { target, release: release() };
    for (from, to) in [(dressed.clone(), bare()), (bare(), dressed)] {
        for others in [true, false] {
            let mut world = World::of(live(&from, others));
            let before = world.object().clone();
            let sent = ready(observe(&action, KEY, "wf-1", &seen(&world, &from, &to)));
            world.take(&sent.mutation).unwrap();
            let mut now = world.object().clone();
            assert_eq!(now["metadata"]["annotations"][EFFECT], KEY);
            now["metadata"]["annotations"].as_object_mut().unwrap().remove(EFFECT);
            now["metadata"]["resourceVersion"] = json!("7");
            let bare_maps = |object: Value| {
                let mut object = object;
                if let Some(metadata) = object["metadata"].as_object_mut() {
                    // As the API server keeps it: no map that is empty.
                    metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
                }
                object
            };
            assert_eq!(bare_maps(now), live(&to, others), "from {from} to {to}");
            let step = StepRecord {
                order: 0,
                direction: Direction::Do,
                action: action.clone(),
                state: StepState::Applied,
                effect_key: KEY.to_owned(),
                pre_image: Some(sent.pre_image),
                post_image: Some(sent.post_image),
                result: None,
                started_at: None,
                finished_at: None,
            };
            let back = ready(observe_undo(&step, BACK, "wf-1", &seen(&world, &from, &to)));
            world.take(&back.mutation).unwrap();
            let mut after = world.object().clone();
            after["metadata"]["resourceVersion"] = json!("7");
            assert_eq!(bare_maps(after), before, "from {from} to {to}");
        }
    }
}
