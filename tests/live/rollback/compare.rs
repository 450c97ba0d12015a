//! When an object is as it was.
//!
//! It compares everything that people and workflows write, and nothing of what the API server and controllers keep.

use serde_json::{Value, json};

/// Annotations in which controllers and the API server keep books.
const BOOKS: [&str; 2] = ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"];

/// An object without what is not compared.
pub(super) fn wanted(object: &Value) -> Value {
    let mut object = object.clone();
    let members = object.as_object_mut().unwrap();
    members.remove("status");
    let metadata = &members["metadata"];
    let mut annotations = metadata["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|name, _| !BOOKS.contains(&name.as_str()));
    }
    if annotations.as_object().is_some_and(serde_json::Map::is_empty) {
        annotations = Value::Null;
    }
    let kept = json!({
        "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
        "labels": metadata["labels"], "annotations": annotations, "finalizers": metadata["finalizers"],
        "ownerReferences": metadata["ownerReferences"],
    });
    members.insert("metadata".to_owned(), kept);
    // The node controller's own answer to `unschedulable`.
    if let Some(taints) = object.pointer_mut("/spec/taints").and_then(Value::as_array_mut) {
        taints.retain(|taint| taint["key"] != "node.kubernetes.io/unschedulable");
        if taints.is_empty() {
            object["spec"].as_object_mut().unwrap().remove("taints");
        }
    }
    object
}

/// The places at which two states of an object differ, one place left out.
pub(super) fn differing(was: &Value, is: &Value, but: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    walk("", &wanted(was), &wanted(is), but, &mut found);
    found
}

fn walk(at: &str, was: &Value, is: &Value, but: Option<&str>, found: &mut Vec<String>) {
    if was == is || but == Some(at) {
        return;
    }
    let place = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for name in names {
                let of =
                    |members: &serde_json::Map<String, Value>| members.get(name).cloned().unwrap_or_default();
                walk(&place(name), &of(was), &of(is), but, found);
            }
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            for (index, (was, is)) in was.iter().zip(is).enumerate() {
                walk(&place(&index.to_string()), was, is, but, found);
            }
        }
        // A map that an edit made, or the last entry of which it is.
        (Value::Null, Value::Object(_)) => walk(at, &json!({}), is, but, found),
        (Value::Object(_), Value::Null) => walk(at, was, &json!({}), but, found),
        _ => found.push(format!("{at}: {was} -> {is}")),
    }
}

#[test]
fn a_marker_that_is_left_and_a_field_that_is_not_back_are_found() {
    let was = json!({"metadata": {"name": "web", "annotations": {"a": "1"}}, "spec": {"replicas": 2}, "status": {"x": 1}});
    let mut is = was.clone();
    is["status"]["x"] = json!(2);
    is["metadata"]["generation"] = json!(7);
    is["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("4");
    assert_eq!(differing(&was, &is, None), Vec::<String>::new());
    is["metadata"]["annotations"]["aiops.io/effect"] = json!("wf-1/0/do");
    is["spec"]["replicas"] = json!(3);
    assert_eq!(differing(&was, &is, None).len(), 2);
    assert_eq!(differing(&was, &is, Some("/spec/replicas")).len(), 1);
    let bare = json!({"metadata": {"name": "web"}, "spec": {}});
    let marked = json!({"metadata": {"name": "web", "annotations": {"aiops.io/effect": "x"}}, "spec": {}});
    assert_eq!(differing(&bare, &marked, None).len(), 1);
    assert_eq!(
        differing(&bare, &marked, Some("/metadata/annotations/aiops.io~1effect")),
        Vec::<String>::new()
    );
}
