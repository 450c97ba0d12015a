//! From a remedy's draft to a plan: layers, order, checkpoints, limits.
//!
//! It decides nothing about the remedy. Whether a plan is larger than plans may be, the guard says.

use super::Neighbourhood;
use crate::{
    Engine, layers,
    model::{
        action::UndoClass,
        layer::Layer,
        plan::{Approval, Checkpoint, Plan, Step},
    },
    remedies::{Draft, Move},
};

/// A plan of one remedy.
pub(super) fn single(
    engine: &Engine,
    near: &Neighbourhood,
    (name, version): (&str, u32),
    draft: Draft,
) -> Plan {
    let Draft { why, moves, expected, risk, seconds } = draft;
    let steps = steps(moves, is_irreversible);
    let checkpoints = checkpoints(&steps, false);
    Plan {
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
        left_alone: near.left_alone.clone(),
        estimated_seconds: seconds,
        approval: Approval::Deny,
        rule: String::new(),
        at: near.now.as_millisecond(),
    }
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
            planned_on: std::collections::BTreeMap::new(),
            deploys_to: Vec::new(),
            takes_down: None,
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
