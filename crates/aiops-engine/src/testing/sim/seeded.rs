//! The checker is proven by engines that are wrong: each seeded defect has to be seen within so many schedules.

use super::{
    defects::Defect,
    part::{Part, spread, threads},
    random::schedule,
    run::{Base, Sim},
};
use crate::testing::checker;

/// Within how many schedules each defect has to be seen; `docs/proof.md` lists the schedule in which it first is.
const WITHIN: u64 = 1_000;

/// The first violation that a schedule of a defective engine shows.
fn seen(base: &Base, defect: Defect, seed: u64) -> Option<String> {
    let violations = checker::check(&schedule(base, seed, Some(defect)).history());
    violations.first().map(ToString::to_string)
}

/// Repeats one run, by the rest of its name: `DEFECT/SEED`.
pub(crate) fn again(base: &Base, rest: &[&str]) -> Option<Sim> {
    let [defect, seed] = rest else { return None };
    let (defect, _) = Defect::ALL.into_iter().find(|(known, _)| format!("{known:?}") == **defect)?;
    Some(schedule(base, seed.parse().ok()?, Some(defect)))
}

/// Searches for each defect; from the first schedule on for the whole proof, else in the one in which it was seen before.
pub(crate) fn seeded(is_whole: bool) -> Part {
    let mut part =
        spread("seeded defects", &Defect::ALL, threads(is_whole), |base, (defect, known), part| {
            part.runs += 1;
            // All of them from the first when the engine has changed since.
            let short =
                if is_whole { None } else { seen(base, *defect, *known).map(|what| (known + 1, what)) };
            let found = short.or_else(|| {
                (0..WITHIN).find_map(|seed| seen(base, *defect, seed).map(|what| (seed + 1, what)))
            });
            match found {
                Some((schedule, what)) => {
                    if !is_whole && schedule != known + 1 {
                        part.lines
                            .push(format!("{defect:?} is seen in {schedule} now, not in {}", known + 1));
                    }
                    part.lines
                        .push(format!("| {defect:?} | {schedule} | {} |", what.split(':').next().unwrap()));
                }
                None => part.broken.push(format!("{defect:?} was not seen within {WITHIN} schedules")),
            }
        });
    part.lines.sort();
    part
}

#[test]
#[ignore = "searches for minutes: make proof-engine"]
fn every_seeded_defect_is_seen() {
    seeded(false).hold();
}
