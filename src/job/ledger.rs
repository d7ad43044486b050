//! The run's dealings with the store: its rows in the ledger, and the one publishing transaction.

use jiff::Timestamp;
use tracing::warn;

use super::dead;
use super::error::JobError;
use super::execute::World;
use super::grace::Grace;
use super::outcome::RunReport;
use super::plan::RunPlan;
use crate::domain::{
    ParameterSet, Publication, RunCounts, RunId, RunRow, RunStatus, message_with_remedy,
};
use crate::ports::{
    Clock, Conclusion, FailureKind, LockKey, PortError, PortResult, ScopeLock, Store, with_causes,
};

/// The run's dealings with the store, with errors that name them.
pub(super) struct Ledger<'a> {
    store: &'a dyn Store,
    clock: &'a dyn Clock,
    grace: Grace,
}

impl<'a> Ledger<'a> {
    /// The ledger of this world.
    pub(super) fn new(world: &'a World, grace: &Grace) -> Self {
        Self { store: &*world.store, clock: &*world.clock, grace: grace.clone() }
    }

    /// Keeps the settings, then writes the request that names them by their hash; after the stop
    /// signal too, so that the ledger can say what became of it.
    pub(super) async fn ask(&self, plan: &RunPlan) -> Result<RunId, JobError> {
        let (hash, document) = (&plan.request.settings_hash, &plan.settings_document);
        let kept = self.grace.unless_over(self.store.keep_settings(hash, document)).await;
        kept.map_err(|cause| self.error("keep the settings", cause))?;
        let asked = self.grace.unless_over(self.store.request(&plan.request)).await;
        asked.map_err(|cause| self.error("write the request of a run", cause))
    }

    /// Takes the scope's lock.
    pub(super) async fn lock(
        &self,
        scope: &str,
        run_id: RunId,
    ) -> Result<Box<dyn ScopeLock>, JobError> {
        let lock = self.grace.unless_stopped(self.store.try_lock(scope)).await;
        let lock = lock.map_err(|cause| self.error("take the lock", cause))?;
        lock.ok_or_else(|| JobError::ScopeBusy { run_id, scope: scope.to_owned() })
    }

    /// The scope's current set.
    pub(super) async fn current(&self, scope: &str) -> Result<Option<ParameterSet>, JobError> {
        let current = self.grace.unless_stopped(self.store.current(scope)).await;
        current.map_err(|cause| self.error("read the current set", cause))
    }

    fn error(&self, operation: &'static str, cause: PortError) -> JobError {
        JobError::of_store(self.store, operation, cause)
    }

    /// Marks dead runs, and this one as running; returns when it began.
    pub(super) async fn begin(
        &self,
        scope: &str,
        run_id: RunId,
        lock: &LockKey,
    ) -> Result<Timestamp, JobError> {
        let found_at = self.clock.now();
        let abandoning = self.store.abandon_dead(scope, found_at, Some(lock));
        let dead = self.grace.unless_stopped(abandoning).await;
        let dead = dead.map_err(|cause| self.failure("mark dead runs", run_id, scope, cause))?;
        for dead_id in &dead {
            warn!(run = dead_id.0, "run died without a word, marked abandoned");
        }
        // Those that it has met bear the moment of its start. Without any it is the one after whatever
        // a former holder of the lock has published.
        let begun_at = if dead.is_empty() { self.clock.now() } else { found_at };
        let started = self.grace.unless_stopped(self.store.start(run_id, begun_at)).await;
        started.map_err(|cause| self.error("start the run", cause))?;
        Ok(begun_at)
    }

    /// Ends the requests of the scope that are older than this run, which holds its lock since it
    /// began: their processes are dead, or were refused since. Not sooner than after the work, so that
    /// whoever lives has had time to say so; dated when this run began, so that it is found to have met
    /// them. What does not succeed here is left to the next run.
    pub(super) async fn end_older_requests(&self, scope: &str, run_id: RunId, begun_at: Timestamp) {
        let older = dead::older_requests(self.store, scope, run_id);
        let ended = self.grace.unless_stopped(async {
            for old in older.await? {
                let why = format!("asked for and never begun; run {run_id} has begun since");
                self.store.conclude(&dead::abandoned(old, why, begun_at)).await?;
                warn!(run = old.0, "the request was never begun, marked abandoned");
            }
            Ok(())
        });
        if let Err(why) = ended.await
            && why.kind != FailureKind::Cancelled
        {
            warn!("older requests could not be ended: {why}");
        }
    }

    /// Why the request is not to be begun any more; `None` where it is.
    pub(super) async fn why_stale(&self, row: &RunRow) -> Result<Option<String>, JobError> {
        let stale = dead::why_stale(self.store, row, self.clock.now());
        let stale = self.grace.unless_stopped(stale).await;
        stale.map_err(|cause| self.error("look for later runs", cause))
    }

