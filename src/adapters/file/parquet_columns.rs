//! Columns of a Parquet file as the values of records, whatever sensible type they are stored in.

use std::borrow::Cow;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::values::{local_us, number, timestamp_us};
use crate::adapters::columnar::{CountUnit, StoredType, TextValues, Values};

/// What a column is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Timestamp,
}

impl Kind {
    /// Whether a column of that type can serve.
    pub(super) fn takes(self, found: StoredType) -> bool {
        match found {
            StoredType::Text | StoredType::Null => true,
            StoredType::Integer { .. } | StoredType::Float | StoredType::Decimal { .. } => {
                self != Self::Timestamp
            }
            StoredType::Count { .. } => self == Self::Timestamp,
            StoredType::Boolean
            | StoredType::Binary
            | StoredType::TimeOfDay
            | StoredType::List
            | StoredType::Map
            | StoredType::Struct => false,
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

/// A column of texts.
pub(super) struct Texts(TextValues);

impl Texts {
    pub(super) fn of(stored: StoredType, values: Values) -> Self {
        let mut values_of = TextValues::default();
        let texts = &mut values_of.texts;
        match values {
            Values::Text(texts) => return Self(texts),
            Values::Null => {}
            // Whole numbers are stored as floats where pandas has some missing.
            Values::Float(numbers) => {
                for number in numbers {
                    let number = number.filter(|number| !number.is_nan());
                    texts.push(number.map(|number| number.to_string()).as_deref());
                }
            }
            Values::Exact(numbers) => {
                let scale = scale_of(stored);
                for number in numbers {
                    texts.push(number.map(|number| decimal_text(number, scale)).as_deref());
                }
            }
        }
        Self(values_of)
    }

    /// The trimmed text, or `None` where it is null or blank. Bytes that are no text are shown.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        self.0.texts.get(row).map(str::trim).filter(|text| !text.is_empty())
    }

    /// The same, if it is a text.
    pub(super) fn value(&self, row: usize) -> Value<'_, &str> {
        match self.get(row) {
            None => Value::Null,
            Some(shown) if self.0.undecodable.binary_search(&row).is_ok() => {
                Value::Unreadable(shown.into())
            }
            Some(text) => Value::Known(text),
        }
    }
}

/// Digits behind the point.
fn scale_of(stored: StoredType) -> u32 {
    match stored {
        StoredType::Decimal { scale, .. } => scale.unsigned_abs(),
        _ => 0,
    }
}

fn decimal_text(number: i128, scale: u32) -> String {
    if scale == 0 {
        return number.to_string();
    }
    let sign = if number < 0 { "-" } else { "" };
    let width = scale as usize + 1;
    let digits = format!("{:0width$}", number.unsigned_abs());
    let (whole, rest) = digits.split_at(digits.len() - scale as usize);
    format!("{sign}{whole}.{rest}")
}

/// A column of numbers.
pub(super) enum Numbers {
    Null,
    Number(Vec<Option<f64>>),
    Text(Texts),
}

impl Numbers {
    pub(super) fn of(stored: StoredType, values: Values) -> Self {
        match values {
            Values::Null => Self::Null,
            Values::Float(numbers) => Self::Number(numbers),
            Values::Exact(numbers) => {
                let scale = 10_f64.powi(scale_of(stored).cast_signed());
                let numbers = numbers.into_iter().map(|x| x.map(|x| x as f64 / scale));
                Self::Number(numbers.collect())
            }
            values @ Values::Text(_) => Self::Text(Texts::of(stored, values)),
        }
    }

    pub(super) fn get(&self, row: usize) -> Value<'_, f64> {
        match self {
            Self::Null => Value::Null,
            Self::Number(numbers) => {
                numbers.get(row).copied().flatten().map_or(Value::Null, Value::Known)
            }
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
        counts: Vec<Option<i128>>,
        unit: CountUnit,
        is_utc: bool,
    },
    Text(Texts),
}

impl Timestamps {
    pub(super) fn of(stored: StoredType, values: Values) -> Self {
        match (stored, values) {
            (StoredType::Count { unit, is_utc }, Values::Exact(counts)) => {
                Self::Count { counts, unit, is_utc }
            }
            (stored, values) => Self::Text(Texts::of(stored, values)),
        }
    }

    /// Microseconds since 1970-01-01 UTC; local times are of `zone`.
    pub(super) fn get(&self, row: usize, zone: &TimeZone) -> Value<'_, i64> {
        match self {
            Self::Count { counts, unit, is_utc } => {
                let Some(count) = counts.get(row).copied().flatten() else {
                    return Value::Null;
                };
                count_us(count, *unit, (!is_utc).then_some(zone))
                    .map_or_else(|| Value::Unreadable(count.to_string().into()), Value::Known)
            }
            Self::Text(texts) => read_text(texts.get(row), |text| timestamp_us(text, zone)),
        }
    }
}

fn count_us(count: i128, unit: CountUnit, local: Option<&TimeZone>) -> Option<i64> {
    let at_us = match unit {
        CountUnit::Days => count.checked_mul(86_400_000_000)?,
        CountUnit::Milliseconds => count.checked_mul(1000)?,
        CountUnit::Microseconds => count,
        CountUnit::Nanoseconds => count.div_euclid(1000),
    };
    let wall = DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
        .checked_add(SignedDuration::from_micros(i64::try_from(at_us).ok()?))
        .ok()?;
    local_us(wall, local.unwrap_or(&TimeZone::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_with_all_their_digits() {
        let check = |number, scale, expected: &str| {
            assert_eq!(decimal_text(number, scale), expected);
        };
        check(-120, 0, "-120");
        check(15_000, 4, "1.5000");
        check(-1, 4, "-0.0001");
        check(0, 2, "0.00");
        check(i128::MIN, 38, "-1.70141183460469231731687303715884105728");
    }
}
