//! The first records of a source, judged as a run would judge them, and the model that they prefer;
//! nothing is kept.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::plan::RunPlan;
use super::preference;
use crate::domain::{ModelPreference, RecordBatch, RefusalRow};
use crate::ports::{FailureKind, PortError, PortResult, RecordSource};

/// What the first records of a source are like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampled {
    /// Records looked at.
    pub n_read: u64,
    /// Those that a fit would take.
    pub n_used: u64,
    /// Groups that they fall into.
    pub n_groups: usize,
    /// Whether the source holds no more.
    pub is_all: bool,
    /// Refusals by region and reason, with examples.
    pub refusals: Vec<RefusalRow>,
    /// The model that they prefer to the one that is set.
    pub model_preference: Option<ModelPreference>,
}

/// Reads at most `max_records` of what the plan asks for, then stops the reader.
///
/// # Errors
/// That of the source; [`FailureKind::Cancelled`] after the stop signal.
pub async fn sample(
    plan: &RunPlan,
    source: &Arc<dyn RecordSource>,
    max_records: u64,
    cancel: &CancellationToken,
) -> PortResult<Sampled> {
    let query = plan.query();
    let stop_reader = cancel.child_token();
    let _stop_on_return = stop_reader.clone().drop_guard();
    let (sender, mut batches) = mpsc::channel(1);
    let mut reader = JoinSet::new();
    let (reading, stop) = (Arc::clone(source), stop_reader.clone());
    reader.spawn(async move { reading.read(&query, sender, &stop).await });

    let mut collector = plan.collector();
    let mut is_all = false;
    loop {
        let batch = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(PortError::cancelled()),
            batch = batches.recv() => batch,
        };
        let Some(batch) = batch else {
            is_all = true;
            break;
        };
        let room = max_records - collector.n_read();
        if batch.len() as u64 > room {
            collector.take(&beginning(&batch, room))?;
            break;
        }
        collector.take(&batch)?;
    }
    drop(batches);
    stop_reader.cancel();
    match reader.join_next().await {
        // It was told to stop.
        Some(Ok(Err(error))) if !is_all && error.kind == FailureKind::Cancelled => {}
        Some(Ok(outcome)) => outcome?,
        Some(Err(died)) => return Err(PortError::new(FailureKind::Internal, died)),
        None => {}
    }
    let mut collected = collector.finish();
    let refusals = std::mem::take(&mut collected.refusals).into_rows();
    let (n_read, n_used) = (collected.n_read, collected.n_used());
    let n_groups = collected.groups.len();
    let (plan, stop) = (plan.clone(), cancel.clone());
    let work = move || preference::preferred(&plan, collected, &|| stop.is_cancelled());
    // Like every fit it may take a moment; a panic is no finding of the source.
    let model_preference = tokio::task::spawn_blocking(work).await.unwrap_or_default();
    Ok(Sampled { n_read, n_used, n_groups, is_all, refusals, model_preference })
}

fn beginning(batch: &RecordBatch, n_rows: u64) -> RecordBatch {
    let mut rows = RecordBatch::of_classes(&batch.classes);
    // A batch has far fewer rows than either type can count.
    for row in batch.rows().take(usize::try_from(n_rows).unwrap_or(usize::MAX)) {
        rows.push(row);
    }
    rows
}
