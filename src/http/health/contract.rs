//! `GET /api/v1/health`: the contract's form of the same facts, 503 when there is no cluster.
//!
//! The names of dependencies are the contract's (`ml_service`, `argocd`) beside our own.

use std::{collections::BTreeMap, time::Duration};

use aiops_engine::Engine;
use aiops_inventory::{Inventory, Kind, Sync, inventory::Source};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};

use super::{Door, describe, standing};
use crate::{
    mode::Adapter,
    rest::health::{Dependency, Health, Place, Rbac},
};

/// What discovery gets, which the adapter remembers after the first time.
const DISCOVER_WITHIN: Duration = Duration::from_millis(500);
/// The contract's names of what it lists.
const ML_SERVICE: &str = "ml_service";
const ARGO_CD: &str = "argocd";

pub(in crate::http) async fn for_clients(State(door): State<Door>) -> Response {
    let (engine, argo) = tokio::join!(standing(&door), argo_cd(&door.0.about.engine));
    let about = &door.0.about;
    let told = describe(about, door.is_draining(), engine);
    let mut parts: BTreeMap<&'static str, (String, String)> = told
        .dependency_details
        .into_iter()
        .map(|(name, detail)| (name, (detail.status, detail.message)))
        .collect();
    parts.insert(ARGO_CD, argo);
    let models = parts
        .get(Adapter::MlServices.as_str())
        .cloned()
        .unwrap_or_else(|| ("disabled".to_owned(), format!("mode {} asks no model", about.mode)));
    parts.insert(ML_SERVICE, models);
    let rbac = rbac(&about.engine.look());
    let health = Health {
        status: told.status,
        version: told.version,
        mode: told.mode,
        uptime_seconds: told.uptime_seconds,
        is_draining: told.is_draining,
        dependencies: parts.iter().map(|(name, (status, _))| (*name, status.clone())).collect(),
        dependency_details: parts
            .into_iter()
            .map(|(name, (status, message))| {
                (name, Dependency { name, status, message, checked_at: told.timestamp.clone() })
            })
            .collect(),
        timestamp: told.timestamp,
        rbac,
        details: Place::default(),
        engine: told.engine,
    };
    let status = if health.status == "unhealthy" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health)).into_response()
}

/// Whether the cluster has Argo CD's Applications.
async fn argo_cd(engine: &Engine) -> (String, String) {
    let unknown = |why: &str| ("unknown".to_owned(), why.to_owned());
    let Ok(cluster) = engine.cluster("looking for Argo CD") else {
        return unknown("no cluster is connected");
    };
    match tokio::time::timeout(DISCOVER_WITHIN, cluster.resources()).await {
        Ok(Ok(kinds))
            if kinds.iter().any(|kind| kind.group == "argoproj.io" && kind.kind == "Application") =>
        {
            ("ok".to_owned(), "the API server serves Applications".to_owned())
        }
        Ok(Ok(_)) => ("absent".to_owned(), "the API server serves no Applications".to_owned()),
        Ok(Err(_)) | Err(_) => unknown("the API server has not said which kinds it serves"),
    }
}

fn rbac(inventory: &Inventory) -> Rbac {
    let of = |is: fn(&Sync) -> bool| {
        Kind::ALL.into_iter().filter(|kind| is(&inventory.status(*kind).sync)).collect::<Vec<_>>()
    };
    let failed = of(|sync| matches!(sync, Sync::Forbidden { .. }));
    let ok = of(Sync::is_known).len();
    let absent = of(|sync| matches!(sync, Sync::Absent)).len();
    let total = Kind::ALL.len().saturating_sub(absent);
    let is_recorded = matches!(inventory.info().source, Source::Recorded { .. });
    let (status, message) = if !failed.is_empty() {
        let names: Vec<&str> = failed.iter().map(|kind| kind.resource().plural).collect();
        ("degraded", format!("may not list and watch {}", names.join(", ")))
    } else if is_recorded {
        ("ok", "A recording asks for no rights".to_owned())
    } else if ok < total {
        ("unknown", format!("{ok} of {total} kinds could be read so far"))
    } else {
        ("ok", "Every kind may be listed and watched".to_owned())
    };
    Rbac {
        status,
        permissions_total: total,
        permissions_ok: ok,
        permissions_failed: failed.len(),
        critical_ok: failed.is_empty(),
        message,
    }
}
