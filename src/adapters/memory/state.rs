//! What the store holds, and the rules by which it changes: each change whole, or not at all.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::adapters::ledger_rules::{
    ABANDONED, LedgerError, check_end, check_move, check_publication, check_rows,
};
use crate::domain::{
    ParameterSet, Publication, RefusalRow, RunCounts, RunId, RunRequest, RunRow, RunStatus,
};
use crate::ports::Conclusion;

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

    pub(super) fn start(&mut self, run_id: RunId, at: Timestamp) -> Result<(), LedgerError> {
        let entry = self.entry(run_id, RunStatus::Running)?;
        entry.row.status = RunStatus::Running;
        entry.row.started_at = Some(at);
        Ok(())
    }

    /// Checks everything first, so that a refusal changes nothing.
    pub(super) fn conclude(&mut self, conclusion: &Conclusion) -> Result<(), LedgerError> {
        let (run_id, to) = (conclusion.run_id, conclusion.status);
        check_end(run_id, to)?;
        let scope = self.entry(run_id, to)?.row.request.scope.clone();
        check_rows(conclusion)?;
        if let Some(publication) = &conclusion.publication {
            let of = self.run(publication.run_id).map(|row| row.request.scope.clone());
            check_publication(publication, &scope, of)?;
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
                ABANDONED.clone_into(&mut row.message);
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
    fn entry(&mut self, run_id: RunId, to: RunStatus) -> Result<&mut Entry, LedgerError> {
        let entry = self.runs.get_mut(&run_id).ok_or(LedgerError::NoSuchRun(run_id))?;
        check_move(run_id, entry.row.status, to)?;
        Ok(entry)
    }
}
