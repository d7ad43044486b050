//! Wall-clock times of a zone as moments, and moments as wall-clock times.
//!
//! Times are microseconds since 1970-01-01, of the wall clock or of UTC. What a wall clock shows
//! twice or never is resolved as for record files; between two changes of the clock the difference
//! is one number, which is remembered, since a look into the zone costs more than everything else
//! that is done with a row.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneTransition};
use jiff::{SignedDuration, Timestamp};

use crate::adapters::file::local_us;

/// Moments so far apart have wall-clock times in the same order, whatever happens to the clock:
/// offsets differ by less than that.
const LARGEST_CHANGE: SignedDuration = SignedDuration::from_hours(72);

/// A zone's clock.
#[derive(Debug, Clone)]
pub(super) struct WallClock {
    zone: TimeZone,
    /// Spans of wall-clock time without a change, ascending.
    spans: Vec<Span>,
    /// The one that was used last.
    last: Span,
}

/// Wall-clock times from `from_us` on and before `to_us` that are `ahead_us` ahead of UTC.
#[derive(Debug, Clone, Copy)]
struct Span {
    from_us: i64,
    to_us: i64,
    ahead_us: i64,
}

impl Span {
    const EMPTY: Self = Self { from_us: 0, to_us: 0, ahead_us: 0 };

    fn holds(&self, wall_us: i64) -> bool {
        (self.from_us..self.to_us).contains(&wall_us)
    }
}

/// What the clock shows, or `None` beyond the calendar.
pub(super) fn shown(wall_us: i64) -> Option<DateTime> {
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    epoch.checked_add(SignedDuration::from_micros(wall_us)).ok()
}

