//! `speedfit status`: what is current, how the last run went, and what to do next.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::context::Context;
use super::empty::{self, Asked};
use super::exit::Exit;
use super::numbers::age;
use super::pick::{open_store, store_failure};
use super::show::{head, moment, publishes};
use super::table::field;
use super::unsure::{self, Unsure};
use crate::bootstrap;
use crate::config::SourceKind;
use crate::domain::{GateRule, Publication, RequestDetail, RunRow, RunStatus};
use crate::job::history;
use crate::ports::{RunFilter, Store};

/// Show what is current for the scope, how its last run went, and what to do next.
#[derive(Debug, Args)]
pub(super) struct Options {}

#[derive(Serialize)]
struct Document<'a> {
    scope: &'a str,
    store: String,
    /// The mark: which run's set the application reads.
    current: Option<Publication>,
    /// The newest publication by a run itself, be it current or not.
    last_published: Option<Publication>,
    last_run: Option<RunRow>,
    /// The run that works now, or died.
    running: Option<RunRow>,
    /// Whether `running` is at work; null where there is none, or nobody can say.
    running_is_alive: Option<bool>,
    /// Runs that were asked for and have not begun, newest first.
    waiting: Vec<RunRow>,
    /// What of the current set is worth a look.
    unsure: Vec<Unsure>,
    /// Rules of the gate that the last run's message names.
    rules: Vec<GateRule>,
    next_step: String,
}

/// Runs that are looked at; what still works is among the newest.
const N_LOOKED_AT: u32 = 50;

pub(super) async fn run(_options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let store = open_store(&loaded).await?;
    let scope = loaded.settings.scope.as_str();
    let filter =
        RunFilter { scope: Some(scope.to_owned()), limit: N_LOOKED_AT, ..RunFilter::default() };
    let runs = store.runs(&filter).await.map_err(store_failure)?;
    let moves = store.publications(scope, 0).await.map_err(store_failure)?;
    let running = runs.iter().find(|run| run.status == RunStatus::Running).cloned();
    let (running, running_is_alive) = looked_after(&*store, running).await?;
    let waiting: Vec<RunRow> =
        runs.iter().filter(|run| run.status == RunStatus::Requested).cloned().collect();
    let last_run = runs.into_iter().next();
    let current = moves.first().cloned();
    let set = match &current {
        Some(mark) => store.parameter_set(mark.run_id).await.map_err(store_failure)?,
        None => None,
    };
    let empty = match last_run.as_ref().filter(|run| is_empty_handed(run)) {
        Some(run) => hint_of_empty(&*store, run, loaded.settings.source.kind).await?,
        None => None,
    };
    let document = Document {
        scope,
        store: store.describe(),
        next_step: match (&running, running_is_alive, waiting.first()) {
            (Some(run), is_alive, _) => step_beside(run, is_alive),
            (None, _, Some(request)) => step_of_request(request),
            (None, _, None) => next_step(current.as_ref(), last_run.as_ref(), empty.as_deref()),
        },
        rules: last_run.as_ref().map(|run| GateRule::named_in(&run.message)).unwrap_or_default(),
        last_published: moves.into_iter().find(|publication| publication.reason == history::RUN),
        unsure: set.as_ref().map(unsure::unsure).unwrap_or_default(),
        current,
        last_run,
        running,
        running_is_alive,
        waiting,
    };
    if context.json() {
        context.print_json(&document)?;
    } else {
        context.print(&text(&document, bootstrap::clock().now(), context.width()))?;
    }
    Ok(Exit::Done)
}

/// The run, if it is still `running`, and whether its process lives, which its scope's lock says: a run
/// holds it from before its begin to after its end.
async fn looked_after(
    store: &dyn Store,
    running: Option<RunRow>,
) -> anyhow::Result<(Option<RunRow>, Option<bool>)> {
    let Some(run) = running else { return Ok((None, None)) };
    match store.is_locked(&run.request.scope).await {
        Ok(true) => Ok((Some(run), Some(true))),
        Ok(false) => {
            // It may have ended just before the look at the lock.
            let now = store.run(run.id).await.map_err(store_failure)?;
            let now = now.filter(|now| now.status == RunStatus::Running);
            let is_alive = now.as_ref().map(|_| false);
            Ok((now, is_alive))
        }
        Err(error) => {
            tracing::warn!("whether run {} is at work cannot be seen: {error}", run.id);
            Ok((Some(run), None))
        }
    }
}

fn text(document: &Document<'_>, now: Timestamp, width: Option<u16>) -> String {
    let mut text = field("scope", document.scope, width);
    text.push_str(&field("store", &document.store, width));
    let at = |publication: &Publication| {
        let at = publication.published_at;
        format!("{} ({})", moment(Some(at)), age(at, now))
    };
    let Some(mark) = &document.current else {
        text.push_str(&field("current", "nothing has been published yet", width));
        return below(text, document, width);
    };
    let comment = match mark.comment.as_str() {
        "" => String::new(),
        comment => format!(", “{comment}”"),
    };
    let by = format!("{} ({}){comment}", mark.published_by, mark.reason);
    text.push_str(&field("current", &format!("run {}, since {}", mark.run_id, at(mark)), width));
    text.push_str(&field("by", &by, width));
    if let Some(published) = document.last_published.as_ref().filter(|last| *last != mark) {
        let what = format!("last by a run: run {}, {}", published.run_id, at(published));
        text.push_str(&field("published", &what, width));
    }
    text.push_str(&unsure::lines(&document.unsure, width));
    below(text, document, width)
}

