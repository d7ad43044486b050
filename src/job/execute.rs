//! One run from request to conclusion.
//!
//! Request row, lock, `running`, read and fit, judge, one publishing transaction. Whatever happens
//! after the request, the ledger is told; a process that dies untold is found by the next run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use crate::domain::results::{GroupResult, RowCounts, SCHEMA_VERSION};
use crate::domain::{
    GroupRow, ParameterSet, Publication, RefusalRow, RunCounts, RunId, RunResults, RunRow,
    RunStatus,
};
use crate::fit::Curve;
use crate::ports::{Clock, Conclusion, PortError, RecordSource, ScopeLock, Store};

use super::assemble;
use super::error::JobError;
use super::events::{Observer, RunEvent};
use super::fitting::{FittedGroup, FittedSource, between, fit_source};
use super::judge::PublishedCurves;
use super::plan::RunPlan;

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

/// A run that came to its end, published or not.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// What `run_results.json` tells.
    pub results: RunResults,
    /// The new set.
    pub set: ParameterSet,
    /// The groups with their observed quantiles, for plots.
    pub groups: Vec<FittedGroup>,
    /// For each of `groups` the curve that was current before.
    pub curves_before: Vec<Option<Curve>>,
    /// How the run ended.
    pub status: RunStatus,
    /// The process's exit code.
    pub exit_code: u8,
    /// How it ended, in words.
    pub message: String,
}

/// Exit code of a run that ended by an error of its source.
pub const EXIT_SOURCE: u8 = 4;
/// Exit code of a run that ended by an error of its store.
pub const EXIT_STORE: u8 = 5;
/// Exit code of a run that published some groups only.
pub const EXIT_PARTIAL: u8 = 6;
/// Exit code of a run that published nothing.
pub const EXIT_NOTHING_PUBLISHED: u8 = 7;
/// Exit code of a run that was refused the lock.
pub const EXIT_REFUSED: u8 = 8;
/// Exit code of a run that was stopped.
pub const EXIT_STOPPED: u8 = 130;

