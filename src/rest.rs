//! The REST door: the coordination engine's routes, as its old clients know them and as `/openapi.json` tells them.
//!
//! A handler unwraps a request, calls one method of [`Coordination`] and wraps the answer; nothing is decided here. Ids,
//! hosts, origins, tokens and limits are the listener's.

mod alerts;
mod body;
mod caller;
mod control;
mod coordination;
mod detect;
mod error;
pub(crate) mod health;
mod incidents;
pub mod openapi;
mod plans;
mod remediation;
mod route;
mod workflows;

use std::sync::Arc;

use aiops_engine::coordination::{self as asked, Coordination};
use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::{any, get, post, put},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::route::Route;
use crate::http::Door;

/// Where the document that describes the routes is served.
pub(crate) const DOCUMENT: &str = "/openapi.json";
/// The route that the listener answers in every mode.
pub(crate) const HEALTH: &str = "/api/v1/health";
/// What every route begins with. Charts of the old pair write it twice.
const PREFIX: &str = "/api/v1";

/// What handlers have: the engine, and when to end streams. Cheap to clone.
#[derive(Clone)]
pub struct Rest {
    engine: Arc<dyn Coordination>,
    ending: CancellationToken,
    /// Callers without a token may ask for changes of the cluster.
    strangers_act: bool,
    /// Streams that may begin yet.
    watchers: Arc<Semaphore>,
}

/// Streams of events that flow at once. Each holds a connection, of which the listener has 1,024: the others stay for
/// requests, and for the probes that keep the process alive.
const MOST_WATCHERS: usize = 256;

impl Rest {
    /// A door to this engine; its streams end with `ending`.
    pub fn new(engine: Arc<dyn Coordination>, ending: CancellationToken) -> Self {
        Self { engine, ending, strangers_act: false, watchers: Arc::new(Semaphore::new(MOST_WATCHERS)) }
    }

