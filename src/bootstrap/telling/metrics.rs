//! Metrics of a run: a file for the node exporter, a push to a gateway.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Ended, Telling, chain};
use crate::adapters::file;
use crate::adapters::web::{Address, Courier, Patience, Pushgateway};
use crate::config::Metrics;
use crate::domain::ScopeMetrics;
use crate::job::scope_metrics;
use crate::ports::{Clock, FailureKind, PortError, PortResult, Store};
use crate::telemetry::metrics::{CONTENT_TYPE, render, scopes_in};

/// Tries of one push.
const PUSH_ATTEMPTS: u32 = 3;
/// What in the name of the file stands for the scope.
const PLACE_OF_SCOPE: &str = "{scope}";
/// Far above the few kilobytes of one scope.
const MAX_FILE_BYTES: u64 = 1 << 20;

impl Telling {
    /// Says how things stand in the scope, after the run where one has ended here.
    pub(super) async fn measure(
        &self,
        store: &dyn Store,
        clock: &Arc<dyn Clock>,
        ended: Option<&Ended<'_>>,
        cancel: &CancellationToken,
    ) {
        let settings = &self.settings.metrics;
        let file = file_of(settings, &self.settings.scope);
        if file.is_none() && self.push.is_none() {
            return;
        }
        let metrics = match scope_metrics(store, &self.settings.scope).await {
            Ok(metrics) => match ended {
                Some(ended) => with_phases(metrics, ended),
                None => metrics,
            },
            Err(why) => return warn!("no metrics, since the ledger could not be read: {why}"),
        };
        let text = render(std::slice::from_ref(&metrics));
        if let Some(path) = file
            && let Err(why) = write(&path, &self.settings.scope, &text)
        {
            warn!(hint = why.remedy(), "the metrics could not be written: {}", chain(&why));
        }
        if let Some(address) = &self.push
            && let Err(why) = self.push(address, &text, clock, cancel).await
        {
            warn!(hint = why.remedy(), "the metrics could not be pushed: {}", chain(&why));
        }
    }

    async fn push(
        &self,
        address: &Address,
        text: &str,
        clock: &Arc<dyn Clock>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let timeout = self.settings.metrics.timeout_s.seconds();
        let patience = Patience { attempts: PUSH_ATTEMPTS, timeout };
        let gateway = Pushgateway::new(Courier::new(Arc::clone(clock), patience)?, address.clone());
        gateway.push(&self.settings.scope, CONTENT_TYPE, text, cancel).await
    }
}

/// Phases are known of the run that ended last only where that is this one.
fn with_phases(metrics: ScopeMetrics, ended: &Ended<'_>) -> ScopeMetrics {
    let is_last = metrics.last.as_ref().map(|run| run.id) == ended.run_id;
    match ended.outcome {
        Ok(report) if is_last => metrics.with_phases(&report.results.timing_ms),
        _ => metrics,
    }
}

/// The file of this scope, where the settings want one.
pub(super) fn file_of(settings: &Metrics, scope: &str) -> Option<PathBuf> {
    let path = &settings.file;
    if path.as_os_str().is_empty() {
        return None;
    }
    // A name that is not Unicode has no place for the scope in it.
    let Some(text) = path.to_str() else { return Some(path.clone()) };
    Some(text.replace(PLACE_OF_SCOPE, &file_name(scope)).into())
}

/// The scope as part of a file's name on every system; names that differ stay different.
fn file_name(scope: &str) -> String {
    let mut name = String::with_capacity(scope.len());
    for byte in scope.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

/// Writes the file, unless it is another scope's.
fn write(path: &Path, scope: &str, text: &str) -> PortResult<()> {
    if let Some(other) = other_scope(path, scope) {
        let message = format!("`{}` holds the metrics of scope `{other}`", path.display());
        return Err(PortError::new(FailureKind::Taken, message).with_hint(
            "put `{scope}` into `metrics.file`, or delete the file where that scope is no more",
        ));
    }
    file::write_atomically(path, |writer| writer.write_all(text.as_bytes()))?;
    readable(path).map_err(|error| PortError::new(FailureKind::Denied, error))
}

/// The node exporter is another user; nothing in the file is a secret.
#[cfg(unix)]
fn readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

/// A scope other than this one of which the file tells.
fn other_scope(path: &Path, scope: &str) -> Option<String> {
    let mut text = String::new();
    // A file that is not there, or not of this form, tells of none.
    File::open(path).ok()?.take(MAX_FILE_BYTES).read_to_string(&mut text).ok()?;
    scopes_in(&text).find(|found| found != scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(scope: &str) -> String {
        render(&[ScopeMetrics { scope: scope.to_owned(), ..ScopeMetrics::default() }])
    }

    #[test]
    fn each_scope_has_a_file_of_its_own() {
        let names = ["city", "a/b", "a%2Fb", "..", "ü", "a b"].map(file_name);
        assert_eq!(names, ["city", "a%2Fb", "a%252Fb", "%2E%2E", "%C3%BC", "a%20b"]);
    }

    #[test]
    fn a_file_stays_with_its_scope() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("speedfit.prom");
        write(&path, "city", &text("city")).unwrap();
        write(&path, "city", &text("city")).unwrap();
        let error = write(&path, "town", &text("town")).unwrap_err();
        assert!(error.to_string().ends_with("holds the metrics of scope `city`"), "{error}");
        assert!(error.remedy().contains("{scope}"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text("city"));
        // Whatever else was there is replaced.
        std::fs::write(&path, "# something else\n").unwrap();
        write(&path, "town", &text("town")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text("town"));
    }
}
