//! Runs of the scope that died, and requests that nobody began, where somebody ends them who is no run:
//! the schedule before a try, a backfill before its first window, a retry of one of them.
//!
//! A run ends those that it meets by itself (`ledger.rs`), and they are reported with it. Whoever else
//! ends one has it to report, since no later run finds it.

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::error::EXIT_REFUSED;
use super::history;
use crate::domain::{RunId, RunRow, RunStatus};
use crate::ports::{Conclusion, LockKey, PortResult, RunFilter, Store};

/// A request that waits longer is not begun any more: its records, and whatever it was asked for, are
/// those of another day.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Newer runs among which one is looked for that has begun.
const N_LOOKED_AT: u32 = 100;

/// Open requests that are ended at once; more of them wait for the next run.
const MAX_REQUESTS: u32 = 100;

/// Marks the runs of the scope that died as abandoned, and this request, where nobody has begun it;
/// returns them as the ledger has them now, oldest first. `None` where a run of the scope is alive and
/// holds its lock.
///
/// # Errors
/// The store's; nobody has marked any then, as far as that is known.
pub async fn end_dead(
    store: &dyn Store,
    scope: &str,
    request: Option<RunId>,
    now: Timestamp,
) -> PortResult<Option<Vec<RunRow>>> {
    let Some(lock) = store.try_lock(scope).await? else { return Ok(None) };
    let marked = end_under_lock(store, scope, request, now, &lock.key()).await;
    if let Err(why) = lock.release().await {
        warn!("the lock could not be released and ends with this process: {why}");
    }
    let mut run_ids = marked?;
    run_ids.sort();
    let mut dead = Vec::new();
    for run_id in run_ids {
        warn!(run = run_id.0, "run died without a word, marked abandoned");
        match store.run(run_id).await {
            Ok(row) => dead.extend(row),
            Err(why) => {
                warn!(run = run_id.0, "it could not be read back, and is not told of: {why}");
            }
        }
    }
    Ok(Some(dead))
}

async fn end_under_lock(
    store: &dyn Store,
    scope: &str,
    request: Option<RunId>,
    now: Timestamp,
    lock: &LockKey,
) -> PortResult<Vec<RunId>> {
    let mut run_ids = store.abandon_dead(scope, now, Some(lock)).await?;
    let Some(run_id) = request else { return Ok(run_ids) };
    let row = store.run(run_id).await?;
    if row.is_some_and(|row| row.status == RunStatus::Requested) {
        store.conclude(&abandoned(run_id, "asked for and never begun".to_owned(), now)).await?;
        run_ids.push(run_id);
    }
    Ok(run_ids)
}

/// Why a request that was left behind is not begun any more, in words; `None` where it may be. Only
/// under the scope's lock does the answer hold.
pub(super) async fn why_stale(
    store: &dyn Store,
    row: &RunRow,
    now: Timestamp,
) -> PortResult<Option<String>> {
    let asked_at = row.request.requested_at;
    if now.duration_since(asked_at) > MAX_WAIT {
        return Ok(Some(format!("it was asked for at {asked_at:.0}, more than 24 hours ago")));
    }
    if row.request.detail.keep_unpublished {
        // A set that is kept aside lies over nothing.
        return Ok(None);
    }
    let scope = &row.request.scope;
    let filter =
        RunFilter { scope: Some(scope.clone()), limit: N_LOOKED_AT, ..RunFilter::default() };
    let runs = store.runs(&filter).await?;
    if let Some(newer) = runs.iter().find(|run| run.id > row.id && run.started_at.is_some()) {
        return Ok(Some(format!("run {} was asked for later and has begun", newer.id)));
    }
    // A run that was asked for before, and done since, supersedes nothing; a person's choice does.
    let mark = store.mark(scope).await?;
    let chosen = mark.filter(|mark| mark.reason != history::RUN && mark.published_at > asked_at);
    Ok(chosen.map(|mark| {
        format!("{} made run {} current since ({})", mark.published_by, mark.run_id, mark.reason)
    }))
}

/// The requests of the scope that are older than this run, oldest first.
pub(super) async fn older_requests(
    store: &dyn Store,
    scope: &str,
    run_id: RunId,
) -> PortResult<Vec<RunId>> {
    let filter = RunFilter {
        scope: Some(scope.to_owned()),
        status: Some(RunStatus::Requested),
        limit: MAX_REQUESTS,
        ..RunFilter::default()
    };
    let open = store.runs(&filter).await?;
    let is_older = |row: &&RunRow| row.id < run_id;
    Ok(open.iter().filter(is_older).map(|row| row.id).rev().collect())
}

/// The end of a request that nobody began.
pub(super) fn abandoned(run_id: RunId, message: String, found_at: Timestamp) -> Conclusion {
    Conclusion {
        exit_code: EXIT_REFUSED,
        message,
        ..Conclusion::without_set(run_id, RunStatus::Abandoned, found_at)
    }
}
