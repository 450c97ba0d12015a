//! Incidents, plans and workflows as a model reads them: what repeats, what is empty and what only a program needs is
//! left out, so that a fault and its repair fit into few tokens.
//!
//! The whole records are in the resources and in REST. Nothing is added here but the sentence that says what comes next.

pub(super) mod ordering;
pub(super) mod waiting;

use aiops_engine::{
    coordination::{Awaiting, CheckpointView, DecisionView, IncidentView, PlanView, StepView, WorkflowView},
    issue::Severity,
    model::{
        action::UndoClass,
        layer::Layer,
        phase::{Direction, Phase, StepState, Verdict},
        plan::{Approval, Risk},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

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

/// A plan.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Planned {
    /// What is to be repaired.
    problem: String,
    /// The remedy, or `none`.
    remedy: String,
    /// Why this one; for `none`, what a person should look at.
    why: String,
    /// argocd, helm, operator, manual or unknown.
    deployment_method: String,
    /// Who owns the object, when it is not people.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Layers that are touched, when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<Layer>,
    /// The steps, in order.
    steps: Vec<PlannedStep>,
    /// How much can go wrong.
    risk: Risk,
    /// What is expected afterwards.
    #[serde(skip_serializing_if = "String::is_empty")]
    expected: String,
    /// How long it is expected to take.
    estimated_duration: String,
    /// Who has to agree.
    approval: Approval,
    /// The rule that says so.
    rule: String,
    /// Why it would be refused now.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    /// Name it when triggering to get this plan and no other.
    #[serde(skip_serializing_if = "String::is_empty")]
    digest: String,
    /// It would act on a model cluster.
    #[serde(skip_serializing_if = "is_false")]
    simulated: bool,
}

/// A step of a plan.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct PlannedStep {
    /// What it does.
    does: String,
    /// Its object, where that is not the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// How it is undone.
    undo: UndoClass,
    /// Whether aiops has the right to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<bool>,
    /// Whether the API server accepted a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run_accepted: Option<bool>,
    /// What would change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diff: Vec<String>,
    /// What the API server said, and what could not be proven.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

impl Planned {
    pub(super) fn of(plan: PlanView) -> Self {
        let steps = plan.steps.into_iter().map(|step| PlannedStep::of(step, &plan.problem)).collect();
        Self {
            deployment_method: plan.deployed.method.as_str().to_owned(),
            owner: plan.deployed.owner.map(|owner| owner.to_string()),
            layers: if plan.layers.len() > 1 { plan.layers } else { Vec::new() },
            steps,
            problem: plan.problem,
            remedy: plan.remedy,
            why: plan.why,
            risk: plan.risk,
            expected: plan.expected,
            estimated_duration: plan.estimated_duration,
            approval: plan.approval,
            rule: plan.rule,
            refused: plan.refused,
            digest: plan.digest,
            simulated: plan.simulated,
        }
    }
}

impl PlannedStep {
    fn of(step: StepView, problem: &str) -> Self {
        let proof = step.proof.unwrap_or_default();
        Self {
            target: Some(step.target).filter(|target| {
                !problem.contains(target.as_str()) && !step.description.contains(target.as_str())
            }),
            does: step.description,
            undo: step.undo,
            allowed: proof.allowed,
            dry_run_accepted: proof.accepted,
            diff: proof.diff,
            notes: proof.notes,
        }
    }
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
}

/// A step.
#[derive(Debug, Serialize, JsonSchema)]
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
        let steps = workflow.steps.iter().map(StepLine::of).collect();
        // Checkpoints that nobody looked at are no news.
        let seen = |check: &&CheckpointView| check.status != Verdict::Pending;
        Self {
            reason: workflow.reason.clone(),
            rule: workflow.rule.clone(),
            remedy: workflow.remedy.clone(),
            awaiting: workflow.awaiting.clone(),
            steps,
            checks: workflow.checkpoints.iter().filter(seen).map(CheckLine::of).collect(),
            rolled_back: workflow.rolled_back,
            needs_operator: workflow.needs_operator,
            simulated: workflow.simulated,
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
            "Stopped: a person has to look at the target and resolve the workflow.".to_owned()
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

/// A workflow in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct RunLine {
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
    pub(super) fn of(workflow: WorkflowView) -> Self {
        let target = Some(target(&workflow));
        Self { incident_id: Some(workflow.incident_id.clone()), target, ..Self::below(workflow) }
    }

    /// A line below its incident.
    pub(super) fn below(workflow: WorkflowView) -> Self {
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
pub(super) struct IncidentLine {
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
}

/// The longest description in a list, in bytes.
const SHORT: usize = 200;

impl IncidentLine {
    pub(super) fn of(incident: IncidentView) -> Self {
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
            id: incident.id,
        }
    }
}

/// What an incident is about.
pub(super) fn of_incident(incident: &IncidentView) -> String {
    match incident.resource.as_deref().map(|resource| resource.split_once('/').unwrap_or((resource, ""))) {
        Some((kind, name)) => object(kind, &incident.namespace, name),
        None => incident.target.clone(),
    }
}

/// Rows that fit into so many bytes; how many were left out.
pub(super) fn fitting<T: Serialize>(rows: Vec<T>, bytes: usize) -> (Vec<T>, usize) {
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
