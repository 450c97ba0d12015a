//! What is kept of incidents and workflows, as documents with the predecessor's members.
//!
//! Its rates were wrong by construction (every workflow was counted twice, as a failure); these are counted. What cannot
//! be counted is null.

use std::collections::BTreeMap;

use aiops_engine::{
    Error,
    coordination::{Coordination, IncidentQuery, IncidentView, WorkflowQuery, WorkflowView},
    model::{caller::Caller, incident::IncidentStatus, phase::Phase},
};
use jiff::Timestamp;
use serde::Serialize;

use super::uri;
use crate::mcp::{remediation::word, tool::Answer};

/// Who says so.
const SOURCE: &str = "coordination-engine";
/// Open incidents that are listed; `total_incidents` counts the others.
const MOST_INCIDENTS: u32 = 1_000;
/// Workflows that the history counts.
const MOST_WORKFLOWS: u32 = 500;

#[derive(Serialize)]
struct Incidents {
    timestamp: String,
    source: &'static str,
    /// Open ones.
    total_incidents: u64,
    /// Those that are listed.
    active_incidents: usize,
    summary: BTreeMap<String, u64>,
    incidents: Vec<Incident>,
}

#[derive(Serialize)]
struct Incident {
    id: String,
    severity: String,
    status: &'static str,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    affected_resource: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    created_at: String,
    last_seen: String,
    occurrences: i64,
    remediation_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<String>,
}

/// The incidents that are open: also those that a workflow has in hand, and those that one could not repair.
pub(super) async fn incidents(
    coordination: &dyn Coordination,
    caller: &Caller,
    timestamp: String,
) -> Result<Answer, Error> {
    let query = IncidentQuery {
        status: Some("open".to_owned()),
        limit: Some(MOST_INCIDENTS),
        ..IncidentQuery::default()
    };
    let open = coordination.incidents(caller, query).await?;
    let mut summary: BTreeMap<String, u64> =
        ["critical", "high", "medium", "low"].map(|severity| (severity.to_owned(), 0)).into();
    for incident in &open.incidents {
        *summary.entry(word(&incident.severity)).or_default() += 1;
    }
    let answer = Incidents {
        timestamp,
        source: SOURCE,
        total_incidents: open.total,
        active_incidents: open.incidents.len(),
        summary,
        incidents: open.incidents.into_iter().map(Incident::of).collect(),
    };
    Answer::of(uri::INCIDENTS, &answer)
}

impl Incident {
    fn of(incident: IncidentView) -> Self {
        let remediation_state = match incident.status {
            IncidentStatus::Remediating => "in_progress",
            IncidentStatus::Remediated => "completed",
            IncidentStatus::Failed => "failed",
            _ => "pending",
        };
        Self {
            severity: word(&incident.severity),
            status: incident.status.old_mcp(),
            kind: incident.issue_type,
            description: Some(incident.description)
                .filter(|text| !text.is_empty() && *text != incident.title),
            title: incident.title,
            affected_resource: incident.resource,
            namespace: incident.namespace,
            created_at: incident.created_at,
            last_seen: incident.last_seen,
            occurrences: incident.occurrences,
            remediation_state,
            workflow_id: incident.workflow_id,
            id: incident.id,
        }
    }
}

#[derive(Serialize)]
struct History {
    status: &'static str,
    timestamp: String,
    source: &'static str,
    summary: Summary,
    top_actions: Vec<ActionCount>,
    recent_actions: Vec<Recent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patterns: Vec<Pattern>,
    message: String,
}

#[derive(Serialize)]
struct Summary {
    total_actions: usize,
    completed: usize,
    failed: usize,
    success_rate_percent: Option<f64>,
    average_duration_seconds: Option<f64>,
    most_common_action: Option<String>,
    most_successful_action: Option<String>,
}

#[derive(Serialize)]
struct ActionCount {
    action_type: String,
    total_executions: usize,
    successful: usize,
    failed: usize,
    success_rate_percent: Option<f64>,
    avg_duration_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Recent {
    workflow_id: String,
    incident_id: String,
    action_type: String,
    target: String,
    status: String,
    phase: Phase,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    completed_at: Option<String>,
    success: bool,
}

#[derive(Serialize)]
struct Pattern {
    pattern: String,
    frequency: usize,
    success_rate_percent: Option<f64>,
    description: String,
}

/// Runs of one kind.
#[derive(Default)]
struct Tally {
    runs: usize,
    helped: usize,
    seconds: Vec<f64>,
}

impl Tally {
    fn count(&mut self, workflow: &WorkflowView) {
        self.runs += 1;
        self.helped += usize::from(workflow.phase == Phase::Completed);
        self.seconds.extend(duration(workflow));
    }

    fn rate(&self) -> Option<f64> {
        percent(self.helped, self.runs)
    }

