//! How an action becomes a request, how it is seen to have been done, and how it is undone. Pure: it is given what was
//! seen and answers what to send.
//!
//! Every deed carries a marker that tells its own effect from everybody else's, and a precondition that lets the API
//! server refuse it when the object is not what was looked at. A deed that can have neither is not in the catalogue.
//!
//! What a deed looks at is read by [`see()`]; nothing else here touches a port, and nothing knows the time.

mod applications;
mod found;
mod nearing;
mod nodes;
mod nudge;
mod object;
mod pods;
mod pool;
pub(crate) mod release;
mod resources;
mod restart;
mod revision;
mod rollback;
mod rollout;
mod scale;
mod see;
mod strategy;
mod template;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use applications::deploys_to;
pub use found::{changed, found};
pub(crate) use nearing::of_workload as nearing_of_workload;
pub use nearing::{Nearing, nearing};
pub(crate) use rollout::{holds_still, well};
pub(crate) use scale::loses_volumes;
pub use see::see;
pub use strategy::takes_down;

use crate::{
    model::{
        action::{Action, Release},
        phase::Verdict,
        target::Target,
        workflow::StepRecord,
    },
    ports::acting::Mutation,
};

/// The annotation that carries the effect key of the step that wrote an object last.
pub const EFFECT: &str = "aiops.io/effect";
/// The annotation of a pod template that a restart sets to its effect key: never a time, so that repeating it changes
/// nothing.
pub const RESTART: &str = "aiops.io/restart";
/// The annotation of an operator's resource that a nudge sets to its effect key.
pub const NUDGE: &str = "aiops.io/nudge";
/// The name under which an Argo CD operation carries the effect key in its `info`.
pub const INFO: &str = "aiops";

/// What has to be read before a deed can be judged; live, never from memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// One object.
    Object(Target),
    /// Objects of a kind in a namespace.
    List {
        /// API group.
        group: String,
        /// Kind.
        kind: String,
        /// Namespace, empty for all.
        namespace: String,
        /// Label selector.
        selector: Option<String>,
    },
    /// Objects of a kind that a workload's `spec.selector` names, in its namespace: its pods, its ReplicaSets, its
    /// ControllerRevisions. Seen as a list, which is empty when there is no such workload.
    Selected {
        /// The workload.
        by: Target,
        /// API group of the objects.
        group: String,
        /// Their kind.
        kind: String,
    },
    /// The pods of all namespaces that are on a node.
    OnNode {
        /// The node's name.
        node: String,
    },
    /// One revision of a Helm release.
    Release {
        /// The release.
        release: Release,
        /// The revision.
        revision: i64,
    },
}

/// What was seen where a deed looked.
#[derive(Debug, Clone, PartialEq)]
pub enum Sight {
    /// The object.
    Object(Value),
    /// There is no such object.
    Absent,
    /// The objects.
    List(Vec<Value>),
    /// What a revision of a Helm release holds: its state and the objects of its manifest.
    Release {
        /// `deployed`, `superseded`, `failed`, …
        status: String,
        /// The objects of its manifest, as [`crate::ports::ReleaseRevision`] has them.
        objects: Vec<Value>,
        /// Whether it has hooks that an upgrade or a rollback runs.
        has_hooks: bool,
    },
}

/// What a deed says about what was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// It has not been done; this is what to send.
    Ready(Box<Ready>),
    /// It has been done, by this very step: the marker says so.
    Applied {
        /// What shows it.
        evidence: String,
    },
    /// Nothing has to be done.
    Settled {
        /// Why.
        why: String,
    },
    /// It cannot be done, and looking again will not help.
    Refused {
        /// Why.
        why: String,
    },
    /// Somebody else changed what we wrote: undoing would overwrite them.
    Conflict {
        /// What differs.
        why: String,
    },
    /// It cannot be done now; look again later.
    Wait {
        /// For what.
        why: String,
    },
}

/// A deed that can be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// The request.
    pub mutation: Mutation,
    /// The fields that it writes, as they are now: what undoing brings back. No Secret and no environment in it.
    pub pre_image: Value,
    /// The fields as it leaves them: undoing is refused where they are not so any more.
    pub post_image: Value,
    /// What changes, `path: before -> after`.
    pub diff: Vec<String>,
    /// An earlier request of the same step was cut off half-way: a part of its effect is there, and this makes it whole.
    pub completes: bool,
}

/// Whether the object that was looked at first carries this marker, wherever a deed puts it, and whichever object of its name
/// it is.
pub fn carries(seen: &[Sight], effect_key: &str) -> bool {
    let Some(Sight::Object(object)) = seen.first() else { return false };
    [object::marker(object), restart::restarted(object), object::annotation(object, NUDGE)]
        .contains(&Some(effect_key))
}

/// What to read before [`observe`] and [`observe_undo`], the changed object first.
pub fn looks(action: &Action) -> Vec<Look> {
    let mut looks = vec![Look::Object(action.target().clone())];
    match action {
        Action::ScaleWorkload { target, .. } => looks.push(scale::autoscalers(target)),
        Action::RollbackWorkload { target, .. } => looks.extend(revision::look(target)),
        Action::RevertManifest { release, .. } => looks.extend(release::manifests(release)),
        Action::RecordRelease { release, .. } => looks.push(release::revisions(release)),
        _ => {}
    }
    looks
}

