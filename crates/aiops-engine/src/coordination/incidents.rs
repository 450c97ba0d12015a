//! Requests about incidents and alerts, and their answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workflows::WorkflowView;
use crate::{
    issue::Severity,
    model::incident::{IncidentSource, IncidentStatus},
};

/// Which incidents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IncidentQuery {
    /// In this namespace.
    pub namespace: Option<String>,
    /// `low` to `critical`, or `all`.
    pub severity: Option<String>,
    /// A status word of any door, or `all`.
    pub status: Option<String>,
    /// At most, 1–1,000; absent means 50.
    pub limit: Option<u32>,
    /// After so many.
    pub offset: Option<u32>,
}

/// Incidents.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct IncidentList {
    /// Newest first; their workflows are named, not told.
    pub incidents: Vec<IncidentView>,
    /// How many there are before the limit.
    pub total: u64,
    /// Counts over all that pass the filter.
    pub summary: IncidentSummary,
}

/// Counts of incidents in the old MCP server's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct IncidentSummary {
    /// All.
    pub total: u64,
    /// Open: pending or running.
    pub active: u64,
    /// Remediated or resolved.
    pub completed: u64,
    /// Failed or cancelled.
    pub failed: u64,
    /// By severity.
    pub by_severity: BTreeMap<String, u64>,
}

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct IncidentView {
    /// Its id.
    pub id: String,
    /// Title. Other people's text.
    pub title: String,
    /// Description. Other people's text.
    pub description: String,
    /// How bad.
    pub severity: Severity,
    /// Where it is.
    pub status: IncidentStatus,
    /// Where it came from.
    pub source: IncidentSource,
    /// Namespace of the object, empty for objects of the cluster.
    pub namespace: String,
    /// `Kind/name`; absent for incidents about no object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What its reporter named as target: a namespace, or `cluster`.
    pub target: String,
    /// The issue.
    pub issue_type: String,
    /// How often it was reported.
    pub occurrences: i64,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339: the last report.
    pub last_seen: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<String>,
    /// The last workflow that acted on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// RFC 3339: when the first step of that workflow began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Objects that are affected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub affected_resources: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The id by which somebody else knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The incident it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// How sure its reporter is, 0–1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// How it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// Its workflows, newest first; only where one incident is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workflows: Vec<WorkflowView>,
}

/// An incident as a person writes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NewIncident {
    /// Required, at most 200 bytes.
    pub title: String,
    /// Required, at most 2,000 bytes.
    pub description: String,
    /// Required: `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// At most 100 bytes. Absent: the label `namespace`, else `cluster`.
    pub target: Option<String>,
    /// Objects, such as `Deployment/shop/web`. The first that is an object becomes the incident's.
    pub affected_resources: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The incident it belongs to.
    pub correlation_id: Option<String>,
    /// The id by which somebody else knows it.
    pub external_id: Option<String>,
    /// Who wrote it.
    pub created_by: Option<String>,
    /// How sure its reporter is, 0–1.
    pub confidence: Option<f64>,
}

/// One alert of Alertmanager's webhook, payload version 4.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// It is over.
    pub is_resolved: bool,
    /// Labels: `alertname`, `namespace`, `pod`, `deployment`, `node`, `severity`, …
    pub labels: BTreeMap<String, String>,
    /// Annotations: `summary`, `description`, …
    pub annotations: BTreeMap<String, String>,
    /// RFC 3339: since when it fires.
    pub starts_at: String,
    /// Alertmanager's own fingerprint.
    pub fingerprint: String,
}

/// What became of a batch of alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct AlertsTaken {
    /// How many came.
    pub received: u64,
    /// How many opened an incident.
    pub opened: u64,
    /// How many were counted with an open one.
    pub merged: u64,
    /// How many fire on though their incident was closed a moment ago: they open another one if that goes on.
    pub waiting: u64,
    /// How many closed one.
    pub resolved: u64,
    /// How many named nothing that an incident could be about, or were resolved without an open incident.
    pub ignored: u64,
}
