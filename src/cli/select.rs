//! The flags that say which groups are meant, shared by commands that fit.

use clap::Args;

use super::error::{Failure, Hinted};
use super::exit::Exit;
use crate::config::nearest;
use crate::domain::{GroupState, Method, SelectorError};

/// `--select` and `--exclude`.
#[derive(Debug, Args)]
pub(super) struct SelectFlags {
    /// Groups to fit: a region's name, or `parent:`, `band:`, `priority:` or `state:` before what is
    /// meant; `*` stands for any text; may be repeated. The others keep what they have.
    #[arg(long, value_name = "TERM")]
    pub(super) select: Vec<String>,

    /// Groups to leave out, written likewise; wins over `--select`.
    #[arg(long, value_name = "TERM")]
    pub(super) exclude: Vec<String>,
}

/// The exit of a selection that cannot be told.
pub(super) fn selection_failure(error: SelectorError) -> anyhow::Error {
    let hint = hint(&error);
    let failure = Failure::new(Exit::Usage, error);
    Hinted::new(hint, failure).into()
}

fn hint(error: &SelectorError) -> String {
    match error {
        SelectorError::Method { method, term } => {
            let names = Method::ALL.iter().map(|m| m.as_str());
            match nearest(method, names.clone()) {
                Some(meant) => format!("did you mean `{meant}:`?"),
                None => format!(
                    "the methods are `{}:`; a region whose name holds a colon is written \
                     `region:{term}`",
                    names.collect::<Vec<_>>().join(":`, `")
                ),
            }
        }
        SelectorError::State { state } => {
            let names = GroupState::ALL.iter().map(|s| s.as_str());
            match nearest(state, names.clone()) {
                Some(meant) => format!("did you mean `state:{meant}`?"),
                None => format!("the states are `{}`", names.collect::<Vec<_>>().join("`, `")),
            }
        }
        SelectorError::Empty { .. } => "`*` stands for any text".to_owned(),
        SelectorError::NotSplit { key, .. } => format!("or select by region; `{key}` is a setting"),
        SelectorError::NoLedger => "`speedfit run` has one".to_owned(),
    }
}
