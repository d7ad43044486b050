//! What a retry does: a pure decision over a run's row in the ledger, its groups, and what other runs
//! have done since. `docs/retry.md` is its table; a test reads the table and checks every cell.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::{GroupKey, GroupOutcome, GroupRow, RunId, RunRow, RunStatus, Trigger, Verdict};
use crate::ports::{PortResult, RunFilter, Store};

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// All that the run was asked for.
    Whole,
    /// These groups.
    Groups(Vec<GroupKey>),
    /// Nothing, and why.
    Nothing(NothingToDo),
    /// It cannot be told, or would do harm, and why.
    Refused(RetryRefusal),
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NothingToDo {
    /// No group of the run failed.
    NoFailure,
    /// What failed was done since.
    DoneSince,
}

impl fmt::Display for NothingToDo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoFailure => "no group of it failed",
            Self::DoneSince => "what failed was done since",
        })
    }
}

/// Why a run is not done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetryRefusal {
    /// It may still work.
    #[error("it is not over")]
    NotOver,
    /// Which of its groups failed was deleted.
    #[error("its groups were pruned, so that nobody knows which failed")]
    Pruned,
    /// A later run has published, over which it would lay its older records.
    #[error("run {0} has published since, and this one would lay its own window over that")]
    Superseded(RunId),
}

/// What other runs have done since a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Since {
    /// The newest later run whose set is in force: published, and not rolled back.
    pub published: Option<RunId>,
    /// A retry of the run, or a retry of that, that came to a good end.
    pub retried: Option<RunId>,
    /// Groups that later runs have published.
    pub done: BTreeSet<GroupKey>,
}

/// Whether a group is done again, by what became of it in a run that published.
#[must_use]
pub fn is_failure(outcome: GroupOutcome, verdict: Verdict) -> bool {
    match outcome {
        GroupOutcome::Failed | GroupOutcome::Cancelled => true,
        // The judge kept what was current; a group that the run did not meet was not judged.
        GroupOutcome::CarriedOver => verdict == Verdict::Keep,
        GroupOutcome::Fitted | GroupOutcome::Pooled | GroupOutcome::Fallback => false,
    }
}

/// The groups of a run that failed.
#[must_use]
pub fn failures(groups: &[GroupRow]) -> Vec<GroupKey> {
    let failed = groups.iter().filter(|group| is_failure(group.outcome, group.verdict));
    failed.map(|group| group.key.clone()).collect()
}

/// What a retry of the run does, whose groups these are.
#[must_use]
pub fn decide(run: &RunRow, groups: &[GroupRow], since: &Since) -> Decision {
    match run.status {
        RunStatus::Requested | RunStatus::Running => Decision::Refused(RetryRefusal::NotOver),
        RunStatus::Done | RunStatus::Partial => some_groups(run, groups, since),
        // Nothing of these was published, of the groups that passed neither.
        RunStatus::Refused | RunStatus::Cancelled | RunStatus::Failed | RunStatus::Abandoned => {
            whole(run, since)
        }
    }
}

fn some_groups(run: &RunRow, groups: &[GroupRow], since: &Since) -> Decision {
    if groups.is_empty() && run.status == RunStatus::Partial {
        return match since.retried {
            Some(_) => Decision::Nothing(NothingToDo::DoneSince),
            None => Decision::Refused(RetryRefusal::Pruned),
        };
    }
    let mut failed = failures(groups);
    if failed.is_empty() {
        return Decision::Nothing(NothingToDo::NoFailure);
    }
    if run.request.detail.keep_unpublished {
        // Its set stands alone: there is no other into which the rest could be merged.
        return whole(run, since);
    }
    failed.retain(|key| !since.done.contains(key));
    if failed.is_empty() {
        return Decision::Nothing(NothingToDo::DoneSince);
    }
    Decision::Groups(failed)
}

fn whole(run: &RunRow, since: &Since) -> Decision {
    if since.retried.is_some() {
        return Decision::Nothing(NothingToDo::DoneSince);
    }
    match since.published {
        // A set that is kept aside takes nothing from anyone.
        Some(newer) if !run.request.detail.keep_unpublished => {
            Decision::Refused(RetryRefusal::Superseded(newer))
        }
        _ => Decision::Whole,
    }
}

/// What the ledger tells of the time since a run; `failed` are its groups that failed.
///
/// # Errors
/// The store's.
pub async fn since(store: &dyn Store, run: &RunRow, failed: &[GroupKey]) -> PortResult<Since> {
    let scope = &run.request.scope;
    let filter = RunFilter { scope: Some(scope.clone()), ..RunFilter::default() };
    let mut newer = store.runs(&filter).await?;
    let retries = retries_of(run.id, &newer);
    newer.retain(|row| row.id > run.id && has_set(row));
    newer.sort_by_key(|row| row.id);
    // Of runs after the current one nothing is in force: they were rolled back, or kept aside.
    let current = store.mark(scope).await?.map(|mark| mark.run_id);
    let is_in_force = |row: &RunRow| {
        !row.request.detail.keep_unpublished && current.is_some_and(|current| row.id <= current)
    };
    let mut since = Since::default();
    for row in newer {
        let is_retry = retries.contains(&row.id);
        if is_retry && (run.request.detail.keep_unpublished || is_in_force(&row)) {
            since.retried = Some(row.id);
        }
        if !is_in_force(&row) {
            continue;
        }
        since.published = Some(row.id);
        if since.done.len() < failed.len()
            && let Some(set) = store.parameter_set(row.id).await?
        {
            let published = set.groups.into_iter().filter(|g| g.verdict == Verdict::Publish);
            since.done.extend(published.map(|g| g.key).filter(|key| failed.contains(key)));
        }
    }
    Ok(since)
}

fn has_set(row: &RunRow) -> bool {
    matches!(row.status, RunStatus::Done | RunStatus::Partial)
}

/// The retries of a run, and their retries, whatever became of them.
fn retries_of(run_id: RunId, rows: &[RunRow]) -> BTreeSet<RunId> {
    let mut retries: Vec<(RunId, RunId)> = rows
        .iter()
        .filter(|row| row.request.trigger == Trigger::Retry)
        .filter_map(|row| Some((row.id, row.request.detail.retry_of?)))
        .collect();
    retries.sort();
    let mut chain = BTreeSet::from([run_id]);
    for (id, of) in retries {
        if chain.contains(&of) {
            chain.insert(id);
        }
    }
    chain
}
