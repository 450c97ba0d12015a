//! How the REST door says that something did not work: one function from the engine's errors to a status.
//!
//! It decides nothing: the status follows from the variant, and the form is the listener's own.

use std::time::Duration;

use aiops_engine::{Error, redact::Redactor, text};
use axum::{
    http::{HeaderName, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::http::Refusal;

/// The longest message, in bytes: other people's words may be in it.
const LONGEST: usize = 2_000;
/// When to ask again where the part that is down does not say.
const SOON: Duration = Duration::from_secs(1);

/// A request that was not done.
#[derive(Debug)]
pub(crate) struct Failure(Refusal);

impl Failure {
    /// The request says something that cannot be; `field` as its sender spelt it.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", shown(&message));
        Self(refusal.details(json!({ "field": shown(field) })))
    }

    /// A member or parameter that has to be there.
    pub(crate) fn required(field: &str) -> Self {
        Self::invalid(field, format!("{field} is required"))
    }

    /// As much flows as may; it may be asked again in a second.
    pub(crate) fn overloaded(message: impl Into<String>) -> Self {
        let message: String = message.into();
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message);
        Self(refusal.retry_after(SOON))
    }

    /// The same failure; what a member of the body is called there, `spell` says by the engine's name of it.
    pub(crate) fn spelt(error: Error, spell: impl FnOnce(&str) -> Option<String>) -> Self {
        match error {
            Error::Invalid { field, why } => {
                let plain = plain(&field);
                Error::Invalid { field: spell(&plain).unwrap_or(plain), why }.into()
            }
            other => other.into(),
        }
    }

    /// The error envelope, for where it stands in a body of another form.
    pub(crate) fn body(&self, request_id: &str) -> Value {
        self.0.body(request_id)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if matches!(error, Error::Internal { .. }) {
            // The caller reads that it was our fault; why stands here, under the same request id.
            tracing::error!(error = %chain(&error), "a request failed inside aiops");
        }
        let refusal = Refusal::new(status(&error), error.code(), shown(&said(&error)));
        let refusal = refusal.details(details(&error));
        Self(match retry_after(&error) {
            Some(after) => refusal.retry_after(after),
            None => refusal,
        })
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.into()
    }
}

/// The status of a failure. 5xx are 503 (worth asking again), 507 (the disk is full) and 500 (our fault), and no other:
/// old clients and Alertmanager repeat what is 5xx.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::Forbidden { .. } | Error::Refused { .. } => StatusCode::FORBIDDEN,
        Error::NotFound { .. } | Error::NotInThisMode { .. } => StatusCode::NOT_FOUND,
        Error::Conflict { .. } => StatusCode::CONFLICT,
        Error::Unavailable { .. } | Error::Timeout { .. } | Error::Cancelled { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Error::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::Unavailable { retry_after, .. } => Some(retry_after.unwrap_or(SOON)),
        Error::Timeout { .. } | Error::Cancelled { .. } => Some(SOON),
        Error::Invalid { .. }
        | Error::Forbidden { .. }
        | Error::Refused { .. }
        | Error::NotFound { .. }
        | Error::NotInThisMode { .. }
        | Error::Conflict { .. }
        | Error::Full { .. }
        | Error::Internal { .. } => None,
    }
}

/// The engine's sentence, with the member or parameter as it is written here.
fn said(error: &Error) -> String {
    match error {
        // As the contract has it: `title is required`.
        Error::Invalid { field, why } if ["is ", "must "].iter().any(|verb| why.starts_with(verb)) => {
            format!("{} {why}", plain(field))
        }
        Error::Invalid { field, why } => format!("{}: {why}", plain(field)),
        other => other.to_string(),
    }
}

/// The name of a member or parameter without the words that other doors put around it.
fn plain(field: &str) -> String {
    if field == "idempotency key" {
        return "Idempotency-Key".to_owned();
    }
    let inner = field.strip_prefix("argument \"").and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(field).replace(' ', "_")
}

/// What a program wants to know beside the code.
fn details(error: &Error) -> Value {
    match error {
        Error::Invalid { field, .. } => json!({ "field": shown(&plain(field)) }),
        Error::Conflict { workflow, .. } => json!({ "workflow_id": workflow }),
        Error::Refused { rule, .. } => json!({ "rule": rule }),
        Error::Timeout { seconds, .. } => json!({ "seconds": seconds }),
        Error::Forbidden { .. }
        | Error::NotFound { .. }
        | Error::NotInThisMode { .. }
        | Error::Unavailable { .. }
        | Error::Cancelled { .. }
        | Error::Full { .. }
        | Error::Internal { .. } => Value::Null,
    }
}

/// Answers a route of the engine in a mode that has none.
pub(super) async fn not_in_this_mode() -> Failure {
    Failure::from(Error::NotInThisMode {
        what: "this route".to_owned(),
        why: "there is no coordination engine in this mode; start with --mode full, or set \
              integrations.coordinationEngine.enabled"
            .to_owned(),
    })
}

/// Who may not act, and why.
pub(super) fn stranger() -> Failure {
    Failure::from(Error::refused(
        "this request",
        "http.insecureAnonymous",
        "callers without a token may read here and not act; send a bearer token of http.tokenFile",
    ))
}

/// A header that cannot be used.
pub(super) fn header(name: &HeaderName, why: &str) -> Failure {
    Failure::invalid(name.as_str(), format!("the header {name} {why}"))
}

/// Without credentials, without control characters, bounded.
fn shown(message: &str) -> String {
    text::show(&Redactor, message, LONGEST).text
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    shown(&text)
}
