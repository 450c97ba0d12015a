//! An object that is acted on or looked at, by its coordinates and, once seen, by its uid.
//!
//! It names objects of any kind; which path that is at the API server, the adapter knows from discovery.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Target {
    /// API group, empty for core.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Namespace, empty for objects of the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The uid it had when it was looked at: an object that was deleted and made again is another object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

impl Target {
    /// An object by its coordinates, not looked at yet.
    pub fn new(
        group: impl Into<String>,
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
            uid: None,
        }
    }

    /// A workload, pod, node or other object of a kind that aiops keeps rows of: the group follows from the kind.
    pub fn known(kind: &str, namespace: &str, name: &str) -> Self {
        Self::new(group_of(kind), kind, namespace, name)
    }

    /// The same object, known by this uid.
    #[must_use]
    pub fn with_uid(mut self, uid: impl Into<String>) -> Self {
        self.uid = Some(uid.into());
        self
    }

    /// The key under which one workflow at a time may touch it, whatever the issue.
    pub fn key(&self) -> String {
        format!("{}/{}/{}/{}", self.group, self.kind, self.namespace, self.name)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// The API group of a kind that is built into Kubernetes or OpenShift, or of Argo CD's Application; empty for core kinds
/// and for kinds that are not known.
pub fn group_of(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => "apps",
        "Job" | "CronJob" => "batch",
        "HorizontalPodAutoscaler" => "autoscaling",
        "PodDisruptionBudget" => "policy",
        "EndpointSlice" => "discovery.k8s.io",
        "Application" => "argoproj.io",
        "ClusterOperator" | "ClusterVersion" => "config.openshift.io",
        "MachineConfigPool" => "machineconfiguration.openshift.io",
        _ => "",
    }
}
