//! Columns of result sets and tables: name, T-SQL type, nullability, collation.

use std::fmt;

/// A column of a result set or of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, without brackets.
    pub name: String,
    /// Its T-SQL type.
    pub kind: ColumnType,
    /// Whether it may be NULL. Decides the form on the wire: INTN where it may, INT4 where not.
    pub nullable: bool,
    /// Collation of a character column.
    pub collation: Collation,
}

impl Column {
    /// A column that may be NULL.
    #[must_use]
    pub fn new(name: &str, kind: ColumnType) -> Self {
        Self { name: name.to_owned(), kind, nullable: true, collation: Collation::default() }
    }

    /// The same column, never NULL.
    #[must_use]
    pub fn not_null(self) -> Self {
        Self { nullable: false, ..self }
    }

    /// The same column with another collation.
    #[must_use]
    pub fn collated(self, collation: Collation) -> Self {
        Self { collation, ..self }
    }
}

/// The T-SQL types that the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// bit
    Bit,
    /// tinyint
    TinyInt,
    /// smallint
    SmallInt,
    /// int
    Int,
    /// bigint
    BigInt,
    /// real
    Real,
    /// float(53)
    Float,
    /// decimal(precision, scale)
    Decimal(u8, u8),
    /// numeric(precision, scale)
    Numeric(u8, u8),
    /// money
    Money,
    /// smallmoney
    SmallMoney,
    /// date
    Date,
    /// time(scale)
    Time(u8),
    /// smalldatetime
    SmallDateTime,
    /// datetime
    DateTime,
    /// datetime2(scale)
    DateTime2(u8),
    /// datetimeoffset(scale)
    DateTimeOffset(u8),
    /// char(bytes)
    Char(u16),
    /// varchar(bytes)
    VarChar(u16),
    /// varchar(max)
    VarCharMax,
    /// nchar(characters)
    NChar(u16),
    /// nvarchar(characters)
    NVarChar(u16),
    /// nvarchar(max)
    NVarCharMax,
    /// uniqueidentifier
    UniqueIdentifier,
    /// binary(bytes)
    Binary(u16),
    /// varbinary(bytes)
    VarBinary(u16),
    /// varbinary(max)
    VarBinaryMax,
}

/// Writes the type as T-SQL does, for instance `decimal(9,2)`.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bit => f.write_str("bit"),
            Self::TinyInt => f.write_str("tinyint"),
            Self::SmallInt => f.write_str("smallint"),
            Self::Int => f.write_str("int"),
            Self::BigInt => f.write_str("bigint"),
            Self::Real => f.write_str("real"),
            Self::Float => f.write_str("float"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::Numeric(precision, scale) => write!(f, "numeric({precision},{scale})"),
            Self::Money => f.write_str("money"),
            Self::SmallMoney => f.write_str("smallmoney"),
            Self::Date => f.write_str("date"),
            Self::Time(scale) => write!(f, "time({scale})"),
            Self::SmallDateTime => f.write_str("smalldatetime"),
            Self::DateTime => f.write_str("datetime"),
            Self::DateTime2(scale) => write!(f, "datetime2({scale})"),
            Self::DateTimeOffset(scale) => write!(f, "datetimeoffset({scale})"),
            Self::Char(size) => write!(f, "char({size})"),
            Self::VarChar(size) => write!(f, "varchar({size})"),
            Self::VarCharMax => f.write_str("varchar(max)"),
            Self::NChar(size) => write!(f, "nchar({size})"),
            Self::NVarChar(size) => write!(f, "nvarchar({size})"),
            Self::NVarCharMax => f.write_str("nvarchar(max)"),
            Self::UniqueIdentifier => f.write_str("uniqueidentifier"),
            Self::Binary(size) => write!(f, "binary({size})"),
            Self::VarBinary(size) => write!(f, "varbinary({size})"),
            Self::VarBinaryMax => f.write_str("varbinary(max)"),
        }
    }
}

impl ColumnType {
    /// Reads what T-SQL writes, in any case, for instance `DECIMAL(9, 2)` or `nvarchar(max)`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (word, sizes) = text.split_once('(').unwrap_or((&text, ""));
        let max = sizes.starts_with("max");
        let mut sizes = sizes.trim_end_matches(')').split(',').map_while(|n| n.trim().parse().ok());
        let first: Option<u16> = sizes.next();
        let small = |size: Option<u16>, default| size.map_or(Some(default), |n| n.try_into().ok());
        // A length of characters is no precision: it may be larger than those are.
        let precision = small(first, 18).unwrap_or(18);
        let scale = small(sizes.next(), 0)?;
        let fraction = small(first, 7).unwrap_or(7);
        Some(match word.trim() {
            "bit" => Self::Bit,
            "tinyint" => Self::TinyInt,
            "smallint" => Self::SmallInt,
            "int" | "integer" => Self::Int,
            "bigint" => Self::BigInt,
            "real" => Self::Real,
            "float" | "double precision" if first.is_none_or(|bits| bits > 24) => Self::Float,
            "float" => Self::Real,
            "decimal" | "dec" => Self::Decimal(precision, scale),
            "numeric" => Self::Numeric(precision, scale),
            "money" => Self::Money,
            "smallmoney" => Self::SmallMoney,
            "date" => Self::Date,
            "time" => Self::Time(fraction),
            "smalldatetime" => Self::SmallDateTime,
            "datetime" => Self::DateTime,
            "datetime2" => Self::DateTime2(fraction),
            "datetimeoffset" => Self::DateTimeOffset(fraction),
            "char" => Self::Char(first.unwrap_or(30)),
            "varchar" if max => Self::VarCharMax,
            "varchar" => Self::VarChar(first.unwrap_or(30)),
            "nchar" => Self::NChar(first.unwrap_or(30)),
            "nvarchar" if max => Self::NVarCharMax,
            "nvarchar" => Self::NVarChar(first.unwrap_or(30)),
            "uniqueidentifier" => Self::UniqueIdentifier,
            "binary" => Self::Binary(first.unwrap_or(30)),
            "varbinary" if max => Self::VarBinaryMax,
            "varbinary" => Self::VarBinary(first.unwrap_or(30)),
            _ => return None,
        })
    }

    /// Whether the type holds characters, and so has a collation.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::Char(_)
                | Self::VarChar(_)
                | Self::VarCharMax
                | Self::NChar(_)
                | Self::NVarChar(_)
                | Self::NVarCharMax
        )
    }
}

/// Collation of a character column: how it compares, and the code page of char and varchar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Collation {
    /// SQL_Latin1_General_CP1_CI_AS: case-insensitive, code page 1252.
    #[default]
    Latin1CaseInsensitive,
    /// Latin1_General_BIN2: by code point, code page 1252.
    Latin1Binary,
    /// Latin1_General_100_CI_AS_SC_UTF8: case-insensitive, char and varchar in UTF-8.
    Utf8CaseInsensitive,
}
