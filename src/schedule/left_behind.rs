//! Requests that were left behind: a process wrote the row and died before the run began.
//!
//! They are looked for at the start and at every tick, and done as their rows ask for. Whether
//! somebody else is about to begin one, only the scope's lock tells: `job::pick_up` looks again under
//! it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use super::driver::Scope;
use super::night::{Ended, NightError, Outcome};
use super::status::ScopeState;
use crate::domain::{RunRow, RunStatus};
use crate::job::error::EXIT_REFUSED;
use crate::ports::{Conclusion, PortResult, RunFilter, Store};

/// A request that waits longer than this was left behind; between request and run lie milliseconds.
const OLD: Duration = Duration::from_secs(60);

/// Requests looked at in one tick; more of them wait for the next.
const MAX_REQUESTS: u32 = 20;

/// Whether nobody is about to begin the request any more.
pub(super) fn is_left_behind(row: &RunRow, now: Timestamp) -> bool {
    now >= row.request.requested_at + OLD
}

impl Scope {
    /// Takes up what was left behind, at most once per tick.
    pub(super) async fn look_for_left_behind(&mut self) {
        let now = self.clock.now();
        if self.looked_at.is_some_and(|looked_at| now < looked_at + self.tick) {
            return;
        }
        self.looked_at = Some(now);
        match self.unless_stopped(self.left_behind()).await {
            Ok(rows) => {
                for row in rows {
                    self.take_up(&row).await;
                }
            }
            Err(problem) => self.store_failed(&problem),
        }
    }

    /// Oldest first.
    async fn left_behind(&self) -> Result<Vec<RunRow>, NightError> {
        let store = self.night.store().await?;
        let rows = self.rows_with(&*store, RunStatus::Requested).await;
        let mut rows = rows.map_err(|error| NightError::of(&error))?;
        let now = self.clock.now();
        rows.retain(|row| is_left_behind(row, now));
        rows.reverse();
        Ok(rows)
    }

    /// The scope's newest runs with that status.
    pub(super) async fn rows_with(
        &self,
        store: &dyn Store,
        status: RunStatus,
    ) -> PortResult<Vec<RunRow>> {
        let filter = RunFilter {
            scope: Some(self.night.scope().to_owned()),
            status: Some(status),
            limit: MAX_REQUESTS,
            ..RunFilter::default()
        };
        store.runs(&filter).await
    }

    async fn take_up(&mut self, row: &RunRow) {
        if self.cancel.is_cancelled() {
            return;
        }
        info!(run = row.id.0, "a request was left behind and is taken up");
        let before = self.board.state();
        let (night, own_row) = (Arc::clone(&self.night), row.clone());
        let limit = self.night.rules().await.map(|rules| rules.run_limit);
        let limit = limit.unwrap_or(Self::LIMIT_WITHOUT_RULES);
        let ended = self
            .run_within(limit, move |cancel| async move { night.pick_up(&own_row, &cancel).await })
            .await;
        self.board.ended(row.request.slot.as_deref(), &ended);
        if ended.outcome == Outcome::Failed
            && let Err(problem) = self.unless_stopped(self.conclude(row, &ended)).await
        {
            self.store_failed(&problem);
        }
        self.board.become_(before.unwrap_or(ScopeState::Waiting));
    }

    /// Ends a request that cannot be done, unless somebody has begun it.
    async fn conclude(&self, row: &RunRow, ended: &Ended) -> Result<(), NightError> {
        let store = self.night.store().await?;
        let refused = self.refuse(&*store, row, ended).await;
        refused.map_err(|error| NightError::of(&error))
    }

    async fn refuse(&self, store: &dyn Store, row: &RunRow, ended: &Ended) -> PortResult<()> {
        let Some(lock) = store.try_lock(&row.request.scope).await? else { return Ok(()) };
        let still = store.run(row.id).await?;
        if still.is_some_and(|row| row.status == RunStatus::Requested) {
            warn!(run = row.id.0, "the request cannot be done: {}", ended.message);
            let conclusion = Conclusion {
                exit_code: EXIT_REFUSED,
                message: format!("left behind, and cannot be done: {}", ended.message),
                ..Conclusion::without_set(row.id, RunStatus::Failed, self.clock.now())
            };
            store.conclude(&conclusion).await?;
        }
        lock.release().await
    }
}
