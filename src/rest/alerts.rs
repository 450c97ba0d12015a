//! `POST /alerts`: what Alertmanager sends, payload version 4.
//!
//! The format is somebody else's and grows: members that are not known are left out. Alerts open incidents and nothing
//! else.

use std::collections::BTreeMap;

use aiops_engine::{
    coordination::{Alert, AlertsTaken},
    model::caller::{Caller, Via},
};
use axum::{extract::State, http::StatusCode, response::Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Rest,
    body::{Foreign, answer},
    caller::Who,
    error::Failure,
};

/// The webhook's payload, as far as it is read.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Payload {
    /// `4`.
    version: Option<String>,
    /// The alerts of the group.
    alerts: Vec<One>,
    /// How many more there are, that the webhook's `max_alerts` left out.
    #[serde(default, rename = "truncatedAlerts")]
    truncated: u64,
}

/// An alert.
#[derive(Debug, Deserialize, JsonSchema)]
struct One {
    /// `firing` or `resolved`.
    status: String,
    /// Labels.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// RFC 3339.
    #[serde(default, rename = "startsAt")]
    starts_at: String,
    /// Alertmanager's own.
    #[serde(default)]
    fingerprint: String,
}

/// What became of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Taken {
    /// Always `success`.
    status: &'static str,
    #[serde(flatten)]
    taken: AlertsTaken,
    /// How many more the sender left out, so that nothing is known of them.
    #[serde(skip_serializing_if = "is_none")]
    truncated: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// `POST /alerts`.
pub(super) async fn take(
    State(rest): State<Rest>,
    who: Who,
    Foreign(body): Foreign<Payload>,
) -> Result<Response, Failure> {
    if let Some(version) = body.version.filter(|version| version != "4") {
        let shown: String = version.chars().take(20).collect();
        return Err(Failure::invalid("version", format!("version must be 4, not {shown:?}")));
    }
    let alerts = body.alerts.into_iter().enumerate().map(alert).collect::<Result<_, _>>()?;
    // The policy may let the incident of an alert act, so strangers are refused where they may not act.
    let caller = Caller { via: Via::Alert, ..who.acts()?.clone() };
    let taken = rest.engine().alerts(&caller, alerts).await?;
    if body.truncated > 0 {
        tracing::warn!(
            truncated = body.truncated,
            "Alertmanager left alerts out of a message; raise max_alerts of its webhook, or group alerts more finely"
        );
    }
    answer(StatusCode::OK, &Taken { status: "success", taken, truncated: body.truncated })
}

fn alert((at, one): (usize, One)) -> Result<Alert, Failure> {
    let is_resolved = match one.status.as_str() {
        "firing" => false,
        "resolved" => true,
        _ => {
            let field = format!("alerts[{at}].status");
            return Err(Failure::invalid(&field, format!("{field} must be firing or resolved")));
        }
    };
    let One { labels, annotations, starts_at, fingerprint, .. } = one;
    Ok(Alert { is_resolved, labels, annotations, starts_at, fingerprint })
}
