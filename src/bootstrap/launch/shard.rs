//! One shard of a run, and who is told where it fails.
//!
//! A shard that fails is started again, and eight that fail alike have one cause. So of what may pass
//! nobody is told: a run that its shards never complete expires, and of that whoever finds it tells.
//! Of what another try would not change, one of them tells at once.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Launch, LaunchError, Launched};
use crate::bootstrap::plan::Ask;
use crate::config::Loaded;
use crate::domain::Shard;
use crate::job::{self, JobError, Observer, Reached, ShardAsk, ShardFailure, ShardOutcome};
use crate::ports::Clock;

impl Launch {
    /// Like [`open`](Self::open) for the shard that speaks for all, like [`prepare`](Self::prepare) for
    /// the others.
    ///
    /// # Errors
    /// Those of [`prepare`](Self::prepare).
    pub async fn open_shard(
        loaded: &Loaded,
        ask: Ask,
        shard: Shard,
        clock: Arc<dyn Clock>,
        cancel: &CancellationToken,
    ) -> Result<Self, LaunchError> {
        if speaks_for_all(shard) {
            Self::open(loaded, ask, clock, cancel).await
        } else {
            Self::prepare(loaded, ask, clock).await
        }
    }

    /// Reads one part of the records and stages it; makes the run where it was the last part, writes
    /// its files, and tells of it.
    ///
    /// # Errors
    /// [`LaunchError::Job`].
    pub async fn run_shard(
        self,
        shard: Shard,
        key: Option<String>,
        observer: &dyn Observer,
        cancel: &CancellationToken,
    ) -> Result<ShardOutcome<Launched>, LaunchError> {
        let ask = ShardAsk { shard, key };
        let work = job::run_shard(&self.plan, &self.world, &ask, observer, cancel);
        let (run_id, outcome) = match self.beside_expired(cancel, work).await {
            Ok(ShardOutcome::Staged { run_id, n_rows, n_staged }) => {
                return Ok(ShardOutcome::Staged { run_id, n_rows, n_staged });
            }
            Ok(ShardOutcome::Over(row)) => return Ok(ShardOutcome::Over(row)),
            Ok(ShardOutcome::Made(report)) => (report.set.run_id, Ok(*report)),
            Err(failure) if is_told_at_once(shard, &failure) => {
                (failure.reached.run_id(), Err(failure.cause))
            }
            Err(failure) => return Err(failure.cause.into()),
        };
        let launched = self.finish(run_id, outcome, cancel).await?;
        Ok(ShardOutcome::Made(Box::new(launched)))
    }
}

/// One of the shards, and the same one at every try: what keeps it from starting keeps all of them.
fn speaks_for_all(shard: Shard) -> bool {
    shard.index() == 1
}

fn is_told_at_once(shard: Shard, failure: &ShardFailure) -> bool {
    match failure.reached {
        // No run may be there that could expire.
        Reached::NoRun => speaks_for_all(shard) && !matches!(failure.cause, JobError::Cancelled),
        Reached::Part(_) => speaks_for_all(shard) && !failure.cause.may_pass(),
        // One process at a time makes the run.
        Reached::All(_) => !failure.cause.may_pass(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{GroupKey, RunId};
    use crate::ports::{FailureKind, PortError};

    /// Whether the first shard, and whether another, tells: `first`, `any` or `none`, by how far they
    /// came.
    fn who_tells(cause: impl Fn() -> JobError) -> [&'static str; 3] {
        let run_id = RunId(7);
        [Reached::NoRun, Reached::Part(run_id), Reached::All(run_id)].map(|reached| {
            let tells = |index| {
                let shard = Shard::new(index, 3).unwrap();
                is_told_at_once(shard, &ShardFailure { reached, cause: cause() })
            };
            match [1, 2, 3].map(tells) {
                [true, true, true] => "any",
                [true, false, false] => "first",
                [false, false, false] => "none",
                _ => "some",
            }
        })
    }

    #[test]
    fn one_shard_tells_and_only_of_what_does_not_pass() {
        use FailureKind as K;
        let source = |kind| {
            who_tells(|| JobError::Source {
                source_name: "s".to_owned(),
                cause: PortError::new(kind, "x"),
            })
        };
        let store = |kind| {
            who_tells(|| JobError::Store {
                operation: "read",
                store_name: "s".to_owned(),
                cause: PortError::new(kind, "x"),
            })
        };
        for kind in [K::Unreachable, K::Busy, K::Conflict, K::TimedOut] {
            assert_eq!(source(kind), ["first", "none", "none"], "{kind:?}");
            assert_eq!(store(kind), ["first", "none", "none"], "{kind:?}");
        }
        for kind in [K::Denied, K::Missing, K::Malformed, K::Full, K::Internal] {
            assert_eq!(source(kind), ["first", "first", "any"], "{kind:?}");
            assert_eq!(store(kind), ["first", "first", "any"], "{kind:?}");
        }
        let (run_id, scope) = (RunId(7), || "s".to_owned());
        assert_eq!(who_tells(|| JobError::Cancelled), ["none"; 3]);
        let cause = || PortError::new(K::Unreachable, "x");
        let lost = who_tells(|| JobError::LockLost { run_id, scope: scope(), cause: cause() });
        assert_eq!(lost[2], "none");
        let misfit = who_tells(|| JobError::ShardMisfit { run_id, why: scope() });
        assert_eq!(misfit[0], "first");
        let group = || JobError::GroupFailed { group: GroupKey::region("A"), why: scope() };
        assert_eq!(who_tells(group)[2], "any");
    }
}
