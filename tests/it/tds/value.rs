//! Values of rows and parameters, one variant per family of T-SQL types.

/// Ticks of 100 ns in a second.
pub const TICKS_PER_S: i64 = 10_000_000;

/// Ticks of 100 ns in a day.
pub const TICKS_PER_DAY: i64 = 86_400 * TICKS_PER_S;

/// One value of a row or of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL of any type.
    Null,
    /// bit
    Bit(bool),
    /// tinyint, smallint, int, bigint
    Int(i64),
    /// real, float
    Float(f64),
    /// decimal, numeric, money (scale 4), smallmoney (scale 4): `unscaled / 10^scale`.
    Decimal {
        /// The digits as one whole number.
        unscaled: i128,
        /// Digits behind the point.
        scale: u8,
    },
    /// date: days since 1970-01-01.
    Date(i32),
    /// time: ticks of 100 ns since midnight.
    Time(i64),
    /// smalldatetime, datetime, datetime2: ticks of 100 ns since 1970-01-01 00:00.
    DateTime(i64),
    /// datetimeoffset.
    DateTimeOffset {
        /// Ticks of 100 ns since 1970-01-01 00:00 UTC.
        ticks_utc: i64,
        /// Minutes east of Greenwich.
        offset_min: i16,
    },
    /// char, varchar, nchar, nvarchar, each also as (max).
    Text(String),
    /// uniqueidentifier, in the order of its written form.
    Guid([u8; 16]),
    /// binary, varbinary, varbinary(max)
    Binary(Vec<u8>),
}

impl Value {
    /// A date and time from microseconds since 1970-01-01 00:00.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self::DateTime(micros * 10)
    }

    /// The microseconds since 1970-01-01 00:00 of a date or a date and time.
    #[must_use]
    pub fn micros(&self) -> Option<i64> {
        self.ticks().map(|ticks| ticks.div_euclid(10))
    }

    /// The ticks of 100 ns since 1970-01-01 00:00 (UTC where the value has an offset) of a date or
    /// a date and time.
    #[must_use]
    pub fn ticks(&self) -> Option<i64> {
        match self {
            Self::Date(days) => Some(i64::from(*days) * TICKS_PER_DAY),
            Self::DateTime(ticks) | Self::DateTimeOffset { ticks_utc: ticks, .. } => Some(*ticks),
            _ => None,
        }
    }

    /// Whether this is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A whole number, also from a bit.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bit(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// A number of any kind, rounded to double precision.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Decimal { unscaled, scale } => {
                Some(*unscaled as f64 / 10_f64.powi(i32::from(*scale)))
            }
            Self::Bit(value) => Some(f64::from(u8::from(*value))),
            _ => None,
        }
    }

    /// Text of a character type.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bit(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
