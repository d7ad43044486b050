//! `speedfit show`: one run, group by group.

use std::collections::BTreeMap;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::groups;
use super::numbers::count;
use super::pick::{RunChoice, open_store, pick_run, store_failure};
use crate::domain::{GroupRow, ParameterRow, ParameterSet, RefusalReason, RefusalRow, RunRow};

/// Show one run: its end, its groups with their parameters, its refusals.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Number of the run, `current` or `last`.
    #[arg(value_name = "RUN", default_value = "last")]
    run: RunChoice,
}

#[derive(Serialize)]
struct Document<'a> {
    run: &'a RunRow,
    groups: &'a [GroupRow],
    parameters: &'a [ParameterRow],
    refusals: &'a [RefusalRow],
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let store = open_store(&loaded).await?;
    let run = pick_run(&*store, &loaded.settings.scope, options.run).await?;
    let set = store.parameter_set(run.id).await.map_err(store_failure)?;
    let set = set.with_context(|| format!("run {} is gone from the store", run.id))?;
    let refusals = store.refusals(run.id).await.map_err(store_failure)?;
    if context.json() {
        let (groups, parameters) = (&set.groups, &set.parameters);
        context.print_json(&Document { run: &run, groups, parameters, refusals: &refusals })?;
    } else {
        context.print(&text(&run, &set, &refusals, context.width()))?;
    }
    Ok(Exit::Done)
}

fn text(run: &RunRow, set: &ParameterSet, refusals: &[RefusalRow], width: Option<u16>) -> String {
    let mut text = head(run);
    let mut by_reason = BTreeMap::new();
    for row in refusals {
        *by_reason.entry(row.reason).or_insert(0) += row.count;
    }
    text.push_str(&refused_lines(&by_reason));
    if !set.groups.is_empty() {
        text.push('\n');
        text.push_str(&groups::table(set, width));
    }
    text
}

/// The run in a few lines.
pub(super) fn head(run: &RunRow) -> String {
    let counts = &run.counts;
    let time = |at: Option<jiff::Timestamp>| at.map_or("–".to_owned(), |at| format!("{at:.0}"));
    let groups = counts.groups();
    let groups = groups.iter().filter(|(_, n)| *n > 0);
    let groups: Vec<String> = groups.map(|(name, n)| format!("{n} {name}")).collect();
    let reason = match run.request.reason.as_str() {
        "" => String::new(),
        reason => format!(", “{reason}”"),
    };
    let particulars = match &run.request.detail {
        none if none.is_empty() => String::new(),
        detail => format!("for       {detail}\n"),
    };
    format!(
        "run       {} of scope {}: {}\n\
         asked     {} by {} ({}){reason}\n\
         {particulars}worked    {} to {}\n\
         window    {}\n\
         model     {}\n\
         groups    {}\n\
         outcome   {}\n\
         rows      {} read, {} used, {} refused\n",
        run.id,
        run.request.scope,
        run.status,
        time(Some(run.request.requested_at)),
        run.request.requested_by,
        run.request.trigger,
        time(run.started_at),
        time(run.finished_at),
        run.request.window,
        run.request.model,
        if groups.is_empty() { "none".to_owned() } else { groups.join(", ") },
        if run.message.is_empty() { "–" } else { &run.message },
        count(counts.rows_read),
        count(counts.rows_used),
        count(counts.rows_refused),
    )
}

/// One indented line per reason.
pub(super) fn refused_lines(refused: &BTreeMap<RefusalReason, u64>) -> String {
    let lines = refused.iter().map(|(why, n)| format!("          {:>9}  {why}\n", count(*n)));
    lines.collect()
}
