//! `GET /health`: how this process is, which cluster it reads, and how fresh each kind is.
//!
//! It asks the cluster nothing, and it is 200 however the cluster is: who asks wants to read why. A number that is not
//! known is null.

use std::collections::BTreeMap;

use aiops_engine::{redact::Redactor, text};
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
    dependencies: BTreeMap<&'static str, &'static str>,
    dependency_details: BTreeMap<&'static str, Detail>,
    /// Adapters of the mode that this version does not have.
    missing_adapters: Vec<&'static str>,
    cluster: Cluster,
    inventory: Vec<KindState>,
}

#[derive(Debug, Serialize)]
struct Detail {
    name: &'static str,
    status: &'static str,
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

pub(super) async fn health(State(door): State<Door>) -> Json<Health> {
    Json(describe(&door.0.about, door.is_draining()))
}

fn describe(about: &About, is_draining: bool) -> Health {
    let now = about.engine.now();
    let inventory = about.engine.look();
    let info = inventory.info();
    let (word, message) = kubernetes(&inventory);
    let mut dependencies = BTreeMap::from([(Adapter::Kubernetes.as_str(), word)]);
    let detail = Detail { name: Adapter::Kubernetes.as_str(), status: word, message };
    let mut details = BTreeMap::from([(Adapter::Kubernetes.as_str(), detail)]);
    for missing in &about.missing {
        let name = missing.adapter.as_str();
        dependencies.insert(name, "missing");
        details.insert(name, Detail { name, status: "missing", message: missing.why.to_owned() });
    }
    let status = match word {
        "down" => "unhealthy",
        "ok" if about.missing.is_empty() && !is_draining => "healthy",
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
        dependencies,
        dependency_details: details,
        missing_adapters: about.missing.iter().map(|missing| missing.adapter.as_str()).collect(),
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
