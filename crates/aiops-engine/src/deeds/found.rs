//! What an action would overwrite, as it is: a plan keeps it, and its step is taken only while it is still so.
//!
//! Only fields that somebody else may set to something better meanwhile. What merely marks an object, goes through its owner
//! or compares by itself (a restart, a nudge, one object of a release) overwrites nobody's word and has none here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{deploys_to, object::number, resources, rollout, template};
use crate::model::action::Action;

/// The whole pod template, which is told by its hash: it may hold what is not ours to keep.
const TEMPLATE: &str = "spec.template";

/// The fields that an action overwrites, with what they hold in this object (its target); none when it overwrites nothing
/// that anybody else sets.
pub fn found(action: &Action, object: &Value) -> BTreeMap<String, String> {
    let one = |field: &str, value: String| BTreeMap::from([(field.to_owned(), value)]);
    match action {
        Action::ScaleWorkload { .. } => one("spec.replicas", rollout::wanted(object).to_string()),
        Action::SetResources { container, resources, .. } => resources::found(object, container, resources),
        Action::RollbackWorkload { .. } => match object.pointer("/spec/template") {
            Some(now) => one(TEMPLATE, template::settled_hash(now)),
            None => BTreeMap::new(),
        },
        Action::RollbackApplication { .. } => {
            let history = object.pointer("/status/history").and_then(Value::as_array);
            let newest = history.into_iter().flatten().filter_map(|entry| number(entry, "/id")).max();
            let mut all = places(action, object);
            let newest = newest.map_or_else(|| "none".to_owned(), |id| format!("entry {id}"));
            all.insert("status.history".to_owned(), newest);
            all
        }
        Action::SyncApplication { .. } => places(action, object),
        Action::RestartWorkload { .. }
        | Action::EvictPod { .. }
        | Action::DeletePod { .. }
        | Action::CordonNode { .. }
        | Action::UncordonNode { .. }
        | Action::RevertManifest { .. }
        | Action::RecordRelease { .. }
        | Action::NudgeOperator { .. }
        | Action::AwaitPool { .. } => BTreeMap::new(),
    }
}

/// Where an Application deploys to: the policy was asked for these namespaces, and an approval given for them.
fn places(action: &Action, object: &Value) -> BTreeMap<String, String> {
    BTreeMap::from([("the namespaces it deploys to".to_owned(), deploys_to(action, object).join(", "))])
}

/// Why an action may not be taken any more that was planned on these values; `None` where they are as they were.
pub fn changed(action: &Action, planned_on: &BTreeMap<String, String>, object: &Value) -> Option<String> {
    let now = found(action, object);
    let differs = |(field, was): (&String, &String)| {
        let is = now.get(field).map_or("not there", String::as_str);
        if is == was {
            return None;
        }
        Some(if field == TEMPLATE {
            "its pod template is another one now".to_owned()
        } else {
            format!("{field} was {was} and is {is} now")
        })
    };
    let changes: Vec<String> = planned_on.iter().filter_map(differs).collect();
    if changes.is_empty() {
        return None;
    }
    Some(format!(
        "somebody changed {} since the plan was made ({}), and nobody's change is overwritten by a plan that does not \
         know it; trigger it again to plan on what is so now",
        action.target(),
        changes.join(", ")
    ))
}
