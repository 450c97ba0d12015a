//! What every request passes, in this order: id, span, host, origin, token, body, room for one more, time, panic.
//!
//! Nobody takes up room by sending slowly: a body is read before there is work on it, and has to keep up a pace.
//! Probes pass the first two only: the kubelet calls by address, has no token, and must be answered under load.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::json;
use tracing::{Instrument as _, Span, field::Empty};

use super::{
    Door, callers,
    refusal::Refusal,
    request_id::{RequestId, X_REQUEST_ID},
};
use crate::{rest, telemetry::spans};

/// A body that takes longer costs its request, but for a second more with each of these bytes: about what a bad radio link
/// manages, and far above what somebody sends who wants to hold a place.
const BODY_WITHIN: Duration = Duration::from_secs(10);
const BYTES_A_SECOND: usize = 16 * 1024;
/// How much of a body that is too long is read so that its sender reads the refusal, and how long.
const MOST_SWALLOWED: usize = 64 << 20;
const SWALLOW_WITHIN: Duration = Duration::from_secs(1);

/// The order.
pub(super) async fn gate(State(door): State<Door>, request: Request, next: Next) -> Response {
    let (request, arrived) = Arrived::new(&door, request);
    let span = arrived.span.clone();
    async {
        let mut origin = None;
        let mut response = match door.0.callers.check_origin(request.headers()) {
            Err(refusal) => refusal.into(),
            Ok(allowed) => {
                origin = allowed;
                pass(&door, request, next, &arrived, origin.is_some()).await.unwrap_or_else(Response::from)
            }
        };
        if let Some(origin) = origin {
            callers::expose(&mut response, origin);
        }
        arrived.leave(&door, response)
    }
    .instrument(span)
    .await
}

/// The id and the form of refusals alone.
pub(super) async fn tidy(State(door): State<Door>, request: Request, next: Next) -> Response {
    let (request, arrived) = Arrived::new(&door, request);
    let response = guarded(request, next).await.unwrap_or_else(Response::from);
    arrived.leave(&door, response)
}

async fn pass(
    door: &Door,
    mut request: Request,
    next: Next,
    arrived: &Arrived,
    has_origin: bool,
) -> Result<Response, Refusal> {
    if matches!(arrived.route, "/healthz" | "/readyz") {
        return guarded(request, next).await;
    }
    door.0.callers.check_host(request.uri(), request.headers())?;
    if has_origin && callers::is_preflight(&request) {
        return Ok(callers::preflight(&request));
    }
    if let Some(tokens) = &door.0.tokens {
        let principal = tokens.identify(request.headers())?;
        arrived.span.record("caller", &principal.name);
        request.extensions_mut().insert(principal);
    }
    let full = || {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            format!(
                "{} requests are being answered, which is the most; ask again in a second",
                door.0.settings.max_concurrent_requests
            ),
        )
        .header(header::RETRY_AFTER, "1")
    };
    if door.0.permits.available_permits() == 0 {
        return Err(full());
    }
    let limit = door.0.settings.request_timeout;
    let end = tokio::time::Instant::now() + limit;
    let reading = door.0.bodies.try_acquire().map_err(|_| full())?;
    let request = whole(request, door.0.settings.max_body_bytes, limit).await?;
    // The permit is given back with the head of the answer: a stream may then flow for hours.
    let _permit = door.0.permits.try_acquire().map_err(|_| full())?;
    drop(reading);
    tokio::time::timeout_at(end, guarded(request, next)).await.unwrap_or_else(|_| {
        Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            format!("the request was not answered within {} s (http.requestTimeout)", limit.as_secs_f32()),
        )
        .header(header::RETRY_AFTER, "1"))
    })
}

/// How long a body may take of which so much has come.
fn within(bytes: usize, limit: Duration) -> Duration {
    let seconds = u64::try_from(bytes / BYTES_A_SECOND).unwrap_or(u64::MAX);
    BODY_WITHIN.saturating_add(Duration::from_secs(seconds)).min(limit)
}

