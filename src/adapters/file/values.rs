//! Texts to values: numbers and time stamps as people and programs write them, and the fault where
//! they cannot be read.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::{Offset, TimeZone};

use super::options::Field;
use crate::domain::record::escaped;
use crate::domain::row_fault::NOT_UTF8;
use crate::domain::{RefusalReason, RowFault};

/// Characters of a value or a name that a message shows at the most.
const MAX_SHOWN: usize = 60;

static PARSER: DateTimeParser = DateTimeParser::new();

/// A number as [`f64::from_str`](std::str::FromStr) reads it, which takes `NaN` and `inf` too.
pub(in crate::adapters) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// A time stamp in microseconds since 1970-01-01 UTC. RFC 3339, a blank for the `T` allowed; without
/// an offset in `zone`; a date alone is its midnight. A local time that occurs twice is the first, and
/// one that is skipped is moved on by the length of the gap.
pub(in crate::adapters) fn timestamp_us(text: &str, zone: &TimeZone) -> Option<i64> {
    if let Some((local, rest)) = usual_form(text) {
        match rest {
            b"Z" => return utc_us(Offset::UTC, local),
            b"" => return local_us(local, zone),
            _ => {}
        }
    }
    let pieces = PARSER.parse_pieces(text).ok()?;
    let local = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or(Time::midnight()));
    match (pieces.to_numeric_offset(), pieces.time_zone_annotation()) {
        (Some(offset), _) => utc_us(offset, local),
        (None, None) => local_us(local, zone),
        // `2023-01-01T05:26[Europe/London]` names another zone than the settings: better said.
        (None, Some(_)) => None,
    }
}

/// Splits a text that begins like `2023-01-01T05:26:10` into that and the rest. Nearly every time
/// stamp of a large file is of this form, and the general parser takes a quarter of the whole time of
/// reading it.
fn usual_form(text: &str) -> Option<(DateTime, &[u8])> {
    let (head, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(at, mark)| head[at] != mark) || !matches!(head[10], b'T' | b' ') {
        return None;
    }
    let pair = |at: usize| {
        let (tens, ones) = (head[at].wrapping_sub(b'0'), head[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| i16::from(tens * 10 + ones))
    };
    let small = |at| pair(at).and_then(|value| i8::try_from(value).ok());
    let year = pair(0)? * 100 + pair(2)?;
    let (month, day) = (small(5)?, small(8)?);
    let (hour, minute, second) = (small(11)?, small(14)?, small(17)?);
    DateTime::new(year, month, day, hour, minute, second, 0).ok().map(|local| (local, rest))
}

fn utc_us(offset: Offset, local: DateTime) -> Option<i64> {
    let at = offset.to_timestamp(local).ok().map(Timestamp::as_microsecond);
    at.or_else(|| at_offset_us(local, offset))
}

/// A local date and time in microseconds since 1970-01-01 UTC.
pub(in crate::adapters) fn local_us(local: DateTime, zone: &TimeZone) -> Option<i64> {
    let at = zone.to_ambiguous_timestamp(local).compatible().ok().map(Timestamp::as_microsecond);
    at.or_else(|| at_offset_us(local, zone.to_offset(end_near(local))))
}

/// The same in the last hours of the calendar, which databases use for "no end" and which no
/// [`Timestamp`] has, so that it could be told in every zone.
fn at_offset_us(local: DateTime, offset: Offset) -> Option<i64> {
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let wall_us = i64::try_from(local.duration_since(epoch).as_micros()).ok()?;
    Some(wall_us - i64::from(offset.seconds()) * 1_000_000)
}

fn end_near(local: DateTime) -> Timestamp {
    if local.year() > 0 { Timestamp::MAX } else { Timestamp::MIN }
}

/// `text`, fit for a message: short, and without control characters.
pub(in crate::adapters) fn clip(text: &str) -> String {
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
pub(in crate::adapters) struct Fault(Option<(RefusalReason, String)>);

impl Fault {
    /// Notes what is wrong with a row as a whole, where nothing was before.
    pub(in crate::adapters) fn note(&mut self, text: impl FnOnce() -> String) {
        self.0.get_or_insert_with(|| (RefusalReason::Unreadable, text()));
    }

    /// Notes that a value is no `what`, where nothing was before.
    pub(in crate::adapters) fn value(&mut self, value: &str, of: FieldColumn<'_>, what: &str) {
        self.0.get_or_insert_with(|| {
            let text = format!("`{}` in column `{}` is not {what}", clip(value), clip(of.name));
            (of.field.unreadable(), text)
        });
    }

    /// Notes that bytes are no text, those that make up no character as `\xff`.
    pub(in crate::adapters) fn bytes(&mut self, value: &[u8], of: FieldColumn<'_>) {
        self.value(&escaped(value), of, NOT_UTF8);
    }

    /// What is wrong, its text behind the place of the row.
    pub(in crate::adapters) fn at(self, place: impl FnOnce() -> String) -> Self {
        Self(self.0.map(|(reason, text)| (reason, format!("{}: {text}", place()))))
    }

    /// What is wrong, for a record.
    pub(in crate::adapters) fn get(&self) -> Option<RowFault<'_>> {
        self.0.as_ref().map(|(reason, what)| RowFault { reason: *reason, what })
    }
}

/// A column and what it holds, for what is said of its values.
#[derive(Debug, Clone, Copy)]
pub(in crate::adapters) struct FieldColumn<'a> {
    /// Columns with lengths by class of road hold distances.
    pub(in crate::adapters) field: Field,
    pub(in crate::adapters) name: &'a str,
}

