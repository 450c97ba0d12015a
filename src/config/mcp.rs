//! `mcp`: tools, sessions and bounds of the MCP door.
//!
//! It lists no tools; the door knows which exist.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;

/// The MCP door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Mcp {
    /// Keep sessions for clients that speak 2025-11-25 or older; without, every request stands alone.
    pub sessions: bool,
    /// Sessions at the same time, 1 to 100000; the next one is refused.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_sessions: usize,
    /// A session that says nothing for so long is closed, such as `5m`.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub session_idle: Duration,
    /// Put before every tool's name, for hosts that run two servers side by side: lower-case letters, digits, `-` and `_`, at most 20.
    pub tool_prefix: String,
    /// Groups of tools to offer.
    pub toolsets: Vec<Toolset>,
    /// Time for one tool call, such as `10s`.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub tool_timeout: Duration,
    /// Tool calls at the same time, 1 to 10000; more wait.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_concurrent_calls: usize,
    /// Offer only tools that change nothing.
    pub read_only: bool,
}

impl Default for Mcp {
    fn default() -> Self {
        Self {
            sessions: false,
            max_sessions: 100,
            session_idle: Duration::from_secs(300),
            tool_prefix: String::new(),
            toolsets: vec![Toolset::Cluster, Toolset::Metrics, Toolset::Remediation, Toolset::Models],
            tool_timeout: Duration::from_secs(10),
            max_concurrent_calls: 64,
            read_only: false,
        }
    }
}

/// A group of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Toolset {
    /// Reading the cluster.
    Cluster,
    /// Usage, trends and alerts.
    Metrics,
    /// Incidents, plans and workflows.
    Remediation,
    /// Model servers.
    Models,
    /// Each action as a tool of its own; opt-in.
    Actions,
}

impl Toolset {
    /// The word in flags and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Metrics => "metrics",
            Self::Remediation => "remediation",
            Self::Models => "models",
            Self::Actions => "actions",
        }
    }
}
