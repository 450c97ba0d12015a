//! Simulated runs of the real engine against the model API server (lane A of the design's harness): processes, faults at
//! every call of a port, and time that is moved by hand.
//!
//! The same seed is the same schedule; a run that breaks an invariant prints its name, by which it is done again. `cargo
//! test` runs a part, `make proof-engine` all of it. No socket, no real time, and no thread within a run.

mod again;
mod away;
mod cluster;
mod contest;
mod coverage;
mod defects;
mod dice;
mod double;
mod faults;
mod halfway;
mod hands;
mod hanging;
mod matrix;
mod member;
pub(crate) mod notes;
mod owners;
mod part;
mod planning;
mod plans;
mod random;
mod repeated;
mod rollback;
mod run;
mod scene;
mod seeded;
mod several;
mod slow;
pub(crate) mod store;
mod stories;
mod troubles;
mod whole;

use crate::{
    coordination::PolicyRule,
    model::plan::Approval,
    settings::{Policy, Settings},
    testing::checker::{self, Violation},
};

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

/// What a random schedule of the engine leaves behind.
pub(crate) fn random_history(seed: u64) -> checker::History {
    random::schedule(&run::Base::new(), seed, None).history()
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
