//! A fault at each read of a planning: the order waits and comes to the same end as without it.
//!
//! What is read once the plan is there is the matrix's business.

use super::{
    faults::{Call, Fate, Faults},
    member::ThroughMember,
    run::Base,
    scene,
    stories::Story,
};
use crate::testing::model::OURSELVES;

/// How a run ended: phase, and how many effects it had.
fn ending(sim: &super::run::Sim) -> (String, usize) {
    let history = sim.history();
    let effects =
        history.journal.iter().filter(|entry| entry.actor == OURSELVES && entry.is_effect()).count();
    let [record] = history.records.as_slice() else { return ("not one workflow".to_owned(), effects) };
    (record.workflow.phase.to_string(), effects)
}

/// Every so manieth read.
fn every_read(stride: u32) {
    let base = Base::new();
    let (mut turn, mut runs, mut dry, mut wrong) = (0_u32, 0_u32, 0_u32, Vec::new());
    for (name, action) in scene::catalogue(&base.model) {
        if !Story::Planned.is_of(&action) {
            continue;
        }
        let plain = Story::Planned.run(&base, &action, Faults::traced([]));
        let wanted = ending(&plain);
        let is_of_planning =
            |call: Call, phase: &str| matches!(call, Call::Look | Call::DryRun) && phase == "planning";
        for (at, made) in (0_u64..).zip(plain.faults.calls()) {
            if !is_of_planning(made.call, made.place.map_or("-", |place| place.phase)) {
                continue;
            }
            turn += 1;
            if turn % stride != 0 {
                continue;
            }
            runs += 1;
            dry += u32::from(made.call == Call::DryRun);
            let sim = Story::Planned.run(&base, &action, Faults::script([(at, Fate::Busy)]));
            assert_eq!(sim.faults.struck(), 1, "{name}: call {at} was not met");
            let came = ending(&sim);
            if came != wanted {
                let why = sim.history().records.first().and_then(|r| r.workflow.reason.clone());
                wrong.push(format!("{name}, {:?} {at}: {came:?} instead of {wanted:?}: {why:?}", made.call));
            }
            if let Err(why) = super::verdict(&sim, &format!("{name}, {:?} {at}", made.call)) {
                wrong.push(why);
            }
        }
    }
    println!("planning: {runs} of {turn} faults, {dry} of them at dry runs");
    assert!(turn > 60 && dry > 0, "{runs} of {turn} faults, {dry} at dry runs");
    assert!(wrong.is_empty(), "{} of {runs} orders did not wait:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_order_whose_planning_could_not_read_something_is_planned_again() {
    every_read(5);
}

#[test]
#[ignore = "long: make proof-engine"]
fn an_order_whose_planning_could_not_read_anything_there_is_to_read_is_planned_again() {
    every_read(1);
}

#[test]
fn an_order_whose_planning_could_not_read_something_through_a_member_is_planned_again() {
    let _through = ThroughMember::new();
    every_read(7);
}
