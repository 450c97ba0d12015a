//! Random schedules: several processes, several workflows, faults, other writers, people who approve and cancel, a kill
//! switch that is thrown, clocks that jump. Every run is one seed.

use std::collections::BTreeMap;

use super::{
    defects::Defect,
    dice::Dice,
    faults::{Fate, Faults},
    plans,
    run::{Base, Options, Sim, now, tried},
    scene, schedules, settings, verdict,
};
use crate::{
    coordination::{Coordination as _, Decision, PolicyRule, Trigger},
    model::{
        action::Action,
        caller::{Caller, Via},
        phase::Phase,
        plan::Approval,
    },
    ports::store::{Store as _, WorkflowFilter},
    testing::model::{Key, OURSELVES, json::put},
};

/// What people and others do at a moment.
fn trouble(sim: &mut Sim, catalogue: &[(&'static str, Action)]) {
    let door = sim.coordinator("door");
    let all = WorkflowFilter { limit: 1_000, ..WorkflowFilter::default() };
    let all = now(sim.store.workflows(&all)).unwrap().rows;
    let name = *sim.dice.pick(&["ann", "ben"]);
    let ben = Caller::identified(name, Vec::new(), Via::Rest);
    match sim.dice.below(12) {
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
                    put(object, "/spec/replicas", replicas);
                });
            }
        }
        8 => {
            let key = sim.anything();
            if matches!(key.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") && sim.dice.is(300) {
                sim.model.recreate("kubectl", &key);
            }
        }
        9 | 10 => request(sim, catalogue),
        _ => {
            let key = sim.anything();
            if sim.dice.is(300) {
                sim.model.revert(&key, serde_json::json!({ "spec": { "replicas": 2 } }), 1);
            }
        }
    }
}

/// A request of a door by the dice: an action by name, an issue, the same once more, or only a plan.
fn request(sim: &mut Sim, catalogue: &[(&'static str, Action)]) {
    let (_, action) = sim.dice.pick(catalogue).clone();
    let target = action.target().clone();
    let issue = *sim.dice.pick(&["pod_crash_loop", "image_pull", "oom_kill"]);
    let by_name = sim.dice.is(700);
    let number = sim.dice.below(4);
    let trigger = Trigger {
        namespace: target.namespace.clone(),
        kind: target.kind.clone(),
        name: target.name.clone(),
        issue: if by_name { String::new() } else { issue.to_owned() },
        dry_run: sim.dice.is(150),
        action: by_name.then_some(action),
        idempotency_key: sim.dice.is(500).then(|| format!("key-{number}")),
        ..Trigger::default()
    };
    let ann = Caller::identified("ann", Vec::new(), Via::Rest);
    sim.trigger(&ann, trigger.clone());
    if sim.dice.is(300) {
        sim.trigger(&ann, trigger);
    }
}

/// A schedule.
pub(crate) fn schedule(base: &Base, seed: u64, defect: Option<Defect>) -> Sim {
    let mut dice = Dice::new(seed ^ 0xa1);
    let rate = *dice.pick(&[0, 15, 40, 100]);
    let processes = 1 + dice.place(3);
    let mut settings = settings();
    if dice.is(400) {
        (settings.limits.budget_per_namespace, settings.limits.budget_per_cluster) = (2, 3);
    }
    if dice.is(300) {
        let then = *dice.pick(&[Approval::Approve, Approval::TwoPerson]);
        let first = settings.policy.rules[0].clone();
        let actions = ["set-resources", "cordon-node", "restart-workload"].map(str::to_owned).to_vec();
        settings.policy.rules.insert(0, PolicyRule { name: "asked".to_owned(), actions, then, ..first });
    }
    let options = Options { seed, processes, defect, settings, jumps: dice.is(200) };
    let mut sim = Sim::new(base, Faults::chance(seed ^ 0xb2, rate), options);
    let catalogue = scene::catalogue(&base.model);
    if dice.is(400) {
        sim.model.refuse_effect(&format!("/{}/do", 1 + dice.below(3)));
    }
    if dice.is(250) {
        let web = Key::new("Deployment", "shop", "web");
        let image = *dice.pick(&["registry.example/web:bad", "registry.example/web:3"]);
        sim.model.edit("kubectl", &web, |web| {
            put(web.pointer_mut("/spec/template/spec/containers/0").unwrap(), "/image", image);
        });
        sim.pass(12_000);
    }
    for _ in 0..=dice.place(3) {
        if dice.is(400) {
            request(&mut sim, &catalogue);
            continue;
        }
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
    sim.throw(900, |sim| trouble(sim, &catalogue));
    sim.calm();
    sim
}

/// What schedules came to.
#[derive(Default)]
struct Sum {
    runs: u64,
    effects: usize,
    faults: BTreeMap<Fate, u64>,
    ends: BTreeMap<Phase, u64>,
    broken: Vec<String>,
}

/// Runs the schedules of these seeds.
fn runs(seeds: impl Iterator<Item = u64>) -> Sum {
    let base = Base::new();
    let mut sum = Sum::default();
    for seed in seeds {
        let sim = schedule(&base, seed, None);
        let history = sim.history();
        for record in &history.records {
            *sum.ends.entry(record.workflow.phase).or_default() += 1;
        }
        sum.runs += 1;
        sum.effects += history.journal.iter().filter(|e| e.actor == OURSELVES && e.is_effect()).count();
        for ((_, fate), count) in sim.faults.met() {
            *sum.faults.entry(fate).or_default() += count;
        }
        if let Err(why) = verdict(&sim, &format!("seed {seed}")) {
            sum.broken.push(why);
            if sum.broken.len() >= 10 {
                break;
            }
        }
    }
    sum
}

#[test]
fn random_schedules_lose_nothing_and_repeat_nothing() {
    let count = schedules();
    let threads = if count > 1_000 { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    let sums: Vec<Sum> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || runs((0..count).skip(first).step_by(threads))))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = Sum::default();
    for sum in sums {
        all.runs += sum.runs;
        all.effects += sum.effects;
        sum.faults.into_iter().for_each(|(fate, n)| *all.faults.entry(fate).or_default() += n);
        sum.ends.into_iter().for_each(|(phase, n)| *all.ends.entry(phase).or_default() += n);
        all.broken.extend(sum.broken);
    }
    println!("random schedules: {}, {} effects", all.runs, all.effects);
    println!("  faults met: {:?}", all.faults);
    println!("  ends: {:?}", all.ends);
    assert!(
        all.broken.is_empty(),
        "{} schedules broke an invariant:\n{}",
        all.broken.len(),
        all.broken.join("\n")
    );
    let faults: u64 = all.faults.values().sum();
    assert!(all.effects > 30 && faults > 40, "they do too little: {} effects, {faults} faults", all.effects);
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    let base = Base::new();
    for seed in 0..3 {
        let hash = schedule(&base, seed, None).journal_hash();
        assert_eq!(hash, schedule(&base, seed, None).journal_hash(), "I19: seed {seed}");
    }
    assert_ne!(schedule(&base, 3, None).journal_hash(), schedule(&base, 4, None).journal_hash());
}
