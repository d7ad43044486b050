//! Traces and metrics for an OpenTelemetry collector: OTLP over HTTP, in builds with that feature.
//!
//! The exporters run on threads of their own, while their client needs the program's runtime: each
//! poll of theirs enters it.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    MetricExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter as SpanSink};
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;

use super::Export;
use super::metrics::families;
use crate::domain::ScopeMetrics;

/// Whom telemetry is of, for the collector.
const SERVICE: &str = "speedfit";
/// Never comes: metrics are sent once, when they are known.
const NO_INTERVAL: Duration = Duration::from_secs(365 * 86_400);

/// What keeps telemetry from a collector; without its address and headers.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// A header that is none.
    #[error("headers must be `name=value` with commas between")]
    Headers,
    /// Headers that would travel in the clear.
    #[error("headers are sent by `https://…`, or to this machine, only")]
    Plain,
    /// The client or exporter cannot be set up.
    #[error("cannot set up the export to the collector: {0}")]
    SetUp(String),
    /// The collector did not take it.
    #[error("the export to the collector did not end well: {0}")]
    Refused(String),
}

/// The provider of the whole process.
static TRACES: OnceLock<(SdkTracerProvider, Duration)> = OnceLock::new();

/// A tracer whose spans go to the collector; [`finish`] sends what is left.
pub(super) fn tracer(export: &Export) -> Result<SdkTracer, OtlpError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client(export)?)
        .with_endpoint(endpoint(export, "traces"))
        .with_headers(headers(export)?)
        .with_timeout(export.timeout)
        .build()
        .map_err(|error| OtlpError::SetUp(error.to_string()))?;
    let exporter = InRuntime { exporter, runtime: runtime()? };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build();
    let tracer = provider.tracer(SERVICE);
    // Fails only where there is one already, which then stays.
    _ = TRACES.set((provider, export.timeout));
    Ok(tracer)
}

/// Sends the spans that are left; blocks no longer than the export's limit.
pub(super) fn finish() {
    if let Some((provider, timeout)) = TRACES.get()
        && let Err(why) = provider.shutdown_with_timeout(*timeout)
    {
        tracing::warn!("the traces did not reach the collector: {why}");
    }
}

/// Sends the metrics of scopes once. Blocks; to be called on a thread of the runtime that may.
///
/// # Errors
/// [`OtlpError`].
pub fn send_metrics(export: &Export, scopes: &[ScopeMetrics]) -> Result<(), OtlpError> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(client(export)?)
        .with_endpoint(endpoint(export, "metrics"))
        .with_headers(headers(export)?)
        .with_timeout(export.timeout)
        .build()
        .map_err(|error| OtlpError::SetUp(error.to_string()))?;
    let exporter = InRuntime { exporter, runtime: runtime()? };
    let reader = PeriodicReader::builder(exporter).with_interval(NO_INTERVAL).build();
    let provider =
        SdkMeterProvider::builder().with_reader(reader).with_resource(resource()).build();
    let meter = provider.meter(SERVICE);
    for family in families(scopes) {
        let gauge = meter.f64_gauge(family.name).with_description(family.help).build();
        for sample in family.samples {
            let labels = sample.labels.into_iter();
            let labels: Vec<_> = labels.map(|(label, value)| KeyValue::new(label, value)).collect();
            gauge.record(sample.value, &labels);
        }
    }
    // The end sends what there is.
    let ended = provider.shutdown_with_timeout(export.timeout);
    ended.map_err(|error| OtlpError::Refused(error.to_string()))
}

/// A client that carries headers to nobody else.
fn client(export: &Export) -> Result<reqwest::Client, OtlpError> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(export.timeout)
        .build();
    client.map_err(|error| OtlpError::SetUp(error.to_string()))
}

fn endpoint(export: &Export, signal: &str) -> String {
    format!("{}/v1/{signal}", export.url.trim_end_matches('/'))
}

fn headers(export: &Export) -> Result<HashMap<String, String>, OtlpError> {
    let Some(text) = &export.headers else { return Ok(HashMap::new()) };
    let is_private = export.url.starts_with("https://")
        || reqwest::Url::parse(&export.url).is_ok_and(|url| is_loopback(&url));
    if !is_private {
        return Err(OtlpError::Plain);
    }
    let pairs = text.expose_secret().split(',').filter(|pair| !pair.trim().is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or(OtlpError::Headers)?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder().with_service_name(SERVICE).with_attribute(version).build()
}

fn runtime() -> Result<Handle, OtlpError> {
    Handle::try_current().map_err(|error| OtlpError::SetUp(error.to_string()))
}

/// An exporter whose calls run in the program's runtime, whatever thread polls them.
#[derive(Debug)]
struct InRuntime<E> {
    exporter: E,
    runtime: Handle,
}

impl<E: Sync> InRuntime<E> {
    async fn run(&self, call: impl Future<Output = OTelSdkResult>) -> OTelSdkResult {
        let mut call = std::pin::pin!(call);
        let result = std::future::poll_fn(|context| {
            let _entered = self.runtime.enter();
            call.as_mut().poll(context)
        })
        .await;
        if let Err(why) = &result {
            // Whoever waits for the end of it is told that it failed, not why.
            tracing::warn!("the collector did not take it: {why}");
        }
        result
    }
}

impl<E: SpanSink> SpanSink for InRuntime<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.run(self.exporter.export(batch)).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for InRuntime<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.run(self.exporter.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
