//! Logging: to stderr, for people or as JSON, and the names of the fields; metrics; in builds with the
//! feature `otlp`, export to a collector.
//!
//! Knows nothing of settings files or commands. No field ever holds a secret.

pub mod metrics;
#[cfg(feature = "otlp")]
pub mod otlp;

use std::panic::PanicHookInfo;
use std::time::Duration;

use secrecy::SecretString;
use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;

/// Number of the run.
pub const RUN: &str = "run";
/// Name of the job.
pub const SCOPE: &str = "scope";
/// Name of the region.
pub const REGION: &str = "region";

/// Where an OpenTelemetry collector is.
#[derive(Debug, Clone)]
pub struct Export {
    /// Its address, without the path of a signal.
    pub url: String,
    /// Headers that it asks for: `name=value`, with commas between.
    pub headers: Option<SecretString>,
    /// Longest time of one export.
    pub timeout: Duration,
}

/// What keeps the log from being set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is not an `EnvFilter` directive; levels from settings are.
    #[error(transparent)]
    Level(#[from] ParseError),
    /// The export of traces cannot be set up.
    #[cfg(feature = "otlp")]
    #[error(transparent)]
    Export(#[from] otlp::OtlpError),
}

/// Spans go there too.
#[cfg(feature = "otlp")]
type Traces = Option<opentelemetry_sdk::trace::SdkTracer>;
#[cfg(feature = "otlp")]
const NO_TRACES: Traces = None;

/// Spans go nowhere else.
#[cfg(not(feature = "otlp"))]
struct Traces;
#[cfg(not(feature = "otlp"))]
const NO_TRACES: Traces = Traces;

/// Sets the log of the whole process up, and the export of its spans where there is a collector and
/// the build has that feature. A second call changes nothing.
///
/// # Errors
/// [`LogError`].
pub fn init<W>(
    level: &str,
    format: LogFormat,
    is_terminal: bool,
    export: Option<&Export>,
    writer: W,
) -> Result<(), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    if tracing::dispatcher::has_been_set() {
        return Ok(());
    }
    let subscriber = assembled(level, format, is_terminal, traces(export)?, writer)?;
    // Fails only where there is one already, which then stays.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// Sends what is left for the collector, within the time that an export may take. To be called before
/// the runtime ends.
pub fn finish() {
    #[cfg(feature = "otlp")]
    otlp::finish();
}

#[cfg(feature = "otlp")]
fn traces(export: Option<&Export>) -> Result<Traces, LogError> {
    Ok(export.map(otlp::tracer).transpose()?)
}

#[cfg(not(feature = "otlp"))]
fn traces(_export: Option<&Export>) -> Result<Traces, LogError> {
    Ok(Traces)
}

/// Whoever waits for the part that panicked makes an error of it; where it happened, only the log
/// tells.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let text = panic.payload_as_str().unwrap_or("for no reason that it tells");
    tracing::error!(place, "a part of the program broke off: {text}");
}

/// Directives that stand before those of the settings, which win where they name the same module.
///
/// The driver logs each error of the server that it hands back as well, and at `trace` every row;
/// no event of it holds a password, a token or a login packet.
const BEFORE: &str = "tiberius=off";

/// A log that writes to `writer`, with colours where that is a terminal.
///
/// # Errors
/// `level` is not an `EnvFilter` directive.
pub fn subscriber<W>(
    level: &str,
    format: LogFormat,
    is_terminal: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    assembled(level, format, is_terminal, NO_TRACES, writer)
}

fn assembled<W>(
    level: &str,
    format: LogFormat,
    is_terminal: bool,
    traces: Traces,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(format!("{BEFORE},{level}"))?;
    let log = fmt().with_env_filter(filter).with_writer(writer).with_ansi(is_terminal);
    // It would tell a broken stderr on stderr, and panic.
    let log = log.log_internal_errors(false);
    let as_json = match format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !is_terminal,
    };
    Ok(if as_json {
        // The list of spans holds the current one.
        with_traces(log.json().flatten_event(true).with_current_span(false).finish(), traces)
    } else {
        with_traces(log.with_target(false).finish(), traces)
    })
}

#[cfg(feature = "otlp")]
fn with_traces<S>(log: S, traces: Traces) -> Box<dyn Subscriber + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s> + Send + Sync + 'static,
{
    use tracing_subscriber::layer::SubscriberExt as _;
    let layer = traces.map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer));
    Box::new(log.with(layer))
}

#[cfg(not(feature = "otlp"))]
fn with_traces<S>(log: S, _: Traces) -> Box<dyn Subscriber + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s> + Send + Sync + 'static,
{
    Box::new(log)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a run of region A logs; the time stamp is left out.
    fn logged(level: &str, format: LogFormat, is_terminal: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = subscriber(level, format, is_terminal, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(log, || {
            let _span = tracing::info_span!("run", { RUN } = 7, { SCOPE } = "city").entered();
            tracing::info!({ REGION } = "A", "fitted");
            tracing::debug!("too fine");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.trim_end().to_owned()
    }

    #[test]
    fn json_holds_the_fields_of_event_and_span() {
        for is_auto in [true, false] {
            let format = if is_auto { LogFormat::Auto } else { LogFormat::Json };
            let text = logged("info", format, false);
            let mut event: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(event.as_object_mut().unwrap().remove("timestamp").is_some());
            let expected = serde_json::json!({
                "level": "INFO", "message": "fitted", "region": "A", "target": module_path!(),
                "spans": [{ "name": "run", "run": 7, "scope": "city" }],
            });
            assert_eq!(event, expected);
        }
    }

    /// Whether an error of the driver is logged.
    fn shows_driver(level: &str) -> bool {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = subscriber(level, LogFormat::Human, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(log, || {
            tracing::error!(target: "tiberius::tds::stream::token", "deadlock");
        });
        !lines.0.lock().unwrap().is_empty()
    }

    #[test]
    fn the_driver_is_quiet_unless_it_is_named() {
        for level in ["error", "info", "trace", "off", "info,speedfit=trace"] {
            assert!(!shows_driver(level), "{level}");
        }
        for level in ["tiberius=debug", "off,tiberius=error", "info,tiberius::tds=error"] {
            assert!(shows_driver(level), "{level}");
        }
    }

    #[test]
    fn people_get_lines() {
        let text = logged("info", LogFormat::Human, false);
        let (_, line) = text.split_once(' ').unwrap();
        assert_eq!(line.trim_start(), r#"INFO run{run=7 scope="city"}: fitted region="A""#);
        assert!(logged("info", LogFormat::Auto, true).contains('\u{1b}'), "colours");
        assert_eq!(logged("error", LogFormat::Auto, false), "");
        assert!(logged("error,speedfit=debug", LogFormat::Human, false).contains("too fine"));
    }
}
