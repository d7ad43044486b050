//! Where a setting comes from.

use std::fmt;
use std::path::PathBuf;

use super::environment::Environment;

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in `config/default.toml`.
    Default,
    /// A settings file and the line of the key.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line, with its dashes.
    Flag(String),
    /// What a run, of this number, was made with.
    Run(i64),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
            Self::Run(run_id) => write!(f, "run {run_id}"),
        }
    }
}

impl Origin {
    /// A key as one writes it in such a place.
    #[must_use]
    pub(super) fn spell(&self, key: &str) -> String {
        match self {
            Self::Variable(_) => Environment::variable_of(key),
            Self::Default | Self::File { .. } | Self::Flag(_) | Self::Run(_) => key.to_owned(),
        }
    }
}
