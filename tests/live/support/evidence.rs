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
                None => at.get(inner.parse::<usize>().ok()?)?,
            },
        };
    }
    Some(at)
}

/// `a.b[0].c` into `a`, `b`, `[0]`, `c`.
fn split(path: &str) -> Vec<&str> {
    path.split('.')
        .flat_map(|piece| piece.split_inclusive(']'))
        .flat_map(name_and_index)
        .filter(|part| !part.is_empty())
        .collect()
}

/// `b[0]` into `b` and `[0]`.
fn name_and_index(piece: &str) -> [&str; 2] {
    piece.find('[').map_or([piece, ""], |open| piece.split_at(open).into())
}

/// A value as text, without the quotes of a string.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Where the objects of a kind are listed.
fn list(kind: &str, namespace: &str) -> String {
    let (group, plural, is_namespaced) = match kind {
        "Node" => ("/api/v1", "nodes", false),
        "Pod" => ("/api/v1", "pods", true),
        "Event" => ("/api/v1", "events", true),
        "PersistentVolumeClaim" => ("/api/v1", "persistentvolumeclaims", true),
        "ResourceQuota" => ("/api/v1", "resourcequotas", true),
        "Deployment" => ("/apis/apps/v1", "deployments", true),
        "PodDisruptionBudget" => ("/apis/policy/v1", "poddisruptionbudgets", true),
        other => panic!("add {other} here"),
    };
    if is_namespaced {
        format!("{group}/namespaces/{namespace}/{plural}")
    } else {
        format!("{group}/{plural}")
    }
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
