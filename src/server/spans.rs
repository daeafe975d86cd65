//! Spans of calls, sent to a collector over OTLP (gRPC), where the configuration names one.
//!
//! What a span holds is the gateway's own choice and made by hand ([`crate::grpc::Observer`]); the
//! resource says the program and its version, and not the machine. A collector that is away costs
//! nothing but the spans: they queue up to a bound, and are then dropped.

use super::ServeError;
use crate::config::TelemetryConfig;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use std::time::Duration;
use tokio::task;

/// How long one batch of spans may take.
const EXPORT: Duration = Duration::from_secs(10);
/// How long the last ones may take at the end.
const LAST: Duration = Duration::from_secs(5);

/// Where spans go.
#[derive(Debug, Default)]
pub(super) struct Spans(Option<SdkTracerProvider>);

impl Spans {
    /// Begins sending them, if they are to be sent. Needs a running tokio runtime.
    pub(super) fn begin(config: &TelemetryConfig) -> Result<Self, ServeError> {
        let Some(otlp) = &config.otlp else { return Ok(Self(None)) };
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(otlp.to_string())
            .with_timeout(EXPORT)
            .build()?;
        let sampled = f64::from(config.sample_percent) / 100.0;
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", "tallygate"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ]);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            // A caller that keeps its trace sees its calls in it.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sampled))))
            .with_batch_exporter(exporter);
        Ok(Self(Some(provider.build())))
    }

    /// What makes them, if they are sent.
    pub(super) fn tracer(&self) -> Option<SdkTracer> {
        self.0.as_ref().map(|provider| provider.tracer("tallygate"))
    }

    /// Sends what is left.
    pub(super) async fn end(self) {
        let Some(provider) = self.0 else { return };
        let ended = task::spawn_blocking(move || provider.shutdown_with_timeout(LAST)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last spans could not be sent");
        }
    }
}
