//! Which records enter a fit: the checks, in their documented order.

use std::collections::BTreeSet;

use super::record::RecordRef;
use super::refusal::RefusalReason;
use super::window::Window;

/// What a record must satisfy. The defaults are those of `docs/model.md`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Shortest travel time, s.
    pub min_time_s: f64,
    /// Longest travel time, s.
    pub max_time_s: f64,
    /// Shortest distance, km.
    pub min_distance_km: f64,
    /// Longest distance, km.
    pub max_distance_km: f64,
    /// Slowest mean speed, km/h.
    pub min_speed_kmh: f64,
    /// Fastest mean speed, km/h.
    pub max_speed_kmh: f64,
    /// The run's window; a record without a time stamp is refused only where this has an end or
    /// `needs_time` is set.
    pub window: Window,
    /// Whether groups are told apart by time of week.
    pub needs_time: bool,
    /// Whether the model reads lengths by class of road.
    pub needs_lengths: bool,
    /// The regions that are known; `None` takes every name.
    pub known_regions: Option<BTreeSet<String>>,
    /// Groups that the records may make at the most: of region, band and priority class.
    pub max_groups: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_time_s: 10.0,
            max_time_s: 7200.0,
            min_distance_km: 0.05,
            max_distance_km: 60.0,
            min_speed_kmh: 1.0,
            max_speed_kmh: 160.0,
            window: Window::ALL,
            needs_time: false,
            needs_lengths: false,
            known_regions: None,
            max_groups: Self::MAX_GROUPS,
        }
    }
}

/// Weights that may be summed and squared: those of an ordinary number of single precision, in which
/// records are held. Beyond, a weight would become infinite, and below it would lose its digits.
const WEIGHTS: std::ops::RangeInclusive<f64> = f32::MIN_POSITIVE as f64..=f32::MAX as f64;

/// An accepted record: every field present, finite and plausible, and so in single precision too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accepted<'a> {
    /// Region's name, trimmed.
    pub region: &'a str,
    /// Distance, km; the sum of the lengths where it is null and they are needed and there.
    pub distance_km: f64,
    /// Travel time, s.
    pub travel_time_s: f64,
    /// Like records that it stands for.
    pub weight: f64,
}

impl Limits {
    /// Characters of a region's name at the most: the width of its column in the store.
    pub const MAX_REGION_CHARS: usize = 200;
    /// Groups of a run where nothing else is said: ten times the districts of the largest country, and
    /// far fewer than a year has incidents.
    pub const MAX_GROUPS: usize = 20_000;

