//! What is noted of rows while they are read: few numbers, whatever the order of the rows.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::histogram::{Histogram, Values};
use super::repeats::Repeats;
use super::units::{Trial, Units};
use super::unread;
use crate::domain::record::RecordRef;
use crate::domain::{Limits, RefusalReason};
use crate::fit::Sample;

/// Examples kept of texts that could not be read: the first by their letters.
const MAX_EXAMPLES: usize = 3;

/// Time by which clocks may differ before a record is of the future.
const CLOCKS_DIFFER_US: i64 = 3_600_000_000;

/// Days up to the run that count as recent: a week, and four of them.
pub(crate) const RECENT_DAYS: [i64; 2] = [7, 28];

/// Why a row was refused, as the gate looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For its distance, time or speed: what is left is a selection by value.
    Value,
    /// Its distance or time is exactly zero: a value that was not measured, or rounded away.
    Zero,
    /// Its text could not be read.
    Unreadable,
    /// Nothing was recorded, or it is of no region that is served.
    Other,
    /// It was not asked for: outside the window, or a repeat that is to be left out.
    Aside,
}

impl Kind {
    pub(crate) fn of(reason: RefusalReason, row: &RecordRef<'_>) -> Self {
        use RefusalReason as R;
        match reason {
            R::Unreadable | R::UnreadableTime | R::UnreadableDistance => {
                match fault_of(row).and_then(unread::value_of) {
                    Some((value, _)) if unread::is_blank(value) => Self::Other,
                    _ => Self::Unreadable,
                }
            }
            R::TimeNotPositive if row.travel_time_s == Some(0.0) => Self::Zero,
            R::DistanceTooShort if row.distance_km == Some(0.0) => Self::Zero,
            R::NonFinite
            | R::TimeNotPositive
            | R::TimeTooShort
            | R::TimeTooLong
            | R::DistanceTooShort
            | R::DistanceTooLong
            | R::SpeedImplausible => Self::Value,
            R::NullField
            | R::UnknownRegion
            | R::WeightNotPositive
            | R::WeightOutOfRange
            | R::LengthInvalid => Self::Other,
            R::OutsideWindow | R::RepeatedId => Self::Aside,
        }
    }
}

fn fault_of<'a>(row: &RecordRef<'a>) -> Option<&'a str> {
    row.fault.map(|fault| fault.what)
}

/// Rows by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Accepted.
    pub n_used: u64,
    /// Refused for their distance, time or speed.
    pub n_values: u64,
    /// Refused since distance or time is exactly zero.
    pub n_zeros: u64,
    /// Could not be read.
    pub n_unreadable: u64,
    /// Refused for anything else.
    pub n_others: u64,
}

impl Tally {
    fn refuse(&mut self, kind: Kind) {
        match kind {
            Kind::Value => self.n_values += 1,
            Kind::Zero => self.n_zeros += 1,
            Kind::Unreadable => self.n_unreadable += 1,
            Kind::Other => self.n_others += 1,
            Kind::Aside => {}
        }
    }

    /// All rows that were asked for.
    #[must_use]
    pub fn n_rows(&self) -> u64 {
        self.n_used + self.n_values + self.n_zeros + self.n_unreadable + self.n_others
    }
}

/// When a run looks, and what an earlier one has seen.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// The run's start.
    pub now: Timestamp,
    /// The same, or the end of its window where that is earlier.
    pub as_of: Timestamp,
    /// The oldest record of the published set.
    pub since: Option<Timestamp>,
    /// The newest record of the published set.
    pub cut: Option<Timestamp>,
    /// The newest record of the last set that a person accepted.
    pub accepted: Option<Timestamp>,
}

impl Default for Moments {
    fn default() -> Self {
        Self { now: Timestamp::MAX, as_of: Timestamp::MAX, since: None, cut: None, accepted: None }
    }
}

