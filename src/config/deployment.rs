//! `deployment` and `integrations`: the mode, and single adapters switched on or off over it.
//!
//! The names are those of the chart's values. Nothing here connects.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;
use crate::mode::{Mode, Wants};

/// How much of aiops runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Deployment {
    /// standalone (Kubernetes only), monitoring (and Prometheus) or full (and the engine and models).
    pub mode: Mode,
}

/// Single adapters, over what the mode says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Integrations {
    /// The cluster.
    pub kubernetes: Kubernetes,
    /// Metrics and alerts.
    pub prometheus: Prometheus,
    /// Incidents and workflows.
    pub coordination_engine: CoordinationEngine,
    /// Model servers.
    pub ml_services: MlServices,
}

/// The cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Kubernetes {
    /// Every mode needs it; false is refused.
    pub enabled: Option<bool>,
}

/// Metrics and alerts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Prometheus {
    /// Unset follows the mode.
    pub enabled: Option<bool>,
    /// Base URL, http or https. Unset: discovered in the cluster.
    pub url: Option<String>,
}

/// Incidents and workflows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CoordinationEngine {
    /// Unset follows the mode. true: in any mode, and it acts where `acting.enabled` is true.
    pub enabled: Option<bool>,
    /// true: the engine in this process. false: the one at `url`, which this version does not speak to yet.
    pub builtin: bool,
    /// Base URL of an engine elsewhere, without `/api/v1`; needed when `builtin` is false, of no effect when it is true.
    pub url: Option<String>,
}

impl Default for CoordinationEngine {
    fn default() -> Self {
        Self { enabled: None, builtin: true, url: None }
    }
}

/// Model servers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MlServices {
    /// Models that KServe serves.
    pub kserve: Kserve,
    /// Your own services: `POST url` answers `{"anomaly_score": x}`.
    pub custom: Vec<CustomService>,
}

/// Models that KServe serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Kserve {
    /// Unset follows the mode.
    pub enabled: Option<bool>,
    /// Where the InferenceServices are.
    pub namespace: String,
    /// Port of the predictors.
    pub predictor_port: u16,
    /// Time for one prediction, such as `10s`.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for Kserve {
    fn default() -> Self {
        Self {
            enabled: None,
            namespace: "self-healing-platform".to_owned(),
            predictor_port: 8080,
            timeout: Duration::from_secs(10),
        }
    }
}

/// A service of your own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CustomService {
    /// How answers and metrics call it.
    pub name: String,
    /// Where it takes `POST`, http or https.
    pub url: String,
    /// false keeps the entry without using it.
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

/// The adapters that the mode and the switches ask for together.
pub(super) fn wants(mode: Mode, switches: &Integrations) -> Wants {
    let by_mode = mode.wants();
    let custom = switches.ml_services.custom.iter().any(|service| service.enabled);
    Wants {
        kubernetes: by_mode.kubernetes,
        prometheus: switches.prometheus.enabled.unwrap_or(by_mode.prometheus),
        engine: switches.coordination_engine.enabled.unwrap_or(by_mode.engine),
        ml: switches.ml_services.kserve.enabled.unwrap_or(by_mode.ml) || custom,
    }
}
