//! Columns and values as the server writes them: types, collations, rows.

use super::backend::Chunk;
use super::column::{Collation, Column, ColumnType};
use super::value::{TICKS_PER_DAY, TICKS_PER_S, Value};
use super::wire::{put_b_varchar, put_utf16, to_cp1252};

const COLMETADATA: u8 = 0x81;
const ROW: u8 = 0xD1;
const NBC_ROW: u8 = 0xD2;

/// Column flags: may be NULL; may be written to, for all that the server knows.
const NULLABLE: u16 = 1;
const UPDATEABLE_UNKNOWN: u16 = 8;

/// Days from 0001-01-01 to 1970-01-01.
pub(super) const DAYS_TO_1970: i64 = 719_162;

/// Days from 1900-01-01 to 1970-01-01.
pub(super) const DAYS_1900_TO_1970: i64 = 25_567;

/// Length in two bytes that says NULL, or (max) in a type.
pub(super) const NULL_OR_MAX: u16 = 0xFFFF;

impl Collation {
    /// The five bytes of the wire.
    #[must_use]
    pub fn bytes(self) -> [u8; 5] {
        match self {
            Self::Latin1CaseInsensitive => [0x09, 0x04, 0xD0, 0x00, 0x34],
            Self::Latin1Binary => [0x09, 0x04, 0x00, 0x02, 0x00],
            Self::Utf8CaseInsensitive => [0x09, 0x04, 0xD0, 0x24, 0x00],
        }
    }

    /// The collation nearest to five bytes of the wire.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 5]) -> Self {
        match bytes[3] {
            flags if flags & 0x04 != 0 => Self::Utf8CaseInsensitive,
            flags if flags & 0x02 != 0 => Self::Latin1Binary,
            _ => Self::Latin1CaseInsensitive,
        }
    }
}

impl Chunk {
    /// Encodes rows of some columns.
    #[must_use]
    pub fn of<'a>(columns: &[Column], rows: impl IntoIterator<Item = &'a Vec<Value>>) -> Self {
        let mut chunk = Self { bytes: Vec::new(), n_rows: 0 };
        for row in rows {
            put_row(&mut chunk.bytes, columns, row);
            chunk.n_rows += 1;
        }
        chunk
    }
}

/// Writes the description of a result set's columns.
pub(super) fn put_columns(out: &mut Vec<u8>, columns: &[Column]) {
    out.push(COLMETADATA);
    out.extend((columns.len() as u16).to_le_bytes());
    for column in columns {
        let nullable = if column.nullable { NULLABLE } else { 0 };
        out.extend(0_u32.to_le_bytes());
        out.extend((nullable | UPDATEABLE_UNKNOWN).to_le_bytes());
        put_type(out, column);
        put_b_varchar(out, &column.name);
    }
}

/// Writes one row: with a bitmap of its NULLs where it has any.
pub(super) fn put_row(out: &mut Vec<u8>, columns: &[Column], row: &[Value]) {
    if !row.iter().any(Value::is_null) {
        out.push(ROW);
        for (column, value) in columns.iter().zip(row) {
            put_value(out, column, value);
        }
        return;
    }
    out.push(NBC_ROW);
    let start = out.len();
    out.resize(start + columns.len().div_ceil(8), 0);
    for (at, (column, value)) in columns.iter().zip(row).enumerate() {
        if value.is_null() {
            out[start + at / 8] |= 1 << (at % 8);
        } else {
            put_value(out, column, value);
        }
    }
}

/// The type byte of a fixed-length form, for columns that are never NULL.
fn fixed_token(kind: ColumnType) -> Option<u8> {
    Some(match kind {
        ColumnType::Bit => 0x32,
        ColumnType::TinyInt => 0x30,
        ColumnType::SmallInt => 0x34,
        ColumnType::Int => 0x38,
        ColumnType::BigInt => 0x7F,
        ColumnType::Real => 0x3B,
        ColumnType::Float => 0x3E,
        ColumnType::Money => 0x3C,
        ColumnType::SmallMoney => 0x7A,
        ColumnType::SmallDateTime => 0x3A,
        ColumnType::DateTime => 0x3D,
        _ => return None,
    })
}

