//! The rule on the newest rows beside the rest of the window. It needs no published set, and one that a
//! fault has moved night by night does not blind it.

use super::histogram::{Histogram, Values};
use super::refused::share;
use super::shift::{Shift, figure};
use super::watch::{GroupWatch, RECENT_DAYS};
use super::{Night, count, percent, refuse, warn};
use crate::domain::observed::Percentiles;
use crate::domain::{GateFinding, GateRule, Observed};

/// Older rows of a group from which on its newest are measured by their median.
const MIN_OLDER: u64 = 10;

/// Newest rows, and older ones, from which on something is said of them.
const MIN_RECENT: u64 = 50;
const MIN_OLDER_IN_ALL: u64 = 200;

/// Rows of a group from which on it is said that its newest are in another unit.
const MIN_GROUP: u64 = 30;

/// Factor by which times and speeds may differ at least: a week of storm may slow a city down by half.
const MAX_TIME_FACTOR: f64 = 2.0;

/// Factor of a median from which on it is said.
const WARN_FACTOR: f64 = 1.25;

/// Share of the newest rows that may have one time, to four per cent of it: whole minutes give a third
/// in a small town.
const MAX_ONE_TIME: f64 = 0.4;

/// How unlikely chance must be, in standard deviations of the number of rows below a percentile.
const MIN_DEVIATIONS: f64 = 4.0;

/// The newest rows of a group beside its older ones, whatever the published set says.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    /// Distances, times and speeds of the last week, each over the median of the older rows.
    relative: Values,
    /// Travel times of the last week, s.
    times: Histogram,
    /// The 10th and 90th percentile of the older rows over their median, of the same three.
    usual: Option<[[f64; 2]; 3]>,
    n_older: u64,
    /// The last week, and the last four, over what was before.
    shifts: [Option<Shift>; 2],
}

impl Recent {
    /// Of all rows of a group that have a distance and a time.
    pub(super) fn of(watch: &GroupWatch, all: &Values) -> Self {
        let [week, month] = &watch.recent;
        let older = all.without(week);
        let shifts = [shift(week, &older), shift(month, &all.without(month))];
        let n_older = older.n();
        let percentiles = older.percentiles().filter(|_| n_older >= MIN_OLDER && week.n() > 0);
        let Some(percentiles) = percentiles else { return Self { shifts, ..Self::default() } };
        let [km, s, kmh] = percentiles;
        let relative = Values {
            distance_km: week.distance_km.over(km.p50),
            travel_time_s: week.travel_time_s.over(s.p50),
            speed_kmh: week.speed_kmh.over(kmh.p50),
        };
        let usual = percentiles.map(|p| [p.p10 / p.p50, p.p90 / p.p50]);
        let times = week.travel_time_s.clone();
        Self { relative, times, usual: Some(usual), n_older, shifts }
    }

    /// The shift of one horizon that is another unit's, and how many days it spans.
    pub(super) fn shifts(&self) -> impl Iterator<Item = (i64, &Shift)> {
        RECENT_DAYS
            .into_iter()
            .zip(&self.shifts)
            .filter_map(|(days, shift)| Some((days, shift.as_ref()?)))
    }
}

fn shift(recent: &Values, older: &Values) -> Option<Shift> {
    let is_enough = recent.n() >= MIN_GROUP && older.n() >= MIN_GROUP;
    if is_enough { Shift::of(&measured(recent), &measured(older)) } else { None }
}

fn measured(values: &Values) -> Observed {
    Observed {
        n_used: values.n(),
        distance_km: values.distance_km.percentiles(),
        travel_time_s: values.travel_time_s.percentiles(),
        speed_kmh: values.speed_kmh.percentiles(),
        ..Observed::default()
    }
}

/// One percentile of one quantity of the newest rows of all groups.
struct Moved {
    what: &'static str,
    which: &'static str,
    factor: f64,
}

