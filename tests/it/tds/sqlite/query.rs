//! Executes translated statements and gives their results T-SQL's types.

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, Statement as Prepared};

use super::super::backend::{Reply, SqlError, Statement};
use super::super::column::{Column, ColumnType};
use super::super::value::Value;
use super::Table;
use super::convert::natural;
use super::storage::{from_storage, sql_error, to_storage};
use super::tokens::{Token, statements, tokens};
use super::translate::Scope;

/// What a text sets for its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting {
    XactAbort(bool),
    /// Milliseconds; −1 for ever.
    LockTimeout(i64),
    Snapshot(bool),
}

/// The settings in a text.
pub(super) fn settings(text: &str) -> Vec<Setting> {
    let tokens = tokens(text);
    statements(&tokens).into_iter().flat_map(|statement| leading_settings(statement).0).collect()
}

/// The settings at the beginning of a statement, and what follows them.
fn leading_settings(mut statement: &[Token]) -> (Vec<Setting>, &[Token]) {
    let mut settings = Vec::new();
    while let [set, what, value, rest @ ..] = statement
        && set.is("set")
        && !matches!(what, Token::Word(name) if name.starts_with('@'))
    {
        statement = rest;
        if what.is("xact_abort") {
            settings.push(Setting::XactAbort(value.is("on")));
        } else if what.is("lock_timeout") {
            let (number, rest) = match (value, rest) {
                (Token::Symbol('-'), [Token::Number(_), rest @ ..]) => (-1, rest),
                (Token::Number(number), rest) => (number.parse().unwrap_or(-1), rest),
                (_, rest) => (-1, rest),
            };
            settings.push(Setting::LockTimeout(number));
            statement = rest;
        } else if what.is("transaction")
            && let [_level, level, rest @ ..] = rest
        {
            settings.push(Setting::Snapshot(level.is("snapshot")));
            // Two of the levels are two words.
            let n_words = usize::from(level.is("read") || level.is("repeatable"));
            statement = rest.get(n_words..).unwrap_or_default();
        }
    }
    (settings, statement)
}

/// Executes all statements of a text.
pub(super) fn run(
    connection: &Connection,
    tables: &[Table],
    statement: &Statement,
) -> Result<Reply, SqlError> {
    let all = tokens(&statement.text);
    let mut reply = Reply::none();
    for tokens in statements(&all) {
        let (_, tokens) = leading_settings(tokens);
        match tokens.first() {
            None => {}
            Some(first) if ["use", "declare", "print"].iter().any(|word| first.is(word)) => {}
            Some(_) => reply = run_one(connection, tables, statement, tokens, reply)?,
        }
    }
    Ok(reply)
}

fn run_one(
    connection: &Connection,
    tables: &[Table],
    statement: &Statement,
    tokens: &[Token],
    reply: Reply,
) -> Result<Reply, SqlError> {
    let mut scope = Scope::new(tables, statement);
    scope.find_tables(tokens);
    let text = scope.translate(tokens);
    let mut prepared = connection.prepare(&text).map_err(|error| {
        let error = sql_error(&error);
        SqlError { message: format!("{} (as `{text}`)", error.message), ..error }
    })?;
    bind(&mut prepared, statement)?;
    if prepared.column_count() == 0 {
        let n_rows = prepared.raw_execute().map_err(|error| sql_error(&error))?;
        return Ok(reply.and_affected(n_rows as u64));
    }
    let rows = stored_rows(&mut prepared)?;
    let columns = columns(&prepared, &mut scope, tokens, &rows);
    let row = |row: Vec<Stored>| {
        row.iter()
            .zip(&columns)
            .map(|(cell, column)| from_storage(cell.into(), column.kind))
            .collect()
    };
    let rows: Vec<Vec<Value>> = rows.into_iter().map(row).collect();
    Ok(reply.and_rows(columns, rows))
}

fn bind(prepared: &mut Prepared<'_>, statement: &Statement) -> Result<(), SqlError> {
    for at in 1..=prepared.parameter_count() {
        let name = prepared.parameter_name(at).unwrap_or_default();
        let value = statement.parameter(name).ok_or_else(|| {
            SqlError::new(137, format!("Must declare the scalar variable \"{name}\"."))
        })?;
        let value = to_storage(value);
        prepared.raw_bind_parameter(at, value).map_err(|error| sql_error(&error))?;
    }
    Ok(())
}

fn stored_rows(prepared: &mut Prepared<'_>) -> Result<Vec<Vec<Stored>>, SqlError> {
    let n_columns = prepared.column_count();
    let mut rows = prepared.raw_query();
    let mut stored = Vec::new();
    while let Some(row) = rows.next().map_err(|error| sql_error(&error))? {
        let row: rusqlite::Result<Vec<Stored>> = (0..n_columns).map(|at| row.get(at)).collect();
        stored.push(row.map_err(|error| sql_error(&error))?);
    }
    Ok(stored)
}

/// A type as the table's declaration in SQLite has it.
fn declared_type(text: &str) -> Option<ColumnType> {
    ColumnType::parse(text.trim_matches('"'))
}

/// The columns of a result: as declared, else as the expression tells, else as the values are.
fn columns(
    prepared: &Prepared<'_>,
    scope: &mut Scope<'_>,
    tokens: &[Token],
    rows: &[Vec<Stored>],
) -> Vec<Column> {
    let listed = scope.listed(tokens);
    let mut columns = Vec::new();
    for (at, column) in prepared.columns().enumerate() {
        let declared = column.decl_type().and_then(declared_type);
        let (name, kind) = match listed.as_ref().and_then(|listed| listed.get(at)) {
            Some((name, kind)) => (name.as_str(), *kind),
            None => (column.name(), None),
        };
        let by_value = || {
            let cell = rows.iter().map(|row| &row[at]).find(|cell| **cell != Stored::Null);
            cell.map_or(ColumnType::Int, |cell| natural(cell.into()))
        };
        let kind = declared.or(kind).unwrap_or_else(by_value);
        let origin = scope.column(name).filter(|origin| Some(origin.kind) == declared);
        let origin = origin.cloned().unwrap_or_else(|| Column::new("", kind));
        columns.push(Column { name: name.to_owned(), kind, ..origin });
    }
    columns
}
