//! What all deeds share: finding the object in what was seen, its marker, the request that changes it, the way back.
//!
//! It knows no kind. A request without a uid and a resourceVersion to compare is never made of an object.

use serde_json::{Map, Value, json};

use super::{Back, Deed, EFFECT, Observation, Ready, Sight};
use crate::{
    model::target::Target,
    ports::acting::{Mutation, Verb},
};

/// What stands at the target's place.
pub(super) enum Found<'a> {
    /// The object.
    Here(&'a Value),
    /// Nothing.
    Gone,
    /// Another object of the same name.
    Other,
    /// It was not looked at.
    Unseen,
}

/// Finds the target, which is looked at first.
pub(super) fn find<'a>(target: &Target, seen: &'a [Sight]) -> Found<'a> {
    match seen.first() {
        Some(Sight::Object(object)) => match (&target.uid, text(object, "/metadata/uid")) {
            (Some(wanted), Some(is)) if wanted != is => Found::Other,
            _ => Found::Here(object),
        },
        Some(Sight::Absent) => Found::Gone,
        _ => Found::Unseen,
    }
}

/// The objects of the list that was looked at in this place, from 1.
pub(super) fn listed(seen: &[Sight], place: usize) -> Option<&[Value]> {
    match seen.get(place) {
        Some(Sight::List(objects)) => Some(objects),
        _ => None,
    }
}

/// It was not looked at; looking again may help.
pub(super) fn unseen(target: &Target) -> Observation {
    Observation::Wait { why: format!("{target} was not looked at") }
}

/// The target as something that can be changed, or why it cannot.
pub(super) fn present<'a>(target: &Target, seen: &'a [Sight]) -> Result<&'a Value, Observation> {
    match find(target, seen) {
        Found::Here(object) if is_deleted(object) => Err(refused(format!("{target} is being deleted"))),
        Found::Here(object) => Ok(object),
        Found::Gone => Err(refused(format!("{target} does not exist"))),
        Found::Other => Err(refused(format!(
            "{target} was deleted and made again since the plan was made; plan anew for the new object"
        ))),
        Found::Unseen => Err(unseen(target)),
    }
}

/// The target as the step left it behind, or who took it away.
pub(super) fn standing<'a>(
    target: &Target,
    back: &Back<'_>,
    seen: &'a [Sight],
) -> Result<&'a Value, Observation> {
    let conflict = |what: &str| Err(Observation::Conflict { why: format!("{target} {what} since the step") });
    match find(target, seen) {
        Found::Here(object) if is_deleted(object) => conflict("is being deleted"),
        Found::Here(object) => match (back.before.get("uid").and_then(Value::as_str), uid(object)) {
            (Some(was), Some(is)) if was != is => conflict("was deleted and made again"),
            _ => Ok(object),
        },
        Found::Gone => conflict("was deleted"),
        Found::Other => conflict("was deleted and made again"),
        Found::Unseen => Err(unseen(target)),
    }
}

pub(super) const fn refused(why: String) -> Observation {
    Observation::Refused { why }
}

/// The text at a place of an object.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

/// The whole number at a place of an object.
pub(super) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer)?.as_i64()
}

pub(super) fn uid(object: &Value) -> Option<&str> {
    text(object, "/metadata/uid")
}

/// Its name.
pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

/// Somebody deleted it, and it is on its way.
pub(super) fn is_deleted(object: &Value) -> bool {
    text(object, "/metadata/deletionTimestamp").is_some()
}

pub(super) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

pub(super) fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/labels")?.get(name)?.as_str()
}

/// The marker of the step that wrote the object last.
pub(super) fn marker(object: &Value) -> Option<&str> {
    annotation(object, EFFECT)
}

/// The owner that controls an object: its kind, name and uid.
pub(super) fn controller(object: &Value) -> Option<(&str, &str, &str)> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    let member = |member: &str| owner.get(member).and_then(Value::as_str);
    Some((member("kind")?, member("name")?, member("uid")?))
}

/// Whether this object controls that one.
pub(super) fn controls(owner: &Value, object: &Value) -> bool {
    matches!((uid(owner), controller(object)), (Some(owner), Some((_, _, by))) if owner == by)
}

/// A condition's status, reason and message.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|found| found.get("type").is_some_and(|found| found == kind))?;
    let member = |member: &str| found.get(member).and_then(Value::as_str).unwrap_or_default();
    Some((member("status"), member("reason"), member("message")))
}

/// `spec`, `template` and others' names as a JSON pointer's parts.
pub(super) fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

