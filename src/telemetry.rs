//! Logging: to stderr, for people or as JSON, and the names of the fields; metrics.
//!
//! Knows nothing of settings files or commands. No field ever holds a secret.

pub mod metrics;

use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;

/// Number of the run.
pub const RUN: &str = "run";
/// Name of the job.
pub const SCOPE: &str = "scope";
/// Name of the region.
pub const REGION: &str = "region";

/// Sets the log of the whole process up. A second call changes nothing.
///
/// # Errors
/// `level` is not an `EnvFilter` directive; levels from settings are.
pub fn init<W>(
    level: &str,
    format: LogFormat,
    is_terminal: bool,
    writer: W,
) -> Result<(), ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    if tracing::dispatcher::has_been_set() {
        return Ok(());
    }
    let subscriber = subscriber(level, format, is_terminal, writer)?;
    // Fails only where there is one already, which then stays.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
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
        Box::new(log.json().flatten_event(true).with_current_span(false).finish())
    } else {
        Box::new(log.with_target(false).finish())
    })
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
