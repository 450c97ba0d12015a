//! The fields in which two manifests of an object differ, and whether the live object has there what one of them says.
//!
//! A manifest says a part of an object; the rest is the API server's and others'. So a field holds what a manifest says
//! when it covers it. Lists are told apart entry by entry only where all three have the same entries; else as a whole.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    super::{Sight, object::escaped, template},
    manifest,
};
use crate::model::{action::Release, target::Target};

/// A field that differs.
pub(super) struct Field {
    /// As a sentence names it.
    pub(super) path: String,
    pointer: String,
    from: Value,
    to: Value,
    live: Value,
}

/// The fields of the target in which the two revisions differ.
///
/// # Errors
/// A manifest was not read or does not hold the target.
pub(super) fn fields(
    target: &Target,
    release: &Release,
    (from, to): (&Sight, &Sight),
    live: &Value,
) -> Result<Vec<Field>, String> {
    let of = |sight: &Sight, revision: i64| match sight {
        Sight::Release { objects, .. } => {
            let found = objects.iter().find(|object| is_meant(target, release, object)).cloned();
            found.ok_or_else(|| format!("revision {revision} of release {} has no {target}", release.name))
        }
        _ => Err(format!("revision {revision} of release {} was not read", release.name)),
    };
    let (from, to) = (of(from, release.from)?, of(to, release.to)?);
    let mut fields = Vec::new();
    compare((String::new(), String::new()), &from, &to, live, &mut fields);
    Ok(fields)
}

fn is_meant(target: &Target, release: &Release, object: &Value) -> bool {
    let (group, kind, namespace, name) = manifest::key(object);
    let within = if namespace.is_empty() { release.namespace.as_str() } else { namespace };
    (group, kind, name) == (&*target.group, &*target.kind, &*target.name)
        && (target.namespace.is_empty() || within == target.namespace)
}

/// `place` is the JSON pointer and the path for people.
fn compare(place: (String, String), from: &Value, to: &Value, live: &Value, fields: &mut Vec<Field>) {
    if from == to || (is_empty(from) && is_empty(to)) {
        return;
    }
    let none = Map::new();
    // The marker stands among the annotations, so that map is there by the time a field of it is written.
    let is = match live {
        Value::Null if place.0 == ANNOTATIONS => Some(&none),
        live => live.as_object(),
    };
    if let (Some(old), Some(new), Some(is)) =
        (members(from, &place.0, &none), members(to, &place.0, &none), is)
    {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let of = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
            let dot = if place.1.is_empty() { "" } else { "." };
            let inner = (format!("{}/{}", place.0, escaped(name)), format!("{}{dot}{name}", place.1));
            compare(inner, &of(old), &of(new), &of(is), fields);
        }
        return;
    }
    match (from, to, live) {
        (Value::Array(old), Value::Array(new), Value::Array(is))
            if is_aligned(old, new) && is_aligned(old, is) =>
        {
            for (index, ((old, new), is)) in old.iter().zip(new).zip(is).enumerate() {
                let shown = name(old).map_or_else(|| index.to_string(), str::to_owned);
                let inner = (format!("{}/{index}", place.0), format!("{}[{shown}]", place.1));
                compare(inner, old, new, is, fields);
            }
        }
        _ => {
            let (pointer, path) = place;
            fields.push(Field { path, pointer, from: from.clone(), to: to.clone(), live: live.clone() });
        }
    }
}

const ANNOTATIONS: &str = "/metadata/annotations";
const REPLICAS: &str = "/spec/replicas";

/// The members of an object. Labels and annotations are many writers' (Helm marks what it owns there, controllers keep
/// books in them): a manifest that has none says nothing of the others', so it has no members instead of no map.
fn members<'a>(
    said: &'a Value,
    pointer: &str,
    none: &'a Map<String, Value>,
) -> Option<&'a Map<String, Value>> {
    let is_shared = pointer.ends_with("/metadata/labels") || pointer.ends_with(ANNOTATIONS);
    match said {
        Value::Object(members) => Some(members),
        Value::Null if is_shared => Some(none),
        _ => None,
    }
}

fn name(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

/// The same entries in the same order, as far as they have names.
fn is_aligned(one: &[Value], other: &[Value]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| name(one) == name(other))
}

