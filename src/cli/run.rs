//! `speedfit run`: the job, once.

use anyhow::anyhow;
use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::empty::{self, Asked};
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::groups;
use super::numbers::count;
use super::observe::Told;
use super::select::{SelectFlags, selection_failure};
use super::show;
use super::signals::stop_token;
use super::table::field;
use super::window::WindowFlags;
use crate::bootstrap::{
    self, Ask, BootstrapError, Launch, LaunchError, Launched, Outputs, Upload, WorldError,
};
use crate::config::{Loaded, Override, SourceKind};
use crate::domain::{RequestDetail, Trigger, outcome_and_remedy};
use crate::job::{JobError, RunPlan, RunReport};
use crate::ports::{FailureKind, PortError};

/// Read the records of the window, fit every region, judge, and publish the set.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    window: WindowFlags,

    /// Model to fit: the setting `fit.model`.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,

    #[command(flatten)]
    groups: SelectFlags,

    /// Stop at the first group that fails; nothing is published then.
    #[arg(long)]
    fail_fast: bool,

    /// Publish nothing where more groups than this fail.
    #[arg(long, value_name = "N")]
    max_failures: Option<u64>,

    /// Overrule the judge; `--reason` says why.
    #[arg(long)]
    force: bool,

    /// Show what would be published and leave no trace in the store.
    #[arg(long)]
    dry_run: bool,

    /// Why, for the ledger.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let mut flags = options.window.overrides();
    flags.extend(options.model.map(|model| Override::new("--model", "fit.model", model)));
    let loaded = context.load(flags)?;
    let ask = Ask {
        reason: options.reason,
        detail: RequestDetail {
            select: options.groups.select,
            exclude: options.groups.exclude,
            fail_fast: options.fail_fast,
            max_failures: options.max_failures,
            force: options.force,
            ..RequestDetail::default()
        },
        dry_run: options.dry_run,
        ..Ask::new(Trigger::Operator, context.user())
    };
    run_and_tell(&loaded, ask, context).await
}

/// Runs the job once, tells what came of it, and how the command ends.
pub(super) async fn run_and_tell(
    loaded: &Loaded,
    ask: Ask,
    context: &Context,
) -> anyhow::Result<Exit> {
    run_until_stopped(loaded, ask, context, &stop_token()?).await
}

/// The same, for a command that has begun to listen for the stop signal before.
pub(super) async fn run_until_stopped(
    loaded: &Loaded,
    ask: Ask,
    context: &Context,
    cancel: &CancellationToken,
) -> anyhow::Result<Exit> {
    match launched(loaded, ask, context, cancel).await {
        Err(error) if is_nothing_selected(&error) => {
            let message = error.to_string();
            if context.json() {
                context.print_json(&json!({ "groups": [], "message": message }))?;
            } else {
                context.print_sentences(&message)?;
            }
            Ok(Exit::Done)
        }
        launched => published(loaded, launched?, context),
    }
}

/// Tells of a run that came to its end.
pub(super) fn published(
    loaded: &Loaded,
    launched: Launched,
    context: &Context,
) -> anyhow::Result<Exit> {
    let Ran { plan, report, outputs } = ran(launched)?;
    if context.json() {
        context.print_json(&report.results)?;
    } else {
        context.print(&summary(&report, &outputs, context.width()))?;
    }
    match Exit::of_code(report.exit_code)? {
        Exit::NonePublished => Err(nothing_published(loaded.settings.source.kind, &plan, &report)),
        exit => Ok(exit),
    }
}

/// Whether the error is no failure: certain groups were asked for, of which there are none.
fn is_nothing_selected(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(BootstrapError::NothingSelected))
}

fn nothing_published(kind: SourceKind, plan: &RunPlan, report: &RunReport) -> anyhow::Error {
    let rows = &report.results.rows;
    let refusals = &report.results.refusals;
    let asked = Asked { window: plan.request.window, is_selection: !plan.selection.is_all() };
    let source = empty::empty_source(kind);
    let (outcome, remedy) = outcome_and_remedy(&report.message);
    let hint = remedy.map(|remedy| of_gate(remedy, report));
    let hint = hint.or_else(|| empty::hint(asked, source, rows.read, rows.used, refusals));
    let hint = hint.unwrap_or_else(|| match &report.results.run {
        Some(run) => format!("`speedfit show {}` says why; the limits stand under `judge`", run.id),
        None => "the limits stand under `judge` in the settings".to_owned(),
    });
    let failure = Failure::new(Exit::NonePublished, anyhow!(outcome.to_owned()));
    Hinted::new(hint, failure).into()
}

/// What to do about what the gate refused, or against it.
fn of_gate(remedy: &str, report: &RunReport) -> String {
    let publishes = report.results.run.as_ref().and_then(show::publishes);
    let both = [Some(remedy.to_owned()), publishes].into_iter().flatten();
    both.collect::<Vec<_>>().join("; ")
}

