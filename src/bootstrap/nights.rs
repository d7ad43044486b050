//! A scope of the schedule: its settings read anew each time, its store, and its runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::launch::{Launch, LaunchError, Launched};
use super::plan::Ask;
use super::world::{WorldError, store};
use crate::config::{ConfigError, Loaded, MissedSlots, Override, Settings, Sources};
use crate::domain::{Limits, RunRow, Selection, Trigger};
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
    fn load(&self, overrides: Vec<Override>) -> Result<Loaded, ConfigError> {
        let mut sources = self.sources.clone();
        sources.overrides.extend(overrides);
        Settings::load(&sources)
    }

    async fn prepared(
        &self,
        loaded: &Loaded,
        ask: Ask,
        cancel: &CancellationToken,
    ) -> Result<Launch, Ended> {
        tokio::select! {
            biased;
            launch = Launch::prepare(loaded, ask, Arc::clone(&self.clock)) => {
                launch.map_err(|error| by_launch_error(&error))
            }
            () = cancel.cancelled() => Err(Ended::of_job_error(&JobError::Cancelled)),
        }
    }

    async fn run(&self, slot: &str, cancel: &CancellationToken) -> Result<Launched, Ended> {
        let loaded = self.load(Vec::new()).map_err(|e| Ended::by_error(Outcome::Failed, &e))?;
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
            selection: Selection::new(request.detail.select.clone()),
            ..Ask::new(request.trigger, request.requested_by.clone())
        };
        let mut launch = self.prepared(&loaded, ask, cancel).await?;
        // The window that was meant then, not the one that the same settings mean today.
        launch.plan.limits = Limits { window: request.window, ..launch.plan.limits };
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
        let now = self.load(Vec::new()).map_err(|error| failed(&error))?;
        if now.hash == row.request.settings_hash {
            return Ok(now);
        }
        let store = self.store().await.map_err(|e| Ended::by_error(Outcome::MayPass, &e))?;
        let kept = store.settings(&row.request.settings_hash).await;
        let kept = kept.map_err(|error| Ended::by_error(Outcome::MayPass, &error))?;
        let then = self.load(flags_of(&kept.unwrap_or_default())).map_err(|e| failed(&e))?;
        if then.hash == row.request.settings_hash {
            return Ok(then);
        }
        let message = "the settings have changed since it was asked for; ask again";
        Err(Ended { outcome: Outcome::Failed, run_id: None, message: message.to_owned() })
    }
}

/// What flags of a run may have set on top of the settings, out of the settings that were kept.
fn flags_of(kept: &str) -> Vec<Override> {
    let keys = ["fit.model", "window.from", "window.to", "window.days"];
    let kept: BTreeMap<String, serde_json::Value> = serde_json::from_str(kept).unwrap_or_default();
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let flag = |key| kept.get(key).map(|value| Override::new("the request", key, text(value)));
    keys.into_iter().filter_map(flag).collect()
}

#[async_trait]
impl Night for ScopeNight {
    fn scope(&self) -> &str {
        &self.scope
    }

    async fn rules(&self) -> Result<Rules, NightError> {
        self.load(Vec::new()).map(|loaded| rules(&loaded.settings)).map_err(|e| NightError::of(&e))
    }

    async fn store(&self) -> Result<Arc<dyn Store>, NightError> {
        if let Some(store) = self.kept().clone() {
            return Ok(store);
        }
        let loaded = self.load(Vec::new()).map_err(|error| NightError::of(&error))?;
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
            Ended::by_error(Outcome::MayPass, cause)
        }
        LaunchError::Plan(_) | LaunchError::World(WorldError::Settings(_)) => {
            Ended::by_error(Outcome::Failed, error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_a_run_are_found_in_the_settings_that_were_kept() {
        let kept = r#"{"fit.model": "power", "window.days": 30, "window.from": "", "scope": "a"}"#;
        let flags = flags_of(kept);
        let flags: Vec<_> = flags.iter().map(|f| (f.key.as_str(), f.value.as_str())).collect();
        assert_eq!(flags, [("fit.model", "power"), ("window.from", ""), ("window.days", "30")]);
        assert_eq!(flags_of(""), []);
    }
}
