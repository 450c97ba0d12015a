//! The few objects that the stories tell of, and the questions that are asked of the rows.

use aiops_inventory::{Inventory, Kind, Sync};
use serde_json::{Value, json};

pub(super) const PODS: &str = "/api/v1/pods";
pub(super) const NODES: &str = "/api/v1/nodes";

pub(super) fn pod(namespace: &str, name: &str) -> Value {
    json!({"kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-11-24T08:00:00Z"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Running"}})
}

pub(super) fn node(name: &str) -> Value {
    json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": name}, "status": {"capacity": {"cpu": "4"}}})
}

/// Whether a kind is complete and live.
pub(super) fn is_synced(rows: &Inventory, kind: Kind) -> bool {
    rows.status(kind).sync == Sync::Synced
}

/// Whether every kind that every cluster has is complete and live.
pub(super) fn all_synced(rows: &Inventory) -> bool {
    Kind::ALL.into_iter().filter(|kind| !kind.is_optional()).all(|kind| is_synced(rows, kind))
}

/// Names of the pods, sorted.
pub(super) fn pods(rows: &Inventory) -> Vec<String> {
    let mut names: Vec<String> = rows.pods().iter().map(|row| row.meta.key.name.to_string()).collect();
    names.sort();
    names
}
