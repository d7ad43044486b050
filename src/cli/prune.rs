//! `speedfit prune`: deletes what the settings do not keep.

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::exit::Exit;
use super::pick::{open_store, store_failure};
use super::signals::stop_token;
use super::table::field;
use crate::bootstrap;
use crate::domain::RunId;
use crate::job::retention::{HousePlan, Pruned, plan_of, prune};

/// Delete old parameter sets and old runs of the scope, as the settings under `retention` say.
///
/// Every run that publishes does it too. What is current stays, what was lately, and what still works.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Show what would go, and delete nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    dry_run: bool,
    plan: &'a HousePlan,
    pruned: Pruned,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let cancel = stop_token()?;
    let store = open_store(&loaded).await?;
    let (scope, rules) =
        (loaded.settings.scope.as_str(), bootstrap::retention_rules(&loaded.settings));
    let now = bootstrap::clock().now();
    let plan = plan_of(&*store, scope, &rules, now).await.map_err(store_failure)?;
    let pruned = if options.dry_run {
        Pruned::default()
    } else {
        prune(&*store, &plan, &cancel).await.map_err(store_failure)?
    };
    if context.json() {
        context.print_json(&Document { dry_run: options.dry_run, plan: &plan, pruned })?;
    } else {
        context.print(&text(&plan, options.dry_run, context.width()))?;
    }
    Ok(Exit::Done)
}

fn text(plan: &HousePlan, dry_run: bool, width: Option<u16>) -> String {
    if plan.is_empty() {
        return "nothing is old enough to go; the limits stand under `retention`\n".to_owned();
    }
    let verb = if dry_run { "would go" } else { "deleted" };
    let told = |ids: &[RunId], but: &str| match ids {
        [] => "none".to_owned(),
        [id] => format!("1 {verb}: run {id}{but}"),
        ids => format!("{} {verb}: runs {}{but}", ids.len(), ranges(ids)),
    };
    let mut text = field("sets", &told(&plan.sets, "; the ledger still tells of them"), width);
    text.push_str(&field("runs", &told(&plan.runs, ""), width));
    text
}

/// `1–3, 7`, of numbers that ascend.
fn ranges(ids: &[RunId]) -> String {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for RunId(id) in ids {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == *id => *end = *id,
            _ => ranges.push((*id, *id)),
        }
    }
    let texts = ranges.iter().map(|(from, to)| match to - from {
        0 => from.to_string(),
        _ => format!("{from}–{to}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_told_in_ranges() {
        let ids = |ids: &[i64]| ids.iter().copied().map(RunId).collect::<Vec<_>>();
        let plan = HousePlan { sets: ids(&[4, 5, 6, 9]), runs: ids(&[1]) };
        assert_eq!(
            text(&plan, true, Some(80)),
            "sets      4 would go: runs 4–6, 9; the ledger still tells of them\nruns      1 would go: run 1\n"
        );
        let plan = HousePlan { sets: Vec::new(), runs: ids(&[1, 2]) };
        assert_eq!(text(&plan, false, None), "sets      none\nruns      2 deleted: runs 1–2\n");
    }
}
