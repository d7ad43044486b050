//! One moment of the calendar: as many tries as it takes and may have, in this process or another.
//!
//! What was tried, the ledger says; a try is a row with a slot that is unique in the scope. Several
//! processes together therefore make no more tries than one would, and each try once.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::driver::Scope;
use super::left_behind::is_left_behind;
use super::night::{Ended, Missed, NightError, Outcome, Rules};
use super::slot::{SlotState, slot_moment, slot_name};
use super::status::ScopeState;
use crate::domain::{RunRow, RunStatus, Trigger};
use crate::job::end_dead;
use crate::ports::{PortResult, RunFilter, Store};

/// Newest rows of the calendar that are looked at: more than one moment may have tries.
const MAX_ROWS: u32 = 250;

/// What is to be done about a moment now.
enum Next {
    /// Nothing more.
    Nothing,
    /// Look again later: another run works.
    LookAgain,
    /// This try, not before then.
    Try(u32, Timestamp),
}

/// What came of a try.
enum Tried {
    /// No further one is to be made here.
    ForTheLastTime,
    /// It failed, and another may not.
    InVain,
    /// Another process was first.
    TooLate,
}

impl Scope {
    /// Limit of a run where the settings cannot be read to tell it: six hours.
    pub(super) const LIMIT_WITHOUT_RULES: Duration = Duration::from_secs(21_600);

    /// The moment up to which nothing is to be made up for.
    pub(super) async fn baseline(&mut self, rules: &Rules) -> Timestamp {
        let started = self.clock.now();
        if rules.missed == Missed::Skip {
            return started;
        }
        loop {
            match self.unless_stopped(self.last_played(rules)).await {
                Ok(last) => return last.unwrap_or(started),
                Err(problem) => self.store_failed(&problem),
            }
            let again = self.clock.now() + self.tick;
            let is_due = rules.calendar.next_after(started).is_some_and(|next| next <= again);
            if !self.wait_until(again).await || is_due {
                return started;
            }
        }
    }

    /// The newest moment that the ledger has a run of; the time just before it, where that moment is
    /// still open.
    async fn last_played(&self, rules: &Rules) -> Result<Option<Timestamp>, NightError> {
        let rows = self.timer_rows(&*self.night.store().await?).await;
        let rows = rows.map_err(|error| NightError::of(&error))?;
        let moments = rows.iter().filter_map(|row| slot_moment(row.request.slot.as_deref()?));
        let Some(moment) = moments.map(|(moment, _)| moment).max() else { return Ok(None) };
        let state = state_of(moment, rows, rules);
        Ok(Some(match state {
            SlotState::Settled | SlotState::Exhausted => moment,
            SlotState::Open { .. } | SlotState::Underway => moment - SignedDuration::from_nanos(1),
        }))
    }

    async fn timer_rows(&self, store: &dyn Store) -> PortResult<Vec<RunRow>> {
        let filter = RunFilter {
            scope: Some(self.night.scope().to_owned()),
            trigger: Some(Trigger::Timer),
            limit: MAX_ROWS,
            ..RunFilter::default()
        };
        store.runs(&filter).await
    }

    /// Sees to it that the moment has its run, as far as that is possible before the next moment.
    pub(super) async fn play(&mut self, moment: Timestamp, rules: &Rules) {
        let next_moment = rules.calendar.next_after(moment).unwrap_or(Timestamp::MAX);
        // Tries of this process that failed; those that came to a run, the ledger counts too.
        let mut n_failed = 0;
        let mut own_not_before = moment;
        while n_failed < rules.attempts {
            let now = self.clock.now();
            let look_at = match self.unless_stopped(self.look(moment, rules)).await {
                Ok(Next::Nothing) => return,
                Ok(Next::LookAgain) => now + self.tick,
                Ok(Next::Try(_, not_before)) if now < not_before.max(own_not_before) => {
                    not_before.max(own_not_before)
                }
                Ok(Next::Try(attempt, _)) => {
                    let wait = match self.try_once(moment, attempt, rules).await {
                        Tried::ForTheLastTime => return,
                        Tried::InVain => {
                            n_failed += 1;
                            rules.retry_wait
                        }
                        Tried::TooLate => self.tick,
                    };
                    own_not_before = self.clock.now() + wait;
                    // What is next, the ledger says.
                    continue;
                }
                Err(problem) => {
                    self.store_failed(&problem);
                    n_failed += 1;
                    now + rules.retry_wait
                }
            };
            self.board.become_(ScopeState::BetweenTries);
            if !self.wait_until(look_at.min(next_moment)).await || self.clock.now() >= next_moment {
                return;
            }
        }
        error!(%moment, "given up until the next moment");
    }

