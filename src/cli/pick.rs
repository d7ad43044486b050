//! Opening the store, and which run a command means.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::anyhow;

use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::run::world_failure;
use crate::bootstrap;
use crate::config::Loaded;
use crate::domain::{RunId, RunRow};
use crate::ports::{PortError, RunFilter, Store};

/// A run as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunChoice {
    /// By number.
    Id(RunId),
    /// The one whose set is current.
    Current,
    /// The newest of the scope.
    Last,
}

impl FromStr for RunChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "current" => Ok(Self::Current),
            "last" => Ok(Self::Last),
            number => number
                .parse()
                .map(|id| Self::Id(RunId(id)))
                .map_err(|_| format!("`{number}` is no run: give its number, `current` or `last`")),
        }
    }
}

/// The store of the settings, which must be there.
pub(super) async fn open_store(loaded: &Loaded) -> anyhow::Result<Arc<dyn Store>> {
    bootstrap::store(loaded, false).await.map_err(world_failure)
}

/// The exit of a store that does not answer.
pub(super) fn store_failure(error: PortError) -> anyhow::Error {
    Failure::new(Exit::StoreUnavailable, error).into()
}

/// The run that is meant.
pub(super) async fn pick_run(
    store: &dyn Store,
    scope: &str,
    choice: RunChoice,
) -> anyhow::Result<RunRow> {
    let found = match choice {
        RunChoice::Id(id) => store.run(id).await.map_err(store_failure)?,
        RunChoice::Current => match store.mark(scope).await.map_err(store_failure)? {
            Some(mark) => store.run(mark.run_id).await.map_err(store_failure)?,
            None => None,
        },
        RunChoice::Last => {
            let filter =
                RunFilter { scope: Some(scope.to_owned()), limit: 1, ..RunFilter::default() };
            store.runs(&filter).await.map_err(store_failure)?.into_iter().next()
        }
    };
    found.ok_or_else(|| missing(scope, choice))
}

fn missing(scope: &str, choice: RunChoice) -> anyhow::Error {
    let (what, hint) = match choice {
        RunChoice::Id(id) => (format!("there is no run {id}"), "`speedfit runs` lists them"),
        RunChoice::Current => {
            (format!("scope `{scope}` has no current set"), "`speedfit run` makes one")
        }
        RunChoice::Last => (format!("scope `{scope}` has no run"), "`speedfit run` makes one"),
    };
    Hinted::new(hint, Failure::new(Exit::Refused, anyhow!(what))).into()
}