    /// The same door, which lets callers without a token act, or does not.
    pub(crate) fn for_strangers(self, may_act: bool) -> Self {
        Self { strangers_act: may_act, ..self }
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &dyn Coordination {
        &*self.engine
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").field("strangers_act", &self.strangers_act).finish_non_exhaustive()
    }
}

/// Every route.
const ROUTES: &[Route] = &[
    Route::get(HEALTH, "How this process and what it rests on are")
        .answers::<health::Health>(200)
        .answers::<health::Health>(503),
    Route::post(
        "/api/v1/remediation/trigger",
        "Begin a remediation; a dry run plans, proves and keeps nothing",
    )
    .by(|| post(remediation::trigger))
    .takes::<remediation::TriggerBody>()
    .keyed()
    .answers::<remediation::TriggerAnswer>(202)
    .answers::<remediation::TriggerAnswer>(200),
    Route::post("/api/v1/remediation/why-not", "Which rules would refuse this trigger now")
        .by(|| post(remediation::why_not))
        .takes::<remediation::PlanBody>()
        .answers::<asked::Verdicts>(200),
    Route::post("/api/v1/plans", "Make and prove a plan; nothing is kept and nothing changes")
        .by(|| post(plans::plan))
        .takes::<remediation::PlanBody>()
        .answers::<asked::PlanView>(200),
    Route::get("/api/v1/workflows", "Workflows, newest first; `total` counts before the limit")
        .by(|| get(workflows::list))
        .asks(&["namespace", "status", "incident_id", "limit", "offset"])
        .answers::<workflows::WorkflowList>(200),
    Route::get("/api/v1/workflows/{id}", "A workflow with its steps and checkpoints")
        .by(|| get(workflows::get))
        .answers::<workflows::WorkflowAnswer>(200),
    Route::get("/api/v1/workflows/{id}/events", "A workflow now and at each change, as server-sent events")
        .by(|| get(workflows::events))
        .streams(),
    Route::get("/api/v1/workflows/{id}/why-not", "Why a workflow does not go on")
        .by(|| get(workflows::why_not))
        .answers::<asked::Verdicts>(200),
    Route::post("/api/v1/workflows/{id}/approve", "Approve the plan that waits, by its digest")
        .by(|| post(workflows::approve))
        .takes::<workflows::DecisionBody>()
        .answers::<workflows::WorkflowAnswer>(200),
    Route::post("/api/v1/workflows/{id}/deny", "Deny the plan that waits, by its digest")
        .by(|| post(workflows::deny))
        .takes::<workflows::DecisionBody>()
        .answers::<workflows::WorkflowAnswer>(200),
    Route::post("/api/v1/workflows/{id}/cancel", "Ask a workflow to stop and to undo what was done")
        .by(|| post(workflows::cancel))
        .takes::<workflows::CancelBody>()
        .answers::<workflows::WorkflowAnswer>(200),
    Route::post("/api/v1/workflows/{id}/resolve", "End a workflow that waits for a person")
        .by(|| post(workflows::resolve))
        .takes::<workflows::ResolveBody>()
        .answers::<workflows::WorkflowAnswer>(200),
    Route::get("/api/v1/incidents", "Incidents, newest first; `total` counts before the limit")
        .by(|| get(incidents::list))
        .asks(&["namespace", "severity", "status", "limit", "offset", "words"])
        .answers::<incidents::IncidentRows>(200),
    Route::post("/api/v1/incidents", "Open an incident by hand")
        .by(|| post(incidents::create))
        .takes::<incidents::NewBody>()
        .answers::<incidents::Created>(201),
    Route::get("/api/v1/incidents/{id}", "An incident with its workflows")
        .by(|| get(incidents::get))
        .answers::<incidents::IncidentAnswer>(200),
    Route::post("/api/v1/incidents/{id}/resolve", "Close an incident")
        .by(|| post(incidents::resolve))
        .takes::<incidents::ClosingBody>()
        .answers::<incidents::IncidentAnswer>(200),
    Route::get("/api/v1/incidents/{id}/report", "The whole story of an incident, as Markdown")
        .by(|| get(incidents::report))
        .writes("text/markdown"),
    Route::post(
        "/api/v1/alerts",
        "Alertmanager's webhook, payload version 4; opens incidents and nothing else",
    )
    .by(|| post(alerts::take))
    .takes::<alerts::Payload>()
    .answers::<alerts::Taken>(200),
    Route::get("/api/v1/detect/deployment/{namespace}/{name}", "How a Deployment is deployed")
        .by(|| get(detect::deployment))
        .answers::<detect::Detected>(200),
    Route::get("/api/v1/detect/statefulset/{namespace}/{name}", "How a StatefulSet is deployed")
        .by(|| get(detect::stateful_set))
        .answers::<detect::Detected>(200),
    Route::get("/api/v1/detect/daemonset/{namespace}/{name}", "How a DaemonSet is deployed")
        .by(|| get(detect::daemon_set))
        .answers::<detect::Detected>(200),
    Route::post("/api/v1/detect/cache/clear", "Forget what is remembered of deployment methods")
        .by(|| post(detect::clear))
        .answers::<detect::Cleared>(200),
    Route::get("/api/v1/detect/cache/stats", "What is remembered of deployment methods")
        .by(|| get(detect::stats))
        .answers::<detect::Stats>(200),
    Route::post("/api/v1/coordination/trigger", "Begin a remediation over several layers")
        .by(|| post(coordination::trigger))
        .takes::<coordination::TroubleBody>()
        .keyed()
        .answers::<coordination::Begun>(202)
        .answers::<coordination::Begun>(200),
    Route::get("/api/v1/coordination/workflows", "Workflows in the Go engine's multi-layer shape")
        .by(|| get(coordination::list))
        .asks(&["namespace", "status", "incident_id", "limit", "offset"])
        .answers::<coordination::LayeredList>(200),
    Route::get("/api/v1/coordination/workflows/{id}", "A workflow in the Go engine's multi-layer shape")
        .by(|| get(coordination::get))
        .answers::<coordination::Layered>(200),
    Route::get("/api/v1/control", "The kill switch and the breaker")
        .by(|| get(control::get))
        .answers::<asked::ControlView>(200),
    Route::put("/api/v1/control", "Set the kill switch")
        .by(|| put(control::set))
        .takes::<control::ControlBody>()
        .answers::<asked::ControlView>(200),
    Route::get("/api/v1/policy", "The policy in force")
        .by(|| get(control::policy))
        .answers::<asked::PolicyView>(200),
    Route::get("/api/v1/audit/{chain}", "Lines of an audit chain, in order")
        .by(|| get(control::audit))
        .asks(&["after", "limit"])
        .answers::<asked::AuditView>(200),
];

/// The paths of the engine's routes. Without an engine each of them says that this mode has none.
pub(crate) fn paths(rest: Option<Rest>) -> Router<Door> {
    match rest {
        Some(rest) => {
            let routes = ROUTES.iter().filter_map(|route| Some((route.path, route.handler?)));
            routes
                .flat_map(|(path, handler)| at(path).into_iter().map(move |path| (path, handler())))
                .fold(Router::new(), |router, (path, method)| router.route(&path, method))
                .with_state(rest)
        }
        None => {
            let mut paths: Vec<&str> =
                ROUTES.iter().filter(|route| route.handler.is_some()).map(|route| route.path).collect();
            paths.dedup();
            let paths = paths.into_iter().flat_map(at);
            paths.fold(Router::new(), |router, path| router.route(&path, any(error::not_in_this_mode)))
        }
    }
}

/// Where a route is served: at its path, and at the one with the prefix twice.
pub(crate) fn at(path: &str) -> [String; 2] {
    [path.to_owned(), format!("{PREFIX}{path}")]
}

/// The route that was matched, as a word of a closed list.
pub(crate) fn word(matched: &str) -> Option<&'static str> {
    let once = matched.strip_prefix(PREFIX).filter(|rest| rest.starts_with(PREFIX)).unwrap_or(matched);
    ROUTES.iter().map(|route| route.path).find(|path| *path == once)
}

/// `GET /openapi.json`.
pub(crate) async fn document() -> Response {
    axum::Json(openapi::document()).into_response()
}