impl WallClock {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone, spans: Vec::new(), last: Span::EMPTY }
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The moment, or `None` beyond the calendar.
    pub(super) fn at_us(&mut self, wall_us: i64) -> Option<i64> {
        if self.last.holds(wall_us) {
            return Some(wall_us - self.last.ahead_us);
        }
        let after = self.spans.partition_point(|span| span.from_us <= wall_us);
        if let Some(span) = after.checked_sub(1).and_then(|at| self.spans.get(at))
            && span.holds(wall_us)
        {
            self.last = *span;
            return Some(wall_us - span.ahead_us);
        }
        let at_us = local_us(shown(wall_us)?, &self.zone)?;
        // At a change of the clock there is none, nor in the last hours of the calendar.
        if let Some(span) = self.span_around(at_us).filter(|span| span.holds(wall_us)) {
            self.spans.insert(after, span);
            self.last = span;
        }
        Some(at_us)
    }

    /// The wall-clock times around a moment that only one offset has.
    fn span_around(&self, at_us: i64) -> Option<Span> {
        let at = Timestamp::from_microsecond(at_us).ok()?;
        let ahead_us = self.ahead_us(at);
        let tick = SignedDuration::from_nanos(1);
        // The last change, one at this very moment included.
        let last = self.zone.preceding(at.checked_add(tick).unwrap_or(at)).next();
        let next = self.zone.following(at).next();
        let from_us = last.map_or(i64::MIN, |change: TimeZoneTransition<'_>| {
            let before = change.timestamp().checked_sub(tick).unwrap_or(change.timestamp());
            change.timestamp().as_microsecond() + ahead_us.max(self.ahead_us(before))
        });
        let to_us = next.map_or(i64::MAX, |change: TimeZoneTransition<'_>| {
            let changed_us = i64::from(change.offset().seconds()) * 1_000_000;
            change.timestamp().as_microsecond() + ahead_us.min(changed_us)
        });
        // Beyond the calendar there is no moment, whatever the offset.
        let first_us = Timestamp::MIN.as_microsecond() + ahead_us;
        let end_us = Timestamp::MAX.as_microsecond() + 1 + ahead_us;
        Some(Span { from_us: from_us.max(first_us), to_us: to_us.min(end_us), ahead_us })
    }

    fn ahead_us(&self, at: Timestamp) -> i64 {
        i64::from(self.zone.to_offset(at).seconds()) * 1_000_000
    }

    /// A wall-clock time that no row shows which is of `at` or later: what is earlier on the clock
    /// is earlier in fact.
    pub(super) fn not_after(&self, at: Timestamp) -> i64 {
        at.as_microsecond() + self.offsets_near(at).min().unwrap_or(0)
    }

    /// A wall-clock time before which is every row that is before `at`.
    pub(super) fn not_before(&self, at: Timestamp) -> i64 {
        at.as_microsecond() + self.offsets_near(at).max().unwrap_or(0)
    }

    /// Every offset that the zone has around the moment.
    fn offsets_near(&self, at: Timestamp) -> impl Iterator<Item = i64> + '_ {
        let from = at.checked_sub(LARGEST_CHANGE).unwrap_or(Timestamp::MIN);
        let to = at.checked_add(LARGEST_CHANGE).unwrap_or(Timestamp::MAX);
        let changes = self.zone.following(from).take_while(move |change| change.timestamp() <= to);
        let later = changes.map(|change| i64::from(change.offset().seconds()) * 1_000_000);
        std::iter::once(self.ahead_us(from)).chain(later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn wall(text: &str) -> i64 {
        let local: DateTime = text.parse().unwrap();
        TimeZone::UTC.to_timestamp(local).unwrap().as_microsecond()
    }

    /// The last days of the calendar are no timestamps of UTC any more.
    fn days_of_9999(text: &str) -> i64 {
        let local: DateTime = text.parse().unwrap();
        let since = local.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
        i64::try_from(since.as_micros()).unwrap()
    }

    /// Whatever the order of the questions, the answers are those of record files.
    #[test]
    fn moments_are_those_of_record_files() {
        for name in ["Europe/London", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "UTC"] {
            let zone = TimeZone::get(name).unwrap();
            let mut clock = WallClock::new(zone.clone());
            let step = 37 * HOUR_US / 10;
            for first in [wall("2011-01-01"), wall("1899-12-01"), wall("2090-01-01")] {
                for n in (0..5000).rev().chain(0..5000) {
                    let wall_us = first + n * step;
                    let at = Timestamp::from_microsecond(wall_us).unwrap();
                    let expected = local_us(TimeZone::UTC.to_datetime(at), &zone);
                    assert_eq!(clock.at_us(wall_us), expected, "{name} {at}");
                }
            }
            for last in ["9999-12-30T00:00", "9999-12-31T00:00", "9999-12-31T23:59:59.999999"] {
                let expected = local_us(last.parse().unwrap(), &zone);
                assert_eq!(clock.at_us(days_of_9999(last)), expected, "{name} {last}");
            }
            assert!(clock.spans.len() < 80, "{}", clock.spans.len());
        }
    }

    #[test]
    fn gaps_move_on_and_folds_are_the_first() {
        let mut clock = WallClock::new(TimeZone::get("Europe/London").unwrap());
        let mut check = |text: &str, expected: &str| {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(clock.at_us(wall(text)), Some(expected.as_microsecond()), "{text}");
        };
        check("2026-03-29T00:59:59.999999", "2026-03-29T00:59:59.999999Z");
        check("2026-03-29T01:30:00", "2026-03-29T01:30:00Z");
        check("2026-03-29T02:00:00", "2026-03-29T01:00:00Z");
        check("2026-10-25T01:00:00", "2026-10-25T00:00:00Z");
        check("2026-10-25T01:59:59", "2026-10-25T00:59:59Z");
        check("2026-10-25T02:00:00", "2026-10-25T02:00:00Z");
    }

    /// No row of the window may be lost by the bounds, near a change of the clock or not.
    #[test]
    fn bounds_hold_every_row() {
        for (name, around) in [
            ("Europe/London", "2026-03-29T01:00:00Z"),
            ("Europe/London", "2026-10-25T01:00:00Z"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z"),
            ("UTC", "2026-01-01T00:00:00Z"),
        ] {
            let mut clock = WallClock::new(TimeZone::get(name).unwrap());
            let around: Timestamp = around.parse().unwrap();
            for half_hours in -120_i32..120 {
                let bound = around + SignedDuration::from_mins(i64::from(half_hours) * 30);
                let (low, high) = (clock.not_after(bound), clock.not_before(bound));
                for n in -300..300 {
                    let wall_us = low + n * HOUR_US / 4;
                    let at_us = clock.at_us(wall_us).unwrap();
                    assert!(wall_us >= low || at_us < bound.as_microsecond(), "{name} {bound}");
                    assert!(wall_us < high || at_us >= bound.as_microsecond(), "{name} {bound}");
                }
            }
        }
    }

    #[test]
    fn far_from_a_change_the_bounds_are_exact() {
        let clock = WallClock::new(TimeZone::get("Europe/London").unwrap());
        let at: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        assert_eq!(clock.not_after(at), wall("2026-07-01T01:00"));
        assert_eq!(clock.not_before(at), wall("2026-07-01T01:00"));
    }
}
