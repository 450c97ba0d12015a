//! Sends spans to a collector over OTLP (HTTP, protobuf), in batches, beside the work.
//!
//! A collector that fails costs the spans and two log lines, one when it begins and one when it ends: never a request
//! and never a line for each batch.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider},
};
use tokio::{runtime::Handle, sync::oneshot};
use tracing::Subscriber;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use crate::{outbound::Outbound, shutdown::Tasks};

/// An exporter that runs.
#[derive(Debug)]
pub(super) struct Export {
    provider: SdkTracerProvider,
}

/// A batch that is not taken within this time is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is read of a collector's answer.
const MOST_BYTES: usize = 64 * 1024;

impl Export {
    /// Begins to export to this endpoint.
    pub(super) fn to(endpoint: &str, tasks: &Tasks) -> Result<Self, String> {
        let url = if endpoint.ends_with("/v1/traces") {
            endpoint.to_owned()
        } else {
            format!("{}/v1/traces", endpoint.trim_end_matches('/'))
        };
        let uri = url.parse().map_err(|error| format!("spans are not exported: {error}"))?;
        let client = Outbound::to(&uri).map_err(|error| {
            format!("spans are not exported: this system has no root certificates: {error}")
        })?;
        let (runtime, tasks) = (Handle::current(), tasks.clone());
        let collector = Collector { client, runtime, tasks, failing: AtomicBool::new(false) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(url)
            .with_timeout(PATIENCE)
            .with_http_client(collector)
            .build()
            .map_err(|error| format!("spans are not exported: {error}; check telemetry.otlpEndpoint"))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(2_048)
            .with_scheduled_delay(Duration::from_secs(2))
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let resource = Resource::builder()
            .with_service_name("aiops")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider =
            SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource).build();
        Ok(Self { provider })
    }

    /// Hands our own spans to the exporter; those of dependencies may carry what they read.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = Targets::new()
            .with_target("aiops", tracing::Level::INFO)
            .with_target("aiops_engine", tracing::Level::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("aiops"))
            .with_location(false)
            .with_threads(false)
            .with_filter(ours)
    }

    /// Exports what is left. The wait blocks a thread of its own, because the exporter needs ours.
    pub(super) async fn end(self, longest: Duration) {
        let provider = self.provider;
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(longest));
        // Spans that a collector does not take in time are lost; that is no reason to stay.
        let _ = tokio::time::timeout(longest, ended).await;
    }
}

/// The HTTP client of the exporter. The exporter calls it on a thread without a runtime, so the request is handed to ours.
struct Collector {
    client: Outbound,
    runtime: Handle,
    tasks: Tasks,
    failing: AtomicBool,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let (answer, answered) = oneshot::channel();
        {
            let _runtime = self.runtime.enter();
            let asked = self.client.send(request, PATIENCE, MOST_BYTES);
            self.tasks.spawn("export spans", async move {
                // The exporter has given up when nobody listens any more.
                let _ = answer.send(asked.await.map_err(HttpError::from));
            });
        }
        let result = answered.await.unwrap_or_else(|_| Err("the process ends".into()));
        let failed = match &result {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(response.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        match failed {
            Some(why) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(
                    why,
                    "the collector of telemetry.otlpEndpoint takes no spans; they are lost until it does"
                );
            }
            None if self.failing.swap(false, Ordering::Relaxed) => {
                tracing::info!("the collector takes spans again");
            }
            Some(_) | None => {}
        }
        result
    }
}
