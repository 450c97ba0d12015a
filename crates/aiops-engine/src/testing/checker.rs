//! The invariants of remediation (I1–I21 of its design, as far as memory and a model can show them), checked from outside:
//! from what the store took, in order, from the model's journal, and from what is kept at the end.
//!
//! Nothing here calls the machine, the deeds, the guard or the audit module: the rules are written down a second time, so
//! that a mistake in one place is no proof in the other. It only reads.

mod cluster;
mod effects;
mod endings;
mod lines;
mod planned;
mod replay;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::replay::Replay;
use crate::{
    model::{Millis, ids::WorkflowId, incident::Incident, phase::Phase, workflow::Record},
    ports::store::AuditLine,
    testing::{model::Entry, sim::notes::Note},
};

/// Everything that is known of a run.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) notes: Vec<Note>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) records: Vec<Record>,
    pub(crate) chains: BTreeMap<String, Vec<AuditLine>>,
    pub(crate) locks: Vec<(String, WorkflowId)>,
    pub(crate) slots: Vec<(String, u32, WorkflowId)>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) limits: Bounds,
    /// The uids of what is there at the end.
    pub(crate) alive: BTreeSet<String>,
    /// Wall clocks were wrong at times.
    pub(crate) has_jumps: bool,
    /// When faults stopped for good.
    pub(crate) calm_since: Millis,
    pub(crate) ended_at: Millis,
}

/// What may not be exceeded, by the configuration of the run.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// Length of a bucket.
    pub(crate) window: Millis,
    pub(crate) mutations_per_cluster: usize,
    pub(crate) mutations_per_namespace: usize,
    pub(crate) workflows_per_cluster: usize,
    pub(crate) workflows_per_namespace: usize,
    pub(crate) node_workflows: usize,
    /// Attempts of a step that count: those that a disruption budget put off do not.
    pub(crate) attempts: u32,
    /// How long a lease has to last when a request is sent under it.
    pub(crate) lease_left: Millis,
    /// How long a lease lasts.
    pub(crate) lease: Millis,
    /// How long what ended is kept.
    pub(crate) retention: Millis,
    /// How long a trouble rests after it was repaired, and after it was not, at least.
    pub(crate) rest_after_success: Millis,
    pub(crate) rest_after_failure: Millis,
}

impl Bounds {
    /// What was counted is kept as long as it counts.
    pub(crate) const fn keeps_counts(&self) -> bool {
        self.retention > self.window && self.retention > self.rest_after_failure
    }
}

/// Nothing follows this phase: written down here once more.
pub(crate) const fn is_over(phase: Phase) -> bool {
    match phase {
        Phase::Completed
        | Phase::Failed
        | Phase::RolledBack
        | Phase::Cancelled
        | Phase::Refused
        | Phase::Rejected
        | Phase::Expired => true,
        Phase::Planning
        | Phase::AwaitingApproval
        | Phase::Queued
        | Phase::Running
        | Phase::Verifying
        | Phase::RollingBack
        | Phase::NeedsOperator => false,
    }
}

/// Something that must never be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Which invariant.
    pub(crate) invariant: &'static str,
    /// What was seen.
    pub(crate) what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// What was found wrong.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Violation>);

impl Findings {
    pub(crate) fn add(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.0.push(Violation { invariant, what: what.into() });
    }

    pub(crate) fn unless(&mut self, holds: bool, invariant: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.add(invariant, what());
        }
    }
}

/// Checks a run. Nothing found means that every invariant held.
pub(crate) fn check(history: &History) -> Vec<Violation> {
    let mut findings = Findings::default();
    let replay = Replay::of(history, &mut findings);
    effects::check(history, &replay, &mut findings);
    cluster::check(history, &replay, &mut findings);
    endings::check(history, &replay, &mut findings);
    lines::check(history, &replay, &mut findings);
    planned::check(history, &replay, &mut findings);
    if !history.has_jumps && history.limits.keeps_counts() {
        replay.rests(history, &mut findings);
    }
    findings.0
}
