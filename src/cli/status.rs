//! `speedfit status`: what is current, and how the last run went.

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::pick::{open_store, store_failure};
use super::show::head;
use crate::domain::{Publication, RunRow, RunStatus};
use crate::ports::RunFilter;

/// Show what is current for the scope, and how its last run went.
#[derive(Debug, Args)]
pub(super) struct Options {}

#[derive(Serialize)]
struct Document<'a> {
    scope: &'a str,
    store: String,
    /// The mark: which run's set the application reads.
    current: Option<Publication>,
    last_run: Option<RunRow>,
    /// The run that works now, or died.
    running: Option<RunRow>,
}

pub(super) async fn run(_options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let store = open_store(&loaded).await?;
    let scope = loaded.settings.scope.as_str();
    let current = store.mark(scope).await.map_err(store_failure)?;
    let filter = RunFilter { scope: Some(scope.to_owned()), limit: 50, ..RunFilter::default() };
    let runs = store.runs(&filter).await.map_err(store_failure)?;
    let running = runs.iter().find(|run| run.status == RunStatus::Running).cloned();
    let last_run = runs.into_iter().next();
    let document = Document { scope, store: store.describe(), current, last_run, running };
    if context.json() {
        context.print_json(&document)?;
    } else {
        context.print(&text(&document))?;
    }
    Ok(Exit::Done)
}

fn text(document: &Document<'_>) -> String {
    let mut text = format!("store     {}\n", document.store);
    text.push_str(&match &document.current {
        Some(mark) => format!(
            "current   run {}, since {:.0}, by {} ({})\n",
            mark.run_id, mark.published_at, mark.published_by, mark.reason
        ),
        None => format!("current   nothing: scope {} has not published yet\n", document.scope),
    });
    if let Some(run) = &document.running {
        text.push_str(&format!("running   run {}; or it died, which the next run finds\n", run.id));
    }
    match &document.last_run {
        Some(run) => {
            text.push_str("\nlast run\n");
            text.push_str(&head(run));
        }
        None => text.push_str("last run  none; `speedfit run` makes one\n"),
    }
    text
}
