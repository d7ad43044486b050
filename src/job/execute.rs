//! One run from request to conclusion.
//!
//! Request row, lock, `running`, read and fit, judge, one publishing transaction. Whatever happens
//! after the request, the ledger is told; a process that dies untold is found by the next run.
//!
//! A lock may be lost, and another run begin, long before this process learns of it. The store sees to it
//! that no former holder publishes after that (`ports::RunJournal::conclude`); here, that what is said of
//! the end is what the ledger has.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use super::error::JobError;
use super::events::{Observer, RunEvent};
use super::fitting::{between, fit_source};
use super::gate;
use super::grace::Grace;
use super::ledger::Ledger;
use super::off_thread::off_thread;
use super::outcome::{Current, RunReport, judge, millis};
use super::plan::RunPlan;
use crate::domain::{RunId, RunResults, RunStatus};
use crate::ports::{
    Clock, FailureKind, LockKey, PortError, RecordSource, ScopeLock, Store, with_causes,
};

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
    let run = Run::new(plan, world, observer, cancel);
    run.entered(None, Box::pin(run.execute())).await
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
    grace.around(&*world.clock, ledger.ask(plan)).await
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
    let run = Run::new(plan, world, observer, cancel);
    run.entered(Some(run_id), Box::pin(run.asked_earlier(run_id))).await
}

/// Executes a run whose request was left behind: written by a process that died, perhaps, before it
/// could begin. Nothing is done, and `None` returned, where another run holds the scope's lock or the
/// request is no longer waiting; under the lock nobody else can begin it.
///
/// # Errors
/// Those of [`execute`]; [`JobError::Stale`] where it is not begun any more, and has been ended.
pub async fn pick_up(
    run_id: RunId,
    plan: &RunPlan,
    world: &World,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Option<RunReport>, JobError> {
    let run = Run::new(plan, world, observer, cancel);
    run.entered(Some(run_id), Box::pin(run.pick_up(run_id))).await
}

/// One run, and what it works with.
struct Run<'a> {
    plan: &'a RunPlan,
    world: &'a World,
    ledger: Ledger<'a>,
    grace: Grace,
    observer: &'a dyn Observer,
    cancel: &'a CancellationToken,
}

impl<'a> Run<'a> {
    fn new(
        plan: &'a RunPlan,
        world: &'a World,
        observer: &'a dyn Observer,
        cancel: &'a CancellationToken,
    ) -> Self {
        let grace = Grace::new(cancel);
        Self { plan, world, ledger: Ledger::new(world, &grace), grace, observer, cancel }
    }

    /// What every entrance to a run has around it: the grace after the stop signal and, where the run
    /// has its number, a span that names it. The work is on the heap, here and in
    /// [`unless_lost`](Self::unless_lost): a future that is handed on takes its room anew at each step,
    /// and a run's is large.
    async fn entered<T>(&self, run_id: Option<RunId>, work: impl Future<Output = T>) -> T {
        let span = run_id.map_or_else(tracing::Span::none, |run_id| self.span(run_id));
        self.grace.around(&*self.world.clock, work.instrument(span)).await
    }

    fn span(&self, run_id: RunId) -> tracing::Span {
        info_span!("run", run = run_id.0, scope = %self.plan.request.scope)
    }

    async fn execute(&self) -> Result<RunReport, JobError> {
        if self.plan.dry_run {
            let mut report = self.work().await?;
            report.message = format!("dry run, nothing written: {}", report.message);
            return Ok(report);
        }
        let run_id = self.ledger.ask(self.plan).await?;
        let own = async {
            let lock = self.lock(run_id).await;
            self.begun(lock, run_id).await
        };
        own.instrument(self.span(run_id)).await
    }

    /// A request that was written earlier, and that another may have begun meanwhile.
    async fn asked_earlier(&self, run_id: RunId) -> Result<RunReport, JobError> {
        let lock = self.lock(run_id).await;
        let row = self.ledger.row(run_id).await;
        if let Some(row) = row.filter(|row| row.status != RunStatus::Requested) {
            let why = match row.status {
                // Whoever held the lock meanwhile took it for dead.
                RunStatus::Abandoned => "a run that was asked for later has begun meanwhile",
                _ => "another process has begun it",
            };
            let cause = PortError::new(FailureKind::Taken, why);
            return Err(JobError::of_store(&*self.world.store, "begin the run", cause));
        }
        self.begun(lock, run_id).await
    }

    /// A request that may be another's, so that nothing is told of it before the lock is held.
    async fn pick_up(&self, run_id: RunId) -> Result<Option<RunReport>, JobError> {
        let lock = match self.lock(run_id).await {
            Err(JobError::ScopeBusy { .. }) => return Ok(None),
            lock => lock?,
        };
        let row = self.ledger.row(run_id).await;
        let Some(row) = row.filter(|row| row.status == RunStatus::Requested) else {
            return Ok(None);
        };
        if let Some(why) = self.ledger.why_stale(&row).await? {
            let stale = Err(self.ledger.told(run_id, JobError::Stale { run_id, why }).await);
            note_end(&stale);
            self.release(lock).await;
            return stale.map(Some);
        }
        self.begun(Ok(lock), run_id).await.map(Some)
    }

