//! A line over streamable HTTP: each call is one POST of the stateless revision, and one answer.
//!
//! rmcp's own HTTP client sends a message again after a session was lost, which a change must not be; so this speaks the
//! one revision that a member of our kind serves, over a client that retries nothing. A change has a connection of its own:
//! whether it was had is certain, and no dead one is written to.

use std::{path::PathBuf, time::Duration};

use aiops_engine::{
    member::{Line, Reply},
    ports::acting::{NotDone, NotDoneKind},
    text,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use serde_json::{Map, Value, json};

use super::MemberError;
use crate::outbound::{Outbound, OutboundError};

/// The revision that stands alone: no handshake, no session.
const REVISION: &str = "2026-07-28";
/// Most bytes of an answer: a page of 500 objects, as text and as an object.
const LARGEST: usize = 64 * 1024 * 1024;

/// A line to a member over HTTP.
pub(super) struct Http {
    base: String,
    token_file: Option<PathBuf>,
    reading: Outbound,
    changing: Outbound,
}

impl Http {
    pub(super) fn new(url: &str, token_file: Option<PathBuf>) -> Result<Self, MemberError> {
        let uri: Uri = url.parse().map_err(|_| MemberError::Url)?;
        let base = url.trim_end_matches('/').trim_end_matches("/mcp").to_owned();
        let line = Self {
            base,
            token_file,
            reading: Outbound::to(&uri).map_err(MemberError::Roots)?,
            changing: Outbound::once(&uri).map_err(MemberError::Roots)?,
        };
        line.token()?;
        Ok(line)
    }

    /// The token, read at each call: whoever rotates it writes the file.
    fn token(&self) -> Result<Option<HeaderValue>, MemberError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| MemberError::Token { path: path.clone(), source })?;
        let none = || MemberError::NoToken { path: path.clone() };
        let token = text.trim();
        if token.is_empty() {
            return Err(none());
        }
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| none())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn request(&self, tool: &str, arguments: Map<String, Value>) -> Result<Request<Bytes>, String> {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {
                "name": tool,
                "arguments": arguments,
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": REVISION,
                    "io.modelcontextprotocol/clientCapabilities": {},
                    "io.modelcontextprotocol/clientInfo": {
                        "name": "aiops-engine", "version": env!("CARGO_PKG_VERSION"),
                    },
                },
            },
        });
        let mut request = Request::post(format!("{}/mcp", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool);
        if let Some(token) = self.token().map_err(|error| error.to_string())? {
            request = request.header(header::AUTHORIZATION, token);
        }
        request.body(Bytes::from(body.to_string())).map_err(|error| error.to_string())
    }
}

/// The words of an error with its sources.
fn chain(error: &OutboundError) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        said = format!("{said}: {inner}");
        source = inner.source();
    }
    text::line(&said, 300)
}

/// What a refusal by its status means: these say that the request was not taken up, every other one says nothing.
const fn refusal(status: StatusCode) -> NotDoneKind {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => NotDoneKind::Denied,
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_ACCEPTABLE
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => NotDoneKind::Rejected,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => NotDoneKind::NotSent,
        StatusCode::TOO_MANY_REQUESTS => NotDoneKind::Throttled,
        _ => NotDoneKind::Unknown,
    }
}

/// What a whole answer says.
fn reply(place: &str, answer: &Response<Bytes>) -> Result<Reply, NotDone> {
    let status = answer.status();
    let lost = |kind: NotDoneKind, why: String| NotDone {
        status: Some(status.as_u16()),
        ..NotDone::new(kind, format!("the member at {place} {why}"))
    };
    let message: Option<Value> = serde_json::from_slice(answer.body()).ok();
    let said = message.as_ref().and_then(|message| {
        // JSON-RPC has an object here, a refusal of the listener a text.
        let error = message.get("error")?;
        error.get("message").or(Some(error))?.as_str().map(|said| text::line(said, 300))
    });
    if !status.is_success() {
        let said = said.map_or_else(String::new, |said| format!(": {said}"));
        return Err(lost(refusal(status), format!("answered {status}{said}")));
    }
    if let Some(said) = said {
        let code = message.as_ref().and_then(|message| message.pointer("/error/code")?.as_i64());
        let is_uncalled = code.is_some_and(super::duplex::is_uncalled);
        let kind = if is_uncalled { NotDoneKind::Unsupported } else { NotDoneKind::Unknown };
        return Err(lost(kind, format!("says: {said}")));
    }
    let result = message.as_ref().and_then(|message| message.get("result")).and_then(Value::as_object);
    let Some(result) = result else {
        return Err(lost(NotDoneKind::Unknown, format!("answered {status} and no JSON-RPC")));
    };
    Ok(super::duplex::parts(result))
}

#[async_trait]
impl Line for Http {
    async fn call(
        &self,
        tool: &'static str,
        arguments: Map<String, Value>,
        within: Duration,
        once: bool,
    ) -> Result<Reply, NotDone> {
        let place = &self.base;
        let request = self.request(tool, arguments).map_err(|why| NotDone::new(NotDoneKind::NotSent, why))?;
        let client = if once { &self.changing } else { &self.reading };
        match client.send(request, within, LARGEST).await {
            Ok(answer) => reply(place, &answer),
            Err(error) => {
                let was_sent = !error.is_unsent();
                let why = format!("the member at {place} did not answer ({})", chain(&error));
                Err(if was_sent {
                    let why = format!("{why}; whether it had an effect is not known");
                    NotDone::new(NotDoneKind::Unknown, why)
                } else {
                    NotDone::new(NotDoneKind::NotSent, format!("{why}; nothing was sent"))
                })
            }
        }
    }

    fn place(&self) -> &str {
        &self.base
    }
}
