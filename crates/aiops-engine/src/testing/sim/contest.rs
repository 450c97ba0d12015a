//! A controller that sets back whatever a step wrote gets that one write, by whatever action: nothing is written against it, not
//! even to take our marker away.

use super::{
    away::faulty,
    faults::Faults,
    halfway::run_until,
    run::{Base, Sim},
    scene,
};
use crate::{
    model::{phase::Phase, plan::Approval},
    testing::model::{Key, OURSELVES},
};

#[test]
fn a_controller_that_sets_back_what_a_step_wrote_gets_one_write() {
    let base = Base::new();
    let mut actions = 0;
    for (name, action) in scene::catalogue(&base.model) {
        if !scene::is_reversible(&action) {
            continue;
        }
        actions += 1;
        let mut sim = faulty(Faults::traced([]), 1);
        let key = Key::of_target(action.target());
        let before = sim.model.object(&key).unwrap();
        sim.order(&[action], Approval::Auto);
        run_until(&mut sim, Sim::has_acted);
        sim.model.edit("a-controller", &key, |object| {
            for member in ["spec", "data"] {
                if let Some(was) = before.get(member) {
                    object[member] = was.clone();
                }
            }
        });
        run_until(&mut sim, Sim::over);
        let history = sim.history();
        let ours = |entry: &&crate::testing::model::Entry| {
            entry.actor == OURSELVES && entry.is_effect() && entry.key == key
        };
        assert_eq!(history.journal.iter().filter(ours).count(), 1, "{name}");
        let workflow = &history.records[0].workflow;
        let why = workflow.reason.clone().unwrap_or_default();
        assert_eq!(workflow.phase, Phase::NeedsOperator, "{name}: {why}");
        assert!(why.contains("a controller that reverts"), "{name}: {why}");
    }
    assert!(actions >= 8, "{actions}");
}
