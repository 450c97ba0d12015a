//! Two crashes in every order in a plan of three steps, that succeeds and that is undone: the second one strikes the recovery
//! from the first, whose calls are listed by running it.

use std::{fmt::Write as _, sync::Arc};

use super::{
    faults::{Fate, Faults, Made},
    part::{Part, spread, threads},
    run::{Base, Options, Sim},
    scene, settings,
};
use crate::model::{phase::Phase, plan::Approval};

/// What becomes of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// All three steps are taken.
    Taken,
    /// The third one is refused, and the two before it are undone.
    Undone,
}

impl Course {
    const ALL: [Self; 2] = [Self::Taken, Self::Undone];

    fn run(self, base: &Base, faults: Arc<Faults>) -> Sim {
        let options = Options {
            seed: 1,
            processes: 2,
            defect: None,
            settings: settings(),
            jumps: false,
            sweeps: false,
        };
        let mut sim = Sim::new(base, faults, options);
        let last = match self {
            Self::Taken => "restart-deployment",
            Self::Undone => {
                sim.model.refuse_effect("/2/do");
                "nudge-operator"
            }
        };
        let names = ["scale-deployment", "resources-stateful-set", last];
        sim.order(&names.map(|name| scene::named(&base.model, name)), Approval::Auto);
        sim.rush(4_000);
        sim.calm();
        sim
    }

    /// Whether a first crash here is one of this course alone: up to the step that is refused both are the same.
    fn begins(self, made: &Made) -> bool {
        self == Self::Taken || made.place.is_some_and(|place| place.phase == "rolling_back")
    }
}

/// The crashes that can strike these calls from the one of this number on.
fn crashes(calls: Vec<Made>, from: u64, strikes: impl Fn(&Made) -> bool) -> Vec<(u64, Fate)> {
    let calls = (0_u64..).zip(calls).filter(|(at, made)| *at >= from && strikes(made));
    calls.flat_map(|(at, made)| made.call.crashes().map(move |fate| (at, fate))).collect()
}

/// Repeats one run, by the rest of its name: `COURSE/CALL/FATE/CALL/FATE`.
pub(crate) fn again(base: &Base, rest: &[&str]) -> Option<Sim> {
    let fate = |word: &str| {
        [Fate::CrashBefore, Fate::CrashAfter, Fate::LateCrash].into_iter().find(|f| format!("{f:?}") == word)
    };
    let [course, first, how, second, then] = rest else { return None };
    let course = Course::ALL.into_iter().find(|known| format!("{known:?}") == *course)?;
    let script = [(first.parse().ok()?, fate(how)?), (second.parse().ok()?, fate(then)?)];
    Some(course.run(base, Faults::script(script)))
}

/// All pairs, or every so manieth of them.
pub(crate) fn double(is_whole: bool) -> Part {
    let mut firsts: Vec<(Course, (u64, Fate))> = Vec::new();
    for course in Course::ALL {
        let plain = course.run(&Base::new(), Faults::traced([]));
        let calls = plain.faults.calls();
        firsts.extend(crashes(calls, 0, |made| course.begins(made)).into_iter().map(|first| (course, first)));
    }
    let count = firsts.len();
    // Beside other tests: few first crashes, for the recovery from each has to be run to be listed.
    let (first_stride, stride) = if is_whole { (1, 1) } else { (37, 97) };
    let firsts: Vec<_> = firsts.into_iter().enumerate().step_by(first_stride).collect();
    let mut part = spread("double crashes", &firsts, threads(is_whole), |base, item, part| {
        let (number, (course, first)) = item;
        let recovery = course.run(base, Faults::script([*first])).faults.calls();
        let seconds = crashes(recovery, first.0 + 1, |_| true);
        part.of += u64::try_from(seconds.len()).unwrap();
        for (_, second) in seconds.iter().enumerate().filter(|(n, _)| (n + number) % stride == 0) {
            let sim = course.run(base, Faults::script([*first, *second]));
            let mut name = format!("double/{course:?}/{}/{:?}", first.0, first.1);
            let _ = write!(name, "/{}/{:?}", second.0, second.1);
            *part.counts.entry("struck twice").or_default() += u64::from(sim.faults.struck() == 2);
            if *course == Course::Undone {
                *part.counts.entry("to be undone").or_default() += 1;
            }
            part.take(&name, &sim);
        }
    });
    let struck = part.counts.get("struck twice").copied().unwrap_or_default();
    part.floor("runs that met both crashes", struck, part.runs);
    // Nobody else is there: whatever dies, and when, it ends by itself, and as it would without.
    part.few_parked(1_000);
    let undone = part.counts.get("to be undone").copied().unwrap_or_default();
    let back = part.ends.get(&Phase::RolledBack).copied().unwrap_or_default();
    part.floor("plans that were undone", back, undone - undone / 1_000);
    part.floor("runs of the plan that is undone", undone, 1);
    part.lines
        .push(format!("{} of {count} first crashes; {undone} runs of the plan that is undone", firsts.len()));
    part
}

#[test]
fn two_crashes_in_every_order_in_a_plan_of_three_steps_change_nothing() {
    let mut part = double(false);
    part.floor("double crashes", part.runs, 6);
    part.hold();
}
