//! Types and values as clients send them: parameters of procedures and rows of bulk loads.

use std::io;

use super::column::{Collation, ColumnType};
use super::encode::{DAYS_1900_TO_1970, DAYS_TO_1970, NULL_OR_MAX, swap_guid, time_bytes};
use super::value::{TICKS_PER_DAY, TICKS_PER_S, Value};
use super::wire::{Reader, from_cp1252, invalid, utf16};

/// A type as a client describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireType {
    token: u8,
    size: u32,
    precision: u8,
    scale: u8,
    pub(super) collation: Collation,
}

impl WireType {
    pub(super) fn read(reader: &mut Reader<'_>) -> io::Result<Self> {
        let token = reader.u8()?;
        let mut wire =
            Self { token, size: 0, precision: 0, scale: 0, collation: Collation::default() };
        match token {
            0x1F | 0x28 | 0x30 | 0x32 | 0x34 | 0x38 | 0x3A..=0x3E | 0x7A | 0x7F => {}
            0x29..=0x2B => wire.scale = reader.u8()?,
            0x24 | 0x26 | 0x68 | 0x6D | 0x6E | 0x6F => wire.size = reader.u8()?.into(),
            0x6A | 0x6C => {
                wire.size = reader.u8()?.into();
                wire.precision = reader.u8()?;
                wire.scale = reader.u8()?;
            }
            0xA5 | 0xAD => wire.size = reader.u16()?.into(),
            0xA7 | 0xAF | 0xE7 | 0xEF => {
                wire.size = reader.u16()?.into();
                wire.collation = Collation::from_bytes(reader.array()?);
            }
            0x22 => wire.size = reader.u32()?,
            0x23 | 0x63 => {
                wire.size = reader.u32()?;
                wire.collation = Collation::from_bytes(reader.array()?);
            }
            token => return Err(invalid(format!("type {token:#04x} is not supported here"))),
        }
        Ok(wire)
    }

    /// Whether a table's name follows in a description of columns.
    pub(super) fn has_table_name(self) -> bool {
        matches!(self.token, 0x22 | 0x23 | 0x63)
    }

    /// The T-SQL type.
    pub(super) fn kind(self) -> ColumnType {
        let size = u16::try_from(self.size).unwrap_or(NULL_OR_MAX);
        let max = size == NULL_OR_MAX;
        match (self.token, size) {
            (0x32 | 0x68, _) => ColumnType::Bit,
            (0x30, _) | (0x26, 1) => ColumnType::TinyInt,
            (0x34, _) | (0x26, 2) => ColumnType::SmallInt,
            (0x7F, _) | (0x26, 8) => ColumnType::BigInt,
            (0x3B, _) | (0x6D, 4) => ColumnType::Real,
            (0x3E | 0x6D, _) => ColumnType::Float,
            (0x7A, _) | (0x6E, 4) => ColumnType::SmallMoney,
            (0x3C | 0x6E, _) => ColumnType::Money,
            (0x3A, _) | (0x6F, 4) => ColumnType::SmallDateTime,
            (0x3D | 0x6F, _) => ColumnType::DateTime,
            (0x6A, _) => ColumnType::Decimal(self.precision, self.scale),
            (0x6C, _) => ColumnType::Numeric(self.precision, self.scale),
            (0x24, _) => ColumnType::UniqueIdentifier,
            (0x28, _) => ColumnType::Date,
            (0x29, _) => ColumnType::Time(self.scale),
            (0x2A, _) => ColumnType::DateTime2(self.scale),
            (0x2B, _) => ColumnType::DateTimeOffset(self.scale),
            (0xAF, _) => ColumnType::Char(size),
            (0xA7, _) if !max => ColumnType::VarChar(size),
            (0xA7 | 0x23, _) => ColumnType::VarCharMax,
            (0xEF, _) => ColumnType::NChar(size / 2),
            (0xE7, _) if !max => ColumnType::NVarChar(size / 2),
            (0xE7 | 0x63, _) => ColumnType::NVarCharMax,
            (0xAD, _) => ColumnType::Binary(size),
            (0xA5, _) if !max => ColumnType::VarBinary(size),
            (0xA5 | 0x22, _) => ColumnType::VarBinaryMax,
            // 0x38, 0x26 of four bytes, and the NULL without a type, which T-SQL takes for an int.
            _ => ColumnType::Int,
        }
    }

    /// Reads a value of this type.
    pub(super) fn value(self, reader: &mut Reader<'_>) -> io::Result<Value> {
        let fixed_bytes = match self.token {
            0x1F => return Ok(Value::Null),
            0x30 | 0x32 => 1,
            0x34 => 2,
            0x38 | 0x3A | 0x3B | 0x7A => 4,
            0x3C..=0x3E | 0x7F => 8,
            0x22 | 0x23 | 0x63 => return self.long_value(reader),
            0xA5 | 0xA7 | 0xAD | 0xAF | 0xE7 | 0xEF => return self.sized_value(reader),
            _ => usize::from(reader.u8()?),
        };
        if fixed_bytes == 0 {
            return Ok(Value::Null);
        }
        self.short_value(&mut Reader::new(reader.bytes(fixed_bytes)?), fixed_bytes)
    }

