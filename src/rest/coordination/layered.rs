//! A workflow as the Go engine's multi-layer routes printed one: the issue by layers, the plan, how it was executed.
//!
//! It only rewrites what was recorded. What was not recorded yet is absent.

use std::collections::BTreeMap;

use aiops_engine::{
    issue::Severity,
    layers,
    model::{
        action::{Action, UndoClass},
        layer::Layer,
        phase::{Direction, Phase, StepState},
        plan::{Plan, Problem, Step},
        target::Target,
        wire_time,
        workflow::{Record, StepRecord, Workflow},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// Nanoseconds of a second: Go prints durations so.
const NANOSECONDS: u64 = 1_000_000_000;

/// A workflow.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct Layered {
    /// Its id.
    id: String,
    /// Its incident.
    incident_id: String,
    /// `pending`, `executing`, `completed` or `failed`.
    status: &'static str,
    /// What is to be repaired.
    layered_issue: LayeredIssue,
    /// Absent until it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation_plan: Option<RemediationPlan>,
    /// Absent until it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_result: Option<ExecutionResult>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// What is to be repaired, by layers.
#[derive(Debug, Serialize, JsonSchema)]
struct LayeredIssue {
    /// The incident's id.
    id: String,
    /// What was reported. Other people's text.
    description: String,
    /// Lowest first.
    affected_layers: Vec<Layer>,
    /// The lowest.
    root_cause_layer: Layer,
    /// Objects by their layer.
    impacted_resources: BTreeMap<&'static str, Vec<Resource>>,
    /// RFC 3339.
    detected_at: String,
    /// How bad.
    severity: Severity,
    /// Always `keyword`: by words and kinds.
    detection_method: &'static str,
}

/// An object in trouble.
#[derive(Debug, Serialize, JsonSchema)]
struct Resource {
    kind: String,
    name: String,
    namespace: String,
    issue: String,
}

/// The plan.
#[derive(Debug, Serialize, JsonSchema)]
struct RemediationPlan {
    /// Out of the plan's digest.
    id: String,
    /// The incident's id.
    issue_id: String,
    /// Lowest first.
    layers: Vec<Layer>,
    steps: Vec<PlanStep>,
    checkpoints: Vec<PlanCheckpoint>,
    /// How what can be undone is undone, in the order of the undoing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rollback_steps: Vec<PlanStep>,
    /// RFC 3339.
    created_at: String,
    /// `pending`, `executing`, `completed`, `failed` or `rolled_back`.
    status: &'static str,
    /// How many steps succeeded.
    current_step: usize,
}

/// A step of the plan.
#[derive(Debug, Serialize, JsonSchema)]
struct PlanStep {
    layer: Layer,
    /// From 1.
    order: u32,
    description: String,
    /// Such as `restart_deployment`.
    action_type: String,
    /// `namespace/name`, or the name of an object of the cluster.
    target: String,
    /// Nanoseconds: how long the checkpoint behind it may take to hold, 0 where there is none.
    wait_time: u64,
    required: bool,
    /// The object's name under its kind, and its namespace.
    metadata: BTreeMap<String, String>,
}

/// What must hold after a step.
#[derive(Debug, Serialize, JsonSchema)]
struct PlanCheckpoint {
    layer: Layer,
    /// The step's order, from 1.
    after_step: u32,
    checks: Vec<String>,
    /// Nanoseconds.
    timeout: u64,
    required: bool,
}

/// How it was executed.
#[derive(Debug, Serialize, JsonSchema)]
struct ExecutionResult {
    /// `success` or `failed`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How many steps were begun.
    executed_steps: usize,
    /// Which step failed, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_step: Option<u32>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
}

impl Layered {
    pub(super) fn of(record: &Record) -> Self {
        let workflow = &record.workflow;
        let status = workflow.phase.coordination();
        Self {
            id: workflow.id.to_string(),
            incident_id: workflow.incident.to_string(),
            status,
            layered_issue: LayeredIssue::of(workflow),
            remediation_plan: workflow.plan.as_ref().map(|plan| RemediationPlan::of(plan, record)),
            execution_result: ExecutionResult::of(record),
            created_at: wire_time(workflow.created_at).unwrap_or_default(),
            started_at: workflow.started_at.and_then(wire_time),
            completed_at: workflow.finished_at.and_then(wire_time),
            error_message: workflow.reason.clone().filter(|_| status == "failed"),
        }
    }
}

impl LayeredIssue {
    fn of(workflow: &Workflow) -> Self {
        let mut impacted_resources: BTreeMap<&'static str, Vec<Resource>> = BTreeMap::new();
        let mut layers = workflow.plan.as_ref().map(|plan| plan.layers.clone()).unwrap_or_default();
        for problem in std::iter::once(&workflow.problem).chain(&workflow.order.resources) {
            let layer = layer_of(problem, workflow.plan.as_ref());
            layers.push(layer);
            impacted_resources.entry(layer.as_str()).or_default().push(Resource {
                kind: problem.named.kind.clone(),
                name: problem.named.name.clone(),
                namespace: problem.named.namespace.clone(),
                issue: problem.issue.clone(),
            });
        }
        layers.sort_unstable();
        layers.dedup();
        Self {
            id: workflow.incident.to_string(),
            description: workflow.problem.description.clone(),
            root_cause_layer: layers.first().copied().unwrap_or(Layer::Application),
            affected_layers: layers,
            impacted_resources,
            detected_at: wire_time(workflow.created_at).unwrap_or_default(),
            severity: workflow.problem.severity,
            detection_method: "keyword",
        }
    }
}

/// The layer of an object: that of the step which acts on it, else that of its kind.
fn layer_of(problem: &Problem, plan: Option<&Plan>) -> Layer {
    let mut steps = plan.into_iter().flat_map(|plan| &plan.steps);
    let acted = steps.find(|step| step.action.target().key() == problem.target.key());
    acted.map_or_else(|| layers::of_kind(&problem.target.kind), |step| step.layer)
}

impl RemediationPlan {
    fn of(plan: &Plan, record: &Record) -> Self {
        let workflow = &record.workflow;
        let forward = || record.steps.iter().filter(|step| step.direction == Direction::Do);
        let rollback = plan.steps.iter().rev().filter(|step| step.undo == UndoClass::Exact);
        let digest: String = workflow.digest.iter().flat_map(|digest| digest.chars()).take(16).collect();
        Self {
            id: format!("plan-{digest}"),
            issue_id: workflow.incident.to_string(),
            layers: plan.layers.clone(),
            steps: plan.steps.iter().map(|step| PlanStep::of(step, plan)).collect(),
            checkpoints: plan
                .checkpoints
                .iter()
                .map(|checkpoint| PlanCheckpoint {
                    layer: checkpoint.layer,
                    after_step: checkpoint.after_step.saturating_add(1),
                    checks: checkpoint.checks.clone(),
                    timeout: nanoseconds(checkpoint.timeout_seconds),
                    required: checkpoint.required,
                })
                .collect(),
            rollback_steps: rollback
                .zip(1..)
                .map(|(step, order)| {
                    let planned = PlanStep::of(step, plan);
                    PlanStep {
                        order,
                        description: format!("Rollback: {}", planned.description),
                        action_type: format!("rollback_{}", planned.action_type),
                        ..planned
                    }
                })
                .collect(),
            created_at: wire_time(plan.at).unwrap_or_default(),
            status: match workflow.phase {
                Phase::RolledBack => "rolled_back",
                other => other.coordination(),
            },
            current_step: forward().filter(|step| is_done(step)).count(),
        }
    }
}

impl PlanStep {
    fn of(step: &Step, plan: &Plan) -> Self {
        let target = step.action.target();
        let behind = plan.checkpoints.iter().filter(|checkpoint| checkpoint.after_step == step.order);
        let mut metadata = BTreeMap::from([(target.kind.to_lowercase(), target.name.clone())]);
        if !target.namespace.is_empty() {
            metadata.insert("namespace".to_owned(), target.namespace.clone());
        }
        Self {
            layer: step.layer,
            order: step.order.saturating_add(1),
            description: step.description.clone(),
            action_type: action_type(&step.action),
            target: place(target),
            wait_time: behind.map(|checkpoint| nanoseconds(checkpoint.timeout_seconds)).max().unwrap_or(0),
            required: step.required,
            metadata,
        }
    }
}

impl ExecutionResult {
    fn of(record: &Record) -> Option<Self> {
        let workflow = &record.workflow;
        if !workflow.phase.is_terminal() && workflow.phase != Phase::NeedsOperator {
            return None;
        }
        let forward = || record.steps.iter().filter(|step| step.direction == Direction::Do);
        let failed =
            forward().find(|step| matches!(step.state, StepState::Failed | StepState::Indeterminate));
        let is_success = workflow.phase == Phase::Completed;
        Some(Self {
            status: if is_success { "success" } else { "failed" },
            reason: workflow.reason.clone().filter(|_| !is_success),
            executed_steps: forward().filter(|step| step.state != StepState::Pending).count(),
            failed_step: failed.map(|step| step.order),
            completed_at: workflow.finished_at.and_then(wire_time),
        })
    }
}

fn is_done(step: &StepRecord) -> bool {
    step.state.contract() == "completed"
}

/// The Go engine's word where it had one, else ours with underscores.
fn action_type(action: &Action) -> String {
    match action {
        Action::RestartWorkload { target } => format!("restart_{}", target.kind.to_lowercase()),
        Action::EvictPod { .. } | Action::DeletePod { .. } => "restart_pod".to_owned(),
        Action::AwaitPool { .. } => "monitor_mcp".to_owned(),
        Action::NudgeOperator { .. } => "trigger_operator_reconciliation".to_owned(),
        other => other.name().replace('-', "_"),
    }
}

fn place(target: &Target) -> String {
    if target.namespace.is_empty() {
        target.name.clone()
    } else {
        format!("{}/{}", target.namespace, target.name)
    }
}

fn nanoseconds(seconds: u32) -> u64 {
    u64::from(seconds) * NANOSECONDS
}
