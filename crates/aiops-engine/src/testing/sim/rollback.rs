//! Rolled back means as before: random plans that fail at a random step, against pre-images that the test reads itself,
//! with another writer in half of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    cluster::touch,
    dice::Dice,
    faults::Faults,
    is_proof, plans,
    run::{Base, Options, Sim},
    scene, settings, verdict,
};
use crate::{
    model::{
        action::Action,
        phase::{Direction, Phase, StepState},
        plan::Approval,
    },
    testing::model::{
        Key,
        json::{put, take},
    },
};

/// What rollback equality compares: not status, versions, managed fields, the revision annotation and dependents.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    for path in [
        "/status",
        "/metadata/resourceVersion",
        "/metadata/generation",
        "/metadata/managedFields",
        "/metadata/annotations/deployment.kubernetes.io~1revision",
        // The taint of a cordon is its controller's.
        "/spec/taints",
    ] {
        take(&mut object, path);
    }
    if object
        .pointer("/metadata/annotations")
        .and_then(Value::as_object)
        .is_some_and(serde_json::Map::is_empty)
    {
        take(&mut object, "/metadata/annotations");
    }
    // A node that says `false` and one that says nothing are one.
    if object.pointer("/spec/unschedulable") == Some(&Value::Bool(false)) {
        take(&mut object, "/spec/unschedulable");
    }
    object
}

fn image(sim: &Sim, actions: &[Action]) -> BTreeMap<Key, Value> {
    let keys = actions.iter().map(|action| Key::of_target(action.target()));
    keys.filter_map(|key| sim.model.object(&key).map(|object| (key, comparable(&object)))).collect()
}

#[test]
fn what_is_rolled_back_is_as_it_was_and_other_peoples_edits_stay() {
    let base = Base::new();
    let reversible: Vec<_> = scene::catalogue(&base.model)
        .into_iter()
        .filter(|(_, action)| scene::is_reversible(action))
        .collect();
    let plans_run = if is_proof() { 3_000 } else { 60 };
    let mut undone: BTreeMap<&str, u32> = BTreeMap::new();
    let mut ends: BTreeMap<Phase, u32> = BTreeMap::new();
    for seed in 0..plans_run {
        let mut dice = Dice::new(seed);
        let length = 2 + dice.place(5);
        let actions = plans::any(&mut dice, &reversible, length);
        let fails_at = 1 + dice.below(u64::try_from(length).unwrap() - 1);
        let mut settings = settings();
        // Whole plans in one bucket: budgets are proven elsewhere.
        settings.limits.budget_per_namespace = 100;
        settings.limits.budget_per_cluster = 100;
        let options = Options { seed, processes: 1, defect: None, settings, jumps: false };
        let mut sim = Sim::new(&base, Faults::script([]), options);
        sim.model.refuse_effect(&format!("/{fails_at}/do"));
        let before = image(&sim, &actions);
        sim.order(&actions, Approval::Auto);
        // Another writer in half of the runs: an annotation, or a field that a step wrote.
        let mut edited: Option<(Key, &str, Value)> = None;
        if seed % 2 == 1 {
            let moves = u32::try_from(20 + dice.below(400)).unwrap();
            sim.rush(moves);
            let key = Key::of_target(dice.pick(&actions).target());
            if key.kind == "Deployment" && dice.is(500) {
                sim.model.edit("kubectl", &key, |object| put(object, "/spec/replicas", 9));
                edited = Some((key, "/spec/replicas", 9.into()));
            } else {
                touch(&sim.model, &key, seed);
                edited = Some((key, "/metadata/annotations/example.com~1touched", seed.to_string().into()));
            }
        }
        sim.rush(20_000);
        verdict(&sim, &format!("seed {seed}: {actions:?}")).unwrap();
        let history = sim.history();
        let record = &history.records[0];
        let phase = record.workflow.phase;
        *ends.entry(phase).or_default() += 1;
        for step in &record.steps {
            if step.direction == Direction::Undo && step.state == StepState::Verified {
                *undone.entry(step.action.name()).or_default() += 1;
            }
        }
        let after = image(&sim, &actions);
        if let Some((key, path, value)) = &edited {
            let survives = after.get(key).and_then(|object| object.pointer(path)) == Some(value);
            assert!(survives || phase == Phase::NeedsOperator, "seed {seed}: {key} lost {path} in {phase}");
        } else {
            assert!(
                matches!(phase, Phase::RolledBack | Phase::Completed | Phase::Failed),
                "seed {seed}: {phase}, {:?}",
                record.workflow.reason
            );
            if phase == Phase::RolledBack {
                assert_eq!(before, after, "seed {seed}: {actions:?}");
            }
        }
    }
    println!("rollback: {plans_run} plans, undone: {undone:?}, ends: {ends:?}");
    for name in ["scale-workload", "rollback-workload", "set-resources", "cordon-node", "uncordon-node"] {
        let count = undone.get(name).copied().unwrap_or_default();
        let least = if is_proof() { 20 } else { 5 };
        assert!(count >= least, "{name} was undone {count} times only");
    }
}
