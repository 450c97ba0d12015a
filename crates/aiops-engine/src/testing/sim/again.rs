//! One run once more, by the name under which it was reported, with everything that happened in it printed.
//!
//! `AIOPS_RUN=random/17 cargo test -p aiops-engine --lib testing::sim::again -- --nocapture`

use super::{double, matrix, random, rollback, run::Base, seeded};
use crate::{
    ports::store::Write,
    testing::{
        checker,
        sim::{notes::What, run::Sim},
    },
};

fn named(base: &Base, name: &str) -> Option<Sim> {
    let parts: Vec<&str> = name.split('/').collect();
    let (part, rest) = parts.split_first()?;
    match *part {
        "matrix" => matrix::again(base, rest),
        "double" => double::again(base, rest),
        "random" => random::again(base, rest),
        "rollback" => rollback::again(base, rest),
        "defect" => seeded::again(base, rest),
        _ => None,
    }
}

/// What happened, in order: writes, requests, what others did.
fn tell(sim: &Sim) -> Vec<String> {
    let history = sim.history();
    let mut told: Vec<(u64, String)> = Vec::new();
    for entry in &history.journal {
        let verb = entry.verb.as_str();
        let what = format!(
            "{} {verb} {} {} -> {}{}",
            entry.actor,
            entry.key,
            entry.effect_key,
            entry.status,
            if entry.changed { ", changed" } else { "" }
        );
        told.push((entry.order, format!("{} {what}", entry.at)));
    }
    for note in &history.notes {
        let what = match &note.what {
            What::Committed { workflow, writes, .. } => {
                let writes: Vec<String> = writes.iter().map(shown).collect();
                format!("commits {workflow}: {}", writes.join(", "))
            }
            What::Accepted { acceptance, taken } => format!("accepts {}: {taken:?}", acceptance.workflow.id),
            other => {
                let mut other = format!("{other:?}");
                other.truncate(300);
                other
            }
        };
        let at = jiff::Timestamp::from_millisecond(note.at).unwrap();
        told.push((note.order, format!("{at} {} {what}", note.actor)));
    }
    told.sort();
    told.into_iter().map(|(order, what)| format!("{order:>6} {what}")).collect()
}

fn shown(write: &Write) -> String {
    match write {
        Write::Workflow(w) => format!("{} v{} due {} ({:?})", w.phase, w.version, w.wake_at, w.reason),
        Write::Step(step) => format!("step {}/{:?} {:?}", step.order, step.direction, step.state),
        Write::Attempt(a) => {
            format!("attempt {}/{:?}/{} {:?} {:?}", a.order, a.direction, a.number, a.outcome, a.observed)
        }
        Write::Audit(entry) => format!("line {}", entry.action),
        Write::Check(check) => format!("check {} {:?}", check.name, check.verdict),
        other => format!("{other:?}"),
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test, whose run is asked for from outside")]
fn one_run_is_done_again_by_its_name() {
    // Without a name the first schedule is: its name leads back to it.
    let asked = std::env::var("AIOPS_RUN").ok();
    let name = asked.clone().unwrap_or_else(|| "random/0".to_owned());
    let base = Base::new();
    let sim = named(&base, &name).unwrap_or_else(|| panic!("{name} names no run"));
    let violations = checker::check(&sim.history());
    if asked.is_some() {
        tell(&sim).iter().for_each(|line| println!("{line}"));
        println!("met: {:?}", sim.faults.met());
        violations.iter().for_each(|violation| println!("{violation}"));
    }
    assert_eq!(sim.journal_hash(), named(&base, &name).unwrap().journal_hash(), "I19: {name}");
    assert!(violations.is_empty(), "{name} breaks {} invariants", violations.len());
}
