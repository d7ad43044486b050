//! What the HTTP API asks of the rest of the program: fits of files, runs, moves of the mark.
//!
//! Settings and secrets are read anew wherever a fit or a run starts, so that a change of either needs
//! no restart.

mod mark;
mod rows;
mod uploads;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::launch::{Launch, LaunchError};
use super::plan::{Ask, plan};
use super::world::{WorldError, file_options, store_to_serve};
use super::{BootstrapError, outputs};
use crate::adapters::file::{FileSource, Format};
use crate::config::{ConfigError, Loaded, Override, Settings, Sources};
use crate::domain::{ParameterSet, Publication, RequestDetail, RunResults, Trigger};
use crate::http::{
    FitAsk, Fitted, MarkAsk, Requested, RunAsk, ServiceError, Services, UploadFormat,
};
use crate::job::outcome::Current;
use crate::job::{self, JobError, Silent, assemble, fit_source};
use crate::ports::{Clock, FailureKind, PortError, RecordSource, Store};
use crate::schedule::ScheduleStatus;
use crate::telemetry;

/// The services of one scope.
pub struct Desk {
    sources: Sources,
    loaded: Loaded,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    n_uploads: AtomicU64,
    schedule: Option<watch::Receiver<ScheduleStatus>>,
}

impl Desk {
    /// Opens the store of these settings, for reading; the embedded one is made where there is none.
    ///
    /// # Errors
    /// [`WorldError`].
    pub async fn open(
        sources: Sources,
        loaded: Loaded,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WorldError> {
        let store = store_to_serve(&loaded).await?;
        uploads::remove_leftovers(&loaded.settings.output.dir, clock.now());
        Ok(Self { sources, loaded, store, clock, n_uploads: AtomicU64::new(0), schedule: None })
    }

    /// The same, that tells what this schedule does.
    #[must_use]
    pub fn with_schedule(self, schedule: Option<watch::Receiver<ScheduleStatus>>) -> Self {
        Self { schedule, ..self }
    }

    /// The settings as they are now, with those that a client asks for on top.
    fn load(&self, asked: Vec<Override>) -> Result<Loaded, ServiceError> {
        // Without what is asked for: a mistake in there is the client's.
        Settings::load(&self.sources).map_err(|error| {
            let hint = error.hint();
            ServiceError::Settings { message: error.to_string(), hint }
        })?;
        let mut sources = self.sources.clone();
        sources.overrides.extend(asked);
        let loaded = Settings::load(&sources).map_err(asked_wrongly)?;
        if loaded.settings.scope != self.loaded.settings.scope {
            let message = "the settings name another scope since the start".to_owned();
            let hint = Some("restart the server to serve that scope".to_owned());
            return Err(ServiceError::Settings { message, hint });
        }
        Ok(loaded)
    }

    async fn prepare(&self, ask: RunAsk, is_dry: bool) -> Result<Launch, ServiceError> {
        let (ask, overrides) = asked(ask, is_dry)?;
        let loaded = self.load(overrides)?;
        Ok(Launch::prepare(&loaded, ask, Arc::clone(&self.clock)).await?)
    }
}

fn asked_wrongly(error: ConfigError) -> ServiceError {
    ServiceError::Asked { message: error.to_string(), hint: error.hint() }
}

/// What a client asks for, as a run's request and as settings that differ.
fn asked(ask: RunAsk, is_dry: bool) -> Result<(Ask, Vec<Override>), ServiceError> {
    let mut overrides = Vec::new();
    if ask.from.is_some() || ask.to.is_some() {
        overrides.push(Override::new("from", "window.from", ask.from.unwrap_or_default()));
        overrides.push(Override::new("to", "window.to", ask.to.unwrap_or_default()));
        overrides.push(Override::new("from", "window.days", "0"));
    }
    overrides.extend(ask.model.map(|model| Override::new("model", "fit.model", model)));
    let ask = Ask {
        reason: ask.reason,
        detail: RequestDetail {
            select: ask.select,
            exclude: ask.exclude,
            ..RequestDetail::default()
        },
        dry_run: is_dry,
        ..Ask::new(Trigger::Api, ask.requested_by)
    };
    Ok((ask, overrides))
}

#[async_trait]
impl Services for Desk {
    fn scope(&self) -> &str {
        &self.loaded.settings.scope
    }

