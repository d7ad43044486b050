//! Rules on the form of the values, on the first night too: one value for many, times that do not follow
//! the distance, times that are missing where the way is long, minutes and seconds in one number, a
//! record that outweighs the rest.

use super::drift::Recent;
use super::histogram::Values;
use super::refused::share;
use super::shift::{figure, weighted_median};
use super::watch::GroupWatch;
use super::{FittedGroup, Night, count, names, percent, refuse, warn};
use crate::domain::observed::Percentiles;
use crate::domain::{GateFinding, GateRule, Observed};

/// Rows of a group from which on the form of its values is looked at.
const MIN_GROUP: u64 = 30;

/// Rows in such groups from which on something is said.
const MIN_ROWS: u64 = 300;

/// Share of the rows of a group that may be one value, to four per cent of it.
const MAX_ONE_VALUE: f64 = 0.6;

/// Share of the records that may have the longest time to the second, refused and said.
const MAX_LONGEST: f64 = 0.1;
const WARN_LONGEST: f64 = 0.05;
const MIN_LONGEST: u64 = 20;

/// Least correlation between the logarithms of distance and time: the city at hand where they have
/// least to do with each other has 0.33.
const MIN_CORRELATION: f64 = 0.15;

/// Least spread of the distances, ln of the 90th percentile over the 10th, in which that shows.
const MIN_SPREAD: f64 = 0.5;

/// Share of rows without a time from which on their distances are looked at, and by what factor their
/// median may be longer: that of the city at hand with most of them is 1.23.
const MIN_MISSING: f64 = 0.05;
const MAX_MISSING_FACTOR: f64 = 1.5;

/// Share of times of a hundred and more whose last two digits are sixty and more, under which they are
/// no numbers of seconds: two in five are.
const MIN_ABOVE_59: f64 = 0.01;

/// Rows of a group from which on one of them may not have more than half of the weight.
const MIN_WEIGHED: u64 = 20;
const MAX_WEIGHT: f64 = 0.5;

/// What else is looked at in a group's rows.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Its newest rows beside the rest.
    pub(super) recent: Recent,
    /// Rows with a distance and a time.
    n: u64,
    /// The most common distance and time: how many rows have it, and its bin.
    top: [Option<(u64, f64, f64)>; 2],
    /// Rows with a distance and no time, and their median distance over that of the others.
    missing: Option<(u64, f64)>,
    /// The largest share of the weight that one row has.
    heaviest: f64,
}

impl Shape {
    /// Of all rows of a group that have a distance and a time.
    pub(super) fn of(watch: &GroupWatch, all: &Values) -> Self {
        let without_time = &watch.without_time_km;
        let missing = without_time.percentiles().zip(all.distance_km.percentiles());
        Self {
            recent: Recent::of(watch, all),
            n: all.n(),
            top: [all.distance_km.fullest(), all.travel_time_s.fullest()],
            missing: missing.map(|(without, with)| (without_time.n(), without.p50 / with.p50)),
            heaviest: watch.heaviest / watch.weight.max(f64::MIN_POSITIVE),
        }
    }

    /// What is wrong with the weights of a group's records.
    pub(super) fn weight_objection(&self, n_used: u64) -> Option<String> {
        (n_used >= MIN_WEIGHED && self.heaviest > MAX_WEIGHT).then(|| {
            format!("one of its {n_used} records has {} of the weight", percent(self.heaviest))
        })
    }
}

