//! The one listener: what is served at which path, and the order in which a request passes what guards it.
//!
//! It decides nothing about clusters and knows no adapter. [`gate`] holds the order; every refusal is written in one
//! form by [`refusal`].

mod accept;
mod auth;
mod bind;
mod callers;
mod gate;
mod health;
mod probes;
mod refusal;
mod request_id;
mod scrape;
#[cfg(unix)]
mod socket;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aiops_engine::Engine;
use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::from_fn_with_state,
    response::Response,
    routing::get,
};
use tokio::sync::Semaphore;

pub use accept::Open;
pub use auth::TokenFile;
pub use bind::{BindError, Listening};
pub use request_id::RequestId;
#[cfg(unix)]
pub use socket::{Behind, Socket};

use crate::{
    config,
    mcp::McpService,
    mode::{MissingAdapter, Mode},
    rest::{self, Rest},
    telemetry::Metrics,
};
pub(crate) use refusal::Refusal;

/// What the listener tells about the process.
#[derive(Debug, Clone)]
pub struct About {
    /// Answers what health and metrics ask.
    pub engine: Engine,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// The mode.
    pub mode: Mode,
    /// Adapters of the mode that this build does not have.
    pub missing: Vec<MissingAdapter>,
}

/// What every request passes and what health is made of; cheap to clone.
#[derive(Debug, Clone)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    about: About,
    settings: config::Http,
    callers: callers::Callers,
    tokens: Option<TokenFile>,
    /// The coordination engine's door; absent where the mode has no engine.
    rest: Option<Rest>,
    ids: request_id::Ids,
    /// One permit a request that is answered; a stream gives its back once it flows.
    permits: Arc<Semaphore>,
    /// One permit a body that is read: as many as there are connections, so that nobody waits for one. It is counted for
    /// the end, when what has begun is let finish.
    bodies: Arc<Semaphore>,
    is_draining: AtomicBool,
}

impl Door {
    /// A door with these guards, and with the REST routes of an engine where there is one.
    pub fn new(about: About, settings: &config::Http, tokens: Option<TokenFile>, rest: Option<Rest>) -> Self {
        // Beyond loopback anybody may be anonymous, so nobody who is may act.
        let may_act = tokens.is_some() || settings.listen.ip().is_loopback();
        Self(Arc::new(Inner {
            about,
            rest: rest.map(|rest| rest.for_strangers(may_act)),
            callers: callers::Callers::new(settings),
            tokens,
            ids: request_id::Ids::new(),
            permits: Arc::new(Semaphore::new(settings.max_concurrent_requests)),
            bodies: Arc::new(Semaphore::new(accept::most_connections(settings))),
            is_draining: AtomicBool::new(false),
            settings: settings.clone(),
        }))
    }

    /// Everything that is served, behind the gate.
    pub fn router(&self, mcp: McpService) -> Router {
        self.behind_gate(self.paths(mcp))
    }

    fn paths(&self, mcp: McpService) -> Router<Self> {
        let paths = Router::new()
            .route("/healthz", get(probes::alive))
            .route("/readyz", get(probes::ready))
            .route("/health", get(health::health))
            .route("/metrics", get(scrape::metrics))
            .route(rest::DOCUMENT, get(rest::document))
            .route_service("/mcp", mcp.clone())
            .route_service("/mcp/", mcp);
        let health = rest::at(rest::HEALTH)
            .into_iter()
            .fold(Router::new(), |paths, path| paths.route(&path, get(health::for_clients)));
        paths.merge(health).merge(rest::paths(self.0.rest.clone()))
    }

    /// `/metrics` alone, for a port of its own: without tokens, as scrapers and the Go engine have it.
    pub fn metrics_router(&self) -> Router {
        let paths = Router::new().route("/metrics", get(scrape::metrics));
        paths
            .fallback(no_such_path)
            .with_state(self.clone())
            .layer(from_fn_with_state(self.clone(), gate::tidy))
    }

    /// These paths, behind the gate.
    pub fn behind_gate(&self, paths: Router<Self>) -> Router {
        paths
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .with_state(self.clone())
            .layer(from_fn_with_state(self.clone(), gate::gate))
    }

    /// From now on not ready: whoever spreads requests sends them elsewhere.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Relaxed)
    }

    /// Waits until no request is being read or answered; streams that flow do not count.
    async fn idle(&self) {
        let all = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        // They fail only when a semaphore is closed, which nobody does. What was read is answered, in this order.
        let _ = self.0.bodies.acquire_many(all(accept::most_connections(&self.0.settings))).await;
        let _ = self.0.permits.acquire_many(all(self.0.settings.max_concurrent_requests)).await;
    }
}

async fn no_such_path(State(_): State<Door>, request: Request) -> Response {
    let path = aiops_engine::text::clean(request.uri().path(), 200).text;
    Refusal::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!(
            "nothing is served at {path}; there are /mcp, /api/v1 (described by /openapi.json), /health, /healthz, /readyz \
             and /metrics"
        ),
    )
    .into()
}

async fn no_such_method(request: Request) -> Response {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} is not answered here; Allow names what is", request.method()),
    )
    .into()
}
