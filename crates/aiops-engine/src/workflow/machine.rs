//! What may follow what: the phases of a workflow and the states of a step, each as one total function.
//!
//! A move that is not in the table is an error and never ignored: whoever asks for it holds a picture of the workflow that
//! is not true. Nothing here reads a record; [`super::record`] does.

use crate::model::phase::{Phase, StepState};

/// What can happen to a workflow as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Something is noted; the phase stays.
    Note,
    /// The plan is made and needs nobody's approval.
    Allow,
    /// The plan is made and somebody has to approve it.
    Ask,
    /// A rule refuses, or no remedy fits.
    Refuse,
    /// Somebody approved the plan.
    Approve,
    /// Somebody denied it.
    Deny,
    /// Nobody approved it in time.
    Expire,
    /// Its turn has come: places and locks are taken.
    Start,
    /// A step is over; another one follows.
    Advance,
    /// The last step is over.
    Watch,
    /// The target was seen healthy.
    Pass,
    /// It did not help, or may not go on: what was done is undone, beginning now.
    Unwind,
    /// An undoing is over; another one follows.
    Back,
    /// Everything that was done was undone and seen to be.
    Undone,
    /// It ends without an effect, or with one that cannot be undone.
    Fail,
    /// A person has to look at it.
    Park,
    /// It is cancelled before anything was done.
    Cancel,
    /// Somebody asked to cancel it after it began.
    AskCancel,
    /// A person says of a parked one that it is completed.
    ResolveCompleted,
    /// A person says of a parked one that it was undone.
    ResolveRolledBack,
    /// A person says of a parked one that it failed.
    ResolveFailed,
}

impl Move {
    /// All moves.
    pub const ALL: [Self; 21] = [
        Self::Note,
        Self::Allow,
        Self::Ask,
        Self::Refuse,
        Self::Approve,
        Self::Deny,
        Self::Expire,
        Self::Start,
        Self::Advance,
        Self::Watch,
        Self::Pass,
        Self::Unwind,
        Self::Back,
        Self::Undone,
        Self::Fail,
        Self::Park,
        Self::Cancel,
        Self::AskCancel,
        Self::ResolveCompleted,
        Self::ResolveRolledBack,
        Self::ResolveFailed,
    ];
}

/// What can happen to a step, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepMove {
    /// What is about to be sent is recorded; again for every attempt.
    Intend,
    /// The API server accepted it, or the cluster shows that it was done.
    Apply,
    /// It was seen to have settled.
    Verify,
    /// Nothing has to be done.
    Skip,
    /// It certainly had no effect and will have none.
    Fail,
    /// Whether it had an effect cannot be told.
    Lose,
}

impl StepMove {
    /// All moves.
    pub const ALL: [Self; 6] = [Self::Intend, Self::Apply, Self::Verify, Self::Skip, Self::Fail, Self::Lose];
}

/// A move that is not in the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {from}, which {event} cannot follow")]
pub struct Illegal {
    /// What was to be moved.
    pub what: String,
    /// Where it is.
    pub from: String,
    /// What was to happen.
    pub event: String,
}

impl Illegal {
    /// `event` cannot happen to `what`, which is `from`.
    pub fn new(what: impl Into<String>, from: impl Into<String>, event: impl std::fmt::Debug) -> Self {
        Self { what: what.into(), from: from.into(), event: format!("{event:?}") }
    }
}

