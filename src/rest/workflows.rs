//! `/workflows`: look, watch, decide, cancel, resolve.
//!
//! The contract's shape, with the members that the Go engine had beside it.

mod events;

use aiops_engine::{
    Error,
    coordination::{Decision, Resolution, WhyNot, WorkflowQuery, WorkflowView},
    issue_words,
    model::{ids::WorkflowId, phase::Phase},
};
use axum::{extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use self::events::events;
use super::{
    Rest,
    body::{Given, answer},
    caller::{At, Query, Who},
    error::Failure,
};

/// A workflow.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct WorkflowAnswer {
    #[serde(flatten)]
    view: WorkflowView,
    /// The remedy; the name that the Go engine had for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remediator: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    /// How long it took, such as `2m5s`; only when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
}

/// Workflows.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WorkflowList {
    /// Newest first. Steps are left out.
    workflows: Vec<WorkflowAnswer>,
    /// How many there are before the limit.
    total: u64,
}

/// An answer to a request for approval.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct DecisionBody {
    /// The digest of the plan that was seen.
    digest: String,
    /// Why.
    reason: Option<String>,
}

/// A request to stop.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct CancelBody {
    /// Why.
    reason: Option<String>,
}

/// How a workflow that waits for a person ends.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ResolveBody {
    /// `completed`, `rolled_back` or `failed`.
    outcome: String,
    /// What was found and done.
    note: String,
}

impl WorkflowAnswer {
    fn of(mut view: WorkflowView) -> Self {
        view.status = view.phase.contract().to_owned();
        view.issue_type = issue_words::contract(&view.issue_type).to_owned();
        let failed = view.phase.contract() == "failed" || view.phase == Phase::RolledBack;
        Self {
            remediator: view.remedy.clone(),
            error_message: view.reason.clone().filter(|_| failed),
            duration: duration(&view),
            view,
        }
    }
}

/// The steps' own words of failure stand in `result`.
fn duration(view: &WorkflowView) -> Option<String> {
    let at = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    let seconds = at(&view.completed_at)?.duration_since(at(&view.started_at)?).as_secs().max(0);
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    Some(match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    })
}

/// The id of a path. What cannot be an id is the id of nothing.
pub(super) fn workflow_id(text: &str) -> Result<WorkflowId, Failure> {
    WorkflowId::parse(text).map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        Failure::from(Error::NotFound {
            what: format!("workflow {shown}"),
            hint: "; an id looks like wf-01k3x9f2m4q7tz8b".to_owned(),
        })
    })
}

/// What is asked about workflows.
pub(super) fn query(query: &Query) -> Result<WorkflowQuery, Failure> {
    Ok(WorkflowQuery {
        namespace: query.text("namespace"),
        status: query.filter("status"),
        incident: query.text("incident_id"),
        limit: query.limit()?,
        offset: query.number("offset")?,
    })
}

/// `GET /workflows`.
pub(super) async fn list(State(rest): State<Rest>, who: Who, asked: Query) -> Result<Response, Failure> {
    let found = rest.engine().workflows(&who.caller, query(&asked)?).await?;
    let workflows = found.workflows.into_iter().map(WorkflowAnswer::of).collect();
    answer(StatusCode::OK, &WorkflowList { workflows, total: found.total })
}

/// `GET /workflows/{id}`.
pub(super) async fn get(State(rest): State<Rest>, who: Who, At(id): At<String>) -> Result<Response, Failure> {
    wrap(rest.engine().workflow(&who.caller, &workflow_id(&id)?).await)
}

/// `GET /workflows/{id}/why-not`.
pub(super) async fn why_not(
    State(rest): State<Rest>,
    who: Who,
    At(id): At<String>,
) -> Result<Response, Failure> {
    let question = WhyNot::Workflow(workflow_id(&id)?);
    answer(StatusCode::OK, &rest.engine().why_not(&who.caller, question).await?)
}

/// `POST /workflows/{id}/approve`.
pub(super) async fn approve(
    State(rest): State<Rest>,
    who: Who,
    At(id): At<String>,
    Given(body): Given<DecisionBody>,
) -> Result<Response, Failure> {
    decide(&rest, &who, &id, body, true).await
}

/// `POST /workflows/{id}/deny`.
pub(super) async fn deny(
    State(rest): State<Rest>,
    who: Who,
    At(id): At<String>,
    Given(body): Given<DecisionBody>,
) -> Result<Response, Failure> {
    decide(&rest, &who, &id, body, false).await
}

async fn decide(
    rest: &Rest,
    who: &Who,
    id: &str,
    body: DecisionBody,
    approve: bool,
) -> Result<Response, Failure> {
    let decision = Decision { digest: body.digest, approve, reason: body.reason, by_elicitation: false };
    wrap(rest.engine().decide(who.acts()?, &workflow_id(id)?, decision).await)
}

/// `POST /workflows/{id}/cancel`.
pub(super) async fn cancel(
    State(rest): State<Rest>,
    who: Who,
    At(id): At<String>,
    Given(body): Given<CancelBody>,
) -> Result<Response, Failure> {
    wrap(rest.engine().cancel(who.acts()?, &workflow_id(&id)?, body.reason).await)
}

/// `POST /workflows/{id}/resolve`.
pub(super) async fn resolve(
    State(rest): State<Rest>,
    who: Who,
    At(id): At<String>,
    Given(body): Given<ResolveBody>,
) -> Result<Response, Failure> {
    let how = Resolution { outcome: body.outcome, note: body.note };
    wrap(rest.engine().resolve(who.acts()?, &workflow_id(&id)?, how).await)
}

fn wrap(view: Result<WorkflowView, Error>) -> Result<Response, Failure> {
    answer(StatusCode::OK, &WorkflowAnswer::of(view?))
}
