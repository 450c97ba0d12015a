//! What a plan was made on, and whether it is still so: one story for each action that overwrites something.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{changed, found};
use crate::model::{
    action::{Action, Resources},
    target::Target,
};

fn web() -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"replicas": 10, "template": {
        "metadata": {"annotations": {"aiops.io/restart": "wf-0/0/do"}},
        "spec": {"containers": [{"name": "app", "image": "web:2",
            "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "1"}}}]}}}})
}

fn target() -> Target {
    Target::known("Deployment", "shop", "web")
}

/// What somebody's change of the object makes of a plan for this action.
fn after(action: &Action, mut object: Value, place: &str, value: Value) -> Option<String> {
    let planned_on = found(action, &object);
    assert!(!planned_on.is_empty(), "{action:?} is planned on nothing");
    assert_eq!(changed(action, &planned_on, &object), None);
    // Not what it is about.
    object["metadata"]["labels"] = json!({"by": "somebody"});
    assert_eq!(changed(action, &planned_on, &object), None);
    *object.pointer_mut(place).unwrap() = value;
    changed(action, &planned_on, &object)
}

#[test]
fn a_scale_that_was_planned_on_other_replicas_is_not_taken() {
    let scale = Action::ScaleWorkload { target: target(), replicas: 12 };
    let why = after(&scale, web(), "/spec/replicas", json!(30)).unwrap();
    assert!(
        why.contains("Deployment shop/web") && why.contains("spec.replicas was 10 and is 30 now"),
        "{why}"
    );
    assert!(why.contains("trigger it again"), "{why}");
    assert_eq!(after(&scale, web(), "/spec/template/spec/containers/0/image", json!("web:3")), None);
}

#[test]
fn limits_that_were_planned_on_other_limits_are_not_set() {
    let resources = Resources { memory_limit: Some("768Mi".to_owned()), ..Resources::default() };
    let raise = Action::SetResources { target: target(), container: "app".to_owned(), resources };
    let place = "/spec/template/spec/containers/0/resources/limits/memory";
    let why = after(&raise, web(), place, json!("2Gi")).unwrap();
    assert!(why.contains("containers[app].resources.limits.memory was 512Mi and is 2Gi now"), "{why}");
    // What it does not write is nobody's business.
    let cpu = "/spec/template/spec/containers/0/resources/requests/cpu";
    assert_eq!(after(&raise, web(), cpu, json!("2")), None);
    let gone = changed(&raise, &found(&raise, &web()), &json!({})).unwrap();
    assert!(gone.contains("is not there now"), "{gone}");
}

#[test]
fn a_rollback_of_a_template_that_somebody_changed_since_is_not_made() {
    let back = Action::RollbackWorkload { target: target(), revision: 1, source: "web-1".to_owned() };
    let image = "/spec/template/spec/containers/0/image";
    let why = after(&back, web(), image, json!("web:3-fixed")).unwrap();
    assert!(why.contains("its pod template is another one now"), "{why}");
    assert!(!why.contains("web:3"), "a template is not told: {why}");
    // A restart of ours is no edit.
    let restart = "/spec/template/metadata/annotations/aiops.io~1restart";
    assert_eq!(after(&back, web(), restart, json!("wf-1/0/do")), None);
    assert_eq!(after(&back, web(), "/spec/replicas", json!(3)), None);
}

#[test]
fn a_rollback_of_an_application_that_was_synced_since_is_not_asked_for() {
    let target = Target::new("argoproj.io", "Application", "argocd", "shop");
    let back = Action::RollbackApplication { target, history: 3 };
    let app =
        json!({"metadata": {}, "status": {"history": [{"id": 3}, {"id": 4}], "sync": {"revision": "a"}}});
    let why = after(&back, app.clone(), "/status/history", json!([{"id": 4}, {"id": 5}])).unwrap();
    assert!(why.contains("status.history was entry 4 and is entry 5 now"), "{why}");
    // A commit to git deploys nothing by itself.
    assert_eq!(after(&back, app, "/status/sync/revision", json!("b")), None);
}

#[test]
fn what_overwrites_nobodys_word_is_planned_on_nothing() {
    let node = Target::known("Node", "", "n1");
    for action in [
        Action::RestartWorkload { target: target() },
        Action::CordonNode { target: node.clone() },
        Action::UncordonNode { target: node },
        Action::EvictPod { target: Target::known("Pod", "shop", "web-1") },
    ] {
        assert_eq!(found(&action, &web()), BTreeMap::new(), "{action:?}");
        assert_eq!(changed(&action, &BTreeMap::new(), &json!({})), None);
    }
}