    async fn try_once(&mut self, moment: Timestamp, attempt: u32, rules: &Rules) -> Tried {
        let slot = slot_name(moment, attempt);
        let (night, own_slot) = (Arc::clone(&self.night), slot.clone());
        let ended = self
            .run_within(rules.run_limit, move |cancel| async move {
                night.launch(&own_slot, &cancel).await
            })
            .await;
        self.board.ended(Some(&slot), &ended);
        match ended.outcome {
            Outcome::Over(_) => Tried::ForTheLastTime,
            Outcome::Cancelled if self.cancel.is_cancelled() => Tried::ForTheLastTime,
            Outcome::Failed => {
                error!(slot, "another try would end the same, so none is made: {}", ended.message);
                Tried::ForTheLastTime
            }
            Outcome::Taken => {
                info!(slot, "another process has this moment");
                Tried::TooLate
            }
            Outcome::MayPass | Outcome::Cancelled => {
                warn!(slot, "the try failed, which may pass: {}", ended.message);
                Tried::InVain
            }
        }
    }

    /// What the ledger says is to be done about the moment.
    async fn look(&self, moment: Timestamp, rules: &Rules) -> Result<Next, NightError> {
        let store = self.night.store().await?;
        let next = self.look_in(&*store, moment, rules).await;
        next.map_err(|error| NightError::of(&error))
    }

    async fn look_in(
        &self,
        store: &dyn Store,
        moment: Timestamp,
        rules: &Rules,
    ) -> PortResult<Next> {
        if self.is_busy(store).await? {
            return Ok(Next::LookAgain);
        }
        let rows = self.timer_rows(store).await?;
        Ok(match state_of(moment, rows, rules) {
            SlotState::Underway => Next::LookAgain,
            SlotState::Settled => Next::Nothing,
            SlotState::Exhausted => {
                error!(%moment, "every try of this moment has failed");
                Next::Nothing
            }
            SlotState::Open { attempt, not_before } => Next::Try(attempt, not_before),
        })
    }

    /// Whether a run of the scope works or is about to, of whatever kind. Under the scope's lock none
    /// works: what the ledger calls running is dead then, marked so, and told of.
    async fn is_busy(&self, store: &dyn Store) -> PortResult<bool> {
        let scope = self.night.scope();
        let now = self.clock.now();
        let asked = self.rows_with(store, RunStatus::Requested).await?;
        if asked.iter().any(|row| !is_left_behind(row, now)) {
            return Ok(true);
        }
        if self.rows_with(store, RunStatus::Running).await?.is_empty() {
            return Ok(false);
        }
        let Some(dead) = end_dead(store, scope, None, now).await? else { return Ok(true) };
        self.tell_of_dead(dead);
        Ok(false)
    }

    /// Does the work in a task of its own, so that a panic is a failed run, and stops it at the limit.
    pub(super) async fn run_within<F, W>(&mut self, limit: Duration, work: W) -> Ended
    where
        F: Future<Output = Ended> + Send + 'static,
        W: FnOnce(CancellationToken) -> F,
    {
        self.board.become_(ScopeState::Running);
        let stop = self.cancel.child_token();
        let mut task = JoinSet::new();
        task.spawn(tracing::Instrument::in_current_span(work(stop.clone())));
        let end = self.clock.now() + limit;
        loop {
            let rest = Duration::try_from(end.duration_since(self.clock.now()));
            let rest = rest.unwrap_or(self.tick).clamp(Duration::from_millis(1), self.tick);
            tokio::select! {
                joined = task.join_next() => {
                    let mut ended = match joined {
                        Some(Ok(ended)) => ended,
                        Some(Err(died)) => Ended::by_error(Outcome::Failed, &died),
                        None => Ended::taken(),
                    };
                    if ended.outcome == Outcome::Cancelled && self.cancel.is_cancelled() {
                        self.n_interrupted += 1;
                    } else if ended.outcome == Outcome::Cancelled {
                        ended.message = format!("stopped after its limit of {} s", limit.as_secs());
                    }
                    return ended;
                }
                () = self.clock.sleep(rest) => {
                    self.board.seen();
                    if self.clock.now() >= end && !stop.is_cancelled() {
                        error!("the run is stopped after its limit of {} s", limit.as_secs());
                        stop.cancel();
                    }
                }
            }
        }
    }
}

/// What the rows of a moment, among all of these, come to.
fn state_of(moment: Timestamp, mut rows: Vec<RunRow>, rules: &Rules) -> SlotState {
    let is_of = |row: &RunRow| {
        let slot = row.request.slot.as_deref().and_then(slot_moment);
        slot.is_some_and(|(of, _)| of == moment)
    };
    rows.retain(is_of);
    SlotState::of(moment, &rows, rules.attempts, rules.retry_wait)
}
