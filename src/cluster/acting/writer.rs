//! The client that changes things: one request, one answer, one deadline over both.
//!
//! It is made only where something may be changed, by `connect`; there is no retry in it at any layer.

use std::sync::Arc;

use aiops_engine::ports::acting::{Accepted, NotDone, NotDoneKind};
use bytes::BytesMut;
use http::{HeaderValue, Request, header};
use http_body_util::BodyExt as _;
use kube::client::{AuthError, Body};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::{
    super::{
        api::JSON,
        connect,
        failure::{Failure, chain},
    },
    answer,
    request::Write,
};
use crate::telemetry::Metrics;

/// Most bytes of an answer: an object has at most 1.5 MB.
const LARGEST: usize = 8 * 1024 * 1024;

/// Sends changes over one connection.
pub(in super::super) struct Writer {
    client: kube::Client,
    server: String,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("server", &self.server).finish_non_exhaustive()
    }
}

/// How the API server knows us in its audit log.
fn user_agent(workflow: &str) -> HeaderValue {
    const NAME: &str = concat!("aiops/", env!("CARGO_PKG_VERSION"));
    let plain = HeaderValue::from_static(NAME);
    if workflow.is_empty() {
        return plain;
    }
    HeaderValue::from_str(&format!("{NAME} wf/{workflow}")).unwrap_or(plain)
}

/// Counts a change however it ends; one that is dropped before was cut off.
struct Count<'a> {
    metrics: &'a Metrics,
    verb: &'static str,
    outcome: &'static str,
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.metrics.api_request(self.verb, self.outcome);
    }
}

const fn word(kind: NotDoneKind) -> &'static str {
    match kind {
        NotDoneKind::Conflict => "conflict",
        NotDoneKind::NotFound => "not_found",
        NotDoneKind::Rejected => "invalid",
        NotDoneKind::Denied => "denied",
        NotDoneKind::Blocked => "blocked",
        NotDoneKind::Throttled => "throttled",
        NotDoneKind::NotSent => "unreachable",
        NotDoneKind::Unsupported => "unsupported",
        NotDoneKind::Unknown => "unknown",
    }
}

impl Writer {
    pub(in super::super) const fn new(client: kube::Client, server: String, metrics: Arc<Metrics>) -> Self {
        Self { client, server, metrics }
    }

    /// Sends it once. What is not answered by `end` is unknown.
    pub(super) async fn send(&self, write: Write, what: &str, end: Instant) -> Result<Accepted, NotDone> {
        let begun = Instant::now();
        // A timeout polls what it bounds once even when its time is over, and once is enough for a request to leave: after
        // `end` nobody may hold the lease under which it is sent.
        if begun >= end {
            let why = format!("{what}: it was not sent: the time in which it had to be sent is over");
            return Err(NotDone::new(NotDoneKind::NotSent, why));
        }
        let mut count = Count { metrics: &self.metrics, verb: write.verb, outcome: "timeout" };
        let span = tracing::debug_span!("kubernetes change", verb = write.verb, path = write.path);
        let (verb, path) = (write.verb, write.path.clone());
        let done = self.exchange(write, what, end).instrument(span).await;
        count.outcome = done.as_ref().map_or_else(|not_done| word(not_done.kind), |_| "ok");
        tracing::debug!(
            verb,
            path,
            outcome = count.outcome,
            took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "asked the API server to change something"
        );
        done
    }

    async fn exchange(&self, write: Write, what: &str, end: Instant) -> Result<Accepted, NotDone> {
        let Write { method, path, content, body, workflow, form, .. } = write;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::USER_AGENT, user_agent(&workflow))
            .header(header::ACCEPT, JSON)
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CONTENT_TYPE, content)
            .body(Body::from(body))
            .map_err(|error| {
                NotDone::new(
                    NotDoneKind::Rejected,
                    format!("{what}: the request cannot be written ({error})"),
                )
            })?;
        let response = match timeout_at(end, self.client.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.broken(&error, what)),
            Err(_) => {
                let why = format!(
                    "{what}: {} did not answer in time; whether it had an effect is not known",
                    self.server
                );
                return Err(NotDone::new(NotDoneKind::Unknown, why));
            }
        };
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let body = timeout_at(end, collect(body)).await.unwrap_or_default();
        if parts.status.is_success() {
            answer::accepted(status, &parts.headers, body.as_deref(), what)
        } else {
            Err(answer::refused(status, &parts.headers, &body.unwrap_or_default(), form, what))
        }
    }

    /// No answer came. What failed before anything was sent had no effect; everything else may have had one.
    fn broken(&self, error: &kube::Error, what: &str) -> NotDone {
        let Failure { why, after, .. } = connect::failure(&self.server, error);
        if was_sent(error) {
            let why = format!("{what}: {why}; whether it had an effect is not known");
            NotDone::new(NotDoneKind::Unknown, why)
        } else {
            NotDone { after, ..NotDone::new(NotDoneKind::NotSent, format!("{what}: {why}")) }
        }
    }
}

/// Whether the request may have left us: not without a connection, and not without credentials.
fn was_sent(error: &kube::Error) -> bool {
    !chain(error).any(|error| {
        let is_connect = error
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect);
        is_connect
            || error.downcast_ref::<AuthError>().is_some()
            || matches!(error.downcast_ref::<kube::Error>(), Some(kube::Error::Auth(_)))
    })
}

/// The whole body, or `None` when it broke off or is too long.
async fn collect(mut body: Body) -> Option<Vec<u8>> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame.ok()?.data_ref() {
            if whole.len() + data.len() > LARGEST {
                return None;
            }
            whole.extend_from_slice(data);
        }
    }
    Some(whole.to_vec())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Method, Response};

    use super::*;

    #[tokio::test]
    async fn nothing_is_sent_when_its_time_is_over() {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let service = tower::service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, std::convert::Infallible>(Response::new(Body::empty())) }
        });
        let client = kube::Client::new(service, "default");
        let writer = Writer::new(client, "https://example.com".to_owned(), Arc::new(Metrics::new()));
        let write = Write {
            verb: "patch",
            method: Method::PATCH,
            path: "/api/v1/nodes/n".to_owned(),
            content: JSON,
            body: b"{}".to_vec(),
            workflow: "wf-1".to_owned(),
            form: aiops_engine::ports::acting::Verb::MergePatch,
        };
        let not_done = writer.send(write, "patch Node n", Instant::now()).await.unwrap_err();
        // A request that may have left would be looked for for a minute before the step goes on.
        assert_eq!(not_done.kind, NotDoneKind::NotSent, "{not_done}");
        tokio::task::yield_now().await;
        assert_eq!(sent.load(Ordering::SeqCst), 0);
    }
}
