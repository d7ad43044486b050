//! What a column of a Parquet file holds, by its physical type and what is noted with it.
//!
//! Logical types and the older "converted" types are those of the format's own description
//! (apache/parquet-format, LogicalTypes.md).

use std::fmt;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{BasicTypeInfo, Type};

/// What one count of a time stamp is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapters) enum CountUnit {
    Days,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapters) enum StoredType {
    /// Null in every row.
    Null,
    Boolean,
    /// Of any width, with or without a sign.
    Integer {
        is_signed: bool,
    },
    /// Of two, four or eight bytes.
    Float,
    /// An integer over a power of ten.
    Decimal {
        precision: i32,
        scale: i32,
    },
    Text,
    Binary,
    /// Since 1970-01-01, of UTC or of a local clock.
    Count {
        unit: CountUnit,
        is_utc: bool,
    },
    TimeOfDay,
    List,
    Map,
    Struct,
}

/// Digits that fit into 128 bits.
const MAX_PRECISION: i32 = 38;

impl StoredType {
    /// The type of a column of the topmost level.
    pub(super) fn of(column: &Type) -> Self {
        let info = column.get_basic_info();
        if info.has_repetition() && info.repetition() == Repetition::REPEATED {
            return Self::List;
        }
        match column {
            Type::PrimitiveType { physical_type, scale, precision, .. } => {
                Self::of_primitive(*physical_type, info, *precision, *scale)
            }
            Type::GroupType { .. } => match (info.logical_type_ref(), info.converted_type()) {
                (Some(LogicalType::List), _) | (None, ConvertedType::LIST) => Self::List,
                (Some(LogicalType::Map), _)
                | (None, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => Self::Map,
                _ => Self::Struct,
            },
        }
    }

    fn of_primitive(physical: Physical, info: &BasicTypeInfo, precision: i32, scale: i32) -> Self {
        use ConvertedType as C;
        use LogicalType as L;
        match (physical, info.logical_type_ref(), info.converted_type()) {
            (_, Some(L::Unknown), _) => Self::Null,
            (Physical::BOOLEAN, ..) => Self::Boolean,
            (Physical::FLOAT | Physical::DOUBLE, ..) => Self::Float,
            (Physical::FIXED_LEN_BYTE_ARRAY, Some(L::Float16), _) => Self::Float,
            // Written by Hive and old versions of Spark, with no word about the zone.
            (Physical::INT96, ..) => Self::Count { unit: CountUnit::Nanoseconds, is_utc: false },
            (_, Some(L::Decimal(of)), _) => {
                Self::Decimal { precision: of.precision, scale: of.scale }
            }
            (_, None, C::DECIMAL) => Self::Decimal { precision, scale },
            (Physical::INT32, Some(L::Date), _) | (Physical::INT32, None, C::DATE) => {
                Self::Count { unit: CountUnit::Days, is_utc: false }
            }
            (Physical::INT64, Some(L::Timestamp(of)), _) => {
                Self::Count { unit: unit_of(of.unit), is_utc: of.is_adjusted_to_u_t_c }
            }
            (Physical::INT64, None, C::TIMESTAMP_MILLIS) => {
                Self::Count { unit: CountUnit::Milliseconds, is_utc: true }
            }
            (Physical::INT64, None, C::TIMESTAMP_MICROS) => {
                Self::Count { unit: CountUnit::Microseconds, is_utc: true }
            }
            (_, Some(L::Time(_)), _) | (_, None, C::TIME_MILLIS | C::TIME_MICROS) => {
                Self::TimeOfDay
            }
            (_, Some(L::Integer(of)), _) => Self::Integer { is_signed: of.is_signed },
            (_, None, C::UINT_8 | C::UINT_16 | C::UINT_32 | C::UINT_64) => {
                Self::Integer { is_signed: false }
            }
            (Physical::INT32 | Physical::INT64, ..) => Self::Integer { is_signed: true },
            (Physical::BYTE_ARRAY, Some(L::String | L::Json | L::Enum), _)
            | (Physical::BYTE_ARRAY, None, C::UTF8 | C::JSON | C::ENUM) => Self::Text,
            _ => Self::Binary,
        }
    }

    /// Whether the values can be read.
    pub(super) fn is_readable(self) -> bool {
        match self {
            Self::Decimal { precision, scale } => {
                (1..=MAX_PRECISION).contains(&precision) && (0..=precision).contains(&scale)
            }
            Self::Null | Self::Integer { .. } | Self::Float | Self::Text | Self::Count { .. } => {
                true
            }
            Self::Boolean
            | Self::Binary
            | Self::TimeOfDay
            | Self::List
            | Self::Map
            | Self::Struct => false,
        }
    }
}

fn unit_of(unit: TimeUnit) -> CountUnit {
    match unit {
        TimeUnit::MILLIS => CountUnit::Milliseconds,
        TimeUnit::MICROS => CountUnit::Microseconds,
        TimeUnit::NANOS => CountUnit::Nanoseconds,
    }
}

impl fmt::Display for StoredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Boolean => "Boolean",
            Self::Integer { .. } => "Integer",
            Self::Float => "Float",
            Self::Decimal { precision, scale } => {
                return write!(f, "Decimal({precision}, {scale})");
            }
            Self::Text => "Text",
            Self::Binary => "Binary",
            Self::Count { unit: CountUnit::Days, .. } => "Date",
            Self::Count { .. } => "Timestamp",
            Self::TimeOfDay => "Time",
            Self::List => "List",
            Self::Map => "Map",
            Self::Struct => "Struct",
        })
    }
}
