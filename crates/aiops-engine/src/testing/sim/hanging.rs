//! A StatefulSet that waits for a pod that hangs, in a plan over several objects: its change alone never settles, and it is
//! watched with the eviction that frees it, which comes last.

use super::{away, run::Sim, scene};
use crate::{
    model::{
        action::Action,
        phase::{Phase, StepState},
        plan::Approval,
    },
    testing::model::{
        Key, Symptom, Trouble,
        json::{number, put, text},
    },
};

const BAD: &str = "registry.example/db:9";

/// A rollout of `db` to an image that is nowhere, which hangs at its last pod.
fn hangs() -> (Sim, Key) {
    let mut sim = away::sim();
    let key = Key::new("StatefulSet", "data", "db");
    let trouble = Trouble::Pull { message: format!("{BAD}: not found") };
    sim.model.ail(Symptom { image: BAD.to_owned(), command: None, trouble });
    sim.model.edit("kubectl", &key, |set| {
        put(set.pointer_mut("/spec/template/spec/containers/0").unwrap(), "/image", BAD);
    });
    for _ in 0..3 {
        sim.pass(60_000);
    }
    let pod = sim.model.object(&Key::new("Pod", "data", "db-1")).unwrap();
    assert_eq!(text(&pod, "/spec/containers/0/image"), BAD);
    (sim, key)
}

fn changes(sim: &Sim) -> Vec<Action> {
    let names = ["rollback-stateful-set", "rollback-deployment"];
    names.map(|name| scene::named(&sim.model, name)).to_vec()
}

#[test]
fn a_stateful_set_that_hangs_is_freed_though_another_object_is_changed_before_its_eviction() {
    let (mut sim, key) = hangs();
    let mut actions = changes(&sim);
    actions.push(Action::EvictPod { target: scene::target(&sim.model, "Pod", "data", "db-1") });
    sim.order(&actions, Approval::Auto);
    let (phase, why) = away::ending(&mut sim);
    assert_eq!(phase, Phase::Completed, "{why}");
    let steps = sim.history().records.remove(0).steps;
    assert!(steps.iter().all(|step| step.state == StepState::Verified), "{steps:?}");
    let set = sim.model.object(&key).unwrap();
    let figure = |member: &str| number(&set, &format!("/status/{member}"));
    assert_eq!((figure("updatedReplicas"), figure("readyReplicas")), (2, 2), "{set:#}");
}

#[test]
fn a_stateful_set_that_hangs_and_is_not_freed_is_undone_before_another_object_is_touched() {
    let (mut sim, _) = hangs();
    let actions = changes(&sim);
    sim.order(&actions, Approval::Auto);
    let (phase, why) = away::ending(&mut sim);
    assert_eq!(phase, Phase::RolledBack, "{why}");
    let steps = sim.history().records.remove(0).steps;
    assert!(steps.iter().all(|step| step.order == 0 || step.state == StepState::Pending), "{steps:?}");
}
