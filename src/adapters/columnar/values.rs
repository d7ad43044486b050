//! The values of some rows of a column, decoded.

use std::str;

use half::f16;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::{ParquetError, Result};

use super::pages::Oversized;
use super::reader::StoredColumn;
use super::stored_type::StoredType;
use crate::domain::TextColumn;
use crate::domain::record::escaped;

/// Some rows of a column, one entry per row; `None` is null.
#[derive(Clone)]
pub(in crate::adapters) enum Values {
    /// Null in every row.
    Null,
    /// Integers, counts of a time stamp, and decimals without their point.
    Exact(Vec<Option<i128>>),
    Float(Vec<Option<f64>>),
    Text(TextValues),
}

/// Texts of some rows. Where bytes make up no character, the text shows them as `\xff`.
#[derive(Clone, Default)]
pub(in crate::adapters) struct TextValues {
    pub(in crate::adapters) texts: TextColumn,
    /// Rows with such bytes, ascending.
    pub(in crate::adapters) undecodable: Vec<usize>,
}

/// Bytes of text of one column in one batch. A small file can hold the same long text in a million
/// rows; unpacked it would fill the memory.
pub(super) const MAX_TEXT_BYTES: usize = 64 << 20;

/// Rows at a time where a text may repeat the one before it without taking room in the file.
const REPEATING_ROWS: usize = 8;

/// The next `n_rows` of a column, all of which must be there. `repeats` says whether a text may repeat
/// the beginning of the one before it.
pub(super) fn read(
    reader: &mut ColumnReader,
    column: &StoredColumn,
    repeats: bool,
    n_rows: usize,
) -> Result<Values> {
    use ColumnReader as R;
    let (stored, rows) = (column.stored, (n_rows, column.is_optional));
    if !stored.is_readable() {
        return Err(unfit(stored));
    }
    match (stored, reader) {
        (StoredType::Null, _) => Ok(Values::Null),
        (StoredType::Integer { is_signed: false }, R::Int32ColumnReader(of)) => {
            exact(of, rows, |x| Some(i128::from(x.cast_unsigned())))
        }
        (StoredType::Integer { is_signed: false }, R::Int64ColumnReader(of)) => {
            exact(of, rows, |x| Some(i128::from(x.cast_unsigned())))
        }
        (StoredType::Float, R::FloatColumnReader(of)) => float(of, rows, |x| f64::from(*x)),
        (StoredType::Float, R::DoubleColumnReader(of)) => float(of, rows, |x| *x),
        (StoredType::Float, R::FixedLenByteArrayColumnReader(of)) => {
            float(of, rows, |x| match x.data() {
                &[low, high] => f16::from_le_bytes([low, high]).to_f64(),
                _ => f64::NAN,
            })
        }
        (StoredType::Text, R::ByteArrayColumnReader(of)) => {
            text(of, &column.name, rows, if repeats { REPEATING_ROWS } else { n_rows })
        }
        (StoredType::Float | StoredType::Text, _) => Err(unfit(stored)),
        (_, R::Int32ColumnReader(of)) => exact(of, rows, |x| Some(i128::from(*x))),
        (_, R::Int64ColumnReader(of)) => exact(of, rows, |x| Some(i128::from(*x))),
        (_, R::Int96ColumnReader(of)) => exact(of, rows, |x| {
            let &[low, high, day] = x.data() else { return None };
            let ns = i128::from(low) | i128::from(high) << 32;
            Some((i128::from(day) - JULIAN_DAY_OF_1970) * NS_PER_DAY + ns)
        }),
        (_, R::ByteArrayColumnReader(of)) => {
            let n_at_once = if repeats { REPEATING_ROWS } else { n_rows };
            let mut all = Vec::with_capacity(n_rows);
            while all.len() < n_rows {
                let some = (n_at_once.min(n_rows - all.len()), column.is_optional);
                let Values::Exact(some) = exact(of, some, |x| big_endian(x.data()))? else { break };
                all.extend(some);
            }
            Ok(Values::Exact(all))
        }
        (_, R::FixedLenByteArrayColumnReader(of)) => exact(of, rows, |x| big_endian(x.data())),
        (_, R::BoolColumnReader(_) | R::FloatColumnReader(_) | R::DoubleColumnReader(_)) => {
            Err(unfit(stored))
        }
    }
}

const NS_PER_DAY: i128 = 86_400_000_000_000;

