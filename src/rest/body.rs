//! Bodies: read leniently in their spelling and strictly in their meaning, written once and redacted.
//!
//! `incident_id`, `incidentId` and `INCIDENT_ID` are one member, `null` is an absent one, and the content type is not
//! looked at, as the old clients have it. What is not known is refused: a misspelt `dry_run` must not execute. A member
//! that is given twice with two values is refused too.

mod shape;

use aiops_engine::{Error, redact::Redactor, text::clean_json};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::shape::Unknown;
pub(super) use self::shape::{plain, schema};
use super::error::Failure;
use crate::ordered::Node;

/// A body with members that are all known.
#[derive(Debug)]
pub(super) struct Given<T>(pub(super) T);

/// A body in somebody else's format, which may grow: what is not known is left out.
#[derive(Debug)]
pub(super) struct Foreign<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned + JsonSchema> FromRequest<S> for Given<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        read(&whole(request).await?, Unknown::Refused).map(Self)
    }
}

impl<S: Sync, T: DeserializeOwned + JsonSchema> FromRequest<S> for Foreign<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        read(&whole(request).await?, Unknown::LeftOut).map(Self)
    }
}

/// The gate has read it and holds its limit.
async fn whole(request: Request) -> Result<Bytes, Failure> {
    axum::body::to_bytes(request.into_body(), usize::MAX)
        .await
        .map_err(|_| Failure::invalid("body", "the body broke off before its end"))
}

/// Reads a body; an empty one has no members.
fn read<T: DeserializeOwned + JsonSchema>(bytes: &[u8], unknown: Unknown) -> Result<T, Failure> {
    let node = match bytes.trim_ascii() {
        [] => Node::Null,
        some => serde_json::from_slice(some).map_err(|error| {
            Failure::invalid("body", format!("the body is no JSON that can be read: {error}"))
        })?,
    };
    let node = match node {
        Node::Null => Node::Object(Vec::new()),
        node @ Node::Object(_) => node,
        _ => return Err(Failure::invalid("body", "the body must be a JSON object")),
    };
    let value = shape::settle(node, &shape::cached::<T>(), "", unknown)?;
    serde_json::from_value(value)
        .map_err(|error| Failure::invalid("body", format!("the body is not usable: {error}")))
}

/// Writes an answer: without credentials, without what a reader would not see, with the newline that the Go engine ends
/// its answers with.
pub(super) fn answer<T: Serialize>(status: StatusCode, answer: &T) -> Result<Response, Failure> {
    let mut text = redacted(answer)?.to_string();
    text.push('\n');
    Ok((status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response())
}

/// The answer as it may leave.
pub(super) fn redacted<T: Serialize>(answer: &T) -> Result<Value, Failure> {
    let internal = |error: serde_json::Error| Error::Internal {
        what: "writing an answer".to_owned(),
        source: Some(error.into()),
    };
    let mut value = serde_json::to_value(answer).map_err(internal)?;
    // Redacted first: an escape in a credential would hide it.
    Redactor::new().redact_json(&mut value);
    clean_json(&mut value);
    Ok(value)
}
