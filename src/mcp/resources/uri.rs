//! The URIs of our resources: `cluster://health`, `cluster://nodes/{name}`, ….
//!
//! Names in them are percent-encoded by the client and decoded here; what a URI names need not exist.

use std::borrow::Cow;

use aiops_engine::{
    Error,
    answer::near,
    model::ids::{IncidentId, WorkflowId},
    requests::workloads::WorkloadKind,
};

/// The resources that are always there.
pub(in super::super) const HEALTH: &str = "cluster://health";
pub(in super::super) const NODES: &str = "cluster://nodes";
pub(in super::super) const NAMESPACES: &str = "cluster://namespaces";
/// Those that are there where there is a coordination.
pub(in super::super) const INCIDENTS: &str = "cluster://incidents";
pub(in super::super) const HISTORY: &str = "cluster://remediation-history";
/// The templates.
pub(in super::super) const NAMESPACE: &str = "cluster://namespaces/{namespace}";
pub(in super::super) const NODE: &str = "cluster://nodes/{name}";
pub(in super::super) const WORKLOAD: &str = "cluster://workloads/{namespace}/{kind}/{name}";
pub(in super::super) const INCIDENT: &str = "cluster://incidents/{id}";
pub(in super::super) const WORKFLOW: &str = "cluster://workflows/{id}";

/// Longer than any URI of ours: three names of 253 characters, each of them encoded.
pub(in super::super) const LONGEST: usize = 2_400;

/// What a URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Health,
    Nodes,
    Namespaces,
    Namespace(String),
    Node(String),
    Workload { namespace: String, kind: WorkloadKind, name: String },
    Incidents,
    History,
    Incident(IncidentId),
    Workflow(WorkflowId),
}

impl Address {
    /// Whether it is kept by the coordination, and not seen in the cluster.
    pub(super) const fn is_record(&self) -> bool {
        matches!(self, Self::Incidents | Self::History | Self::Incident(_) | Self::Workflow(_))
    }

    /// Reads a URI; `has_records` says whether there is a coordination.
    pub(super) fn parse(uri: &str, has_records: bool) -> Result<Self, Error> {
        let unknown = |uri: &str| unknown(uri, has_records);
        let Some(path) = uri.strip_prefix("cluster://").filter(|_| uri.len() <= LONGEST) else {
            return Err(unknown(uri));
        };
        let parts: Option<Vec<String>> = path.split('/').map(decoded).collect();
        let parts = parts.ok_or_else(|| unknown(uri))?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Ok(match parts.as_slice() {
            ["health"] => Self::Health,
            ["nodes"] => Self::Nodes,
            ["namespaces"] => Self::Namespaces,
            ["namespaces", namespace] => Self::Namespace((*namespace).to_owned()),
            ["nodes", name] => Self::Node((*name).to_owned()),
            ["workloads", namespace, kind, name] => {
                let kind = WorkloadKind::parse(kind).ok_or_else(|| unknown_kind(kind))?;
                Self::Workload { namespace: (*namespace).to_owned(), kind, name: (*name).to_owned() }
            }
            ["incidents"] if has_records => Self::Incidents,
            ["remediation-history"] if has_records => Self::History,
            ["incidents", id] if has_records => Self::Incident(IncidentId::parse(id)?),
            ["workflows", id] if has_records => Self::Workflow(WorkflowId::parse(id)?),
            _ => return Err(unknown(uri)),
        })
    }
}

/// A name as the client meant it; `None` when it cannot be one.
fn decoded(part: &str) -> Option<String> {
    let text: Cow<'_, str> = percent_encoding::percent_decode_str(part).decode_utf8().ok()?;
    let fits = !text.is_empty() && text.len() <= 253 && !text.contains(['/', '\\', '\0']);
    fits.then(|| text.into_owned())
}

fn unknown(uri: &str, has_records: bool) -> Error {
    let shown: String = uri.chars().take(120).collect();
    let fixed = [HEALTH, NODES, NAMESPACES, INCIDENTS, HISTORY];
    let there = if has_records { fixed.len() } else { 3 };
    let hint = near(uri, fixed.into_iter().take(there));
    let hint = if hint.is_empty() {
        let more = if has_records {
            format!(", {INCIDENTS}, {HISTORY}, {INCIDENT}, {WORKFLOW}")
        } else {
            String::new()
        };
        format!("; there are {HEALTH}, {NODES}, {NAMESPACES}, {NAMESPACE}, {NODE}, {WORKLOAD}{more}")
    } else {
        hint
    };
    Error::NotFound { what: format!("resource {shown:?}"), hint }
}

fn unknown_kind(kind: &str) -> Error {
    let shown: String = kind.chars().take(64).collect();
    let kinds = WorkloadKind::ALL.map(|kind| kind.kind().name());
    Error::NotFound { what: format!("kind {shown:?}"), hint: format!("; workloads are {}", kinds.join(", ")) }
}
