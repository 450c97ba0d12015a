//! Effects: one for each marker, each with its intent kept before, each on exactly what the intent named.
//!
//! I3, I4, I5, I6, I9 and I11, from the model's journal against the replayed store.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Findings, History, is_over,
    replay::{Direction2, Intent, Replay, Told},
};
use crate::{
    model::{phase::StepState, workflow::Outcome},
    ports::acting::Verb,
    testing::model::{Entry, Key, OURSELVES},
};

pub(super) fn check(history: &History, replay: &Replay, findings: &mut Findings) {
    // Taking away once more a pod that is on its way is accepted and changes nothing; a patch that is accepted counts.
    let is_effect = |entry: &&Entry| {
        let takes_away = matches!(entry.verb, Verb::Evict | Verb::Delete);
        entry.actor == OURSELVES && entry.is_effect() && (entry.changed || !takes_away)
    };
    let effects: Vec<&Entry> = history.journal.iter().filter(is_effect).collect();
    // By marker and object: the record of a release alone writes more than one, each of them once.
    let mut by_object: BTreeMap<(&str, &Key), Vec<u64>> = BTreeMap::new();
    let mut by_key: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for effect in &effects {
        by_object.entry((&effect.effect_key, &effect.key)).or_default().push(effect.order);
        if is_main(effect, replay) {
            by_key.entry(&effect.effect_key).or_default().push(effect);
        }
        one(effect, replay, findings);
    }
    for ((key, object), at) in &by_object {
        findings
            .unless(at.len() <= 1, "I3", || format!("{key} had {} effects on {object}, at {at:?}", at.len()));
    }
    replay.intents.iter().for_each(|intent| stopped(intent, findings));
    superseded(&effects, replay, findings);
    if history.limits.keeps_counts() {
        budgets(history, replay, findings);
        windows(history, &effects, findings);
    }
    for (id, told) in &replay.told {
        steps(id.as_str(), (told, &history.alive), &by_key, findings);
    }
}

/// Whether an effect is on the object that its step is about; only the record of a Helm release has others: the revisions
/// that are superseded.
fn is_main(effect: &Entry, replay: &Replay) -> bool {
    let intent = replay.intents.iter().find(|intent| intent.key == effect.effect_key);
    let is_revision = effect.key.kind == "Secret" && effect.key.name.starts_with("sh.helm.release.v1.");
    intent.is_none_or(|intent| intent.target == effect.key || !is_revision)
}

/// The intents of an effect's marker that were kept before it.
fn intents<'r>(effect: &Entry, replay: &'r Replay) -> Vec<&'r Intent> {
    replay
        .intents
        .iter()
        .filter(|intent| intent.key == effect.effect_key && intent.order < effect.order)
        .collect()
}

fn one(effect: &Entry, replay: &Replay, findings: &mut Findings) {
    let key = &effect.effect_key;
    let intents = intents(effect, replay);
    let Some(last) = intents.last() else {
        findings.add("I3", format!("{key} had an effect on {} without a kept intent", effect.key));
        return;
    };
    // I4: exactly what one of its intents named, and what was there.
    let is_named = intents.iter().any(|intent| {
        let uid = intent.member("uid", "uid");
        let version = intent.member("resourceVersion", "resource_version");
        let version_fits = version == effect.wants_version && version == effect.version;
        uid.is_some() && uid == effect.wants_uid && uid == effect.uid && version_fits
    });
    // What is superseded is pinned by what was read of it just before, which no intent names.
    let is_pinned = effect.wants_uid.is_some()
        && effect.wants_uid == effect.uid
        && effect.wants_version.is_some()
        && effect.wants_version == effect.version;
    let is_main = is_main(effect, replay);
    findings.unless(is_named || effect.verb == Verb::Create || (!is_main && is_pinned), "I4", || {
        format!(
            "{key} changed {} with uid {:?} and version {:?} as demanded, {:?} and {:?} as found; recorded was {}",
            effect.key, effect.wants_uid, effect.wants_version, effect.uid, effect.version, last.attempt.intent
        )
    });
    // I11: nothing while it may not be.
    findings.unless(!last.is_dry, "I11", || format!("{key} is of a dry run and had an effect"));
    findings
        .unless(last.is_approved, "I11", || format!("{key} had an effect without an approval of its plan"));
    findings.unless(!effect.key.namespace.starts_with("kube-"), "I11", || format!("{key} acted in kube-*"));
    // I6: the object says whose effect it is.
    let is_forward = !key.ends_with("/undo");
    let is_marked = effect.after.as_ref().is_some_and(|after| after.to_string().contains(key.as_str()));
    let leaves_a_mark = matches!(effect.verb, Verb::MergePatch | Verb::JsonPatch | Verb::Create);
    findings.unless(!is_forward || !leaves_a_mark || is_marked || !is_main, "I6", || {
        format!("{key} left no marker on {}", effect.key)
    });
}

