//! Setting requests and limits of one container in a workload's pod template.
//!
//! A list has no merge: a JSON patch names the container's place, tests its name there, and is only good for the object that
//! was looked at. What is not named stays, also on the way back.

use std::collections::BTreeMap;

use aiops_inventory::quantity;
use serde_json::{Map, Value, json};

use super::{
    Back, Deed, Observation, Sight,
    object::{Change, mark, members, present, refused, standing, text},
    revision, rollout,
};
use crate::{
    model::{action::Resources, phase::Verdict, target::Target},
    ports::acting::Verb,
};

/// The two maps of a container's resources.
const MAPS: [&str; 2] = ["requests", "limits"];

/// A member of a container's resources: the map, the resource, the quantity.
type Field<'a> = (&'a str, &'a str, Option<&'a str>);

/// What is to be set.
fn fields(resources: &Resources) -> Vec<Field<'_>> {
    [
        ("requests", "cpu", &resources.cpu_request),
        ("limits", "cpu", &resources.cpu_limit),
        ("requests", "memory", &resources.memory_request),
        ("limits", "memory", &resources.memory_limit),
    ]
    .into_iter()
    .filter_map(|(map, name, quantity)| Some((map, name, Some(quantity.as_deref()?))))
    .collect()
}

fn value_of(name: &str, text: &str) -> Option<i64> {
    if name == "cpu" { quantity::cpu_milli(text) } else { quantity::bytes(text) }
}

/// Whether two quantities are the same one: the API server writes `1024Mi` as `1Gi`.
fn is_same(name: &str, one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one == other || value_of(name, one).is_some_and(|value| value_of(name, other) == Some(value))
        }
        (one, other) => one == other,
    }
}

/// A container of a template: its place as a JSON pointer, and itself.
fn find<'a>(workload: &'a Value, wanted: &str) -> Option<(String, &'a Value)> {
    ["containers", "initContainers"].into_iter().find_map(|list| {
        let list = format!("/spec/template/spec/{list}");
        let containers = workload.pointer(&list)?.as_array()?;
        let at = containers.iter().position(|container| text(container, "/name") == Some(wanted))?;
        Some((format!("{list}/{at}"), containers.get(at)?))
    })
}

/// What a container has of a field now.
fn now<'a>(container: &'a Value, (map, name, _): &Field<'_>) -> Option<&'a str> {
    text(container, &format!("/resources/{map}/{name}"))
}

/// The fields that are to be set, as the container has them; none when there is no such container.
pub(super) fn found(workload: &Value, name: &str, resources: &Resources) -> BTreeMap<String, String> {
    let Some((_, container)) = find(workload, name) else { return BTreeMap::new() };
    let fields = fields(resources).into_iter();
    fields
        .map(|field| {
            let value = now(container, &field).unwrap_or("none").to_owned();
            (format!("containers[{name}].resources.{}.{}", field.0, field.1), value)
        })
        .collect()
}

/// A container's resources with these fields set or taken away; maps that were not there before (`had`) go when they are
/// empty.
fn changed(container: &Value, fields: &[Field<'_>], had: &[&str]) -> Value {
    let mut resources = container.get("resources").cloned().map(members).unwrap_or_default();
    for (map, name, quantity) in fields {
        let held = resources.entry((*map).to_owned()).or_insert_with(|| json!({}));
        if let Some(held) = held.as_object_mut() {
            match quantity {
                Some(quantity) => held.insert((*name).to_owned(), json!(quantity)),
                None => held.remove(*name),
            };
        }
    }
    resources.retain(|map, held| {
        had.contains(&map.as_str()) || held.as_object().is_none_or(|held| !held.is_empty())
    });
    Value::Object(resources)
}

fn operations(place: &str, container: &str, resources: Value) -> Vec<Value> {
    vec![
        json!({"op": "test", "path": format!("{place}/name"), "value": container}),
        json!({"op": "add", "path": format!("{place}/resources"), "value": resources}),
    ]
}

/// Fields as a record keeps them.
fn image<'a>(fields: impl Iterator<Item = Field<'a>>) -> Value {
    let image: Map<String, Value> =
        fields.map(|(map, name, quantity)| (format!("{map}.{name}"), json!(quantity))).collect();
    Value::Object(image)
}

/// The fields of a record.
fn recorded(image: &Value) -> Vec<Field<'_>> {
    let fields = image.get("fields").and_then(Value::as_object).into_iter().flatten();
    fields
        .filter_map(|(key, value)| {
            let (map, name) = key.split_once('.')?;
            Some((map, name, value.as_str()))
        })
        .collect()
}

