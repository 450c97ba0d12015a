//! `/coordination`: remediation over several layers, in the Go engine's shapes.
//!
//! These routes and `/workflows` show the same workflows: here with the whole plan, durations in nanoseconds and steps
//! counted from 1, as the Go engine had them.

mod layered;

use aiops_engine::{
    coordination::{ResourceTrouble, Trigger, Triggered},
    layers,
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
    /// What is wrong with it; may be left out where several resources are named.
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
    /// The lowest of them.
    root_cause_layer: Option<Layer>,
    /// As many as such objects usually take; in a dry run, those of its plan.
    estimated_steps: u32,
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
    let caller = if body.dry_run { &who.caller } else { who.acts()? };
    let kinds: Vec<String> = body.resources.iter().map(|one| one.kind.clone()).collect();
    let words = body.description.clone();
    let mut resources = body.resources.into_iter().map(|one| ResourceTrouble {
        kind: one.kind,
        name: one.name,
        namespace: one.namespace,
        issue: one.issue,
    });
    let Some(first) = resources.next() else {
        return Err(Failure::invalid("resources", "at least one resource is required"));
    };
    if resources.len() == 0 && first.issue.trim().is_empty() {
        return Err(Failure::invalid(
            "resources[0].issue",
            "resources[0].issue is required where one resource is named: it says what is wrong with it",
        ));
    }
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
    let triggered = rest.engine().trigger(caller, trigger).await.map_err(spelt)?;
    // A workflow over one object has no layers of its own before its plan is made; this route always told some.
    let kinds = || kinds.iter().map(String::as_str);
    let affected_layers = match triggered.affected_layers.as_slice() {
        [] => layers::affected(&words, kinds()),
        known => known.to_vec(),
    };
    let begun = Begun {
        workflow_id: triggered.workflow_id.clone(),
        status: triggered.phase.coordination(),
        root_cause_layer: affected_layers.iter().min().copied(),
        affected_layers,
        estimated_steps: match &triggered.plan {
            // A dry run knows.
            Some(plan) => u32::try_from(plan.steps.len()).unwrap_or(u32::MAX),
            None => triggered.estimated_steps.unwrap_or_else(|| layers::expected_steps(kinds())),
        },
        trigger: triggered,
    };
    // Accepted and kept is 202; a dry run is done with its answer.
    answer(if begun.trigger.dry_run { StatusCode::OK } else { StatusCode::ACCEPTED }, &begun)
}

/// A failure, its member as this body has it: the first resource is the engine's target, those beside it are the others.
fn spelt(error: aiops_engine::Error) -> Failure {
    let of_first = |field: &str| {
        let member = match field {
            "issue_type" => "issue",
            "kind" | "name" | "namespace" => field,
            _ => return None,
        };
        Some(format!("resources[0].{member}"))
    };
    Failure::spelt(error, |field| {
        let beside = field.strip_prefix("resources[").and_then(|rest| rest.split_once("]."));
        match beside.and_then(|(at, member)| Some((at.parse::<usize>().ok()?, member))) {
            Some((at, member)) => Some(format!("resources[{}].{member}", at + 1)),
            None => of_first(field),
        }
    })
}

/// `GET /coordination/workflows`.
pub(super) async fn list(State(rest): State<Rest>, who: Who, asked: Query) -> Result<Response, Failure> {
    let found = rest.engine().workflows(&who.caller, query(&asked)?).await?;
    let mut workflows = Vec::with_capacity(found.workflows.len());
    for view in found.workflows {
        match rest.engine().record(&who.caller, &workflow_id(&view.id)?).await {
            Ok(record) => workflows.push(Layered::of(&record)),
            // Retention took it between the list and the look.
            Err(aiops_engine::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    answer(StatusCode::OK, &LayeredList { total: found.total, workflows })
}

/// `GET /coordination/workflows/{id}`.
pub(super) async fn get(State(rest): State<Rest>, who: Who, At(id): At<String>) -> Result<Response, Failure> {
    let record = rest.engine().record(&who.caller, &workflow_id(&id)?).await?;
    answer(StatusCode::OK, &Layered::of(&record))
}
