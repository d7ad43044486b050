//! Records into the file: one transaction for the whole of an import, so that nothing is
//! half-imported.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{CachedStatement, OptionalExtension, Transaction};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::{EmbeddedError, StatementError};
use super::locks::{self, ImportLock};
use super::rows::{count_stored, time, time_text};
use super::writer::Patience;
use super::{Embedded, Inner, blocking, connection, lengths};
use crate::domain::record::RecordRef;
use crate::domain::{IncidentId, RecordBatch};
use crate::ports::{Lengths, PortError, PortResult, ReadQuery, RecordSource};

/// Batches between the reader of a file and the writer of the database.
const CHANNEL_BATCHES: usize = 4;

/// What is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportFile {
    /// Name, for the ledger of imports.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal: by it a repeated file is known.
    pub sha256: String,
    /// Whether a file that was imported before is imported again.
    pub allow_repeat: bool,
}

/// What an import added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportSummary {
    /// Number of the import.
    pub import_id: i64,
    /// Rows added, those with faults included.
    pub n_rows: u64,
    /// Of these, rows that could not be read and were kept with the reason.
    pub n_faults: u64,
}

/// How an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    /// Every row was added.
    Imported(ImportSummary),
    /// The file was imported before; nothing was added.
    AlreadyImported {
        /// Number of that import.
        import_id: i64,
        /// When it was.
        imported_at: Timestamp,
    },
}

/// Which side of an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The records could not be read.
    #[error("cannot read what is to be imported")]
    Source(#[source] PortError),
    /// They could not be written.
    #[error("cannot write what is to be imported")]
    Store(#[source] PortError),
}

impl Embedded {
    /// Adds every record that `source` delivers, in its order, dirty rows included, in constant
    /// memory. All of them become visible at once; a source that fails, or `cancel`, leaves the
    /// database as it was.
    ///
    /// SQLite has no NaN: it is kept as infinity, which a run refuses for the same reason.
    ///
    /// # Errors
    /// [`ImportError::Source`] with the source's own, or [`ImportError::Store`] with that of the write:
    /// `Full`, `Busy`, `Denied`.
    pub async fn import(
        &self,
        file: &ImportFile,
        source: &dyn RecordSource,
        now: Timestamp,
        cancel: &CancellationToken,
    ) -> Result<ImportOutcome, ImportError> {
        let (batches, inlet) = mpsc::channel(CHANNEL_BATCHES);
        let (complete, completed) = oneshot::channel();
        let reading = async {
            let all = ReadQuery { lengths: Lengths::IfAny, ..ReadQuery::default() };
            source.read(&all, batches, cancel).await?;
            // Without this word, whatever happens to this side, nothing is kept.
            let _ = complete.send(());
            Ok::<(), PortError>(())
        };
        let writing = self.write_import(file.clone(), now, Inlet { batches: inlet, completed });
        tokio::pin!(reading, writing);
        let (read, written) = tokio::select! {
            biased;
            // A write that ended early leaves nothing to read for.
            written = &mut writing => (Ok(()), written),
            read = &mut reading => (read, writing.await),
        };
        match (read, written) {
            (_, Err(error)) => Err(ImportError::Store(error)),
            (_, Ok(Some(outcome))) => Ok(outcome),
            (read, Ok(None)) => {
                Err(ImportError::Source(read.err().unwrap_or_else(PortError::cancelled)))
            }
        }
    }

    /// `None` where the source did not come to its end.
    async fn write_import(
        &self,
        file: ImportFile,
        now: Timestamp,
        inlet: Inlet,
    ) -> PortResult<Option<ImportOutcome>> {
        let inner = Arc::clone(&self.inner);
        let doing = format!("import `{}`", file.name);
        blocking(move || {
            let patience = Patience::of_import(CancellationToken::new());
            let written = inner.under_import_lock(&file.name, doing, &patience, |transaction| {
                insert_file(transaction, &file, now, inlet)
            });
            match written {
                Err(EmbeddedError::Ledger { source: StatementError::Cancelled, .. }) => Ok(None),
                written => written.map(Some),
            }
        })
        .await
    }
}

impl Inner {
    /// Does the work in one transaction on a connection of its own, so that the ledger stays readable
    /// while much is written, and under the lock of imports, whose name tells others for whom they wait.
    pub(super) fn under_import_lock<T>(
        &self,
        name: &str,
        doing: String,
        patience: &Patience,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StatementError>,
    ) -> Result<T, EmbeddedError> {
        let Some(_lock) = ImportLock::take(&self.path, name)? else {
            let other = locks::import_at_work(&self.path).unwrap_or_default();
            let source = StatementError::ImportWrites(other);
            return Err(EmbeddedError::ledger(doing, &self.shown, source));
        };
        self.check_identity()?;
        let writer = connection::open_writer(&self.path, false, self.options);
        let writer = writer.map_err(|error| self.as_given(error))?;
        let value = self
            .in_transaction(&writer, patience, work)
            .map_err(|source| EmbeddedError::ledger(doing, &self.shown, source))?;
        self.check_identity()?;
        give_back_log(&writer);
        Ok(value)
    }
}

/// Folds the write-ahead log, as large as the import, into the file. A reader may prevent it; a
/// later checkpoint does it then.
fn give_back_log(writer: &rusqlite::Connection) {
    let folded = writer.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()));
    if let Err(error) = folded {
        tracing::debug!(%error, "write-ahead log not folded");
    }
}