/// The phase that follows.
///
/// # Errors
/// The move is not in the table.
pub fn follow(phase: Phase, event: Move) -> Result<Phase, Illegal> {
    let illegal = || Err(Illegal::new("the workflow", phase.as_str(), event));
    match phase {
        Phase::Planning => match event {
            Move::Note => Ok(Phase::Planning),
            Move::Allow => Ok(Phase::Queued),
            Move::Ask => Ok(Phase::AwaitingApproval),
            Move::Refuse => Ok(Phase::Refused),
            Move::Fail => Ok(Phase::Failed),
            Move::Park => Ok(Phase::NeedsOperator),
            Move::Cancel => Ok(Phase::Cancelled),
            Move::Approve
            | Move::Deny
            | Move::Expire
            | Move::Start
            | Move::Advance
            | Move::Watch
            | Move::Pass
            | Move::Unwind
            | Move::Back
            | Move::Undone
            | Move::AskCancel
            | Move::ResolveCompleted
            | Move::ResolveRolledBack
            | Move::ResolveFailed => illegal(),
        },
        Phase::AwaitingApproval => match event {
            Move::Note => Ok(Phase::AwaitingApproval),
            Move::Approve => Ok(Phase::Queued),
            Move::Deny => Ok(Phase::Rejected),
            Move::Expire => Ok(Phase::Expired),
            Move::Park => Ok(Phase::NeedsOperator),
            Move::Cancel => Ok(Phase::Cancelled),
            Move::Allow
            | Move::Ask
            | Move::Refuse
            | Move::Start
            | Move::Advance
            | Move::Watch
            | Move::Pass
            | Move::Unwind
            | Move::Back
            | Move::Undone
            | Move::Fail
            | Move::AskCancel
            | Move::ResolveCompleted
            | Move::ResolveRolledBack
            | Move::ResolveFailed => illegal(),
        },
        Phase::Queued => match event {
            Move::Note => Ok(Phase::Queued),
            Move::Start => Ok(Phase::Running),
            Move::Refuse => Ok(Phase::Refused),
            Move::Fail => Ok(Phase::Failed),
            Move::Park => Ok(Phase::NeedsOperator),
            Move::Cancel => Ok(Phase::Cancelled),
            Move::Allow
            | Move::Ask
            | Move::Approve
            | Move::Deny
            | Move::Expire
            | Move::Advance
            | Move::Watch
            | Move::Pass
            | Move::Unwind
            | Move::Back
            | Move::Undone
            | Move::AskCancel
            | Move::ResolveCompleted
            | Move::ResolveRolledBack
            | Move::ResolveFailed => illegal(),
        },
        Phase::Running => match event {
            Move::Note | Move::Advance | Move::AskCancel => Ok(Phase::Running),
            Move::Watch => Ok(Phase::Verifying),
            Move::Unwind => Ok(Phase::RollingBack),
            Move::Fail => Ok(Phase::Failed),
            Move::Park => Ok(Phase::NeedsOperator),
            Move::Cancel => Ok(Phase::Cancelled),
            Move::Allow
            | Move::Ask
            | Move::Refuse
            | Move::Approve
            | Move::Deny
            | Move::Expire
            | Move::Start
            | Move::Pass
            | Move::Back
            | Move::Undone
            | Move::ResolveCompleted
            | Move::ResolveRolledBack
            | Move::ResolveFailed => illegal(),
        },
        Phase::Verifying => match event {
            Move::Note | Move::AskCancel => Ok(Phase::Verifying),
            Move::Pass => Ok(Phase::Completed),
            Move::Unwind => Ok(Phase::RollingBack),
            Move::Fail => Ok(Phase::Failed),
            Move::Park => Ok(Phase::NeedsOperator),
            // Where no step had an effect.
            Move::Cancel => Ok(Phase::Cancelled),
            Move::Allow
            | Move::Ask
            | Move::Refuse
            | Move::Approve
            | Move::Deny
            | Move::Expire
            | Move::Start
            | Move::Advance
            | Move::Watch
            | Move::Back
            | Move::Undone
            | Move::ResolveCompleted
            | Move::ResolveRolledBack
            | Move::ResolveFailed => illegal(),
        },
        Phase::RollingBack => match event {
            Move::Note | Move::Back => Ok(Phase::RollingBack),
            Move::Undone => Ok(Phase::RolledBack),
            Move::Fail => Ok(Phase::Failed),
            Move::Park => Ok(Phase::NeedsOperator),
            Move::Allow
            | Move::Ask
            | Move::Refuse
            | Move::Approve
            | Move::Deny
            | Move::Expire
            | Move::Start
            | Move::Advance
            | Move::Watch
            | Move::Pass
            | Move::Unwind
            | Move::Cancel
            | Move::AskCancel
            | Move::ResolveCompleted
            | Move::ResolveRolledBack
            | Move::ResolveFailed => illegal(),
        },
        Phase::NeedsOperator => match event {
            Move::Note => Ok(Phase::NeedsOperator),
            Move::ResolveCompleted => Ok(Phase::Completed),
            Move::ResolveRolledBack => Ok(Phase::RolledBack),
            Move::ResolveFailed => Ok(Phase::Failed),
            Move::Allow
            | Move::Ask
            | Move::Refuse
            | Move::Approve
            | Move::Deny
            | Move::Expire
            | Move::Start
            | Move::Advance
            | Move::Watch
            | Move::Pass
            | Move::Unwind
            | Move::Back
            | Move::Undone
            | Move::Fail
            | Move::Park
            | Move::Cancel
            | Move::AskCancel => illegal(),
        },
        Phase::Completed
        | Phase::Failed
        | Phase::RolledBack
        | Phase::Cancelled
        | Phase::Refused
        | Phase::Rejected
        | Phase::Expired => illegal(),
    }
}

/// The state of a step that follows.
///
/// A step may be found applied though no intent of it is known: a store that was restored from a backup is older than the
/// cluster.
///
/// # Errors
/// The move is not in the table.
pub fn follow_step(state: StepState, event: StepMove) -> Result<StepState, Illegal> {
    let illegal = || Err(Illegal::new("the step", state.as_str(), event));
    match state {
        StepState::Pending => match event {
            StepMove::Intend => Ok(StepState::Intent),
            StepMove::Apply => Ok(StepState::Applied),
            StepMove::Skip => Ok(StepState::Skipped),
            StepMove::Fail => Ok(StepState::Failed),
            StepMove::Verify | StepMove::Lose => illegal(),
        },
        StepState::Intent => match event {
            StepMove::Intend => Ok(StepState::Intent),
            StepMove::Apply => Ok(StepState::Applied),
            StepMove::Skip => Ok(StepState::Skipped),
            StepMove::Fail => Ok(StepState::Failed),
            StepMove::Lose => Ok(StepState::Indeterminate),
            StepMove::Verify => illegal(),
        },
        StepState::Applied => match event {
            StepMove::Verify => Ok(StepState::Verified),
            StepMove::Intend | StepMove::Apply | StepMove::Skip | StepMove::Fail | StepMove::Lose => {
                illegal()
            }
        },
        StepState::Verified | StepState::Skipped | StepState::Failed | StepState::Indeterminate => {
            match event {
                StepMove::Intend
                | StepMove::Apply
                | StepMove::Verify
                | StepMove::Skip
                | StepMove::Fail
                | StepMove::Lose => illegal(),
            }
        }
    }
}

#[cfg(test)]
mod tests;
