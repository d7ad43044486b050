//! Which types of columns serve for which field, and how the columns are asked for.

use tiberius::ColumnType;

use crate::adapters::file::Field;

/// What a field is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Text,
    Number,
    Time,
}

impl Wanted {
    pub(super) fn of(field: Field) -> Self {
        match field {
            Field::IncidentId | Field::Region | Field::ParentRegion | Field::Priority => Self::Text,
            Field::OccurredAt => Self::Time,
            Field::Distance | Field::TravelTime | Field::Weight => Self::Number,
        }
    }

    /// How a column of that type is read, or `None` where it cannot serve.
    pub(super) fn reading(self, found: ColumnType) -> Option<Reading> {
        use ColumnType as T;
        match (self, found) {
            (_, T::BigVarChar | T::BigChar | T::NVarchar | T::NChar) => Some(Reading::Text),
            (Self::Text | Self::Number, T::Int1 | T::Int2 | T::Int4 | T::Int8 | T::Intn) => {
                Some(Reading::Whole)
            }
            (Self::Text, T::Guid) => Some(Reading::Guid),
            (Self::Text | Self::Number, T::Decimaln | T::Numericn) => Some(Reading::Decimal),
            (Self::Number, T::Money | T::Money4) => Some(Reading::Money),
            (Self::Number, T::Float4 | T::Float8 | T::Floatn) => Some(Reading::Float),
            (Self::Time, T::Datetime2) => Some(Reading::DateTime2),
            (Self::Time, T::Datetime | T::Datetimen | T::Datetime4) => Some(Reading::DateTime),
            (Self::Time, T::Daten) => Some(Reading::Date),
            (Self::Time, T::DatetimeOffsetn) => Some(Reading::Offset),
            _ => None,
        }
    }

    /// What would serve, for a message.
    pub(super) fn accepted(self) -> &'static str {
        match self {
            Self::Text => {
                "a text (`varchar`, `nvarchar`, `char`, `nchar`), a whole number, a `decimal` or a \
                 `uniqueidentifier`"
            }
            Self::Number => "a number (`float`, `real`, `decimal`, `money`, `int` …) or a text",
            Self::Time => {
                "`datetime2`, `datetimeoffset`, `datetime`, `smalldatetime`, `date` or a text"
            }
        }
    }
}

/// The family of a column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Text,
    Whole,
    Guid,
    Decimal,
    Money,
    Float,
    DateTime2,
    /// `datetime` and `smalldatetime`, which the wire does not tell apart.
    DateTime,
    Date,
    Offset,
}

impl Reading {
    /// What is selected of a quoted column of the type found: the server turns exact numbers into
    /// floats, which are of one width and cheap to read, and texts of a code page into Unicode, since
    /// the driver takes those of a UTF-8 collation for another page's.
    pub(super) fn selected(self, wanted: Wanted, found: ColumnType, column: &str) -> String {
        match (self, wanted, found) {
            (Self::Decimal | Self::Money, Wanted::Number, _) => as_float(column),
            (Self::Text, _, ColumnType::BigVarChar | ColumnType::BigChar) => {
                format!("CAST({column} AS nvarchar(4000))")
            }
            _ => column.to_owned(),
        }
    }

    /// The family of any column by which ranges are cut, and what is compared.
    pub(super) fn for_cuts(found: ColumnType) -> Option<Self> {
        Wanted::Time
            .reading(found)
            .or_else(|| Wanted::Number.reading(found))
            .filter(|reading| *reading != Self::Text)
    }
}

pub(super) fn as_float(column: &str) -> String {
    format!("CAST({column} AS float(53))")
}

/// The type's name in T-SQL, as far as the wire tells it.
pub(super) fn type_name(found: ColumnType) -> &'static str {
    use ColumnType as T;
    match found {
        T::Null => "null",
        T::Bit | T::Bitn => "bit",
        T::Int1 => "tinyint",
        T::Int2 => "smallint",
        T::Int4 | T::Intn => "int",
        T::Int8 => "bigint",
        T::Datetime4 => "smalldatetime",
        T::Float4 => "real",
        T::Float8 | T::Floatn => "float",
        T::Money => "money",
        T::Money4 => "smallmoney",
        T::Datetime | T::Datetimen => "datetime",
        T::Guid => "uniqueidentifier",
        T::Decimaln => "decimal",
        T::Numericn => "numeric",
        T::Daten => "date",
        T::Timen => "time",
        T::Datetime2 => "datetime2",
        T::DatetimeOffsetn => "datetimeoffset",
        T::BigVarBin => "varbinary",
        T::BigVarChar => "varchar",
        T::BigBinary => "binary",
        T::BigChar => "char",
        T::NVarchar => "nvarchar",
        T::NChar => "nchar",
        T::Xml => "xml",
        T::Udt => "a type of the CLR",
        T::Text => "text",
        T::Image => "image",
        T::NText => "ntext",
        T::SSVariant => "sql_variant",
    }
}
