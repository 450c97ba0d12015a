//! What the record of a workflow says for its verification: since when, of which steps, and which check is still open.
//!
//! It looks at nothing but the record.

use std::collections::BTreeMap;

use super::SETTLED;
use crate::{
    model::{
        Millis,
        action::Action,
        phase::{Direction, StepState, Verdict},
        plan::Checkpoint,
        workflow::{CheckRecord, StepRecord},
    },
    workflow::{
        record::{self, StepAt},
        runner::Work,
    },
};

/// The check that does not hold although it has to, and how long it may take, in milliseconds.
pub(super) fn worst(due: &[&Checkpoint], made: &[CheckRecord]) -> Option<(String, Millis)> {
    let required = due.iter().filter(|checkpoint| checkpoint.required);
    let mut longest: Option<(String, Millis)> = None;
    for checkpoint in required {
        let open = made.iter().find(|check| {
            check.after_order == checkpoint.after_step
                && checkpoint.checks.contains(&check.name)
                && check.verdict != Verdict::Passed
        });
        if let Some(check) = open {
            let evidence = check.evidence.as_deref().unwrap_or_default();
            let may_take = i64::from(checkpoint.timeout_seconds).saturating_mul(1_000);
            if longest.as_ref().is_none_or(|(_, held)| *held < may_take) {
                longest =
                    Some((format!("{} is {}: {evidence}", check.name, check.verdict.as_str()), may_take));
            }
        }
    }
    longest
}

/// When a step's effect was known.
pub(super) fn applied_at(work: &Work<'_>, at: StepAt, step: &StepRecord) -> Millis {
    let attempts = record::attempts(&work.record, at);
    let known = attempts.last().and_then(|attempt| attempt.observed_at);
    [known, step.finished_at, step.started_at, work.workflow().started_at]
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_default()
}

/// When a step was first seen to have settled, where that had to be kept.
pub(super) fn settled_at(work: &Work<'_>, order: u32) -> Option<Millis> {
    let mut checks = work.record.checks.iter();
    checks.find(|check| check.after_order == order && check.name == SETTLED).and_then(|check| check.at)
}

/// When the last step was over.
pub(super) fn verifying_since(work: &Work<'_>) -> Millis {
    let taken = work.record.steps.iter().filter(|step| step.direction == Direction::Do);
    let last = taken.filter_map(|step| step.finished_at).max();
    last.or(work.workflow().started_at).unwrap_or_default()
}

/// The steps whose effect is to be seen at the end: on each object the last one, for it may have overwritten the others.
/// One for which nothing had to be done is among them where its object tells without a marker: that it wants what it
/// should does not say that it is well.
pub(super) fn lasting(steps: &[StepRecord]) -> Vec<StepRecord> {
    let mut last: BTreeMap<String, &StepRecord> = BTreeMap::new();
    for step in steps {
        let is_done = match step.state {
            StepState::Applied | StepState::Verified => true,
            StepState::Skipped => tells_without_marker(&step.action),
            StepState::Pending | StepState::Intent | StepState::Failed | StepState::Indeterminate => false,
        };
        if step.direction == Direction::Do && is_done {
            let held = last.entry(step.action.target().key()).or_insert(step);
            if held.order < step.order {
                *held = step;
            }
        }
    }
    let mut steps: Vec<StepRecord> = last.into_values().cloned().collect();
    steps.sort_by_key(|step| step.order);
    steps
}

const fn tells_without_marker(action: &Action) -> bool {
    matches!(
        action,
        Action::ScaleWorkload { .. }
            | Action::RollbackWorkload { .. }
            | Action::SetResources { .. }
            | Action::CordonNode { .. }
            | Action::UncordonNode { .. }
            | Action::EvictPod { .. }
            | Action::DeletePod { .. }
    )
}