impl Night<'_> {
    /// One value for many: a default, a column that does not measure, times that are cut at a limit.
    pub(super) fn constant(&self) -> Option<GateFinding> {
        if !self.is_enough(self.watch.total.n_used) {
            return None;
        }
        let rule = GateRule::Constant;
        let remedy = || rule.remedy();
        if let Some((share, low, high)) = self.one_value(0) {
            let (low, high, share) = (figure(low), figure(high), percent(share));
            let message = format!("the distance is {low} to {high} km in {share} of the records");
            return Some(refuse(rule, message, remedy()));
        }
        if let Some((share, low, high)) = self.one_value(1) {
            let (low, high, share) = (figure(low), figure(high), percent(share));
            let message = format!("the travel time is {low} to {high} s in {share} of the records");
            return Some(refuse(rule, message, remedy()));
        }
        let (s, n) = self.watch.longest;
        let share = share(n, self.watch.total.n_used);
        let message = || {
            let s = figure(s);
            format!("{} of the records have the longest travel time, {s} s", percent(share))
        };
        if share > MAX_LONGEST {
            return Some(refuse(rule, message(), remedy()));
        }
        (share > WARN_LONGEST && n >= MIN_LONGEST).then(|| warn(rule, message()))
    }

    /// The share of the rows that have the most common value of their group, and that of the largest.
    fn one_value(&self, column: usize) -> Option<(f64, f64, f64)> {
        let of_group = |shape: &Shape| Some((shape.n, shape.top.get(column).copied().flatten()?));
        let shapes = self.groups.iter().map(|group| &group.shape);
        let large: Vec<_> = shapes.filter(|of| of.n >= MIN_GROUP).filter_map(of_group).collect();
        let n_all: u64 = self.groups.iter().map(|group| group.shape.n).sum();
        let n_large: u64 = large.iter().map(|(n, _)| n).sum();
        let n_top: u64 = large.iter().map(|(_, (n, ..))| n).sum();
        let (_, (_, low, high)) = large.iter().max_by_key(|(n, _)| *n)?;
        let share = share(n_top, n_large);
        (2 * n_large >= n_all && share > MAX_ONE_VALUE).then_some((share, *low, *high))
    }

    /// Times that have nothing to do with the distance: columns of other trips, rows out of step.
    pub(super) fn unrelated(&self) -> Option<GateFinding> {
        let each = self.groups.iter().filter(|group| group.shape.n >= MIN_GROUP);
        let each: Vec<(f64, f64)> = each
            .filter_map(|group| Some((correlation(&group.observed)?, group.shape.n as f64)))
            .collect();
        let n: f64 = each.iter().map(|(_, n)| n).sum();
        if n < MIN_ROWS as f64 {
            return None;
        }
        let middle = weighted_median(each);
        (middle < MIN_CORRELATION).then(|| {
            let message = format!(
                "travel times have nothing to do with the distance: their logarithms are correlated \
                 by {middle:.2}, and at least {MIN_CORRELATION} is expected"
            );
            refuse(GateRule::Unrelated, message, GateRule::Unrelated.remedy())
        })
    }

    /// Minutes and seconds written without what separates them.
    pub(super) fn clock_times(&self) -> Option<GateFinding> {
        let (n, n_above) = self.watch.above_59;
        let is_usual = 2 * n >= self.watch.total.n_used;
        if !is_usual || !self.is_enough(n) || share(n_above, n) >= MIN_ABOVE_59 {
            return None;
        }
        let message = format!(
            "of {} travel times of 100 and more {} end in 60 to 99: they look like minutes and seconds \
             without a separator",
            count(n),
            count(n_above)
        );
        Some(refuse(GateRule::ClockTimes, message, GateRule::ClockTimes.remedy()))
    }

    /// Records that outweigh all others of their group, each of which the judge holds back as well.
    pub(super) fn weights(&self) -> Option<GateFinding> {
        let is_outweighed =
            |group: &&FittedGroup| group.shape.weight_objection(group.n_used).is_some();
        let each = self.groups.iter().filter(is_outweighed);
        let all: Vec<String> = each.map(|group| group.key.region.clone()).collect();
        (!all.is_empty()).then(|| {
            let message = format!("one record has more than half of the weight in {}", names(all));
            warn(GateRule::Weights, message)
        })
    }

    /// Times that are missing where the way is long: what is left is a selection by value.
    pub(super) fn missing_where_far(&self) -> Option<String> {
        let missing = self.groups.iter().filter_map(|group| group.shape.missing);
        let missing: Vec<(f64, f64)> = missing.map(|(n, factor)| (factor, n as f64)).collect();
        let n: u64 = self.groups.iter().filter_map(|group| Some(group.shape.missing?.0)).sum();
        let n_all = self.watch.total.n_rows();
        let factor = weighted_median(missing);
        let is_selection = self.is_enough(n)
            && share(n, n_all) > MIN_MISSING
            && !(1.0 / MAX_MISSING_FACTOR..=MAX_MISSING_FACTOR).contains(&factor);
        is_selection.then(|| {
            format!(
                "{} of {} rows have no travel time, {}, and their median distance is {} times that of \
                 the others: what is left is a selection",
                count(n),
                count(n_all),
                percent(share(n, n_all)),
                figure(factor)
            )
        })
    }
}

/// The correlation of the logarithms of distance and time, from the spreads of both and of the speed,
/// which is their difference (Gnanadesikan and Kettenring, 1972).
fn correlation(of: &Observed) -> Option<f64> {
    let spread = |p: Percentiles| (p.p90 / p.p10).ln();
    let [km, s, kmh] = [spread(of.distance_km?), spread(of.travel_time_s?), spread(of.speed_kmh?)];
    (km > MIN_SPREAD && s > 0.0).then(|| (km * km + s * s - kmh * kmh) / (2.0 * km * s))
}
