//! A run whose records several processes read: each stages its part under one run, and the one that
//! finds all parts there makes the run of them.
//!
//! Reading is shared and nothing else: by least squares a group is fitted in a tenth of the time that it
//! takes to read. The run itself is therefore an ordinary one whose source is what was staged: whatever
//! a single process would publish, this one publishes, bit by bit. A shard that dies is started again,
//! one that is started twice changes nothing, and a run whose shards never complete expires, see
//! `expiry.rs`.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::error::JobError;
use super::events::{Observer, RunEvent};
use super::execute::{Gathered, World, gather, request};
use super::expiry::MAX_OPEN;
use super::fitting::between;
use super::outcome::RunReport;
use super::plan::RunPlan;
use crate::domain::{RecordBatch, RunId, RunRow, RunStatus, Shard};
use crate::ports::{
    Conclusion, FailureKind, PortError, PortResult, ReadQuery, RecordSource, RunFilter,
    StagedShard, Store,
};

/// Time between two looks whether another process has made the run.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Batches on their way from the source to the stage.
const MAX_BATCHES_IN_FLIGHT: usize = 4;

/// Tries to open a run where other shards open one at the same moment.
const MAX_TRIES: usize = 8;

/// What became of a shard; `M` is what the last one has to show.
pub enum ShardOutcome<M = RunReport> {
    /// Its part is staged; others are still to come.
    Staged {
        /// The run that it belongs to.
        run_id: RunId,
        /// Its rows.
        n_rows: u64,
        /// Shards staged so far.
        n_staged: u32,
    },
    /// It was the last, and made the run.
    Made(Box<M>),
    /// The run was over: another process has made it, or given it up.
    Over(Box<RunRow>),
}

/// How far a shard came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It had no run to be part of.
    NoRun,
    /// It read its part of this run and staged it.
    Part(RunId),
    /// Every part of this run was there, and it made the run of them.
    All(RunId),
}

impl Reached {
    /// The run, where there is one.
    #[must_use]
    pub fn run_id(self) -> Option<RunId> {
        match self {
            Self::NoRun => None,
            Self::Part(run_id) | Self::All(run_id) => Some(run_id),
        }
    }
}

/// A shard that failed.
#[derive(Debug)]
pub struct ShardFailure {
    /// How far it came.
    pub reached: Reached,
    /// Why it came no further.
    pub cause: JobError,
}

/// What a shard needs to know beyond the plan of the run.
#[derive(Debug, Clone)]
pub struct ShardAsk {
    /// Which part.
    pub shard: Shard,
    /// Name that the shards of one run share, where they have one: a shard that is started again after
    /// the run is over then finds it.
    pub key: Option<String>,
}

impl ShardAsk {
    fn slot(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("shards/{key}"))
    }
}

