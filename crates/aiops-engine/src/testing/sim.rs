//! Simulated runs of the real engine against the model API server (lane A of the design's harness): processes, faults at
//! every call of a port, and time that is moved by hand.
//!
//! The same seed is the same schedule; a run that breaks an invariant prints its seed. `cargo test` runs a part,
//! `make proof` all of it. No socket, no thread, no real time.

mod cluster;
mod defects;
mod dice;
mod faults;
mod hands;
mod matrix;
pub(crate) mod notes;
mod plans;
mod random;
mod rollback;
mod run;
mod scene;
mod seeded;
pub(crate) mod store;

use crate::{
    coordination::PolicyRule,
    model::plan::Approval,
    settings::{Policy, Settings},
    testing::checker::{self, Violation},
};

/// What is asked for from outside: nothing, `1` for all of it, or a number of random schedules.
#[expect(clippy::disallowed_methods, reason = "a test, whose length is asked for from outside")]
fn asked() -> Option<u64> {
    std::env::var("AIOPS_PROOF").ok().and_then(|value| value.parse().ok())
}

/// Whether all of it is to be run.
pub(crate) fn is_proof() -> bool {
    asked() == Some(1)
}

/// How many random schedules are run.
pub(crate) fn schedules() -> u64 {
    match asked() {
        None => 30,
        Some(1) => 100_000,
        Some(count) => count,
    }
}

/// Settings in which every action may be taken without asking: who may is proven elsewhere.
pub(crate) fn settings() -> Settings {
    let rule = PolicyRule {
        name: "all".to_owned(),
        namespaces: Vec::new(),
        severities: Vec::new(),
        actions: Vec::new(),
        then: Approval::Auto,
        autonomy: false,
        elicitation: false,
        annotation: false,
    };
    let mut settings =
        Settings { policy: Policy { source: "test".to_owned(), rules: vec![rule] }, ..Settings::default() };
    settings.limits.replica_percent = 100;
    settings
}

/// What is wrong with a run, with what is needed to repeat it.
pub(crate) fn verdict(sim: &run::Sim, what: &str) -> Result<(), String> {
    let violations = checker::check(&sim.history());
    if violations.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    Err(format!("{what}:\n  {}", lines.join("\n  ")))
}
