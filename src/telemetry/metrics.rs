//! Every metric we emit, declared once; printed in the OpenMetrics text format.
//!
//! Labels take words of closed lists only: never names of clusters' objects, arguments or error texts.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// Who called what, and how it ended.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ToolLabels {
    tool: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ToolName {
    tool: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VerbLabels {
    verb: &'static str,
    outcome: &'static str,
}

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tool_calls: Family<ToolLabels, Counter>,
    tool_seconds: Family<ToolName, Histogram, fn() -> Histogram>,
    answer_bytes: Family<ToolName, Counter>,
    http_requests: Family<RouteLabels, Counter>,
    api_requests: Family<VerbLabels, Counter>,
    /// The same over all verbs: all, and those that the API server failed.
    api_totals: (AtomicU64, AtomicU64),
}

/// From an answer out of memory (0.05 ms) to a call at its deadline.
const SECONDS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("aiops");
        let tool_calls = Family::default();
        registry.register(
            "tool_calls",
            "Tool calls by outcome: ok, or the code of the error",
            tool_calls.clone(),
        );
        let tool_seconds: Family<ToolName, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register("tool_duration_seconds", "Time of a tool call", tool_seconds.clone());
        let answer_bytes = Family::default();
        registry.register("tool_answer_bytes", "Bytes of structured answers", answer_bytes.clone());
        let http_requests = Family::default();
        registry.register("http_requests", "HTTP requests by route and status", http_requests.clone());
        let api_requests = Family::default();
        registry.register(
            "kubernetes_requests",
            "Requests to the API server by verb (get, list, watch, …) and outcome (ok, denied, timeout, …)",
            api_requests.clone(),
        );
        let api_totals = Default::default();
        Self { registry, tool_calls, tool_seconds, answer_bytes, http_requests, api_requests, api_totals }
    }

    /// A tool call ended. `outcome` is `ok` or the code of an error.
    pub fn tool_call(&self, tool: &'static str, outcome: &'static str, took: Duration, bytes: usize) {
        self.tool_calls.get_or_create(&ToolLabels { tool, outcome }).inc();
        self.tool_seconds.get_or_create(&ToolName { tool }).observe(took.as_secs_f64());
        self.answer_bytes.get_or_create(&ToolName { tool }).inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// An HTTP request was answered. `route` is the matched path of our own table.
    pub fn http_request(&self, route: &'static str, status: u16) {
        self.http_requests.get_or_create(&RouteLabels { route, status }).inc();
    }

    /// The API server was asked something. `verb` is Kubernetes's word.
    pub fn api_request(&self, verb: &'static str, outcome: &'static str) {
        self.api_requests.get_or_create(&VerbLabels { verb, outcome }).inc();
        self.api_totals.0.fetch_add(1, Ordering::Relaxed);
        // A connection that cannot be made is told apart: it says nothing of how the API server does.
        if matches!(outcome, "failed" | "timeout" | "unknown") {
            self.api_totals.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests to the API server so far, and those of them that it failed or did not answer in time.
    pub fn api_totals(&self) -> (u64, u64) {
        (self.api_totals.0.load(Ordering::Relaxed), self.api_totals.1.load(Ordering::Relaxed))
    }

    /// Everything in the OpenMetrics text format.
    pub fn render(&self) -> String {
        self.render_with(None)
    }

    /// The same, followed by metrics that are measured at this moment.
    pub fn render_with(&self, more: Option<&Registry>) -> String {
        let mut text = String::new();
        for registry in std::iter::once(&self.registry).chain(more) {
            // Writing into a String does not fail.
            let _ = encode_registry(&mut text, registry);
        }
        let _ = encode_eof(&mut text);
        text
    }
}
