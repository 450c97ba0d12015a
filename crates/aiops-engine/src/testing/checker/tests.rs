//! Each check can fail: a history in which every invariant holds is spoilt in one place, and the check of that place says so.
//!
//! The seeded defects spoil the engine; here the checker is asked alone, so that a check which no defect reaches is tried too.

use serde_json::json;

use super::{Findings, History, check};
use crate::{
    model::{
        ids::WorkflowId,
        phase::{Phase, StepState},
        workflow::ApprovalState,
    },
    ports::store::Write,
    testing::{
        model::{Entry, OURSELVES, json::put},
        sim::{
            notes::{Note, What},
            random_history,
            store::CANARY,
        },
    },
};

/// Spoils a history; false when there is nothing in it that this could spoil.
type Spoil = fn(&mut History) -> bool;

fn ours(history: &mut History) -> Option<&mut Entry> {
    history.journal.iter_mut().find(|entry| entry.actor == OURSELVES && entry.is_effect() && entry.changed)
}

fn patched(history: &mut History) -> Option<&mut Entry> {
    let is_patch = |entry: &&mut Entry| {
        entry.actor == OURSELVES
            && entry.is_effect()
            && entry.changed
            && entry.effect_key.ends_with("/do")
            && matches!(entry.key.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
    };
    history.journal.iter_mut().find(is_patch)
}

/// Changes the first write for which `change` says that it did.
fn write(history: &mut History, change: impl Fn(&mut Write) -> bool) -> bool {
    history.notes.iter_mut().any(|note| match &mut note.what {
        What::Committed { writes, .. } => writes.iter_mut().any(&change),
        _ => false,
    })
}

/// The scenes of workflows that came to this end.
fn scene(history: &mut History, end: Phase, spoil: impl Fn(&mut serde_json::Value, &str)) -> bool {
    let mut did = false;
    for note in &mut history.notes {
        let What::Committed { writes, scenes, .. } = &mut note.what else { continue };
        if !writes.iter().any(|write| matches!(write, Write::Workflow(w) if w.phase == end)) {
            continue;
        }
        for scene in scenes {
            for (key, object) in std::sync::Arc::make_mut(scene) {
                spoil(std::sync::Arc::make_mut(object), &key.kind);
            }
            did = true;
        }
    }
    did
}

fn acknowledged(history: &History) -> Option<WorkflowId> {
    history.notes.iter().find_map(|note| match &note.what {
        What::Acknowledged { workflow, .. } => Some(workflow.clone()),
        _ => None,
    })
}

const SPOILT: [(&str, &str, Spoil); 33] = [
    ("I1", "an acknowledged workflow is not kept", |h| {
        let Some(id) = acknowledged(h) else { return false };
        h.records.retain(|record| record.workflow.id != id);
        true
    }),
    ("I1", "a workflow that nobody triggered", |h| {
        let before = h.notes.len();
        h.notes.retain(|note| !matches!(note.what, What::Accepted { .. }));
        h.notes.len() < before
    }),
    ("I1", "a reported incident is not kept", |h| {
        let is_reported =
            h.notes.iter().any(|n| matches!(&n.what, What::Reported { done, .. } if !done.is_empty()));
        h.incidents.clear();
        is_reported
    }),
    ("I1", "alerts that were acknowledged without a report", |h| {
        let what = What::Heard { alerts: 1_000 };
        h.notes.push(Note { order: u64::MAX, at: h.ended_at, actor: "door".to_owned(), what });
        true
    }),
    ("I2", "a workflow that goes on for ever", |h| {
        h.records.iter_mut().take(1).for_each(|record| record.workflow.phase = Phase::Running);
        !h.records.is_empty()
    }),
    ("I2", "an end after a week", |h| {
        h.ended_at += 7 * 86_400_000;
        true
    }),
    ("I17", "something is due and not taken up", |h| {
        h.records.iter_mut().take(1).for_each(|record| {
            record.workflow.phase = Phase::Queued;
            record.workflow.wake_at = 0;
        });
        !h.records.is_empty()
    }),
    ("I3", "an effect twice", |h| {
        let Some(mut again) = ours(h).cloned() else { return false };
        again.order += 1;
        h.journal.push(again);
        true
    }),
    ("I3", "an effect without an intent", |h| {
        write(h, |write| match write {
            Write::Attempt(_) => {
                *write = Write::Release;
                true
            }
            _ => false,
        }) && {
            for note in &mut h.notes {
                if let What::Committed { writes, .. } = &mut note.what {
                    writes.retain(|write| !matches!(write, Write::Attempt(_)));
                }
            }
            ours(h).is_some()
        }
    }),
    ("I4", "another version than was recorded", |h| {
        patched(h).is_some_and(|entry| entry.wants_version.replace("1".to_owned()).is_some())
    }),
    ("I4", "no uid demanded", |h| patched(h).is_some_and(|entry| entry.wants_uid.take().is_some())),
    ("I5", "a commit under an older epoch", |h| {
        h.notes.iter_mut().any(|note| match &mut note.what {
            What::Committed { fence: Some(fence), .. } => {
                fence.epoch -= 1;
                true
            }
            _ => false,
        })
    }),
    ("I5", "a request by one who holds nothing", |h| {
        h.notes.iter_mut().any(|note| {
            let is_sent = matches!(note.what, What::Sent { .. });
            if is_sent {
                note.actor = "executor-9#9".to_owned();
            }
            is_sent
        })
    }),
    ("I5", "a request at the end of a lease", |h| {
        h.limits.lease_left = 60_000;
        h.notes.iter().any(|note| matches!(note.what, What::Sent { .. }))
    }),
    ("I6", "an effect that did not happen", |h| {
        let Some(key) = patched(h).map(|entry| entry.effect_key.clone()) else { return false };
        h.journal.retain(|entry| entry.effect_key != key);
        true
    }),
    ("I6", "an effect without a marker", |h| patched(h).is_some_and(|entry| entry.after.take().is_some())),
    ("I7", "completed while no pod is ready", |h| {
        scene(h, Phase::Completed, |object, kind| {
            if kind == "Pod" {
                put(object, "/status/conditions", json!([]));
            }
        })
    }),
    ("I7", "rolled back to something else", |h| {
        scene(h, Phase::RolledBack, |object, kind| {
            if kind == "Node" {
                put(object, "/spec/unschedulable", "both");
            } else if kind != "Pod" {
                put(object, "/spec/replicas", 77);
            }
        })
    }),
    ("I8", "a lock that nobody gave back", |h| {
        let over = h.records.iter().find(|record| super::is_over(record.workflow.phase));
        let Some(id) = over.map(|record| record.workflow.id.clone()) else { return false };
        h.locks.push(("anything".to_owned(), id));
        true
    }),
    ("I8", "a place that nobody gave back", |h| {
        let Some(id) = h.records.first().map(|record| record.workflow.id.clone()) else { return false };
        h.slots.push(("cluster".to_owned(), 0, id));
        true
    }),
    ("I8", "two open incidents of one trouble", |h| {
        let Some(mut incident) = h.incidents.first().cloned() else { return false };
        incident.status = crate::model::incident::IncidentStatus::Active;
        h.incidents.extend([incident.clone(), incident]);
        true
    }),
    ("I9", "more workflows at once than may", |h| {
        h.limits.workflows_per_cluster = 0;
        ours(h).is_some()
    }),
    ("I9", "a budget that was exceeded", |h| {
        h.limits.mutations_per_cluster = 0;
        ours(h).is_some()
    }),
    ("I9", "a trouble that did not rest", |h| {
        // Every workflow is about the same, and that rests for a week.
        let target = crate::model::target::Target::known("Node", "", "any");
        h.limits.rest_after_success = 7 * 86_400_000;
        h.limits.rest_after_failure = 7 * 86_400_000;
        write(h, |write| {
            if let Write::Workflow(workflow) = write {
                workflow.problem.target = target.clone();
                workflow.problem.issue = "any".to_owned();
            }
            false
        });
        !h.has_jumps && h.records.len() > 1
    }),
    ("I9", "more attempts than may", |h| {
        h.limits.attempts = 0;
        ours(h).is_some()
    }),
    ("I10", "a disruption below the minimum", |h| {
        h.journal.iter_mut().any(|entry| {
            let is_evicted = entry.actor == OURSELVES
                && entry.is_effect()
                && entry.changed
                && entry.before.as_ref().is_some_and(|pod| crate::testing::model::json::is_ready(pod))
                && !entry.budgets.is_empty();
            if is_evicted {
                entry.budgets[0].1 = 0;
            }
            is_evicted
        })
    }),
    ("I11", "an intent under the kill switch", |h| {
        let begins = h.notes.first().map_or(0, |note| note.at) - 60_000;
        let control = crate::ports::store::Control {
            name: "kill_switch".to_owned(),
            mode: "stop".to_owned(),
            reason: None,
            set_by: "ann".to_owned(),
            at: begins,
        };
        let note =
            Note { order: 0, at: begins, actor: "door".to_owned(), what: What::Controlled { control } };
        h.notes.retain(|note| !matches!(note.what, What::Controlled { .. }));
        h.notes.insert(0, note);
        ours(h).is_some_and(|entry| entry.effect_key.ends_with("/do"))
    }),
    ("I11", "an approval of another plan", |h| {
        let did = write(h, |write| match write {
            Write::Approval(approval) if approval.state == ApprovalState::Approved => {
                approval.digest = "another".to_owned();
                true
            }
            _ => false,
        });
        did && ours(h).is_some()
    }),
    ("I12", "a version twice", |h| {
        write(h, |write| match write {
            Write::Workflow(workflow) if workflow.version > 1 => {
                workflow.version = 0;
                true
            }
            _ => false,
        })
    }),
    ("I12", "a step that goes backwards", |h| {
        write(h, |write| match write {
            Write::Step(step) if step.state == StepState::Verified => {
                step.state = StepState::Pending;
                true
            }
            _ => false,
        })
    }),
    ("I13", "a line of a chain that says something else", |h| {
        let line = h.chains.values_mut().flatten().next();
        line.is_some_and(|line| {
            line.entry.body = json!({ "another": true });
            true
        })
    }),
    ("I21", "an effect on what somebody changed since the plan was made", |h| {
        let is_scale = |entry: &&mut Entry| {
            let replicas = |object: &Option<std::sync::Arc<serde_json::Value>>| {
                object.as_ref().and_then(|object| object.pointer("/spec/replicas").cloned())
            };
            entry.effect_key.ends_with("/0/do") && replicas(&entry.before) != replicas(&entry.after)
        };
        let Some(effect) = h.journal.iter_mut().filter(|entry| entry.actor == OURSELVES).find(is_scale)
        else {
            return false;
        };
        let mut others = effect.clone();
        let changed = effect.before.as_mut().map(std::sync::Arc::make_mut);
        changed.into_iter().for_each(|object| put(object, "/spec/replicas", 77));
        others.actor = "kubectl".to_owned();
        others.after.clone_from(&effect.before);
        let (before, version) = (effect.order - 1, effect.version.clone());
        (others.order, others.version) = (before, version);
        let place = h.journal.iter().position(|entry| entry.order > before).unwrap_or_default();
        h.journal.insert(place, others);
        true
    }),
    ("I15", "a secret in a chain", |h| {
        let line = h.chains.values_mut().flatten().next();
        line.is_some_and(|line| {
            line.entry.body = json!({ "value": CANARY });
            true
        })
    }),
];

#[test]
fn each_check_sees_a_history_that_is_spoilt_in_its_place() {
    let mut histories: Vec<History> = Vec::new();
    for (invariant, what, spoil) in SPOILT {
        let mut tried = 0;
        let seen = (0..60).find(|&seed| {
            if histories.len() <= seed {
                histories.push(random_history(u64::try_from(seed).unwrap()));
            }
            let mut history = histories[seed].clone();
            if !spoil(&mut history) {
                return false;
            }
            tried += 1;
            let found = check(&history);
            found.iter().any(|violation| violation.invariant == invariant)
        });
        assert!(seen.is_some(), "{invariant} does not see {what}, in {tried} histories");
    }
}

#[test]
fn a_key_that_was_answered_with_two_workflows_is_seen() {
    let mut history = random_history(0);
    let mut ids = history.records.iter().map(|record| record.workflow.id.clone()).collect::<Vec<_>>();
    ids.push(WorkflowId::of("another"));
    for workflow in ids.into_iter().rev().take(2) {
        let what = What::Acknowledged { workflow, key: Some("ann/key".to_owned()) };
        history.notes.push(Note { order: u64::MAX, at: history.ended_at, actor: "door".to_owned(), what });
    }
    assert!(check(&history).iter().any(|violation| violation.invariant == "I14"));
    history.records.iter_mut().for_each(|record| record.workflow.version += 1);
    assert!(check(&history).iter().any(|violation| violation.invariant == "I20"));
    assert!(Findings::default().0.is_empty());
}
