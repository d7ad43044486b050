//! The client's records: a table, a view or a query, mapped in the settings.
//!
//! One reading: a first connection asks which columns there are ([`describe`]), which of them hold
//! what ([`layout`]), which state is to be read ([`isolation`]) and how the records lie
//! ([`partition`]); then every connection streams its shares ([`reader`]). Until the first batch is
//! handed over a transient failure begins all of it anew; afterwards the reading fails, and the job
//! decides. Nothing here judges a record: what cannot be read is handed on with its fault.

mod cuts;
mod decode;
mod describe;
mod examine;
mod isolation;
mod kinds;
mod layout;
mod lengths;
mod options;
mod partition;
mod reader;
mod relation;
mod scan;
mod selecting;
mod statement;
mod text;
mod wall_clock;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::decode::Decoder;
use self::layout::{Described, Layout};
use self::partition::share_out;
use self::reader::{Outlet, Work};
use self::relation::Relation;
use self::selecting::Selecting;
use super::connection::Connector;
use super::error::{ServerError, SqlServerError, UnitError};
use super::options::{Section, ServerOptions};
use super::retry::BackOff;
use crate::domain::RecordBatch;
use crate::ports::{Clock, Lengths, PortResult, ReadQuery, RecordSource, with_causes};

pub use options::{Isolation, Partition, RecordsFrom, SourceOptions};

/// Records on a SQL Server.
pub struct SqlServerSource {
    options: SourceOptions,
    relation: Relation,
    connector: Connector,
    back_off: BackOff,
}

impl SqlServerSource {
    /// A source that connects anew for every query. Nothing is opened yet.
    ///
    /// # Errors
    /// [`Malformed`](crate::ports::FailureKind::Malformed) for a name that cannot be a table's, or a
    /// query that is not one `SELECT`.
    pub fn new(options: SourceOptions, clock: Arc<dyn Clock>) -> PortResult<Self> {
        let server = ServerOptions { section: Section::Source, ..options.server.clone() };
        let connector = Connector::new(server, clock);
        let relation = Relation::new(&options.records)
            .map_err(|source| SqlServerError::new("read records", connector.options(), source))?;
        let back_off = BackOff::new(options.retry);
        Ok(Self { options, relation, connector, back_off })
    }

    fn failed(&self, source: UnitError) -> SqlServerError {
        let doing = format!("read the records of {}", self.relation);
        SqlServerError::new(doing, self.connector.options(), source)
    }

    /// The whole reading, once.
    async fn attempt(
        &self,
        query: &ReadQuery,
        isolation: Isolation,
        outlet: &Arc<Outlet>,
        readers: &mut JoinSet<Result<(), UnitError>>,
    ) -> Result<(), UnitError> {
        let (connector, relation, options) = (&self.connector, &self.relation, &self.options);
        let mut first = connector.connect().await?;
        let described = describe::describe(connector, &mut first, relation).await?;
        let layout = self.layout(&described, query.lengths)?;
        let in_snapshot = isolation::reads_snapshot(&mut first, relation, isolation).await?;
        let selecting = Selecting { options, relation, layout: &layout, query };
        let n_connections = options.connections.get();
        let shares = share_out(&mut first, &selecting, &described, n_connections).await?;
        let statements: Vec<_> =
            shares.all().into_iter().map(|share| selecting.statement(&shares, share)).collect();
        let n_more = n_connections.min(statements.len()).saturating_sub(1);
        let mut connections = vec![first];
        connections.extend(try_join_all((0..n_more).map(|_| connector.connect())).await?);
        if in_snapshot {
            // All of them before the first row is read, so that they see one state as nearly as
            // there can be one.
            let begun = connections.iter_mut().map(|c| isolation::begin_snapshot(c, relation));
            try_join_all(begun).await?;
        }
        debug!(
            n_connections = connections.len(),
            n_shares = statements.len(),
            "reading {relation}"
        );
        let units = (options.distance_unit, options.time_unit);
        let work = Arc::new(Work {
            statements,
            next: AtomicUsize::new(0),
            decoder: Decoder::new(&layout, units, &options.time_zone, query),
            outlet: Arc::clone(outlet),
            clock: Arc::clone(connector.clock()),
            limit: options.server.command_timeout,
            in_transaction: in_snapshot,
        });
        for connection in connections {
            readers.spawn(Arc::clone(&work).read_shares(connection));
        }
        while let Some(ended) = readers.join_next().await {
            ended.map_err(died)??;
        }
        Ok(())
    }

