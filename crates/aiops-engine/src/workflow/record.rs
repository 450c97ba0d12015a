//! From a record and an event to the writes of one commit: pure.
//!
//! Each commit is a whole: the workflow one version on, the rows that changed, what is taken and given back, the line of
//! the audit chain, and what somebody outside is to be told. What cannot follow is an error, and nothing is written.

mod after;
mod draft;
mod endings;
mod steps;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::after::apply;
use self::draft::Draft;
use super::machine::{Illegal, Move};
use crate::{
    model::{
        Millis,
        caller::Caller,
        ids::ApprovalId,
        phase::{Direction, Phase, StepState},
        plan::Plan,
        workflow::{ApprovalState, Attempt, CheckRecord, Outcome, Record, StepRecord},
    },
    ports::store::{Cooldown, Write},
    settings::Settings,
};

/// A step in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepAt {
    /// Its place in the plan.
    pub order: u32,
    /// Which way.
    pub direction: Direction,
}

impl StepAt {
    /// The marker that its effect carries: unique among all steps of all workflows.
    pub fn effect_key(self, workflow: &str) -> String {
        format!("{workflow}/{}/{}", self.order, self.direction.as_str())
    }
}

/// What happened to a workflow.
#[derive(Debug, Clone)]
pub enum Event {
    /// It was claimed, and the owner before did not give it back.
    Counted,
    /// Nothing can be done before this moment.
    Waits {
        /// When to look again.
        until: Millis,
        /// For what.
        why: Option<String>,
        /// The rule that it waits for, when one holds it up.
        rule: Option<String>,
        /// Checks that were made.
        checks: Vec<CheckRecord>,
    },
    /// A plan was made, proven and let pass.
    Planned {
        /// The plan.
        plan: Box<Plan>,
        /// Its digest.
        digest: String,
        /// The request for approval, when somebody has to agree.
        ask: Option<ApprovalId>,
    },
    /// A rule refuses it, or no remedy fits.
    Refused {
        /// The rule.
        rule: String,
        /// Why.
        why: String,
    },
    /// Somebody answered the request for approval.
    Decided {
        /// Approved, or denied.
        approves: bool,
        /// Who.
        by: Caller,
        /// What they said.
        reason: Option<String>,
    },
    /// Nobody answered it in time.
    Expired,
    /// Its turn has come.
    Started {
        /// Locks and places.
        takes: Vec<Write>,
    },
    /// A request is about to be sent.
    Intended {
        /// The step.
        step: StepAt,
        /// The fields as they are.
        pre_image: Value,
        /// The fields as they will be.
        post_image: Value,
        /// Verb, object, uid, resourceVersion and generation.
        intent: Value,
        /// What has to hold when it is kept: the controls that it was decided under, and what it uses up.
        takes: Vec<Write>,
    },
    /// The request was answered, or was not.
    Answered {
        /// The step.
        step: StepAt,
        /// What it means for the attempt.
        outcome: Outcome,
        /// The API server's status.
        http_status: Option<u16>,
        /// Audit id, reason of a refusal.
        observed: String,
        /// The step can have no effect any more: it failed.
        fails: bool,
    },
    /// What became of the step was seen in the cluster.
    Seen {
        /// The step.
        step: StepAt,
        /// How it goes on.
        found: Found,
        /// What was seen.
        why: String,
    },
    /// What became of an attempt cannot be seen now.
    Undecided {
        /// The step.
        step: StepAt,
        /// Why not.
        why: String,
        /// When to look again.
        until: Millis,
    },
    /// The step at the cursor is over: it helped, or nothing had to be done, or it failed and is not required.
    Advanced {
        /// Checks that were made after it.
        checks: Vec<CheckRecord>,
        /// What shows it.
        evidence: Option<String>,
    },
    /// The target is healthy.
    Passed {
        /// Checks that say so.
        checks: Vec<CheckRecord>,
    },
    /// It did not help, or may not go on: what was done is undone.
    Unwound {
        /// Why.
        why: String,
        /// Checks that say so.
        checks: Vec<CheckRecord>,
    },
    /// The undoing at the cursor is over.
    WentBack,
    /// A person has to look at it.
    Parked {
        /// The rule, when one says so.
        rule: Option<String>,
        /// Why.
        why: String,
    },
    /// It ends before anything was done.
    Failed {
        /// Why.
        why: String,
    },
    /// It stops at a step's boundary, because somebody asked for that earlier and nothing was done yet.
    Stopped,
    /// It ends because somebody asks for it, before anything was done.
    Cancelled {
        /// Who.
        by: Caller,
        /// What they said.
        why: Option<String>,
    },
    /// Somebody asked to stop it after it began.
    CancelAsked {
        /// Who.
        by: Caller,
        /// What they said.
        why: Option<String>,
    },
    /// A person looked at a parked one.
    Resolved {
        /// How it ends: completed, rolled back or failed.
        ending: Phase,
        /// Who.
        by: Caller,
        /// What was found and done.
        note: String,
    },
}

impl Event {
    /// Whether the commit may say where the incident is, and how long the trouble rests.
    pub fn may_change_the_incident(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Decided { .. }
            | Self::Expired
            | Self::Started { .. }
            | Self::Passed { .. }
            | Self::Unwound { .. }
            | Self::WentBack
            | Self::Parked { .. }
            | Self::Failed { .. }
            | Self::Stopped
            | Self::Cancelled { .. }
            | Self::Resolved { .. } => true,
            Self::Counted
            | Self::Waits { .. }
            | Self::Planned { .. }
            | Self::Intended { .. }
            | Self::Answered { .. }
            | Self::Seen { .. }
            | Self::Undecided { .. }
            | Self::Advanced { .. }
            | Self::CancelAsked { .. } => false,
        }
    }
}

