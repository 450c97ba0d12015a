//! What the sweep and the breaker read out of the rows. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aiops_inventory::{Inventory, Kind, Sync, inventory::Connection};

use crate::{
    breaker::{Share, Signals},
    detectors::Finding,
    model::Millis,
};

/// An API server that does not answer for this long opens the breaker.
const API_DOWN: Millis = 5_000;

/// Whether it can be told whose every pod is: the lists of all that own pods have come in, or will not. A trouble would be
/// filed under a ReplicaSet whose Deployment comes in a moment later.
pub(super) fn knows_owners(inventory: &Inventory) -> bool {
    const OWNERS: [Kind; 6] =
        [Kind::Deployment, Kind::ReplicaSet, Kind::StatefulSet, Kind::DaemonSet, Kind::Job, Kind::CronJob];
    OWNERS.into_iter().all(|kind| !matches!(inventory.status(kind).sync, Sync::Warming))
}

/// What the breaker looks at, from the rows and what the detectors found.
pub(super) fn signals(
    inventory: &Inventory,
    findings: Option<&[Finding]>,
    incidents: u64,
    now: Millis,
) -> Signals {
    // What nobody may list tells nothing, and neither opens the breaker nor keeps it open.
    let is_fresh = |kind: Kind| matches!(inventory.status(kind).sync, Sync::Synced | Sync::Forbidden { .. });
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let zones = is_fresh(Kind::Node).then(|| {
        let mut zones: BTreeMap<String, Share> = BTreeMap::new();
        for node in inventory.nodes().iter() {
            let zone = node.meta.labels.get("topology.kubernetes.io/zone");
            let share = zones.entry(zone.map(ToString::to_string).unwrap_or_default()).or_default();
            share.all += 1;
            // A node that never reported is joining, and the detector says when it takes too long.
            share.bad += u64::from(node.ready() == Some(false));
        }
        zones.into_iter().collect()
    });
    let kinds = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];
    let workloads = findings.filter(|_| kinds.into_iter().all(is_fresh)).map(|findings| {
        let all =
            inventory.deployments().len() + inventory.stateful_sets().len() + inventory.daemon_sets().len();
        let is_workload = |finding: &&Finding| {
            matches!(finding.issue.object.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
        };
        let bad: BTreeSet<_> =
            findings.iter().filter(is_workload).map(|finding| &finding.issue.object).collect();
        Share { all: count(all), bad: count(bad.len()) }
    });
    let api_down = match &inventory.info().connection {
        Connection::Down { since, reason } if now.saturating_sub(since.saturating_mul(1_000)) >= API_DOWN => {
            Some(format!("the API server does not answer: {reason}"))
        }
        _ => None,
    };
    Signals { zones, incidents: Some(incidents), workloads, api: None, api_down }
}