/// Judges what was seen, in the order of [`looks`]. `key` is the step's effect key, `workflow` its workflow's id.
pub fn observe(action: &Action, key: &str, workflow: &str, seen: &[Sight]) -> Observation {
    let deed = Deed { action, key, workflow };
    match action {
        Action::RestartWorkload { .. } => restart::observe(&deed, seen),
        Action::ScaleWorkload { replicas, .. } => scale::observe(&deed, *replicas, seen),
        Action::RollbackWorkload { revision, source, .. } => {
            rollback::observe(&deed, *revision, source, seen)
        }
        Action::SetResources { container, resources, .. } => {
            resources::observe(&deed, container, resources, seen)
        }
        Action::EvictPod { .. } => pods::observe_evict(&deed, seen),
        Action::DeletePod { .. } => pods::observe_delete(&deed, seen),
        Action::CordonNode { .. } => nodes::observe(&deed, true, seen),
        Action::UncordonNode { .. } => nodes::observe(&deed, false, seen),
        Action::SyncApplication { .. } => applications::observe_sync(&deed, seen),
        Action::RollbackApplication { history, .. } => applications::observe_rollback(&deed, *history, seen),
        Action::NudgeOperator { .. } => nudge::observe(&deed, seen),
        Action::AwaitPool { .. } => pool::observe(&deed, seen),
        Action::RevertManifest { release, .. } => release::observe_revert(&deed, release, seen),
        Action::RecordRelease { release, .. } => release::observe_record(&deed, release, seen),
    }
}

/// Judges how to undo a step that was done, from its record; `key` is the effect key of the way back, and `seen` what
/// [`looks`] of the step's action names.
///
/// A way back is seen as done when the fields are as they were before the step and the step's marker is gone. It sets
/// nothing but the fields that the step wrote, and only while they are as the step left them.
pub fn observe_undo(done: &StepRecord, key: &str, workflow: &str, seen: &[Sight]) -> Observation {
    let deed = Deed { action: &done.action, key, workflow };
    match (&done.action, &done.pre_image, &done.post_image) {
        (Action::AwaitPool { .. }, ..) => {
            Observation::Settled { why: "waiting for a pool changes nothing".to_owned() }
        }
        (action, Some(before), Some(after)) => {
            let back = Back { marker: &done.effect_key, before, after };
            match action {
                Action::ScaleWorkload { .. } => scale::undo(&deed, &back, seen),
                Action::RollbackWorkload { .. } => rollback::undo(&deed, &back, seen),
                Action::SetResources { container, .. } => resources::undo(&deed, container, &back, seen),
                Action::CordonNode { .. } | Action::UncordonNode { .. } => nodes::undo(&deed, &back, seen),
                Action::RevertManifest { release, .. } => release::undo_revert(&deed, release, &back, seen),
                _ => Observation::Refused { why: format!("{} cannot be undone", action.name()) },
            }
        }
        (action, ..) => Observation::Refused {
            why: format!("nothing was recorded that {} could go back to", action.name()),
        },
    }
}

/// What to read to see whether a workload's pods are all of its current template and well; nothing for what has none.
pub(crate) fn rollout_looks(target: &Target) -> Vec<Look> {
    let Some(revisions) = revision::look(target) else { return Vec::new() };
    vec![Look::Object(target.clone()), revisions, rollout::pods(target)]
}

/// What to read to see whether a deed helped.
pub fn verify_looks(action: &Action) -> Vec<Look> {
    let looks = match action {
        Action::RestartWorkload { target }
        | Action::ScaleWorkload { target, .. }
        | Action::RollbackWorkload { target, .. }
        | Action::SetResources { target, .. }
        | Action::RevertManifest { target, .. } => rollout_looks(target),
        _ => Vec::new(),
    };
    let mut looks = if looks.is_empty() { vec![Look::Object(action.target().clone())] } else { looks };
    if let Action::RevertManifest { release, .. } = action {
        looks.extend(release::manifests(release));
    }
    looks
}

/// Whether a deed that was done has settled and helped, as far as the objects it touches tell: passed, failed (it will
/// not), or unknown (not yet, or it cannot be told). The sentence is the evidence.
///
/// It is what is so at one moment: a container that will crash in ten seconds is running now. Who asks has to see it passed
/// for a while before believing it.
pub fn verify(action: &Action, key: &str, seen: &[Sight]) -> (Verdict, String) {
    let target = action.target();
    match action {
        Action::RestartWorkload { .. } => restart::verify(target, key, seen),
        Action::ScaleWorkload { replicas, .. } => scale::verify(target, *replicas, seen),
        Action::RollbackWorkload { source, .. } => rollback::verify(target, source, seen),
        Action::SetResources { container, resources, .. } => {
            resources::verify(target, container, resources, seen)
        }
        Action::EvictPod { .. } | Action::DeletePod { .. } => pods::verify(target, seen),
        Action::CordonNode { .. } => nodes::verify(target, true, seen),
        Action::UncordonNode { .. } => nodes::verify(target, false, seen),
        Action::SyncApplication { .. } => applications::verify(target, key, true, seen),
        Action::RollbackApplication { .. } => applications::verify(target, key, false, seen),
        Action::NudgeOperator { .. } => nudge::verify(target, seen),
        Action::AwaitPool { .. } => pool::verify(target, seen),
        Action::RevertManifest { release, .. } => release::verify_revert(target, release, key, seen),
        Action::RecordRelease { .. } => release::verify_record(target, seen),
    }
}

/// The step that is judged.
struct Deed<'a> {
    action: &'a Action,
    key: &'a str,
    workflow: &'a str,
}

/// What is known of a step that is to be undone.
struct Back<'a> {
    /// The effect key that the step left on the object.
    marker: &'a str,
    /// Its pre-image.
    before: &'a Value,
    /// Its post-image.
    after: &'a Value,
}