/// I11: nothing is begun while it may not be. Undoing goes on under `pause`.
fn stopped(intent: &Intent, findings: &mut Findings) {
    let Intent { key, mode, .. } = intent;
    let may_be = mode == "run" || (mode == "pause" && key.ends_with("/undo"));
    findings.unless(may_be, "I11", || format!("{key} was intended while the kill switch was at {mode}"));
    let is_open = intent.breaker == "open";
    findings.unless(!is_open, "I11", || format!("{key} was intended while the breaker was open"));
}

/// I5: nothing of an older epoch has an effect after the first intent of a newer one, unless the newer owner had seen that
/// it could still come: then the effect is the only one of its marker, which I3 counts.
fn superseded(effects: &[&Entry], replay: &Replay, findings: &mut Findings) {
    for effect in effects {
        let same: Vec<&Intent> = replay.intents.iter().filter(|i| i.key == effect.effect_key).collect();
        let sent = same.iter().rev().find(|intent| {
            intent.order < effect.order
                && intent.member("resourceVersion", "resource_version") == effect.wants_version
        });
        let Some(sent) = sent else { continue };
        let newer = replay.intents.iter().find(|intent| {
            intent.workflow == sent.workflow
                && intent.key != effect.effect_key
                && intent.attempt.epoch > sent.attempt.epoch
                && intent.order < effect.order
        });
        if let Some(newer) = newer {
            findings.add(
                "I5",
                format!(
                    "{} of epoch {} had its effect after {} was intended under epoch {}",
                    effect.effect_key, sent.attempt.epoch, newer.key, newer.attempt.epoch
                ),
            );
        }
    }
}

/// I9: no bucket of the budget holds more than it may.
fn budgets(history: &History, replay: &Replay, findings: &mut Findings) {
    // However often a step is tried, it has one effect at most.
    let mut buckets: BTreeMap<(i64, &str), BTreeSet<&str>> = BTreeMap::new();
    for intent in &replay.intents {
        // Buckets are of the store's time as it was read just before: no longer ago than a lease lasts.
        let read = intent.attempt.intent.get("storeTime").and_then(serde_json::Value::as_i64);
        let read = read.unwrap_or_default();
        findings.unless((0..=history.limits.lease).contains(&(intent.at - read)), "I9", || {
            format!("{} was counted at {read} and intended at {}", intent.key, intent.at)
        });
        let bucket = read.div_euclid(history.limits.window);
        buckets.entry((bucket, "")).or_default().insert(&intent.key);
        if !intent.namespace.is_empty() {
            buckets.entry((bucket, &intent.namespace)).or_default().insert(&intent.key);
        }
    }
    for ((bucket, namespace), keys) in buckets {
        let count = keys.len();
        let most = if namespace.is_empty() {
            history.limits.mutations_per_cluster
        } else {
            history.limits.mutations_per_namespace
        };
        findings.unless(count <= most, "I9", || {
            format!("{count} mutations in bucket {bucket} of {namespace:?}, where {most} may be")
        });
    }
}

