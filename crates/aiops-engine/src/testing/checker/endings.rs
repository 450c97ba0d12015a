//! Triggers and ends: everything that was acknowledged is kept and comes to an end, and nothing else is there.
//!
//! I1, I2, I8, I14, I15 and I17.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Findings, History, is_over,
    replay::{Replay, shown},
};
use crate::{
    model::{Millis, ids::WorkflowId, incident::IncidentStatus, phase::Phase},
    ports::store::Taken,
    testing::sim::{notes::What, store::CANARY},
};

/// When faults have stopped, everything is over after this long at most: approvals wait for an hour, workflows for half an
/// hour, their way back and full budgets for some more, and clocks were wrong by an hour.
const LONGEST: i64 = 6 * 3_600_000;

pub(super) fn check(history: &History, replay: &Replay, findings: &mut Findings) {
    let kept: BTreeMap<&WorkflowId, Phase> =
        history.records.iter().map(|record| (&record.workflow.id, record.workflow.phase)).collect();
    triggers(history, replay, &kept, findings);
    incidents(history, findings);
    let lasted = history.ended_at - history.calm_since;
    findings.unless(lasted <= LONGEST, "I2", || {
        format!("{} s after the last fault something still went on", lasted / 1_000)
    });
    for record in &history.records {
        let workflow = &record.workflow;
        let (id, phase) = (&workflow.id, workflow.phase);
        let is_over = is_over(phase) || phase == Phase::NeedsOperator;
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
        findings.unless(phase.is_some_and(|phase| !is_over(*phase)), "I8", || {
            format!("{holder}, which is over, holds the lock of {key}")
        });
    }
    for (scope, _, holder) in &history.slots {
        findings.add("I8", format!("{holder} holds a place in {scope} at the end"));
    }
    secrets(history, findings);
}

fn triggers(
    history: &History,
    replay: &Replay,
    kept: &BTreeMap<&WorkflowId, Phase>,
    findings: &mut Findings,
) {
    let mut accepted = BTreeSet::new();
    let mut by_key: BTreeMap<&str, &WorkflowId> = BTreeMap::new();
    for note in &history.notes {
        match &note.what {
            What::Accepted { acceptance, taken: Taken::New { .. } } => {
                accepted.insert(&acceptance.workflow.id);
            }
            What::Acknowledged { workflow, key } => {
                // An end is dated when it is decided, and kept within a lease.
                let is_old = |id: &WorkflowId, at: Millis| {
                    let ended = replay.told.get(id).and_then(|told| told.ended_at);
                    let old = history.limits.retention - history.limits.lease;
                    ended.is_some_and(|ended| at - ended >= old) && history.chains.contains_key(id.as_str())
                };
                findings.unless(
                    kept.contains_key(workflow) || is_old(workflow, history.ended_at),
                    "I1",
                    || format!("{workflow} was acknowledged and is not kept"),
                );
                if let Some(key) = key {
                    let first = by_key.entry(key).or_insert(workflow);
                    // A key is kept as long as its workflow.
                    let is_forgotten = is_old(first, note.at) && !kept.contains_key(first);
                    findings.unless(*first == workflow || is_forgotten, "I14", || {
                        format!("the key {key} was answered with {first} and with {workflow}")
                    });
                    *first = workflow;
                }
            }
            _ => {}
        }
    }
    for id in kept.keys() {
        findings.unless(accepted.contains(id), "I1", || format!("{id} is kept and nobody triggered it"));
    }
}

/// I1 and I8 of incidents: what was reported is kept until it is old, one is open for each fingerprint, and none says
/// that somebody is at work on it when nobody is.
fn incidents(history: &History, findings: &mut Findings) {
    let kept: BTreeSet<_> = history.incidents.iter().map(|incident| &incident.id).collect();
    let mut reported = 0_u64;
    for note in &history.notes {
        match &note.what {
            What::Reported { reports, done } => {
                for (report, done) in reports.iter().zip(done) {
                    reported += u64::try_from(report.incident.occurrences).unwrap_or_default();
                    let is_old = history.ended_at - note.at >= history.limits.retention;
                    findings.unless(kept.contains(&done.id) || is_old, "I1", || {
                        format!("incident {} was reported and is not kept", done.id)
                    });
                }
            }
            What::Heard { alerts } => {
                findings.unless(*alerts <= reported, "I1", || {
                    format!("{alerts} alerts were acknowledged, and {reported} had been reported")
                });
            }
            _ => {}
        }
    }
    let mut open = BTreeSet::new();
    for incident in &history.incidents {
        let is_closed = matches!(
            incident.status,
            IncidentStatus::Resolved | IncidentStatus::Remediated | IncidentStatus::Cancelled
        );
        let trouble = (&incident.cluster, incident.target.key(), &incident.issue);
        findings.unless(is_closed || open.insert(trouble), "I8", || {
            format!(
                "{} is one of two open incidents of {} on {}",
                incident.id, incident.issue, incident.target
            )
        });
        findings.unless(incident.status != IncidentStatus::Remediating, "I8", || {
            format!("{} is being remediated, and no workflow acts any more", incident.id)
        });
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
