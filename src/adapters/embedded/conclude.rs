//! The end of a run: everything that it leaves, in the order of its tables.

use rusqlite::{OptionalExtension, Transaction, params};

use super::error::StatementError;
use super::journal::check_move;
use super::rows::{self, count_stored, examples_text, time_text};
use crate::adapters::detail_text::detail_text;
use crate::adapters::ledger_rules::{Candidate, check_candidate, check_end, check_publication};
use crate::domain::{GroupRow, ParameterRow, Publication, RefusalRow, RunId};
use crate::ports::Conclusion;

/// Ends the run; the caller's transaction makes it all or nothing.
pub(super) fn conclude(
    transaction: &Transaction<'_>,
    conclusion: &Conclusion,
) -> Result<(), StatementError> {
    let (run_id, status) = (conclusion.run_id, conclusion.status);
    check_end(run_id, status)?;
    let scope = check_move(transaction, run_id, status)?;
    end_run(transaction, conclusion)?;
    insert_groups(transaction, run_id, &conclusion.set.groups)?;
    insert_parameters(transaction, run_id, &conclusion.set.parameters)?;
    insert_refusals(transaction, run_id, &conclusion.refusals)?;
    match &conclusion.publication {
        Some(publication) => move_mark(transaction, &scope, publication),
        None => Ok(()),
    }
}

fn end_run(transaction: &Transaction<'_>, conclusion: &Conclusion) -> Result<(), StatementError> {
    let counts = &conclusion.counts;
    transaction.execute(
        include_str!("sql/end_run.sql"),
        (
            conclusion.run_id.0,
            conclusion.status.as_str(),
            time_text(conclusion.finished_at),
            count_stored(counts.rows_read),
            count_stored(counts.rows_refused),
            count_stored(counts.rows_used),
            count_stored(counts.groups_fitted),
            count_stored(counts.groups_pooled),
            count_stored(counts.groups_fallback),
            count_stored(counts.groups_carried_over),
            count_stored(counts.groups_failed),
            count_stored(counts.groups_cancelled),
            conclusion.exit_code,
            &conclusion.message,
        ),
    )?;
    Ok(())
}

fn insert_groups(
    transaction: &Transaction<'_>,
    run_id: RunId,
    groups: &[GroupRow],
) -> Result<(), StatementError> {
    let mut statement = transaction.prepare_cached(include_str!("sql/insert_group.sql"))?;
    for (ordinal, group) in (0_i64..).zip(groups) {
        statement.execute(params![
            run_id.0,
            ordinal,
            group.key.region,
            group.key.band,
            group.key.priority,
            group.model,
            group.loss,
            group.outcome.as_str(),
            group.source_level.as_str(),
            count_stored(group.n_read),
            count_stored(group.n_refused),
            count_stored(group.n_used),
            group.termination,
            count_stored(group.iterations),
            group.ssr_log,
            group.rmse_log,
            group.mae_s,
            group.median_ape,
            group.share_under_p90,
            group.condition,
            group.verdict.as_str(),
            group.message,
            detail_text(&group.detail),
        ])?;
    }
    Ok(())
}

fn insert_parameters(
    transaction: &Transaction<'_>,
    run_id: RunId,
    parameters: &[ParameterRow],
) -> Result<(), StatementError> {
    let mut statement = transaction.prepare_cached(include_str!("sql/insert_parameter.sql"))?;
    for (ordinal, parameter) in (0_i64..).zip(parameters) {
        statement.execute(params![
            run_id.0,
            ordinal,
            parameter.key.region,
            parameter.key.band,
            parameter.key.priority,
            parameter.name,
            parameter.unit,
            parameter.estimate,
            parameter.std_error,
            parameter.ci_low,
            parameter.ci_high,
            parameter.raw_estimate,
            parameter.pool_weight,
            parameter.status.as_str(),
        ])?;
    }
    Ok(())
}

fn insert_refusals(
    transaction: &Transaction<'_>,
    run_id: RunId,
    refusals: &[RefusalRow],
) -> Result<(), StatementError> {
    let mut statement = transaction.prepare_cached(include_str!("sql/insert_refusal.sql"))?;
    for (ordinal, refusal) in (0_i64..).zip(refusals) {
        statement.execute((
            run_id.0,
            ordinal,
            &refusal.region,
            refusal.reason.as_str(),
            count_stored(refusal.count),
            examples_text(&refusal.examples),
        ))?;
    }
    Ok(())
}

/// Moves the mark outside a run.
pub(super) fn publish(
    transaction: &Transaction<'_>,
    publication: &Publication,
) -> Result<(), StatementError> {
    let run_id = publication.run_id.0;
    let n_parameters: i64 =
        transaction.query_row(include_str!("sql/n_parameters.sql"), [run_id], |row| row.get(0))?;
    let candidate = transaction
        .query_row(include_str!("sql/run_status.sql"), [run_id], |row| {
            let (scope, status) = (row.get("scope")?, rows::status(row)?);
            Ok(Candidate { scope, status, has_parameters: n_parameters > 0 })
        })
        .optional()?;
    check_candidate(publication, candidate.as_ref())?;
    move_mark(transaction, &publication.scope, publication)
}

/// Moves the mark of `scope`, to this run or to an earlier one of the same scope.
fn move_mark(
    transaction: &Transaction<'_>,
    scope: &str,
    publication: &Publication,
) -> Result<(), StatementError> {
    let run_id = publication.run_id;
    let of: Option<String> = transaction
        .query_row(include_str!("sql/run_status.sql"), [run_id.0], |row| row.get("scope"))
        .optional()?;
    check_publication(publication, scope, of)?;
    transaction.execute(
        include_str!("sql/insert_publication.sql"),
        (
            &publication.scope,
            run_id.0,
            time_text(publication.published_at),
            &publication.published_by,
            &publication.reason,
            &publication.comment,
        ),
    )?;
    let publication_id = transaction.last_insert_rowid();
    transaction.execute(
        include_str!("sql/move_mark.sql"),
        (&publication.scope, run_id.0, publication_id),
    )?;
    Ok(())
}