    /// The reading, as often as its failures are worth it and nothing has been handed over.
    async fn read_until_done(
        &self,
        query: &ReadQuery,
        outlet: &Arc<Outlet>,
        readers: &mut JoinSet<Result<(), UnitError>>,
    ) -> Result<(), UnitError> {
        let mut isolation = self.options.isolation;
        let mut n_failed = 0;
        loop {
            let failure = match self.attempt(query, isolation, outlet, readers).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            // One failure ends all: no reader may send into the next attempt.
            readers.shutdown().await;
            if outlet.has_sent() {
                return Err(failure);
            }
            if isolation == Isolation::Auto && isolation::is_snapshot_refused(&failure) {
                warn!(
                    "there are no snapshots to be had, reading what is committed: {}",
                    with_causes(&failure)
                );
                isolation = Isolation::ReadCommitted;
                continue;
            }
            n_failed += 1;
            let Some(wait) = self.back_off.wait(failure.retry_class(), n_failed) else {
                return Err(failure);
            };
            let why = with_causes(&failure);
            warn!(n_failed, wait_ms = wait.as_millis(), "beginning anew: {why}");
            self.connector.clock().sleep(wait).await;
        }
    }

    /// Where what stands, lengths included as far as they are wanted.
    fn layout(&self, described: &[Described], lengths: Lengths) -> Result<Layout, UnitError> {
        let (relation, options) = (&self.relation, &self.options);
        let layout = Layout::find(relation, described, &options.columns)?;
        if lengths == Lengths::No {
            return Ok(layout);
        }
        let there = described.iter().map(|column| column.name.as_str());
        let wanted = options.lengths.wanted(there, options.distance_unit);
        if lengths == Lengths::Needed && wanted.is_empty() {
            return Err(layout::no_lengths(relation));
        }
        layout.with_lengths(relation, described, &wanted)
    }

    /// What the server's catalogue says of the table's size.
    async fn n_rows(&self) -> Result<Option<u64>, UnitError> {
        let Some(table) = self.relation.table() else { return Ok(None) };
        let database = self.relation.database();
        let prefix = database.map(|database| format!("{database}.")).unwrap_or_default();
        let sql = include_str!("../sql/rows_of_table.sql").replace("{database}", &prefix);
        let mut connection = self.connector.connect().await?;
        let rows = connection.query(&sql, &[&table.to_string()]).await?;
        let n_rows = rows.into_iter().flatten().next().and_then(|row| row.try_get(0).ok()?);
        Ok(n_rows.and_then(|n: i64| u64::try_from(n).ok()).filter(|n| *n > 0))
    }
}

#[async_trait]
impl RecordSource for SqlServerSource {
    fn describe(&self) -> String {
        format!("{} on {}", self.relation, self.connector.options())
    }

    async fn n_rows_hint(&self, query: &ReadQuery) -> PortResult<Option<u64>> {
        if !query.window.is_unbounded() || !query.selection.is_all() {
            return Ok(None);
        }
        // Whatever is wrong with the server, the reading tells it better and tries again.
        Ok(self.n_rows().await.unwrap_or_else(|failure| {
            debug!("the number of rows is not known: {failure}");
            None
        }))
    }

    async fn read(
        &self,
        query: &ReadQuery,
        batches: mpsc::Sender<RecordBatch>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let outlet = Arc::new(Outlet::new(batches));
        let mut readers = JoinSet::new();
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(UnitError::Cancelled),
            () = outlet.closed() => Err(UnitError::Cancelled),
            outcome = self.read_until_done(query, &outlet, &mut readers) => outcome,
        };
        // Connections are closed and readers gone before this returns.
        readers.shutdown().await;
        outcome.map_err(|failure| self.failed(failure).into())
    }
}

/// A reader that panicked; none is stopped but by [`JoinSet::shutdown`].
fn died(error: JoinError) -> UnitError {
    ServerError::Panicked(error.to_string()).into()
}
