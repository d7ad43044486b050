//! `speedfit publish`: a run's set becomes current by hand.

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::mark::{self, MoveFlags};
use super::pick::{RunChoice, open_store, pick_run};
use crate::job::publish::Move;

/// Make the set of a run current: one from before, one that was kept unpublished, or what passed the
/// judge in one that was refused as a whole.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Number of the run, or `last`.
    #[arg(value_name = "RUN")]
    run: RunChoice,

    #[command(flatten)]
    flags: MoveFlags,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let run_id = match options.run {
        RunChoice::Id(run_id) => run_id,
        named => pick_run(&*open_store(&loaded).await?, &loaded.settings.scope, named).await?.id,
    };
    mark::run(&loaded, Move::Publish(run_id), options.flags, context).await
}
