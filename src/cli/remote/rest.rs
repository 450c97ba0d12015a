//! The REST half: one request and its JSON, and events as they come.
//!
//! It knows the form of refusals and of server-sent events, and of the routes two: a question that is put by POST, and the
//! switch that may be thrown where nothing may be changed.

use std::collections::VecDeque;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header, request::Builder};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use super::{MOST_BYTES, PATIENCE, Remote, withheld};
use crate::cli::{Failure, table::clean};

/// What every route begins with.
const PREFIX: &str = "/api/v1";
/// The kill switch.
const SWITCH: &str = "/control";
/// What changes nothing although it is no GET.
const QUESTION: &str = "/remediation/why-not";

impl Remote {
    /// Asks a route and returns the text of its answer.
    ///
    /// # Errors
    /// It cannot be reached, or refuses; the message is its own. Or it is not asked at all ([`Self::may`]).
    pub(in crate::cli) async fn rest(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, Failure> {
        // The switch may be thrown from anywhere, and set back where things may be changed.
        let mode = body.and_then(|body| body.get("mode")).and_then(Value::as_str);
        if path != SWITCH || mode == Some("run") {
            self.may(&method, path)?;
        }
        let request = self.request(method, path);
        let request = match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Bytes::from(body.to_string()))
            }
            None => request.body(Bytes::new()),
        };
        let asked = self.client.send(request.context("that is no path")?, PATIENCE, MOST_BYTES).await;
        let answer = asked.map_err(|error| self.unasked(error))?;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        if answer.status().is_success() { Ok(text) } else { Err(self.refused(answer.status(), &text).into()) }
    }

    /// Whether a route is asked at all.
    ///
    /// # Errors
    /// It changes something, and nothing is to be changed.
    pub(in crate::cli) fn may(&self, method: &Method, path: &str) -> Result<(), Failure> {
        if self.is_read_only && *method != Method::GET && path != QUESTION {
            return Err(withheld(&format!("{method} {path}")));
        }
        Ok(())
    }

    /// The events of a route.
    ///
    /// # Errors
    /// It cannot be reached, or refuses.
    pub(in crate::cli) async fn events(&self, path: &str) -> anyhow::Result<Events> {
        let request = self.request(Method::GET, path).header(header::ACCEPT, "text/event-stream");
        let request = request.body(Bytes::new()).context("that is no path")?;
        let opened = self.client.open(request, PATIENCE).await.map_err(|error| self.unasked(error))?;
        let (head, body) = opened.into_parts();
        if head.status.is_success() {
            return Ok(Events { body, rest: Vec::new(), ready: VecDeque::new() });
        }
        let whole = Limited::new(body, MOST_BYTES).collect().await;
        let text = whole.map(|whole| String::from_utf8_lossy(&whole.to_bytes()).into_owned());
        Err(self.refused(head.status, &text.unwrap_or_default()))
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        let mut request = Request::builder().method(method).uri(format!("{}{PREFIX}{path}", self.origin));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        request
    }

    /// A refusal in its own words.
    pub(super) fn refused(&self, status: StatusCode, text: &str) -> anyhow::Error {
        let body: Option<Value> = serde_json::from_str(text).ok();
        let said = |name: &str| body.as_ref()?.get(name)?.as_str().map(clean);
        match said("message").or_else(|| said("error")) {
            Some(why) => {
                let hint = match status {
                    StatusCode::UNAUTHORIZED => "; give it with AIOPS_TOKEN or --token",
                    _ => "",
                };
                anyhow::anyhow!("{} refused: {why}{hint}", self.base)
            }
            None => anyhow::anyhow!("{} answered {status}; is that aiops of this version?", self.base),
        }
    }
}

/// Events of a stream (HTML Living Standard §9.2).
#[derive(Debug)]
pub(in crate::cli) struct Events {
    body: Incoming,
    rest: Vec<u8>,
    ready: VecDeque<Event>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Event {
    /// Its name; `message` where none is given.
    pub(in crate::cli) name: String,
    /// Its data.
    pub(in crate::cli) data: String,
}

impl Events {
    /// The next event; `None` when the stream is over.
    ///
    /// # Errors
    /// The connection broke.
    pub(in crate::cli) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame.context("the stream of events broke")?.into_data() {
                self.rest.extend_from_slice(&data);
                self.split()?;
            }
        }
    }

    fn split(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.rest.len() <= MOST_BYTES, "an event is longer than {MOST_BYTES} bytes");
        let Some(end) = last_end(&self.rest) else { return Ok(()) };
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        let text = String::from_utf8_lossy(&whole).replace("\r\n", "\n");
        self.ready.extend(text.split("\n\n").filter_map(event));
        Ok(())
    }
}

/// Where the last event that is complete ends: behind an empty line.
fn last_end(bytes: &[u8]) -> Option<usize> {
    let after = |mark: &[u8]| bytes.windows(mark.len()).rposition(|at| at == mark).map(|at| at + mark.len());
    after(b"\n\n").max(after(b"\r\n\r\n"))
}

/// An event of its lines; comments alone are none.
fn event(lines: &str) -> Option<Event> {
    let field = |name: &'static str| {
        lines.lines().filter_map(move |line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            Some(value.strip_prefix(' ').unwrap_or(value))
        })
    };
    let data: Vec<&str> = field("data").collect();
    let name = field("event").next_back().unwrap_or("message").to_owned();
    (!data.is_empty()).then(|| Event { name, data: data.join("\n") })
}
