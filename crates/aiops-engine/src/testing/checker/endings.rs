//! Triggers and ends: everything that was acknowledged is kept and comes to an end, and nothing else is there.
//!
//! I1, I2, I8, I14, I15 and I17.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Findings, History,
    replay::{Replay, shown},
};
use crate::{
    model::{ids::WorkflowId, phase::Phase},
    ports::store::Taken,
    testing::sim::{notes::What, store::CANARY},
};

pub(super) fn check(history: &History, replay: &Replay, findings: &mut Findings) {
    let kept: BTreeMap<&WorkflowId, Phase> =
        history.records.iter().map(|record| (&record.workflow.id, record.workflow.phase)).collect();
    triggers(history, &kept, findings);
    for record in &history.records {
        let workflow = &record.workflow;
        let (id, phase) = (&workflow.id, workflow.phase);
        let is_over = phase.is_terminal() || phase == Phase::NeedsOperator;
        findings.unless(is_over, "I2", || {
            format!(
                "{id} is {phase} {} s after the last fault, due in {} s: {:?}",
                (history.ended_at - history.calm_since) / 1_000,
                (workflow.wake_at - history.ended_at) / 1_000,
                workflow.reason
            )
        });
        findings.unless(is_over || workflow.wake_at > history.ended_at, "I17", || {
            format!("{id} is due and nobody took it up")
        });
        let told = replay.told.get(id).and_then(|told| told.workflow.as_ref());
        findings.unless(
            told.is_some_and(|told| told.phase == phase && told.version == workflow.version),
            "I20",
            || format!("{id} is kept as {phase}, and the writes tell {:?}", told.map(|told| told.phase)),
        );
    }
    // I8, at rest.
    for (key, holder) in &history.locks {
        let phase = kept.get(holder);
        findings.unless(phase.is_some_and(|phase| !phase.is_terminal()), "I8", || {
            format!("{holder}, which is over, holds the lock of {key}")
        });
    }
    for (scope, _, holder) in &history.slots {
        findings.add("I8", format!("{holder} holds a place in {scope} at the end"));
    }
    secrets(history, findings);
}

fn triggers(history: &History, kept: &BTreeMap<&WorkflowId, Phase>, findings: &mut Findings) {
    let mut accepted = BTreeSet::new();
    let mut by_key: BTreeMap<&str, &WorkflowId> = BTreeMap::new();
    for note in &history.notes {
        match &note.what {
            What::Accepted { acceptance, taken: Taken::New { .. } } => {
                accepted.insert(&acceptance.workflow.id);
            }
            What::Acknowledged { workflow, key } => {
                findings.unless(kept.contains_key(workflow), "I1", || {
                    format!("{workflow} was acknowledged and is not kept")
                });
                if let Some(key) = key {
                    let first = by_key.entry(key).or_insert(workflow);
                    findings.unless(*first == workflow, "I14", || {
                        format!("the key {key} was answered with {first} and with {workflow}")
                    });
                }
            }
            _ => {}
        }
    }
    for id in kept.keys() {
        findings.unless(accepted.contains(id), "I1", || format!("{id} is kept and nobody triggered it"));
    }
}

/// I15: what a Secret or an environment holds is nowhere.
fn secrets(history: &History, findings: &mut Findings) {
    for record in &history.records {
        findings.unless(!format!("{record:?}").contains(CANARY), "I15", || {
            format!("the record of {} holds a secret", record.workflow.id)
        });
    }
    for (chain, lines) in &history.chains {
        let holds = lines.iter().any(|line| shown(&line.entry.body).contains(CANARY));
        findings.unless(!holds, "I15", || format!("the audit chain {chain} holds a secret"));
    }
}
