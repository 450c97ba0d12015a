//! From a remedy's draft to a plan: layers, order, checkpoints, limits.
//!
//! It decides nothing about the remedy. A plan that would be larger than plans may be is refused, not cut.

use super::Neighbourhood;
use crate::{
    Engine,
    error::Error,
    layers,
    model::{
        action::{Action, UndoClass},
        layer::Layer,
        plan::{Approval, Checkpoint, Plan, Step},
    },
    remedies::{Draft, MOST_PODS, Move},
};

/// Steps of a plan at most.
const MOST_STEPS: usize = 50;
/// Bytes of a plan in JSON at most.
const MOST_BYTES: usize = 64 * 1024;
/// The rule that refuses plans over their limits.
const RULE: &str = "plan-size";

/// A plan of one remedy.
pub(super) fn single(
    engine: &Engine,
    near: &Neighbourhood,
    (name, version): (&str, u32),
    draft: Draft,
) -> Result<Plan, Error> {
    let Draft { why, moves, expected, risk, seconds } = draft;
    let steps = steps(moves, is_irreversible);
    let checkpoints = checkpoints(&steps, false);
    let plan = Plan {
        cluster: engine.look().info().uid.to_string(),
        problem: near.problem.clone(),
        deployed: near.owners.deployed.clone(),
        layers: layers_of(&steps),
        remedy: name.to_owned(),
        remedy_version: version,
        why: crate::text::line(&why, 600),
        steps,
        checkpoints,
        risk,
        expected: crate::text::line(&expected, 300),
        estimated_seconds: seconds,
        approval: Approval::Deny,
        rule: String::new(),
        at: near.now.as_millisecond(),
    };
    check(&plan)?;
    Ok(plan)
}

/// The moves as steps, ordered by what `last` says of each; equal ones keep their order.
pub(super) fn steps<K: Ord>(mut moves: Vec<Move>, last: impl Fn(&Move) -> K) -> Vec<Step> {
    moves.sort_by_key(|one| last(one));
    let numbered = moves.into_iter().zip(0_u32..);
    numbered
        .map(|(one, order)| Step {
            order,
            layer: layers::of_action(&one.action),
            description: crate::text::line(&one.description, 300),
            undo: one.action.undo_class(),
            action: one.action,
            required: one.required,
            proof: None,
        })
        .collect()
}

/// What cannot be undone comes last.
pub(super) fn is_irreversible(one: &Move) -> bool {
    one.action.undo_class() == UndoClass::Irreversible
}

pub(super) fn layers_of(steps: &[Step]) -> Vec<Layer> {
    let mut layers: Vec<Layer> = steps.iter().map(|step| step.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    layers
}

/// A checkpoint after the last step of each layer.
pub(super) fn checkpoints(steps: &[Step], is_multi_layer: bool) -> Vec<Checkpoint> {
    let of_layer = |layer: Layer| {
        let after_step = steps.iter().filter(|step| step.layer == layer).map(|step| step.order).max()?;
        let checks: &[&str] = match layer {
            // The contract's own two, where only a workload is touched.
            Layer::Application if !is_multi_layer => &["pods_running", "endpoints_healthy"],
            Layer::Infrastructure if !is_multi_layer => &["nodes_ready"],
            Layer::Platform if !is_multi_layer => &["operators_ready"],
            layer => layers::checks(layer),
        };
        Some(Checkpoint {
            layer,
            after_step,
            checks: checks.iter().map(|check| (*check).to_owned()).collect(),
            timeout_seconds: layers::CHECK_SECONDS,
            required: true,
        })
    };
    layers_of(steps).into_iter().filter_map(of_layer).collect()
}

/// Refuses a plan over the limits.
pub(super) fn check(plan: &Plan) -> Result<(), Error> {
    let what = || format!("the plan for {}", plan.problem.target);
    let refuse = |why: String| Err(Error::refused(what(), RULE, why));
    if plan.steps.len() > MOST_STEPS {
        return refuse(format!(
            "it would have {} steps, and at most {MOST_STEPS} are allowed",
            plan.steps.len()
        ));
    }
    let gone = |step: &&Step| matches!(step.action, Action::EvictPod { .. } | Action::DeletePod { .. });
    let pods = plan.steps.iter().filter(gone).count();
    if pods > MOST_PODS {
        return refuse(format!("it would evict or delete {pods} pods, and at most {MOST_PODS} are allowed"));
    }
    let bytes = serde_json::to_string(plan)
        .map(|text| text.len())
        .map_err(|source| Error::Internal { what: what(), source: Some(source.into()) })?;
    if bytes > MOST_BYTES {
        return refuse(format!("it would take {bytes} bytes, and at most {MOST_BYTES} are allowed"));
    }
    Ok(())
}

/// An expected duration as doors show it: `45s`, `5m`, `2h`; rounded up.
pub(crate) fn duration(seconds: u32) -> String {
    match seconds {
        0..90 => format!("{seconds}s"),
        90..5_400 => format!("{}m", seconds.div_ceil(60)),
        _ => format!("{}h", seconds.div_ceil(3_600)),
    }
}