/// What follows the mark: the run that works, what to do, and the last run.
fn below(mut text: String, document: &Document<'_>, width: Option<u16>) -> String {
    if let Some(run) = &document.running {
        let since = moment(run.started_at);
        let (name, what) = match document.running_is_alive {
            Some(true) => ("running", String::new()),
            Some(false) => {
                ("died", "; its process is gone, and nothing of it was published".into())
            }
            None => ("running", "; or it died, which the next run finds".to_owned()),
        };
        text.push_str(&field(name, &format!("run {}, since {since}{what}", run.id), width));
    }
    for run in &document.waiting {
        let asked_at = moment(Some(run.request.requested_at));
        let what = format!("run {}, asked for at {asked_at}, has not begun", run.id);
        text.push_str(&field("waiting", &what, width));
    }
    text.push_str(&field("next", &document.next_step, width));
    if let Some(run) = &document.last_run {
        text.push_str("\nlast run\n");
        text.push_str(&head(run, width));
    }
    text
}

/// What the operator can do about a run that works or died.
fn step_beside(run: &RunRow, is_alive: Option<bool>) -> String {
    let id = run.id;
    if is_alive == Some(false) {
        format!("`speedfit retry {id}` does it again, and so does the next `speedfit run`")
    } else {
        format!("wait for the end of run {id}")
    }
}

/// What the operator can do about a run that has not begun.
fn step_of_request(run: &RunRow) -> String {
    let id = run.id;
    format!(
        "run {id} begins within a minute, or its process died: then `speedfit retry {id}` makes it, \
         and the next `speedfit run` ends it"
    )
}

/// Whether a run published nothing since no record of it could be used, of which its message does not
/// say what to do about it.
fn is_empty_handed(run: &RunRow) -> bool {
    run.status == RunStatus::Refused && run.counts.rows_used == 0 && run.remedy().is_none()
}

/// What the run itself said to do.
async fn hint_of_empty(
    store: &dyn Store,
    run: &RunRow,
    kind: SourceKind,
) -> anyhow::Result<Option<String>> {
    let refusals = store.refusals(run.id).await.map_err(store_failure)?;
    let RequestDetail { select, exclude, groups, .. } = &run.request.detail;
    let is_selection = !(select.is_empty() && exclude.is_empty() && groups.is_empty());
    let asked = Asked { window: run.request.window, is_selection };
    let source = empty::empty_source(kind);
    Ok(empty::hint(asked, source, run.counts.rows_read, run.counts.rows_used, &refusals))
}

/// What the operator can do now, where nothing works or waits. `empty` says what to do where the last
/// run found no record that it could use.
fn next_step(
    current: Option<&Publication>,
    last_run: Option<&RunRow>,
    empty: Option<&str>,
) -> String {
    let Some(run) = last_run else { return "`speedfit run` makes the first set".to_owned() };
    let id = run.id;
    let rule = GateRule::named_in(&run.message).into_iter().next();
    match run.status {
        RunStatus::Requested => step_of_request(run),
        RunStatus::Running => step_beside(run, None),
        RunStatus::Done | RunStatus::Partial => {
            let left = current.filter(|mark| mark.run_id != id && mark.reason != history::RUN);
            match (left, run.status) {
                (Some(_), _) => format!(
                    "run {id} is newer than what is current: `speedfit diff {id}` compares, \
                     `speedfit publish {id} --reason …` makes it current, and so does the next run \
                     that publishes"
                ),
                (None, RunStatus::Partial) if let Some(rule) = rule => {
                    format!("rule `{rule}` of the gate: {}", rule.remedy())
                }
                (None, RunStatus::Partial) => {
                    format!("`speedfit show {id}` says which groups were not published, and why")
                }
                (None, _) => "nothing needs to be done".to_owned(),
            }
        }
        RunStatus::Refused if current.is_some_and(|mark| mark.run_id == id) => {
            format!("nothing needs to be done: run {id} was published by hand")
        }
        RunStatus::Refused if run.remedy().is_some() || rule.is_some() => {
            let remedy = run.remedy().or_else(|| rule.map(GateRule::remedy));
            let mended = format!("{}; then `speedfit run`", remedy.unwrap_or_default());
            let both = [Some(mended), publishes(run)].into_iter().flatten();
            both.collect::<Vec<_>>().join("; ")
        }
        RunStatus::Refused if run.counts.rows_used == 0 => {
            let what = empty.unwrap_or("the outcome below says why there was nothing to publish");
            format!("{what}; `speedfit doctor` looks at the source; then `speedfit run`")
        }
        RunStatus::Refused => format!(
            "`speedfit show {id}` says why nothing was published; where the new figures are right, \
             `speedfit run --force --reason …` overrules the judge"
        ),
        RunStatus::Cancelled => "`speedfit run` when it suits: it was stopped".to_owned(),
        RunStatus::Failed => {
            let what = run.remedy().unwrap_or("mend what the outcome below says");
            format!("{what}; `speedfit doctor` looks for it; then `speedfit run`")
        }
        RunStatus::Abandoned if run.started_at.is_none() => {
            format!("`speedfit run`: run {id} was asked for, and its process died before it began")
        }
        RunStatus::Abandoned => {
            format!("`speedfit retry`, or `speedfit run`: run {id} died; its host's logs say more")
        }
    }
}

#[cfg(test)]
mod tests;
