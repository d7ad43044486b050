//! How long parameter sets and rows of the ledger are kept: a pure plan, and its execution after a run.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::history::spans;
use crate::domain::{Publication, RunId, RunRow};
use crate::ports::{Clock, FailureKind, PortError, PortResult, Prune, RunFilter, Store};

/// A thing goes only where both its number and its age say so; a number of 0 keeps all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRules {
    /// Newest parameter sets that stay.
    pub sets: u32,
    /// Days that every parameter set stays.
    pub sets_days: u32,
    /// Newest rows of the ledger that stay.
    pub runs: u32,
    /// Days that every row of the ledger stays.
    pub runs_days: u32,
    /// Days that a set stays after it was current.
    pub current_days: u32,
}

/// What may go, each oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct HousePlan {
    /// Runs whose parameters go; the ledger still tells of them.
    pub sets: Vec<RunId>,
    /// Runs that go altogether, with their parameters where they have any.
    pub runs: Vec<RunId>,
}

impl HousePlan {
    /// Whether everything stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.runs.is_empty()
    }
}

/// What of a scope may go: `runs` is its ledger and `kept` the runs whose parameters are there, in any
/// order; `publications` come newest first. The current set stays, whatever was current within
/// `current_days`, and every run that is not over.
#[must_use]
pub fn plan(
    runs: &[RunRow],
    kept: &[RunId],
    publications: &[Publication],
    rules: &RetentionRules,
    now: Timestamp,
) -> HousePlan {
    let guarded = lately_current(publications, before(now, rules.current_days));
    let mut newest_first: Vec<&RunRow> = runs.iter().collect();
    newest_first.sort_by_key(|row| std::cmp::Reverse(row.id));
    let may_go = |row: &RunRow, number: u32, nth: usize, oldest: Timestamp| {
        let is_counted_out = number > 0 && nth >= number as usize;
        let age_from = row.finished_at.unwrap_or(row.request.requested_at);
        is_counted_out && age_from < oldest && row.status.is_final() && !guarded.contains(&row.id)
    };
    let kept: BTreeSet<RunId> = kept.iter().copied().collect();
    let with_set = newest_first.iter().filter(|row| kept.contains(&row.id));
    let oldest_set = before(now, rules.sets_days);
    let mut sets: BTreeSet<RunId> = with_set
        .enumerate()
        .filter(|(nth, row)| may_go(row, rules.sets, *nth, oldest_set))
        .map(|(_, row)| row.id)
        .collect();
    let oldest_run = before(now, rules.runs_days);
    let runs: Vec<RunId> = (newest_first.iter().enumerate().rev())
        .filter(|(nth, row)| may_go(row, rules.runs, *nth, oldest_run))
        .map(|(_, row)| row.id)
        // A set that stays needs its run.
        .filter(|run_id| !kept.contains(run_id) || sets.contains(run_id))
        .collect();
    for run_id in &runs {
        sets.remove(run_id);
    }
    HousePlan { sets: sets.into_iter().collect(), runs }
}

/// The runs that are current, or were at or after that moment.
fn lately_current(publications: &[Publication], since: Timestamp) -> BTreeSet<RunId> {
    let spans = spans(publications);
    let lately = spans.iter().filter(|span| span.until.is_none_or(|until| until >= since));
    lately.map(|span| span.publication.run_id).collect()
}

/// So many days before; the beginning of time where there are more.
fn before(now: Timestamp, days: u32) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN)
}

/// Reads the scope's ledger and plans what of it may go `now`.
///
/// # Errors
/// Those of the store.
pub async fn plan_of(
    store: &dyn Store,
    scope: &str,
    rules: &RetentionRules,
    now: Timestamp,
) -> PortResult<HousePlan> {
    if rules.sets == 0 && rules.runs == 0 {
        return Ok(HousePlan::default());
    }
    let filter = RunFilter { scope: Some(scope.to_owned()), ..RunFilter::default() };
    let runs = store.runs(&filter).await?;
    let kept = store.sets(scope).await?;
    let publications = store.publications(scope, 0).await?;
    Ok(plan(&runs, &kept, &publications, rules, now))
}

/// Runs that one call of the store deletes at the most, so that no transaction is long.
const BATCH: usize = 50;

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// Parameter sets.
    pub sets: u64,
    /// Runs, with their sets.
    pub runs: u64,
}

/// Deletes what the plan says, in small transactions. What became current meanwhile stays.
///
/// # Errors
/// Those of the store; what was deleted before stays deleted, and doing it again goes on from there.
pub async fn prune(
    store: &dyn Store,
    plan: &HousePlan,
    cancel: &CancellationToken,
) -> PortResult<Pruned> {
    let mut pruned = Pruned::default();
    for (run_ids, depth) in [(&plan.sets, Prune::Set), (&plan.runs, Prune::Run)] {
        for batch in run_ids.chunks(BATCH) {
            let n = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(PortError::cancelled()),
                n = store.prune(batch, depth) => n?,
            };
            match depth {
                Prune::Set => pruned.sets += n,
                Prune::Run => pruned.runs += n,
            }
        }
    }
    Ok(pruned)
}

/// Deletes what of the scope is neither wanted nor young any more, after a run that published. That
/// run is over whatever happens here: a failure is a warning in the log.
pub async fn keep_house(
    store: &dyn Store,
    scope: &str,
    rules: &RetentionRules,
    clock: &dyn Clock,
    cancel: &CancellationToken,
) {
    let work = async {
        let plan = plan_of(store, scope, rules, clock.now()).await?;
        prune(store, &plan, cancel).await
    };
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => return,
        outcome = work => outcome,
    };
    match outcome {
        Ok(pruned) if pruned == Pruned::default() => {}
        Ok(Pruned { sets, runs }) => info!(sets, runs, "old sets and runs were deleted"),
        Err(error) if error.kind == FailureKind::Denied => warn!(
            "old sets and runs stay, since they may not be deleted: {error}; grant DELETE, or set \
             `retention.sets` and `retention.runs` to 0"
        ),
        Err(error) => warn!("old sets and runs could not be deleted: {error}"),
    }
}

#[cfg(test)]
mod tests;
