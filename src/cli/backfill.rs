//! `speedfit backfill`: the job over past windows, each a run of its own. Started again it goes on
//! where it was stopped.

use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use jiff::{Span, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::backfill_steps::{Outcome, Step, tell, worst};
use super::context::Context;
use super::error::Failure;
use super::exit::Exit;
use super::observe::Told;
use super::pick::store_failure;
use super::run::{launch_failure, world_failure};
use super::signals::stop_token;
use crate::bootstrap::{self, Ask, Launch, LaunchError, Launched, WorldError};
use crate::config::{Loaded, Moment, StoreKind};
use crate::domain::{RequestDetail, RunRow, Trigger, Window};
use crate::job::JobError;
use crate::job::backfill::{self, Planned, Reprocess};
use crate::ports::{FailureKind, PortError, RunFilter, Store};

/// Run the job over past windows, each as a run that is kept beside the published ones.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Start of the first window: a time stamp or a date.
    #[arg(long, value_name = "TIME")]
    from: String,

    /// End of the last window, which is cut there.
    #[arg(long, value_name = "TIME")]
    to: String,

    /// Length of a window in the calendar of `time_zone`: `1d`, `1w`, `1mo`.
    #[arg(long, value_name = "SPAN")]
    step: Span,

    /// Windows to run that were run before: `none`, `failed` ones too, or `completed` ones too.
    #[arg(long, value_name = "WHICH", default_value_t, value_parser = reprocess)]
    reprocess: Reprocess,

    /// Publish every window's set, one after the other, each judged against the one before.
    #[arg(long)]
    publish: bool,

    /// End at the first window that fails.
    #[arg(long)]
    fail_fast: bool,

    /// Print the windows and what would be done.
    #[arg(long)]
    dry_run: bool,

    /// Why, for the ledger.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

fn reprocess(text: &str) -> Result<Reprocess, String> {
    let found = Reprocess::ALL.into_iter().find(|choice| choice.as_str() == text);
    found.ok_or_else(|| "one of `none`, `failed`, `completed`".to_owned())
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let windows = windows(&options, &loaded)?;
    let planned =
        |earlier: &[RunRow]| backfill::plan(&windows, &loaded.hash, options.reprocess, earlier);
    if options.dry_run {
        let planned = planned(&ledger_as_it_is(&loaded).await?);
        tell(context, &planned.into_iter().map(Step::waiting).collect::<Vec<_>>(), true)?;
        return Ok(Exit::Done);
    }
    // Heard from before a run is marked dead: who is to be told of it is not lost with the process.
    let cancel = stop_token()?;
    let (store, clock) = (opened(&loaded).await?, bootstrap::clock());
    let of_scope = all_of(&loaded.settings.scope);
    let newest = store.runs(&of_scope).await.map_err(store_failure)?.first().map(|row| row.id);
    let dead = settled(&*store, &loaded.settings.scope, clock.now()).await?;
    let mut earlier = store.runs(&of_scope).await.map_err(store_failure)?;
    backfill::leave_out_live(&mut earlier, newest);
    let backfill = Backfill { options: &options, loaded: &loaded, context, cancel: cancel.clone() };
    // Beside the windows: whoever is told may not answer for minutes.
    let telling = bootstrap::tell_of_dead(&loaded, &*store, &clock, &dead, &cancel);
    let ((steps, ended), ()) = tokio::join!(backfill.run(planned(&earlier)), telling);
    tell(context, &steps, false)?;
    match ended {
        Some(error) => Err(error),
        None => Ok(worst(&steps)),
    }
}

fn windows(options: &Options, loaded: &Loaded) -> anyhow::Result<Vec<Window>> {
    let usage = |error: anyhow::Error| anyhow::Error::from(Failure::new(Exit::Usage, error));
    let zone = &loaded.settings.time_zone;
    let end = |flag: &str, text: &str| {
        let moment =
            Moment::try_from(text.to_owned()).map_err(|e| usage(anyhow!("{flag}: {e}")))?;
        let moment = moment.resolve(zone).map_err(|e| usage(e.into()))?;
        moment.ok_or_else(|| usage(anyhow!("{flag} needs a moment")))
    };
    let (from, to) = (end("--from", &options.from)?, end("--to", &options.to)?);
    backfill::windows(from, to, options.step, zone).map_err(|error| usage(error.into()))
}

async fn opened(loaded: &Loaded) -> anyhow::Result<Arc<dyn Store>> {
    bootstrap::store(loaded, true).await.map_err(world_failure)
}

/// Marks runs of the scope that died, and returns them.
async fn settled(store: &dyn Store, scope: &str, now: Timestamp) -> anyhow::Result<Vec<RunRow>> {
    backfill::settle(store, scope, now).await.map_err(|error| match error.kind {
        FailureKind::Refused => Failure::new(Exit::Refused, error).into(),
        _ => store_failure(error),
    })
}

/// The runs of the scope for a dry run, which leaves no trace, also where there is no store yet.
async fn ledger_as_it_is(loaded: &Loaded) -> anyhow::Result<Vec<RunRow>> {
    match bootstrap::store(loaded, false).await {
        Err(WorldError::Store(error))
            if error.kind == FailureKind::Missing
                && loaded.settings.store.kind == StoreKind::Embedded =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(world_failure(error)),
        Ok(store) => store.runs(&all_of(&loaded.settings.scope)).await.map_err(store_failure),
    }
}

fn all_of(scope: &str) -> RunFilter {
    RunFilter {
        scope: Some(scope.to_owned()),
        trigger: Some(Trigger::Backfill),
        ..RunFilter::default()
    }
}

/// A backfill under way.
struct Backfill<'a> {
    options: &'a Options,
    loaded: &'a Loaded,
    context: &'a Context,
    cancel: CancellationToken,
}

