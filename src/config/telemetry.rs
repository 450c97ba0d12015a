//! `telemetry`: what aiops says about itself, and where.
//!
//! It writes no log line and opens no port.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Logs, spans and metrics of aiops itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Telemetry {
    /// The least level that is logged. RUST_LOG, when set, says more exactly.
    pub log_level: LogLevel,
    /// auto: text on a terminal, JSON otherwise. Logs go to stderr.
    pub log_format: LogFormat,
    /// Export spans over OTLP to this URL. Unset: none are exported.
    pub otlp_endpoint: Option<String>,
    /// Serve /metrics on a port of its own too, as the Go engine did.
    pub metrics_port: Option<u16>,
}

/// The least level that is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what is wrong and goes on.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word in flags and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}
