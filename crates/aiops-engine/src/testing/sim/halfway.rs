//! An effect of two requests that is cut off between them: it is made whole, or a person is told; never is it said to have
//! come to nothing.

use super::{
    faults::{Call, Fate, Faults},
    part::Part,
    run::Base,
    scene,
    stories::Story,
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