impl Backfill<'_> {
    /// Runs what is to be run, in order. The error is of the window that ended it all.
    async fn run(&self, planned: Vec<Planned>) -> (Vec<Step>, Option<anyhow::Error>) {
        let mut steps: Vec<Step> = planned.into_iter().map(Step::waiting).collect();
        for step in steps.iter_mut().filter(|step| step.planned.is_run) {
            if self.cancel.is_cancelled() {
                let stopped = Failure::new(Exit::Stopped, PortError::cancelled());
                return (steps, Some(stopped.into()));
            }
            let error = self.run_window(step).await;
            if step.ends_all(self.options.fail_fast) {
                return (steps, error);
            }
            if let Some(error) = error {
                warn!(window = %step.planned.window, "{error:#}");
            }
        }
        (steps, None)
    }

    /// Runs one window and notes what became of it; the error, where it broke off.
    async fn run_window(&self, step: &mut Step) -> Option<anyhow::Error> {
        let window = step.planned.window;
        info!(%window, "window begins");
        match self.launch(&step.planned).await {
            Ok(launched) => {
                let exit = Exit::of_code(launched.report.exit_code).unwrap_or(Exit::Unexpected);
                let run_id = launched.report.set.run_id;
                let message = launched.report.message;
                step.outcome = Outcome::Ended { run_id, exit, message };
                let failed = launched.outputs.err()?;
                warn!(%window, "the run is over, its files are not written: {failed}");
                None
            }
            Err(error) if is_taken(&error) => {
                step.outcome = Outcome::Taken;
                None
            }
            Err(error) => {
                let error = launch_failure(error);
                let exit = Exit::of(&error);
                step.outcome = Outcome::Ended { run_id: None, exit, message: error.to_string() };
                Some(error)
            }
        }
    }

    async fn launch(&self, planned: &Planned) -> Result<Launched, LaunchError> {
        let detail =
            RequestDetail { keep_unpublished: !self.options.publish, ..RequestDetail::default() };
        let ask = Ask {
            reason: self.options.reason.clone(),
            slot: Some(planned.slot.clone()),
            window: Some(planned.window),
            detail,
            ..Ask::new(Trigger::Backfill, self.context.user())
        };
        let launch = Launch::prepare(self.loaded, ask, bootstrap::clock()).await?;
        let progress = Told::new(self.context.progress());
        let launched = launch.run(&progress, &self.cancel).await;
        progress.finish();
        launched
    }
}

fn is_taken(error: &LaunchError) -> bool {
    matches!(error, LaunchError::Job(JobError::Store { cause, .. }) if cause.kind == FailureKind::Taken)
}