    fn store(&self) -> &dyn Store {
        &*self.store
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn confidence(&self) -> f64 {
        self.loaded.settings.fit.confidence
    }

    fn accepted_km(&self) -> RangeInclusive<f64> {
        self.loaded.settings.distances_km()
    }

    fn upload_path(&self, format: UploadFormat, is_packed: bool) -> Result<PathBuf, ServiceError> {
        let dir = &self.loaded.settings.output.dir;
        std::fs::create_dir_all(dir)
            .map_err(|error| ServiceError::internal("there is no folder for the file", error))?;
        let nth = self.n_uploads.fetch_add(1, Ordering::Relaxed);
        Ok(uploads::path(dir, self.clock.now(), nth, format, is_packed))
    }

    async fn fit(&self, ask: &FitAsk, cancel: &CancellationToken) -> Result<Fitted, ServiceError> {
        let given = ask.settings.iter();
        let given = given.map(|(name, value)| Override::new(name, &format!("fit.{name}"), value));
        let loaded = self.load(given.collect())?;
        let run = Ask { dry_run: true, ..Ask::new(Trigger::Api, "api") };
        let plan = plan(&loaded, run, self.clock.now()).map_err(LaunchError::Plan)?;
        let mut options = file_options(&loaded.settings, &ask.path);
        options.format = Some(match ask.format {
            UploadFormat::Csv => Format::Csv,
            UploadFormat::Parquet => Format::Parquet,
        });
        let source: Arc<dyn RecordSource> =
            Arc::new(rows::Limited::new(FileSource::new(options), ask.max_records));
        let fitted = fit_source(&plan, &source, None, &*self.clock, &Silent, cancel).await;
        let fitted = fitted.map_err(|error| match error {
            JobError::Source { cause, .. } if cause.kind != FailureKind::Cancelled => {
                ServiceError::Body(without_name(cause, &ask.path))
            }
            error => LaunchError::Job(error).into(),
        })?;
        let fitted = job::off_thread(move || {
            let set = assemble::unjudged(
                &loaded.settings.scope,
                plan.model.name(),
                &fitted.groups,
                plan.imprecise_factor,
            );
            let timing = job::outcome::timing(&fitted);
            let findings = job::outcome::gate_findings(&plan, &fitted, &set, Current::default());
            let results = job::outcome::results(loaded.hash, &fitted, &set, timing);
            Fitted { results: RunResults { findings, ..results }, set }
        });
        Ok(fitted.await)
    }

    fn csv(&self, set: &ParameterSet) -> Result<Vec<u8>, ServiceError> {
        outputs::parameters_csv(set)
            .map_err(|error| ServiceError::internal("the rows cannot be written", error))
    }

    async fn run(
        &self,
        ask: RunAsk,
        requested: Requested,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let launch = cancel.run_until_cancelled(self.prepare(ask, false)).await;
        let launch = launch.ok_or(ServiceError::Cancelled)??;
        let run_id = launch.request(cancel).await?;
        requested.tell(run_id);
        let launched = launch.run_requested(run_id, &Silent, cancel).await?;
        if let Err(error) = launched.outputs {
            warn!(run = run_id.0, "the run is over, but not its files: {error}");
        }
        Ok(())
    }

    async fn dry_run(
        &self,
        ask: RunAsk,
        cancel: &CancellationToken,
    ) -> Result<RunResults, ServiceError> {
        let launch = cancel.run_until_cancelled(self.prepare(ask, true)).await;
        let launch = launch.ok_or(ServiceError::Cancelled)??;
        let report = job::execute(&launch.plan, &launch.world, &Silent, cancel).await;
        Ok(report.map_err(LaunchError::Job)?.results)
    }

    async fn move_mark(
        &self,
        ask: MarkAsk,
        cancel: &CancellationToken,
    ) -> Result<Publication, ServiceError> {
        mark::move_mark(&*self.store, &*self.clock, self.scope(), ask, cancel).await
    }

    fn schedule(&self) -> Option<ScheduleStatus> {
        self.schedule.as_ref().map(|status| status.borrow().clone())
    }

    async fn metrics(&self) -> Result<String, ServiceError> {
        let metrics = job::scope_metrics(&*self.store, self.scope()).await;
        Ok(telemetry::metrics::render(&[metrics.map_err(ServiceError::Store)?]))
    }
}

impl From<LaunchError> for ServiceError {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Plan(
                error @ (BootstrapError::Options(_)
                | BootstrapError::Selection(_)
                | BootstrapError::NothingSelected
                | BootstrapError::ForceWithoutReason),
            ) => Self::Asked { message: error.to_string(), hint: None },
            LaunchError::Plan(error) => Self::internal("the run cannot be planned", error),
            LaunchError::World(WorldError::Source(cause)) => Self::Source(cause),
            LaunchError::World(WorldError::Store(cause)) => Self::Store(cause),
            LaunchError::World(WorldError::Settings(error)) => {
                Self::Settings { message: error.to_string(), hint: error.hint() }
            }
            LaunchError::Job(JobError::Source { cause, .. }) => Self::Source(cause),
            LaunchError::Job(JobError::Store { cause, .. } | JobError::LockLost { cause, .. }) => {
                Self::Store(cause)
            }
            LaunchError::Job(error @ JobError::Unsettled { cause: PortError { kind, .. }, .. }) => {
                Self::Store(PortError::new(kind, error))
            }
            LaunchError::Job(JobError::ScopeBusy { scope, .. }) => Self::Busy(scope),
            LaunchError::Job(error @ (JobError::Stale { .. } | JobError::GroupFailed { .. })) => {
                Self::Refused { message: error.to_string(), hint: None }
            }
            LaunchError::Job(JobError::Cancelled) => Self::Cancelled,
        }
    }
}

/// An error without the name that the server gave to the client's file.
fn without_name(error: PortError, path: &std::path::Path) -> PortError {
    let name = format!("`{}`", path.display());
    let text = crate::http::with_causes(&error).replace(&name, "the file");
    let hint = error.remedy().replace(&name, "the file");
    PortError::new(error.kind, text).with_hint(hint)
}
