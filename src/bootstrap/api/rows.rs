//! A limit on the records of a source: what a stranger sends may unpack to any size.

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::domain::RecordBatch;
use crate::ports::{FailureKind, PortError, PortResult, ReadQuery, RecordSource};

/// Delivers what another source does, or fails where that is too much.
pub(super) struct Limited<S> {
    source: S,
    max_records: u64,
}

/// Batches between the two: enough that neither waits for the other.
const N_BATCHES: usize = 2;

impl<S: RecordSource> Limited<S> {
    /// At most so many records of that source.
    pub(super) fn new(source: S, max_records: u64) -> Self {
        Self { source, max_records }
    }

    fn too_many(&self) -> PortError {
        let max_records = self.max_records;
        PortError::new(
            FailureKind::Refused,
            format!("it holds more than {max_records} records, the most that are taken"),
        )
        .with_hint("send fewer; the limit follows from the setting `http.max_body_mb`")
    }
}

#[async_trait]
impl<S: RecordSource> RecordSource for Limited<S> {
    fn describe(&self) -> String {
        self.source.describe()
    }

    async fn n_rows_hint(&self, query: &ReadQuery) -> PortResult<Option<u64>> {
        self.source.n_rows_hint(query).await
    }

    async fn read(
        &self,
        query: &ReadQuery,
        batches: mpsc::Sender<RecordBatch>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let (sender, mut receiver) = mpsc::channel(N_BATCHES);
        // Dropping the receiver stops the source.
        let relay = async move {
            let mut n_records = 0_u64;
            while let Some(batch) = receiver.recv().await {
                n_records += RecordBatch::len(&batch) as u64;
                if n_records > self.max_records {
                    return Err(self.too_many());
                }
                batches.send(batch).await.map_err(|_| PortError::cancelled())?;
            }
            Ok(())
        };
        let (read, relayed) = tokio::join!(self.source.read(query, sender, cancel), relay);
        relayed?;
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::MemorySource;
    use crate::domain::record::RecordRef;

    #[tokio::test]
    async fn a_source_over_the_limit_fails() {
        let row = RecordRef { region: Some("A"), distance_km: Some(1.0), ..RecordRef::default() };
        let source = MemorySource::of_rows(vec![row; 10], 4);
        let read = async |max_records: u64| {
            let limited = Limited::new(source.clone(), max_records);
            let (sender, mut receiver) = mpsc::channel(8);
            let cancel = CancellationToken::new();
            let outcome = limited.read(&ReadQuery::default(), sender, &cancel).await;
            let mut n_records = 0;
            while let Some(batch) = receiver.recv().await {
                n_records += batch.len();
            }
            (outcome.map_err(|error| error.kind), n_records)
        };
        assert_eq!(read(10).await, (Ok(()), 10));
        assert_eq!(read(9).await, (Err(FailureKind::Refused), 8));
    }
}
