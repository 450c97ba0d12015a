//! A workflow: one durable run of one plan, with everything that was recorded of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Millis,
    action::Action,
    caller::Caller,
    ids::{ApprovalId, IncidentId, WorkflowId},
    phase::{Direction, Phase, StepState, Verdict},
    plan::{Plan, Problem},
};

/// What an explicit trigger asked for beside the problem.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Order {
    /// One action, when the caller named it instead of leaving the choice to the remedies.
    pub action: Option<Action>,
    /// The digest of the plan that the caller saw: another plan is refused.
    pub digest: Option<String>,
    /// Objects of a multi-layer plan beside the target.
    pub resources: Vec<Problem>,
}

/// A workflow, without its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Its id.
    pub id: WorkflowId,
    /// Its incident.
    pub incident: IncidentId,
    /// uid of the cluster.
    pub cluster: String,
    /// What is to be repaired.
    pub problem: Problem,
    /// What was asked for.
    pub order: Order,
    /// Where it is.
    pub phase: Phase,
    /// The plan, once made.
    pub plan: Option<Plan>,
    /// The plan's digest.
    pub digest: Option<String>,
    /// It stays a plan.
    pub dry_run: bool,
    /// Who asked for it.
    pub requested_by: Caller,
    /// Somebody asked to cancel it.
    pub cancel_requested: bool,
    /// Which step is next, by its order; while rolling back, which step is undone next.
    pub cursor: u32,
    /// Claims without a new committed step.
    pub recoveries: u32,
    /// When to look at it next.
    pub wake_at: Millis,
    /// When its phase ends by itself.
    pub deadline: Millis,
    /// Accepted at.
    pub created_at: Millis,
    /// First step at.
    pub started_at: Option<Millis>,
    /// Ended at.
    pub finished_at: Option<Millis>,
    /// Why it is where it is, in a sentence.
    pub reason: Option<String>,
    /// The rule that refused it, when one did.
    pub rule: Option<String>,
    /// Grows with every change.
    pub version: i64,
}

/// A step as it was taken, or is being taken, in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// Its place in the plan.
    pub order: u32,
    /// Which way.
    pub direction: Direction,
    /// The action.
    pub action: Action,
    /// Where it is.
    pub state: StepState,
    /// The marker that its effect carries: unique among all steps of all workflows.
    pub effect_key: String,
    /// What the fields that it writes were before, for the way back. Never holds what Secrets or environments hold.
    pub pre_image: Option<Value>,
    /// What it left behind: the fields as written.
    pub post_image: Option<Value>,
    /// How it ended, in a sentence.
    pub result: Option<String>,
    /// Begun at.
    pub started_at: Option<Millis>,
    /// Ended at.
    pub finished_at: Option<Millis>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The API server accepted it.
    Applied,
    /// It had been done before.
    Noop,
    /// The API server refused it.
    Rejected,
    /// It cannot be told yet.
    Indeterminate,
}

impl Outcome {
    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Noop => "noop",
            Self::Rejected => "rejected",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// The outcome of a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Applied, Self::Noop, Self::Rejected, Self::Indeterminate]
            .into_iter()
            .find(|o| o.as_str() == word)
    }
}

/// One request that was or may have been sent for a step: recorded before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The step.
    pub order: u32,
    /// Which way.
    pub direction: Direction,
    /// From 1.
    pub number: u32,
    /// The epoch of the lease under which it was recorded.
    pub epoch: i64,
    /// Verb, object, uid and resourceVersion; no body.
    pub intent: Value,
    /// Recorded at.
    pub intent_at: Millis,
    /// How it ended, once known.
    pub outcome: Option<Outcome>,
    /// The status that the API server answered.
    pub http_status: Option<u16>,
    /// What was seen: the answer's audit id, the marker, the reason of a refusal.
    pub observed: Option<String>,
    /// Known at.
    pub observed_at: Option<Millis>,
}

/// A check that was made after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRecord {
    /// After which step.
    pub after_order: u32,
    /// The check.
    pub name: String,
    /// What it said.
    pub verdict: Verdict,
    /// What it saw.
    pub evidence: Option<String>,
    /// When.
    pub at: Option<Millis>,
}

/// Where an approval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// Asked for.
    Requested,
    /// Given.
    Approved,
    /// Denied.
    Denied,
    /// Nobody answered in time.
    Expired,
}

impl ApprovalState {
    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }

    /// The state of a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Requested, Self::Approved, Self::Denied, Self::Expired]
            .into_iter()
            .find(|s| s.as_str() == word)
    }
}

/// A request for approval of one plan, by its digest; it is answered once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// Its id.
    pub id: ApprovalId,
    /// The digest of the plan that is to be approved.
    pub digest: String,
    /// Where it is.
    pub state: ApprovalState,
    /// Asked at.
    pub requested_at: Millis,
    /// Good until.
    pub expires_at: Millis,
    /// Who answered.
    pub decided_by: Option<String>,
    /// Answered at.
    pub decided_at: Option<Millis>,
    /// The door it was answered through.
    pub channel: Option<String>,
    /// What the person said.
    pub reason: Option<String>,
}

/// A workflow with everything that was recorded of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The workflow.
    pub workflow: Workflow,
    /// Its steps in both directions, by order.
    pub steps: Vec<StepRecord>,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
    /// Its checks.
    pub checks: Vec<CheckRecord>,
    /// Its approvals.
    pub approvals: Vec<ApprovalRecord>,
}
