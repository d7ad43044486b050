//! One run from settings to files: plan, world, job, outputs, and who is told of it. Every way to start
//! a run comes through here, so that all of them leave the same behind.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::BootstrapError;
use super::outputs::{Outputs, write_outputs};
use super::plan::{Ask, plan, retention_rules};
use super::select;
use super::telling::{Ended, Telling, Upload};
use super::world::{WorldError, world};
use crate::config::{Loaded, SourceKind};
use crate::domain::{RunId, RunStatus, Trigger};
use crate::job::retention::keep_house;
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
    telling: Telling,
    /// What it is to do.
    pub plan: RunPlan,
    /// Where.
    pub world: World,
}

impl Launch {
    /// Plans the run that is asked for and opens its world; nobody is told where that fails. See
    /// [`open`](Self::open). Which groups are meant, the ledger tells where the request says so.
    ///
    /// # Errors
    /// [`LaunchError::Plan`], with [`BootstrapError::NothingSelected`] where there is nothing to do;
    /// [`LaunchError::World`].
    pub async fn prepare(
        loaded: &Loaded,
        ask: Ask,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LaunchError> {
        let telling = Telling::new(loaded).map_err(WorldError::Settings)?;
        let (plan, world) = planned(loaded, ask, clock).await?;
        Ok(Self { settings: loaded.settings.clone(), telling, plan, world })
    }

    /// Like [`prepare`](Self::prepare); where that fails, whoever is told of failed runs is told of it,
    /// which may take minutes where they do not answer.
    ///
    /// # Errors
    /// Those of [`prepare`](Self::prepare).
    pub async fn open(
        loaded: &Loaded,
        ask: Ask,
        clock: Arc<dyn Clock>,
        cancel: &CancellationToken,
    ) -> Result<Self, LaunchError> {
        let prepared = Self::prepare(loaded, ask.clone(), Arc::clone(&clock)).await;
        if let Err(failure) = &prepared
            && leaves_trace(ask.dry_run, ask.trigger)
            && !is_askers_own(failure)
        {
            let telling = Telling::new(loaded).map_err(WorldError::Settings)?;
            telling.of_unopened(&ask, failure, &clock, cancel).await;
        }
        prepared
    }

    /// Writes the request row, for a run that starts later.
    ///
    /// # Errors
    /// [`LaunchError::Job`].
    pub async fn request(&self, cancel: &CancellationToken) -> Result<RunId, LaunchError> {
        Ok(job::request(&self.plan, &self.world, cancel).await?)
    }

    /// Runs it, from its request on, writes its files, and tells of it.
    ///
    /// # Errors
    /// [`LaunchError::Job`].
    pub async fn run(
        self,
        observer: &dyn Observer,
        cancel: &CancellationToken,
    ) -> Result<Launched, LaunchError> {
        if self.plan.dry_run {
            let outcome = job::execute(&self.plan, &self.world, observer, cancel).await;
            return self.finish(None, outcome, cancel).await;
        }
        match job::request(&self.plan, &self.world, cancel).await {
            Ok(run_id) => self.run_requested(run_id, observer, cancel).await,
            Err(error) => self.finish(None, Err(error), cancel).await,
        }
    }

    /// Runs what was requested before, writes its files, and tells of it.
    ///
    /// # Errors
    /// [`LaunchError::Job`].
    pub async fn run_requested(
        self,
        run_id: RunId,
        observer: &dyn Observer,
        cancel: &CancellationToken,
    ) -> Result<Launched, LaunchError> {
        let work = job::execute_requested(run_id, &self.plan, &self.world, observer, cancel);
        let outcome = work.await;
        self.finish(Some(run_id), outcome, cancel).await
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
        let work = job::pick_up(run_id, &self.plan, &self.world, observer, cancel);
        match work.await {
            Ok(None) => Ok(None),
            Ok(Some(report)) => self.finish(Some(run_id), Ok(report), cancel).await.map(Some),
            // It is over, and nobody else tells of it.
            Err(failure @ JobError::Stale { .. }) => {
                self.finish(Some(run_id), Err(failure), cancel).await.map(Some)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Whether a run's set is the current one, or was for a while.
    fn has_published(&self, report: &RunReport) -> bool {
        matches!(report.status, RunStatus::Done | RunStatus::Partial)
            && !self.plan.dry_run
            && !self.plan.request.detail.keep_unpublished
    }

    async fn finish(
        self,
        run_id: Option<RunId>,
        outcome: Result<RunReport, JobError>,
        cancel: &CancellationToken,
    ) -> Result<Launched, LaunchError> {
        let published = outcome.as_ref().is_ok_and(|report| self.has_published(report));
        let (outcome, written) = match outcome {
            Ok(report) => {
                let (settings, now) = (self.settings.clone(), self.world.clock.now());
                let writing = move || {
                    let written = write_outputs(&settings, &report, published, now);
                    (Ok(report), Some(written))
                };
                job::off_thread(writing).await
            }
            Err(failure) => (Err(failure), None),
        };
        let ended = Ended {
            plan: &self.plan,
            run_id,
            outcome: outcome.as_ref(),
            outputs: written.as_ref().and_then(|written| written.as_ref().ok()),
        };
        let upload = if leaves_trace(self.plan.dry_run, self.plan.request.trigger) {
            self.telling.of_run(&self.world, &ended, cancel).await
        } else {
            Upload::None
        };
        let report = outcome?;
        if published {
            let World { store, clock, .. } = &self.world;
            let (scope, rules) = (&self.plan.request.scope, retention_rules(&self.settings));
            keep_house(&**store, scope, &rules, &**clock, cancel).await;
        }
        let outputs = written.unwrap_or_else(|| Ok(Outputs::default()));
        let outputs = outputs.map(|outputs| Outputs { upload, ..outputs });
        Ok(Launched { plan: self.plan, report, outputs })
    }
}

async fn planned(
    loaded: &Loaded,
    ask: Ask,
    clock: Arc<dyn Clock>,
) -> Result<(RunPlan, World), LaunchError> {
    let mut plan = plan(loaded, ask, clock.now())?;
    plan.gate.is_imported = loaded.settings.source.kind == SourceKind::Embedded;
    let selector = select::read(&plan.request.detail, &plan.splits)?;
    let world = world(loaded, plan.dry_run, clock).await?;
    let (asked, scope) = (&plan.request.detail, &plan.request.scope);
    plan.selection = select::resolve(selector, asked, scope, &*world.store).await?;
    Ok((plan, world))
}

/// Whether only the one who asked need know: there was nothing to do, or they mistyped it.
fn is_askers_own(failure: &LaunchError) -> bool {
    use BootstrapError as E;
    matches!(
        failure,
        LaunchError::Plan(E::Selection(_) | E::NothingSelected | E::ForceWithoutReason)
    )
}

/// Whether anybody is told of such a run. A demo's is nobody's night.
fn leaves_trace(dry_run: bool, trigger: Trigger) -> bool {
    !dry_run && trigger != Trigger::Demo
}
