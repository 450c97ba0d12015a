//! What `calculate-pod-capacity` answers: the predecessor's members, nullable where it made numbers up, and a few of ours.
//!
//! Types only; nothing here is computed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::QuotaLine;
use crate::answer::Standing;

/// How many more pods fit.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CapacityAnswer {
    /// How far the answer may be believed.
    #[serde(flatten)]
    pub standing: Standing,
    /// Always success; what is not known is null.
    pub status: &'static str,
    /// The namespace, or cluster.
    pub namespace: String,
    /// The tightest quotas; for the cluster what the considered nodes can give. Null where nothing bounds.
    pub namespace_quota: QuotaLimits,
    /// What is used of them.
    pub current_usage: Usage,
    /// What is left, nodes and quotas together.
    pub available_capacity: Available,
    /// More pods that fit, by profile.
    pub pod_estimates: BTreeMap<&'static str, Estimate>,
    /// The profile that was asked for.
    pub recommended_limit: Recommended,
    /// Growth; null members with the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trending: Option<Trending>,
    /// In one sentence.
    pub recommendation: String,
    /// Nodes that were counted; null when nodes are not known.
    pub nodes_considered: Option<usize>,
    /// Nodes that take no ordinary pods, by reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded_nodes: Vec<Excluded>,
    /// Quotas on CPU, memory and pods, at most 12.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<QuotaLine>,
    /// What else bears on the numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Limits.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct QuotaLimits {
    /// CPU.
    pub cpu_limit: Option<String>,
    /// Memory.
    pub memory_limit: Option<String>,
    /// Pods.
    pub pod_count_limit: Option<i64>,
}

/// Usage, by requests.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Usage {
    /// CPU.
    pub cpu: Option<String>,
    /// Memory.
    pub memory: Option<String>,
    /// Of the limit; null without one.
    pub cpu_percent: Option<f64>,
    /// Of the limit; null without one.
    pub memory_percent: Option<f64>,
    /// Pods that have not ended.
    pub pod_count: Option<i64>,
}

/// What is left.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Available {
    /// CPU.
    pub cpu: Option<String>,
    /// Memory.
    pub memory: Option<String>,
    /// Pods.
    pub pod_slots: Option<i64>,
}

/// An estimate for one profile.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Estimate {
    /// CPU of one pod.
    pub cpu: String,
    /// Memory of one pod.
    pub memory: String,
    /// More pods that fit; null when it cannot be known.
    pub max_pods: Option<i64>,
    /// The same less the safety margin.
    pub safe_pods: Option<i64>,
    /// cpu, memory, pod_slots or limit_range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limiting_factor: Option<&'static str>,
    /// What limits, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<String>,
}

/// The profile that was asked for.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Recommended {
    /// Profile.
    pub pod_profile: &'static str,
    /// More pods within the safety margin.
    pub safe_pod_count: Option<i64>,
    /// More pods that fit.
    pub max_pod_count: Option<i64>,
    /// What limits.
    pub limiting_factor: Option<&'static str>,
    /// Why.
    pub explanation: String,
}

/// Growth: not known without metrics.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Trending {
    /// Null.
    pub daily_cpu_growth_percent: Option<f64>,
    /// Null.
    pub daily_memory_growth_percent: Option<f64>,
    /// Null.
    pub days_until_85_percent: Option<i64>,
    /// Null.
    pub projected_date: Option<String>,
    /// Why they are null.
    pub reason: &'static str,
}

/// Nodes left out for one reason.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Excluded {
    /// Why.
    pub reason: String,
    /// How many.
    pub nodes: usize,
    /// At most three of them.
    pub names: Vec<String>,
}
