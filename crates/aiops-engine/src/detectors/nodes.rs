//! Nodes that are not ready or under pressure. Conditions of other components (node-problem-detector and its like) are
//! not judged: their meaning is their author's.

use aiops_inventory::rows::{NodeRow, Truth};

use super::{Look, View};
use crate::issue::{Issue, Object, Severity};

/// A node that joined a moment ago has not reported yet.
const JOINING_GRACE: i64 = 120;

pub(super) fn detect(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    if view.namespace.is_some() {
        return;
    }
    for node in view.inventory.nodes().iter() {
        ready(view, node, found);
        for condition in &node.conditions {
            let is_pressure = matches!(
                condition.kind.as_str(),
                "MemoryPressure" | "DiskPressure" | "PIDPressure" | "NetworkUnavailable"
            );
            if is_pressure && condition.status == Truth::True {
                let message = condition.message.as_deref().unwrap_or(&condition.reason);
                let what = format!("{}: {message}", condition.kind);
                found.push(Issue::new(
                    "node_pressure",
                    Severity::High,
                    object(node),
                    Some(condition.since),
                    what,
                ));
            }
        }
    }
}

fn ready(view: View<'_>, node: &NodeRow, found: &mut Vec<Issue>) {
    let pods = view.inventory.node_totals(&node.meta.key.name).map_or(0, |totals| totals.pods.counts.total());
    match node.ready_condition() {
        Some(condition) if condition.status != Truth::True => {
            let message = condition.message.as_deref().unwrap_or(&condition.reason);
            let what =
                format!("Ready is {}: {message}; {pods} pods are bound to it", condition.status.as_str());
            found.push(Issue::new(
                "node_not_ready",
                Severity::Critical,
                object(node),
                Some(condition.since),
                what,
            ));
        }
        None if view.now - node.meta.created > JOINING_GRACE => {
            let what = "the node never reported whether it is ready";
            found.push(Issue::new(
                "node_not_ready",
                Severity::High,
                object(node),
                Some(node.meta.created),
                what,
            ));
        }
        _ => {}
    }
}

fn object(node: &NodeRow) -> Object {
    Object::new("Node", node.meta.key.namespace.clone(), node.meta.key.name.clone())
}
