//! From the JSON of the API to rows, without building what is not kept.
//!
//! Everything unknown is skipped unread, `managedFields` above all. Values of environment variables and of Secrets
//! have no place in a row and so cannot leak from one. What is absent or `null` becomes the row's documented default;
//! an object without a name, with a member of a wrong type or with a member twice is refused and never guessed at.
//! Integers saturate; a text that is longer than its row allows ends in `…`.

mod cluster;
mod event;
mod json;
mod list;
mod meta;
mod network;
mod node;
mod pod;
mod policy;
mod shared;
mod workload;

pub use list::{ListHead, WatchKind, WatchLine, items, kind_of, resource_version, watch_line};
pub use shared::Shared;

use crate::{Interner, Key, rows};
use meta::Keep;

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
pub fn key(json: &[u8], interner: &mut Interner) -> Result<Key, DecodeError> {
    identity(json, interner).map(|(key, _)| key)
}

/// Namespace, name and uid of an object; the uid is 0 when it has none.
pub(crate) fn identity(json: &[u8], interner: &mut Interner) -> Result<(Key, u128), DecodeError> {
    meta::identity(json, interner).map_err(|source| DecodeError { kind: "object", source })
}

/// An event of `core/v1` or `events.k8s.io/v1`.
pub fn event(json: &[u8], interner: &mut Interner) -> Result<rows::EventRow, DecodeError> {
    event::event(json, interner).map_err(|source| DecodeError { kind: "Event", source })
}

macro_rules! decoders { ($($(#[$doc:meta])* $name:ident: $shape:ty, $build:ident => $row:ident;)+) => {$(
    $(#[$doc])*
    pub fn $name(json: &[u8], interner: &mut Interner, shared: &mut Shared) -> Result<rows::$row, DecodeError> {
        let mut keep = Keep { interner, shared };
        let row = serde_json::from_slice::<$shape>(json).and_then(|object| keep.$build(&object));
        row.map_err(|source| DecodeError { kind: <rows::$row as rows::Row>::KIND.name(), source })
    }
)+}; }

decoders! {
    /// A Node.
    nodes: node::NodeJson<'_>, node => NodeRow;
    /// A Namespace.
    namespaces: node::NamespaceJson<'_>, namespace => NamespaceRow;
    /// A Pod.
    pods: pod::PodJson<'_>, pod => PodRow;
    /// A Deployment.
    deployments: workload::WorkloadJson<'_>, deployment => DeploymentRow;
    /// A ReplicaSet.
    replica_sets: workload::WorkloadJson<'_>, replica_set => ReplicaSetRow;
    /// A StatefulSet.
    stateful_sets: workload::WorkloadJson<'_>, stateful_set => StatefulSetRow;
    /// A DaemonSet.
    daemon_sets: workload::WorkloadJson<'_>, daemon_set => DaemonSetRow;
    /// A Job.
    jobs: workload::JobJson<'_>, job => JobRow;
    /// A CronJob.
    cron_jobs: workload::CronJobJson<'_>, cron_job => CronJobRow;
    /// A PersistentVolumeClaim.
    claims: policy::ClaimJson<'_>, claim => PersistentVolumeClaimRow;
    /// A Service.
    services: network::ServiceJson<'_>, service => ServiceRow;
    /// An EndpointSlice.
    endpoint_slices: network::SliceJson<'_>, endpoint_slice => EndpointSliceRow;
    /// A HorizontalPodAutoscaler of `autoscaling/v2` (of `v1` without its conditions).
    autoscalers: policy::AutoscalerJson<'_>, autoscaler => HorizontalPodAutoscalerRow;
    /// A PodDisruptionBudget.
    disruption_budgets: policy::BudgetJson<'_>, disruption_budget => PodDisruptionBudgetRow;
    /// A ResourceQuota.
    quotas: policy::QuotaJson<'_>, quota => ResourceQuotaRow;
    /// A LimitRange.
    limit_ranges: policy::LimitRangeJson<'_>, limit_range => LimitRangeRow;
    /// An OpenShift ClusterOperator.
    cluster_operators: cluster::OperatorJson<'_>, cluster_operator => ClusterOperatorRow;
    /// The OpenShift ClusterVersion.
    cluster_versions: cluster::VersionJson<'_>, cluster_version => ClusterVersionRow;
    /// An OpenShift MachineConfigPool.
    machine_config_pools: cluster::PoolJson<'_>, machine_config_pool => MachineConfigPoolRow;
    /// An OpenShift Route.
    routes: network::RouteJson<'_>, route => RouteRow;
}
