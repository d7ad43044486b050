//! Types of settings that are read from a text of some form, and refuse what is not of it.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::domain::record::road;
use crate::domain::{Band, GateRule};

use super::choices::not_among;
use super::settings::{AUTO, MODELS};

/// Reads and writes a time zone by its name in the IANA database.
pub(super) mod zone {
    use jiff::tz::TimeZone;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TimeZone, D::Error> {
        let name = String::deserialize(from)?;
        let unknown =
            |_| de::Error::custom(format!("`{name}` is not in the IANA database of zones"));
        TimeZone::get(&name).map_err(unknown)
    }

    pub(crate) fn serialize<S: Serializer>(zone: &TimeZone, to: S) -> Result<S::Ok, S::Error> {
        jiff::fmt::serde::tz::required::serialize(zone, to)
    }
}

/// Implements what a type needs that is read from a text and shown as that text.
macro_rules! text_value {
    ($name:ident) => {
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.text)
            }
        }
    };
}

/// Name of a travel-time model, one of [`MODELS`], or [`AUTO`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    text: String,
}

text_value!(ModelName);

impl ModelName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for ModelName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == AUTO || MODELS.contains(&text.as_str()) {
            Ok(Self { text })
        } else {
            Err(not_among(&text, &[MODELS, &[AUTO]].concat()))
        }
    }
}

/// Name of a rule of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct RuleName(pub GateRule);

impl TryFrom<String> for RuleName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        GateRule::from_name(&text).map(Self).ok_or_else(|| {
            let names: Vec<&str> = GateRule::ALL.iter().map(|rule| rule.as_str()).collect();
            not_among(&text, &names)
        })
    }
}

impl From<RuleName> for &'static str {
    fn from(RuleName(rule): RuleName) -> Self {
        rule.as_str()
    }
}

/// Name of a schema that stands in statements: letters, digits and `_`, no digit first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SchemaName {
    text: String,
}

text_value!(SchemaName);

impl SchemaName {
    /// Characters at the most, as SQL Server has it.
    const MAX_CHARS: usize = 128;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for SchemaName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_plain = text.len() <= Self::MAX_CHARS
            && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_plain {
            Ok(Self { text })
        } else {
            Err(format!("`{text}` is not a name of letters, digits and `_`"))
        }
    }
}

/// What separates the fields of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delimiter {
    text: String,
    byte: u8,
}

text_value!(Delimiter);

impl Delimiter {
    /// The character as a byte.
    #[must_use]
    pub fn byte(&self) -> u8 {
        self.byte
    }
}

impl TryFrom<String> for Delimiter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_bytes() {
            b"tab" | b"\t" => Ok(Self { text: "tab".to_owned(), byte: b'\t' }),
            &[byte] if byte.is_ascii() && !b"\"\r\n".contains(&byte) => Ok(Self { text, byte }),
            _ => Err(format!("`{text}` is not one ASCII character or `tab`")),
        }
    }
}

/// A moment, told as a time stamp or in the scope's time zone; or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    text: String,
    point: Point,
}

text_value!(Moment);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    Open,
    Stamp(Timestamp),
    Local(DateTime),
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let point = if text.is_empty() {
            Some(Point::Open)
        } else {
            // A bracketed zone would be ignored by the second form; the first honours it.
            let local = || text.parse().ok().filter(|_| !text.contains('[')).map(Point::Local);
            text.parse().ok().map(Point::Stamp).or_else(local)
        };
        let fail = || {
            format!("`{text}` is not a moment such as `2026-01-31` or `2026-01-31T06:00:00+01:00`")
        };
        let point = point.ok_or_else(fail)?;
        Ok(Self { text, point })
    }
}

impl Moment {
    /// Whether no moment is given.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.point == Point::Open
    }

    /// The moment, a date being its first; `None` where none is given.
    ///
    /// # Errors
    /// A local time so far off that its offset leaves the calendar.
    pub fn resolve(&self, zone: &TimeZone) -> Result<Option<Timestamp>, jiff::Error> {
        match self.point {
            Point::Open => Ok(None),
            Point::Stamp(stamp) => Ok(Some(stamp)),
            Point::Local(local) => zone.to_timestamp(local).map(Some),
        }
    }
}

/// What is logged, as `tracing_subscriber::EnvFilter` reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogLevel {
    text: String,
}

text_value!(LogLevel);

impl LogLevel {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

