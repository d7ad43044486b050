//! The transaction that ends a run.

use super::statements::{change, held_column, is_held, refused};
use crate::tds::{Call, Column, ColumnType, Reply, SqlError, SqliteBackend, Statement};

pub(super) fn install(backend: &SqliteBackend) {
    install_operations(backend);
    backend.handle("conclude_run", |call, statement| {
        // The call as a whole is undone after an error, a savepoint of its own without one.
        call.connection.execute_batch("SAVEPOINT conclude").map_err(|error| refused(&error))?;
        let (n_moved, n_kept) = conclude(call, statement)?;
        let held = statement.p(18).is_null() || is_held(call, statement.p(24));
        let whole = n_moved == 1 && statement.p(17).as_int() == Some(n_kept) && held;
        let end = if whole { "RELEASE conclude" } else { "ROLLBACK TO conclude; RELEASE conclude" };
        call.connection.execute_batch(end).map_err(|error| refused(&error))?;
        Ok(Reply::row(vec![
            (Column::new("n_moved", ColumnType::BigInt), n_moved.into()),
            (Column::new("n_kept", ColumnType::BigInt), n_kept.into()),
            (held_column(), i64::from(held).into()),
        ]))
    });
}

/// What operators do with runs that are over.
fn install_operations(backend: &SqliteBackend) {
    backend.handle("publish_run", |call, statement| {
        call.connection.execute_batch("SAVEPOINT publish").map_err(|error| refused(&error))?;
        let publish = "INSERT INTO \"speedfit.publication\" (
                id, scope, run_id, published_at, published_by, reason, comment
            )
            SELECT COALESCE(MAX(id), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6
            FROM \"speedfit.publication\"";
        change(call, publish, statement)?;
        let mark = "INSERT INTO \"speedfit.current_run\" (scope, run_id, publication_id)
            SELECT ?1, ?2, MAX(id) FROM \"speedfit.publication\" WHERE true
            ON CONFLICT (scope) DO UPDATE
            SET run_id = excluded.run_id, publication_id = excluded.publication_id";
        change(call, mark, statement)?;
        let held = is_held(call, statement.p(7));
        let end = if held { "RELEASE publish" } else { "ROLLBACK TO publish; RELEASE publish" };
        call.connection.execute_batch(end).map_err(|error| refused(&error))?;
        Ok(Reply::row(vec![(held_column(), i64::from(held).into())]))
    });
    backend.handle("prune_run", |call, statement| {
        let may = "status NOT IN ('requested', 'running')
            AND NOT EXISTS (SELECT 1 FROM \"speedfit.current_run\" WHERE run_id = ?1)";
        let of = |column: &str| {
            format!(
                "{column} = ?1 AND EXISTS (SELECT 1 FROM \"speedfit.run\" WHERE id = ?1 AND {may})"
            )
        };
        let touch = format!("UPDATE \"speedfit.run\" SET status = status WHERE id = ?1 AND {may}");
        let n_pruned = change(call, &touch, statement)?;
        for table in ["parameter", "group_fit", "refusal"] {
            change(
                call,
                &format!("DELETE FROM \"speedfit.{table}\" WHERE {}", of("run_id")),
                statement,
            )?;
        }
        if statement.p(2).as_int() == Some(1) {
            let sql = format!("DELETE FROM \"speedfit.publication\" WHERE {}", of("run_id"));
            change(call, &sql, statement)?;
            let sql = format!("DELETE FROM \"speedfit.run\" WHERE id = ?1 AND {may}");
            change(call, &sql, statement)?;
        }
        Ok(Reply::row(vec![(Column::new("n_pruned", ColumnType::Int), n_pruned.into())]))
    });
}

/// Columns that the staging table shares with each table of the ledger.
const KEPT: [(&str, &str, &str); 3] = [
    (
        "group_fit",
        "group",
        "run_id, ordinal, region, band, priority, model, loss, outcome, source_level, n_read, \
         n_refused, n_used, termination, iterations, ssr_log, rmse_log, mae_s, median_ape, \
         share_under_p90, condition, verdict, message, detail",
    ),
    (
        "parameter",
        "parameter",
        "run_id, ordinal, region, band, priority, name, unit, estimate, std_error, ci_low, \
         ci_high, raw_estimate, pool_weight, status",
    ),
    ("refusal", "refusal", "run_id, ordinal, region, reason, count, examples"),
];

fn conclude(call: &Call<'_>, statement: &Statement) -> Result<(i64, i64), SqlError> {
    let end = "UPDATE \"speedfit.run\" SET
            status = ?3, finished_at = ?4, rows_read = ?5, rows_refused = ?6, rows_used = ?7,
            groups_fitted = ?8, groups_pooled = ?9, groups_fallback = ?10,
            groups_carried_over = ?11, groups_failed = ?12, groups_cancelled = ?13,
            exit_code = ?14, message = ?15
        WHERE id = ?1 AND status = ?2";
    if change(call, end, statement)? != 1 {
        return Ok((0, 0));
    }
    let mut n_kept = 0;
    if statement.p(17).as_int() > Some(0) {
        for (table, kind, columns) in KEPT {
            let keep = format!(
                "INSERT INTO \"speedfit.{table}\" ({columns})
                 SELECT {columns} FROM \"speedfit.staged_row\"
                 WHERE run_id = ?1 AND load_key = ?16 AND kind = '{kind}'"
            );
            n_kept += change(call, &keep, statement)?;
        }
        change(call, "DELETE FROM \"speedfit.staged_row\" WHERE run_id = ?1", statement)?;
    }
    if !statement.p(18).is_null() {
        move_mark(call, statement)?;
    }
    Ok((1, n_kept))
}

fn move_mark(call: &Call<'_>, statement: &Statement) -> Result<(), SqlError> {
    let publish = "INSERT INTO \"speedfit.publication\" (
            id, scope, run_id, published_at, published_by, reason, comment
        )
        SELECT COALESCE(MAX(id), 0) + 1, ?19, ?18, ?20, ?21, ?22, ?23 FROM \"speedfit.publication\"";
    change(call, publish, statement)?;
    let newest = "(SELECT MAX(id) FROM \"speedfit.publication\")";
    let turn = format!(
        "UPDATE \"speedfit.current_run\" SET run_id = ?18, publication_id = {newest}
         WHERE scope = ?19"
    );
    if change(call, &turn, statement)? == 0 {
        let first = format!(
            "INSERT INTO \"speedfit.current_run\" (scope, run_id, publication_id)
             VALUES (?19, ?18, {newest})"
        );
        change(call, &first, statement)?;
    }
    Ok(())
}