/// Where batches come from.
struct Inlet {
    batches: mpsc::Receiver<RecordBatch>,
    /// Fires when the source has delivered everything; an error where it has not.
    completed: oneshot::Receiver<()>,
}

fn insert_file(
    transaction: &Transaction<'_>,
    file: &ImportFile,
    now: Timestamp,
    mut inlet: Inlet,
) -> Result<ImportOutcome, StatementError> {
    if let Some(earlier) = earlier_import(transaction, file)? {
        return Ok(earlier);
    }
    transaction.execute(
        include_str!("sql/insert_import.sql"),
        (&file.name, &file.sha256, time_text(now)),
    )?;
    let import_id = transaction.last_insert_rowid();
    let mut summary = ImportSummary { import_id, n_rows: 0, n_faults: 0 };
    let mut statement = transaction.prepare_cached(include_str!("sql/insert_incident.sql"))?;
    let mut bytes = Vec::new();
    while let Some(batch) = inlet.batches.blocking_recv() {
        if summary.n_rows == 0 {
            lengths::insert_classes(transaction, import_id, &batch.classes)?;
        }
        for row in batch.rows() {
            lengths::encode(row.lengths_km, &mut bytes);
            insert_row(&mut statement, import_id, &row, &bytes)?;
        }
        summary.n_rows += batch.len() as u64;
        summary.n_faults += batch.faults.len() as u64;
    }
    if inlet.completed.blocking_recv().is_err() {
        return Err(StatementError::Cancelled);
    }
    transaction.execute(
        include_str!("sql/end_import.sql"),
        (import_id, count_stored(summary.n_rows), count_stored(summary.n_faults)),
    )?;
    Ok(ImportOutcome::Imported(summary))
}

fn earlier_import(
    transaction: &Transaction<'_>,
    file: &ImportFile,
) -> Result<Option<ImportOutcome>, StatementError> {
    if file.allow_repeat {
        return Ok(None);
    }
    let earlier = transaction
        .query_row(include_str!("sql/import_of_file.sql"), [&file.sha256], |row| {
            Ok(ImportOutcome::AlreadyImported {
                import_id: row.get("id")?,
                imported_at: time(row, "imported_at")?,
            })
        })
        .optional()?;
    Ok(earlier)
}

fn insert_row(
    statement: &mut CachedStatement<'_>,
    import_id: i64,
    row: &RecordRef<'_>,
    lengths: &[u8],
) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(1, import_id)?;
    statement.raw_bind_parameter(2, row.incident_id.map(IncidentId::text))?;
    statement.raw_bind_parameter(3, row.region)?;
    statement.raw_bind_parameter(4, row.parent_region)?;
    statement.raw_bind_parameter(5, row.priority)?;
    statement.raw_bind_parameter(6, row.occurred_at_us)?;
    statement.raw_bind_parameter(7, row.distance_km.map(storable))?;
    statement.raw_bind_parameter(8, row.travel_time_s.map(storable))?;
    statement.raw_bind_parameter(9, row.weight.map(storable))?;
    statement.raw_bind_parameter(10, row.fault.map(|fault| fault.stored()))?;
    statement.raw_bind_parameter(11, (!lengths.is_empty()).then_some(lengths))?;
    statement.raw_execute().map(|_| ())
}

/// SQLite would turn NaN into null, and a run would refuse the row for a reason that is not so.
fn storable(value: f64) -> f64 {
    if value.is_nan() { f64::INFINITY } else { value }
}
