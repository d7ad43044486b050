//! The SQL Server store on the TDS test server: its statements over SQLite, statement by statement.
//!
//! Plain reads and deletes are translated by the server itself; what changes more than a row, or
//! asks the server for something, has a function here of the same meaning.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

mod conclude;
mod faults;
mod records;
mod schema;
mod statements;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use speedfit::adapters::sqlserver::{
    Encryption, Login, Mode, RetryPolicy, ServerOptions, SqlServerStore, StoreOptions,
};
use speedfit::ports::{Clock, PortResult, SchemaAdmin as _, SystemClock};

use crate::tds::{Options, SqliteBackend, TdsServer};

/// A server with an empty database that answers the store's statements.
pub(crate) struct StoreServer {
    /// The server, with its journal and its script of faults.
    pub(crate) server: TdsServer,
    /// Its data.
    pub(crate) backend: SqliteBackend,
}

impl StoreServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let backend = SqliteBackend::new();
        install(&backend);
        let server = TdsServer::start(options, backend.clone()).await.unwrap();
        Self { server, backend }
    }

    /// How the server is reached.
    pub(crate) fn server_options(&self) -> ServerOptions {
        let options = Options::default();
        let login = Login::Password { user: options.user, password: options.password.into() };
        ServerOptions {
            port: self.server.address().port(),
            encryption: Encryption::Off,
            ..ServerOptions::new("127.0.0.1", options.databases[0].clone(), login)
        }
    }

    /// Options of a store in it that waits next to nothing between two tries.
    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions {
            server: self.server_options(),
            schema: tables::SCHEMA.to_owned(),
            retry: RetryPolicy { base: Duration::from_micros(1), ..RetryPolicy::default() },
            lock_heartbeat: Duration::from_millis(5),
        }
    }

    pub(crate) async fn open(&self, mode: Mode) -> PortResult<SqlServerStore> {
        self.open_by(mode, Arc::new(SystemClock)).await
    }

    pub(crate) async fn open_by(
        &self,
        mode: Mode,
        clock: Arc<dyn Clock>,
    ) -> PortResult<SqlServerStore> {
        SqlServerStore::open(self.options(), mode, clock).await
    }

    /// A store in it, migrated.
    pub(crate) async fn migrated(&self) -> SqlServerStore {
        let store = self.open(Mode::Migrating).await.unwrap();
        store.migrate().await.unwrap();
        store
    }
}

/// Teaches a backend the store's statements; its tables come with the migrations.
pub(crate) fn install(backend: &SqliteBackend) {
    tables::install(backend);
    statements::install(backend);
    conclude::install(backend);
}
