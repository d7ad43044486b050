//! Parts of the week, told from weekday and hour in the scope's time zone.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// One named part of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    /// Name, as it stands in the parameters table.
    pub name: String,
    /// For each weekday (Monday first) the hours 0..24 that belong to it, one bit each.
    hours: [u32; 7],
}

/// A mistake in a band's definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BandError {
    /// Not a weekday or span of weekdays.
    #[error("`{0}` is not a day such as `mon` or a span such as `mon-fri`")]
    Days(String),
    /// Not a span of hours.
    #[error("`{0}` is not a span of whole hours such as `7-9` (7:00 to 8:59) or `22-6`")]
    Hours(String),
    /// No name.
    #[error("a band needs a name")]
    Nameless,
    /// A name that no store has room for.
    #[error("a band's name has at most {} characters", Band::MAX_NAME_CHARS)]
    NameTooLong,
}

impl Band {
    /// Characters of a name at the most: the width of its column in the stores.
    pub const MAX_NAME_CHARS: usize = 50;

    /// A band from texts such as `mon-fri,sun` and `7-9,16-19`. Hours are half-open; a span that
    /// ends at or before its start passes midnight and stays with the day on which it falls.
    ///
    /// # Errors
    /// [`BandError`] names the part that cannot be read.
    pub fn new(name: &str, days: &str, hours: &str) -> Result<Self, BandError> {
        if name.trim().is_empty() {
            return Err(BandError::Nameless);
        }
        if name.trim().chars().count() > Self::MAX_NAME_CHARS {
            return Err(BandError::NameTooLong);
        }
        let mask = hours_mask(hours)?;
        let mut band = Self { name: name.trim().to_owned(), hours: [0; 7] };
        for part in days.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Some(first), Some(last)) = (day_index(first), day_index(last)) else {
                return Err(BandError::Days(part.trim().to_owned()));
            };
            let n_days = (last + 7 - first) % 7;
            for step in 0..=n_days {
                band.hours[(first + step) % 7] |= mask;
            }
        }
        Ok(band)
    }
}

fn day_index(text: &str) -> Option<usize> {
    let text = text.trim().to_ascii_lowercase();
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().position(|day| *day == text)
}

fn hours_mask(text: &str) -> Result<u32, BandError> {
    let mut mask = 0;
    for part in text.split(',') {
        let fail = || BandError::Hours(part.trim().to_owned());
        let (from, to) = part.split_once('-').ok_or_else(fail)?;
        let from: u32 = from.trim().parse().map_err(|_| fail())?;
        let to: u32 = to.trim().parse().map_err(|_| fail())?;
        if from > 23 || to > 24 {
            return Err(fail());
        }
        let n_hours = if to > from { to - from } else { to + 24 - from };
        for step in 0..n_hours {
            mask |= 1 << ((from + step) % 24);
        }
    }
    Ok(mask)
}

/// The bands of a scope, in the order of the settings, with the time zone they are told in.
#[derive(Debug, Clone)]
pub struct WeekBands {
    bands: Vec<Band>,
    zone: TimeZone,
}

impl WeekBands {
    /// Name of the rest of the week.
    pub const OTHER: &'static str = "other";

    /// Bands of the week in a time zone.
    #[must_use]
    pub fn new(bands: Vec<Band>, zone: TimeZone) -> Self {
        Self { bands, zone }
    }

    /// The first band that holds the moment, or [`Self::OTHER`].
    #[must_use]
    pub fn band_at(&self, occurred_at_us: i64) -> &str {
        let Ok(at) = Timestamp::from_microsecond(occurred_at_us) else {
            return Self::OTHER;
        };
        let local = self.zone.to_datetime(at);
        let day = Weekday::to_monday_zero_offset(local.weekday()) as usize;
        let bit = 1_u32 << local.hour();
        self.bands
            .iter()
            .find(|band| band.hours[day] & bit != 0)
            .map_or(Self::OTHER, |band| band.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn london() -> WeekBands {
        let peak = Band::new("peak", "mon-fri", "7-9,16-19").unwrap();
        let night = Band::new("night", "mon-sun", "22-6").unwrap();
        WeekBands::new(vec![peak, night], TimeZone::get("Europe/London").unwrap())
    }

    #[test]
    fn bands_follow_local_time() {
        let check = |at: &str, expected: &str| {
            let at: Timestamp = at.parse().unwrap();
            assert_eq!(london().band_at(at.as_microsecond()), expected, "{at}");
        };
        check("2026-01-05T07:30:00Z", "peak");
        check("2026-07-06T06:30:00Z", "peak");
        check("2026-07-06T08:30:00Z", "other");
        check("2026-01-10T07:30:00Z", "other");
        check("2026-01-10T23:00:00Z", "night");
        check("2026-01-10T05:59:59Z", "night");
        check("2026-01-10T06:00:00Z", "other");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Band::new("x", "mon-fry", "1-2"), Err(BandError::Days("mon-fry".into())));
        assert_eq!(Band::new("x", "mon", "7"), Err(BandError::Hours("7".into())));
        assert_eq!(Band::new("x", "mon", "7-25"), Err(BandError::Hours("7-25".into())));
        assert_eq!(Band::new(" ", "mon", "7-9"), Err(BandError::Nameless));
    }

    #[test]
    fn spans_may_wrap() {
        let band = Band::new("x", "sat-mon", "0-24").unwrap();
        assert_eq!(band.hours.map(u32::count_ones), [24, 0, 0, 0, 0, 24, 24]);
    }
}