/// Julian day number of 1970-01-01, from which INT96 time stamps are counted (apache/parquet-format).
const JULIAN_DAY_OF_1970: i128 = 2_440_588;

fn unfit(stored: StoredType) -> ParquetError {
    ParquetError::General(format!("no values of type {stored} can be read from that column"))
}

fn exact<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: (usize, bool),
    value: impl Fn(&T::T) -> Option<i128>,
) -> Result<Values> {
    let too_long = || ParquetError::General("a decimal number has more than 38 digits".to_owned());
    let found = nullable(reader, rows)?.into_iter();
    let values = found.map(|x| x.map(|x| value(&x).ok_or_else(too_long)).transpose());
    Ok(Values::Exact(values.collect::<Result<_>>()?))
}

fn float<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: (usize, bool),
    value: impl Fn(&T::T) -> f64,
) -> Result<Values> {
    let found = nullable(reader, rows)?.into_iter();
    Ok(Values::Float(found.map(|x| x.map(|x| value(&x))).collect()))
}

/// The texts of `n_rows`, of which `n_at_once` are unpacked at a time.
fn text(
    reader: &mut ColumnReaderImpl<ByteArrayType>,
    column: &str,
    (n_rows, is_optional): (usize, bool),
    n_at_once: usize,
) -> Result<Values> {
    let mut values = TextValues::default();
    let (mut n_read, mut n_bytes) = (0, 0);
    while n_read < n_rows {
        let found = nullable(reader, (n_at_once.min(n_rows - n_read), is_optional))?;
        n_bytes += found.iter().flatten().map(ByteArray::len).sum::<usize>();
        n_read += found.len();
        if n_bytes > MAX_TEXT_BYTES {
            let (column, max_bytes) = (column.to_owned(), MAX_TEXT_BYTES);
            return Err(Oversized::Text { column, n_rows: n_read, n_bytes, max_bytes }.into());
        }
        for value in &found {
            let bytes = value.as_ref().map(ByteArray::data);
            match bytes.map(str::from_utf8).transpose() {
                Ok(text) => values.texts.push(text),
                Err(_) => {
                    values.undecodable.push(values.texts.len());
                    values.texts.push(bytes.map(escaped).as_deref());
                }
            }
        }
    }
    Ok(Values::Text(values))
}

/// Exactly `n_rows` values. The library hands out what is not null, and levels that tell where.
fn nullable<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    (n_rows, is_optional): (usize, bool),
) -> Result<Vec<Option<T::T>>> {
    let mut values = Vec::with_capacity(n_rows);
    let mut levels = Vec::new();
    let (n_read, ..) =
        reader.read_records(n_rows, is_optional.then_some(&mut levels), None, &mut values)?;
    if n_read != n_rows {
        return Err(ParquetError::EOF(format!(
            "a column ends {} rows before its row group",
            n_rows - n_read
        )));
    }
    let mut values = values.into_iter();
    if !is_optional {
        return Ok(values.map(Some).collect());
    }
    Ok(levels.iter().map(|level| if *level > 0 { values.next() } else { None }).collect())
}

/// A signed number of any length, most significant byte first; `None` beyond 128 bits.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let sign = bytes.first().map_or(0, |first| if first & 0x80 == 0 { 0 } else { 0xff });
    let (rest, low) = bytes.split_at(bytes.len().saturating_sub(size_of::<i128>()));
    let mut whole = [sign; size_of::<i128>()];
    whole[size_of::<i128>() - low.len()..].copy_from_slice(low);
    let value = i128::from_be_bytes(whole);
    let fits = rest.iter().all(|byte| *byte == sign) && (value < 0) == (sign == 0xff);
    fits.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_of_any_length_are_read() {
        let check = |bytes: &[u8], expected: Option<i128>| {
            assert_eq!(big_endian(bytes), expected, "{bytes:?}");
        };
        check(&[], Some(0));
        check(&[0x7f], Some(127));
        check(&[0x80], Some(-128));
        check(&[0xff, 0x85], Some(-123));
        check(&i128::MIN.to_be_bytes(), Some(i128::MIN));
        let long = |sign: u8, value: i128| [&[sign; 9][..], &value.to_be_bytes()].concat();
        check(&long(0, i128::MAX), Some(i128::MAX));
        check(&long(0xff, -1), Some(-1));
        check(&long(0, -1), None);
        check(&long(0xff, 1), None);
        check(&long(1, 1), None);
    }
}