impl Moments {
    /// Whether the row is newer than all records of the published set, or older, where a window has
    /// grown backwards.
    fn is_fresh(&self, row: &RecordRef<'_>) -> bool {
        let Some(at_us) = row.occurred_at_us else { return false };
        self.cut.is_some_and(|cut| at_us > cut.as_microsecond()) || self.is_before(at_us)
    }

    /// Where the recent rows begin: so many days ago, or with what came since the published set where
    /// that is longer ago. What a person accepted is not recent any more.
    pub(crate) fn recent_since(&self, horizon: usize) -> Option<Timestamp> {
        let days = jiff::SignedDuration::from_hours(24 * RECENT_DAYS.get(horizon)?);
        let begin = self.as_of.checked_sub(days).ok()?;
        let begin = self.cut.map_or(begin, |cut| cut.min(begin));
        Some(self.accepted.map_or(begin, |accepted| accepted.max(begin)))
    }

    fn is_before(&self, at_us: i64) -> bool {
        self.since.is_some_and(|since| at_us < since.as_microsecond())
    }

    /// Whether a row of that time lies in the span of the published set.
    fn is_known(&self, at_us: i64) -> bool {
        self.cut.is_some_and(|cut| at_us <= cut.as_microsecond()) && !self.is_before(at_us)
    }
}

/// What is noted of one group's rows.
#[derive(Debug, Clone, Default)]
pub struct GroupWatch {
    oldest_us: Option<i64>,
    newest_us: Option<i64>,
    /// Accepted rows of the span of the published set.
    pub(crate) n_old: u64,
    /// Rows refused.
    pub(crate) tally: Tally,
    /// Distances and times of rows refused for a value.
    pub(crate) refused: Values,
    /// Those of rows newer than the published set's newest, accepted or refused for one of them.
    pub(crate) fresh: Values,
    /// The same of recent rows, by horizon.
    pub(crate) recent: [Values; RECENT_DAYS.len()],
    /// Distances of rows without a time.
    pub(crate) without_time_km: Histogram,
    /// The sum of the weights, and the largest.
    pub(crate) weight: f64,
    pub(crate) heaviest: f64,
}

impl GroupWatch {
    pub(crate) fn accept(&mut self, moments: &Moments, row: &RecordRef<'_>, sample: &Sample) {
        if moments.is_fresh(row) {
            self.fresh.add(sample.distance_km, f64::from(sample.travel_time_s));
        }
        self.weight += f64::from(sample.weight);
        self.heaviest = self.heaviest.max(f64::from(sample.weight));
        let Some(at_us) = row.occurred_at_us else { return };
        self.note_recent(moments, at_us, sample.distance_km, f64::from(sample.travel_time_s));
        self.oldest_us = Some(self.oldest_us.map_or(at_us, |oldest| oldest.min(at_us)));
        if at_us <= moments.as_of.as_microsecond() {
            self.newest_us = Some(self.newest_us.map_or(at_us, |newest| newest.max(at_us)));
        }
        self.n_old += u64::from(moments.is_known(at_us));
    }

    pub(crate) fn refuse(&mut self, kind: Kind, moments: &Moments, row: &RecordRef<'_>) {
        self.tally.refuse(kind);
        if let (Kind::Other, Some(km), None) = (kind, row.distance_km, row.travel_time_s) {
            self.without_time_km.add(km);
        }
        if let (Kind::Value, Some(km), Some(s)) = (kind, row.distance_km, row.travel_time_s) {
            self.refused.add(km, s);
            if moments.is_fresh(row) {
                self.fresh.add(km, s);
            }
            if let Some(at_us) = row.occurred_at_us {
                self.note_recent(moments, at_us, km, s);
            }
        }
    }

    fn note_recent(&mut self, moments: &Moments, at_us: i64, km: f64, s: f64) {
        for (horizon, values) in self.recent.iter_mut().enumerate() {
            let since = moments.recent_since(horizon);
            if since.is_some_and(|since| at_us > since.as_microsecond()) {
                values.add(km, s);
            }
        }
    }

    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.oldest_us.and_then(|us| Timestamp::from_microsecond(us).ok())
    }

    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.newest_us.and_then(|us| Timestamp::from_microsecond(us).ok())
    }
}

