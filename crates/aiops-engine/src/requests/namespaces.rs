//! Namespaces, worst first.

use aiops_inventory::{Key, Kind, Scope, inventory::NamespaceTotals, page::digest};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Engine, Error,
    answer::{Standing, age},
    budget,
    page::{Listing, Page},
};

/// Which namespaces.
#[derive(Debug, Clone, Default)]
pub struct ListNamespaces {
    /// At most this many rows.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Namespaces, worst first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NamespaceList {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// How many there are and what was left out.
    #[serde(flatten)]
    pub page: Page,
    /// The rows.
    pub namespaces: Vec<NamespaceItem>,
}

/// One namespace.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NamespaceItem {
    /// Name.
    pub name: String,
    /// Active or Terminating; null when namespaces may not be listed.
    pub status: Option<String>,
    /// Age such as 3d; null when namespaces may not be listed.
    pub age: Option<String>,
    /// Pods; null when pods are not known.
    pub pods: Option<i64>,
    /// Pods that are not plainly well (pending, failed, not ready, restarted).
    pub troubled: Option<i64>,
    /// Deployments, StatefulSets, DaemonSets, Jobs and CronJobs; null when one of these kinds is not known.
    pub workloads: Option<i64>,
    /// CPU requested, millicores.
    pub requested_cpu_millicores: Option<i64>,
    /// Memory requested, MiB.
    pub requested_memory_mib: Option<i64>,
}

impl Engine {
    /// Lists namespaces.
    pub fn list_namespaces(&self, request: ListNamespaces) -> Result<NamespaceList, Error> {
        let inventory = self.look();
        let kinds: Vec<Kind> = [Kind::Namespace, Kind::Pod].into_iter().chain(WORKLOADS).collect();
        let standing = self.standing(&inventory, &kinds);
        let now = self.now();
        let names = inventory.namespace_names();
        let sees = |kind: Kind, name: &str| {
            !standing.lacks(kind)
                && match &inventory.status(kind).scope {
                    Scope::Cluster => true,
                    Scope::Namespaces(seen) => seen.iter().any(|one| one == name),
                }
        };
        let totals = |name: &str| inventory.namespace_totals(name).copied().unwrap_or_default();
        let listing = Listing::new(
            digest([b"namespaces".as_slice()]),
            request.limit,
            request.cursor.as_deref(),
            names.iter().map(|name| Key::new("", name.clone())).collect(),
        )?;
        let (namespaces, page) = listing.fill(
            |key| i64::MAX - totals(&key.name).suspects,
            budget::of(request.limit),
            |key| {
                let row = inventory.namespaces().get("", &key.name);
                let totals = totals(&key.name);
                let pods_known = sees(Kind::Pod, &key.name);
                Some(NamespaceItem {
                    name: key.name.to_string(),
                    status: row.map(|r| {
                        r.meta.deleting.map_or_else(|| r.phase.to_string(), |_| "Terminating".into())
                    }),
                    age: row.map(|r| age(now, r.meta.created)),
                    pods: pods_known.then(|| totals.pods.counts.total()),
                    troubled: pods_known.then_some(totals.suspects),
                    workloads: WORKLOADS
                        .iter()
                        .all(|kind| sees(*kind, &key.name))
                        .then(|| workloads(&totals)),
                    requested_cpu_millicores: pods_known.then_some(totals.pods.requested_cpu_milli),
                    requested_memory_mib: pods_known.then_some(totals.pods.requested_memory_bytes >> 20),
                })
            },
        );
        // Without a right to list namespaces, those of the pods and workloads that may be seen are known.
        let known = !names.is_empty() || !standing.lacks(Kind::Namespace);
        Ok(NamespaceList { standing, page: page.known(known), namespaces })
    }
}

/// What counts as a workload.
const WORKLOADS: [Kind; 5] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Job, Kind::CronJob];

const fn workloads(totals: &NamespaceTotals) -> i64 {
    totals.deployments + totals.stateful_sets + totals.daemon_sets + totals.jobs + totals.cron_jobs
}
