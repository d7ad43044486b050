//! Stays up for one or several scopes, each in a task of its own under one tree of stop signals.
//!
//! A scope waits for its next moment, plays it (`play.rs`), and waits again; beside waiting it takes
//! up requests that were left behind (`left_behind.rs`). All of it is one task, so that a scope never
//! has two runs at once in this process; between processes the store's lock keeps them apart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info, info_span, warn};

use super::night::{Missed, Night, Rules};
use super::status::{ScheduleStatus, ScopeState, ScopeStatus};
use super::wait::{Board, note_telling};
use crate::ports::Clock;

/// A schedule that is not started.
pub struct Schedule {
    nights: Vec<Arc<dyn Night>>,
    clock: Arc<dyn Clock>,
    tick: Duration,
    status: watch::Sender<ScheduleStatus>,
}

/// What had to be left when the schedule ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Runs that the stop signal met.
    pub n_interrupted: usize,
    /// Scopes that broke off by a mistake in this program.
    pub n_broken: usize,
}

impl Schedule {
    /// How often a scope that waits looks up: for requests left behind, a clock that was set, and to
    /// show that it lives.
    pub const TICK: Duration = Duration::from_secs(30);

    /// A schedule of these scopes.
    #[must_use]
    pub fn new(nights: Vec<Arc<dyn Night>>, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let scopes = nights.iter().map(|night| ScopeStatus::starting(night.scope(), now)).collect();
        let status = watch::Sender::new(ScheduleStatus { updated_at: now, scopes });
        Self { nights, clock, tick: Self::TICK, status }
    }

    /// The same with another tick.
    #[must_use]
    pub fn with_tick(self, tick: Duration) -> Self {
        Self { tick, ..self }
    }

    /// What it does, from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ScheduleStatus> {
        self.status.subscribe()
    }

    /// Stays up until the stop signal. A scope that breaks off does not end the others.
    pub async fn run(self, cancel: &CancellationToken) -> Stopped {
        let mut gate = JoinSet::new();
        let mut boards = HashMap::new();
        for (scope_idx, night) in self.nights.into_iter().enumerate() {
            let board = Board::new(self.status.clone(), scope_idx, Arc::clone(&self.clock));
            let span = info_span!("schedule", scope = night.scope());
            let scope = Scope {
                night,
                clock: Arc::clone(&self.clock),
                tick: self.tick,
                board: board.clone(),
                cancel: cancel.child_token(),
                looked_at: None,
                n_interrupted: 0,
                telling: Mutex::default(),
            };
            let task = gate.spawn(scope.stay_up().instrument(span));
            boards.insert(task.id(), board);
        }
        let mut stopped = Stopped::default();
        while let Some(joined) = gate.join_next_with_id().await {
            match joined {
                Ok((_, n_interrupted)) => stopped.n_interrupted += n_interrupted,
                Err(died) => {
                    stopped.n_broken += 1;
                    error!("the schedule of a scope broke off: {died}");
                    if let Some(board) = boards.get(&died.id()) {
                        board.become_(ScopeState::Broken);
                    }
                }
            }
        }
        stopped
    }
}

/// One scope that stays up.
pub(super) struct Scope {
    pub(super) night: Arc<dyn Night>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tick: Duration,
    pub(super) board: Board,
    pub(super) cancel: CancellationToken,
    /// When requests left behind were last looked for.
    pub(super) looked_at: Option<Timestamp>,
    pub(super) n_interrupted: usize,
    /// Who is being told of runs that were found dead.
    pub(super) telling: Mutex<JoinSet<()>>,
}

/// A start that is later than this was missed: the machine slept, or its clock was set.
const LATE: Duration = Duration::from_secs(60);

/// Moments that were missed are counted up to here.
const MAX_COUNTED: usize = 100;

impl Scope {
    /// Returns how many runs the stop signal met.
    async fn stay_up(mut self) -> usize {
        if let Some(rules) = self.first_rules().await {
            self.follow(rules).await;
        }
        // The stop signal, which has come by now, ends it soon.
        let telling = self.telling.get_mut().unwrap_or_else(PoisonError::into_inner);
        while let Some(told) = telling.join_next().await {
            note_telling(told);
        }
        self.board.become_(ScopeState::Stopped);
        self.n_interrupted
    }

    async fn first_rules(&mut self) -> Option<Rules> {
        loop {
            match self.night.rules().await {
                Ok(rules) => return Some(rules),
                Err(problem) => self.board.went_wrong(&problem.0),
            }
            let again = self.clock.now() + self.tick;
            if !self.wait_until(again).await {
                return None;
            }
        }
    }

    async fn follow(&mut self, mut rules: Rules) {
        let mut last = self.baseline(&rules).await;
        while !self.cancel.is_cancelled() {
            let now = self.clock.now();
            if let Some(due) = rules.calendar.last_up_to(now).filter(|due| *due > last) {
                // At the most: the number is for the log only.
                let n_missed = rules.calendar.between(last, now, MAX_COUNTED).len();
                last = due;
                rules = self.renewed(rules).await;
                if rules.missed == Missed::Once {
                    info!(n_missed, moment = %due, "nothing ran: one run makes up for it");
                    self.play(due, &rules).await;
                } else {
                    warn!(n_missed, moment = %due, "nothing ran, and it is passed over");
                }
            } else if let Some(next) = rules.calendar.next_after(now.max(last)) {
                let start = next + jitter(self.night.scope(), next, rules.jitter);
                self.board.waits_for(next);
                if !self.wait_until(start).await {
                    return;
                }
                if self.clock.now() > start + LATE {
                    continue;
                }
                last = next;
                rules = self.renewed(rules).await;
                self.play(next, &rules).await;
            } else {
                warn!("the calendar has no further moment");
                self.wait_until(Timestamp::MAX).await;
            }
        }
    }

    /// The rules as the settings say now; those from before where the settings have become wrong.
    async fn renewed(&self, rules: Rules) -> Rules {
        match self.night.rules().await {
            Ok(renewed) => renewed,
            Err(problem) => {
                self.board.went_wrong(&problem.0);
                rules
            }
        }
    }
}

/// How long after its moment a run starts: any number of whole seconds up to the limit, the same for
/// every process that has the scope.
fn jitter(scope: &str, moment: Timestamp, limit: Duration) -> Duration {
    let hash = Sha256::digest(format!("{scope}\n{moment}"));
    let number = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    Duration::from_secs(number % limit.as_secs().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_steady_and_spreads() {
        let moment: Timestamp = "2026-03-01T03:00:00Z".parse().unwrap();
        let limit = Duration::from_secs(10);
        let of = |nth: u32| jitter(&format!("scope {nth}"), moment, limit);
        let mut seen: Vec<u64> = (0..200).map(|nth| of(nth).as_secs()).collect();
        assert_eq!(of(7), of(7));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..=10).collect::<Vec<_>>());
        assert_eq!(jitter("a", moment, Duration::ZERO), Duration::ZERO);
    }
}
