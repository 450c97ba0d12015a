//! The rows: what is kept of each object.
//!
//! A row holds numbers, shared strings and a few texts of unhealthy objects; never a Kubernetes object, never
//! `managedFields`, never the value of an environment variable or a Secret.

pub mod batch;
pub mod cluster;
pub mod network;
pub mod node;
pub mod pod;
pub mod policy;
pub mod workload;

use std::sync::Arc;

use crate::{Kind, Name, labels::LabelSet};

pub use batch::{CronJobRow, JobRow};
pub use cluster::{ClusterOperatorRow, ClusterVersionRow, EventRow, MachineConfigPoolRow, NamespaceRow};
pub use network::{EndpointSliceRow, RouteRow, ServiceRow};
pub use node::{NodeRow, Taint};
pub use pod::{ContainerKind, ContainerRow, ContainerSpec, ContainerState, Phase, PodRow, Termination};
pub use policy::{
    HorizontalPodAutoscalerRow, LimitRangeRow, PersistentVolumeClaimRow, PodDisruptionBudgetRow,
    ResourceQuotaRow,
};
pub use workload::{DaemonSetRow, DeploymentRow, ReplicaSetRow, StatefulSetRow};

/// Seconds since 1970-01-01T00:00:00Z.
pub type Seconds = i64;

/// Namespace and name; the namespace is empty for objects of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Namespace, or the empty string.
    pub namespace: Name,
    /// Name.
    pub name: Name,
}

impl Key {
    /// A key from its two parts.
    pub fn new(namespace: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// What every row knows of its object's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.uid` as a number; 0 when it is absent or not a UUID.
    pub uid: u128,
    /// `metadata.creationTimestamp`.
    pub created: Seconds,
    /// `metadata.deletionTimestamp`, when deletion was asked for.
    pub deleting: Option<Seconds>,
    /// `metadata.generation`; 0 when the kind has none.
    pub generation: i64,
    /// Labels, shared between objects with the same set.
    pub labels: Arc<LabelSet>,
    /// The controlling owner, else the first owner.
    pub owner: Option<Arc<Owner>>,
}

/// An owner reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Kind of the owner.
    pub kind: Name,
    /// Name of the owner, in the same namespace or of the cluster.
    pub name: Name,
    /// Uid of the owner; 0 when it is not a UUID.
    pub uid: u128,
    /// `apiVersion` of the owner.
    pub api_version: Name,
}

/// Marks that tools leave in the annotations of what they deploy; empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// `argocd.argoproj.io/tracking-id`.
    pub tracking_id: Name,
    /// `meta.helm.sh/release-name`.
    pub release: Name,
    /// `meta.helm.sh/release-namespace`.
    pub release_namespace: Name,
}

/// A condition of an object, kept where a reader needs more than a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `type`.
    pub kind: Name,
    /// `status`: True, False or Unknown.
    pub status: Truth,
    /// `reason`, empty when absent.
    pub reason: Name,
    /// `message`, cut at 512 bytes; kept only when the condition says that something is wrong.
    pub message: Option<Box<str>>,
    /// `lastTransitionTime`.
    pub since: Seconds,
}

/// A condition's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown` or anything else.
    Unknown,
}

impl Truth {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What all rows have in common.
pub trait Row: Send + Sync + 'static {
    /// The kind this row is of.
    const KIND: Kind;
    /// Metadata.
    fn meta(&self) -> &Meta;
}

macro_rules! rows {
    ($($row:ty => $kind:ident),+ $(,)?) => {$(
        impl Row for $row {
            const KIND: Kind = Kind::$kind;
            fn meta(&self) -> &Meta { &self.meta }
        }
    )+};
}
rows! {
    NodeRow => Node, NamespaceRow => Namespace, PodRow => Pod, DeploymentRow => Deployment,
    ReplicaSetRow => ReplicaSet, StatefulSetRow => StatefulSet, DaemonSetRow => DaemonSet, JobRow => Job,
    CronJobRow => CronJob, PersistentVolumeClaimRow => PersistentVolumeClaim, ServiceRow => Service,
    EndpointSliceRow => EndpointSlice, HorizontalPodAutoscalerRow => HorizontalPodAutoscaler,
    PodDisruptionBudgetRow => PodDisruptionBudget, ResourceQuotaRow => ResourceQuota,
    LimitRangeRow => LimitRange, ClusterOperatorRow => ClusterOperator, ClusterVersionRow => ClusterVersion,
    MachineConfigPoolRow => MachineConfigPool, RouteRow => Route,
}
