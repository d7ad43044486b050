//! Streams the shares, one after another on each connection.
//!
//! Between the driver's row and the job's batch there is one buffer and no other work; what waits
//! for the job holds the server's stream up by TCP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tiberius::{QueryItem, QueryStream};
use tokio::sync::mpsc;
use tracing::debug;

use super::decode::Decoder;
use super::statement::Statement;
use crate::adapters::sqlserver::connection::{Connection, RawClient, bounded};
use crate::adapters::sqlserver::error::UnitError;
use crate::domain::RecordBatch;
use crate::ports::Clock;

/// Where batches go.
pub(super) struct Outlet {
    batches: mpsc::Sender<RecordBatch>,
    has_sent: AtomicBool,
}

impl Outlet {
    pub(super) fn new(batches: mpsc::Sender<RecordBatch>) -> Self {
        Self { batches, has_sent: AtomicBool::new(false) }
    }

    /// Whether anything was handed over: from then on the reading cannot begin anew.
    pub(super) fn has_sent(&self) -> bool {
        self.has_sent.load(Ordering::Acquire)
    }

    /// Returns when nobody wants records any more.
    pub(super) async fn closed(&self) {
        self.batches.closed().await;
    }

    async fn send(&self, batch: RecordBatch) -> Result<(), UnitError> {
        self.has_sent.store(true, Ordering::Release);
        self.batches.send(batch).await.map_err(|_| UnitError::Cancelled)
    }
}

/// What the readers of one reading share.
pub(super) struct Work {
    /// One statement for each share.
    pub(super) statements: Vec<Statement>,
    /// The first that nobody has taken.
    pub(super) next: AtomicUsize,
    pub(super) decoder: Decoder,
    pub(super) outlet: Arc<Outlet>,
    pub(super) clock: Arc<dyn Clock>,
    /// Longest wait for the server, for one batch.
    pub(super) limit: Duration,
    /// Whether the connections have transactions open.
    pub(super) in_transaction: bool,
}

impl Work {
    /// Reads shares until none is left.
    pub(super) async fn read_shares(
        self: Arc<Self>,
        mut connection: Connection,
    ) -> Result<(), UnitError> {
        let mut decoder = self.decoder.clone();
        let mut batch = decoder.empty_batch();
        loop {
            let share = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(statement) = self.statements.get(share) else { break };
            let mut client = connection.take()?;
            // After any failure the client is dropped, with whatever is still to come.
            self.stream(&mut client, statement, &mut decoder, &mut batch).await?;
            connection.settle(client, Ok(()))?;
        }
        if self.in_transaction
            && let Err(failure) = connection.commit().await
        {
            // Everything is read; the transaction ends with the connection.
            debug!("the end of the transaction was not confirmed: {failure}");
        }
        // The server is done with; only the job is waited for.
        drop(connection);
        if batch.is_empty() { Ok(()) } else { self.outlet.send(batch).await }
    }

    /// Reads one share to its end.
    async fn stream(
        &self,
        client: &mut RawClient,
        statement: &Statement,
        decoder: &mut Decoder,
        batch: &mut RecordBatch,
    ) -> Result<(), UnitError> {
        let parameters = statement.bound();
        let begin = client.query(statement.sql.as_str(), &parameters);
        let mut rows = bounded(&*self.clock, self.limit, begin).await?;
        loop {
            let filling = fill(&mut rows, decoder, batch);
            let is_over = bounded(&*self.clock, self.limit, filling).await?;
            if batch.is_full() {
                let next = batch.another();
                self.outlet.send(std::mem::replace(batch, next)).await?;
            }
            if is_over {
                return Ok(());
            }
        }
    }
}

/// Takes rows until the batch is full, the server has sent as many as it holds, or the stream is
/// over; says whether it is.
async fn fill(
    rows: &mut QueryStream<'_>,
    decoder: &mut Decoder,
    batch: &mut RecordBatch,
) -> Result<bool, tiberius::error::Error> {
    let mut n_seen = 0;
    while n_seen < RecordBatch::MAX_ROWS && !batch.is_full() {
        match rows.try_next().await? {
            Some(QueryItem::Row(row)) => decoder.push(&row.into_token_row(), batch),
            Some(QueryItem::Metadata(_)) => {}
            None => return Ok(true),
        }
        n_seen += 1;
    }
    Ok(false)
}
