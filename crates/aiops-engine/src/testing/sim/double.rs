//! Two crashes in every order in a plan of three steps: the second one strikes the recovery from the first, whose calls
//! are listed by running it.

use std::{fmt::Write as _, sync::Arc};

use super::{
    faults::{Fate, Faults},
    part::{Part, spread, threads},
    run::{Base, Options, Sim},
    scene, settings,
};
use crate::model::plan::Approval;

fn run(base: &Base, faults: Arc<Faults>) -> Sim {
    let options =
        Options { seed: 1, processes: 2, defect: None, settings: settings(), jumps: false, sweeps: false };
    let mut sim = Sim::new(base, faults, options);
    let names = ["scale-deployment", "resources-stateful-set", "restart-deployment"];
    sim.order(&names.map(|name| scene::named(&base.model, name)), Approval::Auto);
    sim.rush(4_000);
    sim.calm();
    sim
}

/// The crashes that can strike from the call of this number on.
fn crashes(sim: &Sim, from: u64) -> Vec<(u64, Fate)> {
    let calls = (0_u64..).zip(sim.faults.calls()).filter(|(at, _)| *at >= from);
    calls.flat_map(|(at, made)| made.call.crashes().map(move |fate| (at, fate))).collect()
}

/// Repeats one run, by the rest of its name: `CALL/FATE/CALL/FATE`.
pub(crate) fn again(base: &Base, rest: &[&str]) -> Option<Sim> {
    let fate = |word: &str| {
        [Fate::CrashBefore, Fate::CrashAfter, Fate::LateCrash].into_iter().find(|f| format!("{f:?}") == word)
    };
    let [first, how, second, then] = rest else { return None };
    let script = [(first.parse().ok()?, fate(how)?), (second.parse().ok()?, fate(then)?)];
    Some(run(base, Faults::script(script)))
}

/// All pairs, or every so manieth of them.
pub(crate) fn double(is_whole: bool) -> Part {
    let firsts = crashes(&run(&Base::new(), Faults::script([])), 0);
    let count = firsts.len();
    // Beside other tests: few first crashes, for the recovery from each has to be run to be listed.
    let (first_stride, stride) = if is_whole { (1, 1) } else { (71, 97) };
    let firsts: Vec<(usize, (u64, Fate))> = firsts.into_iter().enumerate().step_by(first_stride).collect();
    let mut part = spread("double crashes", &firsts, threads(is_whole), |base, (number, first), part| {
        let seconds = crashes(&run(base, Faults::script([*first])), first.0 + 1);
        part.of += u64::try_from(seconds.len()).unwrap();
        for (_, second) in seconds.iter().enumerate().filter(|(n, _)| (n + number) % stride == 0) {
            let sim = run(base, Faults::script([*first, *second]));
            let mut name = format!("double/{}/{:?}", first.0, first.1);
            let _ = write!(name, "/{}/{:?}", second.0, second.1);
            *part.counts.entry("struck twice").or_default() += u64::from(sim.faults.struck() == 2);
            part.take(&name, &sim);
        }
    });
    let struck = part.counts.get("struck twice").copied().unwrap_or_default();
    part.floor("runs that met both crashes", struck, part.runs);
    // Nobody else is there: whatever dies, and when, it ends by itself.
    part.few_parked(1_000);
    part.lines.push(format!("{} of {count} first crashes", firsts.len()));
    part
}

#[test]
fn two_crashes_in_every_order_in_a_plan_of_three_steps_change_nothing() {
    let mut part = double(false);
    part.floor("double crashes", part.runs, 6);
    part.hold();
}
