//! `/control`, `/policy` and `/audit`: the kill switch, what is allowed, and what was done.

use aiops_engine::coordination::ControlChange;
use axum::{extract::State, http::StatusCode, response::Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Rest,
    body::{Given, answer},
    caller::{At, Query, Who},
    error::Failure,
};

/// Lines of an audit chain that are shown when nothing says how many.
const LINES: u32 = 100;

/// A change of the kill switch.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ControlBody {
    /// `run`, `pause` (no new step) or `stop` (no new intent, nothing is rolled back).
    mode: Option<String>,
    /// The same under the name that `GET` answers it with.
    kill_switch: Option<String>,
    /// Why.
    reason: Option<String>,
}

/// `GET /control`.
pub(super) async fn get(State(rest): State<Rest>, who: Who) -> Result<Response, Failure> {
    answer(StatusCode::OK, &rest.engine().controls(&who.caller).await?)
}

/// `PUT /control`.
pub(super) async fn set(
    State(rest): State<Rest>,
    who: Who,
    Given(body): Given<ControlBody>,
) -> Result<Response, Failure> {
    let mode = match (body.mode, body.kill_switch) {
        (Some(one), Some(other)) if one != other => {
            return Err(Failure::invalid(
                "kill_switch",
                "mode and kill_switch say two things; send one of them",
            ));
        }
        (Some(mode), _) | (None, Some(mode)) => mode,
        (None, None) => return Err(Failure::required("mode")),
    };
    let change = ControlChange { mode, reason: body.reason };
    answer(StatusCode::OK, &rest.engine().set_control(who.acts()?, change).await?)
}

/// `GET /policy`.
pub(super) async fn policy(State(rest): State<Rest>, who: Who) -> Result<Response, Failure> {
    answer(StatusCode::OK, &rest.engine().policy(&who.caller).await?)
}

/// `GET /audit/{chain}`.
pub(super) async fn audit(
    State(rest): State<Rest>,
    who: Who,
    At(chain): At<String>,
    asked: Query,
) -> Result<Response, Failure> {
    let after = asked.number("after")?.unwrap_or(0);
    let limit = asked.limit()?.unwrap_or(LINES);
    answer(StatusCode::OK, &rest.engine().audit(&who.caller, &chain, after, limit).await?)
}
