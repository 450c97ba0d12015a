//! W3C trace context: the caller's span becomes the parent of ours.
//!
//! Without an exporter this does nothing. Spans carry names, codes and times, never arguments or bodies.

use std::{marker::PhantomData, sync::LazyLock};

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Makes the span that `traceparent` and `tracestate` name, from headers or from `_meta`, the parent of `span`. What
/// cannot be read is left out, as the standard says.
pub fn adopt<'a>(span: &Span, lookup: impl Fn(&str) -> Option<&'a str>) {
    static W3C: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);
    if span.is_disabled() || lookup("traceparent").is_none() {
        return;
    }
    // It fails where nothing exports spans, which is as good as no parent.
    let _ = span.set_parent(W3C.extract(&Lookup(lookup, PhantomData)));
}

struct Lookup<'a, F>(F, PhantomData<&'a str>);

impl<'a, F: Fn(&str) -> Option<&'a str>> Extractor for Lookup<'a, F> {
    fn get(&self, key: &str) -> Option<&str> {
        (self.0)(key)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
