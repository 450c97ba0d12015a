//! Effects: one for each marker, each with its intent kept before, each on exactly what the intent named.
//!
//! I3, I4, I5, I6, I9, I11 and I13, from the model's journal against the replayed store.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::{
    Findings, History,
    replay::{Direction2, Intent, Replay, Told},
};
use crate::{
    model::phase::{Phase, StepState},
    ports::acting::Verb,
    testing::model::{Entry, OURSELVES},
};

pub(super) fn check(history: &History, replay: &Replay, findings: &mut Findings) {
    // Taking away once more a pod that is on its way is accepted and changes nothing; a patch that is accepted counts.
    let is_effect = |entry: &&Entry| {
        let takes_away = matches!(entry.verb, Verb::Evict | Verb::Delete);
        entry.actor == OURSELVES && entry.is_effect() && (entry.changed || !takes_away)
    };
    let effects: Vec<&Entry> = history.journal.iter().filter(is_effect).collect();
    let mut by_key: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for effect in &effects {
        by_key.entry(&effect.effect_key).or_default().push(effect);
        one(effect, replay, findings);
    }
    for (key, effects) in &by_key {
        findings.unless(effects.len() <= 1, "I3", || {
            let at: Vec<u64> = effects.iter().map(|effect| effect.order).collect();
            format!("{key} had {} effects, at {at:?}", effects.len())
        });
    }
    superseded(&effects, replay, findings);
    budgets(history, replay, findings);
    for (id, told) in &replay.told {
        steps(id.as_str(), told, &by_key, findings);
    }
    audit(history, replay, findings);
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
        uid.is_some()
            && uid == effect.wants_uid
            && uid == effect.uid
            // A pod is pinned by its uid alone; whatever else happened to it, it is that pod.
            && (version_fits || (effect.verb == Verb::Evict && effect.wants_version.is_none()))
    });
    findings.unless(is_named || effect.verb == Verb::Create, "I4", || {
        format!(
            "{key} changed {} with uid {:?} and version {:?} as demanded, {:?} and {:?} as found; recorded was {}",
            effect.key, effect.wants_uid, effect.wants_version, effect.uid, effect.version, last.attempt.intent
        )
    });
    // I11: nothing while it may not be.
    findings.unless(!last.is_dry, "I11", || format!("{key} is of a dry run and had an effect"));
    findings
        .unless(last.is_approved, "I11", || format!("{key} had an effect without an approval of its plan"));
    // Undoing goes on under `pause`; what was being decided when the switch was thrown has a second.
    let may_be = last.mode == "run" || (last.mode == "pause" && key.ends_with("/undo"));
    findings.unless(may_be || last.at - last.mode_since <= 1_000, "I11", || {
        format!("{key} was intended while the kill switch was at {}", last.mode)
    });
    findings.unless(!effect.key.namespace.starts_with("kube-"), "I11", || format!("{key} acted in kube-*"));
    // I6: the object says whose effect it is.
    let is_forward = !key.ends_with("/undo");
    let is_marked = effect.after.as_ref().is_some_and(|after| after.to_string().contains(key.as_str()));
    let leaves_a_mark = matches!(effect.verb, Verb::MergePatch | Verb::JsonPatch | Verb::Create);
    findings.unless(!is_forward || !leaves_a_mark || is_marked, "I6", || {
        format!("{key} left no marker on {}", effect.key)
    });
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
        // The bucket is of the clock that the intent was dated by, which may be wrong: budgets rest on it.
        let bucket = intent.attempt.intent_at.div_euclid(history.limits.window);
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

/// I6: states of steps say what happened.
fn steps(id: &str, told: &Told, by_key: &BTreeMap<&str, Vec<&Entry>>, findings: &mut Findings) {
    for ((order, direction), step) in &told.steps {
        let effects = by_key.get(step.effect_key.as_str()).map_or(0, Vec::len);
        let place = format!("step {order} ({direction:?}) of {id}");
        match step.state {
            StepState::Applied | StepState::Verified => {
                // The way back may be found gone already: the fields as before, the marker away.
                let may_be_found = *direction == Direction2::Undo || step.action.name() == "await-pool";
                let is_pod = matches!(step.action.name(), "evict-pod" | "delete-pod");
                findings.unless(effects == 1 || may_be_found || is_pod, "I6", || {
                    format!("{place} is {} and had {effects} effects", step.state.as_str())
                });
            }
            StepState::Failed | StepState::Skipped | StepState::Pending => {
                findings.unless(effects == 0, "I6", || {
                    format!("{place} is {} and had {effects} effects", step.state.as_str())
                });
            }
            StepState::Intent => {
                let is_over = told.workflow.as_ref().is_some_and(|w| w.phase.is_terminal());
                findings
                    .unless(!is_over, "I6", || format!("{place} is undecided though the workflow is over"));
            }
            StepState::Indeterminate => {}
        }
    }
    let is_over = told.workflow.as_ref().is_some_and(|w| w.phase.is_terminal());
    for ((order, direction, number), attempt) in &told.attempts {
        findings.unless(!is_over || attempt.outcome.is_some(), "I6", || {
            format!(
                "attempt {number} of step {order} ({direction:?}) of {id} has no outcome though it is over"
            )
        });
    }
}

/// I13: every chain follows, and has a line for each intent, effect and decision.
fn audit(history: &History, replay: &Replay, findings: &mut Findings) {
    for (chain, lines) in &history.chains {
        let mut before = String::new();
        for (place, line) in (1_i64..).zip(lines) {
            let entry = &line.entry;
            let written = serde_json::json!({
                "action": entry.action, "actor": entry.actor, "at": entry.at, "body": entry.body, "chain": chain,
                "object": entry.object, "seq": place, "via": entry.via.as_str(),
            });
            let digest = Sha256::digest(format!("{before}{written}").as_bytes());
            let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            findings.unless(
                line.seq == place && line.prev_hash == before && line.hash == hash,
                "I13",
                || format!("line {place} of {chain} does not follow"),
            );
            before.clone_from(&line.hash);
        }
    }
    for (id, told) in &replay.told {
        let kept: Vec<String> = history
            .chains
            .get(id.as_str())
            .into_iter()
            .flatten()
            .map(|line| line.entry.action.clone())
            .collect();
        findings.unless(kept == told.lines, "I13", || {
            format!("the chain of {id} does not hold the lines that were written, in their order")
        });
        let lines = |word: &str| told.lines.iter().filter(|line| *line == word).count();
        let intents = replay.intents.iter().filter(|intent| intent.workflow == *id).count();
        findings.unless(lines("intent") == intents, "I13", || {
            format!("{intents} intents of {id} and {} lines of them", lines("intent"))
        });
        let moves = told.phases.windows(2).count();
        findings.unless(lines("phase") == moves, "I13", || {
            format!("{moves} phases of {id} and {} lines of them", lines("phase"))
        });
        let is_over =
            told.workflow.as_ref().is_some_and(|w| w.phase != Phase::NeedsOperator && w.phase.is_terminal());
        let decided = lines("approved") + lines("denied");
        let asked = usize::from(told.approved.is_some());
        findings.unless(!is_over || decided >= asked, "I13", || format!("a decision on {id} has no line"));
    }
}
