//! What the store holds, and the rules by which it changes: each change whole, or not at all.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::adapters::ledger_rules::{
    ABANDONED, Candidate, LedgerError, check_candidate, check_end, check_move, check_publication,
    check_rows,
};
use crate::domain::{
    ParameterSet, Publication, RefusalRow, RunCounts, RunId, RunRequest, RunRow, RunStatus,
};
use crate::ports::{Conclusion, Prune};

#[derive(Debug, Default)]
pub(super) struct State {
    settings: BTreeMap<String, String>,
    runs: BTreeMap<RunId, Entry>,
    publications: Vec<Publication>,
    last_id: i64,
}

#[derive(Debug)]
struct Entry {
    row: RunRow,
    set: ParameterSet,
    refusals: Vec<RefusalRow>,
}

impl State {
    pub(super) fn request(&mut self, request: &RunRequest) -> Result<RunId, LedgerError> {
        let same =
            |row: &RunRow| row.request.scope == request.scope && row.request.slot == request.slot;
        if let Some(slot) = &request.slot
            && self.runs().any(same)
        {
            let (scope, slot) = (request.scope.clone(), slot.clone());
            return Err(LedgerError::Taken { scope, slot });
        }
        let id = RunId(self.last_id + 1);
        self.last_id = id.0;
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
        Ok(id)
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

    pub(super) fn publish(&mut self, publication: &Publication) -> Result<(), LedgerError> {
        let candidate = self.runs.get(&publication.run_id).map(|entry| Candidate {
            scope: entry.row.request.scope.clone(),
            status: entry.row.status,
            has_parameters: !entry.set.parameters.is_empty(),
        });
        check_candidate(publication, candidate.as_ref())?;
        self.publications.push(publication.clone());
        Ok(())
    }

    pub(super) fn keep_settings(&mut self, hash: &str, document: &str) {
        self.settings.entry(hash.to_owned()).or_insert_with(|| document.to_owned());
    }

    pub(super) fn settings(&self, hash: &str) -> Option<&String> {
        self.settings.get(hash)
    }

    pub(super) fn prune(&mut self, run_ids: &[RunId], depth: Prune) -> u64 {
        let mut n_pruned = 0;
        for run_id in run_ids {
            let Some(entry) = self.runs.get(run_id) else { continue };
            let mark = self.publications(&entry.row.request.scope).next();
            let is_current = mark.is_some_and(|mark| mark.run_id == *run_id);
            if is_current || !entry.row.status.is_final() {
                continue;
            }
            n_pruned += 1;
            if depth == Prune::Run {
                self.runs.remove(run_id);
                self.publications.retain(|publication| publication.run_id != *run_id);
            } else if let Some(entry) = self.runs.get_mut(run_id) {
                entry.set.groups.clear();
                entry.set.parameters.clear();
                entry.refusals.clear();
            }
        }
        n_pruned
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

    /// Runs of the scope that have parameters, newest first.
    pub(super) fn sets(&self, scope: &str) -> Vec<RunId> {
        let of_scope = self.runs.values().rev().filter(|entry| entry.row.request.scope == scope);
        let kept = of_scope.filter(|entry| !entry.set.parameters.is_empty());
        kept.map(|entry| entry.row.id).collect()
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
