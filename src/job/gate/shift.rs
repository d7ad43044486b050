//! Rules on distances, times and speeds as a whole: another unit, another column, another point.

use super::drift::Recent;
use super::units::{DISTANCES, TIMES, Unit, Units, set_to, unit_by_factor};
use super::{Night, refuse, warn};
use crate::domain::observed::Percentiles;
use crate::domain::{GateFinding, GateRule, Observed};

/// Rows of a group from which on its percentiles are compared.
const MIN_GROUP: u64 = 30;

/// Share of the rows that must be in groups that can be compared.
const MIN_COMPARED: f64 = 0.5;

/// Factor by which one column may move while the other is in another unit.
const STEADY: f64 = 1.4;

/// How much of such a move the speed must have made, in logarithms.
const SPEED_FOLLOWS: f64 = 0.75;

/// Factor of the medians from which on it is said that they moved, where nothing else is wrong.
const WARN_FACTOR: f64 = 1.25;

/// Rows from which on that is said.
const MIN_WARNED: u64 = 500;

/// Distances, times and speeds over those of the published set: their 10th, 50th and 90th percentiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    pub(super) distance: [f64; 3],
    pub(super) time: [f64; 3],
    pub(super) speed: [f64; 3],
}

/// A column that is in another unit.
pub(super) struct OtherUnit {
    what: &'static str,
    key: &'static str,
    unit: Unit,
    factor: f64,
}

impl OtherUnit {
    pub(super) fn message(&self) -> String {
        let Self { what, unit, factor, .. } = self;
        let factor = figure(*factor);
        format!(
            "the {what} are {factor} times those of the published set, as {} would be",
            unit.name
        )
    }

    pub(super) fn unit_name(&self) -> &'static str {
        self.unit.name
    }

    /// What to do where only some of the rows are in that unit.
    pub(super) fn remedy_of_rows(&self) -> String {
        format!(
            "convert the newest {} at their source: the older ones are in the unit of `{}`",
            self.what, self.key
        )
    }

    pub(super) fn remedy(&self) -> String {
        set_to(self.key, self.unit)
    }
}

impl Shift {
    pub(super) fn of(now: &Observed, before: &Observed) -> Option<Self> {
        let of = |now: Option<Percentiles>, before: Option<Percentiles>| {
            let ratios = now?.ratios(&before?);
            ratios.iter().all(|ratio| *ratio > 0.0 && ratio.is_finite()).then_some(ratios)
        };
        Some(Self {
            distance: of(now.distance_km, before.distance_km)?,
            time: of(now.travel_time_s, before.travel_time_s)?,
            speed: of(now.speed_kmh, before.speed_kmh)?,
        })
    }

    /// The unit by which the whole of one column is off, while the other is as it was.
    pub(super) fn other_unit(&self, units: Units) -> Option<OtherUnit> {
        let is_steady = |ratios: &[f64; 3]| (1.0 / STEADY..=STEADY).contains(&ratios[1]);
        let whole = |known: &[Unit; 4], size: f64, ratios: &[f64; 3]| {
            let unit = unit_by_factor(known, size, ratios[1])?;
            let is_all = ratios.iter().all(|&r| unit_by_factor(known, size, r) == Some(unit));
            is_all.then_some(unit)
        };
        // A shorter way takes less time; in another unit only the speed follows.
        let follows =
            |ratios: &[f64; 3]| self.speed[1].ln().abs() > SPEED_FOLLOWS * ratios[1].ln().abs();
        if is_steady(&self.time)
            && follows(&self.distance)
            && let Some(unit) = whole(&DISTANCES, units.distance_km, &self.distance)
        {
            let (what, key) = ("distances", "columns.distance_unit");
            return Some(OtherUnit { what, key, unit, factor: self.distance[1] });
        }
        if is_steady(&self.distance)
            && follows(&self.time)
            && let Some(unit) = whole(&TIMES, units.time_s, &self.time)
        {
            let (what, key) = ("travel times", "columns.time_unit");
            return Some(OtherUnit { what, key, unit, factor: self.time[1] });
        }
        None
    }

    /// What has moved furthest: its name, which percentile, and the factor.
    pub(super) fn furthest(&self) -> (&'static str, &'static str, f64) {
        let all =
            [("distances", self.distance), ("travel times", self.time), ("speeds", self.speed)];
        let each = all.iter().flat_map(|(what, ratios)| {
            let which = ["10th percentile", "median", "90th percentile"];
            which.into_iter().zip(*ratios).map(move |(which, ratio)| (*what, which, ratio))
        });
        let off = |ratio: f64| ratio.ln().abs();
        let furthest = each.max_by(|a, b| off(a.2).total_cmp(&off(b.2)));
        furthest.unwrap_or(("distances", "median", 1.0))
    }
}