/// I9, from the journal alone: two buckets lie in any window of a bucket's length, so no window holds more than both may.
fn windows(history: &History, effects: &[&Entry], findings: &mut Findings) {
    let limits = &history.limits;
    for first in effects {
        let from = first.at.as_millisecond();
        let within = |e: &&&Entry| (from..from + limits.window).contains(&e.at.as_millisecond());
        let keys = |of: &dyn Fn(&Entry) -> bool| {
            let keys: BTreeSet<&str> =
                effects.iter().filter(within).filter(|e| of(e)).map(|e| e.effect_key.as_str()).collect();
            keys.len()
        };
        let (all, near) = (keys(&|_| true), keys(&|e| e.key.namespace == first.key.namespace));
        findings.unless(all <= 2 * limits.mutations_per_cluster, "I9", || {
            format!("{all} effects within a window from {from}")
        });
        let is_near = first.key.namespace.is_empty() || near <= 2 * limits.mutations_per_namespace;
        findings.unless(is_near, "I9", || {
            format!("{near} effects in {} within a window from {from}", first.key.namespace)
        });
    }
}

/// I6: states of steps say what happened.
fn steps(
    id: &str,
    (told, alive): (&Told, &BTreeSet<String>),
    by_key: &BTreeMap<&str, Vec<&Entry>>,
    findings: &mut Findings,
) {
    for ((order, direction), step) in &told.steps {
        let effects = by_key.get(step.effect_key.as_str()).map_or(0, Vec::len);
        let place = format!("step {order} ({direction:?}) of {id}");
        match step.state {
            StepState::Applied | StepState::Verified => {
                // The way back may be found gone already: the fields as before, the marker away.
                let may_be_found = *direction == Direction2::Undo || step.action.name() == "await-pool";
                let is_pod = matches!(step.action.name(), "evict-pod" | "delete-pod");
                // As it should be, by a request whose answer was lost or by somebody else: then it does not say by whom.
                let is_open = told.is_untold((*order, *direction));
                findings.unless(effects == 1 || may_be_found || is_pod || is_open, "I6", || {
                    format!("{place} is {} and had {effects} effects", step.state.as_str())
                });
            }
            StepState::Failed | StepState::Skipped | StepState::Pending => {
                // Somebody took the object away, and with it what a request of which nobody knew did to it: then no attempt
                // may be said to have had no effect.
                let is_gone = by_key.get(step.effect_key.as_str()).into_iter().flatten().all(|effect| {
                    let is_patch = matches!(effect.verb, Verb::MergePatch | Verb::JsonPatch);
                    is_patch && effect.uid.as_ref().is_some_and(|uid| !alive.contains(uid))
                });
                let mut of_step = told.attempts.iter().filter(|((o, d, _), _)| (o, d) == (order, direction));
                let is_open = of_step.any(|(_, attempt)| attempt.outcome == Some(Outcome::Indeterminate));
                let is_moot = step.state == StepState::Failed && is_gone && is_open;
                findings.unless(effects == 0 || is_moot, "I6", || {
                    format!("{place} is {} and had {effects} effects", step.state.as_str())
                });
            }
            StepState::Intent => {
                let is_over = told.workflow.as_ref().is_some_and(|w| is_over(w.phase));
                findings
                    .unless(!is_over, "I6", || format!("{place} is undecided though the workflow is over"));
            }
            StepState::Indeterminate => {}
        }
    }
    let is_over = told.workflow.as_ref().is_some_and(|w| is_over(w.phase));
    for ((order, direction, number), attempt) in &told.attempts {
        findings.unless(!is_over || attempt.outcome.is_some(), "I6", || {
            format!(
                "attempt {number} of step {order} ({direction:?}) of {id} has no outcome though it is over"
            )
        });
    }
}
