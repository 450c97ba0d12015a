//! Rollouts that are under way as they are meant to be, and during which nothing can be available: a Deployment's first,
//! one that ends all old pods before it makes new ones (`strategy: Recreate`), growth from no replicas at all.
//!
//! Each is excused while Kubernetes itself calls the rollout progressing, and never for longer than its progress deadline.
//! A pod that is in trouble is no rollout under way: whether one is, the callers say of the pods they judge.

use std::{cell::OnceCell, collections::HashMap};

use aiops_inventory::rows::{Condition, DeploymentRow, PodRow, Seconds, Truth};

use super::{Look, View, pods};

/// What the Deployment controller says when it makes a ReplicaSet larger.
const SCALED: &str = "ScalingReplicaSet";
const FROM_NOTHING: &str = " from 0 to ";
/// The controller writes the event and the condition one after the other.
const APART: Seconds = 30;

/// When Deployments last grew from no replicas, as far as events are still known. Made once a question, and only when a
/// Deployment is down for which nothing else is an excuse.
#[derive(Debug, Default)]
pub(super) struct Grown<'a>(OnceCell<HashMap<(&'a str, &'a str), Seconds>>);

impl<'a> Grown<'a> {
    fn last(&self, view: View<'a>, row: &DeploymentRow) -> Option<Seconds> {
        let grown = self.0.get_or_init(|| {
            let mut last: HashMap<(&'a str, &'a str), Seconds> = HashMap::new();
            let of_growth = |e: &&std::sync::Arc<aiops_inventory::rows::EventRow>| {
                e.reason == SCALED && e.kind == "Deployment" && e.message.contains(FROM_NOTHING)
            };
            for event in view.inventory.events().iter().filter(of_growth) {
                let at = last.entry((&event.namespace, &event.object)).or_insert(event.last);
                *at = (*at).max(event.last);
            }
            last
        });
        grown.get(&(row.meta.key.namespace.as_str(), row.meta.key.name.as_str())).copied()
    }
}

fn condition<'a>(row: &'a DeploymentRow, kind: &str) -> Option<&'a Condition> {
    row.conditions.iter().find(|c| c.kind == kind)
}

/// A Deployment that has not been available yet since it was made.
pub(super) fn is_first(view: View<'_>, row: &DeploymentRow) -> bool {
    let rolling = condition(row, "Progressing")
        .is_some_and(|c| c.status == Truth::True && c.reason != "NewReplicaSetAvailable");
    rolling && view.now - row.meta.created < i64::from(row.progress_deadline)
}

/// A Deployment that is down because its rollout ends all old pods first, or that has just had no replicas at all.
pub(super) fn is_from_nothing(look: &Look<'_>, row: &DeploymentRow) -> bool {
    let progresses = condition(row, "Progressing").filter(|c| c.status == Truth::True);
    let down = condition(row, "Available").filter(|c| c.status == Truth::False);
    let (Some(progressing), Some(down)) = (progresses, down) else { return false };
    if look.view.now - down.since > i64::from(row.progress_deadline) {
        return false;
    }
    // While the old pods of a Recreate end, the condition still speaks of the rollout before; the figures do not.
    let is_rolling = progressing.reason != "NewReplicaSetAvailable" || row.updated < row.desired;
    if row.strategy == "Recreate" && is_rolling {
        return true;
    }
    // Growth is no rollout to the controller, and says nothing in its conditions. Each new ReplicaSet of a rollout grows from 0
    // as well, and that one does.
    if progressing.reason != "NewReplicaSetAvailable" {
        return false;
    }
    // Its pods come up one after the other:
    // as long as they have never been enough, it is still the same growth.
    look.grown.last(look.view, row).is_some_and(|at| at >= down.since - APART)
}

/// The pods of a Deployment.
pub(super) fn pods_of<'a>(look: &Look<'a>, row: &'a DeploymentRow) -> impl Iterator<Item = &'a PodRow> {
    let pods = look.view.inventory.pods().in_namespace(&row.meta.key.namespace);
    pods.map(|pod| &**pod).filter(|pod| row.selector.matches(&pod.meta.labels))
}

/// Whether something is wrong with one of these pods by itself.
pub(super) fn is_in_trouble<'a>(look: &Look<'_>, mut pods: impl Iterator<Item = &'a PodRow>) -> bool {
    pods.any(|pod| pod.is_suspect() && pods::is_in_trouble(look, pod))
}
