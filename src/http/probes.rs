//! The two probes. Neither asks the cluster: the Service must not drop the pod that explains an outage.

use axum::{extract::State, http::StatusCode, response::Response};

use super::{Door, refusal::Refusal};

/// The process runs.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// It takes requests.
pub(super) async fn ready(State(door): State<Door>) -> Result<&'static str, Response> {
    if door.is_draining() {
        let refusal =
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "the process is about to end");
        return Err(refusal.into());
    }
    Ok("ok\n")
}