impl Night<'_> {
    pub(super) fn drift(&self) -> Option<GateFinding> {
        let limit = self.rules.max_distribution_factor;
        let (mut relative, mut times) = (Values::default(), Histogram::default());
        let (mut n_older, mut weight) = (0, 0.0);
        let mut usual = [[0.0; 2]; 3];
        for recent in self.groups.iter().map(|group| &group.shape.recent) {
            let Some(of_group) = recent.usual else { continue };
            let n = recent.relative.n() as f64;
            relative.extend(&recent.relative);
            times.extend(&recent.times);
            n_older += recent.n_older;
            weight += n;
            for (sum, ratio) in usual.iter_mut().flatten().zip(of_group.iter().flatten()) {
                *sum += n * ratio.ln();
            }
        }
        if limit <= 0.0 || relative.n() < MIN_RECENT || n_older < MIN_OLDER_IN_ALL {
            return None;
        }
        let usual = usual.map(|of| of.map(|sum| (sum / weight).exp()));
        let names = ["distance", "travel time", "speed"];
        let columns = [&relative.distance_km, &relative.travel_time_s, &relative.speed_kmh];
        let mut ratios = [[1.0; 3]; 3];
        let mut moved = Vec::new();
        for (((what, column), usual), ratios) in
            names.into_iter().zip(columns).zip(usual).zip(&mut ratios)
        {
            let Percentiles { p10, p50, p90 } = column.percentiles()?;
            let each = [
                ("10th percentile of the", p10, usual[0], 0.1),
                ("median", p50, 1.0, 0.5),
                ("90th percentile of the", p90, usual[1], 0.9),
            ];
            for ((which, now, usual, share), ratio) in each.into_iter().zip(ratios) {
                *ratio = now / usual;
                if is_unlikely(column, usual, share) {
                    moved.push(Moved { what, which, factor: *ratio });
                }
            }
        }
        let n = relative.n();
        let since = self.watch.moments.recent_since(0)?;
        let is_over = |factor: f64, limit: f64| !(1.0 / limit..=limit).contains(&factor);
        let rule = GateRule::Drift;
        let one = times.fullest().filter(|(n_one, ..)| share(*n_one, n) > MAX_ONE_TIME);
        if let Some((n_one, low, high)) = one {
            let message = format!(
                "of the {} rows since {since:.0} {} have a travel time of {} to {} s",
                count(n),
                percent(share(n_one, n)),
                figure(low),
                figure(high)
            );
            return Some(refuse(rule, message, rule.remedy()));
        }
        let message = |Moved { what, which, factor }: &Moved| {
            format!(
                "of the {} rows since {since:.0} the {which} {what} is {} times that of the rows \
                 before, each in its region",
                count(n),
                figure(*factor)
            )
        };
        let is_too_far = |moved: &&Moved| {
            let is_distance = moved.what == "distance";
            is_over(moved.factor, if is_distance { limit } else { limit.max(MAX_TIME_FACTOR) })
        };
        if let Some(most) = furthest(moved.iter().filter(is_too_far)) {
            let [distance, time, speed] = ratios;
            let other = (Shift { distance, time, speed }).other_unit(self.rules.units);
            let Some(other) = other else {
                return Some(refuse(rule, message(most), rule.remedy()));
            };
            let what = format!("{}, as {} would be", message(most), other.unit_name());
            return Some(refuse(rule, what, other.remedy_of_rows()));
        }
        let is_said = |moved: &&Moved| {
            is_over(moved.factor, if moved.which == "median" { WARN_FACTOR } else { limit })
        };
        furthest(moved.iter().filter(is_said)).map(|most| warn(rule, message(most)))
    }
}

/// The median that has moved furthest; of other percentiles where none has.
fn furthest<'a>(moved: impl Iterator<Item = &'a Moved>) -> Option<&'a Moved> {
    let off = |moved: &Moved| (moved.which == "median", moved.factor.ln().abs());
    moved.max_by(|a, b| off(a).0.cmp(&off(b).0).then(off(a).1.total_cmp(&off(b).1)))
}

/// Whether so many rows below what is usually a percentile, or so few, are no chance.
fn is_unlikely(column: &Histogram, usual: f64, share: f64) -> bool {
    let n = column.n() as f64;
    let deviation = (n * share * (1.0 - share)).sqrt();
    (column.share_below(usual) - share).abs() * n > MIN_DEVIATIONS * deviation
}