impl Deed<'_> {
    /// The step is seen to have been done, if the object carries its marker.
    pub(super) fn applied(&self, object: &Value) -> Option<Observation> {
        (marker(object) == Some(self.key)).then(|| Observation::Applied {
            evidence: format!("{} carries {EFFECT}={}", self.action.target(), self.key),
        })
    }

    /// The request that changes `object` and no other state of it.
    fn mutation(&self, verb: Verb, object: &Value, body: Value) -> Option<Mutation> {
        let target = self.action.target().clone();
        let uid = uid(object).map(str::to_owned)?;
        let resource_version = text(object, "/metadata/resourceVersion").map(str::to_owned)?;
        Some(Mutation {
            verb,
            target: target.with_uid(uid.clone()),
            body,
            uid: Some(uid),
            resource_version: Some(resource_version),
            dry_run: false,
            effect_key: self.key.to_owned(),
            workflow: self.workflow.to_owned(),
            action: self.action.clone(),
        })
    }

    /// What to send, with what it changes.
    pub(super) fn ready(&self, verb: Verb, object: &Value, body: Value, change: Change) -> Observation {
        let Some(mutation) = self.mutation(verb, object, body) else {
            return refused(format!(
                "{} was read without its uid or resourceVersion, so a change to it could hit another state of it",
                self.action.target()
            ));
        };
        let Change { before, after, diff } = change;
        Observation::Ready(Box::new(Ready {
            mutation,
            pre_image: before,
            post_image: after,
            diff,
            completes: false,
        }))
    }
}

/// What a request changes.
pub(super) struct Change {
    /// The pre-image.
    pub(super) before: Value,
    /// The post-image.
    pub(super) after: Value,
    /// Line by line.
    pub(super) diff: Vec<String>,
}

impl Change {
    /// A change of these fields; what pins the object and its marker of before is put with them.
    pub(super) fn of(
        object: &Value,
        mut before: Map<String, Value>,
        after: Value,
        diff: Vec<String>,
    ) -> Self {
        before.insert("uid".to_owned(), json!(uid(object)));
        before.insert("marker".to_owned(), json!(marker(object)));
        Self { before: Value::Object(before), after, diff }
    }
}

/// The members of a JSON object.
pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

impl Back<'_> {
    /// Judges a way back by the fields that the step wrote: whether they are as before it, and whether as it left them.
    /// `None`: go.
    ///
    /// The marker decides together with the fields: a later writer who set the same value again took the field over.
    pub(super) fn judge(
        &self,
        object: &Value,
        is_before: bool,
        is_after: bool,
        now: &str,
    ) -> Option<Observation> {
        let is_ours = marker(object) == Some(self.marker);
        match (is_ours, is_before, is_after) {
            (false, true, _) => Some(Observation::Applied {
                evidence: format!("{now}, as before the step, and the step's marker is gone"),
            }),
            (true, true, _) | (true, _, true) => None,
            (true, false, false) => Some(Observation::Conflict {
                why: format!("somebody changed it since the step: {now}; it is left as it is"),
            }),
            (false, false, _) => Some(Observation::Conflict {
                why: format!(
                    "the step's marker is gone, so somebody else wrote it since: {now}; it is left as it is"
                ),
            }),
        }
    }

    /// The marker that stood there before the step.
    fn marker_before(&self) -> Option<&str> {
        self.before.get("marker").and_then(Value::as_str)
    }

    /// The annotations of a merge patch that takes the step's marker away.
    pub(super) fn annotations(&self, object: &Value) -> Value {
        match self.marker_before() {
            Some(before) => json!({ EFFECT: before }),
            None if is_alone(object) => Value::Null,
            None => json!({ EFFECT: null }),
        }
    }

    /// The same as an operation of a JSON patch.
    pub(super) fn operation(&self, object: &Value) -> Value {
        match self.marker_before() {
            None if is_alone(object) => json!({"op": "remove", "path": "/metadata/annotations"}),
            _ => self.operation_beside_others(),
        }
    }

    /// The same for a patch that writes other annotations too: their map stays.
    pub(super) fn operation_beside_others(&self) -> Value {
        let path = format!("/metadata/annotations/{}", escaped(EFFECT));
        match self.marker_before() {
            Some(before) => json!({"op": "replace", "path": path, "value": before}),
            None => json!({"op": "remove", "path": path}),
        }
    }
}

/// The marker is the only annotation: an object that had none gets none back, not an empty map.
fn is_alone(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    annotations.is_some_and(|all| all.len() == 1 && all.contains_key(EFFECT))
}

/// The operations of a JSON patch that set the marker.
pub(super) fn mark(object: &Value, key: &str) -> Vec<Value> {
    let mut operations = Vec::new();
    if object.pointer("/metadata/annotations").and_then(Value::as_object).is_none() {
        operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }
    let path = format!("/metadata/annotations/{}", escaped(EFFECT));
    operations.push(json!({"op": "add", "path": path, "value": key}));
    operations
}