/// Writes the type of a column.
pub(super) fn put_type(out: &mut Vec<u8>, column: &Column) {
    if let (false, Some(token)) = (column.nullable, fixed_token(column.kind)) {
        out.push(token);
        return;
    }
    match column.kind {
        ColumnType::TinyInt => out.extend([0x26, 1]),
        ColumnType::SmallInt => out.extend([0x26, 2]),
        ColumnType::Int => out.extend([0x26, 4]),
        ColumnType::BigInt => out.extend([0x26, 8]),
        ColumnType::Bit => out.extend([0x68, 1]),
        ColumnType::Real => out.extend([0x6D, 4]),
        ColumnType::Float => out.extend([0x6D, 8]),
        ColumnType::SmallMoney => out.extend([0x6E, 4]),
        ColumnType::Money => out.extend([0x6E, 8]),
        ColumnType::SmallDateTime => out.extend([0x6F, 4]),
        ColumnType::DateTime => out.extend([0x6F, 8]),
        ColumnType::Decimal(precision, scale) => {
            out.extend([0x6A, decimal_bytes(precision), precision, scale]);
        }
        ColumnType::Numeric(precision, scale) => {
            out.extend([0x6C, decimal_bytes(precision), precision, scale]);
        }
        ColumnType::UniqueIdentifier => out.extend([0x24, 16]),
        ColumnType::Date => out.push(0x28),
        ColumnType::Time(scale) => out.extend([0x29, scale]),
        ColumnType::DateTime2(scale) => out.extend([0x2A, scale]),
        ColumnType::DateTimeOffset(scale) => out.extend([0x2B, scale]),
        ColumnType::Char(size) => put_sized(out, 0xAF, size, Some(column.collation)),
        ColumnType::VarChar(size) => put_sized(out, 0xA7, size, Some(column.collation)),
        ColumnType::VarCharMax => put_sized(out, 0xA7, NULL_OR_MAX, Some(column.collation)),
        ColumnType::NChar(size) => put_sized(out, 0xEF, size * 2, Some(column.collation)),
        ColumnType::NVarChar(size) => put_sized(out, 0xE7, size * 2, Some(column.collation)),
        ColumnType::NVarCharMax => put_sized(out, 0xE7, NULL_OR_MAX, Some(column.collation)),
        ColumnType::Binary(size) => put_sized(out, 0xAD, size, None),
        ColumnType::VarBinary(size) => put_sized(out, 0xA5, size, None),
        ColumnType::VarBinaryMax => put_sized(out, 0xA5, NULL_OR_MAX, None),
    }
}

fn put_sized(out: &mut Vec<u8>, token: u8, n_bytes: u16, collation: Option<Collation>) {
    out.push(token);
    out.extend(n_bytes.to_le_bytes());
    out.extend(collation.into_iter().flat_map(Collation::bytes));
}

/// Bytes of a decimal's value, its sign included.
fn decimal_bytes(precision: u8) -> u8 {
    match precision {
        0..=9 => 5,
        10..=19 => 9,
        20..=28 => 13,
        _ => 17,
    }
}

/// Writes a value in its column's form. A value of another family is written as NULL (or as zero
/// where the form has no NULL): what a test declares is what the wire carries.
pub(super) fn put_value(out: &mut Vec<u8>, column: &Column, value: &Value) {
    let fixed = !column.nullable && fixed_token(column.kind).is_some();
    match column.kind {
        ColumnType::Bit => put_int(out, fixed, 1, value),
        ColumnType::TinyInt => put_int(out, fixed, 1, value),
        ColumnType::SmallInt => put_int(out, fixed, 2, value),
        ColumnType::Int => put_int(out, fixed, 4, value),
        ColumnType::BigInt => put_int(out, fixed, 8, value),
        ColumnType::Real => {
            let bytes = value.as_f64().map(|value| (value as f32).to_le_bytes());
            put_short(out, fixed, 4, bytes.as_ref().map(<[u8; 4]>::as_slice));
        }
        ColumnType::Float => {
            let bytes = value.as_f64().map(f64::to_le_bytes);
            put_short(out, fixed, 8, bytes.as_ref().map(<[u8; 8]>::as_slice));
        }
        ColumnType::Money | ColumnType::SmallMoney => put_money(out, fixed, column.kind, value),
        ColumnType::SmallDateTime | ColumnType::DateTime => {
            put_datetime(out, fixed, column.kind, value);
        }
        ColumnType::Decimal(precision, scale) | ColumnType::Numeric(precision, scale) => {
            put_decimal(out, precision, scale, value);
        }
        ColumnType::Date
        | ColumnType::Time(_)
        | ColumnType::DateTime2(_)
        | ColumnType::DateTimeOffset(_) => put_scaled_time(out, column.kind, value),
        ColumnType::UniqueIdentifier => {
            let bytes = if let Value::Guid(bytes) = value { Some(swap_guid(*bytes)) } else { None };
            put_short(out, false, 16, bytes.as_ref().map(<[u8; 16]>::as_slice));
        }
        _ => put_long(out, column, value),
    }
}

