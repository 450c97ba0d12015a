//! `/detect`: how a workload is deployed, and what is remembered of that.

use aiops_engine::coordination::{MethodCache, MethodView, WorkloadName};
use axum::{extract::State, http::StatusCode, response::Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Rest,
    body::answer,
    caller::{At, Who},
    error::Failure,
};

/// How a workload is deployed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Detected {
    /// Always true; a failure has the error envelope, where it is false.
    success: bool,
    /// What was found.
    data: MethodView,
    /// A sentence.
    message: String,
}

/// The memory is empty.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Cleared {
    /// Always true.
    success: bool,
    /// A sentence.
    message: &'static str,
}

/// What is remembered.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Stats {
    /// The counts.
    data: MethodCache,
    /// Always true.
    success: bool,
}

/// `GET /detect/deployment/{namespace}/{name}`.
pub(super) async fn deployment(
    State(rest): State<Rest>,
    who: Who,
    At(place): At<(String, String)>,
) -> Result<Response, Failure> {
    detect(&rest, &who, "Deployment", place).await
}

/// `GET /detect/statefulset/{namespace}/{name}`.
pub(super) async fn stateful_set(
    State(rest): State<Rest>,
    who: Who,
    At(place): At<(String, String)>,
) -> Result<Response, Failure> {
    detect(&rest, &who, "StatefulSet", place).await
}

/// `GET /detect/daemonset/{namespace}/{name}`.
pub(super) async fn daemon_set(
    State(rest): State<Rest>,
    who: Who,
    At(place): At<(String, String)>,
) -> Result<Response, Failure> {
    detect(&rest, &who, "DaemonSet", place).await
}

async fn detect(
    rest: &Rest,
    who: &Who,
    kind: &str,
    (namespace, name): (String, String),
) -> Result<Response, Failure> {
    let workload = WorkloadName { kind: kind.to_owned(), namespace, name };
    let data = rest.engine().deployment_method(&who.caller, workload).await?;
    let message = format!("{kind} method detected successfully");
    answer(StatusCode::OK, &Detected { success: true, data, message })
}

/// `POST /detect/cache/clear`.
pub(super) async fn clear(State(rest): State<Rest>, who: Who) -> Result<Response, Failure> {
    rest.engine().forget_methods(&who.caller).await?;
    answer(StatusCode::OK, &Cleared { success: true, message: "Cache cleared successfully" })
}

/// `GET /detect/cache/stats`.
pub(super) async fn stats(State(rest): State<Rest>, who: Who) -> Result<Response, Failure> {
    let data = rest.engine().method_cache(&who.caller).await?;
    answer(StatusCode::OK, &Stats { data, success: true })
}
