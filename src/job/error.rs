//! How a run can fail as a whole.

use crate::domain::{GroupKey, RunId, RunStatus};
use crate::ports::{FailureKind, PortError, Store};

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
    /// A request that was left behind, too late to be begun.
    #[error("run {run_id} was asked for and never begun, and is not begun any more: {why}")]
    Stale {
        /// The run.
        run_id: RunId,
        /// Why not.
        why: String,
    },
    /// The transaction that ends the run was under way when it broke off, and the ledger cannot say
    /// whether it took place.
    #[error("run {run_id} may have been published; see `speedfit status`")]
    Unsettled {
        /// The run.
        run_id: RunId,
        /// How it broke off.
        #[source]
        cause: PortError,
    },
    /// A group failed in a run that was to stop there.
    #[error("{}", super::overrule::first_failure(group, why))]
    GroupFailed {
        /// The group.
        group: GroupKey,
        /// Why it failed.
        why: String,
    },
    /// The stop signal.
    #[error("stopped; nothing was published")]
    Cancelled,
}

/// Exit code of a run that ended by an error of its source.
pub const EXIT_SOURCE: u8 = 4;
/// Exit code of a run that ended by an error of its store.
pub const EXIT_STORE: u8 = 5;
/// Exit code of a run that published some groups only.
pub const EXIT_PARTIAL: u8 = 6;
/// Exit code of a run that published nothing.
pub const EXIT_NOTHING_PUBLISHED: u8 = 7;
/// Exit code of a run that was refused the lock.
pub const EXIT_REFUSED: u8 = 8;
/// Exit code of a run that was stopped.
pub const EXIT_STOPPED: u8 = 130;

impl JobError {
    /// The failure of a call of the store, with what was asked of it, as a verb; a call that the stop
    /// signal ended is no failure of the store.
    pub(super) fn of_store(store: &dyn Store, operation: &'static str, cause: PortError) -> Self {
        if cause.kind == FailureKind::Cancelled {
            return Self::Cancelled;
        }
        let cause = cause.without_context();
        Self::Store { operation, store_name: store.describe(), cause }
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Source { .. } => EXIT_SOURCE,
            Self::Store { .. } | Self::LockLost { .. } => EXIT_STORE,
            Self::ScopeBusy { .. } | Self::Stale { .. } => EXIT_REFUSED,
            Self::GroupFailed { .. } => EXIT_NOTHING_PUBLISHED,
            Self::Unsettled { cause, .. } if cause.kind != FailureKind::Cancelled => EXIT_STORE,
            Self::Unsettled { .. } | Self::Cancelled => EXIT_STOPPED,
        }
    }

    /// Whether another try may come to a better end with nothing changed: source or store were not there,
    /// another run had the scope, the run was stopped.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Source { cause, .. } | Self::Store { cause, .. } => cause.kind.is_transient(),
            Self::LockLost { .. }
            | Self::Unsettled { .. }
            | Self::ScopeBusy { .. }
            | Self::Cancelled => true,
            Self::Stale { .. } | Self::GroupFailed { .. } => false,
        }
    }

    /// The status of the run that it ended.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        match self {
            Self::Source { .. } | Self::Store { .. } | Self::LockLost { .. } => RunStatus::Failed,
            Self::ScopeBusy { .. } | Self::GroupFailed { .. } => RunStatus::Refused,
            Self::Stale { .. } => RunStatus::Abandoned,
            Self::Unsettled { cause, .. } if cause.kind != FailureKind::Cancelled => {
                RunStatus::Failed
            }
            Self::Unsettled { .. } | Self::Cancelled => RunStatus::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_ends_its_run() {
        let scope = || "s".to_owned();
        let cause = || PortError::new(FailureKind::Full, "x");
        let failures = [
            JobError::Source { source_name: scope(), cause: cause() },
            JobError::Store { operation: "read", store_name: scope(), cause: cause() },
            JobError::ScopeBusy { run_id: RunId(1), scope: scope() },
            JobError::LockLost { run_id: RunId(1), scope: scope(), cause: cause() },
            JobError::GroupFailed { group: GroupKey::region("A"), why: scope() },
            JobError::Unsettled { run_id: RunId(1), cause: cause() },
            JobError::Unsettled { run_id: RunId(1), cause: PortError::cancelled() },
            JobError::Cancelled,
        ];
        let codes = failures.each_ref().map(JobError::exit_code);
        let expected = [
            EXIT_SOURCE,
            EXIT_STORE,
            EXIT_REFUSED,
            EXIT_STORE,
            EXIT_NOTHING_PUBLISHED,
            EXIT_STORE,
            EXIT_STOPPED,
            EXIT_STOPPED,
        ];
        assert_eq!(codes, expected);
        let may_pass = failures.each_ref().map(JobError::may_pass);
        assert_eq!(may_pass, [false, false, true, true, false, true, true, true]);
        assert!(failures.iter().all(|failure| RunStatus::Requested.may_become(failure.status())));
        assert!(failures.iter().all(|failure| RunStatus::Running.may_become(failure.status())));
    }

    #[test]
    fn source_and_store_may_come_back_but_what_is_wrong_stays() {
        use FailureKind as K;
        let check = |kind, expected: bool| {
            let cause = || PortError::new(kind, "x");
            let source = JobError::Source { source_name: "s".to_owned(), cause: cause() };
            let store =
                JobError::Store { operation: "read", store_name: "s".to_owned(), cause: cause() };
            assert_eq!((source.may_pass(), store.may_pass()), (expected, expected), "{kind:?}");
            // A lock that is lost says nothing against the next one, whatever took it.
            let lost =
                JobError::LockLost { run_id: RunId(1), scope: "s".to_owned(), cause: cause() };
            assert!(lost.may_pass(), "{kind:?}");
        };
        for kind in [K::Unreachable, K::Busy, K::Conflict, K::TimedOut] {
            check(kind, true);
        }
        for kind in [K::Denied, K::Missing, K::Malformed, K::SchemaOutdated, K::Full, K::Internal] {
            check(kind, false);
        }
    }
}