/// A run that came to its end.
pub(super) struct Ran {
    plan: RunPlan,
    /// What it found.
    pub(super) report: RunReport,
    /// Where it wrote its files.
    pub(super) outputs: Outputs,
}

/// Runs the job of the settings once and writes its outputs.
pub(super) async fn run_once(loaded: &Loaded, ask: Ask, context: &Context) -> anyhow::Result<Ran> {
    ran(launched(loaded, ask, context, &stop_token()?).await?)
}

async fn launched(
    loaded: &Loaded,
    ask: Ask,
    context: &Context,
    cancel: &CancellationToken,
) -> anyhow::Result<Launched> {
    let launch = Launch::open(loaded, ask, bootstrap::clock(), cancel).await;
    let launch = launch.map_err(launch_failure)?;
    let progress = Told::new(context.progress());
    let launched = launch.run(&progress, cancel).await;
    progress.finish();
    launched.map_err(launch_failure)
}

fn ran(launched: Launched) -> anyhow::Result<Ran> {
    let Launched { plan, report, outputs } = launched;
    let outputs = outputs.map_err(|error| {
        let over = &report.message;
        Hinted::new(format!("the run itself is over: {over}; check `output.dir`"), error)
    })?;
    Ok(Ran { plan, report, outputs })
}

/// The exit of a run that did not come to its end.
pub(super) fn launch_failure(error: LaunchError) -> anyhow::Error {
    match error {
        LaunchError::Plan(BootstrapError::Selection(error)) => selection_failure(error),
        LaunchError::Plan(error @ BootstrapError::ForceWithoutReason) => {
            Hinted::new("add `--reason TEXT`", Failure::new(Exit::Usage, error)).into()
        }
        LaunchError::Plan(error) => error.into(),
        LaunchError::World(error) => world_failure(error),
        LaunchError::Job(error) => job_failure(error),
    }
}

/// What a run has to say to a person.
pub(super) fn summary(report: &RunReport, outputs: &Outputs, width: Option<u16>) -> String {
    let rows = &report.results.rows;
    let n_refused = rows.read - rows.used;
    let mut text = groups::table(&report.set, width);
    text.push('\n');
    text.push_str(&format!(
        "rows      {} read, {} used, {} refused\n",
        count(rows.read),
        count(rows.used),
        count(n_refused)
    ));
    text.push_str(&show::refused_lines(&rows.refused));
    text.push_str(&show::model_line(report.results.model_preference.as_ref(), width));
    let number = report.results.run.as_ref().map(|run| format!("run {} ", run.id));
    let (outcome, _) = outcome_and_remedy(&report.message);
    let outcome = format!("{}{}: {outcome}", number.unwrap_or_default(), report.status);
    text.push_str(&field("outcome", &outcome, width));
    for (name, path) in [("results", &outputs.results), ("report", &outputs.report)] {
        if let Some(path) = path {
            text.push_str(&format!("{name:<10}{}\n", path.display()));
        }
    }
    match &outputs.upload {
        Upload::None => {}
        Upload::Done(folder) => text.push_str(&format!("copied    {folder}\n")),
        Upload::Failed(why) => {
            text.push_str(&format!("copied    no: {why}; the files above are complete\n"));
        }
    }
    text
}

/// The exit of a run that ended early.
pub(super) fn job_failure(error: JobError) -> anyhow::Error {
    let hint = match &error {
        JobError::ScopeBusy { .. } => {
            Some("`speedfit runs` shows it; wait for its end, then run again")
        }
        JobError::Unsettled { .. } => Some(FailureKind::TimedOut.remedy()),
        _ => None,
    };
    let exit = Exit::of_code(error.exit_code()).unwrap_or(Exit::Unexpected);
    let failure = Failure::new(exit, error);
    match hint {
        Some(hint) => Hinted::new(hint, failure).into(),
        None => failure.into(),
    }
}

/// The exit of a world that cannot be opened.
pub(super) fn world_failure(error: WorldError) -> anyhow::Error {
    // Their own words name the file; which half of the world it is, the exit code tells.
    match error {
        WorldError::Source(cause) => {
            Failure::new(unless_stopped(Exit::SourceUnavailable, &cause), cause).into()
        }
        WorldError::Store(cause) => {
            Failure::new(unless_stopped(Exit::StoreUnavailable, &cause), cause).into()
        }
        WorldError::Settings(cause) => cause.into(),
    }
}

/// The exit of a half of the world that failed, which a stop signal is no failure of.
fn unless_stopped(exit: Exit, cause: &PortError) -> Exit {
    if cause.kind == FailureKind::Cancelled { Exit::Stopped } else { exit }
}
