//! Log lines: text on a terminal, JSON otherwise, always to stderr.
//!
//! Dependencies are kept to warnings, because some of them log what they read.

use std::{io::IsTerminal as _, panic::PanicHookInfo};

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, Layer, registry::LookupSpan};

use crate::config::{Environment, LogFormat, LogLevel};

/// What is logged: RUST_LOG when it can be read, else our own level and the warnings of everything else. A note says
/// why RUST_LOG was not used.
pub(super) fn filter(level: LogLevel, rust_log: Option<&str>) -> (EnvFilter, Option<String>) {
    let ours = match level {
        LogLevel::Error => "error".to_owned(),
        // kube warns at each connection of a certificate that is not verified, and whoever set that knows it.
        level => {
            format!("warn,kube_client=error,aiops={0},aiops_engine={0},aiops_inventory={0}", level.as_str())
        }
    };
    match rust_log.map(|text| EnvFilter::builder().parse(text)) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => {
            let note = format!("RUST_LOG is not used, the level is {}: {error}", level.as_str());
            (EnvFilter::new(ours), Some(note))
        }
        None => (EnvFilter::new(ours), None),
    }
}

/// Writes them.
pub(super) fn layer<S>(
    format: LogFormat,
    environment: &Environment,
) -> Box<dyn Layer<S> + Send + std::marker::Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let terminal = std::io::stderr().is_terminal();
    // A line that cannot be written is lost; complaining about it on the same stream would panic.
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    if json {
        layer.json().flatten_event(true).with_span_list(false).boxed()
    } else {
        layer.with_ansi(terminal && environment.raw("NO_COLOR").is_none()).boxed()
    }
}

/// Logs a panic. Only a message that was written in the source is repeated: others are made of data.
pub(super) fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(not repeated)");
    tracing::error!(place, message, "a panic");
}
