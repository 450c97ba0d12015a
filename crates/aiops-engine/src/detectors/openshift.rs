//! What OpenShift says of itself: operators, the cluster version, machine config pools.

use aiops_inventory::{
    Row,
    rows::{Condition, Meta, Truth},
};

use super::Look;
use crate::issue::{Issue, Object, Severity};

/// Operators flap for a moment during their own upgrades.
const OPERATOR_GRACE: i64 = 120;

pub(super) fn detect(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    if view.namespace.is_some() {
        return;
    }
    let add = |found: &mut Vec<Issue>, code, severity, kind, meta: &Meta, c: &Condition| {
        if view.now - c.since > OPERATOR_GRACE {
            let message = c.message.as_deref().unwrap_or(&c.reason);
            let what = format!("{} is {}: {message}", c.kind, c.status.as_str());
            let object = Object::new(kind, meta.key.namespace.clone(), meta.key.name.clone());
            found.push(Issue::new(code, severity, object, Some(c.since), what));
        }
    };
    for row in view.inventory.cluster_operators().iter() {
        for c in &row.conditions {
            match (c.kind.as_str(), c.status) {
                ("Available", Truth::False) => {
                    add(found, "operator_unavailable", Severity::Critical, "ClusterOperator", row.meta(), c);
                }
                ("Degraded", Truth::True) => {
                    add(found, "operator_degraded", Severity::High, "ClusterOperator", row.meta(), c);
                }
                _ => {}
            }
        }
    }
    for row in view.inventory.cluster_versions().iter() {
        for c in row.conditions.iter().filter(|c| c.kind == "Failing" && c.status == Truth::True) {
            add(found, "cluster_version_failing", Severity::Critical, "ClusterVersion", row.meta(), c);
        }
    }
    for row in view.inventory.machine_config_pools().iter() {
        for c in row.conditions.iter().filter(|c| c.kind == "Degraded" && c.status == Truth::True) {
            add(found, "machine_config_pool_degraded", Severity::High, "MachineConfigPool", row.meta(), c);
        }
    }
}