    /// The part of a run of which the ledger is told, however it ends; also where the lock was not to be
    /// had.
    async fn begun(
        &self,
        lock: Result<Box<dyn ScopeLock>, JobError>,
        run_id: RunId,
    ) -> Result<RunReport, JobError> {
        let outcome = match lock {
            Ok(lock) => self.holding(lock, run_id).await,
            Err(failure) => Err(self.ledger.told(run_id, failure).await),
        };
        note_end(&outcome);
        outcome
    }

    /// The part of a run that has the lock.
    async fn holding(
        &self,
        lock: Box<dyn ScopeLock>,
        run_id: RunId,
    ) -> Result<RunReport, JobError> {
        let key = lock.key();
        let work = Box::pin(self.begin_and_work(run_id, &key));
        let outcome = match self.unless_lost(&*lock, run_id, work).await {
            // Not given up when the lock is lost: its transaction sees that by itself, and only its
            // end tells whether the set was published.
            Ok(report) => self.conclude(run_id, report, key).await,
            // While the lock is still held, so that the next run does not take this one for dead.
            Err(failure) => Err(self.ledger.told(run_id, failure).await),
        };
        self.release(lock).await;
        outcome
    }

    async fn lock(&self, run_id: RunId) -> Result<Box<dyn ScopeLock>, JobError> {
        self.ledger.lock(&self.plan.request.scope, run_id).await
    }

    /// The outcome of work that publishes nothing, unless the lock is lost before.
    async fn unless_lost<T>(
        &self,
        lock: &dyn ScopeLock,
        run_id: RunId,
        work: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        let scope = &self.plan.request.scope;
        tokio::select! {
            outcome = work => outcome,
            cause = lock.lost() => Err(JobError::LockLost { run_id, scope: scope.clone(), cause }),
        }
    }

    async fn release(&self, lock: Box<dyn ScopeLock>) {
        if let Err(why) = self.grace.unless_settled(lock.release()).await {
            let why = with_causes(&why);
            warn!("the lock could not be released and ends with this process: {why}");
        }
    }

    async fn begin_and_work(&self, run_id: RunId, lock: &LockKey) -> Result<RunReport, JobError> {
        let scope = &self.plan.request.scope;
        let begun_at = self.ledger.begin(scope, run_id, lock).await?;
        self.observer.notice(RunEvent::Started(run_id));
        let worked = self.work().await;
        self.ledger.end_older_requests(scope, run_id, begun_at).await;
        worked
    }

    /// The one publishing transaction.
    async fn conclude(
        &self,
        run_id: RunId,
        mut report: RunReport,
        lock: LockKey,
    ) -> Result<RunReport, JobError> {
        report.set.run_id = Some(run_id);
        self.observer.notice(RunEvent::Publishing);
        let clock = &*self.world.clock;
        let publishing = clock.now();
        let concluding = self.ledger.conclude(run_id, self.plan, &report, lock);
        concluding.instrument(info_span!("publish")).await?;
        report.results.run = self.ledger.row(run_id).await;
        note_publishing(&mut report.results, between(publishing, clock.now()));
        Ok(report)
    }

    /// Read, fit, judge; nothing is written.
    async fn work(&self) -> Result<RunReport, JobError> {
        let &Self { plan, world, observer, cancel, .. } = self;
        let clock = &*world.clock;
        let begun = clock.now();
        let mut current = if plan.request.detail.keep_unpublished {
            // A set beside the others: nothing is carried into it, and nothing compared.
            None
        } else {
            self.ledger.current(&plan.request.scope).await?
        };
        let row = match current.as_ref().and_then(|set| set.run_id) {
            Some(run_id) => self.ledger.row(run_id).await,
            None => None,
        };
        if let (Some(current), true) = (&mut current, row.as_ref().is_some_and(gate::is_accepted)) {
            gate::accept(current);
        }
        let fitted =
            fit_source(plan, &world.source, current.as_ref(), clock, observer, cancel).await?;
        if cancel.is_cancelled() {
            return Err(JobError::Cancelled);
        }
        let judging = info_span!("judge");
        let (plan, clock) = (plan.clone(), Arc::clone(&world.clock));
        let judging = move || {
            let window = plan.request.window;
            let as_of = row.as_ref().map(|row| gate::as_of_run(row, window));
            let counts = row.as_ref().map(|row| row.counts);
            let current = Current { set: current.as_ref(), as_of, counts };
            judging.in_scope(|| judge(&plan, fitted, current, begun, &*clock))
        };
        Ok(off_thread(judging).await)
    }
}

fn note_end(outcome: &Result<RunReport, JobError>) {
    match outcome {
        Ok(report) if report.status == RunStatus::Done => {
            info!(status = %report.status, "run ended: {}", report.message);
        }
        Ok(report) => warn!(status = %report.status, "run ended: {}", report.message),
        Err(failure) => error!(status = %failure.status(), "run ended: {}", with_causes(failure)),
    }
}

/// Adds the last phase to the timing.
fn note_publishing(results: &mut RunResults, took: Duration) {
    let publish = millis(took);
    results.timing_ms.insert("publish".to_owned(), publish);
    *results.timing_ms.entry("total".to_owned()).or_default() += publish;
}
