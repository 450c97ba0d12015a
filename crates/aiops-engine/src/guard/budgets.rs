//! What a workflow has to take from the store before it acts: places among those that run, and parts of the budgets; and
//! how long a trouble rests afterwards.
//!
//! It takes nothing itself: the store does, in the commit that needs it, and refuses when there is none left.

use super::{Question, names};
use crate::{
    coordination::RuleVerdict,
    model::{Millis, action::Action, phase::Phase, plan::Problem, target::Target, wire_time},
    ports::store::{Cooldown, Write},
    settings::{Limits, limits::millis},
};

/// The places that a workflow takes before its first step and keeps until its end: one in the cluster, one in each
/// namespace it acts in, one for nodes.
pub fn slots<'a>(limits: &Limits, actions: impl IntoIterator<Item = &'a Action>) -> Vec<Write> {
    let mut namespaces: Vec<&str> = Vec::new();
    let mut has_node = false;
    for action in actions {
        let target = action.target();
        has_node |= matches!(action, Action::CordonNode { .. } | Action::UncordonNode { .. });
        if !target.namespace.is_empty() && !namespaces.contains(&target.namespace.as_str()) {
            namespaces.push(&target.namespace);
        }
    }
    // Always in the same order, so that two workflows never wait for each other's places.
    namespaces.sort_unstable();
    let slot = |scope: String, max: u32| Write::Slot { scope, max };
    let mut slots = vec![slot("cluster".to_owned(), limits.workflows_per_cluster)];
    slots.extend(has_node.then(|| slot("nodes".to_owned(), limits.node_workflows)));
    slots.extend(namespaces.iter().map(|n| slot(format!("namespace/{n}"), limits.workflows_per_namespace)));
    slots
}

/// A budget: its scope, its bucket of this moment, and how much that has.
pub(crate) type Budget = (String, i64, u32);

/// The budgets that these actions use up, or before there are any a change of the target would, each once.
pub(crate) fn budgets(limits: &Limits, problem: &Problem, actions: &[&Action], now: Millis) -> Vec<Budget> {
    let mut targets: Vec<&Target> = actions.iter().map(|action| action.target()).collect();
    if targets.is_empty() {
        targets.push(&problem.target);
    }
    let mut budgets: Vec<Budget> = Vec::new();
    for spend in targets.into_iter().flat_map(|target| spends(limits, target, now)) {
        let Write::Spend { scope, bucket, max } = spend else { continue };
        if budgets.iter().all(|(known, ..)| *known != scope) {
            budgets.push((scope, bucket, max));
        }
    }
    budgets
}

/// What the store would say to the next change: whether the budgets have one left, with how much is used up and when they
/// begin anew. A step that finds none waits for that.
pub fn budget(limits: &Limits, question: &Question<'_>) -> RuleVerdict {
    let window = millis(limits.budget_window).max(1);
    let mut passes = true;
    let mut parts = Vec::new();
    let mut ends = question.now;
    for (scope, bucket, max) in budgets(limits, question.problem, question.actions, question.now) {
        ends = bucket.saturating_add(1).saturating_mul(window);
        parts.push(match question.figures.spent.get(&scope) {
            Some(used) => {
                passes &= *used < max;
                format!("{used} of {max} changes in {scope}")
            }
            None => format!("how many of {max} changes in {scope} is not known"),
        });
    }
    let until = wire_time(ends).unwrap_or_else(|| "later".to_owned());
    let waits = if passes { "" } else { "; the next step waits for that" };
    let minutes = limits.budget_window.as_secs() / 60;
    let why =
        format!("{} are used up within {minutes} min; it begins anew at {until}{waits}", parts.join(", "));
    RuleVerdict { rule: names::BUDGET.to_owned(), passes, why }
}

/// What one mutation uses up, in the commit of its intent: one of the cluster's budget and one of its namespace's.
pub fn spends(limits: &Limits, target: &Target, now: Millis) -> Vec<Write> {
    let window = millis(limits.budget_window).max(1);
    let bucket = now.div_euclid(window);
    let spend = |scope: String, max: u32| Write::Spend { scope, bucket, max };
    let mut spends = vec![spend("cluster".to_owned(), limits.budget_per_cluster)];
    if !target.namespace.is_empty() {
        let scope = format!("namespace/{}", target.namespace);
        spends.push(spend(scope, limits.budget_per_namespace));
    }
    spends
}

/// How long a fingerprint rests after its workflow ended so; `None` when the end says nothing about the trouble
/// (cancelled, refused, …).
pub fn cooldown_after(
    limits: &Limits,
    before: Option<&Cooldown>,
    fingerprint: &str,
    ended: Phase,
    now: Millis,
) -> Option<Cooldown> {
    let of = |failures, rest, window_start| Cooldown {
        fingerprint: fingerprint.to_owned(),
        failures,
        not_before: now.saturating_add(millis(rest)),
        window_start,
    };
    match ended {
        Phase::Completed => Some(of(0, limits.cooldown_success, now)),
        Phase::Failed | Phase::RolledBack | Phase::NeedsOperator => {
            let window = millis(limits.failure_window);
            let counted = before.filter(|b| b.failures > 0 && now.saturating_sub(b.window_start) <= window);
            let failures = counted.map_or(0, |b| b.failures).saturating_add(1);
            let rest = match failures {
                1 => limits.cooldown_first_failure,
                2 => limits.cooldown_second_failure,
                _ => limits.failure_window,
            };
            Some(of(failures, rest, counted.map_or(now, |b| b.window_start)))
        }
        _ => None,
    }
}

/// What the store would say to a trigger now: an active workflow for the same trouble, one that holds the target, or no
/// free place, or a budget that is used up. None of it refuses: the same trouble is answered with its workflow, and the
/// others are waited for.
pub fn waits(limits: &Limits, question: &Question<'_>) -> Vec<RuleVerdict> {
    let verdict = |rule: &str, passes, why| RuleVerdict { rule: rule.to_owned(), passes, why };
    let target = &question.problem.target;
    let on_target = question.figures.active.iter().find(|active| active.target.key() == target.key());
    let dedup = match on_target.filter(|active| active.issue == question.problem.issue) {
        Some(same) => verdict(
            names::DEDUP,
            true,
            format!("{} acts on this already: a trigger is answered with it", same.id),
        ),
        None => verdict(names::DEDUP, true, "no active workflow has the same target and issue".to_owned()),
    };
    let lock = match on_target.filter(|active| active.issue != question.problem.issue) {
        Some(other) => verdict(
            names::TARGET_LOCK,
            false,
            format!("{} acts on {target} (phase {})", other.id, other.phase),
        ),
        None => verdict(names::TARGET_LOCK, true, format!("no other workflow acts on {target}")),
    };
    // What waits for an approval or its turn, and what is parked, holds no place.
    let acts = |phase: Phase| matches!(phase, Phase::Running | Phase::Verifying | Phase::RollingBack);
    let running: Vec<_> = question.figures.active.iter().filter(|active| acts(active.phase)).collect();
    let here = running.iter().filter(|active| active.target.namespace == target.namespace).count();
    let why = format!(
        "{here} of {} workflows act in {}, {} of {} in the cluster; one that finds no place waits for its turn",
        limits.workflows_per_namespace,
        if target.namespace.is_empty() { "no namespace" } else { &target.namespace },
        running.len(),
        limits.workflows_per_cluster
    );
    vec![dedup, lock, verdict(names::CONCURRENCY, true, why), budget(limits, question)]
}
