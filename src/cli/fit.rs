//! `speedfit fit FILE`: a file in, parameters out; no database.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use tracing::warn;

use super::context::Context;
use super::empty::{self, Asked};
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::export::FileFlags;
use super::groups;
use super::numbers::count;
use super::observe::Told;
use super::run::job_failure;
use super::select::{SelectFlags, selection_failure};
use super::show;
use super::signals::stop_token;
use super::window::WindowFlags;
use crate::bootstrap::{self, Ask};
use crate::config::Override;
use crate::domain::{
    GateFinding, ParameterSet, RefusalRow, RunResults, Selection, Selector, SelectorError,
    Severity, Trigger,
};
use crate::job::outcome::{Current, gate_findings, results, timing};
use crate::job::{FittedSource, JobError, RunPlan, assemble, fit_source, gate};

/// Fit every region of a CSV or Parquet file.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The file; names and units of its columns are settings.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Model to fit: the setting `fit.model`.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,

    /// What a residual costs: the setting `fit.loss`.
    #[arg(long, value_name = "LOSS")]
    loss: Option<String>,

    /// Law of the errors: the setting `fit.errors`.
    #[arg(long, value_name = "LAW")]
    errors: Option<String>,

    /// How wide times scatter: the setting `fit.spread`.
    #[arg(long, value_name = "SPREAD")]
    spread: Option<String>,

    #[command(flatten)]
    window: WindowFlags,

    #[command(flatten)]
    groups: SelectFlags,

    #[command(flatten)]
    files: FileFlags,

    /// HTML report to write.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let mut flags = options.window.overrides();
    let law = [
        ("--model", "fit.model", options.model),
        ("--loss", "fit.loss", options.loss),
        ("--errors", "fit.errors", options.errors),
        ("--spread", "fit.spread", options.spread),
    ];
    let law = law.into_iter();
    flags.extend(law.filter_map(|(flag, key, value)| Some(Override::new(flag, key, value?))));
    let loaded = context.load(flags)?;
    options.files.check()?;
    if let Some(path) = &options.report {
        bootstrap::check_output(path)?;
    }
    let clock = bootstrap::clock();
    let ask = Ask { dry_run: true, ..Ask::new(Trigger::Operator, context.user()) };
    let mut plan = bootstrap::plan(&loaded, ask, clock.now())?;
    plan.selection = selection(&options.groups, &plan).map_err(selection_failure)?;
    let source = bootstrap::file_source(&loaded.settings, &options.file);
    let cancel = stop_token()?;
    let progress = Told::new(context.progress());
    let fitted = fit_source(&plan, &source, None, &*clock, &progress, &cancel).await;
    progress.finish();
    let fitted = fitted.map_err(|error| match error {
        // The command names the file already.
        JobError::Source { cause, .. } => Failure::new(Exit::SourceUnavailable, cause).into(),
        error => job_failure(error),
    })?;
    let set = assemble::unjudged(
        &loaded.settings.scope,
        plan.model.name(),
        &fitted.groups,
        plan.imprecise_factor,
    );

    let findings = gate_findings(&plan, &fitted, &set, Current::default());
    let document = results(loaded.hash.clone(), &fitted, &set, timing(&fitted));
    let document = RunResults { findings, ..document };
    options.files.write(&set)?;
    if let Some(path) = &options.report {
        let html = bootstrap::fit_report(&document, &fitted.groups, clock.now())?;
        bootstrap::write_file(path, html.as_bytes())?;
    }
    if context.json() {
        context.print_json(&document)?;
    } else if options.files.is_empty() {
        context.print(&text(&fitted, &set, context.width()))?;
    }
    if set.parameters.is_empty() {
        return Err(nothing_fitted(&options.file, &plan, &fitted));
    }
    told(&document.findings)
}

/// Says what the gate found: the answer is there, and the exit code says that it would not be
/// published.
fn told(findings: &[GateFinding]) -> anyhow::Result<Exit> {
    let (refusals, warnings): (Vec<&GateFinding>, _) =
        findings.iter().partition(|finding| finding.severity == Severity::Refuse);
    for finding in warnings {
        warn!("{finding}; {}", finding.remedy);
    }
    let Some(remedy) = gate::remedy(findings, false) else { return Ok(Exit::Done) };
    let all = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let why = anyhow!("the answer is not fit to be published: {all}");
    Err(Hinted::new(remedy, Failure::new(Exit::NonePublished, why)).into())
}

/// The groups that are meant, of a file that no ledger knows.
fn selection(flags: &SelectFlags, plan: &RunPlan) -> Result<Selection, SelectorError> {
    let selector = Selector::parse(&flags.select, &flags.exclude)?;
    selector.check_splits(&plan.splits)?;
    if selector.needs_states() {
        return Err(SelectorError::NoLedger);
    }
    Ok(selector.resolve(&[]))
}

fn text(fitted: &FittedSource, set: &ParameterSet, width: Option<u16>) -> String {
    let mut text = groups::table(set, width);
    text.push_str(&format!(
        "\nrows      {} read, {} used, {} refused\n",
        count(fitted.n_read),
        count(fitted.n_used),
        count(fitted.n_read - fitted.n_used)
    ));
    text.push_str(&show::refused_lines(&fitted.refused));
    let unreadable = fitted.refusals.iter().filter(|row| row.reason.is_unreadable());
    if let Some(example) = unreadable.flat_map(|row| &row.examples).next() {
        text.push_str(&format!("          for example {example}\n"));
    }
    text.push_str(&show::model_line(fitted.model_preference.as_ref(), width));
    text
}

fn nothing_fitted(file: &Path, plan: &RunPlan, fitted: &FittedSource) -> anyhow::Error {
    let file = file.display();
    let n_read = fitted.n_read;
    let why = match &plan.selection {
        all if n_read == 0 && all.is_all() => format!("`{file}` holds no record"),
        selection if n_read == 0 => format!("`{file}` holds no record of {selection}"),
        _ if fitted.n_used == 0 => {
            let most = RefusalRow::commonest_in_words(&fitted.refusals);
            format!("all {n_read} rows of `{file}` were refused, {most}")
        }
        _ => format!("no group of `{file}` has enough records"),
    };
    let why = Failure::new(Exit::NonePublished, anyhow!("nothing fitted: {why}"));
    let source = "check that whatever writes the file has finished";
    let asked = Asked { window: plan.request.window, is_selection: !plan.selection.is_all() };
    let hint = empty::hint(asked, source, n_read, fitted.n_used, &fitted.refusals);
    let hint = hint.unwrap_or_else(|| "`--model constant` needs the fewest records".to_owned());
    Hinted::new(hint, why).into()
}
