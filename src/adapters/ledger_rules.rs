//! What no ledger does, whatever keeps it: the rules that every store holds a change against.
//!
//! A store reads what it knows of a run and asks here; knows nothing of any database.

use std::collections::HashSet;
use std::hash::Hash;

use crate::domain::{Publication, RunId, RunStatus};
use crate::ports::{Conclusion, FailureKind, PortError};

/// What a run's row says that was found dead.
pub(super) const ABANDONED: &str =
    "did not say how it ended and no longer held the lock: it died, or lost its connection";

/// A change that the ledger refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// No such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The run cannot pass to that status.
    #[error("run {run_id} is `{from}` and cannot become `{to}`")]
    IllegalMove {
        /// The run.
        run_id: RunId,
        /// Its status.
        from: RunStatus,
        /// The status wanted.
        to: RunStatus,
    },
    /// A run that another holder of its scope's lock took for dead.
    #[error("run {0} was marked `abandoned` by another holder of its scope's lock")]
    Abandoned(RunId),
    /// The lock under which a change was to be made is no longer held.
    #[error("the lock of scope `{0}` is no longer held; nothing was changed")]
    LockLost(String),
    /// A run was to end in a status that is no end.
    #[error("run {run_id} cannot end as `{status}`")]
    NoEnd {
        /// The run.
        run_id: RunId,
        /// The status wanted.
        status: RunStatus,
    },
    /// A set names a group, parameter or refusal twice.
    #[error("run {run_id} has a {what} twice")]
    Repeated {
        /// The run.
        run_id: RunId,
        /// Which row.
        what: &'static str,
    },
    /// A publication names a run of another scope.
    #[error("run {run_id} is of scope `{of}` and cannot be published for `{wanted}`")]
    OtherScope {
        /// The run.
        run_id: RunId,
        /// Its scope.
        of: String,
        /// The publication's scope.
        wanted: String,
    },
    /// A run that is not over cannot be published.
    #[error("run {run_id} is `{status}`, and only a run that is over can be published")]
    NotOver {
        /// The run.
        run_id: RunId,
        /// Its status.
        status: RunStatus,
    },
    /// A run without parameters cannot be published.
    #[error("run {0} has no parameters: it ended early, or they were pruned")]
    NoParameters(RunId),
    /// Another run answers the same slot.
    #[error("`{slot}` of scope `{scope}` has its run already")]
    Taken {
        /// The scope.
        scope: String,
        /// The slot.
        slot: String,
    },
}

impl LedgerError {
    /// What kind of failure it is: what operators cause by what they ask for is no mistake of ours.
    pub(super) fn kind(&self) -> FailureKind {
        match self {
            Self::Taken { .. } => FailureKind::Taken,
            Self::NotOver { .. } | Self::NoParameters(_) => FailureKind::Refused,
            Self::Abandoned(_) | Self::LockLost(_) => FailureKind::LockLost,
            Self::NoSuchRun(_)
            | Self::IllegalMove { .. }
            | Self::NoEnd { .. }
            | Self::Repeated { .. }
            | Self::OtherScope { .. } => FailureKind::Internal,
        }
    }
}

impl From<LedgerError> for PortError {
    fn from(error: LedgerError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Whether the run, which stands at `from`, may pass to the status `to`.
pub(super) fn check_move(run_id: RunId, from: RunStatus, to: RunStatus) -> Result<(), LedgerError> {
    if from.may_become(to) {
        Ok(())
    } else if from == RunStatus::Abandoned {
        Err(LedgerError::Abandoned(run_id))
    } else {
        Err(LedgerError::IllegalMove { run_id, from, to })
    }
}

/// Whether a run can end in that status at all.
pub(super) fn check_end(run_id: RunId, status: RunStatus) -> Result<(), LedgerError> {
    if status.is_final() { Ok(()) } else { Err(LedgerError::NoEnd { run_id, status }) }
}

/// Whether a run of scope `scope` may, as it ends, move the mark so. `of` is the scope of the run
/// that becomes current, where there is such a run.
pub(super) fn check_publication(
    publication: &Publication,
    scope: &str,
    of: Option<String>,
) -> Result<(), LedgerError> {
    let run_id = publication.run_id;
    let of = of.ok_or(LedgerError::NoSuchRun(run_id))?;
    if of != publication.scope || scope != publication.scope {
        let wanted = publication.scope.clone();
        return Err(LedgerError::OtherScope { run_id, of, wanted });
    }
    Ok(())
}

/// What is known of a run that is to be published by hand.
pub(super) struct Candidate {
    pub(super) scope: String,
    pub(super) status: RunStatus,
    pub(super) has_parameters: bool,
}

/// Whether the mark may be moved so outside a run.
pub(super) fn check_candidate(
    publication: &Publication,
    candidate: Option<&Candidate>,
) -> Result<(), LedgerError> {
    let run_id = publication.run_id;
    let Some(candidate) = candidate else { return Err(LedgerError::NoSuchRun(run_id)) };
    if candidate.scope != publication.scope {
        let (of, wanted) = (candidate.scope.clone(), publication.scope.clone());
        return Err(LedgerError::OtherScope { run_id, of, wanted });
    }
    if !candidate.status.is_final() {
        return Err(LedgerError::NotOver { run_id, status: candidate.status });
    }
    if candidate.has_parameters { Ok(()) } else { Err(LedgerError::NoParameters(run_id)) }
}

/// Whether every group, parameter and refusal is there once.
pub(super) fn check_rows(conclusion: &Conclusion) -> Result<(), LedgerError> {
    let Conclusion { run_id, set, refusals, .. } = conclusion;
    let checks = [
        ("group", all_differ(set.groups.iter().map(|row| &row.key))),
        ("parameter", all_differ(set.parameters.iter().map(|row| (&row.key, &row.name)))),
        ("refusal", all_differ(refusals.iter().map(|row| (&row.region, row.reason)))),
    ];
    match checks.into_iter().find(|(_, differ)| !differ) {
        Some((what, _)) => Err(LedgerError::Repeated { run_id: *run_id, what }),
        None => Ok(()),
    }
}

fn all_differ<T: Eq + Hash>(mut items: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    items.all(|item| seen.insert(item))
}
