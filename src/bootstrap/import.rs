//! Records into the embedded source, from a file or made, and out of it again.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::world::{WorldError, clock, embedded, file_source};
use crate::adapters::embedded::{ImportError, ImportFile, ImportOutcome, ImportRow};
use crate::adapters::file::sha256_of;
use crate::adapters::memory::MemorySource;
use crate::config::Settings;
use crate::domain::RecordBatch;
use crate::ports::{PortError, PortResult, RecordSource};

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
    let sha256 = sha256(path, cancel).await.map_err(WorldError::Source)?;
    let file = ImportFile { name: path.display().to_string(), sha256, allow_repeat };
    import(settings, &file, &*file_source(settings, path), cancel).await
}

async fn sha256(path: &Path, cancel: &CancellationToken) -> PortResult<String> {
    let path = path.to_owned();
    let sha256 = tokio::task::spawn_blocking(move || sha256_of(&path).map_err(PortError::from));
    // What is left of the thread ends with the process.
    match cancel.run_until_cancelled(sha256).await {
        Some(Ok(sha256)) => sha256,
        Some(Err(_)) | None => Err(PortError::cancelled()),
    }
}

/// Every import whose records are in the embedded source, oldest first.
///
/// # Errors
/// [`WorldError::Store`] of the database.
pub async fn imports(settings: &Settings) -> Result<Vec<ImportRow>, WorldError> {
    let database = embedded(settings, false).await.map_err(WorldError::Store)?;
    database.imports().await.map_err(WorldError::Store)
}

/// Those of them that are meant: the one of that number, or all of a file, known by its name or, where
/// it is still there, by its bytes.
///
/// # Errors
/// Those of [`imports`]; [`WorldError::Source`] of the file.
pub async fn imports_of(
    settings: &Settings,
    which: &str,
    cancel: &CancellationToken,
) -> Result<Vec<ImportRow>, WorldError> {
    let mut all = imports(settings).await?;
    if let Ok(id) = which.parse::<i64>() {
        all.retain(|import| import.id == id);
        return Ok(all);
    }
    let path = Path::new(which);
    let bytes = match path.is_file() {
        true => Some(sha256(path, cancel).await.map_err(WorldError::Source)?),
        false => None,
    };
    all.retain(|import| import.file_name == which || bytes.as_ref() == Some(&import.sha256));
    Ok(all)
}

/// Takes the records of an import out again; `false` where another has done so meanwhile.
///
/// # Errors
/// [`WorldError::Store`] of the database; of kind
/// [`Cancelled`](crate::ports::FailureKind::Cancelled) after the stop signal.
pub async fn undo_import(
    settings: &Settings,
    import: &ImportRow,
    cancel: &CancellationToken,
) -> Result<bool, WorldError> {
    let database = embedded(settings, false).await.map_err(WorldError::Store)?;
    let undone = cancel.run_until_cancelled(database.undo_import(import)).await;
    undone.unwrap_or_else(|| Err(PortError::cancelled())).map_err(WorldError::Store)
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
