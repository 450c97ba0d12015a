//! How a request is refused: one form for all, with the request's id in it.
//!
//! It does not decide to refuse. MCP's own failures are JSON-RPC and pass by here.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::request_id::RequestId;

/// A refusal on its way out; [`Refusal::write`] gives it its body when the id is at hand.
#[derive(Debug, Clone)]
pub(super) struct Refusal(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Value,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { status, code, message: message.into(), details: Value::Null, header: None }))
    }

    pub(super) fn details(mut self, details: Value) -> Self {
        self.0.details = details;
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.0.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// Writes the body of a refusal that the response carries.
    pub(super) fn write(response: &mut Response, id: &RequestId) {
        let Some(Self(refusal)) = response.extensions_mut().remove::<Self>() else { return };
        let body = json!({
            "status": "error",
            "error": refusal.message,
            "code": refusal.code,
            "message": refusal.message,
            "details": refusal.details,
            "success": false,
            "request_id": id.as_str(),
        });
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