    fn average(&self) -> Option<f64> {
        let runs = u32::try_from(self.seconds.len()).ok().filter(|runs| *runs > 0)?;
        Some(rounded(self.seconds.iter().sum::<f64>() / f64::from(runs)))
    }
}

/// The workflows that acted and are over, among the newest.
pub(super) async fn history(
    coordination: &dyn Coordination,
    caller: &Caller,
    timestamp: String,
) -> Result<Answer, Error> {
    let query = WorkflowQuery { limit: Some(MOST_WORKFLOWS), ..WorkflowQuery::default() };
    let listed = coordination.workflows(caller, query).await?;
    // What was refused, denied or cancelled before it began is no action.
    let ended: Vec<&WorkflowView> =
        listed.workflows.iter().filter(|w| w.phase.is_terminal() && w.started_at.is_some()).collect();
    let mut whole = Tally::default();
    let mut by_action: BTreeMap<String, Tally> = BTreeMap::new();
    let mut by_pattern: BTreeMap<(String, String), Tally> = BTreeMap::new();
    for workflow in &ended {
        whole.count(workflow);
        by_action.entry(action(workflow)).or_default().count(workflow);
        by_pattern.entry((action(workflow), target(workflow))).or_default().count(workflow);
    }
    let mut top: Vec<(&String, &Tally)> = by_action.iter().collect();
    top.sort_by_key(|(name, tally)| (std::cmp::Reverse(tally.runs), *name));
    // Fewer runs than five say nothing about which action helps best.
    let best = top.iter().filter(|(_, tally)| tally.runs >= 5 && tally.helped > 0);
    let best = best.max_by(|(_, a), (_, b)| a.rate().unwrap_or(0.0).total_cmp(&b.rate().unwrap_or(0.0)));
    let mut patterns: Vec<(&(String, String), &Tally)> =
        by_pattern.iter().filter(|(_, tally)| tally.runs >= 3).collect();
    patterns.sort_by_key(|(key, tally)| (std::cmp::Reverse(tally.runs), *key));
    let answer = History {
        status: "success",
        timestamp,
        source: SOURCE,
        summary: Summary {
            total_actions: whole.runs,
            completed: whole.helped,
            failed: whole.runs - whole.helped,
            success_rate_percent: whole.rate(),
            average_duration_seconds: whole.average(),
            most_common_action: top.first().map(|(name, _)| (*name).clone()),
            most_successful_action: best.map(|(name, _)| (*name).clone()),
        },
        top_actions: top
            .into_iter()
            .take(10)
            .map(|(name, tally)| ActionCount {
                action_type: name.clone(),
                total_executions: tally.runs,
                successful: tally.helped,
                failed: tally.runs - tally.helped,
                success_rate_percent: tally.rate(),
                avg_duration_seconds: tally.average(),
            })
            .collect(),
        recent_actions: ended.iter().take(20).map(|workflow| Recent::of(workflow)).collect(),
        patterns: patterns
            .into_iter()
            .take(5)
            .map(|((action, target), tally)| Pattern {
                pattern: format!("{action} on {target}"),
                frequency: tally.runs,
                success_rate_percent: tally.rate(),
                description: format!(
                    "{action} was run {} times on {target}, {} helped",
                    tally.runs, tally.helped
                ),
            })
            .collect(),
        message: format!(
            "{} of the newest {} workflows acted and are over; {} there are in all",
            whole.runs,
            listed.workflows.len(),
            listed.total
        ),
    };
    Answer::of(uri::HISTORY, &answer)
}

impl Recent {
    fn of(workflow: &WorkflowView) -> Self {
        Self {
            workflow_id: workflow.id.clone(),
            incident_id: workflow.incident_id.clone(),
            action_type: action(workflow),
            target: target(workflow),
            status: workflow.status.clone(),
            phase: workflow.phase,
            duration_seconds: duration(workflow),
            completed_at: workflow.completed_at.clone(),
            success: workflow.phase == Phase::Completed,
        }
    }
}

fn action(workflow: &WorkflowView) -> String {
    workflow.remedy.clone().unwrap_or_else(|| workflow.issue_type.clone())
}

fn target(workflow: &WorkflowView) -> String {
    crate::mcp::remediation::target(workflow)
}

fn duration(workflow: &WorkflowView) -> Option<f64> {
    let at = |text: &Option<String>| text.as_ref()?.parse::<Timestamp>().ok();
    let (from, to) = (at(&workflow.started_at)?, at(&workflow.completed_at)?);
    Some(rounded(to.duration_since(from).as_secs_f64()))
}

fn percent(part: usize, whole: usize) -> Option<f64> {
    let (part, whole) = (u32::try_from(part).ok()?, u32::try_from(whole).ok()?);
    (whole > 0).then(|| rounded(f64::from(part) * 100.0 / f64::from(whole)))
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
