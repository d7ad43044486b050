//! What can go wrong with the file, and what kind of failure it is to the job.

use std::fmt;
use std::io;

use rusqlite::{ErrorCode, ffi};

use crate::adapters::ledger_rules::LedgerError;
use crate::adapters::migrate::MigrationError;
use crate::ports::{FailureKind, PortError};

/// A failure of the embedded database.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// There is no such file.
    #[error("there is no database `{path}`")]
    FileMissing {
        /// The file.
        path: String,
    },
    /// There is no folder for the file to be made in.
    #[error("there is no folder `{folder}` to make `{path}` in")]
    FolderMissing {
        /// The file.
        path: String,
        /// Its folder.
        folder: String,
    },
    /// The file has no byte, where a database is looked for.
    #[error("`{path}` is empty: a file of 0 bytes, and no database")]
    Empty {
        /// The file.
        path: String,
    },
    /// The path names a folder.
    #[error("`{path}` is a folder, not a database file")]
    IsFolder {
        /// The folder.
        path: String,
    },
    /// The operating system did not let us look at the file.
    #[error("cannot look at `{path}`")]
    File {
        /// The file.
        path: String,
        /// Its reason.
        source: io::Error,
    },
    /// SQLite could not open the file.
    #[error("cannot open the database `{path}`")]
    Open {
        /// The file.
        path: String,
        /// Its reason.
        source: SqliteError,
    },
    /// A database, but not of speedfit.
    #[error("`{path}` is a database of another program")]
    NotOurs {
        /// The file.
        path: String,
    },
    /// The schema is older than this program.
    #[error("the schema of `{path}` has version {found}, this program needs {needed}")]
    Outdated {
        /// The file.
        path: String,
        /// Version of the file; 0 for an empty one.
        found: u32,
        /// Last version of this program.
        needed: u32,
    },
    /// The schema is newer than this program, or not ours.
    #[error("cannot use the database `{path}`")]
    Foreign {
        /// The file.
        path: String,
        /// What is wrong with the schema.
        source: MigrationError,
    },
    /// A read or write of the database.
    #[error("cannot {doing} in `{path}`")]
    Ledger {
        /// What was to be done.
        doing: String,
        /// The file.
        path: String,
        /// Why it failed.
        source: StatementError,
    },
    /// The path leads to another file than the one that was opened, or to none.
    #[error("`{path}` was deleted or replaced while it was open")]
    Replaced {
        /// The file.
        path: String,
    },
    /// The lock file of imports beside the database.
    #[error("cannot lock imports by `{path}`")]
    ImportLock {
        /// The lock file.
        path: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The lock file beside the database.
    #[error("cannot lock scope `{scope}` by `{path}`")]
    Lock {
        /// The scope.
        scope: String,
        /// The lock file.
        path: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The blocking task did not come to its end.
    #[error("the database task broke off")]
    Task {
        /// A panic, or the end of the runtime.
        source: tokio::task::JoinError,
    },
}

/// Why a unit of work on an open database failed.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// SQLite's own error.
    #[error(transparent)]
    Sqlite(SqliteError),
    /// A change that no ledger makes.
    #[error(transparent)]
    Rule(#[from] LedgerError),
    /// The schema is not one to work on.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// An import holds the lock of writers, for as long as it lasts.
    #[error("an import is writing: `{0}`")]
    ImportWrites(String),
    /// Files that no lock protects were written while they were read.
    #[error("it was written while it was read")]
    Changed,
    /// Lengths by class of road are needed, and no import has any.
    #[error("no file with lengths by class of road was imported")]
    NoLengths,
    /// The stop signal, or a receiver that has gone.
    #[error("stopped before it was complete")]
    Cancelled,
}

impl From<rusqlite::Error> for StatementError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.into())
    }
}

/// SQLite's own error, told once: the code that the library gives as its cause says the same.
#[derive(Debug)]
pub struct SqliteError(rusqlite::Error);

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_full(&self.0) {
            // SQLite calls it a disk I/O error where it makes room for shared memory.
            return f.write_str("database or disk is full");
        }
        self.0.fmt(f)
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull || error.extended_code == ffi::SQLITE_IOERR_SHMSIZE
    })
}

impl std::error::Error for SqliteError {}

