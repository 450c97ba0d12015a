//! Modes: which adapters exist in this process.
//!
//! A mode is wiring and never an `if` in business code. This file connects to nothing: it only says what a mode wants
//! and what of that this build does not have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of aiops runs.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Kubernetes only.
    #[default]
    Standalone,
    /// Kubernetes and Prometheus.
    Monitoring,
    /// Kubernetes, Prometheus, the coordination engine and models.
    Full,
}

impl Mode {
    /// The word in flags, files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Monitoring => "monitoring",
            Self::Full => "full",
        }
    }

    /// The adapters of this mode before any is switched by `integrations`.
    pub const fn wants(self) -> Wants {
        match self {
            Self::Standalone => Wants { kubernetes: true, prometheus: false, engine: false, ml: false },
            Self::Monitoring => Wants { kubernetes: true, prometheus: true, engine: false, ml: false },
            Self::Full => Wants { kubernetes: true, prometheus: true, engine: true, ml: true },
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Adapters that a configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// The cluster itself.
    pub kubernetes: bool,
    /// Metrics and alerts.
    pub prometheus: bool,
    /// Incidents and workflows.
    pub engine: bool,
    /// Model servers.
    pub ml: bool,
}

/// An adapter, by the word that health and `doctor` use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Adapter {
    /// The cluster.
    Kubernetes,
    /// Metrics and alerts.
    Prometheus,
    /// Incidents and workflows.
    CoordinationEngine,
    /// Model servers.
    MlServices,
}

impl Adapter {
    /// The word in answers and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Prometheus => "prometheus",
            Self::CoordinationEngine => "coordination_engine",
            Self::MlServices => "ml_services",
        }
    }
}

/// An adapter that was asked for and that this build does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MissingAdapter {
    /// Which one.
    pub adapter: Adapter,
    /// What does not work without it, in one sentence.
    pub why: &'static str,
}

/// What `wants` asks for and this build does not have; `is_elsewhere`: the engine that is meant is another process. The process starts with what exists and says the rest in
/// health, in its log and in `aiops doctor`.
pub fn missing(wants: Wants, is_elsewhere: bool) -> Vec<MissingAdapter> {
    [
        (
            wants.prometheus,
            Adapter::Prometheus,
            "this version has no Prometheus adapter: usage, trends and alerts are not answered",
        ),
        (
            wants.engine && is_elsewhere,
            Adapter::CoordinationEngine,
            "this version speaks to no coordination engine elsewhere: there are no incidents, plans or workflows; set \
             integrations.coordinationEngine.builtin to true for the one in this process",
        ),
        (
            wants.ml,
            Adapter::MlServices,
            "this version speaks to no model server: anomalies are not scored and usage is not predicted",
        ),
    ]
    .into_iter()
    .filter(|(wanted, ..)| *wanted)
    .map(|(_, adapter, why)| MissingAdapter { adapter, why })
    .collect()
}
