//! A backend over SQLite: real tables, real transactions, one SQLite connection per session.
//!
//! The database is a file in a temporary folder in WAL mode, so that a reader sees a snapshot and
//! two writers exclude each other. Statements with a handler are answered by it; all others are
//! translated from T-SQL as far as that goes, and executed. A read inside an open
//! transaction sees what the transaction saw first, at every isolation level.

mod convert;
mod locks;
mod query;
mod session;
mod storage;
mod tokens;
mod translate;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::backend::{Backend, Reply, Session, SqlError, Statement};
use super::column::Column;
use super::login::LoginInfo;
use super::value::Value;

pub use locks::AppLocks;
pub use storage::{from_storage, to_storage};

use session::SqliteSession;

/// How long a session waits for another's locks, unless it says `SET LOCK_TIMEOUT`.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

type Handler = Arc<dyn Fn(&Call<'_>, &Statement) -> Result<Reply, SqlError> + Send + Sync>;

/// What the handler of a statement works with.
pub struct Call<'a> {
    /// The session's connection. The call as a whole is a savepoint: an error undoes it.
    pub connection: &'a Connection,
    /// The application locks of all sessions.
    pub locks: &'a AppLocks,
    /// Number of the session's connection, the owner of its locks.
    pub session: u64,
    /// Who logged in.
    pub login: &'a LoginInfo,
    /// Whether the client has a transaction open.
    pub in_transaction: bool,
    backend: &'a SqliteBackend,
}

impl Call<'_> {
    /// Executes a statement as if it had no handler.
    ///
    /// # Errors
    ///
    /// The server error that it ends with.
    pub fn run(&self, statement: &Statement) -> Result<Reply, SqlError> {
        let tables = read(&self.backend.shared.tables).clone();
        query::run(self.connection, &tables, statement)
    }
}

/// A table of the backend.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name with its schema and without brackets, for instance `dbo.incidents`.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Names of the columns of its primary key; none for none.
    pub key: Vec<String>,
}

impl Table {
    /// A table without a key.
    #[must_use]
    pub fn new(name: &str, columns: Vec<Column>) -> Self {
        Self { name: name.to_owned(), columns, key: Vec::new() }
    }

    /// The same table with a primary key.
    #[must_use]
    pub fn keyed(mut self, key: &[&str]) -> Self {
        self.key = key.iter().map(|&name| name.to_owned()).collect();
        self
    }
}

/// The backend over SQLite. Clones are the same backend.
#[derive(Clone)]
pub struct SqliteBackend {
    shared: Arc<Shared>,
}

struct Shared {
    folder: TempDir,
    tables: RwLock<Vec<Table>>,
    handlers: RwLock<HashMap<String, Handler>>,
    snapshots: RwLock<bool>,
    locks: AppLocks,
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBackend").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

impl SqliteBackend {
    /// An empty database.
    ///
    /// # Panics
    ///
    /// Where no temporary folder or no database can be made.
    #[must_use]
    #[expect(clippy::unwrap_used, reason = "tests and benches fail by panicking")]
    pub fn new() -> Self {
        let shared = Shared {
            folder: TempDir::new().unwrap(),
            tables: RwLock::default(),
            handlers: RwLock::default(),
            snapshots: RwLock::new(true),
            locks: AppLocks::default(),
        };
        let backend = Self { shared: Arc::new(shared) };
        backend.connect().unwrap().pragma_update(None, "journal_mode", "wal").unwrap();
        backend
    }

    /// Makes a table.
    ///
    /// # Panics
    ///
    /// Where SQLite refuses it.
    #[expect(clippy::unwrap_used, reason = "tests and benches fail by panicking")]
    pub fn create(&self, table: Table) {
        self.connect().unwrap().execute_batch(&storage::create_table(&table)).unwrap();
        write(&self.shared.tables).push(table);
    }

    /// Adds a column behind the others of a table of [`SqliteBackend::create`].
    ///
    /// # Panics
    ///
    /// Where there is no such table or SQLite refuses the column.
    #[expect(clippy::unwrap_used, reason = "tests and benches fail by panicking")]
    pub fn add_column(&self, table: &str, column: Column) {
        let name = self.find(table).unwrap().name;
        self.connect().unwrap().execute_batch(&storage::add_column(&name, &column)).unwrap();
        let mut tables = write(&self.shared.tables);
        tables.iter_mut().find(|table| table.name == name).unwrap().columns.push(column);
    }

    /// Inserts rows into a table of [`SqliteBackend::create`], values in the order of its columns.
    ///
    /// # Panics
    ///
    /// Where there is no such table or SQLite refuses a row.
    #[expect(clippy::unwrap_used, reason = "tests and benches fail by panicking")]
    pub fn insert(&self, table: &str, rows: impl IntoIterator<Item = Vec<Value>>) {
        let table = self.find(table).unwrap();
        let mut connection = self.connect().unwrap();
        let transaction = connection.transaction().unwrap();
        storage::insert(&transaction, &table, &table.columns, rows).unwrap();
        transaction.commit().unwrap();
    }

    /// Answers the statements of a name by a function. A handler may answer names of its own
    /// statements and of procedures (`sp_getapplock`).
    pub fn handle(
        &self,
        name: &str,
        handler: impl Fn(&Call<'_>, &Statement) -> Result<Reply, SqlError> + Send + Sync + 'static,
    ) {
        write(&self.shared.handlers).insert(name.to_owned(), Arc::new(handler));
    }

    /// Says whether the database allows SNAPSHOT isolation, which it does at first; error 3952
    /// meets a SELECT under it otherwise.
    pub fn allow_snapshots(&self, allowed: bool) {
        *write(&self.shared.snapshots) = allowed;
    }

    /// A connection of one's own to the database, beside all sessions. Columns hold what
    /// [`to_storage`] makes of values.
    ///
    /// # Panics
    ///
    /// Where SQLite cannot open it.
    #[must_use]
    #[expect(clippy::unwrap_used, reason = "tests and benches fail by panicking")]
    pub fn shell(&self) -> Connection {
        self.connect().unwrap()
    }

    /// The application locks of all sessions.
    #[must_use]
    pub fn locks(&self) -> &AppLocks {
        &self.shared.locks
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(self.shared.folder.path().join("server.db"))?;
        connection.busy_timeout(LOCK_TIMEOUT)?;
        convert::install(&connection)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "synchronous", "off")?;
        Ok(connection)
    }

    /// A table by its name as a statement writes it.
    fn find(&self, written: &str) -> Result<Table, SqlError> {
        let name = storage::plain_name(written);
        let in_dbo = format!("dbo.{name}");
        let tables = read(&self.shared.tables);
        let same = |table: &&Table| {
            table.name.eq_ignore_ascii_case(&name) || table.name.eq_ignore_ascii_case(&in_dbo)
        };
        tables
            .iter()
            .find(same)
            .cloned()
            .ok_or_else(|| SqlError::new(208, format!("Invalid object name '{name}'.")))
    }
}

impl Default for SqliteBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for SqliteBackend {
    fn session(&self, login: &LoginInfo) -> Result<Box<dyn Session>, SqlError> {
        let connection = self.connect().map_err(|error| storage::sql_error(&error))?;
        Ok(Box::new(SqliteSession::new(self.clone(), connection, login.clone())))
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
