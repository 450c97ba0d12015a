//! Somebody else who writes to an object while a workflow is at work on it, as kubectl would: asking for nothing.

use aiops_engine::model::action::Action;
use http::Request;
use serde_json::{Value, json};

use super::{lane, release};
use crate::support::{Dice, Plane};

/// What somebody wrote.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) what: &'static str,
    pub(super) path: String,
    pub(super) pointer: String,
    /// Null when the field is gone by it.
    pub(super) value: Value,
}

/// The path of an action's object.
fn path(action: &Action) -> String {
    let target = action.target();
    match (action, target.kind.as_str()) {
        (Action::RevertManifest { .. }, kind) => release::path(&target.namespace, kind),
        (_, "Node") => format!("/api/v1/nodes/{}", target.name),
        (_, kind) => lane::workload(&target.namespace, kind, &target.name),
    }
}

/// Writes something: a field that the step wrote, another field of the same object, or a mark.
pub(super) async fn edit(plane: &Plane, dice: &mut Dice, action: &Action) -> Edit {
    let path = path(action);
    let object = plane.get(&path).await.unwrap();
    let said = format!("v{}", dice.number(1_000_000));
    let (what, pointer, value) = match dice.number(5) {
        0 => ("an annotation", "/metadata/annotations/example.com~1touched", json!(said)),
        1 => ("a label", "/metadata/labels/touched", json!(said)),
        _ => field(dice, action, &object, &said),
    };
    let patch = json!([{"op": "add", "path": pointer, "value": value}]);
    let body = match pointer {
        // The map may not be there.
        "/metadata/annotations/example.com~1touched" => {
            Err(json!({"metadata": {"annotations": {"example.com/touched": value}}}))
        }
        "/metadata/labels/touched" => Err(json!({"metadata": {"labels": {"touched": value}}})),
        _ => Ok(patch),
    };
    let (content, body) = match &body {
        Ok(operations) => ("application/json-patch+json", operations),
        Err(merge) => ("application/merge-patch+json", merge),
    };
    let request = Request::patch(&path).header("content-type", content).body(body.to_string().into_bytes());
    plane.attempt(request.unwrap()).await.unwrap_or_else(|error| panic!("{path} {pointer} {value}: {error}"));
    // The API server keeps no field of a node that takes pods.
    let value = if value == json!(false) { Value::Null } else { value };
    Edit { what, path, pointer: pointer.to_owned(), value }
}

/// A field of the kind that the step writes.
fn field(
    dice: &mut Dice,
    action: &Action,
    object: &Value,
    said: &str,
) -> (&'static str, &'static str, Value) {
    const CONTAINER_IMAGE: &str = "/spec/template/spec/containers/0/image";
    match action {
        Action::ScaleWorkload { .. } => ("replicas", "/spec/replicas", json!(5)),
        Action::SetResources { .. } if dice.number(2) == 0 => {
            ("a limit", "/spec/template/spec/containers/0/resources/limits/memory", json!("200Mi"))
        }
        Action::SetResources { .. } => {
            ("the variable of a container", "/spec/template/spec/containers/0/env/1/value", json!(said))
        }
        Action::RollbackWorkload { .. } => ("an image", CONTAINER_IMAGE, json!(lane::image(20))),
        Action::CordonNode { .. } | Action::UncordonNode { .. } => {
            let is_cordoned = object["spec"]["unschedulable"] == true;
            ("whether a node takes pods", "/spec/unschedulable", json!(!is_cordoned))
        }
        Action::RevertManifest { target, .. } => match target.kind.as_str() {
            "ConfigMap" => ("a setting", "/data/mode", json!(said)),
            "Deployment" => ("an image", CONTAINER_IMAGE, json!(lane::image(21))),
            _ => ("an autoscaler's most", "/spec/maxReplicas", json!(9)),
        },
        other => unreachable!("{other:?} is in no plan"),
    }
}