/// The API server writes what was not said as one of these, or not at all.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Members that hold quantities, however deep.
const QUANTITIES: [&str; 3] = ["resources", "sizeLimit", "hard"];

/// Whether a live value holds everything that a manifest says.
fn covers(live: &Value, said: &Value, is_quantity: bool) -> bool {
    match (live, said) {
        (live, Value::Null) => is_empty(live),
        (live, Value::Object(said)) if said.is_empty() => live.is_object() || live.is_null(),
        (Value::Object(live), Value::Object(said)) => said.iter().all(|(name, said)| {
            let is_quantity = is_quantity || QUANTITIES.contains(&name.as_str());
            covers(live.get(name).unwrap_or(&Value::Null), said, is_quantity)
        }),
        (live, Value::Array(said)) if said.is_empty() => is_empty(live),
        (Value::Array(live), Value::Array(said)) => {
            live.len() == said.len()
                && live.iter().zip(said).all(|(live, said)| covers(live, said, is_quantity))
        }
        (live, said) => live == said || (is_quantity && is_same_quantity(live, said)),
    }
}

/// `0.5` and `500m`: the API server writes quantities in its own way.
fn is_same_quantity(live: &Value, said: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let (Some(live), Some(said)) = (text(live), text(said)) else { return false };
    let same = |read: fn(&str) -> Option<i64>| read(&live).is_some_and(|amount| read(&said) == Some(amount));
    // Thousandths first: in whole units `100m` and `200m` are the same.
    match aiops_inventory::quantity::cpu_milli(&live) {
        Some(_) => same(aiops_inventory::quantity::cpu_milli),
        None => same(aiops_inventory::quantity::bytes),
    }
}

impl Field {
    /// How many replicas the earlier revision wants, where this field says so.
    pub(super) fn reverted_replicas(&self) -> Option<i64> {
        self.to.as_i64().filter(|_| self.pointer == REPLICAS)
    }

    /// How many replicas the revision of now wants, where this field says so.
    pub(super) fn restored_replicas(&self) -> Option<i64> {
        self.from.as_i64().filter(|_| self.pointer == REPLICAS)
    }

    /// It is as the revision of now says. What that revision does not say must not be there.
    pub(super) fn is_current(&self) -> bool {
        self.is_as(&self.from)
    }

    /// It is as the earlier revision says.
    pub(super) fn is_reverted(&self) -> bool {
        self.is_as(&self.to)
    }

    fn is_as(&self, said: &Value) -> bool {
        let is_quantity = self.path.split(['.', '[']).any(|part| QUANTITIES.contains(&part));
        covers(&self.live, said, is_quantity)
    }

    /// It is one of the object's annotations, where the marker is too.
    pub(super) fn is_annotation(&self) -> bool {
        self.pointer.starts_with(ANNOTATIONS)
    }

    /// The operation that makes it as the earlier revision says.
    pub(super) fn revert(&self) -> Option<Value> {
        self.set(&self.from, &self.to)
    }

    /// The operation that makes it as the revision of now says.
    pub(super) fn restore(&self) -> Option<Value> {
        self.set(&self.to, &self.from)
    }

    fn set(&self, now: &Value, wanted: &Value) -> Option<Value> {
        if self.is_as(wanted) {
            return None;
        }
        Some(match (wanted, &self.live) {
            (Value::Null, _) => json!({"op": "remove", "path": self.pointer}),
            (wanted, Value::Null) => json!({"op": "add", "path": self.pointer, "value": wanted}),
            (wanted, live) => {
                json!({"op": "replace", "path": self.pointer, "value": kept(now, wanted, live)})
            }
        })
    }

    /// What changes, without telling what an environment holds.
    pub(super) fn line(&self) -> String {
        template::line(&self.path, &self.from, &self.to)
    }
}

/// What is wanted; entries of a list that both revisions have stay as they are live, with what the API server put into
/// them (the `nodePort` of a Service's port).
fn kept(now: &Value, wanted: &Value, live: &Value) -> Value {
    let (Value::Array(now), Value::Array(wanted), Value::Array(live)) = (now, wanted, live) else {
        return wanted.clone();
    };
    let of = |item: &Value| now.iter().position(|known| known == item).and_then(|at| live.get(at));
    Value::Array(wanted.iter().map(|item| of(item).unwrap_or(item).clone()).collect())
}
