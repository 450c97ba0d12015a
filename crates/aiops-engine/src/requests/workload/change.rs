//! What changed a workload last: the newest writer in `managedFields`, and the difference of its two newest templates.
//!
//! Who owns the workload beside its writers (Helm, Argo CD, Flux, an operator) is read off labels and annotations that
//! those tools put there; it is their word and nobody checks it.

use aiops_inventory::rows::{ContainerSpec, ReplicaSetRow};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{answer::age, diagnose::words};

/// The newest entry of `managedFields` that is not about status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct LastChange {
    /// Who, as the client named itself.
    pub manager: String,
    /// Apply or Update.
    pub operation: String,
    /// When.
    pub at: String,
    /// How long ago.
    pub age: String,
    /// Paths that this writer owns, at most eight.
    pub fields: Vec<String>,
}

/// The newest writer of anything but status.
pub(super) fn last_change(object: &Value, now: Timestamp) -> Option<LastChange> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let text =
        |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let newest = entries
        .iter()
        .filter(|entry| text(entry, "subresource").is_empty() || text(entry, "subresource") == "scale")
        .filter(|entry| {
            entry.pointer("/fieldsV1/f:spec").is_some() || entry.pointer("/fieldsV1/f:metadata").is_some()
        })
        .max_by_key(|entry| text(entry, "time"))?;
    let at: Timestamp = text(newest, "time").parse().ok()?;
    let mut fields = Vec::new();
    paths(newest.get("fieldsV1")?, String::new(), &mut fields);
    fields.truncate(8);
    let fields = fields.iter().map(|path| words(path, 120)).collect();
    Some(LastChange {
        manager: words(&text(newest, "manager"), 80),
        operation: words(&text(newest, "operation"), 20),
        at: crate::answer::time(at),
        age: age(now, at.as_second()),
        fields,
    })
}

/// Paths of a `fieldsV1` tree, four levels deep below a list of containers: deep enough to tell an image from a replica
/// count.
fn paths(tree: &Value, prefix: String, into: &mut Vec<String>) {
    let Some(object) = tree.as_object() else { return };
    let children: Vec<(&String, &Value)> = object.iter().filter(|(key, _)| *key != ".").collect();
    if (children.is_empty() || prefix.matches('.').count() >= 6) && !prefix.is_empty() {
        into.push(prefix);
        return;
    }
    for (key, child) in children {
        let name = match key.split_once(':') {
            Some(("f", field)) => field.to_owned(),
            Some(("k", by)) => {
                let name = serde_json::from_str::<Value>(by).ok();
                let name = name.as_ref().and_then(|v| v.get("name").or_else(|| v.get("containerPort")));
                name.map_or_else(
                    || "*".to_owned(),
                    |n| n.as_str().map_or_else(|| n.to_string(), str::to_owned),
                )
            }
            _ => continue,
        };
        let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        paths(child, path, into);
    }
}

/// The tool that claims a workload, by the marks it leaves.
pub(super) fn managed_by(object: &Value) -> Option<String> {
    let text = |kind: &str, key: &str| object.pointer("/metadata")?.get(kind)?.get(key)?.as_str();
    for (key, tool) in [
        ("argocd.argoproj.io/tracking-id", "Argo CD application"),
        ("meta.helm.sh/release-name", "Helm release"),
    ] {
        if let Some(id) = text("annotations", key) {
            let name = id.split(':').next().unwrap_or_default();
            return Some(format!("{tool} {}", words(name, 80)));
        }
    }
    for (key, tool) in [
        ("kustomize.toolkit.fluxcd.io/name", "Flux Kustomization"),
        ("helm.toolkit.fluxcd.io/name", "Flux HelmRelease"),
        ("olm.owner", "OLM operator"),
    ] {
        if let Some(name) = text("labels", key) {
            return Some(format!("{tool} {}", words(name, 80)));
        }
    }
    text("labels", "app.kubernetes.io/managed-by").map(|tool| words(tool, 80))
}

