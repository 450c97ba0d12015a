//! What `analyze-scaling-impact` answers: the predecessor's members, nullable where it made numbers up, and a few of ours.
//!
//! Types only; nothing here is computed.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{answer::Standing, requests::capacity::Excluded};

/// What happens.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ScalingAnswer {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// Always success; what is not known is null.
    pub status: &'static str,
    /// Deployment.
    pub deployment: String,
    /// Namespace.
    pub namespace: String,
    /// Now.
    pub current_state: CurrentState,
    /// With the replicas asked for.
    pub projected_state: ProjectedState,
    /// What the quotas of the namespace say; null when they are not known.
    pub namespace_impact: Option<NamespaceImpact>,
    /// Whether the nodes have room; null when nodes or pods are not known.
    pub cluster_fit: Option<ClusterFit>,
    /// Load on the control plane: null members with the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infrastructure_impact: Option<InfrastructureImpact>,
    /// What to know before doing it.
    pub warnings: Vec<String>,
    /// In one sentence.
    pub recommendation: String,
    /// Other numbers of replicas.
    pub alternative_scenarios: Vec<Scenario>,
    /// Why predict_at is not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction_unavailable: Option<&'static str>,
    /// When it was analyzed.
    pub analyzed_at: String,
}

/// Requests now; CPU in millicores, memory in MiB; null when its pods request none.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct CurrentState {
    /// Replicas wanted now (or those given as current_replicas).
    pub replicas: i32,
    /// CPU of one pod.
    pub cpu_per_pod_avg: Option<f64>,
    /// Memory of one pod.
    pub memory_per_pod_avg: Option<f64>,
    /// CPU of all.
    pub total_cpu: Option<f64>,
    /// Memory of all.
    pub total_memory: Option<f64>,
}

/// Requests with the replicas asked for: one pod's times their number. The predecessor added up to 15 percent that
/// nothing measured.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ProjectedState {
    /// Replicas.
    pub replicas: i32,
    /// CPU of one pod.
    pub cpu_per_pod_est: Option<f64>,
    /// Memory of one pod.
    pub memory_per_pod_est: Option<f64>,
    /// CPU of all.
    pub total_cpu: Option<f64>,
    /// Memory of all.
    pub total_memory: Option<f64>,
}

/// The quota that is nearest to its limit; null members when no quota bounds.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct NamespaceImpact {
    /// Used of it now.
    pub current_usage_percent: Option<f64>,
    /// Used of it with the replicas asked for.
    pub projected_usage_percent: Option<f64>,
    /// Whether any quota would be exceeded, so that pods are refused.
    pub quota_exceeded: bool,
    /// What would be left of it.
    pub headroom_remaining_percent: Option<f64>,
    /// cpu, memory or pod_slots.
    pub limiting_factor: Option<&'static str>,
    /// The quota and its resource.
    pub limited_by: Option<String>,
    /// Quotas that would be exceeded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceeded: Vec<String>,
    /// Tightest CPU quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota_millicores: Option<i64>,
    /// Tightest memory quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_quota_bytes: Option<i64>,
    /// Used of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_used_millicores: Option<i64>,
    /// Used of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<i64>,
    /// Used of it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_projected_millicores: Option<i64>,
    /// Used of it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_projected_bytes: Option<i64>,
}

/// Whether the nodes have room.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ClusterFit {
    /// Pods that would need a node beside those that have one.
    pub additional_pods: i64,
    /// Pods of this size that fit.
    pub room_for: i64,
    /// Whether all find a node.
    pub fits: bool,
    /// What bounds the room.
    pub limiting_factor: &'static str,
    /// Nodes that were counted.
    pub nodes_considered: usize,
    /// Nodes that take no ordinary pods, by reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded_nodes: Vec<Excluded>,
}

/// Load on the control plane: not known without its metrics.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct InfrastructureImpact {
    /// Null.
    pub etcd_impact: Option<String>,
    /// Null.
    pub api_server_impact: Option<String>,
    /// Null.
    pub scheduler_impact: Option<String>,
    /// Null.
    pub estimated_overhead: Option<String>,
    /// Why they are null.
    pub reason: &'static str,
}

/// Another number of replicas.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Scenario {
    /// Replicas.
    pub replicas: i32,
    /// Percent used of the tightest quota; null without one.
    pub projected_usage: Option<f64>,
    /// Whether quotas and nodes have room for all.
    pub safe: bool,
}
