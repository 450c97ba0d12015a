//! The checker is proven by engines that are wrong: each seeded defect has to be seen within so many schedules.

use super::{defects::Defect, is_proof, random::schedule, run::Base};
use crate::testing::checker;

/// Within how many schedules each defect has to be seen; `docs/proof.md` lists the schedule in which it first is.
const WITHIN: u64 = 400;

/// The first violation that a schedule of a defective engine shows.
fn seen(base: &Base, defect: Defect, seed: u64) -> Option<String> {
    let violations = checker::check(&schedule(base, seed, Some(defect)).history());
    violations.first().map(ToString::to_string)
}

#[test]
fn every_seeded_defect_is_seen() {
    let base = Base::new();
    let mut missed = Vec::new();
    println!("| defect | schedules | first violation |");
    for (defect, known) in Defect::ALL {
        // The schedule in which it was seen before; all of them from the first when the engine has changed since.
        let short = if is_proof() { None } else { seen(&base, defect, known).map(|what| (known + 1, what)) };
        let found = short
            .or_else(|| (0..WITHIN).find_map(|seed| seen(&base, defect, seed).map(|what| (seed + 1, what))));
        match found {
            Some((schedules, what)) => println!("| {defect:?} | {schedules} | {what} |"),
            None => missed.push(defect),
        }
    }
    assert!(missed.is_empty(), "not seen within {WITHIN} schedules: {missed:?}");
}
