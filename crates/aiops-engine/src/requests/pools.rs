//! The machine config pools of OpenShift beside the nodes that they update.
//!
//! It judges nothing: what is wrong with a pool is found by the detectors.

use aiops_inventory::{
    Inventory,
    inventory::Source,
    rows::{MachineConfigPoolRow, Truth},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::text;

/// Longest message of a pool.
const LONGEST: usize = 160;

/// A pool of nodes that get the same configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PoolItem {
    /// Name.
    pub name: String,
    /// Its nodes are being updated.
    pub updating: bool,
    /// A node could not be updated.
    pub degraded: bool,
    /// Updates are held back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Nodes in it.
    pub machines: i32,
    /// Nodes with the newest configuration.
    pub updated: i32,
    /// Nodes with the newest configuration that are ready.
    pub ready: i32,
    /// Nodes that cannot be used.
    pub unavailable: i32,
    /// What it says of its being degraded or updating; text of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl PoolItem {
    fn of(row: &MachineConfigPoolRow) -> Self {
        let is = |kind: &str| row.conditions.iter().find(|c| c.kind == kind && c.status == Truth::True);
        let (degraded, updating) = (is("Degraded"), is("Updating"));
        let message = degraded.or(updating).and_then(|c| c.message.as_deref()).filter(|m| !m.is_empty());
        Self {
            name: row.meta.key.name.to_string(),
            updating: updating.is_some(),
            degraded: degraded.is_some(),
            paused: row.paused,
            machines: row.machines,
            updated: row.updated,
            ready: row.ready,
            unavailable: row.unavailable,
            message: message.map(|message| text::clean(message, LONGEST).text),
        }
    }
}

/// All pools; none where the cluster has no such kind.
pub(crate) fn all(inventory: &Inventory) -> Vec<PoolItem> {
    inventory.machine_config_pools().iter().map(|row| PoolItem::of(row)).collect()
}

/// Whether the kinds that only OpenShift has belong into an answer. Recordings of it often hold none of them.
pub(crate) fn is_live_openshift(inventory: &Inventory) -> bool {
    let info = inventory.info();
    info.is_openshift == Some(true) && info.source == Source::Live
}
