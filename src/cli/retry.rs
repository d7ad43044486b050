//! `speedfit retry`: only what failed, with the settings of then.

use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::context::Context;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::pick::{RunChoice, open_store, pick_run, store_failure};
use super::run::run_until_stopped;
use super::signals::stop_token;
use crate::bootstrap::{self, Ask};
use crate::config::{Kept, Loaded};
use crate::domain::{GroupKey, RequestDetail, RunRow, Trigger};
use crate::job::end_dead;
use crate::job::retry::{self, Decision, NothingToDo, RetryRefusal};
use crate::ports::Store;

/// Do again what failed in a run, with its window and the settings that it was made with.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Number of the run, `current`, or `last`: the newest.
    #[arg(value_name = "RUN", default_value = "last")]
    run: RunChoice,

    /// Let the judge have its word, where the run was forced; without this the retry is forced too.
    #[arg(long)]
    no_force: bool,

    /// Why, for the ledger.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let store = open_store(&loaded).await?;
    let run = pick_run(&*store, &loaded.settings.scope, options.run).await?;
    if run.request.scope != loaded.settings.scope {
        return Err(foreign(&run));
    }
    // Heard from before a run is marked dead: who is to be notified of it is not lost with the process.
    let cancel = stop_token()?;
    let clock = bootstrap::clock();
    let (run, dead) = settled(&*store, run, clock.now()).await?;
    // Beside the retry: whoever is notified may not answer for minutes.
    let telling = bootstrap::tell_of_dead(&loaded, &*store, &clock, &dead, &cancel);
    let (ended, ()) = tokio::join!(again(&*store, &run, &options, context, &cancel), telling);
    ended
}

/// The run as it stands once it is known whether its process lives, and the runs of its scope that were
/// found dead.
async fn settled(
    store: &dyn Store,
    run: RunRow,
    now: Timestamp,
) -> anyhow::Result<(RunRow, Vec<RunRow>)> {
    if run.status.is_final() {
        return Ok((run, Vec::new()));
    }
    let dead =
        end_dead(store, &run.request.scope, Some(run.id), now).await.map_err(store_failure)?;
    let Some(dead) = dead else { return Ok((run, Vec::new())) };
    let found = store.run(run.id).await.map_err(store_failure)?;
    Ok((found.unwrap_or(run), dead))
}

async fn again(
    store: &dyn Store,
    run: &RunRow,
    options: &Options,
    context: &Context,
    cancel: &CancellationToken,
) -> anyhow::Result<Exit> {
    let groups = match decision(store, run).await? {
        Decision::Whole => Vec::new(),
        Decision::Groups(groups) => groups,
        Decision::Nothing(why) => return nothing(run, why, context),
        Decision::Refused(why) => return Err(refused(run, why)),
    };
    let loaded = settings_of(store, run, context).await?;
    let ask = ask(run, groups, options, context.user());
    if ask.detail.force {
        let (of, before) = (run.id, &run.request.reason);
        warn!("the judge is overruled, as in run {of}, whose reason was: {before}");
    }
    run_until_stopped(&loaded, ask, context, cancel).await
}

async fn decision(store: &dyn Store, run: &RunRow) -> anyhow::Result<Decision> {
    let set = store.parameter_set(run.id).await.map_err(store_failure)?;
    let groups = set.map(|set| set.groups).unwrap_or_default();
    let failed = retry::failures(&groups);
    let since = retry::since(store, run, &failed).await.map_err(store_failure)?;
    Ok(retry::decide(run, &groups, &since))
}

/// The settings that the run was made with; where source and store are, and secrets, are those of
/// now.
async fn settings_of(store: &dyn Store, run: &RunRow, context: &Context) -> anyhow::Result<Loaded> {
    let document = store.settings(&run.request.settings_hash).await.map_err(store_failure)?;
    let Some(document) = document else {
        let what = anyhow!("the settings of run {} were not kept", run.id);
        let hint = "`speedfit run --select state:failed` does it with the settings of now";
        return Err(Hinted::new(hint, Failure::new(Exit::Refused, what)).into());
    };
    Ok(context.load_over(&Kept { run_id: run.id.0, document })?)
}

/// What is asked for: these groups, or all that the run was asked for where there are none. Whoever
/// overruled the judge meant this window, these settings and these groups, so that the retry does too.
fn ask(run: &RunRow, groups: Vec<GroupKey>, options: &Options, user: String) -> Ask {
    let asked = &run.request.detail;
    let force = asked.force && !options.no_force;
    let detail = if groups.is_empty() {
        RequestDetail {
            select: asked.select.clone(),
            exclude: asked.exclude.clone(),
            groups: asked.groups.clone(),
            keep_unpublished: asked.keep_unpublished,
            ..RequestDetail::default()
        }
    } else {
        RequestDetail { groups, ..RequestDetail::default() }
    };
    Ask {
        reason: if force { reason_to_force(run, &options.reason) } else { options.reason.clone() },
        detail: RequestDetail { retry_of: Some(run.id), force, ..detail },
        window: Some(run.request.window),
        ..Ask::new(Trigger::Retry, user)
    }
}

/// Why the judge is overruled again: what was said the first time, since the row of that run may be
/// pruned one day.
fn reason_to_force(run: &RunRow, own: &str) -> String {
    let before = &run.request.reason;
    if own.trim().is_empty() {
        return before.clone();
    }
    format!("{own}; forced as run {} was: {before}", run.id)
}

fn nothing(run: &RunRow, why: NothingToDo, context: &Context) -> anyhow::Result<Exit> {
    let id = run.id;
    if context.json() {
        context.print_json(&json!({ "retry_of": id, "groups": [], "message": why.to_string() }))?;
    } else {
        context.print(&format!("nothing to do for run {id}: {why}\n"))?;
    }
    Ok(Exit::Done)
}

fn refused(run: &RunRow, why: RetryRefusal) -> anyhow::Error {
    let hint = match why {
        RetryRefusal::NotOver => {
            "a run of the scope is at work: `speedfit status` shows it; wait for its end".to_owned()
        }
        RetryRefusal::Pruned => "`speedfit run --from … --to …` does its window again".to_owned(),
        RetryRefusal::Superseded(newer) => format!(
            "`speedfit retry {newer}` does what failed in that; `speedfit run --from … --to …` \
             publishes another window on purpose"
        ),
    };
    let what = anyhow!("run {} is not done again: {why}", run.id);
    Hinted::new(hint, Failure::new(Exit::Refused, what)).into()
}

fn foreign(run: &RunRow) -> anyhow::Error {
    let scope = &run.request.scope;
    let what = anyhow!("run {} is of scope `{scope}`", run.id);
    Hinted::new(format!("add `--scope {scope}`"), Failure::new(Exit::Refused, what)).into()
}
