//! The store of runs and parameters on a SQL Server.
//!
//! Reads and writes pass one after another over one connection, which is opened when it is needed
//! and replaced when it breaks; each lock has a connection of its own. A write is one batch with one
//! short transaction. Knows nothing of fitting or of what the job makes of a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tiberius::{Row, ToSql};

use super::connection::{Connection, Connector};
use super::error::UnitError;
use super::identifier::Identifier;
use super::options::{Section, ServerOptions};
use super::retry::RetryPolicy;
use super::schema::{self, Schema};
use super::unit::{Session, Unit};
use crate::ports::{Clock, FailureKind, PortError, PortResult};

/// Where the store is, and how it is worked with.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The server and the database.
    pub server: ServerOptions,
    /// Schema in the database that holds speedfit's tables.
    pub schema: String,
    /// How often a unit of work is tried.
    pub retry: RetryPolicy,
    /// Time between two looks whether a lock is still held.
    pub lock_heartbeat: Duration,
}

/// What the schema must be when the store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Up to date.
    Existing,
    /// It may be absent or older; [`migrate`](crate::ports::SchemaAdmin) comes next.
    Migrating,
}

/// A store on a SQL Server.
pub struct SqlServerStore {
    pub(super) options: StoreOptions,
    pub(super) schema: Schema,
    session: Session,
}

/// Where it is; no credential.
impl fmt::Debug for SqlServerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlServerStore")
            .field("server", &format_args!("{}", self.options.server))
            .field("schema", &self.schema.name())
            .finish_non_exhaustive()
    }
}

impl SqlServerStore {
    /// Opens the store: connects, and looks at the schema.
    ///
    /// # Errors
    /// [`SqlServerError`](super::SqlServerError) as a [`PortError`]: `Malformed` where the schema's
    /// name is none, `SchemaOutdated` where it needs [`Mode::Migrating`], `SchemaForeign` where a
    /// newer program wrote it, and whatever keeps the server from being reached.
    pub async fn open(
        options: StoreOptions,
        mode: Mode,
        clock: Arc<dyn Clock>,
    ) -> PortResult<Self> {
        let server = ServerOptions { section: Section::Store, ..options.server.clone() };
        let connector = Connector::new(server, clock);
        let session = Session::new(connector, options.retry);
        let name = Identifier::new(&options.schema)
            .map_err(|error| session.error("open the store", error.into()))?;
        let store = Self { schema: Schema::new(&name), options, session };
        store.run(&schema::Check { schema: &store.schema, mode }).await?;
        Ok(store)
    }

    pub(super) fn connector(&self) -> &Connector {
        self.session.connector()
    }

    /// Does a unit of work on the store's connection.
    pub(super) async fn run<U: Unit>(&self, unit: &U) -> PortResult<U::Output> {
        self.session.run(unit).await.map_err(without_tables)
    }

    /// A session of its own, for a lock.
    pub(super) fn own_session(&self) -> Session {
        Session::new(self.connector().clone(), self.options.retry)
    }

    /// Reads by a statement that stands for itself; `parse` makes sense of the first result.
    pub(super) async fn read<T>(
        &self,
        doing: impl Into<String>,
        template: &str,
        parameters: &[&dyn ToSql],
        parse: impl FnOnce(&[Row]) -> Result<T, UnitError>,
    ) -> PortResult<T> {
        let query = Query { doing: doing.into(), sql: self.schema.sql(template), parameters };
        let rows = self.run(&query).await?;
        parse(&rows).map_err(|error| self.session.error(query.doing, error).into())
    }

    /// The failure of a call, with what was to be done.
    pub(super) fn error(&self, doing: impl Into<String>, source: UnitError) -> PortError {
        self.session.error(doing, source).into()
    }
}

/// Names the likeliest reason where a table is not there.
fn without_tables(error: PortError) -> PortError {
    if error.kind == FailureKind::Missing && error.hint.is_none() {
        error.with_hint("run `speedfit migrate`, or check `store.schema` in the settings")
    } else {
        error
    }
}

/// A statement that may be repeated as it is; gives the rows of its first result.
struct Query<'a> {
    doing: String,
    sql: String,
    parameters: &'a [&'a dyn ToSql],
}

#[async_trait]
impl Unit for Query<'_> {
    type Output = Vec<Row>;

    fn doing(&self) -> String {
        self.doing.clone()
    }

    async fn attempt(&self, connection: &mut Connection, _: u32) -> Result<Vec<Row>, UnitError> {
        let results = connection.query(&self.sql, self.parameters).await?;
        Ok(results.into_iter().next().unwrap_or_default())
    }
}
