//! Deployments, ReplicaSets, StatefulSets and DaemonSets.

use std::sync::Arc;

use super::{Condition, ContainerSpec, Marks, Meta};
use crate::{Name, labels::Selector};

/// A Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    /// Metadata.
    pub meta: Meta,
    /// Who deployed it, by its annotations; `None` when they say nothing.
    pub marks: Option<Box<Marks>>,
    /// `spec.replicas` (1 when absent).
    pub desired: i32,
    /// `spec.paused`.
    pub paused: bool,
    /// `status.replicas`.
    pub replicas: i32,
    /// `status.updatedReplicas`.
    pub updated: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// `status.unavailableReplicas`.
    pub unavailable: i32,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// The annotation `deployment.kubernetes.io/revision`; 0 when absent.
    pub revision: i64,
    /// `spec.progressDeadlineSeconds` (600 when absent).
    pub progress_deadline: i32,
    /// `RollingUpdate` or `Recreate`.
    pub strategy: Name,
    /// `spec.selector`.
    pub selector: Arc<Selector>,
    /// Conditions.
    pub conditions: Box<[Condition]>,
    /// Containers of the template.
    pub containers: Arc<[Arc<ContainerSpec>]>,
}

/// A ReplicaSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSetRow {
    /// Metadata.
    pub meta: Meta,
    /// `spec.replicas` (1 when absent).
    pub desired: i32,
    /// `status.replicas`.
    pub replicas: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// The annotation `deployment.kubernetes.io/revision`; 0 when absent.
    pub revision: i64,
    /// Conditions that say something is wrong (`ReplicaFailure`).
    pub conditions: Box<[Condition]>,
    /// Containers of the template.
    pub containers: Arc<[Arc<ContainerSpec>]>,
}

/// A StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatefulSetRow {
    /// Metadata.
    pub meta: Meta,
    /// Who deployed it, by its annotations; `None` when they say nothing.
    pub marks: Option<Box<Marks>>,
    /// `spec.replicas` (1 when absent).
    pub desired: i32,
    /// `status.replicas`.
    pub replicas: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.updatedReplicas`.
    pub updated: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `status.currentRevision`.
    pub current_revision: Name,
    /// `status.updateRevision`.
    pub update_revision: Name,
    /// `spec.selector`.
    pub selector: Arc<Selector>,
    /// Conditions.
    pub conditions: Box<[Condition]>,
    /// Containers of the template.
    pub containers: Arc<[Arc<ContainerSpec>]>,
}

/// A DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonSetRow {
    /// Metadata.
    pub meta: Meta,
    /// Who deployed it, by its annotations; `None` when they say nothing.
    pub marks: Option<Box<Marks>>,
    /// `status.desiredNumberScheduled`.
    pub desired: i32,
    /// `status.currentNumberScheduled`.
    pub current: i32,
    /// `status.numberReady`.
    pub ready: i32,
    /// `status.updatedNumberScheduled`.
    pub updated: i32,
    /// `status.numberAvailable`.
    pub available: i32,
    /// `status.numberMisscheduled`.
    pub misscheduled: i32,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `spec.selector`.
    pub selector: Arc<Selector>,
    /// Conditions.
    pub conditions: Box<[Condition]>,
    /// Containers of the template.
    pub containers: Arc<[Arc<ContainerSpec>]>,
}
