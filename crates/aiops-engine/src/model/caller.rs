//! Who asks, through which door, and what that entitles to.
//!
//! How a caller proves who it is (a token, the OS user) is the doors' business.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The door a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Via {
    /// The REST API.
    Rest,
    /// MCP, over HTTP or stdio.
    Mcp,
    /// The command line.
    Cli,
    /// Alertmanager's webhook.
    Alert,
    /// The sweep of detectors.
    Sweep,
    /// An annotation on the target.
    Annotation,
    /// aiops itself: timers, retention, the breaker.
    System,
}

impl Via {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Mcp => "mcp",
            Self::Cli => "cli",
            Self::Alert => "alert",
            Self::Sweep => "sweep",
            Self::Annotation => "annotation",
            Self::System => "system",
        }
    }

    /// Whether nobody asks through it: an incident triggers by itself.
    pub const fn is_automatic(self) -> bool {
        match self {
            Self::Alert | Self::Sweep => true,
            Self::Rest | Self::Mcp | Self::Cli | Self::Annotation | Self::System => false,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// A name that records can hold: a token's, the OS user's, or `anonymous`.
    pub name: String,
    /// Groups of a token.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The door.
    pub via: Via,
    /// Whether somebody proved to be this caller. An anonymous one may propose, and trigger what policy calls `auto`;
    /// it never approves.
    pub is_identified: bool,
}

impl Caller {
    /// Somebody who proved to be this one.
    pub fn identified(name: impl Into<String>, groups: Vec<String>, via: Via) -> Self {
        Self { name: name.into(), groups, via, is_identified: true }
    }

    /// Nobody in particular, on loopback.
    pub fn anonymous(via: Via) -> Self {
        Self { name: "anonymous".to_owned(), groups: Vec::new(), via, is_identified: false }
    }

    /// aiops itself.
    pub fn system(via: Via) -> Self {
        Self { name: "aiops".to_owned(), groups: Vec::new(), via, is_identified: true }
    }
}
