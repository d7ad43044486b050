//! How a call through a port fails: its kind, the adapter's own error, what it was about, and a hint.

use std::error::Error;
use std::fmt;

/// What kind of failure an adapter met: what decides on retry, exit code and the operator's remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The other side cannot be reached, or the connection broke.
    Unreachable,
    /// It is there but asks to come back later.
    Busy,
    /// Two units of work collided; this one was rolled back and may be repeated.
    Conflict,
    /// No answer in time; whether the work was done is not known.
    TimedOut,
    /// Login or permission.
    Denied,
    /// A file, table or column is not there.
    Missing,
    /// What is there is not of the agreed form.
    Malformed,
    /// The store holds no schema, or an older one.
    SchemaOutdated,
    /// A newer version has migrated the store, or its migrations are not ours.
    SchemaForeign,
    /// No room left.
    Full,
    /// Another has done it already, and it is to be done once.
    Taken,
    /// What is there does not allow it; nothing was changed.
    Refused,
    /// The caller no longer holds the scope's lock; nothing was changed.
    LockLost,
    /// The run was cancelled.
    Cancelled,
    /// A broken promise inside this program.
    Internal,
}

impl FailureKind {
    /// Whether the same unit of work may succeed when it is repeated.
    #[must_use]
    pub fn is_transient(self) -> bool {
        match self {
            Self::Unreachable | Self::Busy | Self::Conflict | Self::TimedOut => true,
            Self::Denied
            | Self::Missing
            | Self::Malformed
            | Self::SchemaOutdated
            | Self::SchemaForeign
            | Self::Full
            | Self::Taken
            | Self::Refused
            | Self::LockLost
            | Self::Cancelled
            | Self::Internal => false,
        }
    }

    /// Whether a write that failed so may have taken place all the same: its reply was lost, or not
    /// waited for.
    #[must_use]
    pub fn may_have_landed(self) -> bool {
        matches!(self, Self::Unreachable | Self::TimedOut | Self::Malformed | Self::Cancelled)
    }

    /// What the operator can do, where the adapter gives no better hint.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "check that it is up and that the address in the settings is right"
            }
            Self::Busy => "try again in a moment",
            Self::Conflict => "try again: another program wrote at the same time",
            Self::TimedOut => "look at `speedfit status` before trying again",
            Self::Denied => "check the user, the secret and the permissions",
            Self::Missing => "check the name in the settings",
            Self::Malformed => "check that it is what the settings say it is",
            Self::SchemaOutdated => "run `speedfit migrate`",
            Self::SchemaForeign => "use the version of speedfit that migrated it, or a newer one",
            Self::Full => "free some room and run again; nothing was half-written",
            Self::Taken => "nothing needs to be done; `speedfit runs` shows who did it",
            Self::Refused => "ask for something else; `speedfit runs` shows what there is",
            Self::LockLost => "run again; `speedfit runs` shows whether another run has begun",
            Self::Cancelled => "run again when it suits",
            Self::Internal => "this is a mistake in speedfit; please report it",
        }
    }
}

/// A failure behind a port: its kind, the adapter's own error, and a hint where it has one.
#[derive(Debug)]
pub struct PortError {
    /// What kind of failure.
    pub kind: FailureKind,
    /// A remedy more precise than [`FailureKind::remedy`].
    pub hint: Option<String>,
    /// What was to be done, and where.
    context: Option<String>,
    source: Box<dyn Error + Send + Sync>,
}

impl PortError {
    /// Wraps an adapter's error, or a plain message.
    pub fn new(kind: FailureKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, hint: None, context: None, source: source.into() }
    }

    /// Says what was to be done, and where; the error that was wrapped becomes its cause.
    #[must_use]
    pub fn within(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// The error that was wrapped, for a caller that says by itself what was to be done, and where.
    #[must_use]
    pub fn without_context(mut self) -> Self {
        self.context = None;
        self
    }

    /// Adds a remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the operator can do.
    #[must_use]
    pub fn remedy(&self) -> &str {
        self.hint.as_deref().unwrap_or_else(|| self.kind.remedy())
    }

    /// The failure of a unit of work that noticed the stop signal.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(FailureKind::Cancelled, "stopped before it was complete")
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.context {
            Some(context) => context.fmt(f),
            None => self.source.fmt(f),
        }
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.context {
            Some(_) => Some(&*self.source),
            // Transparent: the adapter's error is shown as this one, its cause is the next in the
            // chain.
            None => self.source.source(),
        }
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // A transparent wrapper shows the text of what it wraps.
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Result of a call through a port.
pub type PortResult<T> = Result<T, PortError>;
