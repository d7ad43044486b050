//! What the store holds, and the rules by which it changes: each change whole, or not at all.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

use jiff::Timestamp;

use crate::domain::{
    ParameterSet, Publication, RefusalRow, RunCounts, RunId, RunRequest, RunRow, RunStatus,
};
use crate::ports::{Conclusion, FailureKind, PortError};

/// What the store in memory refuses to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
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
    /// A set names a group, parameter or refusal twice.
    #[error("run {run_id} has a {what} twice")]
    Repeated {
        /// The run.
        run_id: RunId,
        /// Which row.
        what: &'static str,
    },
    /// A publication names a run of another scope.
    #[error("run {run_id} cannot be published for scope `{wanted}`")]
    OtherScope {
        /// The run.
        run_id: RunId,
        /// The publication's scope.
        wanted: String,
    },
}

impl From<MemoryError> for PortError {
    fn from(error: MemoryError) -> Self {
        Self::new(FailureKind::Internal, error)
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    runs: BTreeMap<RunId, Entry>,
    publications: Vec<Publication>,
}

#[derive(Debug)]
struct Entry {
    row: RunRow,
    set: ParameterSet,
    refusals: Vec<RefusalRow>,
}

impl State {
    pub(super) fn request(&mut self, request: &RunRequest) -> RunId {
        let id = RunId(self.runs.keys().next_back().map_or(1, |last| last.0 + 1));
        let row = RunRow {
            id,
            request: request.clone(),
            status: RunStatus::Requested,
            started_at: None,
            finished_at: None,
            counts: RunCounts::default(),
            exit_code: None,
            message: String::new(),
        };
        let set = ParameterSet {
            run_id: Some(id),
            scope: request.scope.clone(),
            ..ParameterSet::default()
        };
        self.runs.insert(id, Entry { row, set, refusals: Vec::new() });
        id
    }

    pub(super) fn start(&mut self, run_id: RunId, at: Timestamp) -> Result<(), MemoryError> {
        let entry = self.entry(run_id, RunStatus::Running)?;
        entry.row.status = RunStatus::Running;
        entry.row.started_at = Some(at);
        Ok(())
    }

    /// Checks everything first, so that a refusal changes nothing.
    pub(super) fn conclude(&mut self, conclusion: &Conclusion) -> Result<(), MemoryError> {
        let (run_id, to) = (conclusion.run_id, conclusion.status);
        let from = self.entry(run_id, to)?.row.status;
        if !to.is_final() {
            return Err(MemoryError::IllegalMove { run_id, from, to });
        }
        check_rows(conclusion)?;
        if let Some(publication) = &conclusion.publication {
            self.check_publication(run_id, publication)?;
            self.publications.push(publication.clone());
        }
        let entry = self.entry(run_id, to)?;
        entry.row.status = to;
        entry.row.finished_at = Some(conclusion.finished_at);
        entry.row.counts = conclusion.counts;
        entry.row.exit_code = Some(conclusion.exit_code);
        entry.row.message.clone_from(&conclusion.message);
        entry.set.groups.clone_from(&conclusion.set.groups);
        entry.set.parameters.clone_from(&conclusion.set.parameters);
        entry.refusals.clone_from(&conclusion.refusals);
        Ok(())
    }

    pub(super) fn abandon_dead(&mut self, scope: &str, at: Timestamp) -> Vec<RunId> {
        let mut ids = Vec::new();
        for Entry { row, .. } in self.runs.values_mut() {
            if row.request.scope == scope && row.status == RunStatus::Running {
                row.status = RunStatus::Abandoned;
                row.finished_at = Some(at);
                "died without a word; found by the next run".clone_into(&mut row.message);
                ids.push(row.id);
            }
        }
        ids
    }

    pub(super) fn run(&self, run_id: RunId) -> Option<&RunRow> {
        self.runs.get(&run_id).map(|entry| &entry.row)
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &RunRow> {
        self.runs.values().rev().map(|entry| &entry.row)
    }

    pub(super) fn set(&self, run_id: RunId) -> Option<&ParameterSet> {
        self.runs.get(&run_id).map(|entry| &entry.set)
    }

    pub(super) fn refusals(&self, run_id: RunId) -> &[RefusalRow] {
        self.runs.get(&run_id).map_or(&[], |entry| &entry.refusals)
    }

    /// Moves of the scope's mark, newest first.
    pub(super) fn publications(&self, scope: &str) -> impl Iterator<Item = &Publication> {
        self.publications.iter().rev().filter(move |publication| publication.scope == scope)
    }

    /// The run, where it may pass to the status `to`.
    fn entry(&mut self, run_id: RunId, to: RunStatus) -> Result<&mut Entry, MemoryError> {
        let entry = self.runs.get_mut(&run_id).ok_or(MemoryError::NoSuchRun(run_id))?;
        let from = entry.row.status;
        if from.may_become(to) {
            Ok(entry)
        } else {
            Err(MemoryError::IllegalMove { run_id, from, to })
        }
    }

    fn check_publication(
        &self,
        concluded: RunId,
        publication: &Publication,
    ) -> Result<(), MemoryError> {
        for run_id in [concluded, publication.run_id] {
            let row = self.run(run_id).ok_or(MemoryError::NoSuchRun(run_id))?;
            if row.request.scope != publication.scope {
                let wanted = publication.scope.clone();
                return Err(MemoryError::OtherScope { run_id, wanted });
            }
        }
        Ok(())
    }
}

fn check_rows(conclusion: &Conclusion) -> Result<(), MemoryError> {
    let Conclusion { run_id, set, refusals, .. } = conclusion;
    let checks = [
        ("group", all_differ(set.groups.iter().map(|row| &row.key))),
        ("parameter", all_differ(set.parameters.iter().map(|row| (&row.key, &row.name)))),
        ("refusal", all_differ(refusals.iter().map(|row| (&row.region, row.reason)))),
    ];
    match checks.into_iter().find(|(_, differ)| !differ) {
        Some((what, _)) => Err(MemoryError::Repeated { run_id: *run_id, what }),
        None => Ok(()),
    }
}

fn all_differ<T: Eq + Hash>(mut items: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    items.all(|item| seen.insert(item))
}