impl<'a> FieldColumn<'a> {
    /// A column with lengths by class of road.
    pub(in crate::adapters) fn length(name: &'a str) -> Self {
        Self { field: Field::Distance, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_form_is_read_as_by_the_parser() {
        let check = |text: &str| {
            let (local, rest) = usual_form(text).unwrap();
            let whole = format!("{local}{}", str::from_utf8(rest).unwrap());
            assert_eq!(text.replace(' ', "T"), whole);
            assert_eq!(local, text[..19].parse::<DateTime>().unwrap());
        };
        check("0000-01-01T00:00:00Z");
        check("9999-12-31 23:59:59");
        check("2024-02-29T05:26:10.5+02:00");
        for text in [
            "2023-02-29T05:26:10Z",
            "2023-01-01T05:26:60Z",
            "2023-01-01T05:26",
            "+02023-01-01T05:26:10",
        ] {
            assert!(usual_form(text).is_none(), "{text}");
        }
        assert!(usual_form("2023-01-01T05:2x:10Z").is_none());
        assert!(usual_form("2023-01-01T05:26:1ä").is_none());
    }

    /// `9999-12-31` stands for "no end" in many databases, and 1753 is where `datetime` begins.
    #[test]
    fn every_day_of_the_calendar_is_a_date() {
        let check = |text: &str, zone: &str, expected: i64| {
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(timestamp_us(text, &zone), Some(expected * 1_000_000), "{text}");
        };
        // Seconds by Python's `calendar.timegm`.
        check("9999-12-31 23:59:59", "UTC", 253_402_300_799);
        check("9999-12-31T23:59:59Z", "UTC", 253_402_300_799);
        check("9999-12-31", "UTC", 253_402_214_400);
        check("9999-12-31T23:59:59", "America/New_York", 253_402_318_799);
        check("9999-12-31T23:59:59-05:00", "UTC", 253_402_318_799);
        check("1753-01-01", "UTC", -6_847_804_800);
        check("0001-01-01", "UTC", -62_135_596_800);
        assert_eq!(timestamp_us("10000-01-01", &TimeZone::UTC), None);
    }

    #[test]
    fn messages_stay_short() {
        assert_eq!(clip("a\nb"), "a\u{fffd}b");
        assert_eq!(clip(&"ä".repeat(61)).chars().count(), 61);
        assert_eq!(clip(&"ä".repeat(60)), "ä".repeat(60));
    }
}
