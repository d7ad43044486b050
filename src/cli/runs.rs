//! `speedfit runs`: the ledger, newest first.

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::numbers::count;
use super::pick::{open_store, store_failure};
use super::table::{self, Align};
use crate::domain::{RunRow, RunStatus};
use crate::ports::RunFilter;

/// List the runs of the scope, newest first.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// At most this many; 0 lists all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,

    /// Runs of every scope.
    #[arg(long)]
    all_scopes: bool,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let store = open_store(&loaded).await?;
    let scope = (!options.all_scopes).then(|| loaded.settings.scope.clone());
    let filter = RunFilter { scope: scope.clone(), limit: options.limit, ..RunFilter::default() };
    let runs = store.runs(&filter).await.map_err(store_failure)?;
    if context.json() {
        context.print_json(&runs)?;
    } else if runs.is_empty() {
        let whose = scope.map_or_else(String::new, |scope| format!(" of scope `{scope}`"));
        context.print_sentences(&format!("no run{whose} yet; `speedfit run` makes one"))?;
    } else {
        context.print(&runs_table(&runs, context.width()))?;
    }
    Ok(Exit::Done)
}

/// A row per run.
pub(super) fn runs_table(runs: &[RunRow], width: Option<u16>) -> String {
    let headers = ["run", "scope", "status", "asked", "rows", "groups", "message"];
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    let alignments = [
        Align::Right,
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Left,
    ];
    let Some(width) = width else { return table::render(&headers, &rows, &alignments, None) };
    // On a terminal a message stands below its run.
    let n = headers.len() - 1;
    let messages: Vec<&str> = runs.iter().map(|run| run.message.as_str()).collect();
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row[..n].to_vec()).collect();
    table::render_with_notes(&headers[..n], &rows, &alignments[..n], &messages, width)
}

fn row(run: &RunRow) -> Vec<String> {
    let n_groups: u64 = run.counts.groups().iter().map(|(_, n)| n).sum();
    let told = matches!(run.status, RunStatus::Done | RunStatus::Partial | RunStatus::Refused);
    let number = |n: u64| if told { count(n) } else { String::new() };
    vec![
        run.id.to_string(),
        run.request.scope.clone(),
        run.status.to_string(),
        format!("{:.0}", run.request.requested_at),
        number(run.counts.rows_read),
        number(n_groups),
        run.message.clone(),
    ]
}
