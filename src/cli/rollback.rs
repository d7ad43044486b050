//! `speedfit rollback`: the set before becomes current again.

use anyhow::anyhow;
use clap::Args;

use super::context::Context;
use super::error::Failure;
use super::exit::Exit;
use super::mark::{self, MoveFlags};
use super::pick::RunChoice;
use crate::job::publish::Move;

/// Go back to the set that was current before the current one, or to a named one.
///
/// Again goes further back, never forward to the set that was left: `publish RUN` does that.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Number of the run to go back to; without it, the one that was current before.
    #[arg(value_name = "RUN")]
    run: Option<RunChoice>,

    #[command(flatten)]
    flags: MoveFlags,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let run_id = match options.run {
        None => None,
        Some(RunChoice::Id(run_id)) => Some(run_id),
        Some(RunChoice::Current | RunChoice::Last) => {
            let what = anyhow!("a rollback goes back to a run that is named by its number");
            return Err(Failure::new(Exit::Usage, what).into());
        }
    };
    mark::run(&loaded, Move::Rollback(run_id), options.flags, context).await
}
