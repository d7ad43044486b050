//! One run from settings to files: plan, world, job, outputs. Every way to start a run comes through
//! here, so that all of them leave the same behind.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::BootstrapError;
use super::outputs::{Outputs, write_outputs};
use super::plan::{Ask, plan};
use super::world::{WorldError, world};
use crate::config::Loaded;
use crate::domain::RunId;
use crate::job::{self, JobError, Observer, RunPlan, RunReport, World};
use crate::ports::Clock;

/// A run that came to its end.

pub struct Launched {
    /// What it was to do.
    pub plan: RunPlan,
    /// What it found.
    pub report: RunReport,
    /// Where its files are, or why there are none, which does not undo the run.
    pub outputs: Result<Outputs, BootstrapError>,
}

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The settings make no plan.
    #[error(transparent)]
    Plan(#[from] BootstrapError),
    /// Source or store cannot be opened.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The job ended early.
    #[error(transparent)]
    Job(#[from] JobError),
}

/// A run that is planned, in an open world, and not started.
pub struct Launch {
    settings: crate::config::Settings,
    /// What it is to do.
    pub plan: RunPlan,
    /// Where.
    pub world: World,
}

impl Launch {
    /// Plans the run that is asked for and opens its world.
    ///
    /// # Errors
    /// [`LaunchError::Plan`] and [`LaunchError::World`].
    pub async fn prepare(
        loaded: &Loaded,
        ask: Ask,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LaunchError> {
        let plan = plan(loaded, ask, clock.now())?;
        let world = world(loaded, plan.dry_run, clock).await?;
        Ok(Self { settings: loaded.settings.clone(), plan, world })
    }

    /// Writes the request row, for a run that starts later.
    ///
    /// # Errors
    /// [`LaunchError::Job`].
    pub async fn request(&self, cancel: &CancellationToken) -> Result<RunId, LaunchError> {
        Ok(job::request(&self.plan, &self.world, cancel).await?)
    }

    /// Runs it, from its request on, and writes its files.
    ///
    /// # Errors
    /// [`LaunchError::Job`].
    pub async fn run(
        self,
        observer: &dyn Observer,
        cancel: &CancellationToken,
    ) -> Result<Launched, LaunchError> {
        let outcome = job::execute(&self.plan, &self.world, observer, cancel).await;
        self.finish(outcome)
    }

    /// Runs what was requested before, and writes its files.
    ///
    /// # Errors
    /// [`LaunchError::Job`].
    pub async fn run_requested(
        self,
        run_id: RunId,
        observer: &dyn Observer,
        cancel: &CancellationToken,
    ) -> Result<Launched, LaunchError> {
        let outcome =
            job::execute_requested(run_id, &self.plan, &self.world, observer, cancel).await;
        self.finish(outcome)
    }

    /// Runs what was requested and left behind, and writes its files; `None` where another does.
    ///
    /// # Errors
    /// [`LaunchError::Job`].
    pub async fn pick_up(
        self,
        run_id: RunId,
        observer: &dyn Observer,
        cancel: &CancellationToken,
    ) -> Result<Option<Launched>, LaunchError> {
        match job::pick_up(run_id, &self.plan, &self.world, observer, cancel).await {
            Ok(None) => Ok(None),
            Ok(Some(report)) => self.finish(Ok(report)).map(Some),
            Err(failure) => Err(failure.into()),
        }
    }

    fn finish(self, outcome: Result<RunReport, JobError>) -> Result<Launched, LaunchError> {
        let report = outcome?;
        let outputs = write_outputs(&self.settings, &report, self.world.clock.now());
        Ok(Launched { plan: self.plan, report, outputs })
    }
}
