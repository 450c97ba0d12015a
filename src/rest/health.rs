//! `GET /api/v1/health` as the contract has it, with what the Go engine answered beside it.
//!
//! Only its form stands here; the listener knows the figures.

use std::collections::BTreeMap;

use aiops_engine::coordination::EngineStanding;
use schemars::JsonSchema;
use serde::Serialize;

use crate::mode::Mode;

/// How this process and what it rests on are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    /// `healthy`; `degraded`: less than the mode asks for; `unhealthy`: no cluster, and status 503.
    pub(crate) status: &'static str,
    /// RFC 3339.
    pub(crate) timestamp: String,
    /// The version of aiops.
    pub(crate) version: &'static str,
    /// The mode.
    pub(crate) mode: Mode,
    /// How long this process runs.
    pub(crate) uptime_seconds: u64,
    /// The process is about to end.
    pub(crate) is_draining: bool,
    /// One word each: `ok`, `degraded`, `connecting`, `down`, `missing` (this version has no adapter for it), `disabled`
    /// (the mode does not ask for it), `absent` (the cluster does not have it) or `unknown`.
    pub(crate) dependencies: BTreeMap<&'static str, String>,
    /// A sentence each.
    pub(crate) dependency_details: BTreeMap<&'static str, Dependency>,
    /// What we may read of the cluster.
    pub(crate) rbac: Rbac,
    /// Where we run, as far as it is known.
    pub(crate) details: Place,
    /// The coordination engine; null in a mode without one, and while it does not say how it is.
    pub(crate) engine: Option<EngineStanding>,
}

/// Something that aiops rests on.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Dependency {
    /// Its name.
    pub(crate) name: &'static str,
    /// The word.
    pub(crate) status: String,
    /// The sentence.
    pub(crate) message: String,
    /// RFC 3339.
    pub(crate) checked_at: String,
}

/// Rights to list and watch, one for each kind that is kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Rbac {
    /// `ok`; `degraded` when a kind is refused; `unknown` until all were asked for.
    pub(crate) status: &'static str,
    /// Kinds that this cluster serves, or may serve.
    pub(crate) permissions_total: usize,
    /// Kinds that may be read.
    pub(crate) permissions_ok: usize,
    /// Kinds that may not be read.
    pub(crate) permissions_failed: usize,
    /// Nothing that was asked for is refused.
    pub(crate) critical_ok: bool,
    /// A sentence.
    pub(crate) message: String,
}

/// Where we run.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Place {
    /// Null: not known.
    pub(crate) namespace: Option<String>,
    /// Null: not known.
    pub(crate) service_account: Option<String>,
}