    /// Accepts a record, or says which check it failed first.
    ///
    /// # Errors
    /// The first reason, in the order of [`RefusalReason`].
    pub fn check<'a>(&self, row: &RecordRef<'a>) -> Result<Accepted<'a>, RefusalReason> {
        use RefusalReason as R;
        let (from_us, to_us) = self.window.bounds_us();
        if row.occurred_at_us.is_some_and(|at| at < from_us || at >= to_us) {
            return Err(R::OutsideWindow);
        }
        if let Some(fault) = row.fault {
            return Err(fault.reason);
        }
        let region = row.region.map(str::trim).filter(|name| !name.is_empty());
        let distance_km = row.distance_km.or_else(|| self.sum_of_lengths(row));
        let (Some(region), Some(distance_km), Some(travel_time_s)) =
            (region, distance_km, row.travel_time_s)
        else {
            return Err(R::NullField);
        };
        if !self.has_needed_time(row) {
            return Err(R::NullField);
        }
        let weight = row.weight.unwrap_or(1.0);
        if ![distance_km, travel_time_s, weight].iter().all(|x| x.is_finite()) {
            return Err(R::NonFinite);
        }
        self.check_trip(distance_km, travel_time_s)?;
        if !self.knows(region) {
            return Err(R::UnknownRegion);
        }
        if weight <= 0.0 {
            return Err(R::WeightNotPositive);
        }
        if !WEIGHTS.contains(&weight) {
            return Err(R::WeightOutOfRange);
        }
        if self.needs_lengths && !are_lengths(row.lengths_km) {
            return Err(R::LengthInvalid);
        }
        Ok(Accepted { region, distance_km, travel_time_s, weight })
    }

    /// Whether the time stamp is there, or not needed.
    fn has_needed_time(&self, row: &RecordRef<'_>) -> bool {
        row.occurred_at_us.is_some() || (!self.needs_time && self.window.is_unbounded())
    }

    /// Whether a row that was refused for that reason still shows that its region had a response in
    /// the window. A row that cannot be read shows nothing: its cells may stand in the wrong columns.
    /// Neither does one of which nobody knows when it occurred, where that matters.
    #[must_use]
    pub fn shows_region(&self, row: &RecordRef<'_>, reason: RefusalReason) -> bool {
        let is_certain = !reason.is_unreadable() && reason != RefusalReason::OutsideWindow;
        is_certain && self.has_needed_time(row)
    }

    fn sum_of_lengths(&self, row: &RecordRef<'_>) -> Option<f64> {
        let is_told = self.needs_lengths && are_lengths(row.lengths_km);
        is_told.then(|| row.lengths_km.iter().flatten().sum())
    }

    fn check_trip(&self, distance_km: f64, travel_time_s: f64) -> Result<(), RefusalReason> {
        use RefusalReason as R;
        let speed_kmh = distance_km * 3600.0 / travel_time_s;
        let checks = [
            (travel_time_s <= 0.0, R::TimeNotPositive),
            (travel_time_s < self.min_time_s.max(f32::MIN_POSITIVE.into()), R::TimeTooShort),
            (travel_time_s > self.max_time_s.min(f32::MAX.into()), R::TimeTooLong),
            (distance_km < self.min_distance_km, R::DistanceTooShort),
            (distance_km > self.max_distance_km, R::DistanceTooLong),
            (speed_kmh < self.min_speed_kmh, R::SpeedImplausible),
            (speed_kmh > self.max_speed_kmh, R::SpeedImplausible),
        ];
        checks.iter().find(|(failed, _)| *failed).map_or(Ok(()), |(_, reason)| Err(*reason))
    }

    /// Whether a region may have that name at all.
    #[must_use]
    pub fn is_region_name(name: &str) -> bool {
        // Bytes first: a text of megabytes is not counted through.
        name.len() <= 4 * Self::MAX_REGION_CHARS
            && name.chars().count() <= Self::MAX_REGION_CHARS
            && !name.chars().any(char::is_control)
    }

    /// Whether a region of that name may have a group.
    #[must_use]
    pub fn knows(&self, region: &str) -> bool {
        Self::is_region_name(region)
            && self.known_regions.as_ref().is_none_or(|known| known.contains(region))
    }
}