/// Reads one part of the records, stages it, and makes the run where it was the last. Runs that have
/// expired are given up before, see [`give_up_expired`](super::give_up_expired), or this one joins them.
///
/// # Errors
/// [`ShardFailure`]; the run stays open then, so that the shard can be started again.
pub async fn run_shard(
    plan: &RunPlan,
    world: &World,
    ask: &ShardAsk,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<ShardOutcome, ShardFailure> {
    let row = match open(plan, world, ask, cancel).await {
        Ok(row) if row.status.is_final() => return Ok(ShardOutcome::Over(Box::new(row))),
        Ok(row) => row,
        Err(cause) => return Err(ShardFailure { reached: Reached::NoRun, cause }),
    };
    // What the first shard asked for holds for all: a window that ends now ends at one moment.
    let mut plan = plan.clone();
    plan.limits.window = row.request.window;
    plan.request = row.request;
    let worker = Worker { plan: &plan, world, ask, run_id: row.id, observer, cancel };
    worker.work().await
}

/// The run to take part in: the one that is open, or a new one.
async fn open(
    plan: &RunPlan,
    world: &World,
    ask: &ShardAsk,
    cancel: &CancellationToken,
) -> Result<RunRow, JobError> {
    let store = &*world.store;
    for _ in 0..MAX_TRIES {
        // Before the look for an open run: shards that start at the same moment and know no common
        // name then want the same slot, and one gets it.
        let newest = runs(store, plan, None, 1).await?.first().map_or(0, |row| row.id.0);
        if let Some(row) = find(plan, store, ask).await? {
            return Ok(row);
        }
        let mut plan = plan.clone();
        plan.request.detail.n_shards = Some(ask.shard.count());
        plan.request.slot = Some(ask.slot().unwrap_or_else(|| format!("shards/after-{newest}")));
        match request(&plan, world, cancel).await {
            Ok(run_id) => {
                let Some(found) = find(&plan, store, ask).await? else { continue };
                if found.id != run_id {
                    withdraw(&plan, world, run_id, found.id).await?;
                }
                return Ok(found);
            }
            Err(JobError::Store { cause, .. }) if cause.kind == FailureKind::Taken => {}
            Err(error) => return Err(error),
        }
    }
    let cause = PortError::new(FailureKind::Conflict, "other shards open runs at the same time");
    Err(JobError::of_store(&*world.store, "open a run for the shards", cause))
}

/// Takes back a run that was opened while another shard opened one.
async fn withdraw(
    plan: &RunPlan,
    world: &World,
    run_id: RunId,
    instead: RunId,
) -> Result<(), JobError> {
    let store = &*world.store;
    let conclusion = Conclusion {
        message: format!("withdrawn: run {instead} was opened by another shard"),
        ..Conclusion::without_set(run_id, RunStatus::Cancelled, world.clock.now())
    };
    info!(run = run_id.0, scope = %plan.request.scope, "withdrawn for run {instead}");
    let concluded = store.conclude(&conclusion).await;
    concluded.map_err(|cause| JobError::of_store(store, "withdraw the run", cause))
}

/// The run that this shard is one of: that of its name, or the first that is open.
async fn find(
    plan: &RunPlan,
    store: &dyn Store,
    ask: &ShardAsk,
) -> Result<Option<RunRow>, JobError> {
    if let Some(slot) = ask.slot() {
        // By its name, over or not.
        let all = runs(store, plan, None, MAX_OPEN).await?;
        let found = all.into_iter().find(|row| row.request.slot.as_deref() == Some(slot.as_str()));
        return found.map(|row| same_job(plan, ask, row)).transpose();
    }
    let open = runs(store, plan, Some(RunStatus::Requested), MAX_OPEN).await?;
    let found = open.into_iter().rfind(|row| row.request.detail.n_shards.is_some());
    found.map(|row| same_job(plan, ask, row)).transpose()
}

/// The run, where this shard is one of its parts.
fn same_job(plan: &RunPlan, ask: &ShardAsk, row: RunRow) -> Result<RunRow, JobError> {
    let refuse = |why: String| Err(JobError::ShardMisfit { run_id: row.id, why });
    let request = &row.request;
    if request.detail.n_shards != Some(ask.shard.count()) {
        let n = request.detail.n_shards.unwrap_or(1);
        return refuse(format!("it has {n} shards, and this is one of {}", ask.shard.count()));
    }
    if request.settings_hash != plan.request.settings_hash {
        return refuse("its settings are others".to_owned());
    }
    let (asked, own) = (&request.detail, &plan.request.detail);
    if (&asked.select, &asked.exclude) != (&own.select, &own.exclude) {
        return refuse("it selects others".to_owned());
    }
    if request.code_version != plan.request.code_version {
        return refuse(format!("it is of version {}", request.code_version));
    }
    Ok(row)
}

/// One shard at work.
struct Worker<'a> {
    plan: &'a RunPlan,
    world: &'a World,
    ask: &'a ShardAsk,
    run_id: RunId,
    observer: &'a dyn Observer,
    cancel: &'a CancellationToken,
}

