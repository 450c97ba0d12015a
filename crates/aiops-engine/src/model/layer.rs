//! The layers of a cluster: trouble below explains trouble above, so repairs go from below upwards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A layer; the lower one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Layer {
    /// Nodes and their configuration.
    Infrastructure,
    /// Operators, network, storage, ingress.
    Platform,
    /// Workloads.
    Application,
}

impl Layer {
    /// The word on every door.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::Platform => "platform",
            Self::Application => "application",
        }
    }
}
