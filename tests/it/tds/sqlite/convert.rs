//! T-SQL's conversions (`CAST`, `CONVERT` and their `TRY_` forms) and comparisons as functions and
//! collations of SQLite.

use std::cmp::Ordering;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, Error, Result};

use super::super::backend::SqlError;
use super::super::column::ColumnType;
use super::super::value::{TICKS_PER_DAY, Value};
use super::storage::{from_storage, guid_text, parse_guid, to_storage};

/// Begins the message of an error that has a number of its own.
pub(super) const NUMBERED: &str = "tsql error ";

/// Teaches a connection T-SQL's functions and collations.
pub(super) fn install(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("tsql_cast", 4, flags, tsql_cast)?;
    connection.create_scalar_function("tsql_now", 0, FunctionFlags::SQLITE_UTF8, |_| {
        let since_1970 = jiff::Timestamp::now().as_microsecond();
        Ok(to_storage(&Value::from_micros(since_1970)))
    })?;
    // Of the same use, not of the same bytes: digits, so that a part of them is a number again.
    connection.create_scalar_function("hashbytes", 2, flags, |context| {
        let text: String = context.get(1)?;
        let hash = text.bytes().fold(7_u64, |hash, byte| (hash * 31 + u64::from(byte)) % 1_000_003);
        Ok(format!("{hash:07}").chars().rev().collect::<String>())
    })?;
    connection.create_collation("tsql_ci", |a, b| compare(&a.to_lowercase(), &b.to_lowercase()))?;
    connection.create_collation("tsql_bin", compare)
}

/// Compares as T-SQL does: trailing blanks are nothing.
fn compare(a: &str, b: &str) -> Ordering {
    a.trim_end_matches(' ').cmp(b.trim_end_matches(' '))
}

/// `tsql_cast(value, target type, type of the value or '', 1 for TRY_)`.
fn tsql_cast(context: &Context<'_>) -> Result<Stored> {
    let target: String = context.get(1)?;
    let source: String = context.get(2)?;
    let attempt: bool = context.get(3)?;
    let failed = |error: &SqlError| {
        Error::UserFunctionError(format!("{NUMBERED}{} {}", error.number, error.message).into())
    };
    let kind = ColumnType::parse(&target).ok_or_else(|| {
        failed(&SqlError::new(243, format!("Type {target} is not a defined system type.")))
    })?;
    let stored = context.get_raw(0);
    let value = from_storage(stored, ColumnType::parse(&source).unwrap_or(natural(stored)));
    match convert(&value, kind) {
        Ok(value) => Ok(to_storage(&value)),
        Err(_) if attempt => Ok(Stored::Null),
        Err(error) => Err(failed(&error)),
    }
}

/// The type that a stored value has by itself.
pub(super) fn natural(stored: ValueRef<'_>) -> ColumnType {
    match stored {
        ValueRef::Null => ColumnType::Int,
        ValueRef::Integer(_) => ColumnType::BigInt,
        ValueRef::Real(_) => ColumnType::Float,
        ValueRef::Text(_) => ColumnType::NVarChar(4000),
        ValueRef::Blob(_) => ColumnType::VarBinary(8000),
    }
}

