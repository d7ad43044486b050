//! The statements of the ledger and of the locks.

use std::time::Duration;

use rusqlite::types::Value as Stored;

use crate::tds::{
    Call, Column, ColumnType, Reply, SqlError, SqliteBackend, Statement, Value, to_storage,
};

/// Longest wait for a lock, whatever the client asks for: a closed connection is noticed at once.
const PATIENCE: Duration = Duration::from_millis(200);

pub(super) fn install(backend: &SqliteBackend) {
    backend.handle("server_version", |_, _| Ok(server_version()));
    backend.handle("login_rights", |call, _| Ok(login_rights(&call.login.user)));
    backend.handle("store_rights", |_, _| {
        let text = |name| Column::new(name, ColumnType::NVarChar(40));
        Ok(Reply::rows(vec![text("table_name"), text("permission")], vec![]))
    });
    install_locks(backend);
    backend.handle("insert_run", |call, statement| {
        let sql = "INSERT INTO \"speedfit.run\" (
                id, request_key, scope, \"trigger\", requested_by, reason, window_from, window_to,
                model, settings_hash, code_version, requested_at, status, slot, detail, rows_read,
                rows_refused, rows_used, groups_fitted, groups_pooled, groups_fallback, groups_carried_over,
                groups_failed, groups_cancelled, message
            )
            SELECT
                COALESCE(MAX(id), 0) + 1, ?1, ?2, ?3, ?4, ?5, CASE WHEN ?6 THEN ?7 END,
                CASE WHEN ?8 THEN ?9 END, ?10, ?11, ?12, ?13, ?14, NULLIF(?15, ''), NULLIF(?16, ''), 0, 0, 0, 0, 0,
                0, 0, 0, 0, ''
            FROM \"speedfit.run\"
            RETURNING id";
        ids(call, sql, statement)
    });
    backend.handle("keep_settings", |call, statement| {
        let sql = "INSERT INTO \"speedfit.settings\" (hash, document) VALUES (?1, ?2)
            ON CONFLICT (hash) DO NOTHING";
        change(call, sql, statement)?;
        Ok(Reply::none())
    });
    backend.handle("start_run", |call, statement| {
        let sql = "UPDATE \"speedfit.run\" SET status = ?3, started_at = ?4
            WHERE id = ?1 AND status = ?2";
        let n_moved = change(call, sql, statement)?;
        Ok(Reply::row(vec![(Column::new("n_moved", ColumnType::Int), n_moved.into())]))
    });
    backend.handle("abandon_runs", |call, statement| {
        let sql = "UPDATE \"speedfit.run\"
            SET status = 'abandoned', finished_at = ?2, message = ?3
            WHERE scope = ?1 AND status = 'running'
            RETURNING id";
        call.connection.execute_batch("SAVEPOINT abandon").map_err(|error| refused(&error))?;
        let reply = ids(call, sql, statement)?;
        let is_held = is_held(call, statement.p(4));
        let end = if is_held { "RELEASE abandon" } else { "ROLLBACK TO abandon; RELEASE abandon" };
        call.connection.execute_batch(end).map_err(|error| refused(&error))?;
        Ok(reply.and_rows(vec![held_column()], vec![vec![i64::from(is_held).into()]]))
    });
}

/// Whether the lock of that name is held, where one is named.
pub(super) fn is_held(call: &Call<'_>, lock: &Value) -> bool {
    lock.as_text().is_none_or(|lock| lock.is_empty() || call.locks.owner(lock).is_some())
}

pub(super) fn held_column() -> Column {
    Column::new("is_held", ColumnType::Int)
}

