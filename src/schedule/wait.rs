//! How a scope waits, and how it tells what it does.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinError;
use tracing::{Instrument as _, error};

use super::driver::Scope;
use super::night::{Ended, NightError, Outcome};
use super::status::{LastError, LastRun, ScheduleStatus, ScopeState, ScopeStatus};
use crate::domain::{RunRow, RunStatus};
use crate::ports::Clock;

/// The scope's line of the status.
#[derive(Clone)]
pub(super) struct Board {
    status: watch::Sender<ScheduleStatus>,
    scope_idx: usize,
    clock: Arc<dyn Clock>,
}

impl Board {
    pub(super) fn new(
        status: watch::Sender<ScheduleStatus>,
        scope_idx: usize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { status, scope_idx, clock }
    }

    fn change(&self, change: impl FnOnce(&mut ScopeStatus, Timestamp)) {
        let now = self.clock.now();
        self.status.send_modify(|status| {
            status.updated_at = now;
            if let Some(scope) = status.scopes.get_mut(self.scope_idx) {
                scope.seen_at = now;
                change(scope, now);
            }
        });
    }

    /// It lives.
    pub(super) fn seen(&self) {
        self.change(|_, _| {});
    }

    /// What it does now.
    pub(super) fn state(&self) -> Option<ScopeState> {
        self.status.borrow().scopes.get(self.scope_idx).map(|scope| scope.state)
    }

    pub(super) fn become_(&self, state: ScopeState) {
        self.change(|scope, _| scope.state = state);
    }

    pub(super) fn waits_for(&self, next: Timestamp) {
        self.change(|scope, _| {
            scope.state = ScopeState::Waiting;
            scope.next_at = Some(next);
        });
    }

    /// Logs a failure, once as long as it stays the same, and keeps it.
    pub(super) fn went_wrong(&self, message: &str) {
        self.change(|scope, now| {
            let last = scope.last_error.as_ref().map(|error| error.message.as_str());
            if last != Some(message) {
                error!("{message}");
            }
            scope.last_error = Some(LastError { at: now, message: message.to_owned() });
        });
    }

    /// Keeps how a try ended.
    pub(super) fn ended(&self, slot: Option<&str>, ended: &Ended) {
        let name = match ended.outcome {
            Outcome::Over(status) => status.as_str(),
            Outcome::MayPass | Outcome::Failed => RunStatus::Failed.as_str(),
            Outcome::Cancelled => RunStatus::Cancelled.as_str(),
            Outcome::Taken => return,
        };
        let published =
            matches!(ended.outcome, Outcome::Over(RunStatus::Done | RunStatus::Partial));
        self.change(|scope, now| {
            let message = ended.message.clone();
            if published {
                scope.last_success_at = Some(now);
                scope.last_error = None;
            } else {
                scope.last_error = Some(LastError { at: now, message: message.clone() });
            }
            scope.last_run = Some(LastRun {
                id: ended.run_id,
                slot: slot.map(str::to_owned),
                ended: name.to_owned(),
                finished_at: now,
                message,
            });
        });
    }
}

impl Scope {
    /// The work's result, unless the stop signal comes first.
    pub(super) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, NightError>>,
    ) -> Result<T, NightError> {
        tokio::select! {
            biased;
            result = work => result,
            () = self.cancel.cancelled() => Err(NightError("stopped".to_owned())),
        }
    }

    /// The store did not do what was asked: it is opened anew the next time.
    pub(super) fn store_failed(&self, problem: &NightError) {
        self.night.forget_store();
        if !self.cancel.is_cancelled() {
            self.board.went_wrong(&problem.0);
        }
    }

    /// Tells of runs that were found dead, beside all else: whoever is told may not answer for minutes,
    /// and the night does not wait for that.
    pub(super) fn tell_of_dead(&self, dead: Vec<RunRow>) {
        if dead.is_empty() {
            return;
        }
        let mut telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(told) = telling.try_join_next() {
            note_telling(told);
        }
        let (night, cancel) = (Arc::clone(&self.night), self.cancel.clone());
        let work = async move { night.tell_of_dead(&dead, &cancel).await };
        telling.spawn(work.in_current_span());
    }

    /// Waits until then, looking up at every tick; `false` where the stop signal came first.
    pub(super) async fn wait_until(&mut self, until: Timestamp) -> bool {
        loop {
            if self.cancel.is_cancelled() {
                return false;
            }
            if self.clock.now() >= until {
                return true;
            }
            self.board.seen();
            self.look_for_left_behind().await;
            let rest = Duration::try_from(until.duration_since(self.clock.now()));
            // Where time has passed meanwhile, there is no rest.
            let Ok(rest) = rest else { continue };
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return false,
                () = self.clock.sleep(rest.min(self.tick)) => {}
            }
        }
    }
}

/// A mistake in telling ends nothing but itself.
pub(super) fn note_telling(told: Result<(), JoinError>) {
    if let Err(died) = told {
        error!("telling of runs that were found dead broke off: {died}");
    }
}
