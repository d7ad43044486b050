//! What may be published: pure rules over a fit and the set that is current.
//!
//! A rule says what is wrong in one sentence with its figures and its limit, or nothing. Knows neither
//! where records come from nor what becomes of a group that it objects to.

mod published;
#[cfg(test)]
mod tests;

use crate::fit::models::RoadClass;
use crate::fit::options::Bound;
use crate::fit::{Estimate, FitReport, Identification, Termination};

use super::fitting::FittedGroup;
pub use published::PublishedCurves;

/// When a group's new parameters may replace the current ones.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeRules {
    /// Fewest records.
    pub min_records: u64,
    /// Lowest plausible cruise speed, km/h.
    pub min_cruise_speed_kmh: f64,
    /// Highest plausible cruise speed, km/h.
    pub max_cruise_speed_kmh: f64,
    /// Ranges that published parameters must lie in, in their published units, told by the records or
    /// not.
    pub bounds: Vec<Bound>,
    /// Widest interval of a speed, its upper end over its lower; 0 is no limit.
    pub max_interval_ratio: f64,
    /// Largest relative change of the predicted median time against the current set: so much longer, or
    /// as many times shorter.
    pub max_time_change: f64,
    /// Where that change is looked at, km; beyond the group's longest trip, at that trip.
    pub reference_distances_km: Vec<f64>,
    /// Largest change of a parameter against the current set of the same model, in standard errors of
    /// the change; 0 is no limit.
    pub max_change_std_errors: f64,
    /// By how much the mean log score on the records held out may be below that of the current set; 0
    /// is no limit.
    pub max_score_drop: f64,
    /// Smallest share of the accepted records that must stand behind published groups.
    pub min_share_published: f64,
    /// Smallest share of the groups that must pass.
    pub min_share_groups: f64,
}

impl Default for JudgeRules {
    /// Those of `config/default.toml`, which a test holds.
    fn default() -> Self {
        Self {
            min_records: 40,
            min_cruise_speed_kmh: 5.0,
            max_cruise_speed_kmh: 200.0,
            bounds: Vec::new(),
            max_interval_ratio: 0.0,
            max_time_change: 0.5,
            reference_distances_km: vec![2.0, 5.0],
            max_change_std_errors: 0.0,
            max_score_drop: 0.0,
            min_share_published: 0.5,
            min_share_groups: 0.0,
        }
    }
}

impl JudgeRules {
    /// Says why the group's estimates must not be published, or nothing. What speaks of the fit alone
    /// comes first, then what compares it with the current set.
    #[must_use]
    pub fn objection(&self, group: &FittedGroup, current: &PublishedCurves<'_>) -> Option<String> {
        // What was learned from records is better than what others tell.
        let is_learned = || current.is_learned(&group.key);
        if group.n_used == 0 && (group.pooled.is_none() || is_learned()) {
            return Some(format!("all {} rows were refused", group.n_refused));
        }
        let (model, estimates) = match self.estimates(group) {
            Ok(found) => found,
            Err(why) => return Some(why),
        };
        self.implausible_speed(&estimates)
            .or_else(|| self.out_of_bounds(&estimates))
            .or_else(|| self.wide_interval(&estimates))
            .or_else(|| self.jump(group, current))
            .or_else(|| self.moved(group, model, &estimates, current))
            .or_else(|| self.worse_score(group))
    }

