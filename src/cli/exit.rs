//! Exit codes, and the one function that tells an error's. `docs/exit-codes.md` is their table.

use std::process::ExitCode;

use anyhow::Context as _;

use super::error::{Failure, links};
use crate::bootstrap::BootstrapError;
use crate::config::ConfigError;
use crate::ports::{FailureKind, PortError};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for is done.
    Done,
    /// An error that no other code stands for.
    Unexpected,
    /// The command line is wrong.
    Usage,
    /// Settings or secrets are wrong; nothing was started.
    Settings,
    /// Records cannot be read.
    SourceUnavailable,
    /// The store cannot be read or written.
    StoreUnavailable,
    /// The run published, but not for every group.
    SomeNotPublished,
    /// The run finished and published nothing.
    NonePublished,
    /// The request was refused; nothing changed.
    Refused,
    /// A signal stopped it; nothing was published.
    Stopped,
}

impl Exit {
    /// Every way to end, by code.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::Settings,
        Self::SourceUnavailable,
        Self::StoreUnavailable,
        Self::SomeNotPublished,
        Self::NonePublished,
        Self::Refused,
        Self::Stopped,
    ];

    /// The code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Settings => 3,
            Self::SourceUnavailable => 4,
            Self::StoreUnavailable => 5,
            Self::SomeNotPublished => 6,
            Self::NonePublished => 7,
            Self::Refused => 8,
            // 128 + SIGINT, as shells have it.
            Self::Stopped => 130,
        }
    }

    /// The way to end that a run's code stands for.
    ///
    /// # Errors
    /// A code that is none of ours.
    pub fn of_code(code: u8) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|exit| exit.code() == code);
        found.with_context(|| format!("{code} is no exit code"))
    }

    /// What it means, as the document says.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unexpected => "unexpected error",
            Self::Usage => "wrong usage",
            Self::Settings => "wrong settings or secrets",
            Self::SourceUnavailable => "source unavailable",
            Self::StoreUnavailable => "store unavailable",
            Self::SomeNotPublished => "finished, some groups not published",
            Self::NonePublished => "finished, nothing published",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }

    /// The exit for an error that ended a command.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        for link in links(error) {
            if let Some(failure) = link.downcast_ref::<Failure>() {
                return failure.exit;
            }
            if link.is::<ConfigError>()
                || matches!(link.downcast_ref(), Some(BootstrapError::Options(_)))
            {
                return Self::Settings;
            }
            let port = link.downcast_ref::<PortError>();
            if port.is_some_and(|port| port.kind == FailureKind::Cancelled) {
                return Self::Stopped;
            }
        }
        Self::Unexpected
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn errors_find_their_code() {
        let check = |error: anyhow::Error, expected: Exit| {
            assert_eq!(Exit::of(&error), expected, "{error:#}");
        };
        let settings = || ConfigError::NotUnicode { variable: "X".to_owned() };
        check(anyhow!("x"), Exit::Unexpected);
        check(settings().into(), Exit::Settings);
        check(Failure::new(Exit::Refused, anyhow!("x")).into(), Exit::Refused);
        check(PortError::cancelled().into(), Exit::Stopped);
        check(PortError::new(FailureKind::Denied, "x").into(), Exit::Unexpected);
        let failure = Failure::new(Exit::StoreUnavailable, PortError::new(FailureKind::Full, "x"));
        let wrapped = Err::<(), _>(failure).context("while publishing").unwrap_err();
        check(wrapped, Exit::StoreUnavailable);
        check(Failure::new(Exit::Usage, settings()).into(), Exit::Usage);
    }
}
