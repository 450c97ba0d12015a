//! The controllers of the model. Each looks at the whole state and does what the real one would do next; a step is one
//! turn of each.
//!
//! They decide by what is stored alone, so the same state and time give the same step; so one that had nothing to do with an
//! object is not asked again before something changed that it looks at.

mod around;
mod create;
mod deployments;
mod gitops;
mod jobs;
mod pods;
mod revisions;
mod sets;

use std::sync::Arc;

use serde_json::Value;

use super::{kinds::Key, world::World};

/// The manager name of Kubernetes's own controllers.
pub(super) const MANAGER: &str = "kube-controller-manager";
/// The manager name of the nodes' agents.
pub(super) const KUBELET: &str = "kubelet";

/// The earlier of two moments, in milliseconds since 1970.
fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// What a controller says of one object: the moment that it waits for, in milliseconds since 1970.
enum Said {
    /// It looked at the object's namespace and the cluster's own objects alone.
    Until(Option<i64>),
    /// It looked further, and has to be asked again whatever changes.
    Again(Option<i64>),
}

/// One turn of a controller over its kind. Returns the moment that is waited for.
fn each(
    world: &mut World,
    kind: &str,
    mut one: impl FnMut(&mut World, &Key, &Arc<Value>) -> Said,
) -> Option<i64> {
    let mut due = None;
    for (key, object) in world.of_kind(kind) {
        if let Some(until) = world.rests(&key) {
            due = earlier(due, until);
            continue;
        }
        let before = world.version;
        let until = match one(world, &key, &object) {
            Said::Until(until) => {
                if world.version == before {
                    world.rest(&key, until);
                }
                until
            }
            Said::Again(until) => until,
        };
        due = earlier(due, until);
    }
    due
}

/// One turn of each controller. Returns whether anything changed.
pub(super) fn step(world: &mut World) -> bool {
    let now = world.now.as_millisecond();
    if world.settled.is_some_and(|(version, until)| version == world.version && now < until) {
        return false;
    }
    let before = world.version;
    gitops::step(world);
    around::autoscalers(world);
    let mut due = deployments::step(world);
    sets::replica_sets(world);
    jobs::jobs(world);
    revisions::stateful_sets(world);
    revisions::daemon_sets(world);
    due = earlier(due, pods::step(world));
    around::nodes(world);
    around::budgets(world);
    around::endpoints(world);
    let changed = world.version != before;
    world.settled = (!changed).then(|| (world.version, due.unwrap_or(i64::MAX)));
    changed
}
