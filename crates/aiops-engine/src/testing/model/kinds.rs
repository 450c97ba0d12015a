//! The kinds that the model serves, and the key under which it keeps an object.
//!
//! It serves what the inventory watches and what remedies touch; another kind is answered 404, as by an API server
//! without that CRD.

use aiops_inventory::Kind;
use serde_json::Value;

use super::json::text;
use crate::{model::target::Target, ports::ApiResource};

/// Where an object is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Kind; the groups of the kinds that are served do not overlap.
    pub kind: String,
    /// Namespace, empty for objects of the cluster.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// The key of an object by its coordinates.
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The key of an object.
    pub fn of(object: &Value) -> Self {
        Self::new(text(object, "/kind"), text(object, "/metadata/namespace"), text(object, "/metadata/name"))
    }

    /// The key of a target.
    pub fn of_target(target: &Target) -> Self {
        Self::new(&target.kind, &target.namespace, &target.name)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Group, version, kind, plural, and whether objects live in namespaces.
type Served = (&'static str, &'static str, &'static str, &'static str, bool);

const BESIDE: [Served; 10] = [
    ("", "v1", "ConfigMap", "configmaps", true),
    ("", "v1", "Secret", "secrets", true),
    ("", "v1", "ServiceAccount", "serviceaccounts", true),
    ("", "v1", "PersistentVolume", "persistentvolumes", false),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", true),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", true),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", false),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", false),
    ("argoproj.io", "v1alpha1", "Application", "applications", true),
    ("model.aiops.io", "v1", "Database", "databases", true),
];

/// What discovery answers.
pub(super) fn served() -> Vec<ApiResource> {
    let watched = Kind::ALL.into_iter().map(|kind| {
        let r = kind.resource();
        (r.group, r.version, r.kind, r.plural, r.namespaced)
    });
    watched
        .chain(BESIDE)
        .map(|(group, version, kind, plural, namespaced)| ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            short_names: short_names(kind),
            namespaced,
            verbs: ["get", "list", "watch", "create", "update", "patch", "delete"]
                .map(str::to_owned)
                .to_vec(),
        })
        .collect()
}

fn short_names(kind: &str) -> Vec<String> {
    let names: &[&str] = match kind {
        "Deployment" => &["deploy"],
        "ReplicaSet" => &["rs"],
        "StatefulSet" => &["sts"],
        "DaemonSet" => &["ds"],
        "ConfigMap" => &["cm"],
        "Pod" => &["po"],
        "Node" => &["no"],
        "Namespace" => &["ns"],
        "Service" => &["svc"],
        "HorizontalPodAutoscaler" => &["hpa"],
        "PodDisruptionBudget" => &["pdb"],
        _ => &[],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}
