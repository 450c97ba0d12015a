//! What a request brings along beside its message: its id and the trace it belongs to.
//!
//! Both are words of strangers and are checked before they are repeated anywhere. Who asks is known only where the
//! listener's gate says so.

use std::sync::atomic::{AtomicU64, Ordering};

use rmcp::{RoleServer, service::RequestContext};
use tracing::Span;

use crate::{config::tokens::Principal, telemetry::spans};

/// Names a request in logs, errors and spans: the listener's `X-Request-ID` header, else a number of our own.
#[derive(Debug, Clone, Copy)]
pub(super) enum RequestId<'a> {
    Header(&'a str),
    Own(u64),
}

impl<'a> RequestId<'a> {
    pub(super) fn of(context: &'a RequestContext<RoleServer>) -> Self {
        let fits = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        match header(context, "x-request-id").filter(fits) {
            Some(id) => Self::Header(id),
            None => Self::new(),
        }
    }

    /// An id for what came over no listener.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self::Own(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(id) => f.write_str(id),
            Self::Own(number) => write!(f, "mcp-{number}"),
        }
    }
}

fn header<'a>(context: &'a RequestContext<RoleServer>, name: &str) -> Option<&'a str> {
    context.extensions.get::<http::request::Parts>()?.headers.get(name)?.to_str().ok()
}

/// Whom the listener's gate let in by a token.
pub(super) fn principal(context: &RequestContext<RoleServer>) -> Option<&Principal> {
    context.extensions.get::<http::request::Parts>()?.extensions.get::<Principal>()
}

/// The W3C trace context of a request: `_meta` says it, else the HTTP header. `None` unless it is well formed.
pub(super) fn traceparent(context: &RequestContext<RoleServer>) -> Option<&str> {
    context
        .meta
        .get_traceparent()
        .or_else(|| header(context, "traceparent"))
        .filter(|text| is_traceparent(text))
}

/// Makes the caller's span the parent of ours: `_meta` says which, else the HTTP header where the listener's own span,
/// which has it already, does not surround us.
pub(super) fn adopt(span: &Span, context: &RequestContext<RoleServer>) {
    let meta = &context.meta;
    if meta.get_traceparent().is_some_and(is_traceparent) {
        spans::adopt(span, |name| match name {
            "traceparent" => meta.get_traceparent(),
            "tracestate" => meta.get_tracestate(),
            _ => None,
        });
    } else if Span::current().is_none() {
        spans::adopt(span, |name| header(context, name));
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, neither id all zero.
fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut hex = |length: usize| {
        parts.next().filter(|part| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    };
    let (version, trace, parent, flags) = (hex(2), hex(32), hex(16), hex(2));
    version.is_some_and(|version| version != "ff")
        && [trace, parent].iter().all(|id| id.is_some_and(|id| id.bytes().any(|b| b != b'0')))
        && flags.is_some()
}
