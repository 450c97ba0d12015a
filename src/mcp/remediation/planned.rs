//! A plan as a model reads it: what it would do, what that risks, and how the dry run went.
//!
//! It adds nothing to what the engine says.

use aiops_engine::{
    coordination::{PlanView, StepView},
    model::{
        action::UndoClass,
        layer::Layer,
        plan::{Approval, Risk},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use super::is_false;

/// A plan.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::mcp) struct Planned {
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
    pub(in crate::mcp) fn of(plan: PlanView) -> Self {
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
