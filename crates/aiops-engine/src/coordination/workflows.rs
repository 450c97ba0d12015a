//! Requests about plans and workflows, and their answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    error::Error,
    fingerprint,
    issue::Severity,
    model::{
        action::{Action, UndoClass},
        layer::Layer,
        method::Deployed,
        phase::{Direction, Phase, StepState, Verdict},
        plan::{Approval, Proof, Risk},
    },
};

/// A trigger, as every door hands it over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// The incident it belongs to, or the id by which the caller knows one. Absent: found by fingerprint, or opened.
    pub incident: Option<String>,
    /// Namespace, empty for objects of the cluster.
    pub namespace: String,
    /// Kind, as the caller spelt it.
    pub kind: String,
    /// Name.
    pub name: String,
    /// The issue, in any of the words that the alias table knows. Empty when an action is named.
    pub issue: String,
    /// What was seen.
    pub description: String,
    /// How bad; absent means what the issue's own severity is.
    pub severity: Option<Severity>,
    /// Plan and prove, and keep nothing.
    pub dry_run: bool,
    /// One action instead of the remedies' choice.
    pub action: Option<Action>,
    /// Objects of other layers that belong to the same trouble: makes a multi-layer plan.
    pub resources: Vec<ResourceTrouble>,
    /// Only this plan, by its digest.
    pub digest: Option<String>,
    /// Makes a repetition of this request harmless.
    pub idempotency_key: Option<String>,
    /// The [`Trigger::hash`] of what was asked, where its incident said the rest: by the time of a repetition that may say
    /// something else.
    #[serde(default)]
    pub asked: Option<String>,
}

impl Trigger {
    /// What makes two requests the same.
    ///
    /// # Errors
    /// As [`fingerprint::of`].
    pub fn hash(&self) -> Result<String, Error> {
        let resources: Vec<_> =
            self.resources.iter().map(|r| json!([r.kind, r.name, r.namespace, r.issue])).collect();
        fingerprint::of(&json!({
            "incident": self.incident, "namespace": self.namespace, "kind": self.kind, "name": self.name,
            "issue": self.issue, "description": self.description, "severity": self.severity,
            "action": self.action, "resources": resources, "digest": self.digest,
        }))
    }
}

/// One object of a multi-layer trigger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceTrouble {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// What is wrong with it, in the caller's words.
    pub issue: String,
}

/// What became of a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Triggered {
    /// The workflow: new, or the one that acts on this already. Absent for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// Its incident; absent for a dry run that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<String>,
    /// `pending`, `in_progress`, `completed` or `failed`.
    pub status: String,
    /// Exactly where it is.
    pub phase: Phase,
    /// How the target is deployed, as far as memory tells.
    pub deployment_method: String,
    /// How long it is expected to take, such as `5m`.
    pub estimated_duration: String,
    /// An active workflow for the same issue was found, or the request was repeated: nothing new was begun.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deduplicated: bool,
    /// It was a dry run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// The plan of a dry run; never read, for nobody is told of one by another process.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanView>,
    /// What happens next, in a sentence.
    pub message: String,
    /// It acts on the model cluster of the demo.
    #[serde(default, skip_serializing_if = "is_false")]
    pub simulated: bool,
    /// Layers that are touched, lowest first; known at once only for multi-layer triggers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected_layers: Vec<Layer>,
    /// How many steps are expected; known at once only for multi-layer triggers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_steps: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What to plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanRequest {
    /// As a trigger; `dry_run` is implied.
    pub trigger: Trigger,
}

/// A plan, as doors show it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PlanView {
    /// The remedy, or `none` when no remedy fits: `why` then says what a person should look at.
    pub remedy: String,
    /// What is to be repaired: issue and object.
    pub problem: String,
    /// Why this remedy.
    pub why: String,
    /// How the target is deployed.
    pub deployed: Deployed,
    /// Layers that are touched, lowest first.
    pub layers: Vec<Layer>,
    /// The steps.
    pub steps: Vec<StepView>,
    /// How much can go wrong.
    pub risk: Risk,
    /// What is expected afterwards.
    pub expected: String,
    /// How long it is expected to take, such as `2m`.
    pub estimated_duration: String,
    /// Who has to agree.
    pub approval: Approval,
    /// The rule that says so, or that refuses.
    pub rule: String,
    /// Why it would be refused now; absent when it would go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The plan's digest: name it when triggering to get this plan and no other.
    pub digest: String,
    /// The cluster for which it was made.
    pub cluster: String,
    /// It would act on the model cluster of the demo.
    #[serde(skip_serializing_if = "is_false")]
    pub simulated: bool,
}

