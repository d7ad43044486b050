//! A record file behind the port.

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::error::FileError;
use super::format::{Format, record_format};
use super::options::{FileOptions, LengthColumns};
use super::reader::RecordReader;
use crate::domain::record::road;
use crate::domain::{RecordBatch, Selection};
use crate::ports::{FailureKind, Lengths, PortError, PortResult, ReadQuery, RecordSource};

/// Records of one file. It reads the whole file, whatever the window: the job refuses the rows
/// outside, so that they are counted.
#[derive(Debug, Clone)]
pub struct FileSource {
    pub(super) options: FileOptions,
}

impl FileSource {
    /// A source that reads the file anew for every query. Nothing is opened yet.
    #[must_use]
    pub fn new(options: FileOptions) -> Self {
        Self { options }
    }

    async fn open(&self, lengths: Lengths) -> PortResult<RecordReader> {
        let mut options = self.options.clone();
        if lengths == Lengths::No {
            options.lengths = LengthColumns::None;
        }
        let opened = spawn_blocking(move || RecordReader::open(&options)).await;
        let reader = opened.map_err(broken)??;
        let path = || self.options.path.clone();
        let n_classes = reader.classes().len();
        if lengths == Lengths::Needed && n_classes == 0 {
            return Err(FileError::NoLengths { path: path() }.into());
        }
        // Before a batch of them is held.
        if n_classes > road::MAX_CLASSES {
            return Err(FileError::TooManyClasses { path: path(), n_classes }.into());
        }
        Ok(reader)
    }
}

#[async_trait]
impl RecordSource for FileSource {
    fn describe(&self) -> String {
        format!("the file `{}`", self.options.path.display())
    }

    async fn n_rows_hint(&self, query: &ReadQuery) -> PortResult<Option<u64>> {
        let format = record_format(&self.options.path, self.options.format)?;
        // CSV does not tell, and a pipe can be opened only once.
        if format == Format::Csv || !query.selection.is_all() {
            return Ok(None);
        }
        Ok(self.open(query.lengths).await?.n_rows())
    }

    async fn read(
        &self,
        query: &ReadQuery,
        batches: mpsc::Sender<RecordBatch>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        // The guard stops the thread where this future is dropped before its end.
        let stop = cancel.child_token();
        let _guard = stop.clone().drop_guard();
        let reader = self.open(query.lengths).await?;
        let selection = query.selection.clone();
        let runtime = Handle::current();
        let task = move || {
            let send = |batch| runtime.block_on(stop.run_until_cancelled(batches.send(batch)));
            for batch in reader {
                let batch = selected(batch?, &selection);
                let is_sent = batch.is_empty() || matches!(send(batch), Some(Ok(())));
                if stop.is_cancelled() || !is_sent {
                    return Err(PortError::cancelled());
                }
            }
            Ok(())
        };
        spawn_blocking(task).await.map_err(broken)?
    }
}

/// The rows of the selected regions. Without a region a row is selected only where all are.
fn selected(batch: RecordBatch, selection: &Selection) -> RecordBatch {
    if selection.is_all() {
        return batch;
    }
    let mut rest = RecordBatch::of_classes(&batch.classes);
    for row in batch.rows() {
        if row.region.is_some_and(|region| selection.contains(region)) {
            rest.push(row);
        }
    }
    rest
}

fn broken(error: tokio::task::JoinError) -> PortError {
    PortError::new(FailureKind::Internal, error)
}
