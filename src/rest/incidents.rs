//! `/incidents`: list, open, look, close, report.
//!
//! One row has the members of the contract, of the Go engine and of the old MCP server together. Only the words of
//! `status` differ: a list that is asked with `offset` answers in the words of the old MCP server, which always sends it
//! and knows no others, unless `words=contract` asks for the contract's.

use std::collections::BTreeMap;

use aiops_engine::{
    Error,
    coordination::{self as asked, IncidentQuery, IncidentView, NewIncident, WorkflowView},
    issue::Severity,
    issue_words,
    model::{ids::IncidentId, incident::IncidentStatus},
    redact::Redactor,
};
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Rest,
    body::{Given, answer},
    caller::{At, Query, Who},
    error::Failure,
};

/// Incidents.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct IncidentRows {
    /// Newest first.
    incidents: Vec<IncidentRow>,
    /// How many there are before the limit.
    total: u64,
    /// Counts over all that pass the filter.
    summary: asked::IncidentSummary,
}

/// An incident.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct IncidentRow {
    /// Its id.
    id: String,
    /// Other people's text.
    title: String,
    /// Other people's text.
    description: String,
    /// Namespace of the object; empty for objects of the cluster.
    namespace: String,
    /// `Kind/name`; absent for incidents about no object.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// What its reporter named as target.
    target: String,
    /// The issue.
    issue_type: String,
    /// The same under the old MCP server's name.
    action_type: String,
    /// `low` to `critical`.
    severity: Severity,
    /// 1 for critical to 4 for low.
    priority: u8,
    /// `active`, `in_progress`, `remediated`, `failed`, `resolved` or `cancelled`; asked with `offset` and without
    /// `words=contract`, the old MCP server's `pending`, `running`, `completed` or `failed`.
    status: &'static str,
    /// `manual`, `trigger`, `detector` or `alert`.
    source: &'static str,
    /// How often it was reported.
    occurrences: i64,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339: the last report.
    updated_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<String>,
    /// When the first step of its last workflow began; null where none did.
    started_at: Option<String>,
    /// When it was closed, by the end of its workflow or by hand; null while it is open.
    completed_at: Option<String>,
    /// From the one to the other; null while one is not known.
    duration_seconds: Option<f64>,
    /// The last workflow that acted on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<String>,
    /// Objects that are affected.
    affected_resources: Vec<String>,
    /// Labels.
    labels: BTreeMap<String, String>,
    /// The labels as `key=value`.
    tags: Vec<String>,
    /// How sure its reporter is, 0–1; null where nobody said.
    confidence: Option<f64>,
    /// Always null: nothing of it is kept.
    parameters: Option<Map<String, Value>>,
    /// The id by which somebody else knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// The incident it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    /// How it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
}

/// An incident with its workflows.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct IncidentAnswer {
    #[serde(flatten)]
    row: IncidentRow,
    /// Newest first.
    workflows: Vec<WorkflowView>,
}

/// An incident as a person, or the old MCP server, writes it.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewBody {
    /// At most 200 bytes.
    title: String,
    /// At most 2,000 bytes.
    description: String,
    /// `low`, `medium`, `high` or `critical`.
    severity: String,
    /// At most 100 bytes; absent: the label `namespace`, else `cluster`.
    target: Option<String>,
    /// Objects, such as `Deployment/shop/web`.
    #[serde(default)]
    affected_resources: Vec<String>,
    /// Labels.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// The incident it belongs to.
    correlation_id: Option<String>,
    /// The id by which somebody else knows it.
    external_id: Option<String>,
    /// Who writes it.
    created_by: Option<String>,
    /// How sure the reporter is, 0–1.
    confidence: Option<f64>,
    /// Read for the old MCP server, which always sends `manual`; what is opened here is manual.
    #[serde(rename = "source")]
    _source: Option<String>,
    /// Read for the old MCP server, which never fills it; what it holds is refused, because it would be lost.
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// An incident that was opened.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Created {
    /// Always `success`; the incident's own status stands in `incident`.
    status: &'static str,
    /// Its id.
    incident_id: String,
    /// RFC 3339.
    created_at: String,
    /// Its title.
    title: String,
    /// Its description.
    description: String,
    /// How bad.
    severity: Severity,
    /// 1 for critical to 4 for low.
    priority: u8,
    /// A sentence.
    message: &'static str,
    /// All of it.
    incident: IncidentRow,
}

/// How an incident is closed.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ClosingBody {
    /// In words.
    resolution: Option<String>,
}

/// Whose words a status is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Contract,
    OldMcp,
}

impl Dialect {
    const fn word(self, status: IncidentStatus) -> &'static str {
        match self {
            Self::Contract => status.as_str(),
            Self::OldMcp => status.old_mcp(),
        }
    }
}

const fn priority(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 1,
        Severity::High => 2,
        Severity::Medium => 3,
        Severity::Low => 4,
    }
}

/// Seconds between two moments, when both are known.
fn between(from: Option<&String>, to: Option<&String>) -> Option<f64> {
    let at = |text: &String| text.parse::<Timestamp>().ok();
    let elapsed = at(to?)?.duration_since(at(from?)?);
    Some(elapsed.as_secs_f64()).filter(|seconds| *seconds >= 0.0)
}