/// Writes up to 255 bytes, behind their length unless the form is fixed.
fn put_short(out: &mut Vec<u8>, fixed: bool, n_bytes: usize, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            if !fixed {
                out.push(bytes.len() as u8);
            }
            out.extend(bytes);
        }
        None if fixed => out.resize(out.len() + n_bytes, 0),
        None => out.push(0),
    }
}

fn put_int(out: &mut Vec<u8>, fixed: bool, n_bytes: usize, value: &Value) {
    let bytes = value.as_int().map(i64::to_le_bytes);
    put_short(out, fixed, n_bytes, bytes.as_ref().map(|bytes| &bytes[..n_bytes]));
}

fn put_money(out: &mut Vec<u8>, fixed: bool, kind: ColumnType, value: &Value) {
    let units = rescaled(value, 4).and_then(|units| i64::try_from(units).ok());
    match kind {
        ColumnType::SmallMoney => {
            let bytes = units.map(|units| (units as i32).to_le_bytes());
            put_short(out, fixed, 4, bytes.as_ref().map(<[u8; 4]>::as_slice));
        }
        _ => {
            // The high half comes first.
            let bytes = units.map(|units| units.rotate_left(32).to_le_bytes());
            put_short(out, fixed, 8, bytes.as_ref().map(<[u8; 8]>::as_slice));
        }
    }
}

/// The digits of a number at a scale, further ones cut off.
fn rescaled(value: &Value, scale: u8) -> Option<i128> {
    match value {
        Value::Decimal { unscaled, scale: from } if *from <= scale => {
            unscaled.checked_mul(10_i128.checked_pow(u32::from(scale - from))?)
        }
        Value::Decimal { unscaled, scale: from } => {
            Some(unscaled / 10_i128.checked_pow(u32::from(from - scale))?)
        }
        Value::Int(value) => i128::from(*value).checked_mul(10_i128.checked_pow(u32::from(scale))?),
        Value::Float(value) => Some((value * 10_f64.powi(i32::from(scale))).round() as i128),
        _ => None,
    }
}

fn put_decimal(out: &mut Vec<u8>, precision: u8, scale: u8, value: &Value) {
    let Some(unscaled) = rescaled(value, scale) else {
        out.push(0);
        return;
    };
    let n_bytes = decimal_bytes(precision);
    out.push(n_bytes);
    out.push(u8::from(unscaled >= 0));
    out.extend(&unscaled.unsigned_abs().to_le_bytes()[..usize::from(n_bytes) - 1]);
}

fn put_datetime(out: &mut Vec<u8>, fixed: bool, kind: ColumnType, value: &Value) {
    let parts = value.ticks().map(|ticks| {
        let days = ticks.div_euclid(TICKS_PER_DAY) + DAYS_1900_TO_1970;
        (days, ticks.rem_euclid(TICKS_PER_DAY))
    });
    if kind == ColumnType::SmallDateTime {
        let bytes = parts.map(|(days, ticks)| {
            let [a, b] = (days as u16).to_le_bytes();
            let [c, d] = ((ticks / (60 * TICKS_PER_S)) as u16).to_le_bytes();
            [a, b, c, d]
        });
        put_short(out, fixed, 4, bytes.as_ref().map(<[u8; 4]>::as_slice));
        return;
    }
    let bytes = parts.map(|(days, ticks)| {
        // Three-hundredths of a second, rounded, but not into the next day.
        let thirds = ((ticks * 300 + TICKS_PER_S / 2) / TICKS_PER_S).min(25_919_999) as u32;
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&(days as i32).to_le_bytes());
        bytes[4..].copy_from_slice(&thirds.to_le_bytes());
        bytes
    });
    put_short(out, fixed, 8, bytes.as_ref().map(<[u8; 8]>::as_slice));
}

