//! One SQLite file that holds both the incident records and the store: the default, the laptop,
//! the tests, the demo.
//!
//! Every call runs on tokio's blocking threads. Writes pass through one connection behind a mutex,
//! opened for the first of them, one immediate transaction each; reads have connections of their own,
//! so that in WAL mode neither waits for the other, and need nothing that a file or a folder that may
//! only be read would refuse. Knows nothing of fitting or of what the job makes of the records.
//! The file must be on a local disk: WAL does not work across machines. Numbers come back bit for
//! bit, except the sign of a zero, which SQLite drops.

mod conclude;
mod connection;
mod error;
mod examine;
mod import;
mod imports;
mod journal;
mod lengths;
mod locks;
mod parameters;
mod readers;
mod rows;
mod schema;
mod source;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::ports::{PortError, PortResult};
use connection::{Identity, Reader};
use readers::Readers;
use writer::Writer;

pub use error::{EmbeddedError, SqliteError, StatementError};
pub use import::{ImportError, ImportFile, ImportOutcome, ImportSummary};
pub use imports::ImportRow;

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
    /// Whether a file that has replaced the one that was opened is taken for it: by a process that
    /// stays up, and not within a run, which must end in the file in which it began.
    pub follows: bool,
}

impl Options {
    /// Size of a page of the file.
    pub const PAGE_BYTES: u32 = 4096;
}

impl Default for Options {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5), max_pages: None, follows: false }
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
    /// Which file it was when it was opened.
    identity: Option<Identity>,
    /// Before the writer: the connection that is closed last folds the log into the file, which one that
    /// only reads cannot.
    readers: Readers,
    writer: Writer,
}

impl Inner {
    /// Whether the path still leads to the file that was opened; what is written to another is lost.
    fn check_identity(&self) -> Result<(), EmbeddedError> {
        if self.options.follows {
            return Ok(());
        }
        self.check_is(self.identity)
    }

    fn check_is(&self, identity: Option<Identity>) -> Result<(), EmbeddedError> {
        let path = || self.shown.clone();
        match Identity::of(&self.path) {
            Ok(found) if found.is_some() && found == identity => Ok(()),
            Ok(_) => Err(EmbeddedError::Replaced { path: path() }),
            Err(source) => Err(EmbeddedError::File { path: path(), source }),
        }
    }

    /// A connection for reading, to the file that was opened.
    fn reader(&self) -> Result<Reader, EmbeddedError> {
        let reader = self.readers.take(&self.path, self.options);
        // First: why another file cannot be opened is no matter.
        self.check_identity()?;
        reader.map_err(|error| self.as_given(error))
    }

    /// The error, with the file's name as it was given.
    fn as_given(&self, error: EmbeddedError) -> EmbeddedError {
        match error {
            EmbeddedError::Open { source, .. } => {
                EmbeddedError::Open { path: self.shown.clone(), source }
            }
            error => error,
        }
    }

    /// Whether what was read is of one state of the file.
    fn check_whole(&self, doing: &str, reader: &Reader) -> Result<(), EmbeddedError> {
        if reader.is_torn(&self.path) {
            let source = StatementError::Changed;
            return Err(EmbeddedError::ledger(doing.to_owned(), &self.shown, source));
        }
        Ok(())
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
            let writer = if connection::look_at(&path, mode)? {
                let reader = connection::open_reader(&path, options)?;
                schema::check(&reader.connection, &path, mode)?;
                None
            } else {
                let writer = connection::open_writer(&path, true, options)?;
                schema::check(&writer, &path, mode)?;
                Some(writer)
            };
            let failed = |source| EmbeddedError::File { path: shown.clone(), source };
            let path = path.canonicalize().map_err(failed)?;
            let identity = Identity::of(&path).map_err(failed)?;
            let (readers, writer) = (Readers::default(), Writer::new(writer.zip(identity)));
            let inner = Inner { shown, path, options, identity, readers, writer };
            Ok(Self { inner: Arc::new(inner) })
        })
        .await
    }

    /// Runs `work` in one immediate transaction: all of it is kept, or nothing.
    async fn write<T, F>(&self, doing: impl Into<String>, work: F) -> PortResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StatementError> + Send + 'static,
    {
        self.write_beside_imports(Duration::ZERO, doing, work).await
    }

    /// Runs `work` on a connection of its own, on one consistent state of the file.
    async fn read<T, F>(&self, doing: impl Into<String>, work: F) -> PortResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StatementError> + Send + 'static,
    {
        let in_one = |connection: &mut Connection| {
            in_transaction(connection, TransactionBehavior::Deferred, work)
        };
        self.ask(doing, in_one).await
    }

    /// Runs one statement, which sees one state of the file by itself.
    async fn ask<T, F>(&self, doing: impl Into<String>, statement: F) -> PortResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StatementError> + Send + 'static,
    {
        let (inner, doing) = (Arc::clone(&self.inner), doing.into());
        blocking(move || {
            let mut reader = inner.reader()?;
            let value = statement(&mut reader.connection)
                .map_err(|source| EmbeddedError::ledger(doing.clone(), &inner.shown, source))?;
            inner.check_whole(&doing, &reader)?;
            inner.readers.give_back(reader);
            Ok(value)
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
