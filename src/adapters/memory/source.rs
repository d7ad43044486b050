//! A record source in memory, which can be told to fail or to wait.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fault::Hold;
use crate::domain::RecordBatch;
use crate::domain::record::RecordRef;
use crate::ports::{FailureKind, Lengths, PortError, PortResult, ReadQuery, RecordSource};

/// Delivers what it was given, as every source does: within the window, of the regions selected.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    batches: Vec<RecordBatch>,
    fault: Option<(usize, SourceFault)>,
}

#[derive(Debug, Clone)]
enum SourceFault {
    Fail(FailureKind),
    FailOnce(FailureKind, Arc<AtomicBool>),
    Hold(Hold),
}

impl MemorySource {
    /// A source of these batches.
    #[must_use]
    pub fn new(batches: Vec<RecordBatch>) -> Self {
        Self { batches, fault: None }
    }

    /// A source of these rows, in batches of at most `batch_rows`.
    #[must_use]
    pub fn of_rows<'a>(rows: impl IntoIterator<Item = RecordRef<'a>>, batch_rows: usize) -> Self {
        let mut batches = Vec::new();
        let mut batch = RecordBatch::default();
        for row in rows {
            batch.push(row);
            if batch.len() >= batch_rows {
                batches.push(std::mem::take(&mut batch));
            }
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        Self::new(batches)
    }

    /// Makes every read fail after `n_batches`.
    #[must_use]
    pub fn failing_after(mut self, n_batches: usize, kind: FailureKind) -> Self {
        self.fault = Some((n_batches, SourceFault::Fail(kind)));
        self
    }

    /// Makes the first read that gets so far fail after `n_batches`; later reads do not.
    #[must_use]
    pub fn failing_once_after(mut self, n_batches: usize, kind: FailureKind) -> Self {
        let fault = SourceFault::FailOnce(kind, Arc::new(AtomicBool::new(true)));
        self.fault = Some((n_batches, fault));
        self
    }

    /// Makes every read wait after `n_batches`, until it is let go or cancelled.
    #[must_use]
    pub fn holding_after(mut self, n_batches: usize, hold: Hold) -> Self {
        self.fault = Some((n_batches, SourceFault::Hold(hold)));
        self
    }

    async fn meet_fault(&self, n_sent: usize, cancel: &CancellationToken) -> PortResult<()> {
        let Some((_, fault)) = self.fault.as_ref().filter(|(at, _)| *at == n_sent) else {
            return Ok(());
        };
        let failure =
            |kind| Err(PortError::new(kind, format!("scripted failure after {n_sent} batches")));
        match fault {
            SourceFault::Fail(kind) => failure(*kind),
            SourceFault::FailOnce(kind, is_first) if is_first.swap(false, Relaxed) => {
                failure(*kind)
            }
            SourceFault::FailOnce(..) => Ok(()),
            SourceFault::Hold(hold) => tokio::select! {
                () = cancel.cancelled() => Err(PortError::cancelled()),
                () = hold.pass() => Ok(()),
            },
        }
    }
}

fn is_wanted(query: &ReadQuery, row: &RecordRef<'_>) -> bool {
    let (from_us, to_us) = query.window.bounds_us();
    let region = row.region.map(str::trim).unwrap_or_default();
    row.occurred_at_us.is_none_or(|at| (from_us..to_us).contains(&at))
        && (query.selection.is_all() || !region.is_empty() && query.selection.contains(region))
}

#[async_trait]
impl RecordSource for MemorySource {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    async fn n_rows_hint(&self, query: &ReadQuery) -> PortResult<Option<u64>> {
        let rows = self.batches.iter().flat_map(RecordBatch::rows);
        Ok(Some(rows.filter(|row| is_wanted(query, row)).count() as u64))
    }

    async fn read(
        &self,
        query: &ReadQuery,
        batches: mpsc::Sender<RecordBatch>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        for (n_sent, batch) in self.batches.iter().enumerate() {
            self.meet_fault(n_sent, cancel).await?;
            let mut wanted = match query.lengths {
                Lengths::No => RecordBatch::default(),
                Lengths::IfAny | Lengths::Needed => RecordBatch::of_classes(&batch.classes),
            };
            for row in batch.rows().filter(|row| is_wanted(query, row)) {
                wanted.push(row);
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(PortError::cancelled()),
                sent = batches.send(wanted) => sent.map_err(|_| PortError::cancelled())?,
            }
        }
        self.meet_fault(self.batches.len(), cancel).await
    }
}
