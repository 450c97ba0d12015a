//! Who has to be asked before a target is changed: its owner, who would otherwise set it back.
//!
//! Eviction and deletion of pods change nothing that an owner wrote and are not asked about here.

use crate::planner::Neighbourhood;

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

/// Whether aiops itself may change this of the target; if not, who owns it and how it is changed there.
pub(crate) fn allows(near: &Neighbourhood, change: Change) -> Result<(), String> {
    match blocked(near, change) {
        Some(why) => Err(crate::text::line(&why, 400)),
        None => Ok(()),
    }
}

fn blocked(near: &Neighbourhood, change: Change) -> Option<String> {
    let target = near.target();
    let owners = &near.owners;
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
