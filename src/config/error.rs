//! What can be wrong with settings and secrets, and what to do about it.
//!
//! No message holds the value of a key that looks like a secret, nor a line of a settings file.

use std::io;
use std::path::PathBuf;

use super::nearest::nearest;
use super::origin::Origin;

/// A mistake in settings or secrets.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// `SPEEDFIT_ENV` is not a plain name.
    #[error("`SPEEDFIT_ENV` is `{env}`, which is not a plain name")]
    EnvName {
        /// Its value.
        env: String,
    },
    /// `SPEEDFIT_ENV` names a file that is not there.
    #[error("`SPEEDFIT_ENV` is `{env}`, but there is no file `{}`", path.display())]
    EnvFile {
        /// Its value.
        env: String,
        /// The file.
        path: PathBuf,
    },
    /// A scope without a file, where others have one.
    #[error("there is no scope `{scope}` in `{}`", dir.display())]
    UnknownScope {
        /// Its name.
        scope: String,
        /// The folder with the scopes' files.
        dir: PathBuf,
        /// The scopes that there are.
        names: Vec<String>,
    },
    /// A settings file cannot be read.
    #[error("cannot read the settings file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A settings file is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, without the line's text.
        message: String,
    },
    /// No such key or section.
    #[error("unknown key `{key}` in `{origin}`")]
    UnknownKey {
        /// Its name.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// A password or token among the settings.
    #[error("`{key}` in `{origin}` looks like a secret, and secrets are no settings")]
    SecretKey {
        /// Its name.
        key: String,
        /// Where it stands.
        origin: Origin,
    },
    /// A value of the wrong type, or not among those allowed.
    #[error("`{key}` in `{origin}`: {message}")]
    Value {
        /// The key.
        key: String,
        /// Where the value stands.
        origin: Origin,
        /// What is wrong.
        message: String,
    },
    /// Values that do not go together.
    #[error("{message} ({})", blame(origins))]
    Invalid {
        /// What is wrong, with the keys' names.
        message: String,
        /// The keys concerned and where their values stand.
        origins: Vec<(String, Origin)>,
    },
    /// A variable that cannot be read as text.
    #[error("the value of `{variable}` is not Unicode")]
    NotUnicode {
        /// Its name.
        variable: String,
    },
    /// A secret given twice.
    #[error("both `{variable}` and `{variable}_FILE` are set")]
    SecretTwice {
        /// The first of them.
        variable: String,
    },
    /// A secret's file cannot be read.
    #[error("cannot read the file `{}` that `{variable}_FILE` names", path.display())]
    SecretFile {
        /// The secret's variable, without `_FILE`.
        variable: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A secret that the settings need.
    #[error("`{variable}` is not set, which `{key}` asks for")]
    SecretMissing {
        /// The secret's variable, without `_FILE`.
        variable: &'static str,
        /// The key that makes it needed.
        key: &'static str,
    },
    /// The built-in defaults do not fit this program.
    #[error("the built-in settings do not fit this program: {0}")]
    Defaults(String),
}

fn blame(origins: &[(String, Origin)]) -> String {
    let parts: Vec<_> = origins.iter().map(|(key, origin)| format!("{key}: {origin}")).collect();
    parts.join(", ")
}

/// Scopes that a hint lists; a longer list helps nobody.
const MAX_LISTED: usize = 10;

fn scope_hint(scope: &str, names: &[String]) -> String {
    if let Some(meant) = nearest(scope, names.iter().map(String::as_str)) {
        return format!("did you mean `{meant}`?");
    }
    let listed: Vec<_> = names.iter().take(MAX_LISTED).map(String::as_str).collect();
    let more = if names.len() > listed.len() { ", …" } else { "" };
    format!("there are `{}`{more}", listed.join("`, `"))
}

impl ConfigError {
    /// What the operator can do, where that is not plain from the message.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::EnvName { .. } => {
                Some("use letters, digits, `-` and `_`, without folder and `.toml`".to_owned())
            }
            Self::EnvFile { .. } => {
                Some("set `SPEEDFIT_CONFIG_DIR` to the folder with the settings files".to_owned())
            }
            Self::UnknownScope { scope, names, .. } => Some(scope_hint(scope, names)),
            Self::UnknownKey { suggestion: Some(meant), .. } => {
                Some(format!("did you mean `{meant}`?"))
            }
            Self::UnknownKey { suggestion: None, .. } => {
                Some("`speedfit show-config` lists every key".to_owned())
            }
            Self::SecretKey { key, .. } => Some(format!(
                "remove it and set the variable {}, or the same with `_FILE`",
                super::secrets::variables_for(key)
            )),
            Self::SecretTwice { .. } => Some("keep one of them".to_owned()),
            Self::SecretFile { .. } => {
                Some("check that the secret is mounted and that this user may read it".to_owned())
            }
            Self::SecretMissing { variable, .. } => Some(format!(
                "set it in the environment, or `{variable}_FILE` to the name of a file that holds it"
            )),
            Self::Defaults(_) => Some("this is a mistake in speedfit; please report it".to_owned()),
            Self::Unreadable { .. } => Some("check the file's name and its permissions".to_owned()),
            Self::Syntax { .. }
            | Self::Value { .. }
            | Self::Invalid { .. }
            | Self::NotUnicode { .. } => None,
        }
    }
}