fn install_locks(backend: &SqliteBackend) {
    backend.handle("take_lock", |call, statement| {
        let resource = statement.p(1).as_text().unwrap();
        let millis = u64::try_from(statement.p(2).as_int().unwrap()).unwrap();
        let timeout = Duration::from_millis(millis).min(PATIENCE);
        let taken = call.locks.acquire_within(resource, call.session, timeout);
        let code = if taken { 0_i64 } else { -1 };
        Ok(Reply::row(vec![
            (Column::new("code", ColumnType::Int), code.into()),
            (Column::new("is_grantable", ColumnType::Int), i64::from(taken).into()),
        ]))
    });
    backend.handle("test_lock", |call, statement| {
        let owner = call.locks.owner(statement.p(1).as_text().unwrap());
        let is_grantable = owner.is_none_or(|owner| owner == call.session);
        let column = Column::new("is_grantable", ColumnType::Int);
        Ok(Reply::row(vec![(column, i64::from(is_grantable).into())]))
    });
    backend.handle("hold_lock", |call, statement| {
        let owner = call.locks.owner(statement.p(1).as_text().unwrap());
        let mode = if owner == Some(call.session) { "Exclusive" } else { "NoLock" };
        Ok(Reply::row(vec![(Column::new("mode", ColumnType::NVarChar(40)), mode.into())]))
    });
    backend.handle("release_lock", |call, statement| {
        let released = call.locks.release(statement.p(1).as_text().unwrap(), call.session);
        let code = if released { 0_i64 } else { -999 };
        Ok(Reply::row(vec![(Column::new("code", ColumnType::Int), code.into())]))
    });
}

fn server_version() -> Reply {
    let text = |name| Column::new(name, ColumnType::NVarChar(1000));
    Reply::row(vec![
        (text("product_version"), "16.0.4000.1".into()),
        (text("edition"), "Developer Edition".into()),
        (Column::new("engine_edition", ColumnType::Int), 3_i64.into()),
        (text("version_text"), "Microsoft SQL Server 2022 (test)\n\tin process".into()),
    ])
}

fn login_rights(user: &str) -> Reply {
    let text = |name| Column::new(name, ColumnType::NVarChar(128));
    let no = |name| (Column::new(name, ColumnType::Int), Value::Int(0));
    Reply::row(vec![
        (text("login_name"), user.into()),
        (text("user_name"), "writer".into()),
        (text("database_name"), "speedfit".into()),
        no("is_sysadmin"),
        no("is_db_owner"),
        no("has_control_server"),
        no("has_control"),
    ])
}

/// What SQLite says, as the server error that a constraint has.
pub(super) fn refused(error: &rusqlite::Error) -> SqlError {
    let number = match error.sqlite_error().map(|error| error.extended_code) {
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) => 2601,
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => 2627,
        // Another writer was first: SQL Server would have let this one wait.
        Some(rusqlite::ffi::SQLITE_BUSY | rusqlite::ffi::SQLITE_BUSY_SNAPSHOT) => 1205,
        _ => 50_000,
    };
    SqlError::new(number, error.to_string())
}

/// The statement's parameters as SQLite's: `?1` is `@P1`, up to the last that the text names.
fn bound(prepared: &rusqlite::Statement<'_>, statement: &Statement) -> Vec<Stored> {
    (1..=prepared.parameter_count()).map(|n| to_storage(statement.p(n))).collect()
}

/// Changes rows by SQLite's SQL; how many.
pub(super) fn change(call: &Call<'_>, sql: &str, statement: &Statement) -> Result<i64, SqlError> {
    let mut prepared = call.connection.prepare(sql).map_err(|error| refused(&error))?;
    let bound = bound(&prepared, statement);
    let n_rows =
        prepared.execute(rusqlite::params_from_iter(bound)).map_err(|error| refused(&error))?;
    Ok(i64::try_from(n_rows).unwrap())
}

/// Changes rows by SQLite's SQL, which returns their ids.
pub(super) fn ids(call: &Call<'_>, sql: &str, statement: &Statement) -> Result<Reply, SqlError> {
    let mut prepared = call.connection.prepare(sql).map_err(|error| refused(&error))?;
    let bound = bound(&prepared, statement);
    let rows = prepared
        .query_map(rusqlite::params_from_iter(bound), |row| row.get::<_, i64>(0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<i64>>>)
        .map_err(|error| refused(&error))?;
    let column = Column::new("id", ColumnType::BigInt).not_null();
    Ok(Reply::rows(vec![column], rows.into_iter().map(|id| vec![id.into()]).collect()))
}
