//! Texts to values: numbers and time stamps as people and programs write them, and the fault where
//! they cannot be read.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

/// Characters of a value or a name that a message shows at the most.
const MAX_SHOWN: usize = 60;

static PARSER: DateTimeParser = DateTimeParser::new();

/// A number as [`f64::from_str`](std::str::FromStr) reads it, which takes `NaN` and `inf` too.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// A time stamp in microseconds since 1970-01-01 UTC. RFC 3339, a blank for the `T` allowed; without
/// an offset in `zone`; a date alone is its midnight. A local time that occurs twice is the first, and
/// one that is skipped is moved on by the length of the gap.
pub(super) fn timestamp_us(text: &str, zone: &TimeZone) -> Option<i64> {
    let pieces = PARSER.parse_pieces(text).ok()?;
    let local = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or(Time::midnight()));
    let at = match (pieces.to_numeric_offset(), pieces.time_zone_annotation()) {
        (Some(offset), _) => offset.to_timestamp(local).ok()?,
        (None, None) => return local_us(local, zone),
        // `2023-01-01T05:26[Europe/London]` names another zone than the settings: better said.
        (None, Some(_)) => return None,
    };
    Some(at.as_microsecond())
}

/// A local date and time in microseconds since 1970-01-01 UTC.
pub(super) fn local_us(local: DateTime, zone: &TimeZone) -> Option<i64> {
    zone.to_ambiguous_timestamp(local).compatible().ok().map(Timestamp::as_microsecond)
}

/// `text`, fit for a message: short, and without control characters.
pub(super) fn clip(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MAX_SHOWN)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The first thing that is wrong with a row.
#[derive(Debug, Default)]
pub(super) struct Fault(Option<String>);

impl Fault {
    /// Notes what is wrong, where nothing was before.
    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.0.is_none() {
            self.0 = Some(text());
        }
    }

    /// Notes that a value is no `what`.
    pub(super) fn value(&mut self, value: &str, column: &str, what: &str) {
        self.note(|| format!("`{}` in column `{}` is not {what}", clip(value), clip(column)));
    }

    /// The text, behind the place of the row.
    pub(super) fn at(self, place: impl FnOnce() -> String) -> Option<String> {
        self.0.map(|text| format!("{}: {text}", place()))
    }
}
