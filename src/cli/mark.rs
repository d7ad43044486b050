//! What `publish` and `rollback` share: the move, its exit code, and what it prints.

use serde::Serialize;

use super::context::Context;
use super::diff;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::pick::open_store;
use super::signals::stop_token;
use super::table::field;
use crate::bootstrap;
use crate::config::Loaded;
use crate::domain::{GroupKey, ParameterSet, Publication, RunId};
use crate::job::diff::{SetDiff, compare};
use crate::job::publish::{Move, MoveError, MoveRequest, Moved, move_mark};
use crate::ports::FailureKind;

/// Why the mark is moved, and whether in spite of what goes.
#[derive(Debug, clap::Args)]
pub(super) struct MoveFlags {
    /// Why, for the history.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,

    /// Also where groups of the current set are left without parameters.
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    publication: &'a Publication,
    /// What was current before.
    before: Option<RunId>,
    left_without: &'a [GroupKey],
    diff: &'a SetDiff,
}

/// Groups whose changes are shown; `speedfit diff` shows more.
const N_SHOWN: usize = 5;

/// Moves the mark and says what is current now.
pub(super) async fn run(
    loaded: &Loaded,
    to: Move,
    flags: MoveFlags,
    context: &Context,
) -> anyhow::Result<Exit> {
    let cancel = stop_token()?;
    let store = open_store(loaded).await?;
    let request = MoveRequest {
        scope: loaded.settings.scope.clone(),
        to,
        requested_by: context.user(),
        comment: flags.reason,
        force: flags.force,
    };
    let moved = move_mark(&*store, &*bootstrap::clock(), &request, &cancel).await;
    let moved = moved.map_err(move_failure)?;
    let nothing = ParameterSet::default();
    let diff = compare(moved.before.as_ref().unwrap_or(&nothing), &moved.after);
    if context.json() {
        context.print_json(&Document {
            publication: &moved.publication,
            before: diff.before,
            left_without: &moved.left_without,
            diff: &diff,
        })?;
    } else {
        context.print(&text(&moved, &diff, context.width()))?;
    }
    Ok(Exit::Done)
}

/// The exit of a move that did not take place.
fn move_failure(error: MoveError) -> anyhow::Error {
    let hint = error.hint();
    let exit = match &error {
        MoveError::Unsettled { cause, .. } if cause.kind == FailureKind::Cancelled => Exit::Stopped,
        MoveError::Store { .. } | MoveError::Unsettled { .. } => Exit::StoreUnavailable,
        MoveError::Cancelled => Exit::Stopped,
        _ => Exit::Refused,
    };
    let failure = Failure::new(exit, error);
    match hint {
        Some(hint) => Hinted::new(hint, failure).into(),
        None => failure.into(),
    }
}

fn text(moved: &Moved, diff: &SetDiff, width: Option<u16>) -> String {
    let Publication { scope, run_id, published_by, reason, comment, .. } = &moved.publication;
    let instead =
        diff.before.map_or_else(String::new, |before| format!(", instead of run {before}"));
    let mut text = field("current", &format!("run {run_id} of scope {scope}{instead}"), width);
    text.push_str(&field("by", &format!("{published_by} ({reason}), “{comment}”"), width));
    if diff.before.is_some() {
        text.push_str(&diff::text(diff, N_SHOWN, width));
    }
    text
}
