//! Random schedules: several processes, several workflows, faults, other writers, people who approve and cancel, a kill
//! switch that is thrown, clocks that jump. Every run is one seed.

use super::{
    defects::Defect,
    dice::Dice,
    faults::Faults,
    is_proof, plans,
    run::{Base, Options, Sim, now, tried},
    scene, settings, verdict,
};
use crate::{
    coordination::{Coordination as _, Decision},
    model::{
        caller::{Caller, Via},
        phase::Phase,
        plan::Approval,
    },
    ports::store::{Store as _, WorkflowFilter},
};

/// What people and others do at a moment.
fn trouble(sim: &mut Sim) {
    let door = sim.coordinator("door");
    let all = WorkflowFilter { limit: 1_000, ..WorkflowFilter::default() };
    let all = now(sim.store.workflows(&all)).unwrap().rows;
    let ben = Caller::identified("ben", Vec::new(), Via::Rest);
    match sim.dice.below(10) {
        0 | 1 => {
            if let Some(workflow) = all.iter().find(|w| w.phase == Phase::AwaitingApproval) {
                let digest =
                    if sim.dice.is(200) { "another".to_owned() } else { workflow.digest.clone().unwrap() };
                let approve = !sim.dice.is(200);
                let decision = Decision { digest, approve, reason: None, by_elicitation: false };
                // What is refused is no answer, and everything else is in the store.
                let _ = tried(door.decide(&ben, &workflow.id, decision));
            }
        }
        2 => {
            if !all.is_empty() {
                let workflow = sim.dice.pick(&all).id.clone();
                let _ = tried(door.cancel(&ben, &workflow, Some("enough".to_owned())));
            }
        }
        3 => {
            let mode = *sim.dice.pick(&["pause", "stop"]);
            sim.switch(mode);
        }
        4..=6 => sim.switch("run"),
        7 => {
            let key = sim.anything();
            if matches!(key.kind.as_str(), "Deployment" | "StatefulSet") {
                let replicas = 1 + sim.dice.below(4);
                sim.model.edit("kubectl", &key, |object| {
                    crate::testing::model::json::put(object, "/spec/replicas", replicas);
                });
            }
        }
        8 => {
            let key = sim.anything();
            if matches!(key.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") && sim.dice.is(300) {
                sim.model.recreate("kubectl", &key);
            }
        }
        _ => {
            let key = sim.anything();
            if sim.dice.is(300) {
                sim.model.revert(&key, serde_json::json!({ "spec": { "replicas": 2 } }), 1);
            }
        }
    }
}

/// A schedule.
pub(crate) fn schedule(base: &Base, seed: u64, defect: Option<Defect>) -> Sim {
    let mut dice = Dice::new(seed ^ 0xa1);
    let rate = *dice.pick(&[0, 5, 15, 40]);
    let processes = 1 + dice.place(3);
    let mut settings = settings();
    if dice.is(400) {
        (settings.limits.budget_per_namespace, settings.limits.budget_per_cluster) = (2, 3);
    }
    let options = Options { seed, processes, defect, settings };
    let mut sim = Sim::new(base, Faults::chance(seed ^ 0xb2, rate), options);
    let catalogue = scene::catalogue(&base.model);
    for _ in 0..=dice.place(3) {
        let length = 1 + dice.place(4);
        let actions = plans::any(&mut dice, &catalogue, length);
        let asks = *dice.pick(&[
            Approval::Auto,
            Approval::Auto,
            Approval::Auto,
            Approval::Approve,
            Approval::TwoPerson,
        ]);
        sim.order(&actions, asks);
    }
    sim.throw(600, trouble);
    sim.calm();
    sim
}

#[test]
fn random_schedules_lose_nothing_and_repeat_nothing() {
    let base = Base::new();
    let (first, count) = if is_proof() { (0, 100_000) } else { (0, 60) };
    let mut broken = Vec::new();
    let mut ends = std::collections::BTreeMap::new();
    let (mut effects, mut faults) = (0_usize, 0_u64);
    for seed in first..first + count {
        let sim = schedule(&base, seed, None);
        let history = sim.history();
        for record in &history.records {
            *ends.entry(record.workflow.phase).or_insert(0_u64) += 1;
        }
        effects += history.journal.iter().filter(|e| e.actor == "aiops" && e.is_effect()).count();
        faults += sim.faults.met().values().sum::<u64>();
        if let Err(why) = verdict(&sim, &format!("seed {seed}")) {
            broken.push(why);
            if broken.len() >= 10 {
                break;
            }
        }
    }
    println!("random schedules: {count}, {effects} effects, {faults} faults, ends: {ends:?}");
    assert!(broken.is_empty(), "{} schedules broke an invariant:\n{}", broken.len(), broken.join("\n"));
    assert!(effects > 50 && faults > 100, "the schedules do too little: {effects} effects, {faults} faults");
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    let base = Base::new();
    for seed in 0..5 {
        let hash = schedule(&base, seed, None).journal_hash();
        assert_eq!(hash, schedule(&base, seed, None).journal_hash(), "I19: seed {seed}");
    }
    assert_ne!(schedule(&base, 3, None).journal_hash(), schedule(&base, 4, None).journal_hash());
}
