//! Prints an error once: what happened, its causes, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use super::exit::Exit;
use super::printable::printable_lines;
use super::table::paragraph;
use crate::config::ConfigError;
use crate::ports::PortError;

/// An error with the exit code that it stands for; shown as the error itself.
#[derive(Debug)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    source: anyhow::Error,
}

impl Failure {
    /// Gives an error its exit code.
    pub fn new(exit: Exit, source: impl Into<anyhow::Error>) -> Self {
        Self { exit, source: source.into() }
    }
}

/// An error with what to do about it; shown as the error itself, the hint on a line of its own.
#[derive(Debug)]
pub struct Hinted {
    /// What to do.
    pub hint: String,
    source: anyhow::Error,
}

impl Hinted {
    /// Gives an error a hint, which is shown instead of any that its causes have.
    pub fn new(hint: impl Into<String>, source: impl Into<anyhow::Error>) -> Self {
        Self { hint: hint.into(), source: source.into() }
    }
}

/// Both are transparent to whoever asks them for text and cause, as anyhow does.
macro_rules! transparent {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.source.fmt(f)
            }
        }

        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.source.source()
            }
        }
    };
}

transparent!(Failure);
transparent!(Hinted);

/// Every error of the chain, outermost first, with those inside [`Failure`] and [`Hinted`].
pub(super) fn links(error: &anyhow::Error) -> Vec<&(dyn Error + 'static)> {
    let mut links = Vec::new();
    let outermost: &(dyn Error + 'static) = error.as_ref();
    let mut next = Some(outermost);
    while let Some(link) = next {
        links.push(link);
        next = if let Some(failure) = link.downcast_ref::<Failure>() {
            Some(failure.source.as_ref())
        } else if let Some(hinted) = link.downcast_ref::<Hinted>() {
            Some(hinted.source.as_ref())
        } else {
            link.source()
        };
    }
    links
}

/// What to do about an error: the outermost hint of its chain.
#[must_use]
pub fn hint(error: &anyhow::Error) -> Option<String> {
    links(error).into_iter().find_map(|link| {
        if let Some(hinted) = link.downcast_ref::<Hinted>() {
            return Some(hinted.hint.clone());
        }
        if let Some(error) = link.downcast_ref::<ConfigError>() {
            return error.hint();
        }
        link.downcast_ref::<PortError>().map(|error| error.remedy().to_owned())
    })
}

/// Prints `error: …`, a line `caused by: …` for each cause, and `hint: …` where there is one.
///
/// On a terminal, of so many columns as `width` says, lines are broken between words.
///
/// # Errors
/// `to` cannot be written.
pub fn print(error: &anyhow::Error, width: Option<u16>, mut to: impl Write) -> io::Result<()> {
    let shown = |text: String| printable_lines(&text).into_owned();
    let mut texts: Vec<String> = links(error).iter().map(|link| shown(link.to_string())).collect();
    // A transparent wrapper shows the text of what it wraps.
    texts.dedup();
    for (nth, text) in texts.iter().enumerate() {
        let label = if nth == 0 { "error" } else { "caused by" };
        to.write_all(paragraph(&format!("{label}: {text}"), width).as_bytes())?;
    }
    match hint(error) {
        Some(hint) => to.write_all(paragraph(&format!("hint: {}", shown(hint)), width).as_bytes()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;
    use crate::ports::FailureKind;

    fn check(error: impl Into<anyhow::Error>, expected: &str) {
        let mut shown = Vec::new();
        print(&error.into(), None, &mut shown).unwrap();
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
    }

    fn unreadable() -> ConfigError {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, "permission denied");
        ConfigError::SecretFile {
            variable: "SPEEDFIT_STORE_TOKEN".to_owned(),
            path: "t".into(),
            source,
        }
    }

    #[test]
    fn a_chain_is_printed_once() {
        check(anyhow!("a"), "error: a\n");
        check(anyhow!("c").context("b").context("a"), "error: a\ncaused by: b\ncaused by: c\n");
        let source = "error: cannot read the file `t` that `SPEEDFIT_STORE_TOKEN_FILE` names\n\
                      caused by: permission denied\n\
                      hint: check that the secret is mounted and that this user may read it\n";
        check(unreadable(), source);
        check(Failure::new(Exit::Settings, unreadable()), source);
    }

    #[test]
    fn on_a_terminal_lines_end_between_words() {
        let cause = anyhow!("line one\n  |  frame of a file");
        let what = "cannot read the records of the settings, of which there are none at all in this \
                    place";
        let error =
            Hinted::new("read `docs/files.md` and then do something or other", cause.context(what));
        let mut shown = Vec::new();
        print(&error.into(), Some(40), &mut shown).unwrap();
        insta::assert_snapshot!(String::from_utf8(shown).unwrap(), @r"
        error: cannot read the records of the
            settings, of which there are none at
            all in this place
        caused by: line one
          |  frame of a file
        hint: read `docs/files.md` and then do
            something or other
        ");
    }

    #[test]
    fn nothing_in_an_error_steers_the_terminal() {
        let typed = "\u{1b}]0;owned\u{7}.csv";
        let path = anyhow!("no such file").context(format!("cannot open `{typed}`"));
        check(path, "error: cannot open `\\u{1b}]0;owned\\u{7}.csv`\ncaused by: no such file\n");
    }

    #[test]
    fn the_outermost_hint_wins() {
        let port = || PortError::new(FailureKind::SchemaOutdated, "the store has no schema");
        let remedy = "error: the store has no schema\nhint: run `speedfit migrate`\n";
        check(port(), remedy);
        check(Failure::new(Exit::StoreUnavailable, port()), remedy);
        let wrapped = Err::<(), _>(Failure::new(Exit::StoreUnavailable, port())).context("open");
        check(
            wrapped.unwrap_err(),
            "error: open\ncaused by: the store has no schema\nhint: run `speedfit migrate`\n",
        );
        check(
            Hinted::new("wait", Failure::new(Exit::Refused, port())),
            "error: the store has no schema\nhint: wait\n",
        );
    }
}