/// What is noted of all rows.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// When the run looks.
    pub moments: Moments,
    units: Units,
    /// All rows.
    pub total: Tally,
    /// Those newer than the published set's newest.
    pub fresh: Tally,
    /// Accepted rows of the future.
    pub n_future: u64,
    /// The longest time of an accepted row, s, and how many have it.
    pub longest: (f64, u64),
    /// Times that are whole numbers of a hundred and more, and those of them whose last two digits are
    /// sixty and more.
    pub above_59: (u64, u64),
    pub(crate) fresh_values: Values,
    pub(crate) trial: Trial,
    pub(crate) fresh_trial: Trial,
    pub(crate) repeats: Repeats,
    /// Texts that could not be read, each with its column.
    pub(crate) unread: BTreeSet<(String, String)>,
    /// Other faults of rows that could not be read.
    pub(crate) faults: BTreeSet<String>,
}

impl Watch {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(moments: Moments, units: Units) -> Self {
        Self { moments, units, ..Self::default() }
    }

    pub(crate) fn accept(&mut self, row: &RecordRef<'_>, km: f64, s: f64) {
        self.total.n_used += 1;
        self.note_form(s);
        if self.moments.is_fresh(row) {
            self.fresh.n_used += 1;
            self.fresh_values.add(km, s);
        }
        let latest_us = self.moments.now.as_microsecond().saturating_add(CLOCKS_DIFFER_US);
        self.n_future += u64::from(row.occurred_at_us.is_some_and(|at_us| at_us > latest_us));
    }

    fn note_form(&mut self, s: f64) {
        if s > self.longest.0 {
            self.longest = (s, 0);
        }
        self.longest.1 += u64::from(s == self.longest.0);
        let written = s / self.units.time_s;
        if written >= 100.0 && written.fract() == 0.0 {
            self.above_59.0 += 1;
            self.above_59.1 += u64::from(written % 100.0 >= 60.0);
        }
    }

    pub(crate) fn refuse(&mut self, kind: Kind, row: &RecordRef<'_>, limits: &Limits) {
        self.total.refuse(kind);
        let is_fresh = self.moments.is_fresh(row);
        if is_fresh {
            self.fresh.refuse(kind);
        }
        match (kind, row.distance_km, row.travel_time_s) {
            (Kind::Value, Some(km), Some(s)) => {
                self.trial.add(limits, self.units, km, s);
                if is_fresh {
                    self.fresh_trial.add(limits, self.units, km, s);
                    self.fresh_values.add(km, s);
                }
            }
            (Kind::Unreadable, _, _) => self.note_fault(fault_of(row).unwrap_or_default()),
            _ => {}
        }
    }

    /// Counts anew from the groups that are left: the rest was not asked for. What of it is new is not
    /// known any more.
    pub(crate) fn forget_others<'a>(
        &mut self,
        groups: impl Iterator<Item = (usize, &'a GroupWatch)>,
    ) {
        self.fresh = Tally::default();
        self.fresh_values = Values::default();
        self.total = groups.fold(Tally::default(), |sum, (n_used, group)| Tally {
            n_used: sum.n_used + n_used as u64,
            n_values: sum.n_values + group.tally.n_values,
            n_zeros: sum.n_zeros + group.tally.n_zeros,
            n_unreadable: sum.n_unreadable + group.tally.n_unreadable,
            n_others: sum.n_others + group.tally.n_others,
        });
    }

    fn note_fault(&mut self, fault: &str) {
        match unread::value_of(fault) {
            Some((value, column)) => {
                note(&mut self.unread, (value.to_owned(), column.to_owned()));
            }
            None => note(&mut self.faults, fault.to_owned()),
        }
    }
}

/// Keeps the smallest few.
fn note<T: Ord>(kept: &mut BTreeSet<T>, new: T) {
    kept.insert(new);
    if kept.len() > MAX_EXAMPLES {
        kept.pop_last();
    }
}