impl IncidentRow {
    fn of(view: IncidentView, dialect: Dialect) -> Self {
        let started_at = view.started_at.clone();
        // What a workflow repaired is closed in the commit in which the workflow ends.
        let completed_at = view.resolved_at.clone().filter(|_| view.status.is_closed());
        let issue_type = issue_words::contract(&view.issue_type).to_owned();
        Self {
            priority: priority(view.severity),
            status: dialect.word(view.status),
            source: view.source.as_str(),
            action_type: issue_type.clone(),
            tags: view.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            duration_seconds: between(started_at.as_ref(), completed_at.as_ref()),
            started_at,
            completed_at,
            id: view.id,
            title: view.title,
            description: view.description,
            namespace: view.namespace,
            resource: view.resource,
            target: view.target,
            issue_type,
            severity: view.severity,
            occurrences: view.occurrences,
            created_at: view.created_at,
            updated_at: view.last_seen,
            resolved_at: view.resolved_at,
            workflow_id: view.workflow_id,
            affected_resources: view.affected_resources,
            labels: view.labels,
            confidence: view.confidence,
            parameters: None,
            external_id: view.external_id,
            correlation_id: view.correlation_id,
            created_by: view.created_by,
            resolution: view.resolution,
        }
    }
}

impl IncidentAnswer {
    fn of(mut view: IncidentView) -> Self {
        let row = IncidentRow::of(view.clone(), Dialect::Contract);
        let mut workflows = std::mem::take(&mut view.workflows);
        for workflow in &mut workflows {
            workflow.issue_type = issue_words::contract(&workflow.issue_type).to_owned();
        }
        Self { row, workflows }
    }
}

/// The id of a path. What cannot be an id is the id of nothing.
fn incident_id(text: &str) -> Result<IncidentId, Failure> {
    IncidentId::parse(text).map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        Failure::from(Error::NotFound {
            what: format!("incident {shown}"),
            hint: "; an id looks like inc-01k3x9f2m4q7tz8b".to_owned(),
        })
    })
}

/// `GET /incidents`.
pub(super) async fn list(State(rest): State<Rest>, who: Who, asked: Query) -> Result<Response, Failure> {
    let dialect = match asked.text("words").as_deref() {
        Some("contract") => Dialect::Contract,
        Some(_) => return Err(Failure::invalid("words", "words must be contract, or left out")),
        None if asked.has("offset") => Dialect::OldMcp,
        None => Dialect::Contract,
    };
    let query = IncidentQuery {
        namespace: asked.text("namespace"),
        severity: asked.filter("severity"),
        status: asked.filter("status"),
        limit: asked.limit()?,
        offset: asked.number("offset")?,
    };
    let found = rest.engine().incidents(&who.caller, query).await?;
    let incidents = found.incidents.into_iter().map(|view| IncidentRow::of(view, dialect)).collect();
    answer(StatusCode::OK, &IncidentRows { incidents, total: found.total, summary: found.summary })
}

/// `POST /incidents`.
pub(super) async fn create(
    State(rest): State<Rest>,
    who: Who,
    Given(body): Given<NewBody>,
) -> Result<Response, Failure> {
    if !body.parameters.is_empty() {
        return Err(Failure::invalid("parameters", "parameters are not kept; put what matters into labels"));
    }
    let new = NewIncident {
        title: body.title,
        description: body.description,
        severity: body.severity,
        target: body.target.filter(|target| !target.trim().is_empty()),
        affected_resources: body.affected_resources,
        labels: body.labels,
        correlation_id: body.correlation_id,
        external_id: body.external_id,
        created_by: body.created_by,
        confidence: body.confidence,
    };
    let view = rest.engine().create_incident(who.acts()?, new).await?;
    let message = if view.occurrences > 1 {
        "An incident about the same was open; this report was counted with it"
    } else {
        "Incident created successfully"
    };
    let created = Created {
        status: "success",
        incident_id: view.id.clone(),
        created_at: view.created_at.clone(),
        title: view.title.clone(),
        description: view.description.clone(),
        severity: view.severity,
        priority: priority(view.severity),
        message,
        incident: IncidentRow::of(view, Dialect::Contract),
    };
    answer(StatusCode::CREATED, &created)
}

/// `GET /incidents/{id}`.
pub(super) async fn get(State(rest): State<Rest>, who: Who, At(id): At<String>) -> Result<Response, Failure> {
    let view = rest.engine().incident(&who.caller, &incident_id(&id)?).await?;
    answer(StatusCode::OK, &IncidentAnswer::of(view))
}

/// `POST /incidents/{id}/resolve`.
pub(super) async fn resolve(
    State(rest): State<Rest>,
    who: Who,
    At(id): At<String>,
    Given(body): Given<ClosingBody>,
) -> Result<Response, Failure> {
    let view = rest.engine().resolve_incident(who.acts()?, &incident_id(&id)?, body.resolution).await?;
    answer(StatusCode::OK, &IncidentAnswer::of(view))
}

/// `GET /incidents/{id}/report`.
pub(super) async fn report(
    State(rest): State<Rest>,
    who: Who,
    At(id): At<String>,
) -> Result<Response, Failure> {
    let text = rest.engine().incident_report(&who.caller, &incident_id(&id)?).await?;
    let markdown = HeaderValue::from_static("text/markdown; charset=utf-8");
    let text = Redactor::new().redact(&text).into_owned();
    Ok(([(header::CONTENT_TYPE, markdown)], text).into_response())
}
