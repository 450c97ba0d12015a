//! Which names we answer to and which web pages may call us: the `Host` and `Origin` headers, and CORS.
//!
//! A browser that was led to a foreign page must not reach a server on this machine; that is all this protects.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header},
    response::Response,
};

use super::refusal::Refusal;
use crate::config;

/// What is allowed.
#[derive(Debug)]
pub(super) struct Callers {
    /// `None`: any.
    hosts: Option<Vec<Pattern>>,
    origins: Vec<String>,
}

/// A host with or without a port.
#[derive(Debug)]
struct Pattern {
    host: String,
    port: Option<String>,
}

/// Headers that a page may send, beside those that begin with `mcp-`.
const ALLOWED_HEADERS: [&str; 9] = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "traceparent",
    "tracestate",
    "x-request-id",
    "baggage",
];

impl Callers {
    pub(super) fn new(settings: &config::Http) -> Self {
        let any = settings.allowed_hosts.iter().any(|host| host == "*");
        let pattern = |text: &String| {
            let (host, port) = split(text);
            Pattern { host: host.to_ascii_lowercase(), port: port.map(str::to_owned) }
        };
        Self {
            hosts: (!any).then(|| settings.allowed_hosts.iter().map(pattern).collect()),
            origins: settings.allowed_origins.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
        }
    }

    /// Refuses names that are not ours.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        let mut given = headers.get_all(header::HOST).iter();
        let (first, second) = (given.next().map(HeaderValue::to_str), given.next());
        let named = match (uri.authority(), first, second) {
            // A request in absolute form means this name, whatever its header says.
            (Some(authority), _, None) => Some(authority.as_str()),
            (None, Some(Ok(host)), None) => Some(host),
            _ => None,
        };
        let fits = named.is_some_and(|named| {
            let (host, port) = split(named);
            hosts.iter().any(|pattern| {
                pattern.host.eq_ignore_ascii_case(host)
                    && pattern.port.as_deref().is_none_or(|wanted| Some(wanted) == port)
            })
        });
        if fits {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "host_not_allowed",
            "the Host header names none of http.allowedHosts; list the name there by which clients reach this server",
        ))
    }

    /// The request's origin when there is one and it may call us.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
        let mut given = headers.get_all(header::ORIGIN).iter();
        let (first, second) = (given.next(), given.next());
        let Some(origin) = first else { return Ok(None) };
        let fits = second.is_none() && origin.to_str().is_ok_and(|text| self.allows(text));
        if fits {
            return Ok(Some(origin.clone()));
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "origin_not_allowed",
            "the Origin header is none of http.allowedOrigins; list the page's origin there if it may call this server",
        ))
    }

    fn allows(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        self.origins.iter().any(|allowed| match allowed.strip_suffix(":*") {
            _ if allowed == "*" => true,
            None => *allowed == origin,
            Some(base) => origin.strip_prefix(base).is_some_and(|rest| {
                rest.is_empty()
                    || rest.strip_prefix(':').is_some_and(|port| {
                        (1..=5).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit())
                    })
            }),
        })
    }
}

/// Host and port of an authority; brackets of an IPv6 address stay.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (host.ends_with(']') || !host.contains(':')) => {
            (host, Some(port))
        }
        _ => (authority, None),
    }
}

/// Whether a browser asks if it may ask.
pub(super) fn is_preflight(request: &Request<Body>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers a browser whose page may call us.
pub(super) fn preflight(request: &Request<Body>) -> Response {
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let names = asked.and_then(|names| names.to_str().ok()).unwrap_or_default();
    let allowed: Vec<String> = names
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| name.starts_with("mcp-") || ALLOWED_HEADERS.contains(&name.as_str()))
        .collect();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS"),
    );
    if let Ok(allowed) = HeaderValue::try_from(allowed.join(", ")) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Lets an allowed page read the answer.
pub(super) fn expose(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("mcp-session-id, x-request-id, www-authenticate, retry-after"),
    );
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
