//! Incidents, plans and workflows as a model reads them: what repeats, what is empty and what only a program needs is
//! left out, so that a fault and its repair fit into few tokens.
//!
//! The whole records are in the resources and in REST. Nothing is added here but the sentence that says what comes next.

mod fitted;
mod lists;
pub(super) mod ordering;
mod planned;
pub(super) mod waiting;

use aiops_engine::{
    coordination::{Awaiting, CheckpointView, DecisionView, StepView, WorkflowView},
    model::{
        action::UndoClass,
        phase::{Direction, Phase, StepState, Verdict},
        plan::Approval,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use self::fitted::Left;
pub(super) use self::{
    lists::{IncidentLine, RunLine, fitting, of_incident},
    planned::Planned,
};

/// The word that a value of a closed list has on the wire.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The object that a workflow is about, such as `Deployment shop/web`.
pub(super) fn target(workflow: &WorkflowView) -> String {
    object(&workflow.resource_kind, &workflow.namespace, &workflow.resource_name)
}

pub(super) fn object(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(super) fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A workflow.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Run {
    /// pending, in_progress, completed or failed.
    status: String,
    /// Exactly where it is.
    phase: Phase,
    /// Its id.
    workflow_id: String,
    /// Its incident.
    incident_id: String,
    /// The object.
    target: String,
    /// The issue.
    issue_type: String,
    #[serde(flatten)]
    course: Course,
    /// Who asked for it.
    requested_by: String,
    /// Who approved or denied the plan, and through which door.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    /// What comes next.
    message: String,
}

/// How a workflow went so far.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Course {
    /// Why it is where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The rule that refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// The approval that is awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    awaiting: Option<Awaiting>,
    /// Steps, in the order in which they were taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepLine>,
    /// What was looked at afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckLine>,
    /// Everything it did was undone.
    #[serde(skip_serializing_if = "is_false")]
    rolled_back: bool,
    /// A person has to look at it.
    #[serde(skip_serializing_if = "is_false")]
    needs_operator: bool,
    /// It acts on a model cluster.
    #[serde(skip_serializing_if = "is_false")]
    simulated: bool,
    /// What is left out here, and where it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
}

/// A step.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
struct StepLine {
    /// What it does; `undo: ` stands before a step of the way back.
    does: String,
    /// Where it is.
    state: StepState,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    /// Whether the API server accepted a dry run; told until the step is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run_accepted: Option<bool>,
    /// What would change; told until the step is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diff: Vec<String>,
    /// What the API server said to the dry run; told until the step is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// It cannot be undone.
    #[serde(skip_serializing_if = "is_false")]
    irreversible: bool,
}

/// A checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct CheckLine {
    /// The worst of its checks.
    status: Verdict,
    /// What they saw; before they looked, their names.
    saw: Vec<String>,
}

impl Course {
    pub(super) fn of(workflow: &WorkflowView) -> Self {
        let mut left = Left::default();
        let steps = fitted::steps(workflow.steps.iter().map(StepLine::of).collect(), &mut left);
        // Checkpoints that nobody looked at are no news.
        let seen = |check: &&CheckpointView| check.status != Verdict::Pending;
        let checks = workflow.checkpoints.iter().filter(seen).map(CheckLine::of).collect();
        let checks = fitted::checks(checks, &mut left);
        Self {
            reason: workflow.reason.clone(),
            rule: workflow.rule.clone(),
            remedy: workflow.remedy.clone(),
            awaiting: workflow.awaiting.clone(),
            steps,
            checks,
            rolled_back: workflow.rolled_back,
            needs_operator: workflow.needs_operator,
            simulated: workflow.simulated,
            left_out: left.said(&workflow.id, workflow.phase == Phase::AwaitingApproval),
        }
    }
}

impl StepLine {
    fn of(step: &StepView) -> Self {
        let is_ahead = step.state == StepState::Pending;
        let proof = step.proof.clone().filter(|_| is_ahead).unwrap_or_default();
        let is_said = step.direction == Direction::Do || step.description.starts_with("undo: ");
        let back = if is_said { "" } else { "undo: " };
        Self {
            does: format!("{back}{}", step.description),
            state: step.state,
            result: step.result.clone(),
            dry_run_accepted: proof.accepted,
            diff: proof.diff,
            notes: proof.notes,
            irreversible: is_ahead && step.undo == UndoClass::Irreversible,
        }
    }
}

impl CheckLine {
    fn of(check: &CheckpointView) -> Self {
        let saw = if check.evidence.is_empty() { &check.checks } else { &check.evidence };
        Self { status: check.status, saw: saw.clone() }
    }
}

impl Run {
    pub(super) fn of(workflow: &WorkflowView) -> Self {
        Self {
            status: workflow.status.clone(),
            phase: workflow.phase,
            workflow_id: workflow.id.clone(),
            incident_id: workflow.incident_id.clone(),
            target: target(workflow),
            issue_type: workflow.issue_type.clone(),
            course: Course::of(workflow),
            requested_by: workflow.requested_by.clone(),
            decision: workflow.decision.as_ref().map(decided),
            created_at: workflow.created_at.clone(),
            completed_at: workflow.completed_at.clone(),
            message: next(workflow),
        }
    }
}

fn decided(decision: &DecisionView) -> String {
    let what = if decision.approved { "approved" } else { "denied" };
    let via = decision.via.as_deref().map(|via| format!(" over {via}")).unwrap_or_default();
    format!("{what} by {}{via}", decision.by)
}

/// What comes next, or what the end means.
pub(super) fn next(workflow: &WorkflowView) -> String {
    match workflow.phase {
        Phase::AwaitingApproval => match &workflow.awaiting {
            Some(Awaiting { approval: Approval::TwoPerson, expires_at, .. }) => {
                format!(
                    "Somebody other than {} has to approve the plan by its digest until {expires_at}.",
                    workflow.requested_by
                )
            }
            Some(Awaiting { expires_at, .. }) => {
                format!("Nothing was done yet: approve or deny the plan by its digest until {expires_at}.")
            }
            None => "Nothing was done yet: the plan has to be approved by its digest.".to_owned(),
        },
        Phase::Completed => "Verified: the target was seen healthy.".to_owned(),
        Phase::RolledBack => {
            "It did not help; everything was undone and seen to be. diagnose-pod says more about the target."
                .to_owned()
        }
        Phase::NeedsOperator => {
            "Stopped: a person has to look at the target and resolve the workflow (`aiops workflow resolve`)."
                .to_owned()
        }
        Phase::Failed => "Over, and not repaired: a person has to look at the target.".to_owned(),
        Phase::Refused | Phase::Rejected | Phase::Expired | Phase::Cancelled => {
            "Over; nothing was done to the cluster.".to_owned()
        }
        Phase::Planning | Phase::Queued | Phase::Running | Phase::Verifying | Phase::RollingBack => {
            "It goes on by itself, whether anybody waits or not.".to_owned()
        }
    }
}
