//! `speedfit run --shard i/n`: one part of the records, and the run where it is the last.

use anyhow::anyhow;
use serde_json::json;

use super::context::Context;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::numbers::count;
use super::observe::Told;
use super::run::{launch_failure, published};
use super::show::head;
use super::signals::stop_token;
use crate::bootstrap::{self, Ask, Launch};
use crate::config::Loaded;
use crate::domain::{RunStatus, Shard};
use crate::job::ShardOutcome;

/// A shard as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShardChoice {
    /// By number.
    Named(Shard),
    /// By the index that Kubernetes gives the pod, of so many.
    OfPod(u32),
}

/// `3/8`, or `auto/8` in a pod of an Indexed Job.
pub(super) fn parse(text: &str) -> Result<ShardChoice, String> {
    match text.strip_prefix("auto/") {
        Some(count) => {
            let count = count.trim().parse().ok().filter(|&count| Shard::new(1, count).is_some());
            count
                .map(ShardChoice::OfPod)
                .ok_or_else(|| format!("`{text}` names no number of shards"))
        }
        None => text.parse().map(ShardChoice::Named),
    }
}

fn resolve(choice: ShardChoice, context: &Context) -> anyhow::Result<Shard> {
    let count = match choice {
        ShardChoice::Named(shard) => return Ok(shard),
        ShardChoice::OfPod(count) => count,
    };
    let index = context.environment().completion_index();
    let shard = index.and_then(|index| Shard::new(index.checked_add(1)?, count));
    shard.ok_or_else(|| {
        let what = match index {
            Some(index) => format!("`JOB_COMPLETION_INDEX` is {index}, beyond {count} shards"),
            None => "`JOB_COMPLETION_INDEX` names no index".to_owned(),
        };
        let hint = "Kubernetes sets it in the pods of a Job with `completionMode: Indexed`";
        Hinted::new(hint, Failure::new(Exit::Usage, anyhow!(what))).into()
    })
}

pub(super) async fn run(
    loaded: &Loaded,
    ask: Ask,
    (choice, key): (ShardChoice, Option<String>),
    context: &Context,
) -> anyhow::Result<Exit> {
    let shard = resolve(choice, context)?;
    let cancel = stop_token()?;
    let launch = Launch::open_shard(loaded, ask, shard, bootstrap::clock(), &cancel).await;
    let launch = launch.map_err(launch_failure)?;
    let progress = Told::new(context.progress());
    let outcome = launch.run_shard(shard, key, &progress, &cancel).await;
    progress.finish();
    match outcome.map_err(launch_failure)? {
        ShardOutcome::Staged { run_id, n_rows, n_staged } => {
            let n_shards = shard.count();
            if context.json() {
                context.print_json(&json!({
                    "run": run_id, "shard": shard, "rows": n_rows, "staged": n_staged,
                }))?;
            } else {
                context.print(&format!(
                    "shard     {shard} of run {run_id}: {} rows staged; {n_staged} of {n_shards} \
                     shards are there\n",
                    count(n_rows)
                ))?;
            }
            Ok(Exit::Done)
        }
        ShardOutcome::Over(row) => {
            if context.json() {
                context.print_json(&row)?;
            } else {
                let what = match row.status {
                    RunStatus::Failed => "the run was given up",
                    _ => "another shard has made the run",
                };
                context.print(&format!("{what}\n\n{}", head(&row, context.width())))?;
            }
            Exit::of_code(row.exit_code.unwrap_or(Exit::Unexpected.code()))
        }
        ShardOutcome::Made(launched) => published(loaded, *launched, context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_named_or_told_by_the_pod() {
        assert_eq!(parse("3/8"), Ok(ShardChoice::Named(Shard::new(3, 8).unwrap())));
        assert_eq!(parse("auto/8"), Ok(ShardChoice::OfPod(8)));
        for wrong in ["auto", "auto/", "auto/0", "auto/x", "9/8", "8"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