/// What the newest template changed against the one before, as far as rows keep templates: images, requests, limits,
/// probes, containers. At most eight lines.
pub(super) fn template_change(newer: &ReplicaSetRow, older: &ReplicaSetRow) -> Vec<String> {
    let mut changes = Vec::new();
    for new in newer.containers.iter() {
        match older.containers.iter().find(|old| old.name == new.name) {
            Some(old) => container_change(old, new, &mut changes),
            None => changes.push(format!("container {} was added", new.name)),
        }
    }
    for old in older.containers.iter().filter(|old| !newer.containers.iter().any(|new| new.name == old.name))
    {
        changes.push(format!("container {} was removed", old.name));
    }
    changes.truncate(8);
    changes
}

fn container_change(old: &ContainerSpec, new: &ContainerSpec, changes: &mut Vec<String>) {
    let name = &new.name;
    let mut change = |what: &str, old: String, new: String| {
        if old != new {
            changes.push(format!("{name}: {what} {old} -> {new}"));
        }
    };
    let none = || "none".to_owned();
    let milli = |n: Option<i64>| n.map_or_else(none, |n| format!("{n}m"));
    let mib = |n: Option<i64>| n.map_or_else(none, |n| format!("{} MiB", n >> 20));
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    change("image", old.image.to_string(), new.image.to_string());
    change("cpu request", milli(old.requests.cpu_milli), milli(new.requests.cpu_milli));
    change("cpu limit", milli(old.limits.cpu_milli), milli(new.limits.cpu_milli));
    change("memory request", mib(old.requests.memory_bytes), mib(new.requests.memory_bytes));
    change("memory limit", mib(old.limits.memory_bytes), mib(new.limits.memory_bytes));
    change("liveness probe", yes(old.has_liveness), yes(new.has_liveness));
    change("readiness probe", yes(old.has_readiness), yes(new.has_readiness));
    change("startup probe", yes(old.has_startup), yes(new.has_startup));
}

#[cfg(test)]
mod tests {
    use aiops_inventory::{Interner, decode};
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_newest_writer_of_the_spec_is_named_and_status_is_nobodys_change() {
        let object = json!({"metadata": {"managedFields": [
            {"manager": "helm", "operation": "Update", "time": "2026-11-20T10:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kubectl-set", "operation": "Update", "time": "2026-11-24T09:48:00Z", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {
                "f:containers": {"k:{\"name\":\"app\"}": {"f:image": {}}}}}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": "2026-11-24T09:59:00Z",
                "fieldsV1": {"f:status": {}, "f:metadata": {}}},
        ]}});
        let change = last_change(&object, now()).unwrap();
        assert_eq!((change.manager.as_str(), change.age.as_str()), ("kubectl-set", "12m"));
        assert_eq!(change.fields, ["spec.template.spec.containers.app.image"]);
        assert_eq!(last_change(&json!({"metadata": {}}), now()), None);
        let hostile = json!({"metadata": {"managedFields": [{"manager": "\u{1b}[2Jx".repeat(5_000), "operation": "Update",
            "time": "2026-11-24T09:48:00Z", "fieldsV1": {"f:spec": {"f:\u{202e}": {}}}}]}});
        let change = last_change(&hostile, now()).unwrap();
        assert!(
            change.manager.len() < 200
                && !change.manager.contains('\u{1b}')
                && !change.fields[0].contains('\u{202e}')
        );
    }

    #[test]
    fn owners_are_told_by_their_marks() {
        for (metadata, want) in [
            (json!({"annotations": {"meta.helm.sh/release-name": "shop"}}), Some("Helm release shop")),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}),
                Some("Argo CD application shop"),
            ),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
                Some("Flux Kustomization apps"),
            ),
            (json!({}), None),
        ] {
            assert_eq!(managed_by(&json!({"metadata": metadata})).as_deref(), want);
        }
    }

    #[test]
    fn the_difference_of_two_templates_is_told() {
        let set = |image: &str, memory: &str| {
            let json = json!({"metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": [
                {"name": "app", "image": image, "resources": {"limits": {"memory": memory}}}]}}}});
            decode::replica_sets(
                json.to_string().as_bytes(),
                &mut Interner::default(),
                &mut decode::Shared::default(),
            )
            .unwrap()
        };
        let changes = template_change(&set("app:2", "64Mi"), &set("app:1", "1Gi"));
        assert_eq!(changes, ["app: image app:1 -> app:2", "app: memory limit 1024 MiB -> 64 MiB"]);
        assert!(template_change(&set("app:1", "1Gi"), &set("app:1", "1Gi")).is_empty());
    }
}
