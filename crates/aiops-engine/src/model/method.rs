//! How a workload came to be deployed, with the evidence for it: whoever deployed it owns it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::target::Target;

/// The ways in which workloads are deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum DeployMethod {
    /// An Argo CD Application.
    Argocd,
    /// A Helm release.
    Helm,
    /// An operator, OLM, or a custom resource's controller.
    Operator,
    /// Nobody but people.
    Manual,
    /// It could not be looked at.
    Unknown,
}

impl DeployMethod {
    /// The word on every door.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Argocd => "argocd",
            Self::Helm => "helm",
            Self::Operator => "operator",
            Self::Manual => "manual",
            Self::Unknown => "unknown",
        }
    }
}

/// A deployment method as it was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Deployed {
    /// The method.
    pub method: DeployMethod,
    /// The Go engine's confidence in it: argocd 0.95, helm 0.90, operator 0.80, manual 0.60, unknown 0.50.
    pub confidence: f64,
    /// What it was seen by, such as `annotation:meta.helm.sh/release-name`.
    pub source: String,
    /// What is known about the owner, such as `release_name`.
    #[serde(default)]
    pub details: std::collections::BTreeMap<String, String>,
    /// The object that owns the workload and through which it is to be changed, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Target>,
    /// Other controllers that own fields of it (an autoscaler, Flux, OLM), each with what it was seen by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

impl Deployed {
    /// It could not be looked at.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self {
            method: DeployMethod::Unknown,
            confidence: 0.5,
            source: String::new(),
            details: std::iter::once(("reason".to_owned(), why.into())).collect(),
            owner: None,
            also: Vec::new(),
        }
    }
}
