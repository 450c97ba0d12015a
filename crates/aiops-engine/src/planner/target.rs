//! From what a caller named to the object that is acted on: a pod's workload, at the top of its chain of Kubernetes's own
//! controllers. A custom resource above it is an owner to be asked, not the target.

use aiops_inventory::{Inventory, Kind};
use serde_json::Value;

use super::{reader::Reader, value};
use crate::{
    Engine,
    answer::near,
    discovery,
    error::{Error, PortErrorKind},
    model::target::Target,
    owners,
};

/// Longest chain of owners that is followed.
const LONGEST: usize = 5;

/// Kinds above which another workload may stand.
const CLIMB: [&str; 2] = ["Pod", "ReplicaSet"];

/// The kind that a caller means, and its group, among those that rows are kept of and those that plans know; `None` for
/// others, which discovery has to name.
pub fn known_kind(spelt: &str) -> Option<(&'static str, &'static str)> {
    let wanted = spelt.trim().to_ascii_lowercase();
    let of_rows = Kind::ALL
        .into_iter()
        .map(Kind::resource)
        .find(|kind| wanted == kind.kind.to_ascii_lowercase() || wanted == kind.plural);
    if let Some(kind) = of_rows {
        return Some((kind.group, kind.kind));
    }
    Some(match wanted.as_str() {
        "deploy" => ("apps", "Deployment"),
        "sts" => ("apps", "StatefulSet"),
        "ds" => ("apps", "DaemonSet"),
        "rs" => ("apps", "ReplicaSet"),
        "po" => ("", "Pod"),
        "no" => ("", "Node"),
        "ns" => ("", "Namespace"),
        "svc" => ("", "Service"),
        "pvc" => ("", "PersistentVolumeClaim"),
        "hpa" => ("autoscaling", "HorizontalPodAutoscaler"),
        "pdb" => ("policy", "PodDisruptionBudget"),
        "application" | "applications" | "app" => ("argoproj.io", "Application"),
        "machineconfig" | "machineconfigs" => ("machineconfiguration.openshift.io", "MachineConfig"),
        "mcp" => ("machineconfiguration.openshift.io", "MachineConfigPool"),
        "co" => ("config.openshift.io", "ClusterOperator"),
        _ => return None,
    })
}

/// Whether objects of this kind live in namespaces, as far as the kind is known.
pub fn is_of_cluster(kind: &str) -> bool {
    let own = Kind::ALL.into_iter().map(Kind::resource).find(|known| known.kind == kind);
    own.map_or(kind == "MachineConfig", |known| !known.namespaced)
}

/// The object that is acted on when this one is named, as far as rows tell; the same object where they know no owner.
pub fn of_rows(inventory: &Inventory, named: &Target) -> Target {
    let meta = match named.kind.as_str() {
        "Pod" => inventory.pods().get(&named.namespace, &named.name).map(|row| row.meta.clone()),
        "ReplicaSet" => {
            inventory.replica_sets().get(&named.namespace, &named.name).map(|row| row.meta.clone())
        }
        _ => None,
    };
    let Some(meta) = meta else { return named.clone() };
    let mut target = named.clone();
    for owner in owners::chain(inventory, &meta) {
        let group = crate::model::target::group_of(&owner.kind);
        if !is_workload(&owner.kind, &owner.api_version) || !CLIMB.contains(&target.kind.as_str()) {
            break;
        }
        target = Target::new(group, owner.kind.as_str(), &*named.namespace, owner.name.as_str());
    }
    target
}

fn is_workload(kind: &str, api_version: &str) -> bool {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    matches!(
        (group, kind),
        ("apps" | "", "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet") | ("batch" | "", "Job")
    )
}

/// What was found when a target was looked at.
pub(super) struct Chain {
    /// The object that is acted on.
    pub(super) target: Target,
    /// It, and the owners above it, nearest first, as far as they could be read.
    pub(super) objects: Vec<Value>,
    /// What was named, when that is a pod or ReplicaSet below the target.
    pub(super) named: Option<Value>,
    /// Owners that could not be read.
    pub(super) gaps: Vec<String>,
}

