//! `GET /health`: how this process is, which cluster it reads, and how fresh each kind is.
//!
//! It asks the cluster nothing, and it is 200 however the cluster is: who asks wants to read why. A number that is not
//! known is null. `GET /api/v1/health` says the same in the contract's form.

mod contract;

use std::{collections::BTreeMap, time::Duration};

use aiops_engine::{coordination::EngineStanding, redact::Redactor, text};
use aiops_inventory::{
    Inventory, Kind, Sync,
    inventory::{ClusterInfo, Connection, Scope, Source},
};
use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::Serialize;

use super::{About, Door};
use crate::{
    mode::{Adapter, Mode},
    telemetry::process,
};

/// The answer: a superset of the coordination engine's contract.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    /// `healthy`; `degraded`: less than the mode asks for; `unhealthy`: no cluster.
    status: &'static str,
    timestamp: String,
    name: &'static str,
    version: &'static str,
    mode: Mode,
    uptime_seconds: u64,
    is_draining: bool,
    /// One word for each adapter of the mode.
    dependencies: BTreeMap<&'static str, String>,
    dependency_details: BTreeMap<&'static str, Detail>,
    /// Adapters of the mode that this version does not have.
    missing_adapters: Vec<&'static str>,
    /// The coordination engine; null in a mode without one, and while it does not say how it is.
    engine: Option<EngineStanding>,
    cluster: Cluster,
    inventory: Vec<KindState>,
}

