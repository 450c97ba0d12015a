//! How a request is refused: one form for all, with the request's id in it.
//!
//! It does not decide to refuse. MCP's own failures are JSON-RPC and pass by here.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::request_id::RequestId;

/// A refusal on its way out; [`Refusal::write`] gives it its body when the id is at hand.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Value,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { status, code, message: message.into(), details: Value::Null, header: None }))
    }

    pub(crate) fn details(mut self, details: Value) -> Self {
        self.0.details = details;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.0.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// When asking again makes sense; rounded up to whole seconds, at least one, as RFC 9110 has it.
    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        let seconds = after.as_millis().div_ceil(1_000).max(1);
        self.0.header =
            HeaderValue::try_from(seconds.to_string()).ok().map(|value| (header::RETRY_AFTER, value));
        self
    }

    /// Its body, with the request's id.
    pub(crate) fn body(&self, id: &str) -> Value {
        let Inner { code, message, details, .. } = &*self.0;
        json!({
            "status": "error",
            "error": message,
            "code": code,
            "message": message,
            "details": details,
            "success": false,
            "request_id": id,
        })
    }

    /// Writes the body of a refusal that the response carries.
    pub(super) fn write(response: &mut Response, id: &RequestId) {
        let Some(refusal) = response.extensions_mut().remove::<Self>() else { return };
        let body = refusal.body(id.as_str());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Whoever counted the empty body before has counted wrong.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(body.to_string());
    }
}

impl From<Refusal> for Response {
    fn from(mut refusal: Refusal) -> Self {
        let mut response = Self::new(Body::empty());
        *response.status_mut() = refusal.0.status;
        if let Some((name, value)) = refusal.0.header.take() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(refusal);
        response
    }
}
