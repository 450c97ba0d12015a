//! Who has to be asked before a target is changed: its owner, who would otherwise set it back.
//!
//! Argo CD, Flux, OLM and operators own the whole object: they compare it with what they made, and a restart is a change
//! too. Helm owns what its chart sets and looks only when it is told to, so that a restart fights nobody. A horizontal
//! autoscaler owns the number of replicas and nothing else, a vertical one the requests: such a workload is restarted and
//! rolled back like any other. Eviction and deletion of pods change nothing that an owner wrote and are not asked about
//! here. Planning asks with what it read, and the step asks again with the object as it is then.

use crate::{
    method::Ownership,
    model::{action::Action, target::Target},
    planner::Neighbourhood,
};

/// What is to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// An annotation of the pod template that makes all pods new.
    Restart,
    /// The pod template.
    Template,
    /// Requests and limits in the pod template.
    Resources,
    /// The number of replicas.
    Replicas,
}

/// What an action writes of what somebody may own; `None` for one that goes through the owner, or writes nothing that has
/// one.
pub(crate) const fn change_of(action: &Action) -> Option<Change> {
    match action {
        Action::RestartWorkload { .. } => Some(Change::Restart),
        Action::RollbackWorkload { .. } => Some(Change::Template),
        Action::SetResources { .. } => Some(Change::Resources),
        Action::ScaleWorkload { .. } => Some(Change::Replicas),
        Action::EvictPod { .. }
        | Action::DeletePod { .. }
        | Action::CordonNode { .. }
        | Action::UncordonNode { .. }
        | Action::SyncApplication { .. }
        | Action::RollbackApplication { .. }
        | Action::RevertManifest { .. }
        | Action::RecordRelease { .. }
        | Action::NudgeOperator { .. }
        | Action::AwaitPool { .. } => None,
    }
}

/// Whether aiops itself may change this of the target; if not, who owns it and how it is changed there.
pub(crate) fn allows(near: &Neighbourhood, change: Change) -> Result<(), String> {
    let unread = near.gaps.iter().find(|gap| gap.starts_with("horizontalpodautoscalers"));
    if let Some(gap) = unread.filter(|_| change == Change::Replicas) {
        return Err(format!(
            "whether an autoscaler owns the replicas of {} is not known: {gap}",
            near.target()
        ));
    }
    match owned(near.target(), &near.owners, change) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Who owns what is to be changed of the target, and how it is changed there; `None` when nobody does.
pub(crate) fn owned(target: &Target, owners: &Ownership, change: Change) -> Option<String> {
    told(target, owners, change).map(|why| crate::text::line(&why, 400))
}

fn told(target: &Target, owners: &Ownership, change: Change) -> Option<String> {
    if let Some(app) = &owners.application {
        let how = if change == Change::Restart {
            format!(
                "run `argocd app actions run {} restart --kind {} --namespace {} --resource-name {}`",
                app.name, target.kind, target.namespace, target.name
            )
        } else {
            "change it in the Application's source and sync".to_owned()
        };
        return Some(format!("Argo CD {app} owns {target}, so it is not written directly: {how}"));
    }
    if let Some(flux) = &owners.flux {
        let (kind, name, namespace) = (flux.kind.to_ascii_lowercase(), &flux.name, &flux.namespace);
        return Some(format!(
            "Flux {flux} owns {target}, so it is not written directly: change its source and run `flux reconcile {kind} {name} -n {namespace}`"
        ));
    }
    if let Some(resource) = &owners.resource {
        return Some(format!(
            "{resource} controls {target}, so it is not written directly: change {resource}"
        ));
    }
    if let Some(olm) = &owners.olm {
        return Some(format!(
            "OLM owns {target} by {olm}, so it is not written directly: change its Subscription's config, or update the operator"
        ));
    }
    if let Some(operator) = &owners.operator {
        return Some(format!(
            "{target} says that {operator} manages it, so it is not written directly: change the resource that {operator} made it from"
        ));
    }
    // Helm acts only when it is told to and leaves alone what it did not write, so that a restart is no fight; what a
    // chart sets would be set back by the next upgrade.
    if let Some((namespace, release)) = owners.release.as_ref().filter(|_| change != Change::Restart) {
        return Some(format!(
            "the Helm release {namespace}/{release} owns {target}, so it is not written directly: change its values and run `helm upgrade {release} CHART -n {namespace} --reuse-values`"
        ));
    }
    if let Some(scaler) = owners.autoscaler.as_ref().filter(|_| change == Change::Replicas) {
        let keda = owners.keda.as_ref().map(|keda| format!(" (made by KEDA ScaledObject {keda})"));
        return Some(format!(
            "{scaler}{} owns the replicas of {target}: change minReplicas or maxReplicas there",
            keda.unwrap_or_default()
        ));
    }
    if let Some(scaler) = owners.vertical.as_ref().filter(|_| change == Change::Resources) {
        return Some(format!("{scaler} owns the requests of {target}: change its resource policy"));
    }
    None
}
