//! What can go wrong behind the API, told so that a client can act on it.

use std::error::Error;

use crate::ports::PortError;

pub use crate::ports::with_causes;

/// Why a service did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// What the client asks for does not do.
    #[error("{message}")]
    Asked {
        /// What is wrong with it.
        message: String,
        /// What to ask for instead.
        hint: Option<String>,
    },
    /// The file that the client sent does not do.
    #[error("the file cannot be fitted")]
    Body(#[source] PortError),
    /// There is no such thing.
    #[error("{message}")]
    NotThere {
        /// What.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// What is there does not allow it; nothing was changed.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A run of the scope is active.
    #[error("a run of scope `{0}` is active")]
    Busy(String),
    /// The settings or secrets of the server do not do.
    #[error("the settings of the server do not do: {message}")]
    Settings {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The source did not do what was asked.
    #[error("the source does not answer as it should")]
    Source(#[source] PortError),
    /// The store did not do what was asked.
    #[error("the store does not answer as it should")]
    Store(#[source] PortError),
    /// The server stops, or the client has gone.
    #[error("stopped before it was complete")]
    Cancelled,
    /// A mistake in this program, or a machine that does not do.
    #[error("{message}")]
    Internal {
        /// What.
        message: String,
        /// Why.
        #[source]
        cause: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl ServiceError {
    /// A failure of this machine or program.
    pub fn internal(
        message: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Internal { message: message.into(), cause: Some(cause.into()) }
    }
}
