//! `POST /plans`: what would be done, proven by the API server; nothing is kept and nothing changes.

use aiops_engine::coordination::PlanRequest;
use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    Rest,
    body::{Given, answer},
    caller::Who,
    error::Failure,
    remediation::{PlanBody, spelt},
};

/// `POST /plans`.
pub(super) async fn plan(
    State(rest): State<Rest>,
    who: Who,
    Given(body): Given<PlanBody>,
) -> Result<Response, Failure> {
    let request = PlanRequest { trigger: body.into_trigger(&rest, &who).await? };
    answer(StatusCode::OK, &rest.engine().plan(&who.caller, request).await.map_err(spelt)?)
}