/// How a step goes on after the cluster was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It was done.
    Applied,
    /// It is as it should be, by a request whose answer was lost or by somebody else: it counts as ours, so that nobody is
    /// told it was undone, and is not undone without our marker.
    Settled,
    /// Nothing has to be done.
    Skipped,
    /// It cannot be done, and no request of it can still arrive.
    Failed,
    /// It cannot be done, for its object is gone; what a request did to that one nobody can tell any more.
    Gone,
    /// It cannot be told.
    Indeterminate,
}

/// What an event is judged with.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// Now.
    pub at: Millis,
    /// Limits and durations.
    pub settings: &'a Settings,
    /// The epoch of the lease, when an executor commits.
    pub epoch: Option<i64>,
    /// The cooldown of the fingerprint as it is, for events that may end the workflow.
    pub cooldown: Option<Cooldown>,
    /// Somebody closed the incident meanwhile, or another workflow took it up: it stays as they left it.
    pub incident_is_left: bool,
}

/// The writes of one commit.
///
/// # Errors
/// The event cannot follow: the record is not what the caller took it for, or the caller is wrong.
pub fn commit(record: &Record, event: Event, context: &Context<'_>) -> Result<Vec<Write>, Illegal> {
    let mut draft = Draft::new(record, context);
    match event {
        Event::Counted => {
            draft.go(Move::Note)?;
            draft.count();
            draft.regain();
        }
        Event::Waits { until, why, rule, checks } => {
            draft.go(Move::Note)?;
            draft.looked();
            draft.checks(checks);
            draft.wait(until, why);
            draft.waits_for(rule, until);
        }
        Event::Planned { plan, digest, ask } => {
            draft.workflow.rule = None;
            draft.planned(*plan, digest, ask)?;
        }
        Event::Refused { rule, why } => {
            draft.workflow.rule = Some(rule);
            draft.workflow.reason = Some(why);
            draft.go(Move::Refuse)?;
        }
        Event::Decided { approves, by, reason } => draft.decided(approves, &by, reason)?,
        Event::Expired => {
            draft.answer(ApprovalState::Expired, None, None)?;
            draft.workflow.reason = Some("nobody approved the plan in time".to_owned());
            draft.go(Move::Expire)?;
        }
        Event::Started { takes } => {
            draft.workflow.rule = None;
            draft.take(takes);
            draft.go(Move::Start)?;
        }
        Event::Intended { step, pre_image, post_image, intent, takes } => {
            draft.workflow.rule = None;
            draft.take(takes);
            draft.intended(step, pre_image, post_image, intent)?;
        }
        Event::Answered { step, outcome, http_status, observed, fails } => {
            draft.answered(step, outcome, http_status, observed, fails)?;
        }
        Event::Seen { step, found, why } => {
            draft.workflow.rule = None;
            draft.seen(step, found, why)?;
        }
        Event::Undecided { step, why, until } => {
            draft.go(Move::Note)?;
            draft.undecided(step, &why);
            draft.wait(until, Some(why));
        }
        Event::Advanced { checks, evidence } => {
            draft.checks(checks);
            draft.advanced(evidence)?;
        }
        Event::Passed { checks } => {
            draft.checks(checks);
            draft.workflow.reason = Some("the target was seen healthy".to_owned());
            draft.go(Move::Pass)?;
        }
        Event::Unwound { why, checks } => {
            draft.workflow.rule = None;
            draft.checks(checks);
            draft.unwound(why)?;
        }
        Event::WentBack => draft.went_back()?,
        Event::Parked { rule, why } => {
            draft.workflow.rule = rule;
            draft.workflow.reason = Some(why);
            draft.go(Move::Park)?;
        }
        Event::Failed { why } => {
            draft.without_effect("fail")?;
            draft.workflow.reason = Some(why);
            draft.go(Move::Fail)?;
        }
        Event::Stopped => {
            draft.without_effect("be cancelled")?;
            draft.workflow.rule = None;
            draft.go(Move::Cancel)?;
        }
        Event::Cancelled { by, why } => {
            draft.without_effect("be cancelled")?;
            draft.workflow.rule = None;
            draft.cancelled(&by, why.as_deref())?;
        }
        Event::CancelAsked { by, why } => draft.cancel_asked(&by, why.as_deref())?,
        Event::Resolved { ending, by, note } => draft.resolved(ending, &by, note)?,
    }
    Ok(draft.writes())
}

/// The step in a record.
pub fn step(record: &Record, at: StepAt) -> Option<&StepRecord> {
    record.steps.iter().find(|step| step.order == at.order && step.direction == at.direction)
}

/// The attempts of a step, in order.
pub fn attempts(record: &Record, at: StepAt) -> Vec<&Attempt> {
    let of_step = |attempt: &&Attempt| attempt.order == at.order && attempt.direction == at.direction;
    let mut attempts: Vec<&Attempt> = record.attempts.iter().filter(of_step).collect();
    attempts.sort_by_key(|attempt| attempt.number);
    attempts
}

/// The attempts of a step of which nobody knows whether they had an effect.
pub fn outstanding(record: &Record, at: StepAt) -> Vec<&Attempt> {
    let is_open = |attempt: &&Attempt| matches!(attempt.outcome, None | Some(Outcome::Indeterminate));
    attempts(record, at).into_iter().filter(is_open).collect()
}

/// Whether a step in this state changed the cluster, or may have.
pub const fn may_have_effect(state: StepState) -> bool {
    match state {
        StepState::Intent | StepState::Applied | StepState::Verified | StepState::Indeterminate => true,
        StepState::Pending | StepState::Skipped | StepState::Failed => false,
    }
}
