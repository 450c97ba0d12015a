//! Where faults struck: the phase of the workflow, the action at its cursor and the direction; and the floors below which a
//! part of the proof fails although nothing was found.
//!
//! It reads the store behind the faults, so counting changes no run.

use std::collections::{BTreeMap, BTreeSet};

use super::faults::{Call, Fate, Met};
use crate::{
    model::{ids::WorkflowId, phase::Direction},
    testing::memory_store::MemoryStore,
};

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) phase: &'static str,
    pub(crate) action: &'static str,
}

impl Place {
    /// A call about no workflow that is known.
    pub(crate) const NOWHERE: Self = Self { phase: "-", action: "-" };

    pub(crate) fn of(store: &MemoryStore, id: &WorkflowId) -> Self {
        store
            .peek(id, |workflow, steps| {
                let step = steps.iter().find(|step| step.order == workflow.cursor);
                let step = step.map(|step| step.action.name());
                let ordered = || workflow.order.action.as_ref().map(crate::model::action::Action::name);
                Self { phase: workflow.phase.as_str(), action: step.or_else(ordered).unwrap_or("-") }
            })
            .unwrap_or(Self::NOWHERE)
    }

    /// It is being undone.
    pub(crate) fn is_undo(self) -> bool {
        self.phase == "rolling_back"
    }
}

/// The direction as a word.
pub(crate) const fn way(is_undo: bool) -> Direction {
    if is_undo { Direction::Undo } else { Direction::Do }
}

/// Adds what one run met to what all did.
pub(crate) fn add(all: &mut Met, met: Met) {
    for (key, count) in met {
        *all.entry(key).or_default() += count;
    }
}

/// A table: a row for each call, a column for each fate.
pub(crate) fn table(met: &Met) -> Vec<String> {
    let mut by: BTreeMap<Call, BTreeMap<Fate, u64>> = BTreeMap::new();
    for ((call, fate, _), count) in met {
        *by.entry(*call).or_default().entry(*fate).or_default() += count;
    }
    by.iter()
        .map(|(call, fates)| {
            let fates: Vec<String> = fates.iter().map(|(fate, count)| format!("{fate:?} {count}")).collect();
            format!("{call:?}: {}", fates.join(", "))
        })
        .collect()
}

/// By phase and call.
pub(crate) fn phases(met: &Met) -> Vec<String> {
    let mut by: BTreeMap<&str, BTreeMap<Call, u64>> = BTreeMap::new();
    for ((call, _, place), count) in met {
        *by.entry(place.phase).or_default().entry(*call).or_default() += count;
    }
    by.iter()
        .map(|(phase, calls)| {
            let calls: Vec<String> = calls.iter().map(|(call, count)| format!("{call:?} {count}")).collect();
            format!("{phase}: {}", calls.join(", "))
        })
        .collect()
}

/// How many faults struck between the commit of an intent and that of its outcome, of how many.
pub(crate) fn between(met: &Met) -> (u64, u64) {
    let (mut between, mut all) = (0, 0);
    for ((call, fate, _), count) in met {
        all += count;
        let is_between = match call {
            Call::Send => true,
            Call::Intend => matches!(fate, Fate::CrashAfter | Fate::Lost),
            Call::Learn => *fate != Fate::CrashAfter,
            _ => false,
        };
        between += if is_between { *count } else { 0 };
    }
    (between, all)
}

/// What was not met of: each of these fates at each of these calls, of each of these actions, in this direction.
pub(crate) fn missing(
    met: &Met,
    calls: &[Call],
    actions: &BTreeSet<&'static str>,
    is_undo: bool,
) -> Vec<String> {
    let mut missing = Vec::new();
    for action in actions {
        for call in calls {
            for fate in call.fates() {
                let is_met = met.keys().any(|(met_call, met_fate, place)| {
                    met_call == call
                        && met_fate == fate
                        && place.action == *action
                        && place.is_undo() == is_undo
                });
                if !is_met {
                    missing.push(format!("{fate:?} at {call:?} of {action} ({})", way(is_undo).as_str()));
                }
            }
        }
    }
    missing
}

/// What was not met of: each fate at each of these calls, anywhere.
pub(crate) fn unmet(met: &Met, calls: &[Call]) -> Vec<String> {
    let of = |call: &Call| call.fates().iter().map(move |fate| (*call, *fate)).collect::<Vec<_>>();
    let all = calls.iter().flat_map(of);
    let is_unmet = |(call, fate): &(Call, Fate)| !met.keys().any(|(c, f, _)| c == call && f == fate);
    all.filter(is_unmet).map(|(call, fate)| format!("{fate:?} at {call:?}")).collect()
}
