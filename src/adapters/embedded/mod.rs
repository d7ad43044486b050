//! One SQLite file that holds both the incident records and the store: the default, the laptop,
//! the tests, the demo.
//!
//! Every call runs on tokio's blocking threads. Writes pass through one connection behind a mutex,
//! one immediate transaction each; reads have connections of their own, so that in WAL mode
//! neither waits for the other. Knows nothing of fitting or of what the job makes of the records.
//! The file must be on a local disk: WAL does not work across machines. Numbers come back bit for
//! bit, except the sign of a zero, which SQLite drops.

mod conclude;
mod connection;
mod error;
mod examine;
mod import;
mod journal;
mod lengths;
mod locks;
mod parameters;
mod readers;
mod rows;
mod schema;
mod shards;
mod source;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::ports::{PortError, PortResult};
use readers::Readers;

pub use error::{EmbeddedError, SqliteError, StatementError};
pub use import::{ImportError, ImportFile, ImportOutcome, ImportSummary};

/// What the file must be when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is there, and its schema is up to date.
    Existing,
    /// It may be absent, empty or of an older schema; [`migrate`](crate::ports::SchemaAdmin) comes
    /// next.
    Migrating,
}

/// Limits of an embedded database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a write waits for another process's before it gives up as busy.
    pub busy_timeout: Duration,
    /// Quota: pages of [`PAGE_BYTES`](Self::PAGE_BYTES) that the file may grow to; `None` leaves it to the disk.
    pub max_pages: Option<u32>,
}

impl Options {
    /// Size of a page of the file.
    pub const PAGE_BYTES: u32 = 4096;
}

impl Default for Options {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5), max_pages: None }
    }
}

/// A handle on an embedded database; its clones share the writing connection.
#[derive(Debug, Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// As it was given, for messages.
    shown: String,
    /// The file itself, links resolved, so that its locks have one name.
    path: PathBuf,
    options: Options,
    /// Before the writer: the connection that is closed last folds the log into the file, which one that
    /// only reads cannot.
    readers: Readers,
    writer: Mutex<Connection>,
}

impl Inner {
    fn writer(&self) -> MutexGuard<'_, Connection> {
        // A panic in an earlier write rolled its transaction back: the connection is sound.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Embedded {
    /// Opens a database file with the default [`Options`].
    ///
    /// # Errors
    /// See [`open_with`](Self::open_with).
    pub async fn open(path: &Path, mode: Mode) -> PortResult<Self> {
        Self::open_with(path, mode, Options::default()).await
    }

    /// Opens a database file.
    ///
    /// # Errors
    /// [`EmbeddedError`] as a [`PortError`]: `Missing` without the file or its folder, `Malformed`
    /// where it is no database or not ours, `SchemaOutdated` where it needs [`Mode::Migrating`],
    /// `SchemaForeign` where a newer program wrote it, `Denied`, `Busy`.
    pub async fn open_with(path: &Path, mode: Mode, options: Options) -> PortResult<Self> {
        let path = path.to_owned();
        blocking(move || {
            let shown = path.display().to_string();
            let writer = connection::open_writer(&path, mode, options)?;
            let path = path
                .canonicalize()
                .map_err(|source| EmbeddedError::File { path: shown.clone(), source })?;
            let writer = Mutex::new(writer);
            let readers = Readers::default();
            Ok(Self { inner: Arc::new(Inner { shown, path, options, readers, writer }) })
        })
        .await
    }

    /// Runs `work` in one immediate transaction: all of it is kept, or nothing.
    async fn write<T, F>(&self, doing: impl Into<String>, work: F) -> PortResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StatementError> + Send + 'static,
    {
        let (inner, doing) = (Arc::clone(&self.inner), doing.into());
        blocking(move || {
            in_transaction(&mut inner.writer(), TransactionBehavior::Immediate, work)
                .map_err(|source| EmbeddedError::ledger(doing, &inner.shown, source))
        })
        .await
    }

    /// Runs `work` on a connection of its own, on one consistent state of the file.
    async fn read<T, F>(&self, doing: impl Into<String>, work: F) -> PortResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StatementError> + Send + 'static,
    {
        let (inner, doing) = (Arc::clone(&self.inner), doing.into());
        blocking(move || {
            let mut reader = inner.readers.take(&inner.path, inner.options)?;
            let read = in_transaction(&mut reader.connection, TransactionBehavior::Deferred, work)
                .map_err(|source| EmbeddedError::ledger(doing, &inner.shown, source))?;
            inner.readers.give_back(reader);
            Ok(read)
        })
        .await
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StatementError>,
) -> Result<T, StatementError> {
    let transaction = connection.transaction_with_behavior(behavior)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// Runs work that waits for the disk on a thread where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EmbeddedError> + Send + 'static,
) -> PortResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(PortError::from),
        Err(source) => Err(EmbeddedError::Task { source }.into()),
    }
}
