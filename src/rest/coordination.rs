//! `/coordination`: remediation over several layers, in the Go engine's shapes.
//!
//! These routes and `/workflows` show the same workflows: here with the whole plan, durations in nanoseconds and steps
//! counted from 1, as the Go engine had them.

mod layered;

use aiops_engine::{
    coordination::{ResourceTrouble, Trigger, Triggered},
    model::layer::Layer,
};
use axum::{extract::State, http::StatusCode, response::Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use self::layered::Layered;
use super::{
    Rest,
    body::{Given, answer},
    caller::{At, Key, Query, Who},
    error::Failure,
    workflows::{query, workflow_id},
};

/// Trouble over several layers.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct TroubleBody {
    /// The incident it belongs to.
    incident_id: String,
    /// What was seen.
    description: String,
    /// The objects that are in trouble.
    resources: Vec<TroubledBody>,
    /// Plan and prove; keep nothing, change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// An object in trouble.
#[derive(Debug, Deserialize, JsonSchema)]
struct TroubledBody {
    /// Such as `Node`.
    kind: String,
    /// Its name.
    name: String,
    /// Empty for objects of the cluster.
    #[serde(default)]
    namespace: String,
    /// What is wrong with it.
    #[serde(default)]
    issue: String,
}

/// A remediation that was begun.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Begun {
    /// The workflow; null for a dry run.
    workflow_id: Option<String>,
    /// `pending`, `executing`, `completed` or `failed`.
    status: &'static str,
    /// Layers that are touched, lowest first.
    affected_layers: Vec<Layer>,
    /// The lowest of them; null while the plan is being made.
    root_cause_layer: Option<Layer>,
    /// Null while the plan is being made.
    estimated_steps: Option<u32>,
    /// Everything else about it.
    trigger: Triggered,
}

/// Workflows.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LayeredList {
    /// How many there are before the limit.
    total: u64,
    /// Newest first.
    workflows: Vec<Layered>,
}

/// `POST /coordination/trigger`.
pub(super) async fn trigger(
    State(rest): State<Rest>,
    who: Who,
    Key(key): Key,
    Given(body): Given<TroubleBody>,
) -> Result<Response, Failure> {
    let mut resources = body.resources.into_iter().map(|one| ResourceTrouble {
        kind: one.kind,
        name: one.name,
        namespace: one.namespace,
        issue: one.issue,
    });
    let Some(first) = resources.next() else {
        return Err(Failure::invalid("resources", "at least one resource is required"));
    };
    let trigger = Trigger {
        incident: Some(body.incident_id),
        namespace: first.namespace,
        kind: first.kind,
        name: first.name,
        issue: first.issue,
        description: body.description,
        dry_run: body.dry_run,
        resources: resources.collect(),
        idempotency_key: key,
        ..Trigger::default()
    };
    let caller = if trigger.dry_run { &who.caller } else { who.acts()? };
    let triggered = rest.engine().trigger(caller, trigger).await?;
    let begun = Begun {
        workflow_id: triggered.workflow_id.clone(),
        status: triggered.phase.coordination(),
        affected_layers: triggered.affected_layers.clone(),
        root_cause_layer: triggered.affected_layers.iter().min().copied(),
        estimated_steps: triggered.estimated_steps,
        trigger: triggered,
    };
    answer(StatusCode::ACCEPTED, &begun)
}

/// `GET /coordination/workflows`.
pub(super) async fn list(State(rest): State<Rest>, who: Who, asked: Query) -> Result<Response, Failure> {
    let found = rest.engine().workflows(&who.caller, query(&asked)?).await?;
    let mut workflows = Vec::with_capacity(found.workflows.len());
    for view in found.workflows {
        let record = rest.engine().record(&who.caller, &workflow_id(&view.id)?).await?;
        workflows.push(Layered::of(&record));
    }
    answer(StatusCode::OK, &LayeredList { total: found.total, workflows })
}

/// `GET /coordination/workflows/{id}`.
pub(super) async fn get(State(rest): State<Rest>, who: Who, At(id): At<String>) -> Result<Response, Failure> {
    let record = rest.engine().record(&who.caller, &workflow_id(&id)?).await?;
    answer(StatusCode::OK, &Layered::of(&record))
}