impl JobError {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Source { .. } => EXIT_SOURCE,
            Self::Store { .. } | Self::LockLost { .. } => EXIT_STORE,
            Self::ScopeBusy { .. } => EXIT_REFUSED,
            Self::Cancelled => EXIT_STOPPED,
        }
    }

    fn status(&self) -> RunStatus {
        match self {
            Self::Source { .. } | Self::Store { .. } | Self::LockLost { .. } => RunStatus::Failed,
            Self::ScopeBusy { .. } => RunStatus::Refused,
            Self::Cancelled => RunStatus::Cancelled,
        }
    }
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
        return dry_run(plan, world, observer, cancel).await;
    }
    let ledger = Ledger { store: &*world.store, clock: &*world.clock };
    let asked = world.store.request(&plan.request).await;
    let run_id = asked.map_err(|cause| ledger.error("write the request of a run", cause))?;
    let span = info_span!("run", run = run_id.0, scope = %plan.request.scope);
    async {
        let outcome = locked(plan, world, run_id, observer, cancel).await;
        match &outcome {
            Ok(report) => info!(status = %report.status, "run ended: {}", report.message),
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
    let ledger = Ledger { store: &*world.store, clock: &*world.clock };
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
        let mut report = work(plan, world, run_id, observer, cancel).await?;
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
    run_id: RunId,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<RunReport, JobError> {
    let ledger = Ledger { store: &*world.store, clock: &*world.clock };
    let begun = world.clock.now();
    let fitted = fit_source(plan, &world.source, &*world.clock, observer, cancel).await?;
    let current = world.store.current(&plan.request.scope).await;
    let current = current.map_err(|cause| ledger.error("read the current set", cause))?;
    if cancel.is_cancelled() {
        return Err(JobError::Cancelled);
    }
    observer.notice(RunEvent::Publishing);
    let mut report = judge(plan, fitted, current.as_ref(), begun, &*world.clock);
    report.set.run_id = Some(run_id);
    Ok(report)
}

async fn dry_run(
    plan: &RunPlan,
    world: &World,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<RunReport, JobError> {
    let ledger = Ledger { store: &*world.store, clock: &*world.clock };
    let begun = world.clock.now();
    let fitted = fit_source(plan, &world.source, &*world.clock, observer, cancel).await?;
    let current = world.store.current(&plan.request.scope).await;
    let current = current.map_err(|cause| ledger.error("read the current set", cause))?;
    let mut report = judge(plan, fitted, current.as_ref(), begun, &*world.clock);
    report.message = format!("dry run, nothing written: {}", report.message);
    Ok(report)
}

fn judge(
    plan: &RunPlan,
    fitted: FittedSource,
    current: Option<&ParameterSet>,
    begun: Timestamp,
    clock: &dyn Clock,
) -> RunReport {
    let judging = clock.now();
    let curves = PublishedCurves::of(current);
    let objections: Vec<Option<String>> =
        fitted.groups.iter().map(|group| plan.judge.objection(group, &curves)).collect();
    let set = assemble::judged(plan, &fitted.groups, &objections, current);
    let share = assemble::share_published(&fitted.groups, &objections);
    let verdict = SetVerdict::new(plan, &fitted, &objections, share);
    let curves_before = fitted.groups.iter().map(|group| curves.get(&group.key).cloned()).collect();
    let now = clock.now();
    let timing = BTreeMap::from([
        ("read".to_owned(), millis(fitted.read_time)),
        ("fit".to_owned(), millis(fitted.fit_time)),
        ("judge".to_owned(), millis(between(judging, now))),
        ("total".to_owned(), millis(between(begun, now))),
    ]);
    RunReport {
        results: results(plan.request.settings_hash.clone(), &fitted, &set, timing),
        set,
        groups: fitted.groups,
        curves_before,
        status: verdict.status,
        exit_code: verdict.exit_code,
        message: verdict.message,
    }
}

/// The document that tells of a fit, before the ledger has its row.
#[must_use]
pub fn results(
    settings_hash: String,
    fitted: &FittedSource,
    set: &ParameterSet,
    timing_ms: BTreeMap<String, f64>,
) -> RunResults {
    let counts = RunCounts::default().with_groups(&set.groups);
    RunResults {
        schema_version: SCHEMA_VERSION,
        run: None,
        settings_hash,
        timing_ms,
        rows: RowCounts {
            read: fitted.n_read,
            used: fitted.n_used,
            refused: fitted.refused.clone(),
        },
        groups: counts.groups().into_iter().collect(),
        refusals: fitted.refusals.clone(),
        results: group_results(set),
    }
}

fn group_results(set: &ParameterSet) -> Vec<GroupResult> {
    let mut parameters: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in &set.parameters {
        parameters.entry(&row.key).or_default().push(row.clone());
    }
    let of = |group: &GroupRow| GroupResult {
        group: group.clone(),
        parameters: parameters.get(&group.key).cloned().unwrap_or_default(),
    };
    set.groups.iter().map(of).collect()
}

/// Milliseconds, to the microsecond.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// How the run as a whole ends.
struct SetVerdict {
    status: RunStatus,
    exit_code: u8,
    message: String,
}

impl SetVerdict {
    fn new(
        plan: &RunPlan,
        fitted: &FittedSource,
        objections: &[Option<String>],
        share: f64,
    ) -> Self {
        let n_passed = objections.iter().filter(|o| o.is_none()).count();
        let n_groups = objections.len();
        if fitted.n_used == 0 || n_passed == 0 {
            return Self::refused(nothing_to_publish(plan, fitted, objections));
        }
        if share < plan.judge.min_share_published {
            return Self::refused(format!(
                "nothing published: only {n_passed} of {n_groups} groups passed, with {:.0} % of the \
                 records; {:.0} % needed",
                share * 100.0,
                plan.judge.min_share_published * 100.0
            ));
        }
        let message = format!("{n_passed} of {n_groups} groups published");
        if n_passed < n_groups {
            Self { status: RunStatus::Partial, exit_code: EXIT_PARTIAL, message }
        } else {
            Self { status: RunStatus::Done, exit_code: 0, message }
        }
    }

    fn refused(message: String) -> Self {
        Self { status: RunStatus::Refused, exit_code: EXIT_NOTHING_PUBLISHED, message }
    }
}

/// Says why probably there is nothing.
fn nothing_to_publish(
    plan: &RunPlan,
    fitted: &FittedSource,
    objections: &[Option<String>],
) -> String {
    if fitted.n_read == 0 {
        let selected = match plan.selection.patterns() {
            [] => String::new(),
            patterns => format!(" for the regions `{}`", patterns.join("`, `")),
        };
        return format!(
            "nothing published: the source holds no record{selected} in the window ({})",
            plan.request.window
        );
    }
    if fitted.n_used == 0 {
        let most = fitted.refused.iter().max_by_key(|(_, count)| **count);
        let most = most.map_or_else(String::new, |(why, count)| format!(", {count} as {why}"));
        return format!("nothing published: all {} rows were refused{most}", fitted.n_read);
    }
    let first = objections.iter().flatten().next().map_or("", String::as_str);
    format!("nothing published: none of {} groups passed, the first: {first}", objections.len())
}

/// The run's dealings with the store, with errors that name them.
struct Ledger<'a> {
    store: &'a dyn Store,
    clock: &'a dyn Clock,
}

impl Ledger<'_> {
    fn error(&self, operation: &'static str, cause: PortError) -> JobError {
        JobError::Store { operation, store_name: self.store.describe(), cause }
    }

    /// Marks dead runs, and this one as running.
    async fn begin(&self, scope: &str, run_id: RunId) -> Result<(), JobError> {
        let now = self.clock.now();
        let dead = self.store.abandon_dead(scope, now).await;
        for dead_id in dead.map_err(|cause| self.error("mark dead runs", cause))? {
            warn!(run = dead_id.0, "run died without a word, marked abandoned");
        }
        let started = self.store.start(run_id, now).await;
        started.map_err(|cause| self.error("start the run", cause))
    }

    /// The one publishing transaction.
    async fn conclude(
        &self,
        run_id: RunId,
        plan: &RunPlan,
        report: &RunReport,
    ) -> Result<(), JobError> {
        let finished_at = self.clock.now();
        let publishes = matches!(report.status, RunStatus::Done | RunStatus::Partial);
        let publication = publishes.then(|| Publication {
            scope: plan.request.scope.clone(),
            run_id,
            published_at: finished_at,
            published_by: plan.request.requested_by.clone(),
            reason: "run".to_owned(),
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
        };
        let Err(cause) = self.store.conclude(&conclusion).await else { return Ok(()) };
        // The reply may be lost although the work was done: the ledger knows.
        match self.store.run(run_id).await {
            Ok(Some(row)) if row.status == report.status => {
                warn!("the set was written although the store answered: {cause}");
                Ok(())
            }
            _ => Err(self.error("publish the parameter set", cause)),
        }
    }

    /// The run as the ledger tells it now; missing where the store no longer answers, which is no
    /// reason to call a published run failed.
    async fn row(&self, run_id: RunId) -> Option<RunRow> {
        self.store.run(run_id).await.unwrap_or_else(|why| {
            warn!("the ledger could not be read back: {why}");
            None
        })
    }

    /// Tells the ledger of a run that ended by an error, and hands the error on. Where even that
    /// fails, the next run finds it dead; the error of the run itself is the one to report.
    async fn told(&self, run_id: RunId, failure: JobError) -> JobError {
        let conclusion = Conclusion {
            run_id,
            status: failure.status(),
            finished_at: self.clock.now(),
            counts: RunCounts::default(),
            exit_code: failure.exit_code(),
            message: with_cause(&failure),
            set: ParameterSet::default(),
            refusals: Vec::<RefusalRow>::new(),
            publication: None,
        };
        if let Err(why) = self.store.conclude(&conclusion).await {
            warn!("the ledger could not be told: {why}");
        }
        failure
    }
}

/// The error with the first of its causes, in one line.
fn with_cause(failure: &JobError) -> String {
    match std::error::Error::source(failure) {
        Some(cause) => format!("{failure}: {cause}"),
        None => failure.to_string(),
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