/// Converts a value to a type.
///
/// # Errors
///
/// The server's errors 8114 and 245 (not convertible) and 8115 (too large).
pub(super) fn convert(value: &Value, kind: ColumnType) -> std::result::Result<Value, SqlError> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let refused = || SqlError::new(8114, format!("Error converting data type to {kind}."));
    let integer = |low: i64, high: i64| {
        let number = whole(value).ok_or_else(|| match value {
            Value::Text(text) => {
                let message = format!("Conversion failed when converting '{text}' to {kind}.");
                SqlError::new(245, message)
            }
            _ => refused(),
        })?;
        let fits = i64::try_from(number).ok().filter(|number| (low..=high).contains(number));
        let overflow =
            || SqlError::new(8115, format!("Arithmetic overflow error converting to {kind}."));
        fits.map(Value::Int).ok_or_else(overflow)
    };
    match kind {
        ColumnType::Bit => {
            number(value).map(|number| Value::Bit(number != 0.0)).ok_or_else(refused)
        }
        ColumnType::TinyInt => integer(0, 255),
        ColumnType::SmallInt => integer(i16::MIN.into(), i16::MAX.into()),
        ColumnType::Int => integer(i32::MIN.into(), i32::MAX.into()),
        ColumnType::BigInt => integer(i64::MIN, i64::MAX),
        ColumnType::Real | ColumnType::Float => number(value).map(Value::Float).ok_or_else(refused),
        ColumnType::Decimal(_, scale) | ColumnType::Numeric(_, scale) => {
            let number = number(value).ok_or_else(refused)?;
            let unscaled = (number * 10_f64.powi(scale.into())).round() as i128;
            Ok(Value::Decimal { unscaled, scale })
        }
        ColumnType::Money | ColumnType::SmallMoney => {
            let unscaled = (number(value).ok_or_else(refused)? * 1e4).round() as i128;
            Ok(Value::Decimal { unscaled, scale: 4 })
        }
        ColumnType::Date => {
            let days = ticks(value).ok_or_else(refused)?.div_euclid(TICKS_PER_DAY);
            Ok(Value::Date(days as i32))
        }
        ColumnType::SmallDateTime | ColumnType::DateTime | ColumnType::DateTime2(_) => {
            ticks(value).map(Value::DateTime).ok_or_else(refused)
        }
        ColumnType::DateTimeOffset(_) => match value {
            Value::DateTimeOffset { .. } => Ok(value.clone()),
            value => {
                let ticks_utc = ticks(value).ok_or_else(refused)?;
                Ok(Value::DateTimeOffset { ticks_utc, offset_min: 0 })
            }
        },
        ColumnType::UniqueIdentifier => match value {
            Value::Text(text) => parse_guid(text).map(Value::Guid).ok_or_else(refused),
            Value::Guid(_) => Ok(value.clone()),
            _ => Err(refused()),
        },
        kind if kind.is_text() => {
            text(value).map(|text| Value::Text(cut(text, kind))).ok_or_else(refused)
        }
        _ => Ok(value.clone()),
    }
}

fn cut(text: String, kind: ColumnType) -> String {
    match kind {
        ColumnType::Char(size)
        | ColumnType::VarChar(size)
        | ColumnType::NChar(size)
        | ColumnType::NVarChar(size) => text.chars().take(usize::from(size)).collect(),
        _ => text,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Text(text) if text.trim().is_empty() => Some(0.0),
        Value::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        value => value.as_f64(),
    }
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Text(text) if text.trim().is_empty() => Some(0),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Decimal { unscaled, scale } => Some(unscaled / 10_i128.pow((*scale).into())),
        Value::Float(value) => Some(*value as i128),
        value => value.as_int().map(i128::from),
    }
}

/// Ticks since 1970-01-01 of a date, a date and time, or its ISO text.
fn ticks(value: &Value) -> Option<i64> {
    let Value::Text(text) = value else { return value.ticks() };
    let text = text.trim();
    let date = if text.len() <= 10 { format!("{text} 00:00") } else { text.to_owned() };
    let parsed: DateTime = date.parse().ok()?;
    let since = parsed.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    i64::try_from(since.as_nanos() / 100).ok()
}

/// A value as T-SQL writes it.
fn text(value: &Value) -> Option<String> {
    let written = |ticks: i64| {
        let since = SignedDuration::from_micros(ticks / 10);
        DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since).ok()
    };
    Some(match value {
        Value::Text(text) => text.clone(),
        Value::Bit(value) => u8::from(*value).to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Decimal { scale, .. } => format!("{:.*}", usize::from(*scale), value.as_f64()?),
        Value::Guid(bytes) => guid_text(bytes),
        Value::Date(_) => written(value.ticks()?)?.date().to_string(),
        Value::DateTime(ticks) => {
            let at = written(*ticks)?;
            let fraction = ticks.rem_euclid(10_000_000);
            format!("{}.{fraction:07}", at.strftime("%Y-%m-%d %H:%M:%S"))
        }
        _ => return None,
    })
}
