//! Runs whose shards never complete: whoever begins anything in their scope gives them up.
//!
//! Each of them is ended by one process, which has it to tell of; nobody else learns of it.

use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::error::EXIT_SOURCE;
use super::execute::World;
use super::grace::Grace;
use crate::domain::{RunId, RunRow, RunStatus};
use crate::ports::{Conclusion, PortResult, RunFilter, StagedShard};

/// Open requests that are looked through: more are never open at once.
pub(super) const MAX_OPEN: u32 = 100;

/// Missing shards that are named; one is enough to know whose log to read.
const MAX_NAMED: usize = 5;

/// Gives up the runs of the scope whose shards have not completed `expire_after` their request, and
/// returns those that this process ended, oldest first, as the ledger has them now.
///
/// Only under the scope's lock, so that none is given up while it is made; where that is busy, whoever
/// begins something next looks again. Where none is late this is one query. A store that fails is
/// warned of only: what is begun does not depend on it.
pub async fn give_up_expired(
    scope: &str,
    expire_after: Duration,
    world: &World,
    cancel: &CancellationToken,
) -> Vec<RunRow> {
    let grace = Grace::new(cancel);
    let expiry = Expiry { world, grace: &grace };
    let mut ended = Vec::new();
    let work = expiry.end_late(scope, expire_after, &mut ended);
    if let Err(why) = grace.around(&*world.clock, work).await
        && !cancel.is_cancelled()
    {
        warn!(%scope, "expired runs could not be looked for: {why}");
    }
    ended
}

struct Expiry<'a> {
    world: &'a World,
    grace: &'a Grace,
}

impl Expiry<'_> {
    async fn end_late(
        &self,
        scope: &str,
        expire_after: Duration,
        ended: &mut Vec<RunRow>,
    ) -> PortResult<()> {
        let late = self.late(scope, expire_after).await?;
        if late.is_empty() {
            return Ok(());
        }
        let lock = self.grace.unless_stopped(self.world.store.try_lock(scope)).await?;
        let Some(lock) = lock else { return Ok(()) };
        for run_id in late {
            match self.give_up(run_id).await {
                Ok(row) => ended.extend(row),
                Err(why) => warn!(run = run_id.0, "the run could not be given up: {why}"),
            }
        }
        self.grace.unless_over(lock.release()).await
    }

    /// Oldest first.
    async fn late(&self, scope: &str, expire_after: Duration) -> PortResult<Vec<RunId>> {
        let limit = SignedDuration::try_from(expire_after).unwrap_or(SignedDuration::MAX);
        let now = self.world.clock.now();
        let filter = RunFilter {
            scope: Some(scope.to_owned()),
            status: Some(RunStatus::Requested),
            limit: MAX_OPEN,
            ..RunFilter::default()
        };
        let open = self.grace.unless_stopped(self.world.store.runs(&filter)).await?;
        let is_late = |row: &&RunRow| {
            row.request.detail.n_shards.is_some()
                && now.duration_since(row.request.requested_at) > limit
        };
        Ok(open.iter().filter(is_late).map(|row| row.id).rev().collect())
    }

    /// Ends the run; `None` where it is no longer open, since whoever held the lock has made it, or
    /// given it up.
    async fn give_up(&self, run_id: RunId) -> PortResult<Option<RunRow>> {
        let row = self.grace.unless_stopped(self.world.store.run(run_id)).await?;
        let Some(row) = row.filter(|row| row.status == RunStatus::Requested) else {
            return Ok(None);
        };
        let staged = self.grace.unless_stopped(self.world.store.staged_shards(run_id)).await?;
        let now = self.world.clock.now();
        let row = RunRow {
            status: RunStatus::Failed,
            finished_at: Some(now),
            exit_code: Some(EXIT_SOURCE),
            message: message(&staged, row.request.detail.n_shards.unwrap_or_default()),
            ..row
        };
        let conclusion = Conclusion {
            exit_code: EXIT_SOURCE,
            message: row.message.clone(),
            ..Conclusion::without_set(run_id, row.status, now)
        };
        let concluded = self.grace.unless_over(self.world.store.conclude(&conclusion)).await;
        if let Err(cause) = concluded {
            // The reply may be lost although the run was ended: the ledger knows.
            let found = self.grace.unless_over(self.world.store.run(run_id)).await;
            if !found.is_ok_and(|found| found.as_ref() == Some(&row)) {
                return Err(cause);
            }
        }
        warn!(run = run_id.0, "run {}", row.message);
        // What stays is cleared with the run itself.
        if let Err(why) = self.grace.unless_stopped(self.world.store.clear_stage(run_id)).await {
            warn!(run = run_id.0, "what the shards staged could not be thrown away: {why}");
        }
        Ok(Some(row))
    }
}

/// How the run ended, in words: where shards are missing, which.
fn message(staged: &[StagedShard], n_shards: u32) -> String {
    let n_staged = staged.len();
    let is_there = |index: &u32| staged.iter().any(|shard| shard.index == *index);
    let missing: Vec<u32> = (1..=n_shards).filter(|index| !is_there(index)).collect();
    let mut named: Vec<String> =
        missing.iter().take(MAX_NAMED).map(|index| format!("{index}/{n_shards}")).collect();
    if missing.len() > MAX_NAMED {
        named.push(format!("{} more", missing.len() - MAX_NAMED));
    }
    let rest = match named.as_slice() {
        [] => "; the run could not be made of them".to_owned(),
        named => format!("; missing: {}", named.join(", ")),
    };
    format!("expired: {n_staged} of {n_shards} shards were staged in time{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_shards_are_named() {
        let check = |staged: &[u32], n_shards: u32, expected: &str| {
            let shard = |&index: &u32| StagedShard {
                index,
                load_key: 0,
                n_parts: 1,
                n_rows: 1,
                staged_at: jiff::Timestamp::UNIX_EPOCH,
            };
            let staged: Vec<_> = staged.iter().map(shard).collect();
            assert_eq!(message(&staged, n_shards), format!("expired: {expected}"));
        };
        check(&[1, 3], 3, "2 of 3 shards were staged in time; missing: 2/3");
        check(
            &[],
            8,
            "0 of 8 shards were staged in time; missing: 1/8, 2/8, 3/8, 4/8, 5/8, 3 more",
        );
        check(&[1, 2], 2, "2 of 2 shards were staged in time; the run could not be made of them");
    }
}
