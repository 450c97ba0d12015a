//! The phases of a workflow, the states of a step, and the one table of the words that doors use for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a workflow is. [`crate::workflow::machine`] says which may follow which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Phase {
    /// Accepted; the plan is being made and proven.
    Planning,
    /// Planned and allowed; waits for its turn.
    Queued,
    /// Somebody has to approve the plan.
    AwaitingApproval,
    /// Steps are being taken.
    Running,
    /// All steps are taken; the target is being watched until it is healthy.
    Verifying,
    /// Steps are being undone.
    RollingBack,
    /// Stopped in a state that a person has to look at. It keeps the lock of its target.
    NeedsOperator,
    /// The target was seen healthy.
    Completed,
    /// It ended without an effect, or with one that cannot be undone and did not help.
    Failed,
    /// Every step was undone and seen to be.
    RolledBack,
    /// Cancelled before anything was done.
    Cancelled,
    /// A guard refused the plan, or no remedy fits.
    Refused,
    /// Somebody denied the plan.
    Rejected,
    /// Nobody approved in time.
    Expired,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 14] = [
        Self::Planning,
        Self::Queued,
        Self::AwaitingApproval,
        Self::Running,
        Self::Verifying,
        Self::RollingBack,
        Self::NeedsOperator,
        Self::Completed,
        Self::Failed,
        Self::RolledBack,
        Self::Cancelled,
        Self::Refused,
        Self::Rejected,
        Self::Expired,
    ];

    /// The word in the store and in `phase`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Queued => "queued",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::RollingBack => "rolling_back",
            Self::NeedsOperator => "needs_operator",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// The phase of a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }

    /// Nothing follows any more.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed
                | Self::Failed
                | Self::RolledBack
                | Self::Cancelled
                | Self::Refused
                | Self::Rejected
                | Self::Expired
        )
    }

    /// The contract's word: `pending`, `in_progress`, `completed` or `failed`. A workflow that waits for its plan counts
    /// as in progress, because the contract's trigger answers so.
    pub const fn contract(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "pending",
            Self::Planning | Self::Queued | Self::Running | Self::Verifying | Self::RollingBack => {
                "in_progress"
            }
            Self::Completed => "completed",
            Self::NeedsOperator
            | Self::Failed
            | Self::RolledBack
            | Self::Cancelled
            | Self::Refused
            | Self::Rejected
            | Self::Expired => "failed",
        }
    }

    /// The word of the Go engine's `/coordination` routes.
    pub const fn coordination(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "pending",
            Self::Planning | Self::Queued | Self::Running | Self::Verifying | Self::RollingBack => {
                "executing"
            }
            Self::Completed => "completed",
            _ => "failed",
        }
    }

    /// The word of the old MCP server: `pending`, `running`, `completed` or `failed`.
    pub const fn old_mcp(self) -> &'static str {
        match self {
            Self::AwaitingApproval | Self::Planning | Self::Queued => "pending",
            Self::Running | Self::Verifying | Self::RollingBack => "running",
            Self::Completed => "completed",
            _ => "failed",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which way a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Direction {
    /// Forward.
    Do,
    /// Back.
    Undo,
}

impl Direction {
    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Undo => "undo",
        }
    }
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum StepState {
    /// Not begun.
    Pending,
    /// What will be sent is recorded; whether it was is known only by looking.
    Intent,
    /// The cluster shows the effect.
    Applied,
    /// And it helped as far as this step can tell.
    Verified,
    /// Nothing had to be done.
    Skipped,
    /// It had no effect.
    Failed,
    /// Whether it had an effect cannot be told.
    Indeterminate,
}

impl StepState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Intent,
        Self::Applied,
        Self::Verified,
        Self::Skipped,
        Self::Failed,
        Self::Indeterminate,
    ];

    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Intent => "intent",
            Self::Applied => "applied",
            Self::Verified => "verified",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// The state of a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The contract's word: `pending`, `in_progress`, `completed` or `failed`.
    pub const fn contract(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Intent | Self::Applied => "in_progress",
            Self::Verified | Self::Skipped => "completed",
            Self::Failed | Self::Indeterminate => "failed",
        }
    }
}

/// What a check of the cluster's health said. Unknown is never passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Verdict {
    /// Not looked at yet.
    Pending,
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not be told.
    Unknown,
}

impl Verdict {
    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// The verdict of a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Passed, Self::Failed, Self::Unknown].into_iter().find(|v| v.as_str() == word)
    }
}