fn lines(container: &Value, name: &str, fields: &[Field<'_>]) -> Vec<String> {
    let shown = |quantity: Option<&str>| quantity.unwrap_or("none").to_owned();
    let changed = fields.iter().filter(|field| !is_same(field.1, now(container, field), field.2));
    changed
        .map(|field| {
            let (before, after) = (shown(now(container, field)), shown(field.2));
            format!("containers[{name}].resources.{}.{}: {before} -> {after}", field.0, field.1)
        })
        .collect()
}

pub(super) fn observe(deed: &Deed<'_>, name: &str, resources: &Resources, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    if revision::holder(target).is_none() {
        return refused(format!("{target} has no pod template that may be changed"));
    }
    let fields = fields(resources);
    if fields.is_empty() {
        return refused(format!("no request and no limit was named for container {name} of {target}"));
    }
    let unread =
        fields.iter().find(|(_, of, quantity)| quantity.and_then(|text| value_of(of, text)).is_none());
    if let Some((map, of, quantity)) = unread {
        let text = quantity.unwrap_or_default();
        return refused(format!("{map}.{of} {text:?} is no quantity; write it as 250m or 256Mi"));
    }
    let workload = match present(target, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    if let Some(applied) = deed.applied(workload) {
        return applied;
    }
    let Some((place, container)) = find(workload, name) else {
        return refused(format!("{target} has no container {name}"));
    };
    if fields.iter().all(|field| is_same(field.1, now(container, field), field.2)) {
        return Observation::Settled {
            why: format!("container {name} of {target} has these resources already"),
        };
    }
    if let Some(why) = rollout::holds_still(workload) {
        return refused(format!("{target} {why}"));
    }
    let mut body = operations(&place, name, changed(container, &fields, &MAPS));
    body.extend(mark(workload, deed.key));
    let before = image(fields.iter().map(|field| (field.0, field.1, now(container, field))));
    let had: Vec<&str> =
        MAPS.into_iter().filter(|map| container.pointer(&format!("/resources/{map}")).is_some()).collect();
    let change = Change::of(
        workload,
        members(json!({ "fields": before, "had": had })),
        json!({ "fields": image(fields.iter().copied()) }),
        lines(container, name, &fields),
    );
    deed.ready(Verb::JsonPatch, workload, Value::Array(body), change)
}

pub(super) fn undo(deed: &Deed<'_>, name: &str, back: &Back<'_>, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let workload = match standing(target, back, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    let (before, after) = (recorded(back.before), recorded(back.after));
    if before.is_empty() || before.len() != after.len() {
        return refused(format!(
            "it was not recorded which resources container {name} of {target} had before"
        ));
    }
    let Some((place, container)) = find(workload, name) else {
        let why = format!("{target} has no container {name} any more");
        return Observation::Conflict { why };
    };
    let is_like =
        |fields: &[Field<'_>]| fields.iter().all(|field| is_same(field.1, now(container, field), field.2));
    let has: Vec<String> = before
        .iter()
        .map(|field| format!("{}.{}={}", field.0, field.1, now(container, field).unwrap_or("none")))
        .collect();
    let told = format!("container {name} of {target} has {}", has.join(", "));
    if let Some(judged) = back.judge(workload, is_like(&before), is_like(&after), &told) {
        return judged;
    }
    let had = back.before.get("had").and_then(Value::as_array);
    let had: Vec<&str> = had.into_iter().flatten().filter_map(Value::as_str).collect();
    let mut body = operations(&place, name, changed(container, &before, &had));
    body.push(back.operation(workload));
    // The same quantity may be written in another way.
    let is_back = is_like(&before);
    let is =
        before.iter().map(|field| (field.0, field.1, if is_back { field.2 } else { now(container, field) }));
    let change = Change::of(
        workload,
        members(json!({ "fields": image(is) })),
        json!({ "fields": image(before.iter().copied()) }),
        lines(container, name, &before),
    );
    deed.ready(Verb::JsonPatch, workload, Value::Array(body), change)
}

pub(super) fn verify(
    target: &Target,
    name: &str,
    resources: &Resources,
    seen: &[Sight],
) -> (Verdict, String) {
    let workload = match rollout::workload(target, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    let fields = fields(resources);
    let has = |container: &Value| fields.iter().all(|field| is_same(field.1, now(container, field), field.2));
    if find(workload, name).is_none_or(|(_, container)| !has(container)) {
        return (
            Verdict::Failed,
            format!(
                "container {name} of {target} does not have these resources any more: somebody changed them"
            ),
        );
    }
    rollout::verify(target, seen)
}