/// A step, planned or taken.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct StepView {
    /// Its place, from 0.
    pub order: u32,
    /// Its layer.
    pub layer: Layer,
    /// `do`, or `undo` for a step of the way back.
    pub direction: Direction,
    /// What it does.
    pub description: String,
    /// The action.
    pub action: String,
    /// The object.
    pub target: String,
    /// How it is undone.
    pub undo: UndoClass,
    /// `pending`, `in_progress`, `completed` or `failed`.
    pub status: String,
    /// Exactly where it is.
    pub state: StepState,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// What the API server said to the dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
}

/// A checkpoint, planned or looked at.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct CheckpointView {
    /// Its layer.
    pub layer: Layer,
    /// After which step, by its order.
    pub after_step: u32,
    /// `pending`, `passed`, `failed` or `unknown`: the worst of its checks.
    pub status: Verdict,
    /// Names of its checks.
    pub checks: Vec<String>,
    /// What they saw.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct WorkflowView {
    /// Its id.
    pub id: String,
    /// Its incident.
    pub incident_id: String,
    /// `pending`, `in_progress`, `completed` or `failed`.
    pub status: String,
    /// Exactly where it is.
    pub phase: Phase,
    /// Why it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rule that refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Namespace of the target.
    pub namespace: String,
    /// Kind of the target.
    pub resource_kind: String,
    /// Name of the target.
    pub resource_name: String,
    /// The issue.
    pub issue_type: String,
    /// How bad.
    pub severity: Severity,
    /// How the target is deployed.
    pub deployment_method: String,
    /// Layers that are touched, lowest first.
    pub layers: Vec<Layer>,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The plan's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The approval that is awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awaiting: Option<Awaiting>,
    /// The answer that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
    /// Its steps, forward, then those of the way back.
    pub steps: Vec<StepView>,
    /// Its checkpoints.
    pub checkpoints: Vec<CheckpointView>,
    /// Everything it did was undone.
    pub rolled_back: bool,
    /// A person has to look at it.
    pub needs_operator: bool,
    /// Who asked for it.
    pub requested_by: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// How long it is expected to take, such as `5m`.
    pub estimated_duration: String,
    /// It acts on the model cluster of the demo.
    #[serde(skip_serializing_if = "is_false")]
    pub simulated: bool,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Awaiting {
    /// The digest that an approval has to name.
    pub digest: String,
    /// `approve` or `two_person`.
    pub approval: Approval,
    /// The rule that says so.
    pub rule: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// Somebody's answer to a plan that had to be approved.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct DecisionView {
    /// The plan was approved; otherwise it was denied.
    pub approved: bool,
    /// Who answered.
    pub by: String,
    /// The door it was answered through, such as `rest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// RFC 3339.
    pub at: String,
    /// What was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which workflows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkflowQuery {
    /// In this namespace.
    pub namespace: Option<String>,
    /// A phase, a status word of any door, or `all`.
    pub status: Option<String>,
    /// Of this incident.
    pub incident: Option<String>,
    /// At most, 1–500; absent means 50.
    pub limit: Option<u32>,
    /// After so many.
    pub offset: Option<u32>,
}

/// Workflows.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct WorkflowList {
    /// Newest first. Steps are left out.
    pub workflows: Vec<WorkflowView>,
    /// How many there are before the limit.
    pub total: u64,
}

/// An answer to a request for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The digest of the plan that was seen.
    pub digest: String,
    /// Approve, or deny.
    pub approve: bool,
    /// Why.
    pub reason: Option<String>,
    /// The answer may be a model's: counts only where the policy says so.
    pub by_elicitation: bool,
}

/// How a parked workflow ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// `completed`, `rolled_back` or `failed`.
    pub outcome: String,
    /// What was found and done.
    pub note: String,
}