/// Reads what was named and climbs to what is acted on, then on to its owners.
pub(super) async fn climb(engine: &Engine, reader: &Reader<'_>, named: &Target) -> Result<Chain, Error> {
    let what = format!("{named}");
    let object = reader.get(named).await.map_err(|error| match error.kind {
        PortErrorKind::NotFound => Error::NotFound { what: what.clone(), hint: hint(&engine.look(), named) },
        _ => Error::from_port(format!("reading {what}"), error),
    })?;
    is_the_same(named, &object)?;
    let mut chain =
        Chain { target: seen(named, &object), objects: vec![object], named: None, gaps: Vec::new() };
    let mut below: Option<Value> = None;
    for _ in 0..LONGEST {
        let Some(top) = chain.objects.last() else { break };
        let Some(owner) = value::controller(top) else { break };
        match reader.get(&owner).await {
            Ok(object) => {
                let is_owner = value::uid(&object) == owner.uid.as_deref().unwrap_or_default();
                if !is_owner {
                    chain.gaps.push(format!("{owner} was deleted and made again"));
                    break;
                }
                let is_next = CLIMB.contains(&chain.target.kind.as_str())
                    && chain.objects.len() == 1
                    && is_workload(&owner.kind, value::text(&object, "/apiVersion"));
                if is_next {
                    chain.target = seen(&owner, &object);
                    let lower = std::mem::replace(&mut chain.objects, vec![object]).pop();
                    below = below.or(lower);
                } else {
                    chain.objects.push(object);
                }
            }
            Err(error) => {
                chain
                    .gaps
                    .push(format!("{owner} could not be read: {}", crate::text::line(&error.message, 120)));
                break;
            }
        }
    }
    chain.named = below;
    Ok(chain)
}

fn is_the_same(named: &Target, object: &Value) -> Result<(), Error> {
    match &named.uid {
        Some(uid) if uid != value::uid(object) => Err(Error::Conflict {
            what: format!("acting on {named}"),
            why: "it was deleted and made again since it was named; name it again".to_owned(),
            workflow: None,
        }),
        _ => Ok(()),
    }
}

/// A target with what was seen of it.
fn seen(target: &Target, object: &Value) -> Target {
    target.clone().with_uid(value::uid(object))
}

/// Near names of the same kind and namespace, for an object that does not exist.
fn hint(inventory: &Inventory, missing: &Target) -> String {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == missing.kind) else {
        return String::new();
    };
    let keys = discovery::keys(inventory, kind);
    let names = keys.iter().filter(|key| key.namespace == *missing.namespace).map(|key| key.name.as_str());
    near(&missing.name, names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn kinds_are_known_however_spelt() {
        for (spelt, want) in [
            ("Deployment", ("apps", "Deployment")),
            ("deployments", ("apps", "Deployment")),
            (" STS ", ("apps", "StatefulSet")),
            ("node", ("", "Node")),
            ("Application", ("argoproj.io", "Application")),
            ("mcp", ("machineconfiguration.openshift.io", "MachineConfigPool")),
        ] {
            assert_eq!(known_kind(spelt), Some(want), "{spelt}");
        }
        assert_eq!(known_kind("Kafka"), None);
        assert!(is_of_cluster("Node") && is_of_cluster("MachineConfig") && !is_of_cluster("Pod"));
    }

    #[test]
    fn rows_lead_from_a_pod_to_its_workload_and_no_further() {
        let meta = |name: &str, owner: Value| {
            json!({"metadata": {"name": name, "namespace": "shop", "ownerReferences": owner},
                "spec": {"selector": {}, "template": {}}})
        };
        let owner = |api: &str, kind: &str, name: &str| json!([{"apiVersion": api, "kind": kind, "name": name, "controller": true}]);
        let engine = testing::engine(
            &[
                (Kind::Pod, meta("web-5-x", owner("apps/v1", "ReplicaSet", "web-5"))),
                (Kind::ReplicaSet, meta("web-5", owner("apps/v1", "Deployment", "web"))),
                (Kind::Deployment, meta("web", owner("acme.io/v1", "Shop", "one"))),
                (Kind::Pod, meta("once-x", owner("batch/v1", "Job", "once"))),
                (Kind::Job, meta("once", owner("batch/v1", "CronJob", "nightly"))),
                (Kind::Pod, meta("bare", json!([]))),
                (Kind::Pod, meta("roll-x", owner("argoproj.io/v1alpha1", "Rollout", "roll"))),
            ],
            None,
            "2026-01-01T00:00:00Z",
        );
        let inventory = engine.look();
        for (kind, name, want) in [
            ("Pod", "web-5-x", "Deployment shop/web"),
            ("ReplicaSet", "web-5", "Deployment shop/web"),
            ("Deployment", "web", "Deployment shop/web"),
            ("Pod", "once-x", "Job shop/once"),
            ("Pod", "bare", "Pod shop/bare"),
            ("Pod", "roll-x", "Pod shop/roll-x"),
            ("Pod", "absent", "Pod shop/absent"),
        ] {
            assert_eq!(of_rows(&inventory, &Target::known(kind, "shop", name)).to_string(), want, "{name}");
        }
    }
}
