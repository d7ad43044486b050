//! From a source to collected groups: reading with back-pressure, again from the start where it broke.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::domain::RecordBatch;
use crate::ports::{Clock, FailureKind, PortError, RecordSource, with_causes};

use super::collect::Collected;
use super::error::JobError;
use super::events::{Observer, RunEvent};
use super::gate::Watch;
use super::plan::RunPlan;

/// Batches in flight between source and collector: enough to overlap both, a few MB at the most.
const MAX_BATCHES_IN_FLIGHT: usize = 4;

/// Waits before a broken read is begun again: a failover takes some seconds, a restart half a minute.
const READ_AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// Reads it all, from the start again after a failure that may pass: what a broken read delivered
/// is thrown away, so that no record counts twice.
pub(super) async fn read(
    plan: &RunPlan,
    source: &Arc<dyn RecordSource>,
    watch: &Watch,
    clock: &dyn Clock,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Collected, JobError> {
    let mut waits = READ_AGAIN_AFTER.iter();
    loop {
        let failure = match read_once(plan, source, watch, observer, cancel).await {
            Err(JobError::Source { source_name, cause }) if cause.kind.is_transient() => {
                (source_name, cause)
            }
            outcome => return outcome,
        };
        let (source_name, cause) = failure;
        let Some(&wait) = waits.next() else {
            return Err(JobError::Source { source_name, cause });
        };
        let why = with_causes(&cause);
        warn!(wait_s = wait.as_secs(), "reading again from the start: {why}");
        tokio::select! {
            () = cancel.cancelled() => return Err(JobError::Cancelled),
            () = clock.sleep(wait) => {}
        }
    }
}

async fn read_once(
    plan: &RunPlan,
    source: &Arc<dyn RecordSource>,
    watch: &Watch,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Collected, JobError> {
    let failed = |cause: PortError| match cause.kind {
        FailureKind::Cancelled if cancel.is_cancelled() => JobError::Cancelled,
        _ => JobError::Source { source_name: source.describe(), cause: cause.without_context() },
    };
    let query = plan.query();
    let n_expected = tokio::select! {
        () = cancel.cancelled() => return Err(JobError::Cancelled),
        hint = source.n_rows_hint(&query) => hint.map_err(failed)?,
    };
    // A child, so that a collector that stops early stops the reader too.
    let stop_reader = cancel.child_token();
    let _stop_on_return = stop_reader.clone().drop_guard();
    let (sender, mut batches) = mpsc::channel(MAX_BATCHES_IN_FLIGHT);
    let mut reader = JoinSet::new();
    let (reading, reading_query) = (Arc::clone(source), query.clone());
    reader.spawn(async move { reading.read(&reading_query, sender, &stop_reader).await });

    let mut collector = plan.collector().watching(watch.clone());
    while let Some(batch) = next_batch(&mut batches, cancel).await? {
        collector.take(&batch).map_err(failed)?;
        observer.notice(RunEvent::RowsRead { n_read: collector.n_read(), n_expected });
        // A source that is always ahead would keep others from this thread.
        tokio::task::yield_now().await;
    }
    match reader.join_next().await {
        Some(Ok(outcome)) => outcome.map_err(failed)?,
        Some(Err(died)) => return Err(failed(PortError::new(FailureKind::Internal, died))),
        None => {}
    }
    Ok(collector.finish())
}

async fn next_batch(
    batches: &mut mpsc::Receiver<RecordBatch>,
    cancel: &CancellationToken,
) -> Result<Option<RecordBatch>, JobError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(JobError::Cancelled),
        batch = batches.recv() => Ok(batch),
    }
}