/// Whether there is a length for every class, none negative, and not all zero.
fn are_lengths(lengths_km: &[Option<f64>]) -> bool {
    let is_length = |km: &Option<f64>| km.is_some_and(|km| km >= 0.0 && km.is_finite());
    lengths_km.iter().all(is_length) && lengths_km.iter().flatten().any(|km| *km > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RowFault;
    use RefusalReason as R;

    fn row() -> RecordRef<'static> {
        RecordRef {
            region: Some(" A/B? "),
            distance_km: Some(2.0),
            travel_time_s: Some(240.0),
            ..RecordRef::default()
        }
    }

    #[test]
    fn first_failed_check_names_the_reason() {
        let limits = Limits::default();
        let check = |change: &dyn Fn(&mut RecordRef<'static>), expected: Option<R>| {
            let mut row = row();
            change(&mut row);
            assert_eq!(limits.check(&row).err(), expected, "{row:?}");
        };
        check(&|_| {}, None);
        check(&|r| r.fault = Some(RowFault::row("x")), Some(R::Unreadable));
        check(&|r| r.region = Some("  "), Some(R::NullField));
        check(&|r| r.distance_km = None, Some(R::NullField));
        check(&|r| r.travel_time_s = Some(f64::NAN), Some(R::NonFinite));
        check(&|r| r.distance_km = Some(f64::INFINITY), Some(R::NonFinite));
        check(&|r| r.travel_time_s = Some(0.0), Some(R::TimeNotPositive));
        check(&|r| r.travel_time_s = Some(-5.0), Some(R::TimeNotPositive));
        check(&|r| r.travel_time_s = Some(9.9), Some(R::TimeTooShort));
        check(&|r| r.travel_time_s = Some(41_760.0), Some(R::TimeTooLong));
        check(&|r| r.distance_km = Some(0.049), Some(R::DistanceTooShort));
        check(&|r| r.distance_km = Some(-1.0), Some(R::DistanceTooShort));
        check(&|r| r.distance_km = Some(287_944.0), Some(R::DistanceTooLong));
        check(&|r| r.distance_km = Some(0.06), Some(R::SpeedImplausible));
        check(&|r| r.distance_km = Some(40.0), Some(R::SpeedImplausible));
        check(&|r| r.region = Some("a\u{7}b"), Some(R::UnknownRegion));
        check(&|r| r.weight = Some(0.0), Some(R::WeightNotPositive));
        check(&|r| r.weight = Some(1e39), Some(R::WeightOutOfRange));
        check(&|r| r.weight = Some(1e-46), Some(R::WeightOutOfRange));
        check(&|r| r.weight = Some(1e30), None);
        check(&|r| r.weight = Some(1e-30), None);
    }

    /// Whatever is accepted is a positive number in the precision in which it is held.
    #[test]
    fn limits_may_be_wide_but_not_wider_than_single_precision() {
        let limits = Limits {
            min_time_s: 0.0,
            max_time_s: f64::MAX,
            min_speed_kmh: 0.0,
            max_speed_kmh: f64::MAX,
            ..Limits::default()
        };
        let check = |time: f64, expected: Option<R>| {
            let row = RecordRef { travel_time_s: Some(time), ..row() };
            assert_eq!(limits.check(&row).err(), expected, "{time}");
        };
        check(1e-46, Some(R::TimeTooShort));
        check(1e-30, None);
        check(1e30, None);
        check(1e39, Some(R::TimeTooLong));
    }

    #[test]
    fn lengths_are_looked_at_where_they_are_needed() {
        let limits = Limits { needs_lengths: true, ..Limits::default() };
        let check = |lengths_km: &'static [Option<f64>], expected: Option<R>| {
            let row = RecordRef { lengths_km, ..row() };
            assert_eq!(limits.check(&row).err(), expected, "{lengths_km:?}");
            assert_eq!(Limits::default().check(&row).err(), None);
        };
        check(&[Some(1.0), Some(0.0)], None);
        check(&[], Some(R::LengthInvalid));
        check(&[Some(1.0), None], Some(R::LengthInvalid));
        check(&[Some(1.0), Some(-0.1)], Some(R::LengthInvalid));
        check(&[Some(1.0), Some(f64::NAN)], Some(R::LengthInvalid));
        check(&[Some(1.0), Some(f64::INFINITY)], Some(R::LengthInvalid));
        check(&[Some(0.0), Some(0.0)], Some(R::LengthInvalid));
        let no_distance = RecordRef { distance_km: None, ..row() };
        let whole = RecordRef { lengths_km: &[Some(1.5), Some(1.0)], ..no_distance };
        assert_eq!(limits.check(&whole).unwrap().distance_km, 2.5);
        assert_eq!(Limits::default().check(&whole).err(), Some(R::NullField));
        let part = RecordRef { lengths_km: &[Some(1.5), None], ..no_distance };
        assert_eq!(limits.check(&part).err(), Some(R::NullField));
    }

    #[test]
    fn window_is_half_open_and_known_regions_hold() {
        let window = Window {
            from: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            to: Some("2026-02-01T00:00:00Z".parse().unwrap()),
        };
        let limits = Limits { window, ..Limits::default() };
        let at = |text: &str| {
            let at: jiff::Timestamp = text.parse().unwrap();
            limits.check(&RecordRef { occurred_at_us: Some(at.as_microsecond()), ..row() }).err()
        };
        assert_eq!(at("2026-01-01T00:00:00Z"), None);
        assert_eq!(at("2026-02-01T00:00:00Z"), Some(R::OutsideWindow));
        assert_eq!(at("2025-12-31T23:59:59.999999Z"), Some(R::OutsideWindow));
        assert_eq!(limits.check(&row()).err(), Some(R::NullField));
        // Outside, nothing else that is wrong with a row counts: a database never shows it.
        let old = RecordRef { occurred_at_us: Some(0), ..row() };
        let faulty = RecordRef { fault: Some(RowFault::row("x")), ..old };
        assert_eq!(limits.check(&faulty).err(), Some(R::OutsideWindow));
        let long = RecordRef { travel_time_s: Some(1e6), ..old };
        assert_eq!(limits.check(&long).err(), Some(R::OutsideWindow));
        let known = Some(BTreeSet::from(["B".to_owned()]));
        let limits = Limits { known_regions: known, ..Limits::default() };
        assert_eq!(limits.check(&row()).err(), Some(R::UnknownRegion));
    }
}
