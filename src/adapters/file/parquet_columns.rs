//! Columns of a Parquet file as the values of records, whatever sensible type they are stored in.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, TimeUnit};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::values::{local_us, number, timestamp_us};

/// What a column is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Timestamp,
}

impl Kind {
    /// Whether a column of that type can serve.
    pub(super) fn takes(self, found: &DataType) -> bool {
        if let DataType::Dictionary(_, value) = found {
            return self.takes(value);
        }
        let is_text = found.is_string() || found.is_null();
        match self {
            Self::Text | Self::Number => {
                is_text || found.is_integer() || found.is_floating() || found.is_decimal()
            }
            Self::Timestamp => {
                use DataType::{Date32, Date64, Timestamp};
                is_text || matches!(found, Date32 | Date64 | Timestamp(_, _))
            }
        }
    }

    /// What would serve, for a message.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a text or a number",
            Self::Number => "a number",
            Self::Timestamp => "a time stamp, a date or a text",
        }
    }
}

/// What a row of a column holds.
pub(super) enum Value<'a, T> {
    Null,
    Known(T),
    /// A text that cannot be read, or a count beyond the calendar.
    Unreadable(Cow<'a, str>),
}

/// The array behind a dictionary's indices; any other as it is.
fn unpacked(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, value) => cast(array, value),
        _ => Ok(ArrayRef::clone(array)),
    }
}

/// A column of texts.
pub(super) enum Texts {
    Text(StringArray),
    /// Whole numbers that were stored as floats, as pandas does where some are missing.
    Float(Vec<Option<String>>),
}

impl Texts {
    pub(super) fn of(array: &ArrayRef) -> Result<Self, ArrowError> {
        let array = unpacked(array)?;
        if array.data_type().is_floating() {
            let floats = cast(&array, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>().iter();
            let texts = floats.map(|x| x.filter(|x| !x.is_nan()).map(|x| x.to_string()));
            return Ok(Self::Float(texts.collect()));
        }
        Ok(Self::Text(cast(&array, &DataType::Utf8)?.as_string::<i32>().clone()))
    }

    /// The trimmed text, or `None` where it is null or blank.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let text = match self {
            Self::Text(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Float(texts) => texts.get(row)?.as_deref(),
        };
        text.map(str::trim).filter(|text| !text.is_empty())
    }
}

/// A column of numbers.
pub(super) enum Numbers {
    Number(Float64Array),
    Text(Texts),
}

impl Numbers {
    pub(super) fn of(array: &ArrayRef) -> Result<Self, ArrowError> {
        let array = unpacked(array)?;
        if array.data_type().is_string() {
            return Ok(Self::Text(Texts::of(&array)?));
        }
        let numbers = cast(&array, &DataType::Float64)?;
        Ok(Self::Number(numbers.as_primitive::<Float64Type>().clone()))
    }

    pub(super) fn get(&self, row: usize) -> Value<'_, f64> {
        match self {
            Self::Number(numbers) if numbers.is_null(row) => Value::Null,
            Self::Number(numbers) => Value::Known(numbers.value(row)),
            Self::Text(texts) => read_text(texts.get(row), number),
        }
    }
}

fn read_text<T>(text: Option<&str>, read: impl FnOnce(&str) -> Option<T>) -> Value<'_, T> {
    match text {
        None => Value::Null,
        Some(text) => read(text).map_or(Value::Unreadable(text.into()), Value::Known),
    }
}

/// A column of time stamps.
pub(super) enum Timestamps {
    /// Counts since 1970-01-01, of UTC or of a local clock.
    Count {
        counts: Int64Array,
        unit: TimeUnit,
        is_local: bool,
    },
    Text(Texts),
}

impl Timestamps {
    pub(super) fn of(array: &ArrayRef) -> Result<Self, ArrowError> {
        let mut array = unpacked(array)?;
        if matches!(array.data_type(), DataType::Date32) {
            array = cast(&array, &DataType::Date64)?;
        }
        let (unit, is_local) = match array.data_type() {
            DataType::Timestamp(unit, zone) => (*unit, zone.is_none()),
            DataType::Date64 => (TimeUnit::Millisecond, true),
            _ => return Ok(Self::Text(Texts::of(&array)?)),
        };
        let counts = cast(&array, &DataType::Int64)?.as_primitive::<Int64Type>().clone();
        Ok(Self::Count { counts, unit, is_local })
    }

    /// Microseconds since 1970-01-01 UTC; local times are of `zone`.
    pub(super) fn get(&self, row: usize, zone: &TimeZone) -> Value<'_, i64> {
        match self {
            Self::Count { counts, .. } if counts.is_null(row) => Value::Null,
            Self::Count { counts, unit, is_local } => {
                let count = counts.value(row);
                count_us(count, *unit, is_local.then_some(zone))
                    .map_or_else(|| Value::Unreadable(count.to_string().into()), Value::Known)
            }
            Self::Text(texts) => read_text(texts.get(row), |text| timestamp_us(text, zone)),
        }
    }
}

fn count_us(count: i64, unit: TimeUnit, local: Option<&TimeZone>) -> Option<i64> {
    let at_us = match unit {
        TimeUnit::Second => count.checked_mul(1_000_000)?,
        TimeUnit::Millisecond => count.checked_mul(1000)?,
        TimeUnit::Microsecond => count,
        TimeUnit::Nanosecond => count.div_euclid(1000),
    };
    let at = Timestamp::from_microsecond(at_us).ok()?;
    match local {
        Some(zone) => local_us(TimeZone::UTC.to_datetime(at), zone),
        None => Some(at_us),
    }
}
