//! Lists of workflows and of incidents: a line each, as many as fit.
//!
//! What a line leaves out is in the resources and in REST.

use aiops_engine::{
    coordination::{IncidentView, WorkflowView},
    issue::Severity,
    model::phase::Phase,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{object, target};

/// A workflow in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::mcp) struct RunLine {
    /// Its id.
    workflow_id: String,
    /// Its incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident_id: Option<String>,
    /// Where it is.
    phase: Phase,
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// The issue.
    issue_type: String,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// Why it is where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
}

impl RunLine {
    /// A line of all workflows.
    pub(in crate::mcp) fn of(workflow: WorkflowView) -> Self {
        let target = Some(target(&workflow));
        Self { incident_id: Some(workflow.incident_id.clone()), target, ..Self::below(workflow) }
    }

    /// A line below its incident.
    pub(in crate::mcp) fn below(workflow: WorkflowView) -> Self {
        Self {
            workflow_id: workflow.id,
            incident_id: None,
            phase: workflow.phase,
            target: None,
            issue_type: workflow.issue_type,
            remedy: workflow.remedy,
            reason: workflow.reason,
            created_at: workflow.created_at,
            completed_at: workflow.completed_at,
        }
    }
}

/// An incident in a list, with the predecessor's members.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::mcp) struct IncidentLine {
    /// Its id.
    id: String,
    /// Title. Other people's text.
    title: String,
    /// Description, where it says more than the title. Other people's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// How bad.
    severity: Severity,
    /// pending, running, completed or failed.
    status: String,
    /// The object, or what its reporter named.
    target: String,
    /// The issue.
    action_type: String,
    /// manual, trigger, detector or alert.
    source: String,
    /// How often it was reported.
    occurrences: i64,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    /// How sure its reporter is, 0–1.
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    /// The last workflow that acted on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<String>,
    #[serde(flatten)]
    old: Option<OldMembers>,
}

/// What the predecessor's rows have beside; told with a limit, as its clients ask.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct OldMembers {
    /// 1 for critical to 4 for low.
    priority: u8,
    /// RFC 3339: when the first step of its last workflow began.
    started_at: Option<String>,
    /// From then to its end.
    duration_seconds: Option<f64>,
    /// Labels, as key=value.
    tags: Vec<String>,
    /// Always null: nothing of it is kept.
    parameters: Option<String>,
}

impl OldMembers {
    fn of(incident: &IncidentView) -> Self {
        let at = |text: &Option<String>| text.as_ref()?.parse::<Timestamp>().ok();
        let lasted = at(&incident.started_at).zip(at(&incident.resolved_at));
        Self {
            priority: match incident.severity {
                Severity::Critical => 1,
                Severity::High => 2,
                Severity::Medium => 3,
                Severity::Low => 4,
            },
            started_at: incident.started_at.clone(),
            duration_seconds: lasted
                .map(|(from, to)| to.duration_since(from).as_secs_f64())
                .filter(|seconds| *seconds >= 0.0),
            tags: incident.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            parameters: None,
        }
    }
}

/// The longest description in a list, in bytes.
const SHORT: usize = 200;

impl IncidentLine {
    /// A row with every member that the predecessor's has.
    pub(in crate::mcp) fn with_old_members(incident: IncidentView) -> Self {
        let said = aiops_engine::text::clean(&incident.description, SHORT).text;
        let old = Some(OldMembers::of(&incident));
        Self { description: Some(said), old, ..Self::of(incident) }
    }

    pub(in crate::mcp) fn of(incident: IncidentView) -> Self {
        let said = aiops_engine::text::clean(&incident.description, SHORT).text;
        Self {
            target: of_incident(&incident),
            severity: incident.severity,
            status: incident.status.old_mcp().to_owned(),
            action_type: incident.issue_type,
            source: incident.source.as_str().to_owned(),
            occurrences: incident.occurrences,
            description: Some(said)
                .filter(|said| !said.is_empty() && !incident.title.contains(said.as_str())),
            title: incident.title,
            created_at: incident.created_at,
            completed_at: incident.resolved_at,
            confidence: incident.confidence,
            workflow_id: incident.workflow_id,
            old: None,
            id: incident.id,
        }
    }
}

/// What an incident is about.
pub(in crate::mcp) fn of_incident(incident: &IncidentView) -> String {
    match incident.resource.as_deref().map(|resource| resource.split_once('/').unwrap_or((resource, ""))) {
        Some((kind, name)) => object(kind, &incident.namespace, name),
        None => incident.target.clone(),
    }
}

/// Rows that fit into so many bytes; how many were left out.
pub(in crate::mcp) fn fitting<T: Serialize>(rows: Vec<T>, bytes: usize) -> (Vec<T>, usize) {
    let all = rows.len();
    let mut used = 0;
    let fits = |row: &T| {
        used += serde_json::to_string(row).map_or(0, |text| text.len() + 1);
        used <= bytes
    };
    let shown: Vec<T> = rows.into_iter().take_while(fits).collect();
    let left = all - shown.len();
    (shown, left)
}