impl Worker<'_> {
    async fn work(&self) -> Result<ShardOutcome, ShardFailure> {
        let run_id = self.run_id;
        let missing = self.part().await;
        let missing =
            missing.map_err(|cause| ShardFailure { reached: Reached::Part(run_id), cause })?;
        if let Some(outcome) = missing {
            return Ok(outcome);
        }
        let made = self.gather().await;
        made.map_err(|cause| ShardFailure { reached: Reached::All(run_id), cause })
    }

    /// Stages the part, unless it is there; `None` where every part is there then.
    async fn part(&self) -> Result<Option<ShardOutcome>, JobError> {
        let (store, index) = (&*self.world.store, self.ask.shard.index());
        self.observer.notice(RunEvent::Started(self.run_id));
        let before = self.staged().await?;
        let n_rows = match before.iter().find(|shard| shard.index == index) {
            Some(shard) => {
                info!(run = self.run_id.0, "shard {} is staged already", self.ask.shard);
                shard.n_rows
            }
            None => self.stage().await?,
        };
        let n_staged = self.staged().await?.len();
        if n_staged == self.ask.shard.count() as usize {
            return Ok(None);
        }
        // Over already: another shard was started twice, and the run made meanwhile.
        Ok(Some(match row(store, self.run_id).await? {
            Some(row) if row.status.is_final() => ShardOutcome::Over(Box::new(row)),
            _ => ShardOutcome::Staged {
                run_id: self.run_id,
                n_rows,
                n_staged: u32::try_from(n_staged).unwrap_or(u32::MAX),
            },
        }))
    }

    async fn staged(&self) -> Result<Vec<StagedShard>, JobError> {
        let staged = self.world.store.staged_shards(self.run_id);
        self.or_store(staged, "read the shards").await
    }

    /// The result of a call of the store, which the stop signal ends.
    async fn or_store<T>(
        &self,
        call: impl Future<Output = PortResult<T>>,
        operation: &'static str,
    ) -> Result<T, JobError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(JobError::Cancelled),
            result = call => {
                result.map_err(|cause| JobError::of_store(&*self.world.store, operation, cause))
            }
        }
    }

    /// Reads the part and stages it; returns its rows.
    async fn stage(&self) -> Result<u64, JobError> {
        let begun = self.world.clock.now();
        let (run_id, index) = (self.run_id, self.ask.shard.index());
        // No result depends on it: it tells the parts of this try from another's.
        let load_key = RandomState::new().hash_one((begun, run_id, index)).cast_signed();
        let mut shard = StagedShard { index, load_key, n_parts: 0, n_rows: 0, staged_at: begun };
        let query = ReadQuery { shard: Some(self.ask.shard), ..self.plan.query() };
        let (sender, mut batches) = mpsc::channel(MAX_BATCHES_IN_FLIGHT);
        let source = Arc::clone(&self.world.source);
        let stop = self.cancel.child_token();
        let _stop_on_return = stop.clone().drop_guard();
        let mut reader = tokio::task::JoinSet::new();
        reader.spawn(async move { source.read(&query, sender, &stop).await });
        let per_part = self.world.store.batches_per_part();
        let mut waiting: Vec<RecordBatch> = Vec::new();
        while let Some(batch) = self.next(&mut batches).await? {
            shard.n_rows += batch.len() as u64;
            waiting.push(batch);
            let n_read = shard.n_rows;
            self.observer.notice(RunEvent::RowsRead { n_read, n_expected: None });
            if waiting.len() >= per_part {
                self.put(&mut shard, &mut waiting).await?;
            }
        }
        match reader.join_next().await {
            Some(Ok(outcome)) => outcome.map_err(|cause| self.source_error(cause))?,
            Some(Err(died)) => {
                return Err(self.source_error(PortError::new(FailureKind::Internal, died)));
            }
            None => {}
        }
        if !waiting.is_empty() {
            self.put(&mut shard, &mut waiting).await?;
        }
        shard.staged_at = self.world.clock.now();
        self.or_store(self.world.store.seal_shard(run_id, &shard), "seal the shard").await?;
        let took = between(begun, shard.staged_at);
        info!(
            run = run_id.0,
            n_rows = shard.n_rows,
            "shard {} staged in {took:.1?}",
            self.ask.shard
        );
        Ok(shard.n_rows)
    }

    async fn next(
        &self,
        batches: &mut mpsc::Receiver<RecordBatch>,
    ) -> Result<Option<RecordBatch>, JobError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(JobError::Cancelled),
            batch = batches.recv() => Ok(batch),
        }
    }

    async fn put(
        &self,
        shard: &mut StagedShard,
        waiting: &mut Vec<RecordBatch>,
    ) -> Result<(), JobError> {
        let part = shard.n_parts;
        let staged = self.world.store.stage_part(self.run_id, shard, part, waiting);
        self.or_store(staged, "stage the records").await?;
        shard.n_parts += 1;
        waiting.clear();
        Ok(())
    }

    fn source_error(&self, cause: PortError) -> JobError {
        if cause.kind == FailureKind::Cancelled && self.cancel.is_cancelled() {
            return JobError::Cancelled;
        }
        JobError::Source { source_name: self.world.source.describe(), cause }
    }

    /// Makes the run of what all shards have staged, unless another process does.
    async fn gather(&self) -> Result<ShardOutcome, JobError> {
        let staged = Arc::new(Staged { store: Arc::clone(&self.world.store), run_id: self.run_id });
        let world = World { source: staged, ..self.world.clone() };
        let plan = RunPlan { shard: None, ..self.plan.clone() };
        loop {
            match gather(self.run_id, &plan, &world, self.observer, self.cancel).await? {
                Gathered::Made(report) => {
                    if let Err(why) = self.world.store.clear_stage(self.run_id).await {
                        warn!("what the shards staged could not be thrown away: {why}");
                    }
                    return Ok(ShardOutcome::Made(report));
                }
                Gathered::Over(row) => return Ok(ShardOutcome::Over(row)),
                Gathered::Busy => tokio::select! {
                    () = self.cancel.cancelled() => return Err(JobError::Cancelled),
                    () = self.world.clock.sleep(LOOK_AGAIN_AFTER) => {}
                },
            }
        }
    }
}

