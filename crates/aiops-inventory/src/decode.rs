//! From the JSON of the API to rows, without building what is not kept.
//!
//! Everything unknown is skipped unread, `managedFields` above all. Values of environment variables and of Secrets
//! have no place in a row and so cannot leak from one.

use std::sync::Arc;

use crate::{Interner, Key, labels::LabelSet, rows};

/// Values that many rows share: label sets, container specs, selectors.
#[derive(Debug, Default)]
pub struct Shared {
    labels: std::collections::HashSet<Arc<LabelSet>>,
}

impl Shared {
    /// Forgets what no row holds any more.
    pub fn sweep(&mut self) {
        self.labels.retain(|set| Arc::strong_count(set) > 1);
    }
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
#[error("object of kind {kind} is not what the API promises")]
pub struct DecodeError {
    /// The kind it should be.
    pub kind: &'static str,
    /// What the JSON parser says.
    #[source]
    pub source: serde_json::Error,
}

/// Namespace and name of an object.
pub fn key(_json: &[u8], _interner: &mut Interner) -> Result<Key, DecodeError> {
    Err(missing("object"))
}

/// An event.
pub fn event(_json: &[u8], _interner: &mut Interner) -> Result<rows::EventRow, DecodeError> {
    Err(missing("Event"))
}

fn missing(kind: &'static str) -> DecodeError {
    DecodeError { kind, source: serde::de::Error::custom("not read yet") }
}

macro_rules! pending { ($($name:ident: $row:ident),+ $(,)?) => {$(
    #[doc = "A row."]
    pub fn $name(_json: &[u8], _interner: &mut Interner, _shared: &mut Shared) -> Result<rows::$row, DecodeError> {
        Err(missing(stringify!($row)))
    }
)+}; }
pending! {
    nodes: NodeRow, namespaces: NamespaceRow, pods: PodRow, deployments: DeploymentRow, replica_sets: ReplicaSetRow,
    stateful_sets: StatefulSetRow, daemon_sets: DaemonSetRow, jobs: JobRow, cron_jobs: CronJobRow,
    claims: PersistentVolumeClaimRow, services: ServiceRow, endpoint_slices: EndpointSliceRow,
    autoscalers: HorizontalPodAutoscalerRow, disruption_budgets: PodDisruptionBudgetRow, quotas: ResourceQuotaRow,
    limit_ranges: LimitRangeRow, cluster_operators: ClusterOperatorRow, cluster_versions: ClusterVersionRow,
    machine_config_pools: MachineConfigPoolRow, routes: RouteRow,
}
