//! One run from request to conclusion.
//!
//! Request row, lock, `running`, read and fit, judge, one publishing transaction. Whatever happens
//! after the request, the ledger is told; a process that dies untold is found by the next run.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use super::error::JobError;
use super::events::{Observer, RunEvent};
use super::fitting::{between, fit_source};
use super::grace::Grace;
use super::ledger::Ledger;
use super::outcome::{RunReport, judge, millis};
use super::plan::RunPlan;
use crate::domain::{RunId, RunResults, RunRow, RunStatus};
use crate::ports::{Clock, FailureKind, PortError, RecordSource, ScopeLock, Store};

/// What a run works with.
#[derive(Clone)]
pub struct World {
    /// Records come from here.
    pub source: Arc<dyn RecordSource>,
    /// The ledger and the parameters.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Runs the plan once.
///
/// # Errors
/// [`JobError`] where the run as a whole ends early. The ledger has been told, as far as the store
/// could be reached.
pub async fn execute(
    plan: &RunPlan,
    world: &World,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<RunReport, JobError> {
    let grace = Grace::new(cancel);
    let ledger = Ledger::new(world, &grace);
    let run = Run { plan, world, ledger: &ledger, grace: &grace, observer, cancel };
    tokio::select! {
        outcome = run.execute() => outcome,
        never = grace.watch(&*world.clock) => match never {},
    }
}

/// Writes the request row of a run that is executed later, here or elsewhere.
///
/// # Errors
/// [`JobError::Store`]; of kind [`Taken`](crate::ports::FailureKind::Taken) where the slot of the
/// request has its run already.
pub async fn request(
    plan: &RunPlan,
    world: &World,
    cancel: &CancellationToken,
) -> Result<RunId, JobError> {
    let grace = Grace::new(cancel);
    let ledger = Ledger::new(world, &grace);
    tokio::select! {
        run_id = ledger.ask(plan) => run_id,
        never = grace.watch(&*world.clock) => match never {},
    }
}

/// Executes a run whose request row is there already.
///
/// # Errors
/// Those of [`execute`]; [`JobError::Store`] of kind [`Taken`](FailureKind::Taken) where another
/// process has begun it, of which nothing is told then.
pub async fn execute_requested(
    run_id: RunId,
    plan: &RunPlan,
    world: &World,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<RunReport, JobError> {
    let grace = Grace::new(cancel);
    let ledger = Ledger::new(world, &grace);
    let run = Run { plan, world, ledger: &ledger, grace: &grace, observer, cancel };
    tokio::select! {
        outcome = run.asked_earlier(run_id).instrument(run.span(run_id)) => outcome,
        never = grace.watch(&*world.clock) => match never {},
    }
}

/// Executes a run whose request was left behind: written by a process that died, perhaps, before it
/// could begin. Nothing is done, and `None` returned, where another run holds the scope's lock or the
/// request is no longer waiting; under the lock nobody else can begin it.
///
/// # Errors
/// Those of [`execute`].
pub async fn pick_up(
    run_id: RunId,
    plan: &RunPlan,
    world: &World,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Option<RunReport>, JobError> {
    let grace = Grace::new(cancel);
    let ledger = Ledger::new(world, &grace);
    let run = Run { plan, world, ledger: &ledger, grace: &grace, observer, cancel };
    tokio::select! {
        outcome = run.pick_up(run_id).instrument(run.span(run_id)) => outcome,
        never = grace.watch(&*world.clock) => match never {},
    }
}

/// What became of the run of several shards.
pub(super) enum Gathered {
    /// It was made here.
    Made(Box<RunReport>),
    /// It was over.
    Over(Box<RunRow>),
    /// Another run has the scope.
    Busy,
}

/// Makes a requested run of what its shards have staged, which is the world's source. Until its rows
/// are written the run stays `requested`, so that it is made all the same where this process dies.
///
/// # Errors
/// Those of [`execute`]; the ledger is not told then, for the same reason.
pub(super) async fn gather(
    run_id: RunId,
    plan: &RunPlan,
    world: &World,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Gathered, JobError> {
    let grace = Grace::new(cancel);
    let ledger = Ledger::new(world, &grace);
    let run = Run { plan, world, ledger: &ledger, grace: &grace, observer, cancel };
    tokio::select! {
        outcome = run.gathered(run_id).instrument(run.span(run_id)) => outcome,
        never = grace.watch(&*world.clock) => match never {},
    }
}

/// One run, and what it works with.
struct Run<'a> {
    plan: &'a RunPlan,
    world: &'a World,
    ledger: &'a Ledger<'a>,
    grace: &'a Grace,
    observer: &'a dyn Observer,
    cancel: &'a CancellationToken,
}

impl Run<'_> {
    async fn execute(&self) -> Result<RunReport, JobError> {
        if self.plan.dry_run {
            let mut report = self.work().await?;
            report.message = format!("dry run, nothing written: {}", report.message);
            return Ok(report);
        }
        let run_id = self.ledger.ask(self.plan).await?;
        self.requested(run_id).instrument(self.span(run_id)).await
    }

    /// The part of a run that has a row in the ledger.
    async fn requested(&self, run_id: RunId) -> Result<RunReport, JobError> {
        let outcome = match self.ledger.lock(&self.plan.request.scope, run_id).await {
            Ok(lock) => self.holding(lock, run_id).await,
            Err(failure) => Err(self.ledger.told(run_id, failure).await),
        };
        note_end(&outcome);
        outcome
    }

    /// The same of a request that was written earlier, and that another may have begun meanwhile.
    async fn asked_earlier(&self, run_id: RunId) -> Result<RunReport, JobError> {
        let lock = self.ledger.lock(&self.plan.request.scope, run_id).await;
        let row = self.ledger.row(run_id).await;
        if row.is_some_and(|row| row.status != RunStatus::Requested) {
            let cause = PortError::new(FailureKind::Taken, "another process has begun it");
            return Err(JobError::of_store(&*self.world.store, "begin the run", cause));
        }
        let outcome = match lock {
            Ok(lock) => self.holding(lock, run_id).await,
            Err(failure) => Err(self.ledger.told(run_id, failure).await),
        };
        note_end(&outcome);
        outcome
    }

    /// A request that may be another's, so that nothing is told of it before the lock is held.
    async fn pick_up(&self, run_id: RunId) -> Result<Option<RunReport>, JobError> {
        let lock = match self.ledger.lock(&self.plan.request.scope, run_id).await {
            Ok(lock) => lock,
            Err(JobError::ScopeBusy { .. }) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let row = self.ledger.row(run_id).await;
        if row.is_none_or(|row| row.status != RunStatus::Requested) {
            return Ok(None);
        }
        let outcome = self.holding(lock, run_id).await;
        note_end(&outcome);
        outcome.map(Some)
    }

    fn span(&self, run_id: RunId) -> tracing::Span {
        info_span!("run", run = run_id.0, scope = %self.plan.request.scope)
    }

    /// The part of a run that has it.
    async fn holding(
        &self,
        lock: Box<dyn ScopeLock>,
        run_id: RunId,
    ) -> Result<RunReport, JobError> {
        let scope = &self.plan.request.scope;
        let outcome = tokio::select! {
            outcome = self.publish(run_id) => outcome,
            cause = lock.lost() => Err(JobError::LockLost { run_id, scope: scope.clone(), cause }),
        };
        let outcome = match outcome {
            Ok(report) => Ok(report),
            // While the lock is still held, so that the next run does not take this one for dead.
            Err(failure) => Err(self.ledger.told(run_id, failure).await),
        };
        if let Err(why) = self.grace.unless_over(lock.release()).await {
            warn!("the lock could not be released and ends with this process: {why}");
        }
        outcome
    }

    /// The run of several shards, alone in its scope.
    async fn gathered(&self, run_id: RunId) -> Result<Gathered, JobError> {
        let scope = &self.plan.request.scope;
        let lock = match self.ledger.lock(scope, run_id).await {
            Err(JobError::ScopeBusy { .. }) => return Ok(Gathered::Busy),
            lock => lock?,
        };
        let making = async {
            if let Some(row) = self.ledger.row(run_id).await.filter(|row| row.status.is_final()) {
                return Ok(Gathered::Over(Box::new(row)));
            }
            let report = self.work().await?;
            self.ledger.begin(scope, run_id).await?;
            let made = self.conclude(run_id, report).await;
            note_end(&made);
            Ok(Gathered::Made(Box::new(made?)))
        };
        let outcome = tokio::select! {
            outcome = making => outcome,
            cause = lock.lost() => Err(JobError::LockLost { run_id, scope: scope.clone(), cause }),
        };
        if let Err(why) = self.grace.unless_over(lock.release()).await {
            warn!("the lock could not be released and ends with this process: {why}");
        }
        outcome
    }

    /// The work, and its one publishing transaction.
    async fn publish(&self, run_id: RunId) -> Result<RunReport, JobError> {
        self.ledger.begin(&self.plan.request.scope, run_id).await?;
        self.observer.notice(RunEvent::Started(run_id));
        let report = self.work().await?;
        self.conclude(run_id, report).await
    }

    async fn conclude(&self, run_id: RunId, mut report: RunReport) -> Result<RunReport, JobError> {
        report.set.run_id = Some(run_id);
        self.observer.notice(RunEvent::Publishing);
        let clock = &*self.world.clock;
        let publishing = clock.now();
        let concluding = self.ledger.conclude(run_id, self.plan, &report);
        concluding.instrument(info_span!("publish")).await?;
        report.results.run = self.ledger.row(run_id).await;
        note_publishing(&mut report.results, between(publishing, clock.now()));
        Ok(report)
    }

    /// Read, fit, judge; nothing is written.
    async fn work(&self) -> Result<RunReport, JobError> {
        let Self { plan, world, observer, cancel, .. } = *self;
        let clock = &*world.clock;
        let begun = clock.now();
        let current = if plan.request.detail.keep_unpublished {
            // A set beside the others: nothing is carried into it, and nothing compared.
            None
        } else {
            self.ledger.current(&plan.request.scope).await?
        };
        let fitted =
            fit_source(plan, &world.source, current.as_ref(), clock, observer, cancel).await?;
        if cancel.is_cancelled() {
            return Err(JobError::Cancelled);
        }
        let judging = info_span!("judge");
        Ok(judging.in_scope(|| judge(plan, fitted, current.as_ref(), begun, clock)))
    }
}

fn note_end(outcome: &Result<RunReport, JobError>) {
    match outcome {
        Ok(report) if report.status == RunStatus::Done => {
            info!(status = %report.status, "run ended: {}", report.message);
        }
        Ok(report) => warn!(status = %report.status, "run ended: {}", report.message),
        Err(failure) => error!(status = %failure.status(), "run ended: {failure}"),
    }
}

/// Adds the last phase to the timing.
fn note_publishing(results: &mut RunResults, took: Duration) {
    let publish = millis(took);
    results.timing_ms.insert("publish".to_owned(), publish);
    *results.timing_ms.entry("total".to_owned()).or_default() += publish;
}
