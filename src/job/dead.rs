//! Runs that died without a word, found by somebody who does not begin a run: the schedule when it looks
//! what is to be done, a backfill before its first window.
//!
//! A run marks the dead that it meets as it begins (`ledger.rs`), and tells of them with itself. Whoever
//! else marks one has it to tell of, since no later run finds it.

use jiff::Timestamp;
use tracing::warn;

use crate::domain::RunRow;
use crate::ports::{PortResult, Store};

/// Marks the runs of the scope that died as abandoned, and returns them as the ledger has them now,
/// oldest first; `None` where a run of the scope is alive and holds its lock.
///
/// # Errors
/// The store's; nobody has marked any then, as far as that is known.
pub async fn end_dead(
    store: &dyn Store,
    scope: &str,
    now: Timestamp,
) -> PortResult<Option<Vec<RunRow>>> {
    let Some(lock) = store.try_lock(scope).await? else { return Ok(None) };
    let marked = store.abandon_dead(scope, now).await;
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
