//! An effect of two requests that is cut off between them: it is made whole, or a person is told; never is it said to have
//! come to nothing.

use super::{
    away::faulty,
    faults::{Call, Fate, Faults},
    part::Part,
    run::{Base, Sim},
    scene,
    stories::Story,
};
use crate::model::{
    phase::{Phase, StepState},
    plan::Approval,
};

#[test]
fn the_record_of_a_release_that_was_cut_off_is_made_whole_also_when_it_is_cancelled() {
    let base = Base::new();
    let action = scene::named(&base.model, "record-release");
    let calls = Story::Cancelled.run(&base, &action, Faults::script([])).faults.calls();
    let sends = (0_u64..).zip(calls).filter(|(_, made)| made.call == Call::Send);
    let mut part = Part::new("cut off halfway");
    for (at, _) in sends {
        for fate in [Fate::Raced, Fate::Lost, Fate::Vanished, Fate::Cut, Fate::CrashBefore, Fate::CrashAfter]
        {
            let sim = Story::Cancelled.run(&base, &action, Faults::script([(at, fate)]));
            part.take(&format!("matrix/Cancelled/record-release/{at}/{fate:?}"), &sim);
        }
    }
    part.floor("effects", part.effects, 12);
    part.hold();
}

pub(super) fn run_until(sim: &mut Sim, wanted: impl Fn(&Sim) -> bool) {
    for _ in 0..30_000 {
        if wanted(sim) {
            return;
        }
        sim.rush(1);
    }
    panic!("it does not get there: {:?}", sim.everything());
}

/// What ends it in the middle of a try is proven in `workflow/tests/times.rs`.
#[test]
fn a_record_that_was_cut_off_and_held_up_until_its_time_was_over_is_for_a_person() {
    let base = Base::new();
    let action = scene::named(&base.model, "record-release");
    let plain = Story::Taken.run(&base, &action, Faults::script([]));
    let calls = (0_u64..).zip(plain.faults.calls());
    let mut sends = calls.filter(|(_, made)| made.call == Call::Send);
    let (second, _) = sends.nth(1).unwrap();
    let mut sim = faulty(Faults::script([(second, Fate::Cut)]), 2);
    sim.order(&[action], Approval::Auto);
    run_until(&mut sim, |sim| sim.faults.struck() > 0);
    sim.switch("pause");
    run_until(&mut sim, Sim::over);
    let told = sim.history().records.remove(0);
    let ended = (told.workflow.phase, told.steps[0].state);
    assert_eq!(ended, (Phase::NeedsOperator, StepState::Indeterminate), "{:?}", told.workflow.reason);
    assert_eq!(told.steps[0].result.as_deref(), Some("its time is over"));
    super::verdict(&sim, "held up until its time was over").unwrap();
}
