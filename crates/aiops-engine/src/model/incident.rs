//! An incident: the record people track. It may own a workflow.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Millis,
    ids::{IncidentId, WorkflowId},
    target::Target,
};
use crate::issue::Severity;

/// Where an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum IncidentStatus {
    /// Open, and nothing acts on it.
    Active,
    /// A workflow acts on it.
    Remediating,
    /// A workflow repaired it.
    Remediated,
    /// A workflow tried and did not repair it; it is still open.
    Failed,
    /// A person, or the detector that opened it, says that it is over.
    Resolved,
    /// It was opened by mistake.
    Cancelled,
}

impl IncidentStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Active, Self::Remediating, Self::Remediated, Self::Failed, Self::Resolved, Self::Cancelled];

    /// The word in the store and in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Remediating => "in_progress",
            Self::Remediated => "remediated",
            Self::Failed => "failed",
            Self::Resolved => "resolved",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// It is over.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Remediated | Self::Resolved | Self::Cancelled)
    }

    /// The word of the old MCP server: `pending`, `running`, `completed` or `failed`.
    pub const fn old_mcp(self) -> &'static str {
        match self {
            Self::Active => "pending",
            Self::Remediating => "running",
            Self::Remediated | Self::Resolved => "completed",
            Self::Failed | Self::Cancelled => "failed",
        }
    }
}

/// Where an incident came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum IncidentSource {
    /// Somebody wrote it.
    Manual,
    /// A trigger named it.
    Trigger,
    /// A detector saw it.
    Detector,
    /// Alertmanager sent it.
    Alert,
}

impl IncidentSource {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Manual, Self::Trigger, Self::Detector, Self::Alert];

    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Trigger => "trigger",
            Self::Detector => "detector",
            Self::Alert => "alert",
        }
    }

    /// The source of a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// An incident, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// What makes two reports one incident: see [`fingerprint`](crate::fingerprint::fingerprint).
    pub fingerprint: String,
    /// uid of the cluster.
    pub cluster: String,
    /// The object it is about: an owner, when its pods are in trouble.
    pub target: Target,
    /// The issue, in our own word; `unspecified` for incidents that people wrote without one.
    pub issue: String,
    /// How bad.
    pub severity: Severity,
    /// Where it is.
    pub status: IncidentStatus,
    /// Where it came from.
    pub source: IncidentSource,
    /// How often it was reported.
    pub occurrences: i64,
    /// First report.
    pub first_seen: Millis,
    /// Last report.
    pub last_seen: Millis,
    /// When it was closed.
    pub closed_at: Option<Millis>,
    /// The last workflow that acted on it.
    pub workflow: Option<WorkflowId>,
    /// What people and alerts said; text of others.
    pub body: IncidentBody,
}

impl Incident {
    /// Whether what becomes of a workflow says nothing about it any more: it is closed, or another workflow took it up.
    pub fn is_left_by(&self, workflow: &WorkflowId) -> bool {
        self.status.is_closed() || self.workflow.as_ref().is_some_and(|by| by != workflow)
    }
}

/// What was said about an incident. Nothing decides by it, but that one that alerts opened is over when none fires.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IncidentBody {
    /// Title, at most 200 bytes.
    pub title: String,
    /// Description, at most 2,000 bytes.
    pub description: String,
    /// What the reporter named as target, at most 100 bytes: a namespace, or `cluster`.
    pub reported_target: Option<String>,
    /// Objects that are affected.
    pub affected_resources: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The id by which somebody else knows it.
    pub external_id: Option<String>,
    /// The incident it belongs to.
    pub correlation_id: Option<String>,
    /// Who wrote it.
    pub created_by: Option<String>,
    /// How sure its reporter is.
    pub confidence: Option<f64>,
    /// How it was closed, in words.
    pub resolution: Option<String>,
    /// Since when its alerts fire, when they say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<Millis>,
    /// Alerts of it that fire, by the ids that Alertmanager knows them by.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub firing: BTreeSet<String>,
}
