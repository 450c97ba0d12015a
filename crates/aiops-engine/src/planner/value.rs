//! Reading an object of the API by the places that matter. What is absent is empty, zero or none; nothing is assumed.

use jiff::Timestamp;
use serde_json::Value;

use crate::model::target::Target;

/// The text at a place; empty when there is none.
pub(crate) fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a place.
pub(crate) fn int(object: &Value, path: &str) -> Option<i64> {
    object.pointer(path).and_then(Value::as_i64)
}

/// Whether a flag is set.
pub(crate) fn flag(object: &Value, path: &str) -> bool {
    object.pointer(path).and_then(Value::as_bool) == Some(true)
}

/// The entries of a list; none when there is no list.
pub(crate) fn list<'v>(object: &'v Value, path: &str) -> std::slice::Iter<'v, Value> {
    object.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

/// A moment in seconds since the epoch.
pub(crate) fn time(object: &Value, path: &str) -> Option<i64> {
    text(object, path).parse::<Timestamp>().ok().map(Timestamp::as_second)
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// An object that was read, as a target: lists are read with their entries' `apiVersion` and `kind` put in.
pub(crate) fn target(object: &Value) -> Target {
    let group = text(object, "/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    Target::new(group, text(object, "/kind"), namespace(object), name(object)).with_uid(uid(object))
}

fn of_map<'v>(object: &'v Value, map: &str, key: &str) -> Option<&'v str> {
    let value = object.get("metadata")?.get(map)?.get(key)?.as_str()?;
    (!value.is_empty()).then_some(value)
}

/// A label that is not empty.
pub(crate) fn label<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    of_map(object, "labels", key)
}

/// An annotation that is not empty.
pub(crate) fn annotation<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    of_map(object, "annotations", key)
}

/// A condition of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition<'v> {
    pub(crate) status: &'v str,
    pub(crate) reason: &'v str,
    /// `lastTransitionTime`, seconds since the epoch.
    pub(crate) since: Option<i64>,
}

/// The condition of this type.
pub(crate) fn condition<'v>(object: &'v Value, kind: &str) -> Option<Condition<'v>> {
    let found = list(object, "/status/conditions").find(|condition| text(condition, "/type") == kind)?;
    Some(Condition {
        status: text(found, "/status"),
        reason: text(found, "/reason"),
        since: time(found, "/lastTransitionTime"),
    })
}

/// The owner that controls an object: kind, name, uid and API group.
pub(crate) fn controller(object: &Value) -> Option<Target> {
    let owner = list(object, "/metadata/ownerReferences").find(|owner| flag(owner, "/controller"))?;
    let group = text(owner, "/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    let target = Target::new(group, text(owner, "/kind"), namespace(object), text(owner, "/name"));
    Some(target.with_uid(text(owner, "/uid")))
}

/// A label selector of the API as a query; `None` when there is none, or one that cannot be written so. An empty selector
/// selects everything and is none here.
pub(crate) fn selector(selector: Option<&Value>) -> Option<String> {
    let selector = selector?;
    let mut parts = Vec::new();
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        parts.push(format!("{key}={}", value.as_str()?));
    }
    for expression in list(selector, "/matchExpressions") {
        let key = expression.get("key")?.as_str()?;
        let values = || -> Option<String> {
            let values = expression.get("values")?.as_array()?;
            Some(values.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(","))
        };
        parts.push(match text(expression, "/operator") {
            "In" => format!("{key} in ({})", values()?),
            "NotIn" => format!("{key} notin ({})", values()?),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!parts.is_empty()).then(|| parts.join(","))
}
