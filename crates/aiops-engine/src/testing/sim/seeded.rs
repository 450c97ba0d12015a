//! The checker is proven by engines that are wrong: each seeded defect has to be seen within so many schedules.

use super::{defects::Defect, is_proof, random::schedule, run::Base};
use crate::testing::checker;

/// Within how many schedules each defect is seen; `docs/proof.md` lists them.
const WITHIN: u64 = 400;

#[test]
fn every_seeded_defect_is_seen() {
    let base = Base::new();
    let mut missed = Vec::new();
    for defect in Defect::ALL {
        let most = if is_proof() { WITHIN } else { WITHIN };
        let found = (0..most).find_map(|seed| {
            let sim = schedule(&base, seed, Some(defect));
            let violations = checker::check(&sim.history());
            violations.first().map(|violation| (seed + 1, violation.to_string()))
        });
        match found {
            Some((schedules, violation)) => println!("| {defect:?} | {schedules} | {violation} |"),
            None => missed.push(defect),
        }
    }
    assert!(missed.is_empty(), "not seen within {WITHIN} schedules: {missed:?}");
}
