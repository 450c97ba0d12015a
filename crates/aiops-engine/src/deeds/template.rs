//! Pod templates: whether two are the same, and what differs, without telling what an environment holds.
//!
//! It keeps no template: what stays of one is a hash.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::RESTART;
use crate::fingerprint;

/// The label by which a Deployment's controller tells its ReplicaSets apart; it is in their templates only.
const HASH_LABEL: &str = "pod-template-hash";

/// A template as a workload stores it: without what controllers put into the copies they keep.
///
/// A ControllerRevision holds a patch of the template with a `$patch` of its own; members that are null (a
/// `creationTimestamp` of older API servers) mean the same as none.
pub(super) fn plain(template: &Value) -> Value {
    let mut template = without_nulls(template);
    if let Some(template) = template.as_object_mut() {
        template.remove("$patch");
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut)
    {
        labels.remove(HASH_LABEL);
        if labels.is_empty() {
            metadata.remove("labels");
        }
    }
    template
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

/// What stands for a template in a record. SHA-256 does not give back what an environment holds.
pub(super) fn hash(template: &Value) -> String {
    fingerprint::sha256(&plain(template).to_string())
}

/// The hash of a template, whoever restarted it meanwhile through us: a restart after a step is no edit of it.
pub(super) fn settled_hash(template: &Value) -> String {
    let mut template = plain(template);
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        annotations.remove(RESTART);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    fingerprint::sha256(&template.to_string())
}

/// Most lines of a difference.
const MOST: usize = 20;

/// What changes from one template to another: images and resources with their values, everything else by its path alone.
pub(super) fn diff(from: &Value, to: &Value) -> Vec<String> {
    let (from, to) = (plain(from), plain(to));
    let mut lines = Vec::new();
    compare("spec.template", &from, &to, &mut lines);
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn compare(path: &str, from: &Value, to: &Value, lines: &mut Vec<String>) {
    if from == to {
        return;
    }
    match (from, to) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let (old, new) = (member(old, name), member(new, name));
                compare(&format!("{path}.{name}"), old, new, lines);
            }
        }
        (Value::Array(old), Value::Array(new)) if is_named(old) && is_named(new) => {
            let mut names: Vec<&str> = old.iter().chain(new).filter_map(name).collect();
            names.dedup();
            let mut told = BTreeSet::new();
            for wanted in names.into_iter().filter(|wanted| told.insert(*wanted)) {
                let of = |items: &[Value]| items.iter().find(|item| name(item) == Some(wanted)).cloned();
                let (old, new) = (of(old).unwrap_or_default(), of(new).unwrap_or_default());
                compare(&format!("{path}[{wanted}]"), &old, &new, lines);
            }
        }
        _ => lines.push(line(path, from, to)),
    }
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> &'a Value {
    members.get(name).unwrap_or(&Value::Null)
}

fn name(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

fn is_named(items: &[Value]) -> bool {
    items.iter().all(|item| name(item).is_some())
}

/// Values are told of fields that hold no secret, whoever wrote them.
pub(super) fn line(path: &str, from: &Value, to: &Value) -> String {
    let is_told = path.ends_with(".image") || path.contains(".resources.") || path.ends_with(".replicas");
    match (from, to) {
        (Value::Null, to) if is_told => format!("{path}: none -> {}", shown(to)),
        (from, Value::Null) if is_told => format!("{path}: {} -> none", shown(from)),
        (from, to) if is_told => format!("{path}: {} -> {}", shown(from), shown(to)),
        (Value::Null, _) => format!("{path}: added"),
        (_, Value::Null) => format!("{path}: removed"),
        _ => format!("{path}: changed"),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn copies_of_a_template_are_the_template() {
        let template =
            json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}});
        let of_replica_set = json!({"metadata": {"labels": {"app": "web", "pod-template-hash": "66b"}},
            "spec": {"containers": [{"name": "c"}]}});
        let of_revision = json!({"$patch": "replace", "metadata": {"creationTimestamp": null, "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c"}]}});
        assert_eq!(plain(&of_replica_set), template);
        assert_eq!(plain(&of_revision), template);
        assert_eq!(hash(&of_replica_set), hash(&template));
        assert_ne!(hash(&json!({})), hash(&template));
    }

    #[test]
    fn a_restart_of_ours_is_no_edit() {
        let before = json!({"metadata": {"labels": {"a": "b"}}, "spec": {}});
        let after = json!({"metadata": {"labels": {"a": "b"}, "annotations": {RESTART: "k"}}, "spec": {}});
        assert_ne!(hash(&before), hash(&after));
        assert_eq!(settled_hash(&before), settled_hash(&after));
    }

    #[test]
    fn a_difference_tells_images_and_no_environment() {
        let from = json!({"spec": {"containers": [
            {"name": "web", "image": "web:1", "env": [{"name": "PASSWORD", "value": "canary-1"}]},
            {"name": "old", "image": "old:1"}]}});
        let to = json!({"spec": {"containers": [
            {"name": "web", "image": "web:2", "env": [{"name": "PASSWORD", "value": "canary-2"}],
             "resources": {"limits": {"memory": "1Gi"}}, "args": ["--token=canary-3"]}]}});
        let lines = diff(&from, &to);
        assert!(
            lines.contains(&"spec.template.spec.containers[web].image: web:1 -> web:2".to_owned()),
            "{lines:?}"
        );
        assert!(lines.contains(&"spec.template.spec.containers[old]: removed".to_owned()), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("env[PASSWORD].value: changed")), "{lines:?}");
        assert!(!lines.join("\n").contains("canary"), "{lines:?}");
    }
}