impl EmbeddedError {
    pub(super) fn ledger(doing: String, path: &str, source: StatementError) -> Self {
        Self::Ledger { doing, path: path.to_owned(), source }
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::FileMissing { .. } | Self::FolderMissing { .. } => FailureKind::Missing,
            Self::IsFolder { .. } | Self::NotOurs { .. } => FailureKind::Malformed,
            Self::File { source, .. }
            | Self::Lock { source, .. }
            | Self::ImportLock { source, .. } => kind_of_io(source),
            Self::Replaced { .. } => FailureKind::Unreachable,
            Self::Open { source, .. } => kind_of_sqlite(&source.0),
            Self::Outdated { .. } | Self::Empty { .. } => FailureKind::SchemaOutdated,
            Self::Foreign { .. } => FailureKind::SchemaForeign,
            Self::Ledger { source, .. } => match source {
                StatementError::Sqlite(error) => kind_of_sqlite(&error.0),
                StatementError::Migration(_) => FailureKind::SchemaForeign,
                StatementError::ImportWrites(_) | StatementError::Changed => FailureKind::Busy,
                StatementError::NoLengths => FailureKind::Missing,
                StatementError::Cancelled => FailureKind::Cancelled,
                StatementError::Rule(rule) => rule.kind(),
            },
            Self::Task { source } if source.is_cancelled() => FailureKind::Cancelled,
            Self::Task { .. } => FailureKind::Internal,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::FileMissing { .. } => {
                Some("`speedfit import FILE` makes it; `embedded.path` in the settings names it")
            }
            Self::FolderMissing { .. } => Some("make the folder, or check `embedded.path`"),
            Self::Empty { .. } => Some(
                "where it held runs and records, they are gone: restore a copy of the file; where it is \
                 new, `speedfit import FILE` makes the database",
            ),
            Self::IsFolder { .. } => Some("name a file in it: `embedded.path`"),
            Self::NotOurs { .. } => Some("name another file: `embedded.path`"),
            Self::Ledger { source: StatementError::NoLengths, .. } => Some(
                "import a file with columns `length_<class>_km`, or those of `columns.lengths`, \
                 or fit another model",
            ),
            Self::Replaced { .. } => Some(
                "what this program wrote to it last may be lost: find out who deletes or restores it, \
                 then look at `speedfit status` and run again",
            ),
            Self::Ledger { source: StatementError::ImportWrites(_), .. } => {
                Some("wait for the end of the import, or stop it, then try again")
            }
            Self::Foreign { .. } | Self::Outdated { .. } | Self::Task { .. } => None,
            Self::File { .. }
            | Self::Open { .. }
            | Self::Ledger { .. }
            | Self::Lock { .. }
            | Self::ImportLock { .. } => hint_for(self.kind()),
        }
    }
}

fn hint_for(kind: FailureKind) -> Option<&'static str> {
    match kind {
        FailureKind::Malformed => Some(
            "the file is damaged or no SQLite database: name another one, or restore a copy of it",
        ),
        FailureKind::Denied => {
            Some("check the permissions of the file and of its folder, which SQLite writes to")
        }
        FailureKind::Busy => Some("another program is writing to the file: try again in a moment"),
        FailureKind::Unreachable => Some("check the disk that holds the file"),
        FailureKind::Full => {
            Some("free some room on the disk, or raise `embedded.max_size_mb`, and run again")
        }
        _ => None,
    }
}

impl From<EmbeddedError> for PortError {
    fn from(error: EmbeddedError) -> Self {
        let (kind, hint) = (error.kind(), error.hint());
        let error = Self::new(kind, error);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

fn kind_of_io(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FailureKind::Missing,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FailureKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureKind::Full,
        _ => FailureKind::Unreachable,
    }
}

fn kind_of_sqlite(error: &rusqlite::Error) -> FailureKind {
    let rusqlite::Error::SqliteFailure(failure, message) = error else {
        return match error {
            // A value in the file that is not of the agreed form.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => FailureKind::Malformed,
            _ => FailureKind::Internal,
        };
    };
    match failure.code {
        _ if is_full(error) => FailureKind::Full,
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => FailureKind::Malformed,
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => FailureKind::Busy,
        // SQLite tells no more of a file that it cannot open; that it is there was seen before.
        ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen => {
            FailureKind::Denied
        }
        ErrorCode::SystemIoFailure => FailureKind::Unreachable,
        ErrorCode::OperationInterrupted => FailureKind::Cancelled,
        _ if message.as_deref().is_some_and(lacks_schema) => FailureKind::SchemaOutdated,
        _ => FailureKind::Internal,
    }
}

fn lacks_schema(message: &str) -> bool {
    message.starts_with("no such table") || message.starts_with("no such column")
}
