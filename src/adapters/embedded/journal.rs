//! The ledger: requests, starts and what can be read of runs.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction};

use super::error::StatementError;
use super::locks::check_held;
use super::rows::{self, limit_stored, time_text};
use super::{Embedded, conclude, writer};
use crate::adapters::detail_text::request_text;
use crate::adapters::ledger_rules::{self, ABANDONED, LedgerError};
use crate::domain::{RefusalRow, RunId, RunRequest, RunRow, RunStatus, Trigger};
use crate::ports::{Conclusion, LockKey, PortResult, Prune, RunFilter, RunJournal};

#[async_trait]
impl RunJournal for Embedded {
    async fn request(&self, request: &RunRequest) -> PortResult<RunId> {
        let request = request.clone();
        self.write("write the request", move |transaction| insert_run(transaction, &request)).await
    }

    async fn start(&self, run_id: RunId, started_at: Timestamp) -> PortResult<()> {
        self.write(format!("start run {run_id}"), move |transaction| {
            let to = RunStatus::Running;
            check_move(transaction, run_id, to)?;
            transaction.execute(
                include_str!("sql/start_run.sql"),
                (run_id.0, to.as_str(), time_text(started_at)),
            )?;
            Ok(())
        })
        .await
    }

    async fn conclude(&self, conclusion: &Conclusion) -> PortResult<()> {
        let (conclusion, inner) = (conclusion.clone(), Arc::clone(&self.inner));
        let doing = format!("conclude run {}", conclusion.run_id);
        // What a night has made is not thrown away for an import that began meanwhile.
        self.write_beside_imports(writer::PATIENCE, doing, move |transaction| {
            conclude::conclude(transaction, &conclusion)?;
            let Some(publication) = &conclusion.publication else { return Ok(()) };
            Ok(check_held(&inner.path, &publication.scope, conclusion.lock.as_ref())?)
        })
        .await
    }

    async fn abandon_dead(
        &self,
        scope: &str,
        found_at: Timestamp,
        lock: Option<&LockKey>,
    ) -> PortResult<Vec<RunId>> {
        let (scope, lock, inner) = (scope.to_owned(), lock.cloned(), Arc::clone(&self.inner));
        self.write("mark abandoned runs", move |transaction| {
            check_held(&inner.path, &scope, lock.as_ref())?;
            let mut statement = transaction.prepare(include_str!("sql/abandon_runs.sql"))?;
            let ids = statement.query_map((scope, time_text(found_at), ABANDONED), |row| {
                row.get("id").map(RunId)
            })?;
            let mut ids: Vec<RunId> = ids.collect::<rusqlite::Result<_>>()?;
            ids.sort_unstable();
            Ok(ids)
        })
        .await
    }

    async fn run(&self, run_id: RunId) -> PortResult<Option<RunRow>> {
        self.read(format!("read run {run_id}"), move |transaction| {
            let row = transaction.query_row(include_str!("sql/run.sql"), [run_id.0], rows::run);
            Ok(row.optional()?)
        })
        .await
    }

    async fn runs(&self, filter: &RunFilter) -> PortResult<Vec<RunRow>> {
        let filter = filter.clone();
        self.read("read the runs", move |transaction| {
            let mut statement = transaction.prepare(include_str!("sql/runs.sql"))?;
            let runs = statement.query_map(
                (
                    filter.scope,
                    filter.status.map(RunStatus::as_str),
                    filter.trigger.map(Trigger::as_str),
                    limit_stored(filter.limit),
                ),
                rows::run,
            )?;
            Ok(runs.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn refusals(&self, run_id: RunId) -> PortResult<Vec<RefusalRow>> {
        self.read(format!("read the refusals of run {run_id}"), move |transaction| {
            let mut statement = transaction.prepare(include_str!("sql/refusals.sql"))?;
            let refusals = statement.query_map([run_id.0], rows::refusal)?;
            Ok(refusals.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn keep_settings(&self, hash: &str, document: &str) -> PortResult<()> {
        let row = (hash.to_owned(), document.to_owned());
        self.write("keep the settings", move |transaction| {
            transaction.execute(include_str!("sql/keep_settings.sql"), row)?;
            Ok(())
        })
        .await
    }

    async fn settings(&self, hash: &str) -> PortResult<Option<String>> {
        let hash = hash.to_owned();
        self.read("read the settings of a run", move |transaction| {
            let sql = include_str!("sql/settings.sql");
            Ok(transaction.query_row(sql, [hash], |row| row.get(0)).optional()?)
        })
        .await
    }

    async fn prune(&self, run_ids: &[RunId], depth: Prune) -> PortResult<u64> {
        let run_ids = run_ids.to_vec();
        self.write("prune old runs", move |transaction| prune(transaction, &run_ids, depth)).await
    }
}

fn prune(
    transaction: &Transaction<'_>,
    run_ids: &[RunId],
    depth: Prune,
) -> Result<u64, StatementError> {
    let mut n_pruned = 0;
    for RunId(id) in run_ids {
        let sql = include_str!("sql/may_be_pruned.sql");
        if !transaction.query_row(sql, [id], |row| row.get(0))? {
            continue;
        }
        for sql in [
            include_str!("sql/delete_parameters.sql"),
            include_str!("sql/delete_groups.sql"),
            include_str!("sql/delete_refusals.sql"),
        ] {
            transaction.execute(sql, [id])?;
        }
        if depth == Prune::Run {
            transaction.execute(include_str!("sql/delete_publications.sql"), [id])?;
            transaction.execute(include_str!("sql/delete_run.sql"), [id])?;
        }
        n_pruned += 1;
    }
    Ok(n_pruned)
}

fn insert_run(
    transaction: &Transaction<'_>,
    request: &RunRequest,
) -> Result<RunId, StatementError> {
    if let Some(slot) = &request.slot {
        let sql = include_str!("sql/slot_is_taken.sql");
        if transaction.query_row(sql, (&request.scope, slot), |row| row.get(0))? {
            let (scope, slot) = (request.scope.clone(), slot.clone());
            return Err(LedgerError::Taken { scope, slot }.into());
        }
    }
    transaction.execute(
        include_str!("sql/insert_run.sql"),
        (
            &request.scope,
            request.trigger.as_str(),
            &request.requested_by,
            &request.reason,
            request.window.from.map(time_text),
            request.window.to.map(time_text),
            &request.model,
            &request.settings_hash,
            &request.code_version,
            time_text(request.requested_at),
            RunStatus::Requested.as_str(),
            &request.slot,
            request_text(&request.detail),
        ),
    )?;
    Ok(RunId(transaction.last_insert_rowid()))
}

/// The run's scope, where it may pass to the status `to`.
pub(super) fn check_move(
    transaction: &Transaction<'_>,
    run_id: RunId,
    to: RunStatus,
) -> Result<String, StatementError> {
    let found = transaction
        .query_row(include_str!("sql/run_status.sql"), [run_id.0], |row| {
            Ok((row.get("scope")?, rows::status(row)?))
        })
        .optional()?;
    let (scope, from) = found.ok_or(LedgerError::NoSuchRun(run_id))?;
    ledger_rules::check_move(run_id, from, to)?;
    Ok(scope)
}
