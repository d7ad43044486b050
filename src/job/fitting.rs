//! From a source to fitted groups: reading, collecting, and one fit per group on all cores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::domain::{GroupKey, RecordBatch, RefusalReason, RefusalRow};
use crate::fit::summary::{DistanceBin, distance_bins};
use crate::fit::{Curve, FitOptions, FitReport, Model, Observations, fit};
use crate::ports::{Clock, FailureKind, PortError, RecordSource};

use super::collect::{Collected, GroupRecords};
use super::error::JobError;
use super::events::{Observer, RunEvent};
use super::plan::RunPlan;

/// Batches in flight between source and collector: enough to overlap both, a few MB at the most.
const MAX_BATCHES_IN_FLIGHT: usize = 4;

/// Waits before a broken read is begun again: a failover takes some seconds, a restart half a minute.
const READ_AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// Points of a group's plot: more would not be told apart.
const N_PLOT_BINS: usize = 20;

/// One group after its fit.
#[derive(Debug, Clone)]
pub struct FittedGroup {
    /// Which group.
    pub key: GroupKey,
    /// Records offered to the fit.
    pub n_used: u64,
    /// Rows refused that named this group.
    pub n_refused: u64,
    /// Longest trip, km; 0 without records.
    pub longest_km: f64,
    /// Share of each class of road in the ways of its records; empty unless they carry lengths.
    pub class_shares: Vec<f64>,
    /// Observed times by distance.
    pub bins: Vec<DistanceBin>,
    /// The fit, or why there is none although there were records.
    pub fit: Result<FitReport, String>,
}

/// What a source gave, fitted.
#[derive(Debug, Clone)]
pub struct FittedSource {
    /// Groups, ordered by key.
    pub groups: Vec<FittedGroup>,
    /// Refusals by region and reason.
    pub refusals: Vec<RefusalRow>,
    /// Refusals by reason.
    pub refused: BTreeMap<RefusalReason, u64>,
    /// Rows read.
    pub n_read: u64,
    /// Rows accepted.
    pub n_used: u64,
    /// Time spent waiting for and sorting rows.
    pub read_time: Duration,
    /// Time spent fitting.
    pub fit_time: Duration,
}