/// What the shards of a run have staged, as a source.
struct Staged {
    store: Arc<dyn Store>,
    run_id: RunId,
}

#[async_trait]
impl RecordSource for Staged {
    fn describe(&self) -> String {
        format!("the shards of run {}", self.run_id)
    }

    async fn n_rows_hint(&self, _query: &ReadQuery) -> PortResult<Option<u64>> {
        let shards = self.store.staged_shards(self.run_id).await?;
        Ok(Some(shards.iter().map(|shard| shard.n_rows).sum()))
    }

    async fn read(
        &self,
        _query: &ReadQuery,
        batches: mpsc::Sender<RecordBatch>,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        // They were read by the same query.
        for shard in self.store.staged_shards(self.run_id).await? {
            for part in 0..shard.n_parts {
                for batch in self.store.staged_part(self.run_id, &shard, part).await? {
                    tokio::select! {
                        biased;
                        () = cancel.cancelled() => return Err(PortError::cancelled()),
                        sent = batches.send(batch) => sent.map_err(|_| PortError::cancelled())?,
                    }
                }
            }
        }
        Ok(())
    }
}

async fn runs(
    store: &dyn Store,
    plan: &RunPlan,
    status: Option<RunStatus>,
    limit: u32,
) -> Result<Vec<RunRow>, JobError> {
    let scope = Some(plan.request.scope.clone());
    let filter = RunFilter { scope, status, limit, ..RunFilter::default() };
    let runs = store.runs(&filter).await;
    runs.map_err(|cause| JobError::of_store(store, "read the runs", cause))
}

async fn row(store: &dyn Store, run_id: RunId) -> Result<Option<RunRow>, JobError> {
    store.run(run_id).await.map_err(|cause| JobError::of_store(store, "read the run", cause))
}
