//! Whether a plan that is not made yet will wait for somebody's approval, as far as the policy and the remedies of its issue
//! tell: what a trigger can say before anything was read.
//!
//! It decides nothing; the plan is judged by itself once it is there.

use crate::{
    issue_words,
    model::{
        method::DeployMethod,
        plan::{Approval, Problem},
    },
    remedies,
    settings::Settings,
};

/// Actions on an owner that lives in a namespace of its own.
const THROUGH_OWNERS: [&str; 3] = ["sync-application", "rollback-application", "nudge-operator"];

/// What will become of a plan that is not made yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreseen {
    /// Whatever it does needs nobody's approval.
    Acts,
    /// That depends on what is found.
    MayWait,
    /// Whatever it does, somebody has to approve it.
    Waits,
}

/// What the policy would say to every plan that the remedies of this problem's issue can make of a target that is deployed
/// so. A plan that it denies ends by itself and tells nothing here.
pub fn foresee(settings: &Settings, problem: &Problem, method: DeployMethod) -> Foreseen {
    let issue = issue_words::lookup_for(&problem.issue, &problem.target.kind);
    let namespace = problem.target.namespace.as_str();
    let says = |words: &[&'static str]| {
        let of = |word: &&str| settings.policy.says(namespace, problem.severity, word).then;
        words.iter().map(of).max().unwrap_or(Approval::Auto)
    };
    let remedies = issue.map(|issue| issue.remedies).unwrap_or_default();
    let words: Vec<_> = remedies
        .iter()
        .filter_map(|name| remedies::words(name, &problem.target.kind, method))
        .filter(|words| says(words) != Approval::Deny)
        .collect();
    let all: Vec<Approval> = words.iter().map(|words| says(words)).collect();
    // What goes through an owner acts in the owner's namespace as well, which nothing here knows.
    let is_elsewhere = |words: &Vec<&str>| words.iter().any(|word| THROUGH_OWNERS.contains(word));
    let asks = |words: &Vec<&str>| words.iter().any(|word| settings.policy.may_ask(problem.severity, word));
    if all.iter().all(|approval| *approval == Approval::Auto)
        && words.iter().any(|w| is_elsewhere(w) && asks(w))
    {
        return Foreseen::MayWait;
    }
    let waits = all.iter().filter(|approval| **approval > Approval::Auto).count();
    match (waits, all.len()) {
        (0, 1..) => Foreseen::Acts,
        (waits, all) if waits == all && all > 0 => Foreseen::Waits,
        // Also where no remedy is known to fit: it ends without doing anything.
        _ => Foreseen::MayWait,
    }
}
