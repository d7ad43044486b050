//! The moments of a cron expression in a time zone. Pure: it is told what time it is.
//!
//! Moments are found in civil time and then put on the line of time. Where a change of daylight
//! saving leaves a moment out, it is made up for right after the change; where it brings one twice,
//! the first counts. Moments are therefore strictly increasing, and none of a day's is lost but where
//! several fall into the same gap, which is one moment then.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

use crate::domain::CronExpression;

/// A cron expression in a time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    cron: CronExpression,
    time_zone: TimeZone,
}

impl Calendar {
    /// The moments of the expression in that zone.
    #[must_use]
    pub fn new(cron: CronExpression, time_zone: TimeZone) -> Self {
        Self { cron, time_zone }
    }

    /// The zone.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// The first moment after `moment`, or `None` where there is none in the calendar's years.
    #[must_use]
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let mut civil = self.reached(moment);
        // Moments of a gap are one on the line of time: some may have to be passed over.
        loop {
            civil = self.cron.next_after(civil)?;
            let found = self.instant(civil)?;
            if found > moment {
                return Some(found);
            }
        }
    }

    /// The last moment up to `moment`, itself included, or `None` where there is none.
    #[must_use]
    pub fn last_up_to(&self, moment: Timestamp) -> Option<Timestamp> {
        let found = self.cron.last_up_to(self.reached(moment))?;
        self.instant(found)
    }

    /// The last moments after `after` and up to `until`, newest first, at most `limit`.
    #[must_use]
    pub fn between(&self, after: Timestamp, until: Timestamp, limit: usize) -> Vec<Timestamp> {
        let mut found = Vec::new();
        let mut newest = until;
        while found.len() < limit
            && let Some(moment) = self.last_up_to(newest).filter(|moment| *moment > after)
        {
            found.push(moment);
            newest = moment - SignedDuration::from_nanos(1);
        }
        found
    }

    /// The latest civil second that clocks have shown by then; in the second pass through a fold, the
    /// last one of the first pass, since all of them have been met.
    fn reached(&self, moment: Timestamp) -> DateTime {
        let whole = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor);
        let moment = moment.round(whole).unwrap_or(moment);
        let shown = self.time_zone.to_datetime(moment);
        let ambiguous = self.time_zone.to_ambiguous_timestamp(shown);
        let AmbiguousOffset::Fold { before, .. } = ambiguous.offset() else { return shown };
        match ambiguous.earlier() {
            Ok(first) if first < moment => {
                let turn = self.time_zone.following(first).next();
                turn.map_or(shown, |turn| {
                    before.to_datetime(turn.timestamp() - SignedDuration::from_secs(1))
                })
            }
            _ => shown,
        }
    }

    /// The instant at which a civil moment counts.
    fn instant(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.time_zone.to_ambiguous_timestamp(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                ambiguous.earlier().ok()
            }
            AmbiguousOffset::Gap { .. } => {
                let turns = self.time_zone.following(ambiguous.earlier().ok()?);
                turns
                    .map(|turn| turn.timestamp())
                    .find(|turn| self.time_zone.to_datetime(*turn) > civil)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::ToSpan as _;
    use jiff::civil::Date;
    use proptest::prelude::*;

    use super::*;

    fn calendar(cron: &str, zone: &str) -> Calendar {
        let cron = CronExpression::try_from(cron.to_owned()).unwrap();
        Calendar::new(cron, TimeZone::get(zone).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn moments(calendar: &Calendar, from: &str, n: usize) -> Vec<String> {
        let mut moment = at(from);
        let mut found = Vec::new();
        for _ in 0..n {
            moment = calendar.next_after(moment).unwrap();
            found.push(moment.to_string());
        }
        found
    }

    #[test]
    fn a_moment_that_is_left_out_is_made_up_for_at_once() {
        let london = calendar("30 1 * * *", "Europe/London");
        assert_eq!(
            moments(&london, "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        // Half an hour is left out at Lord Howe.
        let island = calendar("15 2 * * *", "Australia/Lord_Howe");
        assert_eq!(
            moments(&island, "2026-10-03T00:00:00Z", 2),
            ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]
        );
        // All moments of the gap are one, and so is that of its end.
        let often = calendar("*/20 * * * *", "Europe/London");
        assert_eq!(
            moments(&often, "2026-03-29T00:30:00Z", 3),
            ["2026-03-29T00:40:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z"]
        );
    }

    #[test]
    fn a_moment_that_comes_twice_counts_once() {
        let london = calendar("30 1 * * *", "Europe/London");
        assert_eq!(
            moments(&london, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        let often = calendar("*/30 * * * *", "Europe/London");
        assert_eq!(
            moments(&often, "2026-10-25T00:00:00Z", 3),
            ["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z", "2026-10-25T02:30:00Z"]
        );
        // In the second pass, everything of the first is past.
        assert_eq!(often.last_up_to(at("2026-10-25T01:10:00Z")), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(moments(&often, "2026-10-25T01:10:00Z", 1), ["2026-10-25T02:00:00Z"]);
    }

    #[test]
    fn missed_moments_are_bounded_in_number() {
        let often = calendar("* * * * * *", "UTC");
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        let found = often.between(from, to, 3);
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["2026-02-01T00:00:00Z", "2026-01-31T23:59:59Z", "2026-01-31T23:59:58Z"]);
        assert_eq!(often.between(to, to, 3), []);
    }

    const ZONES: [&str; 6] = [
        "Europe/London",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "UTC",
    ];

    /// Every civil day that clocks show has its moment, and only one.
    #[test]
    fn a_daily_expression_has_one_moment_for_every_civil_day() {
        for zone in &ZONES[..4] {
            for cron in ["0 0 * * *", "30 1 * * *", "10 2 * * *", "0 3 * * *", "59 23 * * *"] {
                let calendar = calendar(cron, zone);
                let mut per_day: BTreeMap<Date, usize> = BTreeMap::new();
                let mut moment = at("2015-12-30T00:00:00Z");
                while moment < at("2027-01-03T00:00:00Z") {
                    let next = calendar.next_after(moment).unwrap();
                    assert!(next > moment);
                    assert_eq!(calendar.last_up_to(next), Some(next));
                    moment = next;
                    *per_day.entry(calendar.time_zone.to_datetime(moment).date()).or_default() += 1;
                }
                let mut day = jiff::civil::date(2016, 1, 1);
                while day < jiff::civil::date(2027, 1, 1) {
                    assert_eq!(per_day.get(&day), Some(&1), "{zone} {cron} {day}");
                    day = day.checked_add(1.day()).unwrap();
                }
            }
        }
    }

    fn crons() -> impl Strategy<Value = String> {
        let minutes = prop_oneof![
            (0_u8..60).prop_map(|m| m.to_string()),
            (1_u8..31).prop_map(|step| format!("*/{step}")),
        ];
        let hours = prop_oneof![
            Just("*".to_owned()),
            (0_u8..24).prop_map(|h| h.to_string()),
            (1_u8..13).prop_map(|step| format!("*/{step}")),
        ];
        let days = prop_oneof![
            Just("* * *".to_owned()),
            (1_u8..29).prop_map(|day| format!("{day} * *")),
            (0_u8..7).prop_map(|day| format!("* * {day}")),
        ];
        (minutes, hours, days).prop_map(|(m, h, d)| format!("{m} {h} {d}"))
    }

    proptest! {
        #[test]
        fn moments_increase_and_both_directions_agree(
            cron in crons(),
            zone in proptest::sample::select(&ZONES[..]),
            // 1990 to 2035, to the second.
            from_s in 631_152_000_i64..2_051_222_400,
            n_steps in 1_usize..60,
        ) {
            let calendar = calendar(&cron, zone);
            let from = Timestamp::from_second(from_s).unwrap();
            let mut moment = from;
            let mut found = Vec::new();
            for _ in 0..n_steps {
                let next = calendar.next_after(moment).unwrap();
                prop_assert!(next > moment, "{next} after {moment}");
                // Nothing lies between.
                prop_assert_eq!(calendar.last_up_to(next - SignedDuration::from_secs(1)).filter(|m| *m > from), found.last().copied());
                prop_assert_eq!(calendar.last_up_to(next), Some(next));
                moment = next;
                found.push(next);
            }
            found.reverse();
            prop_assert_eq!(calendar.between(from, moment, n_steps + 1), found);
        }

        /// A moment shows the time that the expression names, but right after a gap.
        #[test]
        fn a_moment_is_at_its_civil_time_or_right_after_a_gap(
            minute in 0_u8..60,
            hour in 0_u8..24,
            zone in proptest::sample::select(&ZONES[..]),
            from_s in 631_152_000_i64..2_051_222_400,
        ) {
            let calendar = calendar(&format!("{minute} {hour} * * *"), zone);
            let moment = calendar.next_after(Timestamp::from_second(from_s).unwrap()).unwrap();
            let shown = calendar.time_zone.to_datetime(moment);
            let before = calendar.time_zone.to_datetime(moment - SignedDuration::from_secs(1));
            let is_named = (i8::try_from(hour), i8::try_from(minute)) == (Ok(shown.hour()), Ok(shown.minute()));
            let is_turn = shown.duration_since(before) > SignedDuration::from_secs(1);
            prop_assert!(is_named || is_turn, "{shown}");
        }
    }
}
