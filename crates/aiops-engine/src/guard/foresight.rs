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

/// What the policy would say to a plan of one remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foresight {
    /// The remedy.
    pub remedy: &'static str,
    /// Who would have to agree, as far as the trouble's own namespace tells.
    pub then: Approval,
    /// The rule that says so.
    pub rule: String,
    /// It acts through an owner in a namespace that is not known yet, where somebody may have to agree.
    pub may_ask: bool,
}

/// What the policy would say to every plan that the remedies of this problem's issue can make of a target that is deployed
/// so, in the order in which they are tried.
pub fn foreseen(settings: &Settings, problem: &Problem, method: DeployMethod) -> Vec<Foresight> {
    let issue = issue_words::lookup_for(&problem.issue, &problem.target.kind);
    let namespace = problem.target.namespace.as_str();
    let remedies = issue.map(|issue| issue.remedies).unwrap_or_default();
    let says = |remedy: &&'static str| {
        let words = remedies::words(remedy, &problem.target.kind, method)?;
        let all = words.iter().map(|word| settings.policy.says(namespace, problem.severity, word));
        // Of equals the first that is met names the rule, as when the plan is judged.
        let strictest = all.reduce(|one, other| if other.is_stricter_than(&one) { other } else { one })?;
        let is_elsewhere = words.iter().any(|word| THROUGH_OWNERS.contains(word));
        let may_ask =
            is_elsewhere && words.iter().any(|word| settings.policy.may_ask(problem.severity, word));
        Some(Foresight { remedy, then: strictest.then, rule: strictest.rule.to_owned(), may_ask })
    };
    remedies.iter().filter_map(says).collect()
}

/// What will become of such a plan. One that the policy denies ends by itself and tells nothing here.
pub fn foresee(settings: &Settings, problem: &Problem, method: DeployMethod) -> Foreseen {
    let mut all = foreseen(settings, problem, method);
    all.retain(|one| one.then != Approval::Deny);
    let waits = all.iter().filter(|one| one.then > Approval::Auto).count();
    match (waits, all.len()) {
        (0, _) if all.iter().any(|one| one.may_ask) => Foreseen::MayWait,
        (0, 1..) => Foreseen::Acts,
        (waits, all) if waits == all && all > 0 => Foreseen::Waits,
        // Also where no remedy is known to fit: it ends without doing anything.
        _ => Foreseen::MayWait,
    }
}
