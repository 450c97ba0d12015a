//! What aiops says about itself: logs, spans and metrics.
//!
//! It never writes to stdout, which belongs to JSON-RPC, and it says nothing about arguments, bodies or answers.

mod export;
mod logs;
pub mod metrics;
pub mod process;
pub mod spans;

use std::time::Duration;

use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use metrics::Metrics;

use crate::{
    config::{self, Environment},
    shutdown::Tasks,
};

/// Ends with the process: what was not yet exported is exported then.
#[derive(Debug)]
#[must_use = "spans that were not exported are lost without it"]
pub struct Telemetry {
    spans: Option<export::Export>,
}

/// Begins to log to stderr and, when an endpoint is configured, to export spans. Needs a runtime around it. Called
/// again (by a test, for one) it leaves the first as it is.
pub fn init(settings: &config::Telemetry, environment: &Environment, tasks: &Tasks) -> Telemetry {
    let (filter, note) = logs::filter(settings.log_level, environment.text("RUST_LOG"));
    let spans = settings.otlp_endpoint.as_deref().map(|endpoint| export::Export::to(endpoint, tasks));
    let (spans, failed) = match spans.transpose() {
        Ok(spans) => (spans, None),
        Err(error) => (None, Some(error)),
    };
    let begun = tracing_subscriber::registry()
        .with(logs::layer(settings.log_format, environment).with_filter(filter))
        .with(spans.as_ref().map(export::Export::layer))
        .try_init();
    if begun.is_ok() {
        std::panic::set_hook(Box::new(logs::panicked));
    }
    for note in note.into_iter().chain(failed) {
        tracing::warn!("{note}");
    }
    Telemetry { spans }
}

impl Telemetry {
    /// Exports what is left, at most that long.
    pub async fn end(self, longest: Duration) {
        if let Some(spans) = self.spans {
            spans.end(longest).await;
        }
    }
}
