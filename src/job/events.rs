//! What a run tells while it works, for progress bars and event streams.

use crate::domain::RunId;

/// A step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEvent {
    /// The run has its number and the lock.
    Started(RunId),
    /// Rows so far, and how many there will be, where the source knows.
    RowsRead {
        /// Rows read.
        n_read: u64,
        /// Rows expected.
        n_expected: Option<u64>,
    },
    /// Groups so far.
    GroupsFitted {
        /// Groups fitted.
        n_done: usize,
        /// Groups to fit.
        n_total: usize,
    },
    /// The set is about to be written.
    Publishing,
}

/// Watches a run. Called from the run's own task: must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn notice(&self, event: RunEvent);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn notice(&self, _event: RunEvent) {}
}
