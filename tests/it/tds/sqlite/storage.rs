//! How values and tables of T-SQL lie in SQLite.
//!
//! Dates and times are integers of 100 ns ticks since 1970-01-01 (time: since midnight), decimals
//! and money are REAL, uniqueidentifier is upper-case text, datetimeoffset is text of UTC ticks and
//! offset: all compare as T-SQL compares them.

use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, ErrorCode, ffi, params_from_iter};

use super::super::backend::SqlError;
use super::super::column::{Collation, Column, ColumnType};
use super::super::value::{TICKS_PER_DAY, Value};
use super::Table;
use super::convert::NUMBERED;

/// `[schema].[table]` without brackets; a doubled `]]` is one `]`.
pub(super) fn plain_name(written: &str) -> String {
    let mut name = String::new();
    let mut chars = written.trim().chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '[' if !quoted => quoted = true,
            ']' if quoted && chars.next_if_eq(&']').is_some() => name.push(']'),
            ']' if quoted => quoted = false,
            ' ' if !quoted => {}
            c => name.push(c),
        }
    }
    name
}

/// A name as SQLite quotes it. Not in double quotes, which may be text to it.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub(super) fn create_table(table: &Table) -> String {
    let mut lines: Vec<String> = table.columns.iter().map(declaration).collect();
    if !table.key.is_empty() {
        let key: Vec<String> = table.key.iter().map(|name| quoted(name)).collect();
        lines.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} ({})", quoted(&table.name), lines.join(", "))
}

pub(super) fn add_column(table: &str, column: &Column) -> String {
    format!("ALTER TABLE {} ADD COLUMN {}", quoted(table), declaration(column))
}

fn declaration(column: &Column) -> String {
    let null = if column.nullable { "" } else { " NOT NULL" };
    let collation = match column.collation {
        _ if !column.kind.is_text() => "",
        Collation::Latin1Binary => " COLLATE tsql_bin",
        Collation::Latin1CaseInsensitive | Collation::Utf8CaseInsensitive => " COLLATE tsql_ci",
    };
    // In quotes, for SQLite takes `max` for no length.
    format!("{} \"{}\"{null}{collation}", quoted(&column.name), column.kind)
}

/// Inserts rows of the given columns; returns how many.
pub(super) fn insert(
    connection: &Connection,
    table: &Table,
    columns: &[Column],
    rows: impl IntoIterator<Item = Vec<Value>>,
) -> Result<u64, SqlError> {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    let into = quoted(&table.name);
    let text = format!("INSERT INTO {into} ({}) VALUES ({marks})", names.join(", "));
    let mut statement = connection.prepare(&text).map_err(|error| sql_error(&error))?;
    let mut n_rows = 0;
    for row in rows {
        let stored = row.iter().map(to_storage);
        statement.execute(params_from_iter(stored)).map_err(|error| sql_error(&error))?;
        n_rows += 1;
    }
    Ok(n_rows)
}

/// A value as SQLite stores it.
#[must_use]
pub fn to_storage(value: &Value) -> Stored {
    match value {
        Value::Null => Stored::Null,
        Value::Bit(value) => Stored::Integer(i64::from(*value)),
        Value::Int(value) => Stored::Integer(*value),
        Value::Float(value) => Stored::Real(*value),
        Value::Decimal { .. } => value.as_f64().map_or(Stored::Null, Stored::Real),
        Value::Date(days) => Stored::Integer(i64::from(*days) * TICKS_PER_DAY),
        Value::Time(ticks) | Value::DateTime(ticks) => Stored::Integer(*ticks),
        Value::DateTimeOffset { ticks_utc, offset_min } => {
            Stored::Text(format!("{ticks_utc:020}|{offset_min}"))
        }
        Value::Text(text) => Stored::Text(text.clone()),
        Value::Guid(bytes) => Stored::Text(guid_text(bytes)),
        Value::Binary(bytes) => Stored::Blob(bytes.clone()),
    }
}

/// A value of a type from what SQLite stores.
#[must_use]
pub fn from_storage(stored: ValueRef<'_>, kind: ColumnType) -> Value {
    match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => from_integer(value, kind),
        ValueRef::Real(value) => from_real(value, kind),
        ValueRef::Text(bytes) => from_text(&String::from_utf8_lossy(bytes), kind),
        ValueRef::Blob(bytes) => Value::Binary(bytes.to_vec()),
    }
}

