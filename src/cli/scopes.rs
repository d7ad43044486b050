//! `speedfit scopes`: the jobs of the settings folder.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::jobs::{Job, jobs};
use super::table;
use crate::bootstrap;
use crate::domain::Publication;

/// List the scopes of the settings folder: when each runs next, where it publishes, what is current.
#[derive(Debug, Args)]
pub(super) struct Options {}

/// A scope; what its store cannot tell stands as its own problem.
#[derive(Serialize)]
struct Line {
    scope: String,
    next_at: Option<Timestamp>,
    store: Option<String>,
    current: Option<Publication>,
    problem: Option<String>,
}

pub(super) async fn run(_options: Options, context: &Context) -> anyhow::Result<Exit> {
    let mut lines = Vec::new();
    for job in jobs(context)? {
        lines.push(line(&job).await);
    }
    if context.json() {
        context.print_json(&lines)?;
    } else {
        let rows: Vec<_> = lines.iter().map(row).collect();
        let headers = ["scope", "next run", "store", "current"];
        context.print(&table::render(&headers, &rows, &[], context.width()))?;
    }
    Ok(Exit::Done)
}

async fn line(job: &Job) -> Line {
    let settings = &job.loaded.settings;
    let next_at = bootstrap::rules(settings).calendar.next_after(bootstrap::clock().now());
    let blank =
        Line { scope: settings.scope.clone(), next_at, store: None, current: None, problem: None };
    let store = match bootstrap::store(&job.loaded, false).await {
        Ok(store) => store,
        Err(error) => return Line { problem: Some(in_a_line(error)), ..blank },
    };
    let known = Line { store: Some(store.describe()), ..blank };
    match store.mark(&settings.scope).await {
        Ok(current) => Line { current, ..known },
        Err(error) => Line { problem: Some(in_a_line(error)), ..known },
    }
}

fn in_a_line(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

fn row(line: &Line) -> Vec<String> {
    let next = line.next_at.map_or_else(|| "never".to_owned(), |next| next.to_string());
    let current = match (&line.problem, &line.current) {
        (Some(problem), _) => problem.clone(),
        (None, Some(mark)) => {
            format!("run {}, since {:.0} ({})", mark.run_id, mark.published_at, mark.reason)
        }
        (None, None) => "nothing".to_owned(),
    };
    vec![line.scope.clone(), next, line.store.clone().unwrap_or_default(), current]
}
