//! What the stub does with requests that would change something: it notes them and answers as the story says.
//!
//! It changes nothing; what an API server makes of a change is tested on a real one.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    http::{header, request::Parts},
    response::Response,
};
use futures::{StreamExt as _, stream};
use parking_lot::Mutex;
use serde_json::Value;

use super::{Story, reply};

/// A request that would change something.
#[derive(Debug, Clone)]
pub(in super::super) struct Change {
    pub(in super::super) method: String,
    /// Path and query.
    pub(in super::super) uri: String,
    pub(in super::super) agent: String,
    pub(in super::super) content: String,
    pub(in super::super) body: Value,
}

/// What a change is answered.
#[derive(Debug, Clone, Default)]
pub(in super::super) enum Verdict {
    /// Status, headers, body.
    Say(u16, Vec<(&'static str, &'static str)>, String),
    /// A success whose body never ends.
    Stall(u16),
    /// Nothing: the connection is closed.
    #[default]
    Drop,
    /// Nothing, and the connection stays.
    Hang,
}

/// Notes a request that would change something, and answers as the story says.
pub(super) async fn judge(story: &Mutex<Story>, parts: &Parts, body: &[u8]) -> Response {
    let header = |name: header::HeaderName| {
        parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    let change = Change {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        agent: header(header::USER_AGENT),
        content: header(header::CONTENT_TYPE),
        body: serde_json::from_slice(body).unwrap(),
    };
    let verdict = {
        let mut story = story.lock();
        story.changes.push(change);
        story.verdict.clone()
    };
    match verdict {
        Verdict::Say(code, headers, body) => {
            let mut response = reply(code, body);
            for (name, value) in headers {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            response
        }
        Verdict::Stall(code) => {
            let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{\"kind\": "))]);
            reply(code, Body::from_stream(begun.chain(stream::pending())))
        }
        // The server ends the connection of a handler that panics, without an answer.
        Verdict::Drop => panic!("dropped on purpose"),
        Verdict::Hang => std::future::pending().await,
    }
}
