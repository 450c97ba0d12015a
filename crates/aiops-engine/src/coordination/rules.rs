//! Requests about what may be done at all: deployment methods, policy, the kill switch, the audit chain.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::workflows::Trigger;
use crate::model::{ids::WorkflowId, method::Deployed, plan::Approval};

/// A workload by its coordinates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadName {
    /// Kind, as the caller spelt it.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// How a workload is deployed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct MethodView {
    /// What was found.
    #[serde(flatten)]
    pub deployed: Deployed,
    /// RFC 3339 with milliseconds: when it was looked at.
    pub detected_at: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub resource_name: String,
    /// Kind.
    pub resource_kind: String,
}

/// What is remembered of deployment methods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct MethodCache {
    /// Remembered at all.
    pub total_entries: u64,
    /// Young enough to be used.
    pub valid_entries: u64,
    /// Too old.
    pub expired_entries: u64,
    /// How long one is used.
    pub ttl_seconds: u64,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum WhyNot {
    /// Which rules refuse this trigger.
    Trigger(Box<Trigger>),
    /// Why this workflow does not go on.
    Workflow(WorkflowId),
}

/// What every rule says.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Verdicts {
    /// Whether it may go on.
    pub allowed: bool,
    /// Who has to agree; where no plan is made yet, the strictest that one of its remedies would ask for.
    pub approval: Approval,
    /// Every rule that was asked, in order.
    pub rules: Vec<RuleVerdict>,
}

/// What one rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct RuleVerdict {
    /// The rule, by the name under which it is configured.
    pub rule: String,
    /// Whether it lets it pass.
    pub passes: bool,
    /// With which figures.
    pub why: String,
}

/// The kill switch and the breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ControlView {
    /// `run`, `pause` (no new step) or `stop` (no new intent, nothing is rolled back).
    pub kill_switch: String,
    /// Why, and who set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill_switch_reason: Option<String>,
    /// `closed` or `open`.
    pub breaker: String,
    /// Why it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker_reason: Option<String>,
}

/// A change of the kill switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlChange {
    /// `run`, `pause` or `stop`.
    pub mode: String,
    /// Why.
    pub reason: Option<String>,
}

/// The policy in force.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PolicyView {
    /// Where it comes from: a file, or the defaults.
    pub source: String,
    /// Its rules, in order; the first that matches decides.
    pub rules: Vec<PolicyRule>,
    /// Limits with their values.
    pub limits: BTreeMap<String, Value>,
    /// What the rules lack, for their author.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct PolicyRule {
    /// Its name.
    pub name: String,
    /// Namespaces, with `*` as a wildcard; empty for any.
    pub namespaces: Vec<String>,
    /// Severities; empty for any.
    pub severities: Vec<String>,
    /// Actions; empty for any.
    pub actions: Vec<String>,
    /// What it says.
    pub then: Approval,
    /// An incident may trigger it by itself: without it alerts and detectors open incidents and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub autonomy: bool,
    /// An elicitation's answer counts as approval, though a model may have given it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elicitation: bool,
    /// An annotation on the target or its namespace counts as approval, though nobody knows who wrote it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub annotation: bool,
}

/// Lines of an audit chain.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct AuditView {
    /// The chain.
    pub chain: String,
    /// Its lines, in order.
    pub lines: Vec<AuditLineView>,
}

/// A line of an audit chain.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct AuditLineView {
    /// Its place.
    pub seq: i64,
    /// RFC 3339 with milliseconds.
    pub at: String,
    /// Who.
    pub actor: String,
    /// Through which door.
    pub via: String,
    /// What.
    pub action: String,
    /// On what.
    pub object: String,
    /// Details.
    pub body: Value,
    /// Its hash.
    pub hash: String,
}

/// How the engine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct EngineStanding {
    /// `ok`, `degraded` or `down`.
    pub status: String,
    /// Why it is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether it may act on the cluster.
    pub acts: bool,
    /// `run`, `pause` or `stop`.
    pub kill_switch: String,
    /// `closed`, `open`, or `unknown` while the store cannot be read.
    pub breaker: String,
    /// Workflows that are not over; null while the store cannot be read.
    pub active_workflows: Option<u64>,
    /// Workflows that a person has to look at; null while the store cannot be read.
    pub parked_workflows: Option<u64>,
}
