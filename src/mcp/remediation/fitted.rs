//! Steps and checks of a workflow, as many as fit a short answer: a plan may have 50 steps, each with its diff and its undo.
//!
//! It leaves nothing out unsaid: what is missing is counted, and stands whole in the workflow's resource.

use aiops_engine::{model::phase::StepState, text};
use serde::Serialize;

use super::{CheckLine, StepLine, fitting};

/// Bytes of all steps.
const STEPS: usize = 2_600;
/// Bytes of all checks.
const CHECKS: usize = 1_000;
/// Bytes of one line of a diff, of a note, of a result.
const LINE: usize = 200;
/// Ended steps that are told before the first that has not ended.
const BEFORE: usize = 2;

/// What is left out of an answer, counted.
#[derive(Debug, Default)]
pub(super) struct Left {
    steps: usize,
    lines: usize,
    checks: usize,
}

impl Left {
    /// In a sentence; `None` when nothing is.
    pub(super) fn said(&self, id: &str, waits: bool) -> Option<String> {
        let counts = [
            (self.steps, "step", "steps"),
            (self.lines, "line of diffs and notes", "lines of diffs and notes"),
            (self.checks, "check", "checks"),
        ];
        let parts: Vec<String> = counts
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
            .collect();
        let before = if waits { "; read all of it before you approve" } else { "" };
        (!parts.is_empty())
            .then(|| format!("{}; whole in the resource cluster://workflows/{id}{before}", parts.join(", ")))
    }
}

/// The steps that fit: those at which the workflow is, with as much of their diffs as there is room for.
pub(super) fn steps(all: Vec<StepLine>, left: &mut Left) -> Vec<StepLine> {
    if size(&all) <= STEPS {
        return all;
    }
    let total = all.len();
    let begun = all.iter().position(|step| !has_ended(step.state)).unwrap_or(total);
    let from = if size(&bare(&all)) <= STEPS { 0 } else { begun.min(total - 1).saturating_sub(BEFORE) };
    let mut shown: Vec<StepLine> = Vec::new();
    let mut details = Vec::new();
    let mut used = 0;
    for mut step in all.into_iter().skip(from) {
        step.result = step.result.map(|result| text::clean(&result, LINE).text);
        details.push((std::mem::take(&mut step.diff), std::mem::take(&mut step.notes)));
        let needed = size(&step) + 1;
        if used + needed > STEPS {
            break;
        }
        used += needed;
        shown.push(step);
    }
    left.steps = total - shown.len();
    // What room is left is for the diffs, those of the first steps first.
    let mut room = STEPS.saturating_sub(used);
    for (step, (diff, notes)) in shown.iter_mut().zip(details) {
        step.diff = lines(diff, &mut room, left);
        step.notes = lines(notes, &mut room, left);
    }
    shown
}

/// The checks that fit.
pub(super) fn checks(all: Vec<CheckLine>, left: &mut Left) -> Vec<CheckLine> {
    let (shown, more) = fitting(all, CHECKS);
    left.checks = more;
    shown
}

const fn has_ended(state: StepState) -> bool {
    !matches!(state, StepState::Pending | StepState::Intent)
}

fn bare(steps: &[StepLine]) -> Vec<StepLine> {
    let bare = |step: &StepLine| StepLine { diff: Vec::new(), notes: Vec::new(), ..step.clone() };
    steps.iter().map(bare).collect()
}

fn lines(all: Vec<String>, room: &mut usize, left: &mut Left) -> Vec<String> {
    let mut shown = Vec::new();
    for line in all {
        let line = text::clean(&line, LINE).text;
        let needed = size(&line) + 1;
        if needed > *room {
            left.lines += 1;
            *room = 0;
        } else {
            *room -= needed;
            shown.push(line);
        }
    }
    shown
}

fn size(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |text| text.len())
}
