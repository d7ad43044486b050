//! Records into the embedded source: from a file, or made.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::world::{WorldError, clock, embedded, file_source};
use crate::adapters::embedded::{ImportError, ImportFile, ImportOutcome};
use crate::adapters::file::sha256_of;
use crate::adapters::memory::MemorySource;
use crate::config::Settings;
use crate::domain::RecordBatch;
use crate::ports::{PortError, RecordSource};

/// Adds a file's records to the embedded source.
///
/// # Errors
/// [`WorldError::Source`] of the file, [`WorldError::Store`] of the database; of kind
/// [`Cancelled`](crate::ports::FailureKind::Cancelled) after the stop signal, where nothing is kept.
pub async fn import_file(
    settings: &Settings,
    path: &Path,
    allow_repeat: bool,
    cancel: &CancellationToken,
) -> Result<ImportOutcome, WorldError> {
    let hashed = path.to_owned();
    let sha256 = tokio::task::spawn_blocking(move || sha256_of(&hashed).map_err(PortError::from));
    // What is left of the thread ends with the process.
    let sha256 = match cancel.run_until_cancelled(sha256).await {
        Some(Ok(sha256)) => sha256,
        Some(Err(_)) | None => Err(PortError::cancelled()),
    };
    let file = ImportFile {
        name: path.display().to_string(),
        sha256: sha256.map_err(WorldError::Source)?,
        allow_repeat,
    };
    import(settings, &file, &*file_source(settings, path), cancel).await
}

/// Adds records that were made to the embedded source, once per `checksum`.
///
/// # Errors
/// [`WorldError::Store`] of the database.
pub async fn import_batches(
    settings: &Settings,
    name: &str,
    checksum: &str,
    batches: Vec<RecordBatch>,
    cancel: &CancellationToken,
) -> Result<ImportOutcome, WorldError> {
    let file =
        ImportFile { name: name.to_owned(), sha256: checksum.to_owned(), allow_repeat: false };
    let source = MemorySource::new(batches);
    import(settings, &file, &source, cancel).await
}

async fn import(
    settings: &Settings,
    file: &ImportFile,
    source: &dyn RecordSource,
    cancel: &CancellationToken,
) -> Result<ImportOutcome, WorldError> {
    let database = embedded(settings, true).await.map_err(WorldError::Store)?;
    let imported = database.import(file, source, clock().now(), cancel).await;
    imported.map_err(|error| match error {
        ImportError::Source(cause) => WorldError::Source(cause),
        ImportError::Store(cause) => WorldError::Store(cause),
    })
}
