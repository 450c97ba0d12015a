//! Every request to an API server goes through here: deadlines, retries of reads, the rate limit, the count.
//!
//! It does not decode objects and does not decide what is asked. Spans and log lines carry the verb and the path, never
//! a body or a credential.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::{
    bucket::Bucket,
    failure::{Failure, Trouble},
    jitter,
};
use crate::telemetry::Metrics;

/// JSON as every API server writes it.
pub(super) const JSON: &str = "application/json";
/// How often a read is tried again.
const RETRIES: u32 = 3;
/// Most bytes of an answer that is no success.
const ERROR_BODY: usize = 64 * 1024;
/// How the API server knows us in its audit log.
const USER_AGENT: &str = concat!("aiops/", env!("CARGO_PKG_VERSION"));

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Kubernetes's verb, for the metrics.
    pub(super) verb: &'static str,
    /// Path and query, encoded.
    pub(super) path: String,
    /// `Accept`.
    pub(super) accept: &'static str,
    /// A document to post: what is created is a review, which changes nothing in the cluster.
    pub(super) body: Option<Vec<u8>>,
    /// Whether the answer may come compressed.
    pub(super) compressed: bool,
    /// Only when the document is not this one any more.
    pub(super) unless: Option<String>,
}

impl Call {
    /// A read of JSON.
    pub(super) const fn read(verb: &'static str, path: String) -> Self {
        Self { verb, path, accept: JSON, body: None, compressed: false, unless: None }
    }
}

/// The API server as a connection reaches it.
pub(super) struct Api {
    client: kube::Client,
    server: String,
    metrics: Arc<Metrics>,
    bucket: Arc<Bucket>,
    /// Whether compression can pay: on loopback it only costs both sides CPU (48 ms against 54 ms a page of 1,000 pods,
    /// paid again in decoding), over a network a page is 16 times smaller.
    compress: bool,
    /// How many discovery documents were seen to differ from the one before.
    discoveries: AtomicU64,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Counts a request however it ends; one that is dropped before has run out of time.
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

impl Api {
    pub(super) fn new(
        client: kube::Client,
        server: String,
        compress: bool,
        metrics: Arc<Metrics>,
        bucket: Arc<Bucket>,
    ) -> Self {
        Self { client, server, metrics, bucket, compress, discoveries: AtomicU64::new(0) }
    }

    /// The API server's URL.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Requests to API servers so far, and those of them that were failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        self.metrics.api_totals()
    }

    /// Other kinds are served than before: whoever keeps discovery reads it anew.
    pub(super) fn note_discovery(&self) {
        self.discoveries.fetch_add(1, Ordering::Relaxed);
    }

    /// Grows each time other kinds are served than before.
    pub(super) fn discoveries(&self) -> u64 {
        self.discoveries.load(Ordering::Relaxed)
    }

    /// Sends once and returns what stands at the beginning of the answer; its body is read by the caller.
    pub(super) async fn open(&self, call: &Call, within: Duration) -> Result<Response<Body>, Failure> {
        let begun = Instant::now();
        let mut count = Count { metrics: &self.metrics, verb: call.verb, outcome: "timeout" };
        let span = tracing::debug_span!("kubernetes request", verb = call.verb, path = call.path);
        let done = match timeout(within, self.exchange(call)).instrument(span).await {
            Ok(done) => done,
            Err(_) => Err(Failure::timeout(&self.server, within)),
        };
        count.outcome = done.as_ref().map_or_else(|failure| failure.trouble.word(), |_| "ok");
        tracing::debug!(
            verb = call.verb,
            path = call.path,
            outcome = count.outcome,
            took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "asked the API server"
        );
        done
    }

    async fn exchange(&self, call: &Call) -> Result<Response<Body>, Failure> {
        let response = self.client.send(self.request(call)?).await;
        let response = response.map_err(|error| super::connect::failure(&self.server, &error))?;
        let status = response.status();
        if status.is_success() || status == http::StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let wait = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
        let after = wait.and_then(|text| text.parse().ok()).map(|s: u64| Duration::from_secs(s.min(60)));
        // A reason that is cut or broken off is no reason; the status says enough.
        let body = self.collect(response.into_body(), ERROR_BODY).await.unwrap_or_default();
        Err(Failure::of_status(&self.server, status.as_u16(), after, &body))
    }

    fn request(&self, call: &Call) -> Result<Request<Body>, Failure> {
        let mut request = Request::builder()
            .uri(&call.path)
            .method(if call.body.is_some() { Method::POST } else { Method::GET })
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, call.accept);
        if !(call.compressed && self.compress) {
            request = request.header(header::ACCEPT_ENCODING, "identity");
        }
        if let Some(known) = &call.unless {
            request = request.header(header::IF_NONE_MATCH, known);
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, JSON);
        }
        let body = Body::from(call.body.clone().unwrap_or_default());
        request.body(body).map_err(|error| {
            Failure::new(Trouble::Refused, format!("the request cannot be written ({error})"))
        })
    }

    /// The whole body, when it is not longer than `most`.
    pub(super) async fn collect(&self, mut body: Body, most: usize) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| super::connect::failure(&self.server, &error))?;
            let Some(data) = frame.data_ref() else { continue };
            if whole.len() + data.len() > most {
                let why = format!("the answer is larger than {} MiB; ask for less of it", most >> 20);
                return Err(Failure::new(Trouble::Refused, why));
            }
            whole.extend_from_slice(data);
        }
        Ok(whole.freeze())
    }

    /// A read with everything that makes it dependable: the rate limit, up to three more tries where trying helps, and
    /// one deadline over all of it, body included.
    pub(super) async fn read(&self, call: &Call, most: usize, within: Duration) -> Result<Bytes, Failure> {
        let end = Instant::now() + within;
        let is_in_line = AtomicBool::new(false);
        let tries = async {
            let mut tried = 0;
            loop {
                is_in_line.store(tried == 0, Ordering::Relaxed);
                self.bucket.take().await;
                is_in_line.store(false, Ordering::Relaxed);
                // The inner limit is the outer one: what is left decides.
                let done = match self.open(call, end.saturating_duration_since(Instant::now())).await {
                    Ok(response) => self.collect(response.into_body(), most).await,
                    Err(failure) => Err(failure),
                };
                match done {
                    Err(failure) if tried < RETRIES && is_passing(&failure) => {
                        tried += 1;
                        let own = Duration::from_millis(100) * 2_u32.pow(tried);
                        tokio::time::sleep(failure.after.unwrap_or(own) + jitter::up_to(own)).await;
                    }
                    done => return done,
                }
            }
        };
        match tokio::time::timeout_at(end, tries).await {
            Ok(Err(failure)) if failure.trouble == Trouble::Timeout => {
                Err(Failure::timeout(&self.server, within))
            }
            Ok(done) => done,
            // The API server was not asked, and is not to blame.
            Err(_) if is_in_line.load(Ordering::Relaxed) => Err(Failure::crowded(within)),
            Err(_) => Err(Failure::timeout(&self.server, within)),
        }
    }
}

/// Whether the same read may well succeed in a moment.
fn is_passing(failure: &Failure) -> bool {
    matches!(failure.trouble, Trouble::Throttled | Trouble::Server | Trouble::Unreachable)
}
