//! How a run can fail as a whole.

use crate::domain::RunId;
use crate::ports::PortError;

/// A failure of a run, never of a single group.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The records could not be read.
    #[error("cannot read the records from {source_name}")]
    Source {
        /// Which source.
        source_name: String,
        /// Why.
        #[source]
        cause: PortError,
    },
    /// The store did not do what was asked.
    #[error("cannot {operation} in {store_name}")]
    Store {
        /// What was asked, as a verb.
        operation: &'static str,
        /// Which store.
        store_name: String,
        /// Why.
        #[source]
        cause: PortError,
    },
    /// Another run holds the scope's lock.
    #[error("run {run_id} was refused: another run of scope `{scope}` is active")]
    ScopeBusy {
        /// The run that was refused.
        run_id: RunId,
        /// Its scope.
        scope: String,
    },
    /// The scope's lock was lost in the middle of the run.
    #[error("run {run_id} lost the lock of scope `{scope}` and stopped; nothing was published")]
    LockLost {
        /// The run.
        run_id: RunId,
        /// Its scope.
        scope: String,
        /// How it was lost.
        #[source]
        cause: PortError,
    },
    /// The stop signal.
    #[error("stopped; nothing was published")]
    Cancelled,
}
