//! May this be done, here, now, by this caller? Pure: it is given the figures and names the rule.
//!
//! It reads nothing and takes nothing; budgets and places are taken by the store, in the commit that needs them.

use crate::{coordination::RuleVerdict, model::plan::Approval};

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
