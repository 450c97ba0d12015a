//! The audit chains: each follows from line to line, and holds a line for each intent, effect, decision and change of phase.
//!
//! I13. The hash is computed here anew.

use sha2::{Digest as _, Sha256};

use super::{Findings, History, is_over, replay::Replay};
use crate::model::phase::StepState;

/// I13: every chain follows, and has a line for each intent, effect and decision.
pub(super) fn check(history: &History, replay: &Replay, findings: &mut Findings) {
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
        let kept = history.chains.get(id.as_str()).into_iter().flatten().map(|line| &line.entry);
        findings.unless(kept.eq(&told.lines), "I13", || {
            format!("the chain of {id} does not hold the lines that were written, in their order")
        });
        let lines = |word: &str| told.lines.iter().filter(|line| line.action == word).count();
        let intents = replay.intents.iter().filter(|intent| intent.workflow == *id).count();
        findings.unless(lines("intent") == intents, "I13", || {
            format!("{intents} intents of {id} and {} lines of them", lines("intent"))
        });
        let had = told.steps.iter().filter(|(at, s)| {
            matches!(s.state, StepState::Applied | StepState::Verified) && !told.is_untold(**at)
        });
        let had = had.count();
        findings.unless(lines("effect") == had, "I13", || {
            format!("{had} steps of {id} had their effect, and {} lines say so", lines("effect"))
        });
        let moves = told.phases.windows(2).count();
        findings.unless(lines("phase") == moves, "I13", || {
            format!("{moves} phases of {id} and {} lines of them", lines("phase"))
        });
        let is_over = told.workflow.as_ref().is_some_and(|w| is_over(w.phase));
        let decided = lines("approved") + lines("denied");
        let asked = usize::from(told.approved.is_some());
        findings.unless(!is_over || decided >= asked, "I13", || format!("a decision on {id} has no line"));
    }
}
