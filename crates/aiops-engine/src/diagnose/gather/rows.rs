//! What rows know of a pod's claims and its node, for when nothing can be read live.

use std::collections::BTreeMap;

use aiops_inventory::{Inventory, Kind};
use serde_json::Value;

use super::events_of_ring;
use crate::diagnose::{
    document::Document,
    reading::{Found, Reading},
    volumes,
};

/// What rows know when nothing can be read live.
pub(crate) fn from_rows(inventory: &Inventory, reading: &mut Reading) {
    let mut claims: BTreeMap<String, Found<Document>> = BTreeMap::new();
    let namespace = &reading.pod.object.namespace;
    for (name, _) in volumes::claims(&reading.pod) {
        let row = inventory.claims().get(namespace, &name);
        let known = inventory.status(Kind::PersistentVolumeClaim).sync.is_known();
        let found = match row {
            Some(row) => {
                let value = serde_json::json!({
                    "metadata": {"name": row.meta.key.name.as_str(), "namespace": namespace.as_str(),
                        "creationTimestamp": crate::answer::seconds(row.meta.created)},
                    "spec": {"storageClassName": row.storage_class.as_deref(), "volumeName": row.volume.as_str()},
                    "status": {"phase": row.phase.as_str()},
                });
                Found::Yes(Document { from_row: true, ..Document::new("PersistentVolumeClaim", value) })
            }
            None if known => Found::Missing,
            None => Found::Unknown("claims are not known here".to_owned()),
        };
        reading.claim_events.extend(events_of_ring(inventory, "PersistentVolumeClaim", namespace, &name));
        claims.insert(name, found);
    }
    reading.claims = claims;
    let node = reading.pod.text("spec.nodeName").to_owned();
    if let Some(row) = inventory.nodes().get("", &node) {
        let conditions: Vec<Value> = row
            .conditions
            .iter()
            .map(|c| {
                serde_json::json!({"type": c.kind.as_str(), "status": c.status.as_str(), "reason": c.reason.as_str(),
                    "message": c.message.as_deref(), "lastTransitionTime": crate::answer::seconds(c.since)})
            })
            .collect();
        let value = serde_json::json!({"metadata": {"name": node}, "status": {"conditions": conditions,
            "nodeInfo": {"architecture": row.architecture.as_str()}}});
        let document = Document { from_row: true, ..Document::new("Node", value) };
        reading.node = Some((node, Found::Yes(document)));
    }
}
