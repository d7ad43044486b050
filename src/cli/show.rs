//! `speedfit show`: one run, group by group.

use std::collections::BTreeMap;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::groups;
use super::numbers::count;
use super::pick::{RunChoice, open_store, pick_run, store_failure};
use super::table::field;
use crate::domain::{
    GroupRow, ModelPreference, ParameterRow, ParameterSet, Publication, RefusalReason, RefusalRow,
    RunRow,
};
use crate::job::history::{Span, spans};

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
    /// When its set was current, newest first.
    publications: &'a [Span],
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let store = open_store(&loaded).await?;
    let run = pick_run(&*store, &loaded.settings.scope, options.run).await?;
    let set = store.parameter_set(run.id).await.map_err(store_failure)?;
    let set = set.with_context(|| format!("run {} is gone from the store", run.id))?;
    let refusals = store.refusals(run.id).await.map_err(store_failure)?;
    let moves = store.publications(&run.request.scope, 0).await.map_err(store_failure)?;
    let mut publications = spans(&moves);
    publications.retain(|span| span.publication.run_id == run.id);
    if context.json() {
        let (groups, parameters) = (&set.groups, &set.parameters);
        let (refusals, publications) = (&refusals, &publications);
        let run = &run;
        context.print_json(&Document { run, groups, parameters, refusals, publications })?;
    } else {
        context.print(&text(&run, &set, &refusals, &publications, context.width()))?;
    }
    Ok(Exit::Done)
}

fn text(
    run: &RunRow,
    set: &ParameterSet,
    refusals: &[RefusalRow],
    publications: &[Span],
    width: Option<u16>,
) -> String {
    let mut text = head(run, width);
    let mut by_reason = BTreeMap::new();
    for row in refusals {
        *by_reason.entry(row.reason).or_insert(0) += row.count;
    }
    text.push_str(&refused_lines(&by_reason));
    if let Some(remedy) = run.remedy() {
        text.push_str(&field("remedy", remedy, width));
    }
    text.push_str(&current_lines(run, publications, width));
    if !set.groups.is_empty() {
        text.push('\n');
        text.push_str(&groups::table(set, width));
    }
    text
}

/// The run in a few lines.
pub(super) fn head(run: &RunRow, width: Option<u16>) -> String {
    let counts = &run.counts;
    let groups = counts.groups();
    let groups = groups.iter().filter(|(_, n)| *n > 0);
    let groups: Vec<String> = groups.map(|(name, n)| format!("{n} {name}")).collect();
    let request = &run.request;
    let reason = match request.reason.as_str() {
        "" => String::new(),
        reason => format!(", “{reason}”"),
    };
    let asked = moment(Some(request.requested_at));
    let fields = [
        ("run", format!("{} of scope {}: {}", run.id, request.scope, run.status)),
        ("asked", format!("{asked} by {} ({}){reason}", request.requested_by, request.trigger)),
        ("for", request.detail.to_string()),
        ("worked", format!("{} to {}", moment(run.started_at), moment(run.finished_at))),
        ("window", request.window.to_string()),
        ("model", request.model.clone()),
        ("groups", if groups.is_empty() { "none".to_owned() } else { groups.join(", ") }),
        ("outcome", if run.message.is_empty() { "–".to_owned() } else { run.outcome().to_owned() }),
        (
            "rows",
            format!(
                "{} read, {} used, {} refused",
                count(counts.rows_read),
                count(counts.rows_used),
                count(counts.rows_refused)
            ),
        ),
    ];
    let told = fields.iter().filter(|(_, text)| !text.is_empty());
    told.map(|(label, text)| field(label, text, width)).collect()
}

/// What an operator types where the gate was wrong: the set is there, unless groups of it keep what
/// they had. Nothing where no records stand behind any group, so that there is nothing to publish.
pub(super) fn publishes(run: &RunRow) -> Option<String> {
    let (id, counts) = (run.id, &run.counts);
    let n_with_parameters = counts.groups_fitted + counts.groups_pooled + counts.groups_fallback;
    let how = if counts.rows_used == 0 {
        return None;
    } else if counts.groups_carried_over == 0 && n_with_parameters > 0 {
        format!("`speedfit publish {id} --reason …` publishes this set")
    } else {
        "`speedfit run --force --reason …` publishes them".to_owned()
    };
    Some(format!("where the records are right, {how}"))
}

/// A time to the second; a dash where there is none.
pub(super) fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "–".to_owned(), |at| format!("{at:.0}"))
}

/// When the set of the run was current, newest first.
fn current_lines(run: &RunRow, spans: &[Span], width: Option<u16>) -> String {
    if spans.is_empty() && run.status.is_final() {
        return field("current", "never", width);
    }
    let line = |span: &Span| {
        let Publication { published_at, published_by, reason, comment, .. } = &span.publication;
        let from = moment(Some(*published_at));
        let until = span.until.map_or_else(|| "now".to_owned(), |until| moment(Some(until)));
        let comment = match comment.as_str() {
            "" => String::new(),
            comment => format!(", “{comment}”"),
        };
        field(
            "current",
            &format!("{from} to {until}, by {published_by} ({reason}){comment}"),
            width,
        )
    };
    spans.iter().map(line).collect()
}

/// The model that the records prefer, and what to do; nothing where it is the one that is set.
pub(super) fn model_line(preference: Option<&ModelPreference>, width: Option<u16>) -> String {
    let line = |preference: &ModelPreference| {
        field("model", &format!("{preference}; the setting is `fit.model`"), width)
    };
    preference.map(line).unwrap_or_default()
}

/// One indented line per reason.
pub(super) fn refused_lines(refused: &BTreeMap<RefusalReason, u64>) -> String {
    let lines = refused.iter().map(|(why, n)| format!("          {:>9}  {why}\n", count(*n)));
    lines.collect()
}

#[cfg(test)]
pub(super) mod tests;
