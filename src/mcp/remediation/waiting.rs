//! Waiting for a workflow within a call.
//!
//! It looks and tells; it never acts. Whoever stops waiting leaves the workflow as it is.

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    Error,
    coordination::{Coordination, WorkflowView},
    model::{
        ids::WorkflowId,
        phase::{Direction, Phase, StepState},
    },
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::mcp::tool::CallContext;

/// Another process may be the one that works on it, and its changes wake nobody here.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Changes of other workflows wake too; more often than this nobody needs to look.
const REST: Duration = Duration::from_millis(20);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mcp) enum Until {
    /// It is over, or needs a person.
    Rest,
    /// The same; and where it rests already, until it moves on.
    Move,
}

/// Nothing happens before a person does something.
const fn rests(phase: Phase) -> bool {
    matches!(phase, Phase::AwaitingApproval | Phase::NeedsOperator) || phase.is_terminal()
}

/// The workflow when it has come so far, or as it is after so many seconds.
///
/// # Errors
/// It does not exist, or cannot be read.
pub(in crate::mcp) async fn wait(
    coordination: &Arc<dyn Coordination>,
    context: &CallContext,
    id: &WorkflowId,
    seconds: Option<u32>,
    until: Until,
) -> Result<WorkflowView, Error> {
    // Before the first look, so that no change falls between the two.
    let mut changed = coordination.changed();
    let patience = Duration::from_secs(u64::from(seconds.unwrap_or(0))).min(context.patience);
    let deadline = Instant::now() + patience;
    let mut seen = coordination.workflow(&context.caller, id).await?;
    let rested = (until == Until::Move && rests(seen.phase)).then_some(seen.phase);
    let mut told = None;
    let mut reports = 0.0;
    loop {
        let is_there = seen.phase.is_terminal() || (rests(seen.phase) && rested != Some(seen.phase));
        if is_there || Instant::now() >= deadline {
            return Ok(seen);
        }
        let now = course(&seen);
        if told.as_ref() != Some(&now) {
            // The protocol wants a number that grows; steps that are undone would make it shrink.
            reports += 1.0;
            context.report(reports, None, now.clone());
            told = Some(now);
        }
        tokio::select! {
            () = next(&mut changed) => sleep_until((Instant::now() + REST).min(deadline)).await,
            () = sleep_until((Instant::now() + LOOK_EVERY).min(deadline)) => {}
        }
        seen = coordination.workflow(&context.caller, id).await?;
    }
}

async fn next(changed: &mut watch::Receiver<u64>) {
    if changed.changed().await.is_err() {
        // Nobody wakes us any more; the clock does.
        std::future::pending::<()>().await;
    }
}

/// How far it is, in words.
fn course(workflow: &WorkflowView) -> String {
    let done = |state| matches!(state, StepState::Applied | StepState::Verified | StepState::Skipped);
    let forward = workflow.steps.iter().filter(|step| step.direction == Direction::Do);
    let (taken, all) =
        forward.fold((0, 0), |(taken, all), step| (taken + usize::from(done(step.state)), all + 1));
    let now = workflow.steps.iter().find(|step| step.state == StepState::Intent);
    let now = now.map(|step| format!(": {}", step.description)).unwrap_or_default();
    match all {
        0 => format!("{}{now}", workflow.phase),
        all => format!("{}, {taken} of {all} steps taken{now}", workflow.phase),
    }
}
