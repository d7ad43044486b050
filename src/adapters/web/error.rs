//! What can go wrong with a message, without the address it went to.

use crate::ports::{FailureKind, PortError};

/// What is wrong with an address; completes a sentence that starts with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL with a host.
    #[error("is no address")]
    NoUrl,
    /// Neither `http` nor `https`.
    #[error("must start with `https://`")]
    Scheme,
    /// A user or password in it.
    #[error("must not hold a user or a password")]
    User,
    /// A secret would travel in the clear.
    #[error("must be `https://…`, or `http://…` of this machine")]
    Plain,
}

/// A message that did not arrive, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The HTTP client cannot be set up, for want of certificates for example.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
    /// The body has no form as text, or a header none as ASCII.
    #[error("cannot put the message together")]
    Message(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection, or it broke.
    #[error("cannot reach `{host}` ({})", tries(*n_tries))]
    Unreachable {
        /// Where.
        host: String,
        /// How often it was tried.
        n_tries: u32,
        /// Why, without the address.
        #[source]
        source: reqwest::Error,
    },
    /// No answer in time.
    #[error("`{host}` gave no answer within {timeout_s} s ({})", tries(*n_tries))]
    TimedOut {
        /// Where.
        host: String,
        /// How long each try took.
        timeout_s: u64,
        /// How often it was tried.
        n_tries: u32,
    },
    /// An answer that is no success.
    #[error("`{host}` answered {status} ({})", tries(*n_tries))]
    Answered {
        /// Where.
        host: String,
        /// Status of the answer.
        status: u16,
        /// How often it was tried.
        n_tries: u32,
    },
    /// The stop signal.
    #[error("stopped before `{host}` had answered")]
    Stopped {
        /// Where.
        host: String,
    },
}

fn tries(n: u32) -> String {
    format!("{n} {}", if n == 1 { "try" } else { "tries" })
}

impl From<WebError> for PortError {
    fn from(error: WebError) -> Self {
        let kind = match &error {
            WebError::Client(_) | WebError::Message(_) => FailureKind::Internal,
            WebError::Unreachable { .. } => FailureKind::Unreachable,
            WebError::TimedOut { .. } => FailureKind::TimedOut,
            WebError::Answered { status: 401 | 403, .. } => FailureKind::Denied,
            WebError::Answered { status: 404 | 410, .. } => FailureKind::Missing,
            WebError::Answered { status: 429 | 503, .. } => FailureKind::Busy,
            WebError::Answered { .. } => FailureKind::Malformed,
            WebError::Stopped { .. } => FailureKind::Cancelled,
        };
        let hint = match kind {
            FailureKind::Internal => "check that the certificates of the system are there",
            FailureKind::Denied => "check the token or key in its address",
            FailureKind::Missing => "check the path of its address",
            FailureKind::TimedOut | FailureKind::Busy => {
                "it may be overloaded; the next run tries again"
            }
            FailureKind::Malformed => "look into its own log for why it refused the message",
            FailureKind::Cancelled => "nobody waits for it after the stop signal",
            _ => "check its address, and that the network lets this machine go there",
        };
        Self::new(kind, error).with_hint(hint)
    }
}
