//! From how a run ended to what is told of it: the ledger's own words where it can be read, else
//! what the process knows.

use jiff::Timestamp;
use tracing::warn;

use super::{Ended, chain};
use crate::bootstrap::launch::LaunchError;
use crate::bootstrap::plan::Ask;
use crate::bootstrap::{BootstrapError, WorldError};
use crate::domain::notice::found_dead_by;
use crate::domain::{NoticeKind, RunNotice, RunRow, RunStatus, outcome_and_remedy};
use crate::job::error::{EXIT_SOURCE, EXIT_STORE};
use crate::job::{JobError, World};
use crate::ports::{FailureKind, PortResult, RunFilter, Store};

/// Rows among which the run before this one is looked for. With more runs than that stopped in a
/// row, a recovery is not seen as one.
const N_RECENT: u32 = 100;

/// The notices of a run, those of runs that it found dead first.
pub(super) async fn of_run(world: &World, ended: &Ended<'_>) -> Vec<RunNotice> {
    let now = world.clock.now();
    let (run, rows) = match recent(world, ended).await {
        Ok(found) => found,
        Err(why) => {
            warn!("telling without the ledger, which could not be read: {why}");
            return known(ended, None, now).into_iter().collect();
        }
    };
    let Some(run) = run else { return known(ended, None, now).into_iter().collect() };
    let dead = found_dead_by(&run, &rows);
    let of_dead = dead.iter().filter_map(|dead| RunNotice::of_run(dead, &rows));
    // The ledger could not be told how a run ended that still stands as it stood before.
    let own = if run.status.is_final() {
        RunNotice::of_run(&run, &rows)
    } else {
        known(ended, Some(run.clone()), now)
    };
    of_dead.chain(own).collect()
}

async fn recent(world: &World, ended: &Ended<'_>) -> PortResult<(Option<RunRow>, Vec<RunRow>)> {
    let Some(run_id) = ended.run_id else { return Ok((None, Vec::new())) };
    let run = world.store.run(run_id).await?;
    Ok((run, newest(&*world.store, &ended.plan.request.scope).await?))
}

async fn newest(store: &dyn Store, scope: &str) -> PortResult<Vec<RunRow>> {
    let scope = Some(scope.to_owned());
    let filter = RunFilter { scope, limit: N_RECENT, ..RunFilter::default() };
    store.runs(&filter).await
}

/// The notices of runs of the scope that were found and ended, in their order.
pub(super) async fn of_found(store: &dyn Store, scope: &str, found: &[RunRow]) -> Vec<RunNotice> {
    let rows = newest(store, scope).await.unwrap_or_else(|why| {
        warn!("telling without the runs before, which could not be read: {why}");
        Vec::new()
    });
    found.iter().filter_map(|run| RunNotice::of_run(run, &rows)).collect()
}

/// What the process knows of a run whose end the ledger does not tell. Whether a published one is a
/// recovery cannot be known then.
fn known(ended: &Ended<'_>, run: Option<RunRow>, now: Timestamp) -> Option<RunNotice> {
    if let Err(JobError::Store { cause, .. }) = ended.outcome
        && cause.kind == FailureKind::Taken
    {
        // Another has done it, and tells of it.
        return None;
    }
    let (status, exit_code, message, hint) = match ended.outcome {
        Ok(report) => {
            let (outcome, remedy) = outcome_and_remedy(&report.message);
            let hint = remedy.unwrap_or("`speedfit status` says more").to_owned();
            (report.status, report.exit_code, outcome.to_owned(), hint)
        }
        Err(failure) => (failure.status(), failure.exit_code(), chain(failure), hint(failure)),
    };
    let kind = match status {
        RunStatus::Failed => NoticeKind::Failed,
        RunStatus::Refused => NoticeKind::Refused,
        _ => return None,
    };
    let request = &ended.plan.request;
    Some(RunNotice {
        kind,
        scope: request.scope.clone(),
        trigger: request.trigger,
        requested_by: request.requested_by.clone(),
        window: Some(request.window),
        status,
        exit_code: Some(exit_code),
        message,
        hint,
        at: now,
        run,
        previous: None,
    })
}

fn hint(failure: &JobError) -> String {
    match failure {
        JobError::Source { cause, .. }
        | JobError::Store { cause, .. }
        | JobError::LockLost { cause, .. } => cause.remedy().to_owned(),
        JobError::Stale { .. } => "`speedfit run` makes one with the records of now".to_owned(),
        JobError::GroupFailed { .. } => "`speedfit retry` does what failed again".to_owned(),
        JobError::ScopeBusy { .. } => "wait for the end of the other run".to_owned(),
        JobError::Unsettled { .. } => FailureKind::TimedOut.remedy().to_owned(),
        JobError::Cancelled => "run again when it suits".to_owned(),
    }
}

/// A run that could not be planned, or whose world could not be opened.
pub(super) fn of_unopened(
    scope: &str,
    ask: &Ask,
    failure: &LaunchError,
    now: Timestamp,
) -> RunNotice {
    let (exit_code, hint) = match failure {
        LaunchError::World(WorldError::Source(cause)) => (EXIT_SOURCE, cause.remedy().to_owned()),
        LaunchError::World(WorldError::Store(cause)) => (EXIT_STORE, cause.remedy().to_owned()),
        LaunchError::World(WorldError::Settings(error)) => {
            (EXIT_SETTINGS, error.hint().unwrap_or_else(|| "correct the settings".to_owned()))
        }
        LaunchError::Plan(BootstrapError::Options(_)) => {
            (EXIT_SETTINGS, "correct the settings".to_owned())
        }
        LaunchError::Plan(_) => (EXIT_UNEXPECTED, "`speedfit doctor` may say more".to_owned()),
        LaunchError::Job(failure) => (failure.exit_code(), hint(failure)),
    };
    RunNotice {
        kind: NoticeKind::Failed,
        scope: scope.to_owned(),
        trigger: ask.trigger,
        requested_by: ask.requested_by.clone(),
        window: None,
        status: RunStatus::Failed,
        exit_code: Some(exit_code),
        message: chain(failure),
        hint,
        at: now,
        run: None,
        previous: None,
    }
}

/// Exit code where settings or secrets are wrong, as the command line has it.
const EXIT_SETTINGS: u8 = 3;
/// Exit code where no other stands for it, likewise.
const EXIT_UNEXPECTED: u8 = 1;
