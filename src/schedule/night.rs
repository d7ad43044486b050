//! What the driver asks of whoever wires a scope: its rules, its store, and a run.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::calendar::Calendar;
use crate::domain::{RunId, RunRow, RunStatus};
use crate::job::{JobError, RunReport};
use crate::ports::{FailureKind, PortError, Store, with_causes};

/// What becomes of moments at which nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// They are passed over.
    Skip,
    /// One run makes up for all of them.
    Once,
}

/// How a scope's schedule goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// When runs happen.
    pub calendar: Calendar,
    /// What becomes of moments at which nothing ran.
    pub missed: Missed,
    /// A run starts so long after its moment at the most.
    pub jitter: Duration,
    /// Most tries of one moment.
    pub attempts: u32,
    /// Time between two tries.
    pub retry_wait: Duration,
    /// Longest time of a run.
    pub run_limit: Duration,
}

/// Why a scope's rules or its store cannot be had, with every cause, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NightError(pub String);

impl NightError {
    /// The error and its causes.
    #[must_use]
    pub fn of(error: &dyn Error) -> Self {
        Self(with_causes(error))
    }
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With this status, by itself.
    Over(RunStatus),
    /// Another process has this slot, or began the request.
    Taken,
    /// By an error that may pass.
    MayPass,
    /// By an error that stays until something is changed.
    Failed,
    /// By the stop signal, or the limit of a run.
    Cancelled,
}

/// A try that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// The run, where it has a number and came to its end.
    pub run_id: Option<RunId>,
    /// How, in words.
    pub message: String,
}

impl Ended {
    /// A try that came to no run, or whose run ended by an error.
    #[must_use]
    pub fn by_error(outcome: Outcome, error: &dyn Error) -> Self {
        Self { outcome, run_id: None, message: NightError::of(error).0 }
    }

    /// A request that another process began.
    #[must_use]
    pub fn taken() -> Self {
        let message = "another process has begun it".to_owned();
        Self { outcome: Outcome::Taken, run_id: None, message }
    }

    /// The end of a run.
    #[must_use]
    pub fn of_report(report: &RunReport) -> Self {
        Self {
            outcome: Outcome::Over(report.status),
            run_id: report.results.run.as_ref().map(|run| run.id),
            message: report.message.clone(),
        }
    }

    /// A try that came to no run, since source or store could not be opened.
    #[must_use]
    pub fn unopened(cause: &PortError) -> Self {
        let may_pass = cause.kind.is_transient();
        Self::by_error(if may_pass { Outcome::MayPass } else { Outcome::Failed }, cause)
    }

    /// The end of a run by an error.
    #[must_use]
    pub fn of_job_error(error: &JobError) -> Self {
        let outcome = match error {
            JobError::Store { cause, .. } if cause.kind == FailureKind::Taken => Outcome::Taken,
            JobError::Cancelled => Outcome::Cancelled,
            // The ledger has it, and whoever asked is told of it.
            JobError::Stale { .. } => Outcome::Over(RunStatus::Abandoned),
            JobError::Unsettled { cause, .. } if cause.kind == FailureKind::Cancelled => {
                Outcome::Cancelled
            }
            JobError::GroupFailed { .. } => Outcome::Over(RunStatus::Refused),
            // A file may be delivered late.
            JobError::Source { cause, .. } if cause.kind == FailureKind::Missing => {
                Outcome::MayPass
            }
            error if error.may_pass() => Outcome::MayPass,
            JobError::Source { .. }
            | JobError::Store { .. }
            | JobError::LockLost { .. }
            | JobError::Unsettled { .. }
            | JobError::ScopeBusy { .. } => Outcome::Failed,
        };
        Self::by_error(outcome, error)
    }
}

/// One scope, as the driver sees it.
#[async_trait]
pub trait Night: Send + Sync {
    /// Its name.
    fn scope(&self) -> &str;

    /// Its rules, read anew.
    ///
    /// # Errors
    /// [`NightError`] where the settings have become wrong.
    async fn rules(&self) -> Result<Rules, NightError>;

    /// Its store, opened with what settings and secrets say now.
    ///
    /// # Errors
    /// [`NightError`] where it cannot be opened.
    async fn store(&self) -> Result<Arc<dyn Store>, NightError>;

    /// The store did not answer: the next time it is to be opened anew.
    fn forget_store(&self);

    /// Makes one run of that slot, with settings and secrets read anew, and returns when it is over.
    async fn launch(&self, slot: &str, cancel: &CancellationToken) -> Ended;

    /// Makes the run of a request that was left behind, as its row asks for it.
    async fn pick_up(&self, row: &RunRow, cancel: &CancellationToken) -> Ended;

    /// Tells of runs that the driver found dead, at least one, whoever wants to be told of failures;
    /// returns when that is done, which may take minutes, or soon after the stop signal. Nobody else
    /// tells of them.
    async fn tell_of_dead(&self, dead: &[RunRow], cancel: &CancellationToken);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GroupKey;

    #[test]
    fn a_try_is_repeated_where_its_failure_may_pass() {
        use FailureKind as K;
        let check = |error: JobError, expected| {
            assert_eq!(Ended::of_job_error(&error).outcome, expected, "{error:?}");
        };
        let (run_id, name) = (RunId(1), || "x".to_owned());
        for (kind, expected) in [
            (K::Unreachable, Outcome::MayPass),
            (K::Busy, Outcome::MayPass),
            (K::Denied, Outcome::Failed),
            (K::Malformed, Outcome::Failed),
            (K::Full, Outcome::Failed),
        ] {
            let cause = || PortError::new(kind, "x");
            check(JobError::Source { source_name: name(), cause: cause() }, expected);
            let store = JobError::Store { operation: "read", store_name: name(), cause: cause() };
            check(store, expected);
            check(JobError::LockLost { run_id, scope: name(), cause: cause() }, Outcome::MayPass);
            assert_eq!(Ended::unopened(&cause()).outcome, expected, "{kind:?}");
        }
        let missing = || PortError::new(K::Missing, "x");
        check(JobError::Source { source_name: name(), cause: missing() }, Outcome::MayPass);
        let store = JobError::Store { operation: "read", store_name: name(), cause: missing() };
        check(store, Outcome::Failed);
        let cause = PortError::new(K::Taken, "x");
        let taken = JobError::Store { operation: "request", store_name: name(), cause };
        check(taken, Outcome::Taken);
        check(JobError::ScopeBusy { run_id, scope: name() }, Outcome::MayPass);
        check(JobError::Cancelled, Outcome::Cancelled);
        let failed = JobError::GroupFailed { group: GroupKey::region("A"), why: name() };
        check(failed, Outcome::Over(RunStatus::Refused));
    }
}