    /// The failure of a call that is made under the lock.
    fn failure(
        &self,
        operation: &'static str,
        run_id: RunId,
        scope: &str,
        cause: PortError,
    ) -> JobError {
        if cause.kind == FailureKind::LockLost {
            return JobError::LockLost { run_id, scope: scope.to_owned(), cause };
        }
        self.error(operation, cause)
    }

    /// The one publishing transaction. An error says that nothing was published, but for
    /// [`JobError::Unsettled`].
    pub(super) async fn conclude(
        &self,
        run_id: RunId,
        plan: &RunPlan,
        report: &RunReport,
        lock: LockKey,
    ) -> Result<(), JobError> {
        let finished_at = self.clock.now();
        let publishes = matches!(report.status, RunStatus::Done | RunStatus::Partial)
            && !plan.request.detail.keep_unpublished;
        let publication = publishes.then(|| Publication {
            scope: plan.request.scope.clone(),
            run_id,
            published_at: finished_at,
            published_by: plan.request.requested_by.clone(),
            reason: super::history::RUN.to_owned(),
            comment: String::new(),
        });
        let conclusion = Conclusion {
            run_id,
            status: report.status,
            finished_at,
            counts: counts(report),
            exit_code: report.exit_code,
            message: report.message.clone(),
            set: report.set.clone(),
            refusals: report.results.refusals.clone(),
            publication,
            lock: Some(lock),
        };
        let published = self.grace.unless_over(self.store.conclude(&conclusion)).await;
        match published {
            Ok(()) => Ok(()),
            Err(cause) => self.settle(&plan.request.scope, &conclusion, cause).await,
        }
    }

    /// Finds out how a run ended whose last transaction failed, or was not waited for any longer: it may
    /// have taken place, or still be under way. So the run is ended once more, by that failure. Where
    /// that succeeds, nothing was published, and nothing will be; otherwise its row says what was.
    async fn settle(
        &self,
        scope: &str,
        end: &Conclusion,
        cause: PortError,
    ) -> Result<(), JobError> {
        let (run_id, kind, why) = (end.run_id, cause.kind, with_causes(&cause));
        let failure = self.failure("publish the parameter set", run_id, scope, cause);
        let Err(unsaid) = self.end(run_id, &failure).await else { return Err(failure) };
        let status = self.row(run_id).await.map(|row| row.status);
        if status == Some(end.status) {
            warn!("the run was ended as meant, although the store answered: {why}");
            return Ok(());
        }
        let is_open = !status.is_some_and(RunStatus::is_final);
        if is_open {
            warn!("the ledger could not be told how the run ended: {}", with_causes(&unsaid));
        }
        let may_have_landed = kind.may_have_landed() || status.is_none() && kind.is_transient();
        if is_open && may_have_landed && end.publication.is_some() {
            let cause = match kind {
                FailureKind::Cancelled => PortError::cancelled(),
                _ => PortError::new(kind, why),
            };
            return Err(JobError::Unsettled { run_id, cause });
        }
        Err(failure)
    }

    /// The run as the ledger tells it now; missing where the store no longer answers, which is no
    /// reason to call a published run failed.
    pub(super) async fn row(&self, run_id: RunId) -> Option<RunRow> {
        self.grace.unless_settled(self.store.run(run_id)).await.unwrap_or_else(|why| {
            warn!("the ledger could not be read back: {}", with_causes(&why));
            None
        })
    }

    /// Tells the ledger of a run that ended by an error, and hands the error on. Where even that
    /// fails, the next run finds it dead; the error of the run itself is the one to report.
    pub(super) async fn told(&self, run_id: RunId, failure: JobError) -> JobError {
        if let Err(why) = self.end(run_id, &failure).await {
            warn!("the ledger could not be told how the run ended: {}", with_causes(&why));
        }
        failure
    }

    /// Ends the run by an error.
    async fn end(&self, run_id: RunId, failure: &JobError) -> PortResult<()> {
        let conclusion = Conclusion {
            exit_code: failure.exit_code(),
            message: told_with_remedy(failure),
            ..Conclusion::without_set(run_id, failure.status(), self.clock.now())
        };
        self.grace.unless_settled(self.store.conclude(&conclusion)).await
    }
}

/// What happened; and what to do, where the source or the store says so.
fn told_with_remedy(failure: &JobError) -> String {
    let what = with_causes(failure);
    match failure {
        JobError::Source { cause, .. } | JobError::Store { cause, .. } => {
            message_with_remedy(&what, cause.remedy())
        }
        _ => what,
    }
}

fn counts(report: &RunReport) -> RunCounts {
    let rows = &report.results.rows;
    RunCounts {
        rows_read: rows.read,
        rows_used: rows.used,
        rows_refused: rows.read - rows.used,
        ..RunCounts::default()
    }
    .with_groups(&report.set.groups)
}