/// Reads the body before anybody works on it, up to the limit.
async fn whole(request: Request, most: usize, limit: Duration) -> Result<Request, Refusal> {
    let too_long = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is longer than {most} bytes (http.maxBodyBytes)"),
        )
        .details(json!({ "max_body_bytes": most }))
    };
    let (head, mut body) = request.into_parts();
    if declared(&head.headers).is_some_and(|length| length > most) {
        swallow(&mut body).await;
        return Err(too_long());
    }
    let began = tokio::time::Instant::now();
    let mut parts = Parts::default();
    let mut limited = Limited::new(&mut body, most);
    loop {
        let within = within(parts.bytes, limit);
        match tokio::time::timeout_at(began + within, limited.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    parts.push(data);
                }
            }
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => {
                swallow(&mut body).await;
                return Err(too_long());
            }
            Ok(Some(Err(_))) => {
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_request",
                    "the body broke off before its end",
                ));
            }
            Err(_) => return Err(too_slow(parts.bytes, within)),
        }
    }
    let body = parts.whole();
    Ok(Request::from_parts(head, if body.is_empty() { Body::empty() } else { Body::from(body) }))
}

fn too_slow(bytes: usize, within: Duration) -> Refusal {
    Refusal::new(
        StatusCode::REQUEST_TIMEOUT,
        "body_too_slow",
        format!(
            "{bytes} bytes of the body came within {} s and not its end; nothing was done: send it at once, or over a better \
             connection",
            within.as_secs_f32()
        ),
    )
    // What would still come of the body is no request.
    .header(header::CONNECTION, "close")
}

/// What has come of a body; copied only where it came in several pieces.
#[derive(Default)]
struct Parts {
    first: Bytes,
    more: BytesMut,
    bytes: usize,
}

impl Parts {
    fn push(&mut self, data: Bytes) {
        self.bytes = self.bytes.saturating_add(data.len());
        if self.first.is_empty() {
            self.first = data;
        } else {
            if self.more.is_empty() {
                self.more.extend_from_slice(&self.first);
            }
            self.more.extend_from_slice(&data);
        }
    }

    fn whole(self) -> Bytes {
        if self.more.is_empty() { self.first } else { self.more.freeze() }
    }
}

/// Reads what a client still sends and forgets it, for a while: most clients read the refusal only when they have sent
/// everything, and lose it when the connection is reset before.
async fn swallow(body: &mut Body) {
    let mut left = MOST_SWALLOWED;
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, bytes::Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // A client that is slow, or sends without end, learns it from the reset.
    let _ = tokio::time::timeout(SWALLOW_WITHIN, rest).await;
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A panic costs this request and nothing else.
async fn guarded(request: Request, next: Next) -> Result<Response, Refusal> {
    AssertUnwindSafe(next.run(request)).catch_unwind().await.map_err(|_| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request failed for a reason inside aiops; report it with the request id",
        )
    })
}

/// A request that came in.
struct Arrived {
    at: Instant,
    id: RequestId,
    route: &'static str,
    span: Span,
}

impl Arrived {
    fn new(door: &Door, mut request: Request) -> (Request, Self) {
        let id = door.0.ids.of(request.headers());
        let route = route(&request);
        let span = tracing::info_span!(
            target: "aiops::http",
            "http.request",
            otel.kind = "server",
            http.request.method = method(request.method()),
            http.route = route,
            http.response.status_code = Empty,
            request.id = id.as_str(),
            caller = Empty,
        );
        let headers = request.headers();
        spans::adopt(&span, |name| headers.get(name).and_then(|value| value.to_str().ok()));
        // Whoever is behind the gate sees the id that the answer will carry.
        request.headers_mut().insert(X_REQUEST_ID, id.value());
        request.extensions_mut().insert(id.clone());
        (request, Self { at: Instant::now(), id, route, span })
    }

    fn leave(self, door: &Door, mut response: Response) -> Response {
        Refusal::write(&mut response, &self.id);
        let status = response.status().as_u16();
        response.headers_mut().insert(X_REQUEST_ID, self.id.value());
        self.span.record("http.response.status_code", status);
        door.0.about.metrics.http_request(self.route, status);
        tracing::debug!(
            target: "aiops::http",
            status,
            duration_ms = self.at.elapsed().as_secs_f64() * 1e3,
            "answered"
        );
        response
    }
}

/// The paths we serve, as words of a closed list.
fn route(request: &Request) -> &'static str {
    match request.uri().path() {
        "/mcp" | "/mcp/" => "/mcp",
        "/healthz" => "/healthz",
        "/readyz" => "/readyz",
        "/health" => "/health",
        "/metrics" => "/metrics",
        rest::DOCUMENT => rest::DOCUMENT,
        _ => request
            .extensions()
            .get::<MatchedPath>()
            .and_then(|path| rest::word(path.as_str()))
            .unwrap_or("other"),
    }
}

fn method(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "PUT" => "PUT",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "_OTHER",
    }
}
