//! A scope of the schedule: its settings read anew each time, its store, and its runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::launch::{Launch, LaunchError, Launched};
use super::plan::Ask;
use super::telling::tell_of_dead;
use super::world::{WorldError, store};
use crate::config::{ConfigError, Kept, Loaded, MissedSlots, Settings, Sources};
use crate::domain::{RunRow, Trigger};
use crate::job::{JobError, Silent};
use crate::ports::{Clock, Store};
use crate::schedule::{Calendar, Ended, Missed, Night, NightError, Outcome, Rules};

/// Who asks for the runs of the calendar, in the ledger.
const REQUESTED_BY: &str = "schedule";

/// What the schedule needs of a scope, wired by its settings.
pub struct ScopeNight {
    scope: String,
    sources: Sources,
    clock: Arc<dyn Clock>,
    /// Opened once and kept while it answers.
    store: Mutex<Option<Arc<dyn Store>>>,
}

impl ScopeNight {
    /// The scope that these sources of settings are of.
    #[must_use]
    pub fn new(scope: String, sources: Sources, clock: Arc<dyn Clock>) -> Self {
        Self { scope, sources, clock, store: Mutex::new(None) }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Arc<dyn Store>>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settings and secrets as they are now.
    fn load(&self) -> Result<Loaded, ConfigError> {
        Settings::load(&self.sources)
    }

    async fn prepared(
        &self,
        loaded: &Loaded,
        ask: Ask,
        cancel: &CancellationToken,
    ) -> Result<Launch, Ended> {
        tokio::select! {
            biased;
            launch = Launch::open(loaded, ask, Arc::clone(&self.clock), cancel) => {
                launch.map_err(|error| by_launch_error(&error))
            }
            () = cancel.cancelled() => Err(Ended::of_job_error(&JobError::Cancelled)),
        }
    }

    async fn run(&self, slot: &str, cancel: &CancellationToken) -> Result<Launched, Ended> {
        let loaded = self.load().map_err(|e| Ended::by_error(Outcome::Failed, &e))?;
        let ask = Ask { slot: Some(slot.to_owned()), ..Ask::new(Trigger::Timer, REQUESTED_BY) };
        let launch = self.prepared(&loaded, ask, cancel).await?;
        launch.run(&Silent, cancel).await.map_err(|error| by_launch_error(&error))
    }

    async fn resume(&self, row: &RunRow, cancel: &CancellationToken) -> Result<Ended, Ended> {
        let loaded = tokio::select! {
            biased;
            loaded = self.settings_of(row) => loaded?,
            () = cancel.cancelled() => return Err(Ended::of_job_error(&JobError::Cancelled)),
        };
        let request = &row.request;
        let ask = Ask {
            reason: request.reason.clone(),
            slot: request.slot.clone(),
            detail: request.detail.clone(),
            // What was meant then, not what the same settings mean today.
            window: Some(request.window),
            ..Ask::new(request.trigger, request.requested_by.clone())
        };
        let mut launch = self.prepared(&loaded, ask, cancel).await?;
        launch.plan.request = request.clone();
        match launch.pick_up(row.id, &Silent, cancel).await {
            Ok(Some(launched)) => Ok(tell(&launched)),
            Ok(None) => Ok(Ended::taken()),
            Err(error) => Err(by_launch_error(&error)),
        }
    }

    /// The settings that the request was made with; an error where they are others by now.
    async fn settings_of(&self, row: &RunRow) -> Result<Loaded, Ended> {
        let failed = |error: &dyn std::error::Error| Ended::by_error(Outcome::Failed, error);
        let now = self.load().map_err(|error| failed(&error))?;
        if now.hash == row.request.settings_hash {
            return Ok(now);
        }
        let store = self.store().await.map_err(|e| Ended::by_error(Outcome::MayPass, &e))?;
        let kept = store.settings(&row.request.settings_hash).await;
        let kept = kept.map_err(|error| Ended::by_error(Outcome::MayPass, &error))?;
        if let Some(document) = kept {
            let kept = Kept { run_id: row.id.0, document };
            let then = Settings::load_over(&self.sources, &kept).map_err(|e| failed(&e))?;
            // Where source and store are is not laid over.
            if then.hash == row.request.settings_hash {
                return Ok(then);
            }
        }
        let message = "the settings have changed since it was asked for; ask again";
        Err(Ended { outcome: Outcome::Failed, run_id: None, message: message.to_owned() })
    }
}

#[async_trait]
impl Night for ScopeNight {
    fn scope(&self) -> &str {
        &self.scope
    }

    async fn rules(&self) -> Result<Rules, NightError> {
        self.load().map(|loaded| rules(&loaded.settings)).map_err(|e| NightError::of(&e))
    }

    async fn store(&self) -> Result<Arc<dyn Store>, NightError> {
        if let Some(store) = self.kept().clone() {
            return Ok(store);
        }
        let loaded = self.load().map_err(|error| NightError::of(&error))?;
        let opened = store(&loaded, true).await.map_err(|error| NightError::of(&error))?;
        *self.kept() = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn forget_store(&self) {
        *self.kept() = None;
    }

    async fn launch(&self, slot: &str, cancel: &CancellationToken) -> Ended {
        // Its password may be another by now.
        self.forget_store();
        match self.run(slot, cancel).await {
            Ok(launched) => tell(&launched),
            Err(ended) => ended,
        }
    }

    async fn pick_up(&self, row: &RunRow, cancel: &CancellationToken) -> Ended {
        self.resume(row, cancel).await.unwrap_or_else(|ended| ended)
    }

    async fn tell_of_dead(&self, dead: &[RunRow], cancel: &CancellationToken) {
        let told = async {
            let loaded = self.load().map_err(|error| NightError::of(&error))?;
            let store = self.store().await?;
            tell_of_dead(&loaded, &*store, &self.clock, dead, cancel).await;
            Ok::<_, NightError>(())
        };
        if let Err(why) = told.await {
            tracing::warn!("nobody is notified of runs that died: {why}");
        }
    }
}

/// The schedule of the settings.
#[must_use]
pub fn rules(settings: &Settings) -> Rules {
    let schedule = &settings.schedule;
    Rules {
        calendar: Calendar::new(schedule.cron.clone(), settings.time_zone.clone()),
        missed: match schedule.missed {
            MissedSlots::Skip => Missed::Skip,
            MissedSlots::Once => Missed::Once,
        },
        jitter: Duration::from_secs(schedule.jitter_s.into()),
        attempts: schedule.attempts.get(),
        retry_wait: schedule.retry_wait_s.seconds(),
        run_limit: schedule.run_limit_s.seconds(),
    }
}

/// A run that came to its end; files that could not be written do not undo it.
fn tell(launched: &Launched) -> Ended {
    if let Err(error) = &launched.outputs {
        tracing::error!("the run is over, but its files are not there: {}", NightError::of(error));
    }
    Ended::of_report(&launched.report)
}

fn by_launch_error(error: &LaunchError) -> Ended {
    match error {
        LaunchError::Job(error) => Ended::of_job_error(error),
        LaunchError::World(WorldError::Source(cause) | WorldError::Store(cause)) => {
            Ended::unopened(cause)
        }
        LaunchError::Plan(_) | LaunchError::World(WorldError::Settings(_)) => {
            Ended::by_error(Outcome::Failed, error)
        }
    }
}
