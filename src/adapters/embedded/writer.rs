//! The connection that writes: opened for the first write, waited for, and never on another file than
//! the one that was opened.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio_util::sync::CancellationToken;

use super::connection::{Identity, open_writer};
use super::error::{EmbeddedError, StatementError};
use super::{Embedded, Inner, blocking, locks};
use crate::ports::PortResult;

/// How long a run waits for an import, to publish what it has made: the longest that was seen, of 20
/// million rows, took a minute and a half.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// One wait of SQLite for another writer; between two of them whoever no longer waits is noticed.
const SLICE: Duration = Duration::from_millis(200);

/// A connection, and the file that it is open on.
#[derive(Debug)]
pub(super) struct Writer(Mutex<Option<(Connection, Identity)>>);

impl Writer {
    pub(super) fn new(open: Option<(Connection, Identity)>) -> Self {
        Self(Mutex::new(open))
    }
}

impl Inner {
    /// Does the work on the writing connection, and sees before and after that the file is still the
    /// one that was opened: what is committed to one that was deleted is lost.
    pub(super) fn on_writer<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, EmbeddedError>,
    ) -> Result<T, EmbeddedError> {
        self.check_identity()?;
        // A panic in an earlier write rolled its transaction back: the connection is sound.
        let mut slot = self.writer.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = slot.take().filter(|(_, identity)| self.check_is(Some(*identity)).is_ok());
        let (connection, identity) = match open {
            Some(open) => open,
            None => self.open_writer()?,
        };
        let (connection, _) = slot.insert((connection, identity));
        let outcome = work(connection);
        match self.check_is(Some(identity)) {
            Ok(()) => outcome,
            // Whatever else went wrong, this is why.
            Err(replaced) => {
                *slot = None;
                Err(replaced)
            }
        }
    }

    fn open_writer(&self) -> Result<(Connection, Identity), EmbeddedError> {
        let connection = open_writer(&self.path, false, self.options);
        let connection = connection.map_err(|error| self.as_given(error))?;
        let failed = |source| EmbeddedError::File { path: self.shown.clone(), source };
        let identity = Identity::of(&self.path).map_err(failed)?;
        let identity =
            identity.ok_or_else(|| EmbeddedError::Replaced { path: self.shown.clone() })?;
        Ok((connection, identity))
    }

    /// Does the work in one immediate transaction: all of it is kept, or nothing, and nothing that nobody
    /// waits for any more.
    pub(super) fn in_transaction<T>(
        &self,
        connection: &Connection,
        patience: &Patience,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StatementError>,
    ) -> Result<T, StatementError> {
        let transaction = self.begin(connection, patience)?;
        let value = work(&transaction)?;
        if patience.given_up.is_cancelled() {
            return Err(StatementError::Cancelled);
        }
        transaction.commit()?;
        Ok(value)
    }

    fn begin<'c>(
        &self,
        connection: &'c Connection,
        patience: &Patience,
    ) -> Result<Transaction<'c>, StatementError> {
        let slice = SLICE.min(self.options.busy_timeout);
        let (mut waited, mut is_noted) = (Duration::ZERO, false);
        connection.busy_timeout(slice)?;
        loop {
            let begun = Transaction::new_unchecked(connection, TransactionBehavior::Immediate);
            let error = match begun {
                Ok(transaction) => return Ok(transaction),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => error,
                Err(error) => return Err(error.into()),
            };
            if patience.given_up.is_cancelled() {
                return Err(StatementError::Cancelled);
            }
            waited += slice;
            if waited < self.options.busy_timeout {
                continue;
            }
            // Whatever else writes that long is not waited for.
            let import = (!patience.is_import).then(|| locks::import_at_work(&self.path));
            let Some(file) = import.flatten() else { return Err(error.into()) };
            if waited >= patience.with_imports {
                return Err(StatementError::ImportWrites(file));
            }
            if !is_noted {
                tracing::warn!("waiting for an import, which is writing: `{file}`");
                is_noted = true;
            }
        }
    }
}

/// How long a write waits.
pub(super) struct Patience {
    /// For an import; for any other writer as long as the options say.
    with_imports: Duration,
    /// Whether the import at work is the one that waits.
    is_import: bool,
    /// Fires when nobody waits for the write any more.
    given_up: CancellationToken,
}

impl Patience {
    /// As long as for any other writer.
    pub(super) fn little() -> Self {
        let given_up = CancellationToken::new();
        Self { with_imports: Duration::ZERO, is_import: false, given_up }
    }

    /// The same for an import, or for one that is taken out, which is itself the one at work. Nothing is
    /// written any more where the token fires first.
    pub(super) fn of_import(given_up: CancellationToken) -> Self {
        Self { given_up, is_import: true, ..Self::little() }
    }
}

impl Embedded {
    /// Runs `work` in one immediate transaction: all of it is kept, or nothing. Waits so long for an
    /// import, at the most.
    pub(super) async fn write_beside_imports<T, F>(
        &self,
        with_imports: Duration,
        doing: impl Into<String>,
        work: F,
    ) -> PortResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StatementError> + Send + 'static,
    {
        let (inner, doing) = (Arc::clone(&self.inner), doing.into());
        let given_up = CancellationToken::new();
        let patience = Patience { with_imports, is_import: false, given_up: given_up.clone() };
        let _until_answered = given_up.drop_guard();
        blocking(move || {
            inner.on_writer(|connection| {
                let written = inner.in_transaction(connection, &patience, work);
                written.map_err(|source| EmbeddedError::ledger(doing, &inner.shown, source))
            })
        })
        .await
    }
}
