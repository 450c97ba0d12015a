//! May this be done, here, now, by this caller? Pure: it is given the figures and names the rule.
//!
//! It reads nothing and takes nothing; budgets and places are taken by the store, in the commit that needs them
//! ([`slots`] and [`spends`] say which). A rule that lacks a figure lets pass what it cannot judge, and says so, where
//! [`may_step`] looks at the fresh object before anything is sent; what may_step cannot judge is refused.

mod approvals;
mod budgets;
mod figures;
mod foresight;
mod lately;
mod places;
mod pods;
mod rules;
mod step;
#[cfg(test)]
mod tests;

pub(crate) use self::budgets::budgets;
pub use self::{
    approvals::{is_entitled, may_decide, not_entitled},
    budgets::{budget, cooldown_after, slots, spends, waits},
    figures::{Active, Facts, Figures, KILL_SWITCH, KillSwitch, OPT_OUT},
    foresight::{Foreseen, Foresight, foresee, foreseen},
    rules::{in_scope, passes_by_itself, rule},
    step::{may_step, may_undo, opted_out, under_way},
};
use crate::{
    coordination::RuleVerdict,
    model::{
        Millis,
        action::Action,
        caller::Caller,
        method::DeployMethod,
        plan::{Approval, Problem},
    },
};

/// What is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What is to be repaired.
    pub problem: &'a Problem,
    /// What is to be done: all actions of the plan, or the one of the step. Empty when the plan is not made yet: then
    /// only what holds for every plan is asked, and the approval is not final.
    pub actions: &'a [&'a Action],
    /// How the target is deployed.
    pub method: DeployMethod,
    /// It is over several objects or layers (see `Plan::is_multi_layer`).
    pub is_multi_layer: bool,
    /// Somebody ordered it; false when an incident is to trigger by itself.
    pub is_explicit: bool,
    /// Now.
    pub now: Millis,
    /// What is known.
    pub figures: &'a Figures,
}

impl<'a> Question<'a> {
    /// What somebody ordered, judged by these figures and at the time at which they were read.
    pub(crate) const fn of_order(
        caller: &'a Caller,
        problem: &'a Problem,
        actions: &'a [&'a Action],
        (method, is_multi_layer): (DeployMethod, bool),
        figures: &'a Figures,
    ) -> Self {
        let now = figures.controls_at;
        Self { caller, problem, actions, method, is_multi_layer, is_explicit: true, now, figures }
    }

    /// An incident is to trigger by itself: by whom it came in says so, whatever was claimed.
    pub(crate) const fn is_automatic(&self) -> bool {
        !self.is_explicit || self.caller.via.is_automatic()
    }
}

/// What the guard says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Who has to agree; `deny` when a rule refuses.
    pub approval: Approval,
    /// The rule that decided.
    pub rule: String,
    /// With which figures.
    pub why: String,
    /// Every rule that was asked.
    pub rules: Vec<RuleVerdict>,
}

/// The rules, by the names that answers and records use.
pub mod names {
    /// `acting.enabled` is false: this aiops changes nothing.
    pub const ACTING: &str = "acting";
    /// `acting.grantedTo` does not name the caller.
    pub const GRANTED_TO: &str = "granted-to";
    /// No policy entry lets an incident trigger this by itself.
    pub const AUTONOMY: &str = "autonomy";
    /// Somebody, or aiops itself, stopped everything.
    pub const KILL_SWITCH: &str = "kill-switch";
    /// Too much is wrong at once.
    pub const BREAKER: &str = "storm-breaker";
    /// Too many workflows failed lately.
    pub const ERROR_BUDGET: &str = "error-budget";
    /// The plan was made for another cluster.
    pub const CLUSTER: &str = "cluster";
    /// `acting.namespaces` does not name the namespace, or it is our own.
    pub const SCOPE: &str = "scope";
    /// The object, or its namespace, asks to be left alone.
    pub const OPT_OUT: &str = "opt-out";
    /// The policy; followed by `/` and the name of its rule.
    pub const POLICY: &str = "policy";
    /// The cluster is being upgraded.
    pub const UPGRADE: &str = "upgrade";
    /// The same trouble was repaired, or not, a moment ago.
    pub const COOLDOWN: &str = "cooldown";
    /// Too much of a workload, or too many pods, at once.
    pub const BLAST_RADIUS: &str = "blast-radius";
    /// Pods that are not to be evicted.
    pub const EVICTION: &str = "eviction";
    /// Nodes that are not to be touched.
    pub const CONTROL_PLANE: &str = "control-plane";
    /// Somebody changed what would be overwritten since the plan was made.
    pub const CHANGED: &str = "changed";
    /// Argo CD, Flux, Helm or an operator owns what would be written.
    pub const OWNER: &str = "owner";
    /// An autoscaler owns the number of replicas.
    pub const AUTOSCALER: &str = "autoscaler";
    /// The plan is longer than plans may be.
    pub const PLAN_SIZE: &str = "plan-size";
    /// One open incident and one active workflow for each trouble.
    pub const DEDUP: &str = "dedup";
    /// One workflow at a time for each object.
    pub const TARGET_LOCK: &str = "target-lock";
    /// So many workflows at once.
    pub const CONCURRENCY: &str = "concurrency";
    /// So many changes within a time.
    pub const BUDGET: &str = "budget";
    /// An approval that does not count.
    pub const APPROVAL: &str = "approval";

    /// All of them, as `docs/errors.md` explains them.
    pub const ALL: [&str; 24] = [
        ACTING,
        GRANTED_TO,
        KILL_SWITCH,
        BREAKER,
        CLUSTER,
        SCOPE,
        OPT_OUT,
        POLICY,
        AUTONOMY,
        UPGRADE,
        COOLDOWN,
        ERROR_BUDGET,
        CONTROL_PLANE,
        CHANGED,
        OWNER,
        AUTOSCALER,
        BLAST_RADIUS,
        EVICTION,
        PLAN_SIZE,
        DEDUP,
        TARGET_LOCK,
        CONCURRENCY,
        BUDGET,
        APPROVAL,
    ];
}
