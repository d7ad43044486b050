//! What the ledger tells of a scope, for metrics: a few small queries, whoever asks.

use crate::domain::{RunRow, RunStatus, ScopeMetrics};
use crate::ports::{PortResult, RunFilter, Store};

/// Rows looked at for the one that ended last: runs that wait or work may stand above it, and one
/// that was refused at once may have a higher number than one that ended later.
const N_RECENT: u32 = 50;

/// One scope as its ledger tells it now.
///
/// # Errors
/// Those of the store.
pub async fn scope_metrics(store: &dyn Store, scope: &str) -> PortResult<ScopeMetrics> {
    let recent = RunFilter { scope: Some(scope.to_owned()), limit: N_RECENT, ..Default::default() };
    let ended = store.runs(&recent).await?.into_iter().filter(|run| run.status.is_final());
    let last = ended.max_by_key(|run| (run.finished_at, run.id));
    let refusals = match &last {
        Some(run) => store.refusals(run.id).await?,
        None => Vec::new(),
    };
    let done = newest(store, scope, RunStatus::Done).await?;
    let partial = newest(store, scope, RunStatus::Partial).await?;
    let successes = [done, partial].into_iter().flatten();
    let last_success_at = successes.filter_map(|run| run.finished_at).max();
    let current = store.mark(scope).await?;
    Ok(ScopeMetrics::new(scope, last, &refusals, last_success_at, current))
}

async fn newest(store: &dyn Store, scope: &str, status: RunStatus) -> PortResult<Option<RunRow>> {
    let filter = RunFilter {
        scope: Some(scope.to_owned()),
        status: Some(status),
        limit: 1,
        ..Default::default()
    };
    Ok(store.runs(&filter).await?.into_iter().next())
}
