//! Every action, with every fault at every call of a port that its workflow makes; and two crashes in every order.

use std::collections::BTreeMap;

use super::{
    faults::{Call, Fate, Faults},
    is_proof,
    run::{Base, Options, Sim},
    scene, settings, verdict,
};
use crate::model::{action::Action, phase::Phase, plan::Approval};

fn run(base: &Base, actions: &[Action], faults: std::sync::Arc<Faults>) -> Sim {
    let options = Options { seed: 1, processes: 2, defect: None, settings: settings(), jumps: false };
    let mut sim = Sim::new(base, faults, options);
    sim.order(actions, Approval::Auto);
    sim.rush(4_000);
    sim.calm();
    sim
}

fn phase(sim: &Sim) -> Option<Phase> {
    sim.history().records.first().map(|record| record.workflow.phase)
}

#[test]
fn every_action_comes_to_its_end_when_nothing_goes_wrong() {
    let base = Base::new();
    for (name, action) in scene::catalogue(&base.model) {
        let sim = run(&base, &[action], Faults::script([]));
        verdict(&sim, name).unwrap();
        let history = sim.history();
        let record = &history.records[0];
        assert_eq!(phase(&sim), Some(Phase::Completed), "{name}: {:?}", record.workflow.reason);
        let effects = history.journal.iter().filter(|e| e.actor == "aiops" && e.is_effect()).count();
        assert_eq!(effects, usize::from(name != "await-pool"), "{name}");
    }
}

#[test]
fn every_fault_at_every_call_of_every_action_leaves_one_effect_and_an_honest_record() {
    let base = Base::new();
    let stride: u64 = if is_proof() { 1 } else { 97 };
    let mut met: BTreeMap<(Call, Fate), u64> = BTreeMap::new();
    let (mut runs, mut broken, mut turn) = (0_u64, Vec::new(), 0_u64);
    for (name, action) in scene::catalogue(&base.model) {
        let plain = run(&base, std::slice::from_ref(&action), Faults::script([]));
        for (at, call) in (0_u64..).zip(plain.faults.calls()) {
            for fate in call.fates() {
                turn += 1;
                // Requests are few and carry the most: fewer of them are left out.
                let stride = if call == Call::Send { stride.div_ceil(32) } else { stride };
                if turn % stride != 0 {
                    continue;
                }
                let sim = run(&base, std::slice::from_ref(&action), Faults::script([(at, *fate)]));
                runs += 1;
                for (key, count) in sim.faults.met() {
                    *met.entry(key).or_default() += count;
                }
                if let Err(why) = verdict(&sim, &format!("{name}, {fate:?} at call {at} ({call:?})")) {
                    broken.push(why);
                }
            }
        }
    }
    println!("crash matrix: {runs} of {turn} runs; faults met:");
    for ((call, fate), count) in &met {
        println!("  {call:?} {fate:?}: {count}");
    }
    assert!(
        broken.is_empty(),
        "{} of {runs} runs broke an invariant:\n{}",
        broken.len(),
        broken[..broken.len().min(8)].join("\n")
    );
    let calls: &[Call] = if is_proof() {
        &[Call::Claim, Call::Commit, Call::Recall, Call::Look, Call::Send]
    } else {
        &[Call::Send]
    };
    for call in calls {
        for fate in call.fates() {
            assert!(met.contains_key(&(*call, *fate)), "no run met {fate:?} at {call:?}");
        }
    }
}

#[test]
fn two_crashes_in_every_order_in_a_plan_of_three_steps_change_nothing() {
    let base = Base::new();
    let all = scene::catalogue(&base.model);
    let named = |wanted: &str| all.iter().find(|(name, _)| *name == wanted).unwrap().1.clone();
    let actions = [named("scale-deployment"), named("resources-stateful-set"), named("restart-deployment")];
    let plain = run(&base, &actions, Faults::script([]));
    let points: Vec<(u64, Fate)> = (0_u64..)
        .zip(plain.faults.calls())
        .flat_map(|(at, call)| {
            let crashes = call
                .fates()
                .iter()
                .filter(|fate| matches!(fate, Fate::CrashBefore | Fate::CrashAfter | Fate::LateCrash));
            crashes.map(move |fate| (at, *fate))
        })
        .collect();
    let stride = if is_proof() { 1 } else { 4_001 };
    let (mut runs, mut broken) = (0_u64, Vec::new());
    let pairs = points.iter().flat_map(|first| points.iter().map(move |second| (*first, *second)));
    // The second is counted on from the first: it strikes the recovery, whose calls are other ones than before.
    for (number, (first, (later, fate))) in pairs.enumerate() {
        if number % stride != 0 {
            continue;
        }
        let second = (first.0 + 1 + later, fate);
        let sim = run(&base, &actions, Faults::script([first, second]));
        runs += 1;
        if let Err(why) = verdict(&sim, &format!("crashes {first:?} and {second:?}")) {
            broken.push(why);
        }
    }
    println!("double crashes: {runs} runs over {} points", points.len());
    assert!(
        broken.is_empty(),
        "{} of {runs} runs broke an invariant:\n{}",
        broken.len(),
        broken[..broken.len().min(8)].join("\n")
    );
}

#[test]
fn every_step_may_be_sent_twice_and_every_undoing_too() {
    let base = Base::new();
    for (name, action) in scene::catalogue(&base.model) {
        for request in 0..2 {
            let sim = run(&base, std::slice::from_ref(&action), Faults::requests([(request, Fate::Twice)]));
            verdict(&sim, &format!("{name}, request {request} twice")).unwrap();
        }
        if scene::is_reversible(&action) {
            // The second step is refused, so the first is undone, and that is sent twice.
            let second =
                scene::catalogue(&base.model).into_iter().find(|(n, _)| *n == "nudge-operator").unwrap().1;
            let fates = [(1, Fate::Refused), (2, Fate::Twice)];
            let sim = run(&base, &[action, second], Faults::requests(fates));
            verdict(&sim, &format!("{name}, its undoing twice")).unwrap();
            assert_eq!(
                phase(&sim),
                Some(Phase::RolledBack),
                "{name}: {:?}",
                sim.history().records[0].workflow.reason
            );
        }
    }
}