#[derive(Debug, Serialize)]
struct Detail {
    name: &'static str,
    status: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct Cluster {
    /// `live`, `recorded` or `none`.
    source: &'static str,
    recording: Option<String>,
    recorded_at: Option<String>,
    context: Option<String>,
    server: Option<String>,
    uid: Option<String>,
    version: Option<String>,
    is_openshift: Option<bool>,
    /// `connecting`, `up` or `down`; null without a live cluster.
    connection: Option<&'static str>,
    down_since: Option<String>,
    reason: Option<String>,
    /// Null: the whole cluster.
    only_namespaces: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct KindState {
    kind: &'static str,
    state: &'static str,
    /// Null while the kind is not known.
    rows: Option<usize>,
    unreadable: u64,
    watch_restarts: u64,
    /// Seconds since the watch said anything.
    heard_seconds_ago: Option<i64>,
    stale_since: Option<String>,
    reason: Option<String>,
    only_namespaces: Option<Vec<String>>,
}

/// What the engine gets to say how it is: its store may have a bad moment, and health is asked then.
const SAY_WITHIN: Duration = Duration::from_millis(500);

pub(super) use self::contract::for_clients;

pub(super) async fn health(State(door): State<Door>) -> Json<Health> {
    let engine = standing(&door).await;
    Json(describe(&door.0.about, door.is_draining(), engine))
}

/// What the coordination engine says of itself.
enum Said {
    /// The mode has none.
    Absent,
    /// Nothing, in time.
    Nothing,
    /// How it is.
    Standing(EngineStanding),
}

async fn standing(door: &Door) -> Said {
    let Some(rest) = &door.0.rest else { return Said::Absent };
    match tokio::time::timeout(SAY_WITHIN, rest.engine().standing()).await {
        Ok(standing) => Said::Standing(standing),
        Err(_) => Said::Nothing,
    }
}

fn describe(about: &About, is_draining: bool, engine: Said) -> Health {
    let now = about.engine.now();
    let inventory = about.engine.look();
    let info = inventory.info();
    let (word, message) = kubernetes(&inventory);
    let mut parts = vec![(Adapter::Kubernetes.as_str(), word.to_owned(), message)];
    let name = Adapter::CoordinationEngine.as_str();
    let engine = match engine {
        Said::Absent => None,
        Said::Nothing => {
            let why = format!("it did not say how it is within {} ms", SAY_WITHIN.as_millis());
            parts.push((name, "degraded".to_owned(), why));
            None
        }
        Said::Standing(engine) => {
            let why = engine.why.as_deref().map_or_else(|| "Running".to_owned(), shown);
            parts.push((name, engine.status.clone(), why));
            Some(engine)
        }
    };
    for missing in &about.missing {
        parts.push((missing.adapter.as_str(), "missing".to_owned(), missing.why.to_owned()));
    }
    let is_fine = parts.iter().all(|(_, status, _)| status == "ok");
    let status = match word {
        "down" => "unhealthy",
        _ if is_fine && !is_draining => "healthy",
        _ => "degraded",
    };
    Health {
        status,
        timestamp: aiops_engine::answer::time(Timestamp::now()),
        name: "aiops",
        version: env!("CARGO_PKG_VERSION"),
        mode: about.mode,
        uptime_seconds: process::uptime(),
        is_draining,
        dependencies: parts.iter().map(|(name, status, _)| (*name, status.clone())).collect(),
        dependency_details: parts
            .into_iter()
            .map(|(name, status, message)| (name, Detail { name, status, message }))
            .collect(),
        missing_adapters: about.missing.iter().map(|missing| missing.adapter.as_str()).collect(),
        engine,
        cluster: cluster(info),
        inventory: Kind::ALL.into_iter().map(|kind| kind_state(&inventory, kind, now)).collect(),
    }
}

/// One word and one sentence for the cluster as a whole.
fn kubernetes(inventory: &Inventory) -> (&'static str, String) {
    let info = inventory.info();
    match (&info.source, &info.connection) {
        (Source::None { reason }, _) => ("down", shown(reason)),
        (Source::Live, Connection::Down { reason, .. }) => ("down", shown(reason)),
        (Source::Live, Connection::Connecting) => {
            ("connecting", "the API server has not answered yet".to_owned())
        }
        (source, _) => {
            let short: Vec<String> = Kind::ALL
                .into_iter()
                .filter_map(|kind| {
                    let sync = &inventory.status(kind).sync;
                    let fine =
                        matches!(sync, Sync::Synced) || (kind.is_optional() && matches!(sync, Sync::Absent));
                    (!fine).then(|| format!("{kind} {}", sync.as_str()))
                })
                .collect();
            let what = if matches!(source, Source::Live) { "Connected" } else { "A recording is loaded" };
            if short.is_empty() {
                ("ok", what.to_owned())
            } else {
                ("degraded", format!("{what}; not fresh: {}", short.join(", ")))
            }
        }
    }
}

fn cluster(info: &ClusterInfo) -> Cluster {
    let text = |name: &str| (!name.is_empty()).then(|| shown(name));
    let (source, recording, recorded_at) = match &info.source {
        Source::Live => ("live", None, None),
        Source::Recorded { at, name } => ("recorded", text(name), aiops_engine::answer::seconds(*at)),
        Source::None { .. } => ("none", None, None),
    };
    let (connection, down_since, reason) = match (&info.source, &info.connection) {
        (Source::None { reason }, _) => (None, None, text(reason)),
        (Source::Recorded { .. }, _) => (None, None, None),
        (Source::Live, Connection::Connecting) => (Some("connecting"), None, None),
        (Source::Live, Connection::Up) => (Some("up"), None, None),
        (Source::Live, Connection::Down { since, reason }) => {
            (Some("down"), aiops_engine::answer::seconds(*since), text(reason))
        }
    };
    Cluster {
        source,
        recording,
        recorded_at,
        context: text(&info.context),
        server: text(&info.server),
        uid: text(&info.uid),
        version: text(&info.version),
        is_openshift: info.is_openshift,
        connection,
        down_since,
        reason,
        only_namespaces: namespaces(&info.scope),
    }
}

fn kind_state(inventory: &Inventory, kind: Kind, now: Timestamp) -> KindState {
    let status = inventory.status(kind);
    let (stale_since, reason) = match &status.sync {
        Sync::Stale { since, reason } => (aiops_engine::answer::seconds(*since), Some(shown(reason))),
        Sync::Failing { reason } | Sync::Forbidden { reason } => (None, Some(shown(reason))),
        Sync::Warming | Sync::Synced | Sync::Absent => (None, None),
    };
    KindState {
        kind: kind.name(),
        state: status.sync.as_str(),
        rows: status.sync.is_known().then_some(status.rows),
        unreadable: status.unreadable,
        watch_restarts: status.restarts,
        heard_seconds_ago: status.heard.map(|heard| now.as_second().saturating_sub(heard).max(0)),
        stale_since,
        reason,
        only_namespaces: namespaces(&status.scope),
    }
}

fn namespaces(scope: &Scope) -> Option<Vec<String>> {
    match scope {
        Scope::Cluster => None,
        Scope::Namespaces(names) => Some(names.iter().map(ToString::to_string).collect()),
    }
}

/// Sentences and names of others: without credentials, without control characters, bounded.
fn shown(text: &str) -> String {
    text::show(&Redactor, text, 500).text
}
