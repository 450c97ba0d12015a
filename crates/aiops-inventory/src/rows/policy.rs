//! What limits and scales workloads: quotas, limit ranges, disruption budgets, autoscalers, volume claims.

use std::sync::Arc;

use super::{Condition, Meta, pod::Resources};
use crate::{Name, labels::Selector};

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentVolumeClaimRow {
    /// Metadata.
    pub meta: Meta,
    /// `status.phase`: Pending, Bound or Lost.
    pub phase: Name,
    /// `spec.storageClassName`; `None` when unset.
    pub storage_class: Option<Name>,
    /// `spec.volumeName`, empty when unbound.
    pub volume: Name,
    /// Requested bytes.
    pub requested_bytes: Option<i64>,
    /// `status.capacity.storage` in bytes.
    pub capacity_bytes: Option<i64>,
}

/// A HorizontalPodAutoscaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HorizontalPodAutoscalerRow {
    /// Metadata.
    pub meta: Meta,
    /// Kind of the scaled object.
    pub target_kind: Name,
    /// Name of the scaled object.
    pub target_name: Name,
    /// `spec.minReplicas` (1 when absent).
    pub min: i32,
    /// `spec.maxReplicas`.
    pub max: i32,
    /// `status.currentReplicas`; `None` before the first report.
    pub current: Option<i32>,
    /// `status.desiredReplicas`; `None` before the first report.
    pub desired: Option<i32>,
    /// Conditions.
    pub conditions: Box<[Condition]>,
}

/// A PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodDisruptionBudgetRow {
    /// Metadata.
    pub meta: Meta,
    /// `spec.selector`.
    pub selector: Arc<Selector>,
    /// `spec.minAvailable` as written, empty when absent.
    pub min_available: Name,
    /// `spec.maxUnavailable` as written, empty when absent.
    pub max_unavailable: Name,
    /// `status.disruptionsAllowed`.
    pub allowed: i32,
    /// `status.currentHealthy`.
    pub healthy: i32,
    /// `status.desiredHealthy`.
    pub desired_healthy: i32,
    /// `status.expectedPods`.
    pub expected: i32,
    /// `status.observedGeneration`; 0 before the controller looked.
    pub observed_generation: i64,
}

/// A ResourceQuota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceQuotaRow {
    /// Metadata.
    pub meta: Meta,
    /// The quota narrows to some pods (`spec.scopes` or `spec.scopeSelector`); such a quota does not bound every pod.
    pub scoped: bool,
    /// One entry a resource, sorted by name.
    pub items: Box<[QuotaItem]>,
}

/// One resource of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaItem {
    /// Resource, such as `requests.cpu`, `pods`, `limits.memory`.
    pub resource: Name,
    /// The hard limit: millicores for CPU, bytes for memory and storage, a count else.
    pub hard: i64,
    /// What is used, in the same unit; `None` before the controller counted.
    pub used: Option<i64>,
}

/// A LimitRange: its item of type `Container` and its item of type `Pod`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRangeRow {
    /// Metadata.
    pub meta: Meta,
    /// Default limits of a container.
    pub container_default: Resources,
    /// Default requests of a container.
    pub container_default_request: Resources,
    /// Smallest allowed for a container.
    pub container_min: Resources,
    /// Largest allowed for a container.
    pub container_max: Resources,
    /// Smallest allowed for a pod.
    pub pod_min: Resources,
    /// Largest allowed for a pod.
    pub pod_max: Resources,
}
