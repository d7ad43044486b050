//! The schedule's health in a file: whole or not at all, at every change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::outputs::write_file;
use crate::schedule::ScheduleStatus;

/// Writes the status into each of the files now, and whenever it changes, until nobody tells it any
/// more; a scope tells it at every tick. A file that cannot be written is logged, and tried again.
pub async fn keep_health(files: BTreeSet<PathBuf>, mut status: watch::Receiver<ScheduleStatus>) {
    loop {
        let now = status.borrow_and_update().clone();
        let own_files = files.clone();
        // The disk may be slow, and the runs share these threads.
        let written = tokio::task::spawn_blocking(move || write_all(&own_files, &now)).await;
        if let Err(died) = written {
            tracing::error!("the health could not be written: {died}");
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

fn write_all(files: &BTreeSet<PathBuf>, status: &ScheduleStatus) {
    for path in files {
        let written = serde_json::to_vec_pretty(status)
            .map_err(|error| error.to_string())
            .and_then(|text| write_file(path, &text).map_err(|error| error.to_string()));
        if let Err(problem) = written {
            tracing::error!("the health file could not be written: {problem}");
        }
    }
}

/// The status that a health file tells.
///
/// # Errors
/// It cannot be read, or is no health file.
pub fn read_health(path: &Path) -> std::io::Result<ScheduleStatus> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
