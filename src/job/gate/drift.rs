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
const MIN_OLDER: u64 = 20;

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

    /// The days of each horizon with rows enough, and their shift.
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

/// The newest rows of all groups together, each over the median of its group's older ones.
#[derive(Default)]
struct Together {
    relative: Values,
    times: Histogram,
    /// Logarithms of the 10th and 90th percentile of older rows over their median, by the newest rows
    /// of the groups; of distance, time and speed.
    usual: [[f64; 2]; 3],
    n_older: u64,
}

impl Together {
    fn of<'a>(groups: impl Iterator<Item = &'a Recent>) -> Self {
        let mut all = Self::default();
        for recent in groups {
            let Some(usual) = recent.usual else { continue };
            all.relative.extend(&recent.relative);
            all.times.extend(&recent.times);
            all.n_older += recent.n_older;
            let n = recent.relative.n() as f64;
            for (sum, ratio) in all.usual.iter_mut().flatten().zip(usual.iter().flatten()) {
                *sum += n * ratio.ln();
            }
        }
        let n = all.relative.n().max(1) as f64;
        all.usual.iter_mut().flatten().for_each(|sum| *sum /= n);
        all
    }

    /// Each percentile over what it usually is.
    fn moves(&self) -> Option<[[Moved; 3]; 3]> {
        let Values { distance_km, travel_time_s, speed_kmh } = &self.relative;
        let of = |what, column: &Histogram, usual: [f64; 2]| {
            let Percentiles { p10, p50, p90 } = column.percentiles()?;
            let moved = |which, now: f64, usual: f64, share| {
                let is_chance = !is_unlikely(column, usual, share);
                Moved { what, which, factor: now / usual, is_chance }
            };
            Some([
                moved("10th percentile of the", p10, usual[0].exp(), 0.1),
                moved(MEDIAN, p50, 1.0, 0.5),
                moved("90th percentile of the", p90, usual[1].exp(), 0.9),
            ])
        };
        Some([
            of(DISTANCE, distance_km, self.usual[0])?,
            of("travel time", travel_time_s, self.usual[1])?,
            of("speed", speed_kmh, self.usual[2])?,
        ])
    }
}

const DISTANCE: &str = "distance";
const MEDIAN: &str = "median";

/// One percentile of one quantity of the newest rows.
#[derive(Clone, Copy)]
struct Moved {
    what: &'static str,
    which: &'static str,
    /// Over that of the older rows.
    factor: f64,
    /// Whether so few rows may differ by so much.
    is_chance: bool,
}

impl Moved {
    fn is_beyond(&self, limit: f64) -> bool {
        !self.is_chance && !(1.0 / limit..=limit).contains(&self.factor)
    }

    fn is_refused(&self, limit: f64) -> bool {
        let is_distance = self.what == DISTANCE;
        self.is_beyond(if is_distance { limit } else { limit.max(MAX_TIME_FACTOR) })
    }

    fn is_said(&self, limit: f64) -> bool {
        self.is_beyond(if self.which == MEDIAN { WARN_FACTOR } else { limit })
    }

    fn text(&self) -> String {
        let Self { what, which, factor, .. } = self;
        let factor = figure(*factor);
        format!("the {which} {what} is {factor} times that of the rows before, each in its region")
    }
}

impl Night<'_> {
    pub(super) fn drift(&self) -> Option<GateFinding> {
        let (rule, limit) = (GateRule::Drift, self.rules.max_distribution_factor);
        let all = Together::of(self.groups.iter().map(|group| &group.shape.recent));
        let n = all.relative.n();
        if limit <= 0.0 || n < MIN_RECENT || all.n_older < MIN_OLDER_IN_ALL {
            return None;
        }
        let since = self.watch.moments.recent_since(0)?;
        let of_these = |what: &str| format!("of the {} rows since {since:.0} {what}", count(n));
        if let Some(what) = one_time(&all.times) {
            return Some(refuse(rule, of_these(&what), rule.remedy()));
        }
        let moves = all.moves()?;
        let each = || moves.iter().flatten();
        if let Some(most) = furthest(each().filter(|moved| moved.is_refused(limit))) {
            let what = of_these(&most.text());
            let [distance, time, speed] = moves.map(|of| of.map(|moved| moved.factor));
            let other = (Shift { distance, time, speed }).other_unit(self.rules.units);
            return Some(match other {
                Some(other) => {
                    let what = format!("{what}, as {} would be", other.unit_name());
                    refuse(rule, what, other.remedy_of_rows())
                }
                None => refuse(rule, what, rule.remedy()),
            });
        }
        let most = furthest(each().filter(|moved| moved.is_said(limit)))?;
        Some(warn(rule, of_these(&most.text())))
    }
}

/// One travel time that most of them have.
fn one_time(times: &Histogram) -> Option<String> {
    let (n, low, high) = times.fullest()?;
    let share = share(n, times.n());
    (share > MAX_ONE_TIME).then(|| {
        let (share, low, high) = (percent(share), figure(low), figure(high));
        format!("{share} have a travel time of {low} to {high} s")
    })
}

/// The median that has moved furthest; of other percentiles where none has.
fn furthest<'a>(moved: impl Iterator<Item = &'a Moved>) -> Option<&'a Moved> {
    let off = |moved: &Moved| (moved.which == MEDIAN, moved.factor.ln().abs());
    moved.max_by(|a, b| off(a).0.cmp(&off(b).0).then(off(a).1.total_cmp(&off(b).1)))
}

/// Whether so many rows below what is usually a percentile, or so few, are no chance.
fn is_unlikely(column: &Histogram, usual: f64, share: f64) -> bool {
    let n = column.n() as f64;
    let deviation = (n * share * (1.0 - share)).sqrt();
    (column.share_below(usual) - share).abs() * n > MIN_DEVIATIONS * deviation
}
