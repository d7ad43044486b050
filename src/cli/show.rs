//! `speedfit show`: one run, group by group.

use std::collections::BTreeMap;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::numbers::{count, figure, percent};
use super::pick::{RunChoice, open_store, pick_run, store_failure};
use super::table::{self, Align};
use crate::domain::{
    GroupRow, ParameterRow, ParameterSet, ParameterStatus, RefusalReason, RefusalRow, RunRow,
};

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
    let store = open_store(&loaded.settings).await?;
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
        text.push_str(&groups_table(set, width));
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
    format!(
        "run       {} of scope {}: {}\n\
         asked     {} by {} ({}){reason}\n\
         worked    {} to {}\n\
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

/// A row per group: what an operator looks at.
pub(super) fn groups_table(set: &ParameterSet, width: Option<u16>) -> String {
    let mut parameters: BTreeMap<_, Vec<&ParameterRow>> = BTreeMap::new();
    for row in &set.parameters {
        parameters.entry(&row.key).or_default().push(row);
    }
    let names = shown_parameters(set);
    let mut headers = vec!["group", "n"];
    headers.extend(names.iter().map(|(_, header)| *header));
    headers.extend(["MAE s", "<p90", "outcome", "message"]);
    let rows: Vec<Vec<String>> = (set.groups.iter())
        .map(|group| {
            let own = parameters.get(&group.key).map_or(&[][..], Vec::as_slice);
            let mut row = vec![group.key.to_string(), count(group.n_used)];
            row.extend(names.iter().map(|(name, _)| {
                own.iter().find(|p| p.name == *name).map_or_else(String::new, |p| told(p))
            }));
            row.push(group.mae_s.map_or_else(String::new, |mae| format!("{mae:.0}")));
            row.push(group.share_under_p90.map_or_else(String::new, percent));
            row.push(group.outcome.to_string());
            row.push(group.message.clone());
            row
        })
        .collect();
    let mut alignments = vec![Align::Left];
    alignments.resize(headers.len() - 2, Align::Right);
    table::render(&headers, &rows, &alignments, width)
}

/// The parameters that occur, with the headers of their columns.
fn shown_parameters(set: &ParameterSet) -> Vec<(&'static str, &'static str)> {
    const HEADERS: [(&str, &str); 7] = [
        ("intercept_min", "t0 min"),
        ("acceleration_km_min2", "a km/min²"),
        ("cruise_speed_kmh", "v km/h"),
        ("power_coefficient", "k"),
        ("power_exponent", "p"),
        ("sqrt_coefficient_min", "k min/√km"),
        ("sigma_log", "σ"),
    ];
    let occurs = |name: &str| set.parameters.iter().any(|p| p.name == name);
    HEADERS.into_iter().filter(|(name, _)| occurs(name)).collect()
}

/// Value ± standard error; a value that the records do not tell stands in parentheses.
fn told(parameter: &ParameterRow) -> String {
    let value = figure(parameter.estimate);
    match (parameter.status, parameter.std_error) {
        (ParameterStatus::NotIdentified, _) => format!("({value})"),
        (_, Some(error)) => {
            let digits = decimals(&value);
            format!("{value} ±{error:.digits$}")
        }
        (_, None) => value,
    }
}

fn decimals(figure: &str) -> usize {
    figure.split_once('.').map_or(0, |(_, decimals)| decimals.len())
}
