//! The objects of two manifests, and whether a rollback between them can be made object by object.
//!
//! It looks at no live object. What Helm does beyond patching objects stands against it: hooks, kinds, objects that come
//! or go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::{
    Sight,
    object::{name, text},
};
use crate::model::target::Target;

/// Group, kind, namespace and name; an object that names no namespace is in the release's.
pub(super) type Key<'a> = (&'a str, &'a str, &'a str, &'a str);

/// The group of an `apiVersion`.
fn group(object: &Value) -> &str {
    text(object, "/apiVersion").and_then(|version| version.rsplit_once('/')).map_or("", |(group, _)| group)
}

pub(super) fn key(object: &Value) -> Key<'_> {
    let of = |pointer| text(object, pointer).unwrap_or_default();
    (group(object), of("/kind"), of("/metadata/namespace"), name(object))
}

fn shown((_, kind, _, name): &Key<'_>) -> String {
    format!("{kind} {name}")
}

/// The objects in which two revisions differ, in the order of the earlier one's manifest; `namespace` is the release's.
///
/// # Errors
/// Why going back is more than patching objects.
pub(crate) fn differing(from: &Sight, to: &Sight, namespace: &str) -> Result<Vec<Target>, String> {
    let (
        Sight::Release { objects: current, has_hooks: now, .. },
        Sight::Release { objects: earlier, has_hooks: then, status },
    ) = (from, to)
    else {
        return Err("its manifests could not be read".to_owned());
    };
    if *now || *then {
        return Err("the chart has hooks, which are Helm's to run".to_owned());
    }
    if status != "superseded" && status != "deployed" {
        return Err(format!("the revision to go back to is {status}"));
    }
    let (current_of, earlier_of) = (by_key(current)?, by_key(earlier)?);
    let is_definition = |key: &&Key<'_>| key.0 == "apiextensions.k8s.io";
    if let Some(key) = current_of.keys().chain(earlier_of.keys()).find(is_definition) {
        return Err(format!("its manifest holds {}", shown(key)));
    }
    if let Some(key) = current_of.keys().find(|key| !earlier_of.contains_key(*key)) {
        return Err(format!("the rollback would delete {}, which the current revision added", shown(key)));
    }
    if let Some(key) = earlier_of.keys().find(|key| !current_of.contains_key(*key)) {
        return Err(format!(
            "the rollback would make {} again, which the current revision removed",
            shown(key)
        ));
    }
    let mut targets = Vec::new();
    for object in earlier {
        let key = key(object);
        let Some(now) = current_of.get(&key).filter(|now| **now != object) else { continue };
        if now.get("apiVersion") != object.get("apiVersion") {
            return Err(format!("the two revisions write {} in different API versions", shown(&key)));
        }
        if key.0.is_empty() && key.1 == "Secret" {
            return Err(format!("it changes {}, whose content is not read", shown(&key)));
        }
        let within = if key.2.is_empty() { namespace } else { key.2 };
        targets.push(Target::new(key.0, key.1, within, key.3));
    }
    Ok(targets)
}

fn by_key(objects: &[Value]) -> Result<BTreeMap<Key<'_>, &Value>, String> {
    let mut twice = BTreeSet::new();
    let mut found = BTreeMap::new();
    for object in objects {
        let key = key(object);
        if key.1.is_empty() || key.3.is_empty() {
            return Err("its manifest holds something that is no object".to_owned());
        }
        if found.insert(key, object).is_some() {
            twice.insert(key);
        }
    }
    match twice.first() {
        Some(key) => Err(format!("its manifest holds {} twice", shown(key))),
        None => Ok(found),
    }
}
