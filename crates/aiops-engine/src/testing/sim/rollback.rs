//! Rolled back means as before: random plans that fail at a random step, against pre-images that the test reads itself,
//! with another writer in half of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    cluster::touch,
    dice::Dice,
    faults::Faults,
    part::{Part, spread, threads},
    plans,
    run::{Base, Options, Sim},
    scene, settings,
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

/// How many plans the whole proof runs.
const PLANS: u64 = 3_000;

/// One plan.
struct Plan {
    sim: Sim,
    /// What is wrong with it, beside invariants.
    wrong: Vec<String>,
}

/// A run of steps that can all be undone, one of which is refused, before it is ordered.
pub(crate) fn failing(base: &Base, seed: u64) -> (Sim, Vec<Action>, Dice) {
    let reversible: Vec<_> = scene::catalogue(&base.model)
        .into_iter()
        .filter(|(_, action)| scene::is_reversible(action))
        .collect();
    let mut dice = Dice::new(seed);
    let length = 2 + dice.place(5);
    let actions = plans::any(&mut dice, &reversible, length);
    let fails_at = 1 + dice.below(u64::try_from(length).unwrap() - 1);
    let mut settings = settings();
    // Whole plans in one bucket: budgets are proven elsewhere.
    settings.limits.budget_per_namespace = 100;
    settings.limits.budget_per_cluster = 100;
    let options = Options { seed, processes: 1, defect: None, settings, jumps: false, sweeps: false };
    let sim = Sim::new(base, Faults::script([]), options);
    sim.model.refuse_effect(&format!("/{fails_at}/do"));
    (sim, actions, dice)
}

fn plan(base: &Base, seed: u64) -> Plan {
    let (mut sim, actions, mut dice) = failing(base, seed);
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
    let after = image(&sim, &actions);
    let workflow = &sim.everything()[0];
    let (phase, mut wrong) = (workflow.phase, Vec::new());
    if let Some((key, path, value)) = &edited {
        let survives = after.get(key).and_then(|object| object.pointer(path)) == Some(value);
        if !survives && phase != Phase::NeedsOperator {
            wrong.push(format!("{key} lost {path} in {phase}"));
        }
    } else if !matches!(phase, Phase::RolledBack | Phase::Completed | Phase::Failed) {
        wrong.push(format!("{phase}, {:?}", workflow.reason));
    } else if phase == Phase::RolledBack && before != after {
        wrong.push(format!("not as before: {actions:?}"));
    }
    Plan { sim, wrong }
}

/// Repeats one plan.
pub(crate) fn again(base: &Base, rest: &[&str]) -> Option<Sim> {
    let [seed] = rest else { return None };
    let Plan { sim, wrong } = plan(base, seed.parse().ok()?);
    wrong.iter().for_each(|wrong| println!("{wrong}"));
    Some(sim)
}

/// Random plans that fail at a random step.
pub(crate) fn rollback(is_whole: bool) -> Part {
    let seeds: Vec<u64> = (0..if is_whole { PLANS } else { 50 }).collect();
    let mut part = spread("rollback", &seeds, threads(is_whole), |base, seed, part| {
        let Plan { sim, wrong } = plan(base, *seed);
        let name = format!("rollback/{seed}");
        part.take(&name, &sim);
        part.broken.extend(wrong.into_iter().map(|wrong| format!("AIOPS_RUN={name}: {wrong}")));
        for record in sim.history().records {
            for step in record.steps {
                if step.direction == Direction::Undo && step.state == StepState::Verified {
                    *part.counts.entry(step.action.name()).or_default() += 1;
                }
            }
        }
    });
    let least = if is_whole { 100 } else { 1 };
    let names = [
        "scale-workload",
        "rollback-workload",
        "set-resources",
        "cordon-node",
        "uncordon-node",
        "revert-manifest",
    ];
    for name in names {
        let count = part.counts.get(name).copied().unwrap_or_default();
        part.floor(&format!("{name} undone"), count, least);
        part.lines.push(format!("{name} was undone {count} times"));
    }
    part.of = PLANS;
    if is_whole {
        part.few_parked(500);
    }
    part
}

#[test]
fn what_is_rolled_back_is_as_it_was_and_other_peoples_edits_stay() {
    rollback(false).hold();
}