fn from_integer(value: i64, kind: ColumnType) -> Value {
    match kind {
        ColumnType::Bit => Value::Bit(value != 0),
        ColumnType::Date => {
            i32::try_from(value.div_euclid(TICKS_PER_DAY)).map_or(Value::Null, Value::Date)
        }
        ColumnType::Time(_) => Value::Time(value),
        ColumnType::SmallDateTime | ColumnType::DateTime | ColumnType::DateTime2(_) => {
            Value::DateTime(value)
        }
        ColumnType::Real | ColumnType::Float => Value::Float(value as f64),
        ColumnType::Decimal(_, scale) | ColumnType::Numeric(_, scale) => {
            Value::Decimal { unscaled: i128::from(value) * 10_i128.pow(u32::from(scale)), scale }
        }
        ColumnType::Money | ColumnType::SmallMoney => {
            Value::Decimal { unscaled: i128::from(value) * 10_000, scale: 4 }
        }
        kind if kind.is_text() => Value::Text(value.to_string()),
        _ => Value::Int(value),
    }
}

fn from_real(value: f64, kind: ColumnType) -> Value {
    let decimal = |scale: u8| {
        let unscaled = (value * 10_f64.powi(i32::from(scale))).round() as i128;
        Value::Decimal { unscaled, scale }
    };
    match kind {
        ColumnType::Decimal(_, scale) | ColumnType::Numeric(_, scale) => decimal(scale),
        ColumnType::Money | ColumnType::SmallMoney => decimal(4),
        kind if kind.is_text() => Value::Text(value.to_string()),
        ColumnType::TinyInt | ColumnType::SmallInt | ColumnType::Int | ColumnType::BigInt => {
            Value::Int(value as i64)
        }
        _ => Value::Float(value),
    }
}

fn from_text(text: &str, kind: ColumnType) -> Value {
    match kind {
        ColumnType::UniqueIdentifier => parse_guid(text).map_or(Value::Null, Value::Guid),
        ColumnType::DateTimeOffset(_) => parse_offset(text).unwrap_or(Value::Null),
        _ => Value::Text(text.to_owned()),
    }
}

fn parse_offset(text: &str) -> Option<Value> {
    let (ticks, offset) = text.split_once('|')?;
    Some(Value::DateTimeOffset { ticks_utc: ticks.parse().ok()?, offset_min: offset.parse().ok()? })
}

/// The written form of a uniqueidentifier, upper case.
#[must_use]
pub(super) fn guid_text(bytes: &[u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

pub(super) fn parse_guid(text: &str) -> Option<[u8; 16]> {
    let hex: Vec<u8> = text.bytes().filter(|byte| !b"-{}".contains(byte)).collect();
    let mut bytes = [0; 16];
    if hex.len() != 32 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// SQLite's error as the server error that SQL Server would give.
#[must_use]
pub(super) fn sql_error(error: &rusqlite::Error) -> SqlError {
    let text = error.to_string();
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return by_text(&text);
    };
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => return SqlError::new(2627, text),
        ffi::SQLITE_CONSTRAINT_UNIQUE => return SqlError::new(2601, text),
        ffi::SQLITE_CONSTRAINT_NOTNULL => return SqlError::new(515, text),
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_CHECK => {
            return SqlError::new(547, text);
        }
        ffi::SQLITE_BUSY_SNAPSHOT => return SqlError::new(3960, text),
        _ => {}
    }
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => SqlError::new(1222, text),
        _ => by_text(&text),
    }
}

fn by_text(text: &str) -> SqlError {
    if let Some((number, message)) =
        text.strip_prefix(NUMBERED).and_then(|numbered| numbered.split_once(' '))
        && let Ok(number) = number.parse()
    {
        return SqlError::new(number, message);
    }
    let named = |what: &str| text.split_once(what).map(|(_, name)| first_word(name));
    if let Some(name) = named("no such table: ") {
        return SqlError::new(208, format!("Invalid object name '{name}'."));
    }
    if let Some(name) = named("no such column: ") {
        return SqlError::new(207, format!("Invalid column name '{name}'."));
    }
    let number = if text.contains("syntax error") { 102 } else { 50_000 };
    SqlError::new(number, text)
}

/// A name at the beginning of SQLite's words about it.
fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}
