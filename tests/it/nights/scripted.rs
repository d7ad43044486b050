//! Scopes whose source follows a script, and time that passes only while no run works.

#![expect(clippy::panic, reason = "one of the scripts is a mistake in the program")]

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use speedfit::adapters::memory::{Hold, ManualClock, MemorySource};
use speedfit::domain::{CronExpression, RunId, RunRequest, RunRow, RunStatus, Trigger};
use speedfit::job::{RunPlan, Silent, World, execute, pick_up};
use speedfit::ports::{Clock as _, FailureKind, Store};
use speedfit::schedule::{
    Calendar, Ended, Night, NightError, Outcome, Rules, Schedule, ScheduleStatus, ScopeState,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::job;

pub(super) fn calendar(cron: &str, zone: &str) -> Calendar {
    let cron = CronExpression::try_from(cron.to_owned()).unwrap();
    Calendar::new(cron, TimeZone::get(zone).unwrap())
}

/// What a try meets.
pub(super) enum Feed {
    /// Records whose travel times are so many times those of the published curve.
    Times(f64),
    /// A source that fails.
    Fails(FailureKind),
    /// A source that sends nothing more.
    Hangs,
    /// A process that dies after its run began.
    Dies,
    /// A mistake in the program.
    Panics,
}

type Script = Arc<dyn Fn(&str) -> Feed + Send + Sync>;

struct Scripted {
    scope: String,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    rules: Rules,
    script: Script,
    away: Option<(Timestamp, Timestamp)>,
    hang: Hold,
    hangs: Arc<AtomicBool>,
    told_dead: ToldDead,
}

/// Runs that were told of as dead, in order.
pub(super) type ToldDead = Arc<Mutex<Vec<RunId>>>;

impl Scripted {
    fn plan(&self, slot: &str) -> RunPlan {
        let plan = job::plan();
        let request = RunRequest {
            scope: self.scope.clone(),
            trigger: Trigger::Timer,
            requested_by: "schedule".to_owned(),
            requested_at: self.clock.now(),
            slot: Some(slot.to_owned()),
            ..plan.request
        };
        RunPlan { request, ..plan }
    }

    fn world(&self, source: MemorySource) -> World {
        World {
            source: Arc::new(source),
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
        }
    }

    fn is_away(&self) -> bool {
        let now = self.clock.now();
        self.away.is_some_and(|(from, to)| (from..to).contains(&now))
    }
}

fn source(times: f64) -> MemorySource {
    MemorySource::of_rows(job::rows(&[("North", 300, times)]), 100)
}

#[async_trait]
impl Night for Scripted {
    fn scope(&self) -> &str {
        &self.scope
    }

    async fn rules(&self) -> Result<Rules, NightError> {
        Ok(self.rules.clone())
    }

    async fn store(&self) -> Result<Arc<dyn Store>, NightError> {
        if self.is_away() {
            return Err(NightError("the store is away".to_owned()));
        }
        Ok(Arc::clone(&self.store))
    }

    fn forget_store(&self) {}

    async fn launch(&self, slot: &str, cancel: &CancellationToken) -> Ended {
        let plan = self.plan(slot);
        let source = match (self.script)(slot) {
            Feed::Times(times) => source(times),
            Feed::Fails(kind) => source(1.0).failing_after(1, kind),
            Feed::Hangs => {
                self.hangs.store(true, Relaxed);
                source(1.0).holding_after(1, self.hang.clone())
            }
            Feed::Panics => panic!("as the script says"),
            Feed::Dies => {
                if let Ok(run_id) = self.store.request(&plan.request).await {
                    self.store.start(run_id, self.clock.now()).await.unwrap();
                    let dead = std::io::Error::other("killed");
                    return Ended::by_error(Outcome::Failed, &dead);
                }
                return Ended::taken();
            }
        };
        let outcome = execute(&plan, &self.world(source), &Silent, cancel).await;
        self.hangs.store(false, Relaxed);
        match outcome {
            Ok(report) => Ended::of_report(&report),
            Err(error) => Ended::of_job_error(&error),
        }
    }

    async fn pick_up(&self, row: &RunRow, cancel: &CancellationToken) -> Ended {
        if row.request.reason == "cannot be done" {
            let message = "the script says so".to_owned();
            return Ended { outcome: Outcome::Failed, run_id: None, message };
        }
        let plan = RunPlan { request: row.request.clone(), ..job::plan() };
        match pick_up(row.id, &plan, &self.world(source(1.0)), &Silent, cancel).await {
            Ok(Some(report)) => Ended::of_report(&report),
            Ok(None) => Ended::taken(),
            Err(error) => Ended::of_job_error(&error),
        }
    }

    async fn tell_of_dead(&self, dead: &[RunRow], _cancel: &CancellationToken) {
        assert!(dead.iter().all(|run| run.status == RunStatus::Abandoned));
        self.told_dead.lock().unwrap().extend(dead.iter().map(|run| run.id));
    }
}

/// Schedules side by side, as many processes, under one clock.
pub(super) struct Stage {
    clock: Arc<ManualClock>,
    nights: Vec<Scripted>,
    hang: Hold,
    hangs: Arc<AtomicBool>,
    told_dead: ToldDead,
}

/// An hour: enough looks into a store for a test of weeks.
const TICK: Duration = Duration::from_secs(3600);
/// Time that passes at once while nothing runs.
const STEP: Duration = Duration::from_secs(60);
/// Time that passes at once while a run waits for it.
const STEP_OF_A_RUN: Duration = Duration::from_secs(5);

impl Stage {
    pub(super) fn new(clock: &Arc<ManualClock>) -> Self {
        Self {
            clock: Arc::clone(clock),
            nights: Vec::new(),
            hang: Hold::default(),
            hangs: Arc::default(),
            told_dead: ToldDead::default(),
        }
    }

    pub(super) fn with(
        mut self,
        scope: &str,
        store: Arc<dyn Store>,
        rules: Rules,
        script: impl Fn(&str) -> Feed + Send + Sync + 'static,
    ) -> Self {
        self.nights.push(Scripted {
            scope: scope.to_owned(),
            store,
            clock: Arc::clone(&self.clock),
            rules,
            script: Arc::new(script),
            away: None,
            hang: self.hang.clone(),
            hangs: Arc::clone(&self.hangs),
            told_dead: Arc::clone(&self.told_dead),
        });
        self
    }

    /// What is told of the dead, by all of them.
    pub(super) fn told_dead(&self) -> ToldDead {
        Arc::clone(&self.told_dead)
    }

    /// The last scope's store cannot be opened between these moments.
    pub(super) fn away_between(mut self, from: Timestamp, to: Timestamp) -> Self {
        self.nights.last_mut().unwrap().away = Some((from, to));
        self
    }

    /// Lets time pass until then, stops the schedule, and returns what it told last.
    pub(super) async fn play_until(self, until: Timestamp) -> ScheduleStatus {
        let n_scopes = self.nights.len();
        let nights: Vec<Arc<dyn Night>> =
            self.nights.into_iter().map(|night| Arc::new(night) as Arc<dyn Night>).collect();
        let schedule = Schedule::new(nights, self.clock.clone()).with_tick(TICK);
        let status = schedule.status();
        let cancel = CancellationToken::new();
        let time = time_passes(
            &self.clock,
            status.clone(),
            n_scopes,
            (&self.hang, &self.hangs),
            until,
            &cancel,
        );
        let (stopped, ()) = tokio::join!(schedule.run(&cancel), time);
        assert_eq!((stopped.n_broken, stopped.n_interrupted), (0, 0));
        status.borrow().clone()
    }
}

fn is_running(status: &watch::Receiver<ScheduleStatus>) -> bool {
    status.borrow().scopes.iter().any(|scope| scope.state == ScopeState::Running)
}

/// Moves time on whenever every scope waits for it, and a little when a run does.
async fn time_passes(
    clock: &ManualClock,
    mut status: watch::Receiver<ScheduleStatus>,
    n_scopes: usize,
    (hang, hangs): (&Hold, &AtomicBool),
    until: Timestamp,
    cancel: &CancellationToken,
) {
    while clock.now() < until {
        // A scope waits for its next look, or for the limit of its run.
        clock.until_sleeping(n_scopes).await;
        status.mark_unchanged();
        let step = if is_running(&status) {
            tokio::select! {
                biased;
                () = clock.until_sleeping(n_scopes + 1) => STEP_OF_A_RUN,
                _ = status.changed() => continue,
                () = hang.reached(), if hangs.load(Relaxed) => STEP,
            }
        } else {
            STEP
        };
        let rest = SignedDuration::try_from(step).unwrap().min(until.duration_since(clock.now()));
        clock.advance(rest.unsigned_abs());
        // Whoever slept until now wakes, and no longer counts as a sleeper.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    cancel.cancel();
}