/// Bytes of the time of day at a scale.
pub(super) fn time_bytes(scale: u8) -> usize {
    match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    }
}

/// Writes date, time, datetime2 and datetimeoffset: time of day, days since 0001-01-01, minutes.
fn put_scaled_time(out: &mut Vec<u8>, kind: ColumnType, value: &Value) {
    let start = out.len();
    out.push(0);
    let ticks = match (kind, value) {
        (ColumnType::Time(_), Value::Time(ticks)) => *ticks,
        (ColumnType::Time(_), _) => return,
        (_, value) => match value.ticks() {
            Some(ticks) => ticks,
            None => return,
        },
    };
    if let ColumnType::Time(scale)
    | ColumnType::DateTime2(scale)
    | ColumnType::DateTimeOffset(scale) = kind
    {
        let units = ticks.rem_euclid(TICKS_PER_DAY) / 10_i64.pow(7 - u32::from(scale.min(7)));
        out.extend(&units.to_le_bytes()[..time_bytes(scale)]);
    }
    if !matches!(kind, ColumnType::Time(_)) {
        let days = ticks.div_euclid(TICKS_PER_DAY) + DAYS_TO_1970;
        out.extend(&days.to_le_bytes()[..3]);
    }
    if matches!(kind, ColumnType::DateTimeOffset(_)) {
        let offset_min =
            if let Value::DateTimeOffset { offset_min, .. } = value { *offset_min } else { 0 };
        out.extend(offset_min.to_le_bytes());
    }
    out[start] = (out.len() - start - 1) as u8;
}

/// The wire's order of a uniqueidentifier: the first three groups are little-endian.
pub(super) fn swap_guid(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// Writes text and binary.
fn put_long(out: &mut Vec<u8>, column: &Column, value: &Value) {
    let bytes = match value {
        Value::Text(text) => Some(text_bytes(column, text)),
        Value::Binary(bytes) => Some(bytes.clone()),
        _ => None,
    };
    let max = matches!(
        column.kind,
        ColumnType::VarCharMax | ColumnType::NVarCharMax | ColumnType::VarBinaryMax
    );
    match (bytes, max) {
        (None, true) => out.extend(u64::MAX.to_le_bytes()),
        (None, false) => out.extend(NULL_OR_MAX.to_le_bytes()),
        (Some(bytes), false) => {
            out.extend((bytes.len() as u16).to_le_bytes());
            out.extend(bytes);
        }
        (Some(bytes), true) => {
            out.extend((bytes.len() as u64).to_le_bytes());
            for piece in bytes.chunks(8000) {
                out.extend((piece.len() as u32).to_le_bytes());
                out.extend(piece);
            }
            out.extend(0_u32.to_le_bytes());
        }
    }
}

/// Text in a column's encoding, blank-padded or cut to its size.
fn text_bytes(column: &Column, text: &str) -> Vec<u8> {
    let (mut bytes, blank): (Vec<u8>, &[u8]) = match column.kind {
        ColumnType::NChar(_) | ColumnType::NVarChar(_) | ColumnType::NVarCharMax => {
            let mut bytes = Vec::new();
            put_utf16(&mut bytes, text);
            (bytes, &[b' ', 0])
        }
        _ if column.collation == Collation::Utf8CaseInsensitive => (text.into(), b" "),
        _ => (to_cp1252(text), b" "),
    };
    match column.kind {
        ColumnType::Char(size) => pad(&mut bytes, usize::from(size), blank),
        ColumnType::NChar(size) => pad(&mut bytes, usize::from(size) * 2, blank),
        ColumnType::VarChar(size) => bytes.truncate(usize::from(size)),
        ColumnType::NVarChar(size) => bytes.truncate(usize::from(size) * 2),
        _ => {}
    }
    bytes
}

fn pad(bytes: &mut Vec<u8>, n_bytes: usize, blank: &[u8]) {
    while bytes.len() < n_bytes {
        bytes.extend(blank);
    }
    bytes.truncate(n_bytes);
}