    /// What would be published, and its model; or why there is nothing.
    fn estimates<'a>(
        &self,
        group: &'a FittedGroup,
    ) -> Result<(&'a str, Vec<&'a Estimate>), String> {
        if let Some(pooled) = &group.pooled {
            return Ok((pooled.model, pooled.estimates.iter().map(|e| &e.estimate).collect()));
        }
        let report = group.fit.as_ref().map_err(String::clone)?;
        if group.n_used < self.min_records {
            return Err(format!("{} records, {} needed", group.n_used, self.min_records));
        }
        match no_fit(report) {
            Some(why) => Err(why),
            None => Ok((report.model, report.estimates.iter().collect())),
        }
    }

    fn implausible_speed(&self, estimates: &[&Estimate]) -> Option<String> {
        let (min, max) = (self.min_cruise_speed_kmh, self.max_cruise_speed_kmh);
        estimates.iter().find_map(|e| {
            let what = match RoadClass::class_of(&e.name) {
                Some(class) => format!("speed on roads of class `{class}`"),
                None if e.name == CRUISE_SPEED => "cruise speed".to_owned(),
                None => return None,
            };
            // Where the records do not tell the speed, it serves as an extrapolation only.
            let told = e.identification == Identification::Ok;
            let outside = told && !(min..=max).contains(&e.value);
            outside.then(|| format!("{what} {:.1} km/h is outside {min} to {max} km/h", e.value))
        })
    }

    /// The application reads every value, also one that the records do not tell.
    fn out_of_bounds(&self, estimates: &[&Estimate]) -> Option<String> {
        self.bounds.iter().find_map(|Bound { name, min, max }| {
            let mut of_name = estimates.iter().filter(|e| e.name == *name && e.value.is_finite());
            let outside = of_name.find(|e| !(*min..=*max).contains(&e.value))?;
            Some(format!("{name} {} is outside {min} to {max}", figure(outside.value)))
        })
    }

    fn wide_interval(&self, estimates: &[&Estimate]) -> Option<String> {
        let limit = self.max_interval_ratio;
        let mut speeds = estimates.iter().filter(|e| is_speed(&e.name) && limit > 0.0);
        speeds.find_map(|e| {
            let (Some(low), Some(high)) = e.interval else { return None };
            let is_wide = low <= 0.0 || high / low > limit;
            is_wide.then(|| {
                let name = &e.name;
                format!(
                    "the interval of {name}, {low:.1} to {high:.1}, is wider than a factor of {limit}"
                )
            })
        })
    }

    /// What was learned from records replaces what was not, however far it is off.
    fn jump(&self, group: &FittedGroup, current: &PublishedCurves<'_>) -> Option<String> {
        let (before, after) = (current.get(&group.key)?, group.curve()?);
        if !current.is_learned(&group.key) || self.outgrew(group, current) {
            return None;
        }
        // Of ways as the group's records have them, where both tell the same roads apart.
        let before = if before.classes() == after.classes() {
            group.at_own_mix(before.clone())
        } else {
            before.clone()
        };
        self.reference_distances_km.iter().find_map(|&reference_km| {
            let distance_km = reference_km.min(group.longest_km);
            let change = after.median_s(distance_km) / before.median_s(distance_km) - 1.0;
            let max = self.max_time_change;
            // As many times shorter as it may be longer: what is confused goes both ways.
            let max = if change < 0.0 { max / (1.0 + max) } else { max };
            (change.abs() > max).then(|| {
                format!(
                    "the median time at {distance_km:.1} km changes by {:+.0} %, more than {:.0} %",
                    change * 100.0,
                    max * 100.0
                )
            })
        })
    }

    /// Whether the group stands on its own now, and stood on next to nothing before.
    fn outgrew(&self, group: &FittedGroup, current: &PublishedCurves<'_>) -> bool {
        let before = current.observed(&group.key).map(|observed| observed.n_used);
        let is_tenfold = |before: u64| group.n_used / MUCH_MORE >= before;
        group.n_used >= self.min_records && before.is_some_and(is_tenfold)
    }

    /// The parameter that moves by the most standard errors, where that is too many. Only what both
    /// tell is compared: of the same model, each with a standard error, learned from records.
    fn moved(
        &self,
        group: &FittedGroup,
        model: &str,
        estimates: &[&Estimate],
        current: &PublishedCurves<'_>,
    ) -> Option<String> {
        let limit = self.max_change_std_errors;
        if limit <= 0.0 || !current.is_learned(&group.key) {
            return None;
        }
        let moves = estimates.iter().filter_map(|e| {
            let before = current.parameter(&group.key, model, &e.name)?;
            let n_errors =
                change_in_std_errors((before.estimate, before.std_error), (e.value, e.std_error))?;
            Some((n_errors.abs(), e, before.estimate))
        });
        let (n_errors, e, before) = moves.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (n_errors > limit).then(|| {
            let (name, before, after) = (&e.name, figure(before), figure(e.value));
            format!(
                "{name} moves from {before} to {after}, by {n_errors:.1} standard errors, more than \
                 {limit}"
            )
        })
    }

    /// The scores are those of the group's own fit, which is not what is published of a group with
    /// few records.
    fn worse_score(&self, group: &FittedGroup) -> Option<String> {
        let limit = self.max_score_drop;
        let is_own = group.pooled.is_none() || group.n_used >= self.min_records;
        if limit <= 0.0 || !is_own {
            return None;
        }
        let held_out = group.held_out.as_ref()?.as_ref().ok()?;
        let (new, current) = (held_out.new.log_score, held_out.other?.log_score);
        (new < current - limit).then(|| {
            format!(
                "the log score on later records is {new:.3}, that of the current set {current:.3}: \
                 worse by more than {limit}"
            )
        })
    }
}

/// Factor of records from which on what was learned from the fewer ones holds nothing back.
const MUCH_MORE: u64 = 10;

const CRUISE_SPEED: &str = "cruise_speed_kmh";

fn is_speed(name: &str) -> bool {
    name == CRUISE_SPEED || RoadClass::class_of(name).is_some()
}

/// By how many standard errors of the change a value changes from `before` to `after`, each with its
/// standard error; `None` where one of them has none, so that nothing can be told. The two are taken
/// as independent, which makes the change look smaller where they share records.
#[must_use]
pub fn change_in_std_errors(before: (f64, Option<f64>), after: (f64, Option<f64>)) -> Option<f64> {
    let told = |error: Option<f64>| error.filter(|error| error.is_finite() && *error > 0.0);
    let error = told(before.1)?.hypot(told(after.1)?);
    Some((after.0 - before.0) / error).filter(|n_errors| n_errors.is_finite())
}

/// Four significant digits.
fn figure(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let decimals = (3 - value.abs().log10().floor() as i32).clamp(0, 7) as usize;
    format!("{value:.decimals$}")
}

/// Why a report holds nothing to publish.
pub(super) fn no_fit(report: &FitReport) -> Option<String> {
    match report.termination {
        Termination::CostConverged
        | Termination::StepConverged
        | Termination::GradientConverged
        | Termination::ExactFit => None,
        Termination::IterationLimit
        | Termination::NoProgress
        | Termination::Cancelled
        | Termination::TooFewRecords
        | Termination::NoFiniteStart => {
            let why = if report.message.is_empty() { "no fit" } else { &report.message };
            Some(format!("{why} ({})", report.termination))
        }
    }
}