/// Reads what the plan asks for and fits every group.
///
/// # Errors
/// [`JobError::Source`] where reading fails, [`JobError::Cancelled`] after the stop signal. A group
/// whose fit fails or panics is no error: it says so itself.
pub async fn fit_source(
    plan: &RunPlan,
    source: &Arc<dyn RecordSource>,
    clock: &dyn Clock,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<FittedSource, JobError> {
    let begun = clock.now();
    let collected = read(plan, source, clock, observer, cancel).await?;
    let read_done = clock.now();
    let n_used = collected.n_used();
    let refused = collected.refused_by_reason();
    let model = plan.model.build(&collected);
    let Collected { groups, refusals, n_read, .. } = collected;
    let groups = match model {
        Some(model) => fit_groups(groups, &model, plan, observer, cancel).await?,
        None if groups.is_empty() => Vec::new(),
        None => return Err(without_lengths(source.describe())),
    };
    Ok(FittedSource {
        groups,
        refusals: refusals.into_rows(),
        refused,
        n_read,
        n_used,
        read_time: between(begun, read_done),
        fit_time: between(read_done, clock.now()),
    })
}

fn without_lengths(source_name: String) -> JobError {
    let what = "the records carry no lengths by class of road, which the model needs";
    JobError::Source { source_name, cause: PortError::new(FailureKind::Missing, what) }
}

impl FittedGroup {
    /// The fitted curve, for which a bare distance is a way of the group's own mix of roads.
    #[must_use]
    pub fn curve(&self) -> Option<Curve> {
        self.fit.as_ref().ok()?.curve().map(|curve| self.at_own_mix(curve))
    }

    /// A curve as it is for the group's own mix of roads.
    #[must_use]
    pub fn at_own_mix(&self, curve: Curve) -> Curve {
        curve.with_shares(&self.class_shares).unwrap_or(curve)
    }
}

/// Time from one moment to a later one; none where the clock was set back.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// Reads it all, from the start again after a failure that may pass: what a broken read delivered
/// is thrown away, so that no record counts twice.
async fn read(
    plan: &RunPlan,
    source: &Arc<dyn RecordSource>,
    clock: &dyn Clock,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Collected, JobError> {
    let mut waits = READ_AGAIN_AFTER.iter();
    loop {
        let failure = match read_once(plan, source, observer, cancel).await {
            Err(JobError::Source { source_name, cause }) if cause.kind.is_transient() => {
                (source_name, cause)
            }
            outcome => return outcome,
        };
        let (source_name, cause) = failure;
        let Some(&wait) = waits.next() else {
            return Err(JobError::Source { source_name, cause });
        };
        warn!(wait_s = wait.as_secs(), "reading again from the start: {cause}");
        tokio::select! {
            () = cancel.cancelled() => return Err(JobError::Cancelled),
            () = clock.sleep(wait) => {}
        }
    }
}

async fn read_once(
    plan: &RunPlan,
    source: &Arc<dyn RecordSource>,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Collected, JobError> {
    let failed = |cause: PortError| match cause.kind {
        FailureKind::Cancelled if cancel.is_cancelled() => JobError::Cancelled,
        _ => JobError::Source { source_name: source.describe(), cause },
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

    let mut collector = plan.collector();
    while let Some(batch) = next_batch(&mut batches, cancel).await? {
        collector.take(&batch).map_err(failed)?;
        observer.notice(RunEvent::RowsRead { n_read: collector.n_read(), n_expected });
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

/// One fit per group, at most `plan.workers` at once, the largest first so that no core is left
/// with a long one at the end.
async fn fit_groups(
    groups: Vec<GroupRecords>,
    model: &Arc<dyn Model>,
    plan: &RunPlan,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Vec<FittedGroup>, JobError> {
    let n_total = groups.len();
    let mut waiting = groups;
    waiting.sort_by_key(|group| group.samples.len());
    let mut fits: JoinSet<FittedGroup> = JoinSet::new();
    let mut fitted = Vec::with_capacity(n_total);
    loop {
        while fits.len() < plan.workers.get() && !cancel.is_cancelled() {
            let Some(group) = waiting.pop() else { break };
            let (model, options) = (Arc::clone(model), plan.fit_options.clone());
            let cancel = cancel.clone();
            fits.spawn_blocking(move || fit_group(group, &*model, &options, &cancel));
        }
        match fits.join_next().await {
            Some(Ok(group)) => {
                debug!(region = %group.key.region, n_used = group.n_used, "group fitted");
                fitted.push(group);
                observer.notice(RunEvent::GroupsFitted { n_done: fitted.len(), n_total });
            }
            // A panic of a fit is caught in `fit_group`: what is left is a runtime that shuts down.
            Some(Err(_)) => return Err(JobError::Cancelled),
            None => break,
        }
    }
    if cancel.is_cancelled() {
        return Err(JobError::Cancelled);
    }
    fitted.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(fitted)
}

fn fit_group(
    group: GroupRecords,
    model: &dyn Model,
    options: &FitOptions,
    cancel: &CancellationToken,
) -> FittedGroup {
    let GroupRecords { key, samples, columns, n_refused, .. } = group;
    let n_used = samples.len() as u64;
    let longest_km = samples.iter().map(|s| s.distance_km).fold(0.0, f64::max);
    let work = std::panic::AssertUnwindSafe(|| {
        let observations = Observations::with_columns(samples, columns);
        let report = fit(model, &observations, options, &|| cancel.is_cancelled());
        (distance_bins(&observations, N_PLOT_BINS), observations.class_shares(), report)
    });
    let (bins, class_shares, fit) = match std::panic::catch_unwind(work) {
        Ok((bins, class_shares, report)) => (bins, class_shares, Ok(report)),
        Err(_) => {
            let why = "the fit panicked: a mistake in speedfit".to_owned();
            (Vec::new(), Vec::new(), Err(why))
        }
    };
    FittedGroup { key, n_used, n_refused, longest_km, class_shares, bins, fit }
}
