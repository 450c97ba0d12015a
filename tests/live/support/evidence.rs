//! Fields by path, as evidence cites them: `status.conditions[?type==Ready].status`, `spec.containers[0].image`.
//!
//! It reads what the API server says now; it never compares with what a scenario file hoped for.

use serde_json::Value;

use super::{Plane, Scenario};

/// The field at a path; `None` when the path leads nowhere.
pub(crate) fn field<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = object;
    for part in split(path) {
        at = match part.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            None => at.get(part)?,
            Some(inner) => match inner.strip_prefix('?').and_then(|rest| rest.split_once("==")) {
                Some((key, value)) => {
                    at.as_array()?.iter().find(|item| item[key] == value.trim_matches(['\'', '"']))?
                }
                None if inner.starts_with('"') => at.get(inner.trim_matches('"'))?,
                None => at.get(inner.parse::<usize>().ok()?)?,
            },
        };
    }
    Some(at)
}

/// `a.b[0]["c.d"].e` into `a`, `b`, `[0]`, `["c.d"]`, `e`.
fn split(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let end = if rest.starts_with('[') {
            rest.find(']').map_or(rest.len(), |end| end + 1)
        } else {
            rest.find(['.', '[']).unwrap_or(rest.len())
        };
        let (part, tail) = rest.split_at(end);
        parts.push(part);
        rest = tail.strip_prefix('.').unwrap_or(tail);
    }
    parts
}

/// A value as text, without the quotes of a string.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Where the objects of a kind are listed.
fn list(kind: &str, namespace: &str) -> String {
    let (group, plural, is_namespaced) = match kind {
        "Node" => ("/api/v1", "nodes", false),
        "Namespace" => ("/api/v1", "namespaces", false),
        "StorageClass" => ("/apis/storage.k8s.io/v1", "storageclasses", false),
        "PersistentVolume" => ("/api/v1", "persistentvolumes", false),
        "Pod" => ("/api/v1", "pods", true),
        "Event" => ("/api/v1", "events", true),
        "ConfigMap" => ("/api/v1", "configmaps", true),
        "Secret" => ("/api/v1", "secrets", true),
        "PersistentVolumeClaim" => ("/api/v1", "persistentvolumeclaims", true),
        "ResourceQuota" => ("/api/v1", "resourcequotas", true),
        "Deployment" => ("/apis/apps/v1", "deployments", true),
        "ReplicaSet" => ("/apis/apps/v1", "replicasets", true),
        "PodDisruptionBudget" => ("/apis/policy/v1", "poddisruptionbudgets", true),
        other => panic!("add {other} here"),
    };
    if is_namespaced {
        format!("{group}/namespaces/{namespace}/{plural}")
    } else {
        format!("{group}/{plural}")
    }
}

/// Where an object is that answers name as `Pod shop/checkout-1` or `Node worker-1`.
pub(crate) fn path(object: &str) -> String {
    let (kind, name) = object.split_once(' ').unwrap();
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    format!("{}/{name}", list(kind, namespace))
}

/// Asserts that each field that a scenario calls evidence is so in the API.
pub(crate) async fn holds(plane: &Plane, scenario: &Scenario) {
    for evidence in scenario.expected.iter().flat_map(|expected| &expected.evidence) {
        let path = list(&evidence.kind, scenario.value("namespace"));
        let objects = plane.get(&path).await.unwrap();
        let found: Vec<String> = objects["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|object| field(object, &evidence.path).map(text))
            .collect();
        assert!(
            found.iter().any(|value| value.contains(&evidence.is)),
            "{evidence:?} is not among {found:?}"
        );
    }
}
