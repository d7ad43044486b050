//! The rule on the rows that came since the last published set: in a window that grows they are so few
//! that nothing of them would show in the whole.

use super::ages::days;
use super::refused::{OF_SOME, share};
use super::shift::{Shift, weighted_median};
use super::watch::Tally;
use super::{Night, count, percent, refuse, warn};
use crate::domain::observed::Percentiles;
use crate::domain::{GateFinding, GateRule, Observed};

/// New rows from which on something is said of them: the median of so many distances is known to a
/// tenth.
const MIN_NEW: u64 = 50;

/// Share of the new rows that may be refused for what they hold: some nights are worse than others.
const MAX_REFUSED: f64 = 0.25;

/// Factor by which the median distance of the new rows may differ.
const MAX_DISTANCE_FACTOR: f64 = 1.5;

/// Factor by which their median time may differ: a storm may slow a city down by half.
const MAX_TIME_FACTOR: f64 = 2.0;

/// Records a day of the new rows, as a share of those before, under which it is said.
const WARN_RATE: f64 = 0.6;

/// Days that the new rows must span for that.
const MIN_DAYS: f64 = 0.9;

impl Night<'_> {
    pub(super) fn new_rows(&self) -> Option<GateFinding> {
        let (fresh, cut) = (&self.watch.fresh, self.watch.moments.cut?);
        // Where the window holds little else, the other rules look at the same rows.
        let is_part = self.overlap().is_some_and(|overlap| overlap > 0.0)
            && self.groups.iter().any(|group| group.n_old > 0);
        if !is_part || !self.is_comparable() {
            return None;
        }
        let since = format!("of the {} rows since {cut:.0}", count(fresh.n_rows()));
        let rule = GateRule::NewRows;
        if fresh.n_rows() >= MIN_NEW {
            if let Some(what) = refused(fresh) {
                let reading = self.watch.fresh_trial.verdict(self.rules.units);
                return Some(match reading {
                    Some((reading, _)) => {
                        refuse(rule, format!("{since} {what}; {reading}"), OF_SOME)
                    }
                    None => refuse(rule, format!("{since} {what}"), rule.remedy()),
                });
            }
            if let Some((what, remedy)) = self.unlike() {
                return Some(refuse(rule, format!("{since} {what}"), remedy));
            }
        }
        self.few().map(|what| warn(rule, what))
    }

    /// Distances or times of the new rows that are not like those before.
    fn unlike(&self) -> Option<(String, String)> {
        let values = &self.watch.fresh_values;
        if values.n() < MIN_NEW {
            return None;
        }
        let before = |of: fn(&Observed) -> Option<Percentiles>| {
            let rows = self.before.rows();
            let told: Vec<(Percentiles, f64)> =
                rows.filter_map(|(_, o)| Some((of(o)?, o.n_used as f64))).collect();
            let at = |of: fn(&Percentiles) -> f64| {
                weighted_median(told.iter().map(|(p, n)| (of(p), *n)).collect())
            };
            Percentiles { p10: at(|p| p.p10), p50: at(|p| p.p50), p90: at(|p| p.p90) }
        };
        let shift = Shift {
            distance: values.distance_km.percentiles()?.ratios(&before(|o| o.distance_km)),
            time: values.travel_time_s.percentiles()?.ratios(&before(|o| o.travel_time_s)),
            speed: values.speed_kmh.percentiles()?.ratios(&before(|o| o.speed_kmh)),
        };
        let is_off = |ratio: f64, limit: f64| !(1.0 / limit..=limit).contains(&ratio);
        let (distance, time) = (shift.distance[1], shift.time[1]);
        let what = if is_off(distance, MAX_DISTANCE_FACTOR) {
            format!("the median distance is {distance:.2} times that of the published set")
        } else if is_off(time, MAX_TIME_FACTOR) {
            format!("the median travel time is {time:.2} times that of the published set")
        } else {
            return None;
        };
        Some(match shift.other_unit(self.rules.units) {
            Some(other) => (other.message(), other.remedy_of_rows()),
            None => (what, GateRule::NewRows.remedy().to_owned()),
        })
    }

    /// Fewer new records than there used to be.
    fn few(&self) -> Option<String> {
        let (oldest, cut) = (self.before.oldest()?, self.watch.moments.cut?);
        let (span, new) = (days(oldest, cut), days(cut, self.newest()?));
        if span < MIN_DAYS || new < MIN_DAYS {
            return None;
        }
        let (usual, now) =
            (self.before.n_used() as f64 / span, self.watch.fresh.n_used as f64 / new);
        let is_few = usual * new >= MIN_NEW as f64 && now < WARN_RATE * usual;
        is_few.then(|| {
            format!(
                "{now:.0} records a day since {cut:.0}, where there were {usual:.0} before: {}",
                percent(now / usual)
            )
        })
    }
}

fn refused(fresh: &Tally) -> Option<String> {
    let n_bad = fresh.n_values + fresh.n_unreadable;
    let share = share(n_bad, fresh.n_rows());
    (share > MAX_REFUSED).then(|| {
        format!(
            "{} were refused for a value or could not be read, {}, more than {}",
            count(n_bad),
            percent(share),
            percent(MAX_REFUSED)
        )
    })
}
