//! The controllers of the model. Each looks at the whole state and does what the real one would do next; a step is one
//! turn of each.
//!
//! They decide by what is stored alone, so the same state and time give the same step.

mod around;
mod create;
mod deployments;
mod gitops;
mod pods;
mod revisions;
mod sets;

use super::world::World;

/// The manager name of Kubernetes's own controllers.
pub(super) const MANAGER: &str = "kube-controller-manager";
/// The manager name of the nodes' agents.
pub(super) const KUBELET: &str = "kubelet";

/// One turn of each controller. Returns whether anything changed.
pub(super) fn step(world: &mut World) -> bool {
    if world.settled == Some(world.version) {
        return false;
    }
    let before = world.version;
    let mut waits = gitops::step(world);
    around::autoscalers(world);
    waits |= deployments::step(world);
    sets::replica_sets(world);
    revisions::stateful_sets(world);
    revisions::daemon_sets(world);
    waits |= pods::step(world);
    around::nodes(world);
    around::budgets(world);
    around::endpoints(world);
    let changed = world.version != before;
    world.settled = (!changed && !waits).then_some(world.version);
    changed
}
