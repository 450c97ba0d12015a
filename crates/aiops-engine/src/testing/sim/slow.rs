//! What takes long: a rollout that comes nearer is not undone while it does, and one that stands still is, soon after.
//!
//! The pods of a StatefulSet come one after another, each as slow as the story says.

use jiff::SignedDuration;

use super::{
    faults::Faults,
    run::{Base, Options, Sim},
    scene, settings,
};
use crate::{
    model::{Millis, action::Action, phase::Phase, plan::Approval},
    settings::limits::millis,
    testing::model::{Key, build, json::number},
};

const MINUTE: Millis = 60_000;

/// A StatefulSet of twelve at its second revision, and the order to go back to the first while pods take 50 s each.
fn going_back() -> (Sim, Key) {
    let options =
        Options { seed: 1, processes: 1, defect: None, settings: settings(), jumps: false, sweeps: false };
    let mut sim = Sim::new(&Base::new(), Faults::traced([]), options);
    let ledger = build::stateful_set("data", "ledger", "registry.example/ledger:1", 12);
    let key = sim.model.put("kubectl", ledger);
    sim.pass(50_000);
    scene::second_revision(&sim.model, &key);
    sim.pass(60_000);
    sim.pass(60_000);
    let target = scene::target(&sim.model, "StatefulSet", "data", "ledger");
    let (revision, source) = scene::first(&sim.model, &target);
    sim.model.set_times(SignedDuration::from_secs(50), SignedDuration::from_secs(1));
    sim.order(&[Action::RollbackWorkload { target, revision, source }], Approval::Auto);
    (sim, key)
}

fn figures(sim: &Sim, key: &Key) -> (i64, i64) {
    let set = sim.model.object(key).unwrap();
    (number(&set, "/status/updatedReplicas"), number(&set, "/status/readyReplicas"))
}

/// Runs on until the workflow is in one of these phases, and tells when and when the figures last changed.
fn until(sim: &mut Sim, key: &Key, wanted: &[Phase]) -> (Millis, Millis) {
    let (mut last, mut moved) = (figures(sim, key), sim.hands.millis());
    for _ in 0..200_000 {
        sim.rush(1);
        let now = figures(sim, key);
        if now != last {
            (last, moved) = (now, sim.hands.millis());
        }
        if sim.store.phases().first().is_some_and(|phase| wanted.contains(phase)) {
            return (sim.hands.millis(), moved);
        }
    }
    panic!("it does not get there: {:?}", sim.everything());
}

#[test]
fn a_rollout_of_twelve_slow_pods_is_not_undone_while_it_comes_nearer() {
    let (mut sim, key) = going_back();
    let began = sim.hands.millis();
    let (ended, _) = until(
        &mut sim,
        &key,
        &[Phase::Completed, Phase::RollingBack, Phase::RolledBack, Phase::Failed, Phase::NeedsOperator],
    );
    let workflow = sim.everything().remove(0);
    assert_eq!(workflow.phase, Phase::Completed, "{:?}", workflow.reason);
    assert_eq!(figures(&sim, &key), (12, 12));
    let verify = millis(settings().timing.verify);
    assert!(ended - began > 2 * verify, "{} s: not long enough to show it", (ended - began) / 1_000);
    super::verdict(&sim, "twelve slow pods").unwrap();
}

#[test]
fn a_rollout_that_stands_still_is_undone_as_soon_as_it_did_so_for_the_time_of_a_verification() {
    let (mut sim, key) = going_back();
    while figures(&sim, &key).0 < 4 {
        sim.rush(1);
    }
    // From now on no pod becomes ready any more, and none says why.
    sim.model.set_times(SignedDuration::from_hours(10), SignedDuration::from_secs(1));
    let (undone, moved) = until(&mut sim, &key, &[Phase::RollingBack, Phase::Completed, Phase::Failed]);
    let workflow = sim.everything().remove(0);
    assert_eq!(workflow.phase, Phase::RollingBack, "{:?}", workflow.reason);
    let stood = undone - moved;
    let verify = millis(settings().timing.verify);
    assert!(stood >= verify && stood <= verify + MINUTE / 4, "it stood still for {} s", stood / 1_000);
    let why = workflow.reason.unwrap();
    assert!(why.contains("nothing came nearer for 30"), "{why}");
    sim.rush(60_000);
    assert_eq!(sim.store.phases(), [Phase::RolledBack]);
    super::verdict(&sim, "a rollout that stands still").unwrap();
}