    fn short_value(self, reader: &mut Reader<'_>, n_bytes: usize) -> io::Result<Value> {
        Ok(match self.kind() {
            ColumnType::Bit => Value::Bit(reader.u8()? != 0),
            ColumnType::TinyInt => Value::Int(reader.u8()?.into()),
            ColumnType::SmallInt => Value::Int(i16::from_le_bytes(reader.array()?).into()),
            ColumnType::Int => Value::Int(reader.i32()?.into()),
            ColumnType::BigInt => Value::Int(i64::from_le_bytes(reader.array()?)),
            ColumnType::Real => Value::Float(f32::from_le_bytes(reader.array()?).into()),
            ColumnType::Float => Value::Float(f64::from_le_bytes(reader.array()?)),
            ColumnType::SmallMoney => Value::Decimal { unscaled: reader.i32()?.into(), scale: 4 },
            ColumnType::Money => {
                let units = i64::from_le_bytes(reader.array()?).rotate_left(32);
                Value::Decimal { unscaled: units.into(), scale: 4 }
            }
            ColumnType::SmallDateTime => {
                let days = i64::from(reader.u16()?) - DAYS_1900_TO_1970;
                let minutes = i64::from(reader.u16()?);
                Value::DateTime(days * TICKS_PER_DAY + minutes * 60 * TICKS_PER_S)
            }
            ColumnType::DateTime => {
                let days = i64::from(reader.i32()?) - DAYS_1900_TO_1970;
                let thirds = i64::from(reader.u32()?);
                Value::DateTime(days * TICKS_PER_DAY + (thirds * TICKS_PER_S + 150) / 300)
            }
            ColumnType::Decimal(_, scale) | ColumnType::Numeric(_, scale) => {
                decimal(reader, n_bytes, scale)?
            }
            ColumnType::UniqueIdentifier => Value::Guid(swap_guid(reader.array()?)),
            ColumnType::Date => Value::Date(days(reader)? as i32),
            ColumnType::Time(scale) => Value::Time(time(reader, scale)?),
            ColumnType::DateTime2(scale) => {
                let time = time(reader, scale)?;
                Value::DateTime(days(reader)? * TICKS_PER_DAY + time)
            }
            ColumnType::DateTimeOffset(scale) => {
                let time = time(reader, scale)?;
                let ticks_utc = days(reader)? * TICKS_PER_DAY + time;
                let offset_min = i16::from_le_bytes(reader.array()?);
                Value::DateTimeOffset { ticks_utc, offset_min }
            }
            kind => return Err(invalid(format!("no short value of {kind}"))),
        })
    }

    fn sized_value(self, reader: &mut Reader<'_>) -> io::Result<Value> {
        if self.size == u32::from(NULL_OR_MAX) {
            return self.max_value(reader);
        }
        match reader.u16()? {
            NULL_OR_MAX => Ok(Value::Null),
            n_bytes => Ok(self.of_bytes(reader.bytes(usize::from(n_bytes))?)),
        }
    }

    /// A (max) value: pieces behind a length that may be unknown.
    fn max_value(self, reader: &mut Reader<'_>) -> io::Result<Value> {
        if reader.u64()? == u64::MAX {
            return Ok(Value::Null);
        }
        let mut bytes = Vec::new();
        loop {
            match reader.u32()? as usize {
                0 => return Ok(self.of_bytes(&bytes)),
                n_bytes => bytes.extend(reader.bytes(n_bytes)?),
            }
        }
    }

    /// A parameter of one of the old types text, ntext, image.
    fn long_value(self, reader: &mut Reader<'_>) -> io::Result<Value> {
        match reader.u32()? {
            u32::MAX => Ok(Value::Null),
            n_bytes => Ok(self.of_bytes(reader.bytes(n_bytes as usize)?)),
        }
    }

    fn of_bytes(self, bytes: &[u8]) -> Value {
        match self.token {
            0xE7 | 0xEF | 0x63 => Value::Text(utf16(bytes)),
            0xA7 | 0xAF | 0x23 if self.collation == Collation::Utf8CaseInsensitive => {
                Value::Text(String::from_utf8_lossy(bytes).into_owned())
            }
            0xA7 | 0xAF | 0x23 => Value::Text(from_cp1252(bytes)),
            _ => Value::Binary(bytes.to_vec()),
        }
    }
}

fn decimal(reader: &mut Reader<'_>, n_bytes: usize, scale: u8) -> io::Result<Value> {
    let positive = reader.u8()? != 0;
    let low = reader.uint(n_bytes.min(9) - 1)?;
    let high = reader.uint(n_bytes.saturating_sub(9))?;
    let magnitude = i128::from(high) << 64 | i128::from(low);
    Ok(Value::Decimal { unscaled: if positive { magnitude } else { -magnitude }, scale })
}

/// Ticks of the time of day.
fn time(reader: &mut Reader<'_>, scale: u8) -> io::Result<i64> {
    let units = reader.uint(time_bytes(scale))? as i64;
    Ok(units * 10_i64.pow(7 - u32::from(scale.min(7))))
}

/// Days since 1970-01-01.
fn days(reader: &mut Reader<'_>) -> io::Result<i64> {
    Ok(reader.uint(3)? as i64 - DAYS_TO_1970)
}
