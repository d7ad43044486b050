//! One session over SQLite.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::super::backend::{Isolation, Reply, Session, SqlError, Statement};
use super::super::column::Column;
use super::super::login::LoginInfo;
use super::super::value::Value;
use super::query::{self, Setting};
use super::tokens::tokens;
use super::{Call, LOCK_TIMEOUT, SqliteBackend, Table, read, storage};

pub(super) struct SqliteSession {
    backend: SqliteBackend,
    connection: Connection,
    login: LoginInfo,
    in_transaction: bool,
    xact_abort: bool,
    /// Whether reads see one state of the data: from now on, and in the current transaction.
    snapshot: bool,
}

impl SqliteSession {
    pub(super) fn new(backend: SqliteBackend, connection: Connection, login: LoginInfo) -> Self {
        Self {
            backend,
            connection,
            login,
            in_transaction: false,
            xact_abort: false,
            snapshot: false,
        }
    }

    fn batch(&self, text: &str) -> Result<(), SqlError> {
        self.connection.execute_batch(text).map_err(|error| storage::sql_error(&error))
    }

    /// Does something wholly or not at all.
    fn atomically<T>(
        &mut self,
        work: impl FnOnce(&Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.batch("SAVEPOINT speedfit_call")?;
        let result = work(self);
        let undo = "ROLLBACK TO speedfit_call; RELEASE speedfit_call";
        match result {
            Ok(value) => match self.batch("RELEASE speedfit_call") {
                Ok(()) => Ok(value),
                Err(error) => {
                    self.batch(undo)?;
                    Err(error)
                }
            },
            Err(error) => {
                self.batch(undo)?;
                Err(error)
            }
        }
    }

    fn set(&mut self, setting: &Setting) -> Result<(), SqlError> {
        match setting {
            Setting::XactAbort(on) => self.xact_abort = *on,
            Setting::Snapshot(on) => self.snapshot = *on,
            Setting::LockTimeout(millis) => {
                let timeout = u64::try_from(*millis).map_or(LOCK_TIMEOUT, Duration::from_millis);
                let set = self.connection.busy_timeout(timeout);
                set.map_err(|error| storage::sql_error(&error))?;
            }
        }
        Ok(())
    }

    fn columns_of(table: &Table, names: &[String]) -> Result<Vec<Column>, SqlError> {
        let column = |name: &String| {
            let found = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            found
                .cloned()
                .ok_or_else(|| SqlError::new(207, format!("Invalid column name '{name}'.")))
        };
        names.iter().map(column).collect()
    }

    fn answer(&self, statement: &Statement) -> Result<Reply, SqlError> {
        let call = Call {
            connection: &self.connection,
            locks: &self.backend.shared.locks,
            session: self.login.connection,
            login: &self.login,
            in_transaction: self.in_transaction,
            backend: &self.backend,
        };
        let handler = statement
            .name
            .as_ref()
            .and_then(|name| read(&self.backend.shared.handlers).get(name).map(Arc::clone));
        match handler {
            Some(handler) => handler(&call, statement),
            None => call.run(statement),
        }
    }
}

impl Session for SqliteSession {
    fn execute(&mut self, statement: &Statement) -> Result<Reply, SqlError> {
        for setting in query::settings(&statement.text) {
            self.set(&setting)?;
        }
        let reads = tokens(&statement.text).iter().any(|token| token.is("from"));
        if self.snapshot && reads && !*read(&self.backend.shared.snapshots) {
            let message = "Snapshot isolation transaction failed accessing database because \
                           snapshot isolation is not allowed in this database.";
            return Err(SqlError::new(3952, message));
        }
        self.atomically(|session| session.answer(statement))
    }

    fn begin(&mut self, isolation: Isolation) -> Result<(), SqlError> {
        self.batch("BEGIN")?;
        self.in_transaction = true;
        self.snapshot |= isolation == Isolation::Snapshot;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SqlError> {
        self.batch("COMMIT")?;
        self.in_transaction = false;
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), SqlError> {
        self.in_transaction = false;
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.batch("ROLLBACK")
    }

    fn save(&mut self, name: &str) -> Result<(), SqlError> {
        self.batch(&format!("SAVEPOINT {}", storage::quoted(name)))
    }

    fn rollback_to(&mut self, name: &str) -> Result<(), SqlError> {
        self.batch(&format!("ROLLBACK TO {}", storage::quoted(name)))
    }

    fn xact_abort(&self) -> bool {
        self.xact_abort
    }

    fn bulk_columns(&mut self, table: &str) -> Result<Vec<Column>, SqlError> {
        Ok(self.backend.find(table)?.columns)
    }

    fn bulk_insert(
        &mut self,
        table: &str,
        columns: &[String],
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, SqlError> {
        let table = self.backend.find(table)?;
        let columns = Self::columns_of(&table, columns)?;
        self.atomically(|session| storage::insert(&session.connection, &table, &columns, rows))
    }
}

impl Drop for SqliteSession {
    fn drop(&mut self) {
        // SQLite rolls an open transaction back when its connection closes, right after this.
        self.backend.shared.locks.release_all(self.login.connection);
    }
}
