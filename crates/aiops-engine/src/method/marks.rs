//! The marks that tools leave on objects: labels, annotations, owner references, writers of fields.
//!
//! They are the tools' own word, and text of others: read, compared, never interpreted further.

use serde_json::Value;

use crate::{
    model::target::Target,
    planner::value::{annotation, label, text},
};

/// Argo CD's annotation: `APP:GROUP/KIND:NAMESPACE/NAME`, where `APP` is `NAMESPACE_NAME` for Applications outside of
/// Argo CD's own namespace (Argo CD, "Resource Tracking").
pub(super) const TRACKING: &str = "argocd.argoproj.io/tracking-id";

/// Kinds whose controllers are Kubernetes's own: being owned by one of them says nothing about who deployed it.
const BUILT_IN: [&str; 9] = [
    "ReplicaSet",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
    "Pod",
    "Node",
];

/// What an Argo CD tracking id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tracking {
    /// Namespace of the Application; empty when it is in Argo CD's own.
    pub(super) namespace: String,
    /// Name of the Application.
    pub(super) name: String,
    /// The id names the object that carries it. Otherwise somebody copied the annotation, and Argo CD ignores it.
    pub(super) is_its_own: bool,
}

/// The tracking id on an object; `None` when there is none or it is none.
pub(super) fn tracking(object: &Value) -> Option<Tracking> {
    let id = annotation(object, TRACKING)?;
    let (app, rest) = id.split_once(':')?;
    let (group_kind, place) = rest.split_once(':')?;
    let (group, kind) = group_kind.split_once('/')?;
    let (namespace, name) = place.split_once('/')?;
    let api = text(object, "/apiVersion");
    let own_group = api.split_once('/').map_or("", |(group, _)| group);
    // Objects of the cluster are tracked with the Application's destination namespace.
    let own_namespace = text(object, "/metadata/namespace");
    let is_its_own = kind == text(object, "/kind")
        && (group == own_group || api.is_empty())
        && name == text(object, "/metadata/name")
        && (namespace == own_namespace || own_namespace.is_empty());
    let (app_namespace, app_name) = app.split_once('_').unwrap_or(("", app));
    if app_name.is_empty() {
        return None;
    }
    Some(Tracking { namespace: app_namespace.to_owned(), name: app_name.to_owned(), is_its_own })
}

/// The Flux object that reconciles an object, by the labels that Flux puts there.
pub(super) fn flux(object: &Value) -> Option<Target> {
    [("helm.toolkit.fluxcd.io", "HelmRelease"), ("kustomize.toolkit.fluxcd.io", "Kustomization")]
        .into_iter()
        .find_map(|(group, kind)| {
            let name = label(object, &format!("{group}/name"))?;
            let namespace = label(object, &format!("{group}/namespace"));
            let namespace = namespace.unwrap_or_else(|| text(object, "/metadata/namespace"));
            Some(Target::new(group, kind, namespace, name))
        })
}

/// The controlling owner of an object, else its first owner, as far as it is no controller of Kubernetes's own. Its
/// namespace is the object's; whether its kind has namespaces, discovery knows.
pub(super) fn custom_owner(object: &Value) -> Option<Target> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controls = |owner: &&Value| owner.get("controller").and_then(Value::as_bool) == Some(true);
    let owner = owners.iter().find(controls).or_else(|| owners.first())?;
    let kind = text(owner, "/kind");
    let api = text(owner, "/apiVersion");
    let group = api.split_once('/').map_or("", |(group, _)| group);
    let is_built_in = BUILT_IN.contains(&kind) && matches!(group, "" | "apps" | "batch");
    if is_built_in || kind.is_empty() {
        return None;
    }
    let target = Target::new(group, kind, text(object, "/metadata/namespace"), text(owner, "/name"));
    let uid = text(owner, "/uid");
    Some(if uid.is_empty() { target } else { target.with_uid(uid) })
}

/// The times and names of all who wrote the object's spec; writers of status and scale left out.
fn writers(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries
        .into_iter()
        .flatten()
        .filter(|entry| text(entry, "/subresource").is_empty() && entry.pointer("/fieldsV1/f:spec").is_some())
        .map(|entry| (text(entry, "/time"), text(entry, "/manager")))
        .filter(|(_, manager)| !manager.is_empty())
}

/// Whether this manager wrote the object's spec, however many others did since.
pub(super) fn is_written_by(object: &Value, manager: &str) -> bool {
    writers(object).any(|(_, known)| known == manager)
}

/// Who wrote the object's spec, newest first, each once, at most four.
pub(super) fn managers(object: &Value) -> Vec<String> {
    let mut writers: Vec<(&str, &str)> = writers(object).collect();
    writers.sort_unstable_by(|a, b| b.cmp(a));
    let mut names: Vec<String> = Vec::new();
    for (_, manager) in writers {
        if names.len() < 4 && !names.iter().any(|known| known == manager) {
            names.push(manager.to_owned());
        }
    }
    names
}