/// Four significant digits at the most, without zeros behind them.
pub(super) fn figure(factor: f64) -> String {
    match factor {
        f if f >= 100.0 => format!("{f:.0}"),
        f if f >= 0.1 => format!("{f:.2}"),
        f => format!("{f:.2e}"),
    }
}

/// What is wrong with the unit of one group, where that is so.
pub(super) fn of_group(now: &Observed, before: &Observed, units: Units) -> Option<String> {
    let is_enough = |of: &Observed| of.n_used + of.n_refused_values >= MIN_GROUP;
    if !is_enough(now) || !is_enough(before) {
        return None;
    }
    let other = Shift::of(now, before)?.other_unit(units)?;
    Some(format!("{}: {}", other.message(), other.remedy()))
}

/// What is wrong with the unit of a group's newest rows.
pub(super) fn of_newest(recent: &Recent, units: Units) -> Option<String> {
    recent.shifts().find_map(|(days, shift)| {
        let other = shift.other_unit(units)?;
        let (what, factor) = (other.what, figure(other.factor));
        Some(format!(
            "in its last {days} days the {what} are {factor} times those before, as {} would be: {}",
            other.unit_name(),
            other.remedy_of_rows()
        ))
    })
}

impl Night<'_> {
    /// The shift of most groups, by their rows: the median over the groups that can be compared, so
    /// that it does not matter how many records each of them has this time.
    pub(super) fn shift(&self) -> Option<Shift> {
        let rows = |of: &Observed| of.n_used + of.n_refused_values;
        let mut compared: Vec<(Shift, f64)> = Vec::new();
        let mut n_all = 0.0;
        for group in self.groups {
            let now = &group.observed;
            n_all += rows(now) as f64;
            let before = self.before.get(&group.key);
            let before = before.filter(|of| rows(of) >= MIN_GROUP && rows(now) >= MIN_GROUP);
            if let Some(shift) = before.and_then(|before| Shift::of(now, before)) {
                compared.push((shift, rows(now) as f64));
            }
        }
        let n_compared: f64 = compared.iter().map(|(_, n)| n).sum();
        if n_compared == 0.0 || n_compared < MIN_COMPARED * n_all {
            return None;
        }
        let of = |ratios: fn(&Shift) -> &[f64; 3]| {
            [0, 1, 2].map(|i| {
                weighted_median(compared.iter().map(|(shift, n)| (ratios(shift)[i], *n)).collect())
            })
        };
        Some(Shift {
            distance: of(|s| &s.distance),
            time: of(|s| &s.time),
            speed: of(|s| &s.speed),
        })
    }

    pub(super) fn distribution(&self) -> Option<GateFinding> {
        let (rule, limit) = (GateRule::Distribution, self.rules.max_distribution_factor);
        let shift = self.shift().filter(|_| limit > 0.0 && self.is_comparable())?;
        let (what, which, factor) = shift.furthest();
        if (1.0 / limit..=limit).contains(&factor) {
            return self.moved(&shift);
        }
        if let Some(other) = shift.other_unit(self.rules.units) {
            return Some(refuse(rule, other.message(), other.remedy()));
        }
        let message = format!(
            "the {which} of the {what} is {} times that of the published set, and the limit is a \
             factor of {limit}",
            figure(factor)
        );
        let remedy = format!("{}; or raise `gate.max_distribution_factor`", rule.remedy());
        Some(refuse(rule, message, remedy))
    }

    /// Medians that moved by more than the records of one night should move them.
    fn moved(&self, shift: &Shift) -> Option<GateFinding> {
        let n_used = self.watch.total.n_used;
        let medians = [("distance", shift.distance[1]), ("travel time", shift.time[1])];
        let is_moved = |ratio: f64| !(1.0 / WARN_FACTOR..=WARN_FACTOR).contains(&ratio);
        let (what, factor) = medians.into_iter().find(|(_, ratio)| is_moved(*ratio))?;
        (n_used >= MIN_WARNED && self.before.n_used() >= MIN_WARNED).then(|| {
            let factor = figure(factor);
            let message = format!("the median {what} is {factor} times that of the published set");
            warn(GateRule::Distribution, message)
        })
    }
}

/// The value below which half of the weight lies; 1 where there is none.
pub(super) fn weighted_median(mut values: Vec<(f64, f64)>) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, n)| n).sum::<f64>() / 2.0;
    let mut n_before = 0.0;
    let found = values.iter().find(|(_, n)| {
        n_before += n;
        n_before >= half
    });
    found.map_or(1.0, |(value, _)| *value)
}