    /// The directives.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for LogLevel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // The filter itself would take a misspelt level for the name of a module and log nothing.
        let is_level = |part: &str| Self::LEVELS.contains(&part.to_ascii_lowercase().as_str());
        let mut words = text.split(',').filter(|part| !part.contains(['=', '[']));
        if let Some(word) = words.find(|part| !is_level(part.trim())) {
            return Err(format!("{}, nor a directive", not_among(word.trim(), &Self::LEVELS)));
        }
        match EnvFilter::builder().parse(&text) {
            Ok(_) => Ok(Self { text }),
            Err(error) => Err(format!("`{text}` is no filter: {error}")),
        }
    }
}

/// Range of a parameter, in its published unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundSetting {
    /// The parameter's published name.
    pub name: String,
    /// Least value.
    pub min: f64,
    /// Greatest value; the parameter is fixed where it equals the least.
    pub max: f64,
}

/// A part of the week as the settings define it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BandText", into = "BandText")]
pub struct BandSetting {
    text: BandText,
    band: Band,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BandText {
    name: String,
    days: String,
    hours: String,
}

impl BandSetting {
    /// The band.
    #[must_use]
    pub fn band(&self) -> &Band {
        &self.band
    }
}

impl TryFrom<BandText> for BandSetting {
    type Error = String;

    fn try_from(text: BandText) -> Result<Self, String> {
        let band = Band::new(&text.name, &text.days, &text.hours)
            .map_err(|error| format!("band `{}`: {error}", text.name))?;
        Ok(Self { text, band })
    }
}

impl From<BandSetting> for BandText {
    fn from(setting: BandSetting) -> Self {
        setting.text
    }
}

/// A column with the lengths on roads of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LengthText", into = "LengthText")]
pub struct LengthSetting {
    text: LengthText,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LengthText {
    class: String,
    column: String,
}

impl LengthSetting {
    /// Name of the class.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.text.class
    }

    /// Name of the column.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.text.column
    }
}

impl TryFrom<LengthText> for LengthSetting {
    type Error = String;

    fn try_from(text: LengthText) -> Result<Self, String> {
        let LengthText { class, column } = &text;
        if !road::is_class(class) {
            let most = road::MAX_CLASS_CHARS;
            return Err(format!("`{class}` is not a name of 1 to {most} characters for a class"));
        }
        if column.trim().is_empty() {
            return Err(format!("the class `{class}` needs a column"));
        }
        Ok(Self { text })
    }
}

impl From<LengthSetting> for LengthText {
    fn from(setting: LengthSetting) -> Self {
        setting.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_resolve_in_the_zone() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let check = |text: &str, expected: &str| {
            let moment = Moment::try_from(text.to_owned()).unwrap();
            assert_eq!(moment.resolve(&zone).unwrap().unwrap().to_string(), expected, "{text}");
            assert_eq!(moment.to_string(), text);
        };
        check("2026-07-01", "2026-06-30T23:00:00Z");
        check("2026-01-01T06:30", "2026-01-01T06:30:00Z");
        check("2026-07-01T06:30:00Z", "2026-07-01T06:30:00Z");
        check("2026-07-01T06:30:00+02:00", "2026-07-01T04:30:00Z");
        assert!(Moment::try_from(String::new()).unwrap().is_open());
    }

    #[test]
    fn what_is_no_value_is_refused() {
        fn check<T: TryFrom<String, Error = String> + fmt::Debug>(text: &str, expected: &str) {
            assert_eq!(T::try_from(text.to_owned()).unwrap_err(), expected);
        }
        check::<Delimiter>(";;", "`;;` is not one ASCII character or `tab`");
        check::<Delimiter>("é", "`é` is not one ASCII character or `tab`");
        for name in ["", "1a", "a b", "a]b", "dbo.x", "å"] {
            let expected = format!("`{name}` is not a name of letters, digits and `_`");
            check::<SchemaName>(name, &expected);
        }
        check::<LogLevel>(
            "inof",
            "`inof` is not one of `off`, `error`, `warn`, `info`, `debug`, `trace`, nor a directive",
        );
        check::<Moment>(
            "2026-02-30",
            "`2026-02-30` is not a moment such as `2026-01-31` or `2026-01-31T06:00:00+01:00`",
        );
        check::<Moment>(
            "2026-01-01T00:00[Europe/London]",
            "`2026-01-01T00:00[Europe/London]` is not a moment such as `2026-01-31` or \
             `2026-01-31T06:00:00+01:00`",
        );
    }

    #[test]
    fn delimiters_and_levels() {
        let byte = |text: &str| Delimiter::try_from(text.to_owned()).unwrap().byte();
        assert_eq!((byte(";"), byte("tab"), byte("\t")), (b';', b'\t', b'\t'));
        for text in ["info", "WARN", "info,speedfit=debug", "speedfit[run]=trace", "off"] {
            assert_eq!(LogLevel::try_from(text.to_owned()).unwrap().as_str(), text);
        }
    }
}
