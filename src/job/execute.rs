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
use super::ledger::Ledger;
use super::outcome::{RunReport, judge, millis};
use super::plan::RunPlan;
use crate::domain::{RunId, RunResults, RunStatus};
use crate::ports::{Clock, RecordSource, ScopeLock, Store};

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
    if plan.dry_run {
        let mut report = work(plan, world, observer, cancel).await?;
        report.message = format!("dry run, nothing written: {}", report.message);
        return Ok(report);
    }
    let ledger = Ledger::new(world);
    let asked = world.store.request(&plan.request).await;
    let run_id = asked.map_err(|cause| ledger.error("write the request of a run", cause))?;
    let span = info_span!("run", run = run_id.0, scope = %plan.request.scope);
    async {
        let outcome = locked(plan, world, run_id, observer, cancel).await;
        match &outcome {
            Ok(report) if report.status == RunStatus::Done => {
                info!(status = %report.status, "run ended: {}", report.message);
            }
            Ok(report) => warn!(status = %report.status, "run ended: {}", report.message),
            Err(failure) => error!(status = %failure.status(), "run ended: {failure}"),
        }
        outcome
    }
    .instrument(span)
    .await
}

/// The part of a run that needs the scope to itself.
async fn locked(
    plan: &RunPlan,
    world: &World,
    run_id: RunId,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<RunReport, JobError> {
    let scope = &plan.request.scope;
    let ledger = Ledger::new(world);
    let lock = match world.store.try_lock(scope).await {
        Ok(Some(lock)) => lock,
        Ok(None) => {
            let busy = JobError::ScopeBusy { run_id, scope: scope.clone() };
            return Err(ledger.told(run_id, busy).await);
        }
        Err(cause) => return Err(ledger.told(run_id, ledger.error("take the lock", cause)).await),
    };
    let work = async {
        ledger.begin(scope, run_id).await?;
        observer.notice(RunEvent::Started(run_id));
        let mut report = work(plan, world, observer, cancel).await?;
        report.set.run_id = Some(run_id);
        observer.notice(RunEvent::Publishing);
        let publishing = world.clock.now();
        ledger.conclude(run_id, plan, &report).await?;
        report.results.run = ledger.row(run_id).await;
        note_publishing(&mut report.results, between(publishing, world.clock.now()));
        Ok(report)
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        cause = lock.lost() => Err(JobError::LockLost { run_id, scope: scope.clone(), cause }),
    };
    let outcome = match outcome {
        Ok(report) => Ok(report),
        // While the lock is still held, so that the next run does not take this one for dead.
        Err(failure) => Err(ledger.told(run_id, failure).await),
    };
    release(lock).await;
    outcome
}

async fn release(lock: Box<dyn ScopeLock>) {
    if let Err(why) = lock.release().await {
        warn!("the lock could not be released and ends with this process: {why}");
    }
}

/// Adds the last phase to the timing.
fn note_publishing(results: &mut RunResults, took: Duration) {
    let publish = millis(took);
    results.timing_ms.insert("publish".to_owned(), publish);
    *results.timing_ms.entry("total".to_owned()).or_default() += publish;
}

/// Read, fit, judge; nothing is written.
async fn work(
    plan: &RunPlan,
    world: &World,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<RunReport, JobError> {
    let begun = world.clock.now();
    let fitted = fit_source(plan, &world.source, &*world.clock, observer, cancel).await?;
    let current = Ledger::new(world).current(&plan.request.scope).await?;
    if cancel.is_cancelled() {
        return Err(JobError::Cancelled);
    }
    Ok(judge(plan, fitted, current.as_ref(), begun, &*world.clock))
}
