//! The incident records, streamed in the order in which they were imported.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::error::{EmbeddedError, StatementError};
use super::lengths::Classes;
use super::{Embedded, blocking};
use crate::domain::record::RecordRef;
use crate::domain::{IncidentId, RecordBatch, RowFault};
use crate::ports::{Lengths, PortResult, ReadQuery, RecordSource};

#[async_trait]
impl RecordSource for Embedded {
    fn describe(&self) -> String {
        format!("SQLite file `{}`", self.inner.shown)
    }

    async fn n_rows_hint(&self, query: &ReadQuery) -> PortResult<Option<u64>> {
        if !query.window.is_unbounded() || !query.selection.is_all() {
            return Ok(None);
        }
        self.read("count the records", |transaction| {
            let n_rows: i64 =
                transaction.query_row(include_str!("sql/n_incidents.sql"), [], |row| row.get(0))?;
            Ok(u64::try_from(n_rows).ok())
        })
        .await
    }

    async fn read(
        &self,
        query: &ReadQuery,
        batches: mpsc::Sender<RecordBatch>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let (inner, query) = (Arc::clone(&self.inner), query.clone());
        let outlet = Outlet { batches, cancel: cancel.clone(), runtime: Handle::current() };
        blocking(move || {
            let reader = inner.reader()?;
            stream(&reader.connection, &query, &outlet)
                .map_err(|source| EmbeddedError::ledger(READ.to_owned(), &inner.shown, source))?;
            inner.check_whole(READ, &reader)
        })
        .await
    }
}

const READ: &str = "read the records";

/// Position of the region in a row of `incidents.sql`.
const REGION: usize = 1;
/// Positions of the import and of the lengths.
const LENGTHS: (usize, usize) = (9, 10);

/// Where batches go; waits for room, and for the stop signal.
struct Outlet {
    batches: mpsc::Sender<RecordBatch>,
    cancel: CancellationToken,
    runtime: Handle,
}

impl Outlet {
    fn check(&self) -> Result<(), StatementError> {
        if self.cancel.is_cancelled() || self.batches.is_closed() {
            return Err(StatementError::Cancelled);
        }
        Ok(())
    }

    fn send(&self, batch: RecordBatch) -> Result<(), StatementError> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => Err(StatementError::Cancelled),
                sent = self.batches.send(batch) => sent.map_err(|_| StatementError::Cancelled),
            }
        })
    }
}

fn stream(
    connection: &Connection,
    query: &ReadQuery,
    outlet: &Outlet,
) -> Result<(), StatementError> {
    let classes = Classes::read(connection, query.lengths)?;
    let lengths = if classes.all.is_empty() { "NULL" } else { "lengths" };
    if query.window.is_unbounded() {
        let sql = include_str!("sql/all_incidents.sql").replace("{lengths}", lengths);
        let mut statement = connection.prepare(&sql)?;
        send_rows(statement.query([])?, query, &classes, outlet)
    } else {
        let sql = include_str!("sql/incidents.sql").replace("{lengths}", lengths);
        let mut statement = connection.prepare(&sql)?;
        send_rows(statement.query(query.window.bounds_us())?, query, &classes, outlet)
    }
}

fn send_rows(
    mut rows: rusqlite::Rows<'_>,
    query: &ReadQuery,
    classes: &Classes,
    outlet: &Outlet,
) -> Result<(), StatementError> {
    let mut batch = RecordBatch::of_classes(&classes.all);
    let mut lengths = vec![None; classes.all.len()];
    let mut n_seen = 0_usize;
    while let Some(row) = rows.next()? {
        if n_seen == 0 && query.lengths == Lengths::Needed && classes.all.is_empty() {
            return Err(StatementError::NoLengths);
        }
        // A selection may pass over many rows between two batches.
        n_seen += 1;
        if n_seen.is_multiple_of(RecordBatch::MAX_ROWS) {
            outlet.check()?;
        }
        if is_selected(query, text(row, REGION)?) {
            classes.lengths(row, LENGTHS, &mut lengths)?;
            batch.push(RecordRef { lengths_km: &lengths, ..record(row)? });
        }
        if batch.is_full() {
            let next = RecordBatch::of_classes(&classes.all);
            outlet.send(std::mem::replace(&mut batch, next))?;
        }
    }
    if batch.is_empty() { outlet.check() } else { outlet.send(batch) }
}

fn is_selected(query: &ReadQuery, region: Option<&str>) -> bool {
    let (selection, name) = (&query.selection, region.map(str::trim).unwrap_or_default());
    selection.is_all() || (!name.is_empty() && selection.contains(name))
}

/// A row of `incidents.sql`, its columns by position: names cost as much as the values.
fn record<'a>(row: &'a Row<'_>) -> rusqlite::Result<RecordRef<'a>> {
    Ok(RecordRef {
        incident_id: text(row, 0)?.map(IncidentId::Text),
        region: text(row, REGION)?,
        parent_region: text(row, 2)?,
        priority: text(row, 3)?,
        occurred_at_us: row.get(4)?,
        distance_km: row.get(5)?,
        travel_time_s: row.get(6)?,
        weight: row.get(7)?,
        lengths_km: &[],
        fault: text(row, 8)?.map(RowFault::from_stored),
    })
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Option<&'a str>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        value => value.as_str().map(Some).map_err(Into::into),
    }
}
