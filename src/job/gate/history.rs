//! The rule on the rows behind the published set: in a window that grows they are still there, and are
//! what they were. No sampling error is in the way, so that what no other rule can see shows here:
//! times that are cut, truncated or begin earlier, rows in regions of others, values by default.

use super::histogram::Values;
use super::refused::share;
use super::shift::{Shift, figure};
use super::watch::GroupWatch;
use super::{Night, names, percent, refuse, warn};
use crate::domain::{GateFinding, GateRule, Observed};
use crate::fit::Sample;

/// Rows of a group from which on its percentiles are compared.
const MIN_GROUP: u64 = 60;

/// Share of a group's rows that may have come or gone: the rest is another rule's.
const MAX_MOVED: f64 = 0.02;

/// Factor by which a percentile may differ where no row came or went: a percentile of the histogram is
/// exact to a hundredth.
const MAX_FACTOR: f64 = 1.04;

/// How far apart two neighbours are at the 10th or 90th percentile of a wide distribution, as a share
/// of their value and for one row in all: 1/(0.175/σ) with σ = 0.9 of the logarithm.
const BETWEEN_NEIGHBOURS: f64 = 5.0;

/// Such steps that a percentile may move beside one for each row that came or went: of a step that is
/// exponentially distributed, one in 400 is six times as wide as the mean.
const WIDE_STEPS: f64 = 6.0;

/// Share of the compared rows that must be in groups that changed: said, and refused. A correction
/// is of a region or a month.
const MIN_CHANGED: f64 = 0.05;
const MAX_CHANGED: f64 = 0.25;

/// Distances, times and speeds of a group's rows no newer than the published set's newest.
pub(crate) fn earlier(watch: &GroupWatch, all: &Values) -> Observed {
    let old = all.without(&watch.fresh);
    Observed {
        n_used: old.n(),
        distance_km: old.distance_km.percentiles(),
        travel_time_s: old.travel_time_s.percentiles(),
        speed_kmh: old.speed_kmh.percentiles(),
        ..Observed::default()
    }
}

/// Distances, times and speeds of all rows of a group, those refused for one of them included.
pub(super) fn values(watch: &GroupWatch, samples: &[Sample]) -> Values {
    let mut values = watch.refused.clone();
    for sample in samples {
        values.add(sample.distance_km, f64::from(sample.travel_time_s));
    }
    values
}

/// A group whose rows are not what they were: how far what is off by the most.
struct Changed {
    region: String,
    what: &'static str,
    which: &'static str,
    factor: f64,
}

impl Night<'_> {
    pub(super) fn history(&self) -> Option<GateFinding> {
        if !self.is_comparable() || self.rules.max_distribution_factor <= 0.0 {
            return None;
        }
        let (mut n_all, mut n_changed, mut changed) = (0, 0, Vec::new());
        for group in self.groups {
            let Some(before) = self.before.get(&group.key) else { continue };
            let Some(found) = compared(&group.earlier, before) else { continue };
            n_all += group.earlier.n_used;
            if let Some((what, which, factor)) = found {
                n_changed += group.earlier.n_used;
                changed.push(Changed { region: group.key.region.clone(), what, which, factor });
            }
        }
        let off = |changed: &Changed| changed.factor.ln().abs();
        let most = changed.iter().max_by(|a, b| off(a).total_cmp(&off(b)))?;
        if share(n_changed, n_all) < MIN_CHANGED {
            return None;
        }
        let Changed { region, what, which, factor } = most;
        let message = format!(
            "records behind the published set have changed since, {} of those compared, in {}; most \
             in `{region}`, where the {which} of the {what} is {} times what it was",
            percent(share(n_changed, n_all)),
            names(changed.iter().map(|changed| changed.region.clone()).collect()),
            figure(*factor)
        );
        Some(if share(n_changed, n_all) > MAX_CHANGED {
            refuse(GateRule::History, message, GateRule::History.remedy())
        } else {
            warn(GateRule::History, message)
        })
    }
}

/// What is further off than it may be, if anything; nothing at all where the rows are too few, or not
/// the same ones.
fn compared(
    now: &Observed,
    before: &Observed,
) -> Option<Option<(&'static str, &'static str, f64)>> {
    let n_before = before.n_used + before.n_refused_values;
    let moved = share(now.n_used.abs_diff(n_before), n_before);
    if n_before < MIN_GROUP || moved > MAX_MOVED {
        return None;
    }
    let (what, which, factor) = Shift::of(now, before)?.furthest();
    let n_moved = now.n_used.abs_diff(n_before) as f64;
    let n_steps = if n_moved > 0.0 { n_moved + WIDE_STEPS } else { 0.0 };
    let limit = MAX_FACTOR + BETWEEN_NEIGHBOURS * n_steps / n_before as f64;
    let is_off = !(1.0 / limit..=limit).contains(&factor);
    Some(is_off.then_some((what, which, factor)))
}
