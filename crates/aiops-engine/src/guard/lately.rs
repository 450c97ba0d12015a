//! Rules about what happened lately: an upgrade that runs, the same trouble a moment ago, too many failures.
//!
//! A person's order passes them, with an approval where a machine would be refused; only the rest after the same trouble
//! holds everybody. An upgrade and failures may begin between two steps: there, what a machine began waits, and during an
//! upgrade also what nobody agreed to.

use super::{Question, rules::Finding};
use crate::{
    model::{action::Action, phase::Phase, plan::Approval, wire_time},
    settings::{Settings, limits::millis},
};

use Finding::{Passes, Raises, Refuses};

/// An upgrade replaces nodes and pods on its own: what looks like a fault often is the upgrade.
pub(super) fn upgrade(question: &Question<'_>) -> Finding {
    let only_waits = |action: &&Action| matches!(action, Action::AwaitPool { .. });
    match &question.figures.upgrading {
        None => Passes("no upgrade is seen".to_owned()),
        // A pool that updates is what it waits for.
        Some(what) if !question.actions.is_empty() && question.actions.iter().all(only_waits) => {
            Passes(format!("the cluster is being upgraded ({what}), and the plan only waits for that"))
        }
        Some(what) if question.is_automatic() => {
            Refuses(format!("the cluster is being upgraded ({what}); nothing is automatic until it is over"))
        }
        Some(what) => Raises(
            Approval::Approve,
            format!("the cluster is being upgraded ({what}), so a person has to agree"),
        ),
    }
}

/// Before a step of what was let pass: an upgrade that has begun since. Whoever agreed to the plan agreed to go on.
pub(super) fn upgrade_began(question: &Question<'_>) -> Finding {
    match upgrade(question) {
        Raises(..) if question.figures.is_agreed => {
            Passes("the cluster is being upgraded, and somebody agreed to this plan".to_owned())
        }
        Raises(_, why) => Refuses(format!("{why}; nobody did, so the next step waits until it is over")),
        said => said,
    }
}

/// Before a step: failures since it was let pass. They pause what is automatic; a person who ordered it goes on.
pub(super) fn failures_since(settings: &Settings, question: &Question<'_>) -> Finding {
    match error_budget(settings, question) {
        Raises(_, why) => Passes(format!("{why}; {} ordered this", question.caller.name)),
        said => said,
    }
}

pub(super) fn cooldown(settings: &Settings, question: &Question<'_>) -> Finding {
    let limits = &settings.limits;
    let Some(cooldown) = &question.figures.cooldown else {
        return Passes("this trouble was not worked on lately".to_owned());
    };
    let is_counted = question.now.saturating_sub(cooldown.window_start) <= millis(limits.failure_window);
    let failures = if is_counted { cooldown.failures } else { 0 };
    let hours = limits.failure_window.as_secs() / 3_600;
    if failures >= limits.failures_to_escalate {
        let why = format!(
            "{failures} workflows for it failed within {hours} h ({} escalate)",
            limits.failures_to_escalate
        );
        return if question.is_automatic() {
            Refuses(format!("{why}: nothing automatic any more; a person has to look"))
        } else {
            Raises(Approval::Approve, format!("{why}, so a person has to agree"))
        };
    }
    if question.now < cooldown.not_before {
        let until = wire_time(cooldown.not_before).unwrap_or_else(|| "later".to_owned());
        let what = match failures {
            0 => "it was repaired a moment ago".to_owned(),
            n => format!(
                "{n} of at most {} workflows for it failed within {hours} h",
                limits.failures_to_escalate
            ),
        };
        return Refuses(format!("{what}; it rests until {until}"));
    }
    Passes(format!("{failures} failures within {hours} h, and it does not rest"))
}

pub(super) fn error_budget(settings: &Settings, question: &Question<'_>) -> Finding {
    let limits = &settings.limits;
    let (mut failed, mut all) = (0_u32, 0_u32);
    for phase in &question.figures.outcomes {
        let is_failure = matches!(phase, Phase::Failed | Phase::RolledBack | Phase::NeedsOperator);
        if is_failure || *phase == Phase::Completed {
            all = all.saturating_add(1);
            failed = failed.saturating_add(u32::from(is_failure));
        }
    }
    let minutes = limits.error_window.as_secs() / 60;
    let why = format!("{failed} of the last {all} workflows within {minutes} min failed");
    let is_spent = all >= limits.error_min_outcomes
        && failed.saturating_mul(100) >= all.saturating_mul(limits.error_percent);
    match (is_spent, question.is_automatic()) {
        (false, _) => Passes(why),
        (true, true) => Refuses(format!("{why} ({} % pause automation)", limits.error_percent)),
        (true, false) => Raises(
            Approval::Approve,
            format!("{why} ({} % pause automation), so a person has to agree", limits.error_percent),
        ),
    }
}
