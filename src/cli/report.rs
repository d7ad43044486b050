//! `speedfit report`: the report of a run that is in the store.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::pick::{RunChoice, open_store, pick_run, store_failure};
use crate::bootstrap;
use crate::domain::{ParameterSet, RunId};
use crate::ports::Store;

/// Write the report of a run anew, as one HTML file: from the store, so without observed times.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Number of the run, `current` or `last`.
    #[arg(value_name = "RUN")]
    run: RunChoice,

    /// Where to; without it, `report-RUN.html` in the folder of the setting `output.dir`.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document {
    run_id: RunId,
    report: PathBuf,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    if let Some(path) = &options.output {
        bootstrap::check_output(path)?;
    }
    let store = open_store(&loaded).await?;
    let run = pick_run(&*store, &loaded.settings.scope, options.run).await?;
    let run_id = run.id;
    let set = store.parameter_set(run_id).await.map_err(store_failure)?;
    let set = set.filter(|set| !set.groups.is_empty()).ok_or_else(|| nothing_to_tell(run_id))?;
    let refusals = store.refusals(run_id).await.map_err(store_failure)?;
    let before = set_before(&*store, &run.request.scope, run_id).await?;
    let now = bootstrap::clock().now();
    let html = bootstrap::stored_report(run, &set, refusals, before.as_ref(), now)?;
    let path = match options.output {
        Some(path) => path,
        None => {
            let dir = &loaded.settings.output.dir;
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make the folder `{}`", dir.display()))?;
            dir.join(format!("report-{run_id}.html"))
        }
    };
    bootstrap::write_file(&path, html.as_bytes())?;
    if context.json() {
        context.print_json(&Document { run_id, report: path })?;
    } else {
        context.print(&format!("report    {}\n", path.display()))?;
    }
    Ok(Exit::Done)
}

fn nothing_to_tell(run_id: RunId) -> anyhow::Error {
    let what = anyhow!("run {run_id} has no groups: it ended early, or they were pruned");
    let hint = format!("`speedfit show {run_id}` says how it ended");
    Hinted::new(hint, Failure::new(Exit::Refused, what)).into()
}

/// The set that was current when the run first became so, where it is still there.
async fn set_before(
    store: &dyn Store,
    scope: &str,
    run_id: RunId,
) -> anyhow::Result<Option<ParameterSet>> {
    let moves = store.publications(scope, 0).await.map_err(store_failure)?;
    let first = moves.iter().rposition(|publication| publication.run_id == run_id);
    let Some(before) = first.and_then(|at| moves.get(at + 1)) else { return Ok(None) };
    store.parameter_set(before.run_id).await.map_err(store_failure)
}
