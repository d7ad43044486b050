//! What may be published: pure rules over a fit and the set that is current.

use std::collections::BTreeMap;

use crate::domain::{GroupKey, GroupOutcome, ParameterRow, ParameterSet};
use crate::fit::models::RoadClass;
use crate::fit::{Curve, Estimate, FitReport, Identification, Termination};

use super::fitting::FittedGroup;

/// When a group's new parameters may replace the current ones.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeRules {
    /// Fewest records.
    pub min_records: u64,
    /// Lowest plausible cruise speed, km/h.
    pub min_cruise_speed_kmh: f64,
    /// Highest plausible cruise speed, km/h.
    pub max_cruise_speed_kmh: f64,
    /// Largest relative change of the predicted median time against the current set.
    pub max_time_change: f64,
    /// Where that change is looked at, km; beyond the group's longest trip, at that trip.
    pub reference_distances_km: Vec<f64>,
    /// Smallest share of the accepted records that must stand behind published groups.
    pub min_share_published: f64,
}

impl JudgeRules {
    /// Says why the group's estimates must not be published, or nothing.
    #[must_use]
    pub fn objection(&self, group: &FittedGroup, current: &PublishedCurves<'_>) -> Option<String> {
        // What was learned from records is better than what others tell.
        let is_learned = || current.is_learned(&group.key);
        if group.n_used == 0 && (group.pooled.is_none() || is_learned()) {
            return Some(format!("all {} rows were refused", group.n_refused));
        }
        if let Some(pooled) = &group.pooled {
            return self
                .implausible_speed(pooled.estimates.iter().map(|row| &row.estimate))
                .or_else(|| self.jump(group, current));
        }
        let report = match &group.fit {
            Ok(report) => report,
            Err(why) => return Some(why.clone()),
        };
        if group.n_used < self.min_records {
            return Some(format!("{} records, {} needed", group.n_used, self.min_records));
        }
        no_fit(report)
            .or_else(|| self.implausible_speed(report.estimates.iter()))
            .or_else(|| self.jump(group, current))
    }

    fn implausible_speed<'a>(
        &self,
        mut estimates: impl Iterator<Item = &'a Estimate>,
    ) -> Option<String> {
        let (min, max) = (self.min_cruise_speed_kmh, self.max_cruise_speed_kmh);
        estimates.find_map(|e| {
            let what = match RoadClass::class_of(&e.name) {
                Some(class) => format!("speed on roads of class `{class}`"),
                None if e.name == "cruise_speed_kmh" => "cruise speed".to_owned(),
                None => return None,
            };
            // Where the records do not tell the speed, it serves as an extrapolation only.
            let told = e.identification == Identification::Ok;
            let outside = told && !(min..=max).contains(&e.value);
            outside.then(|| format!("{what} {:.1} km/h is outside {min} to {max} km/h", e.value))
        })
    }

    fn jump(&self, group: &FittedGroup, current: &PublishedCurves<'_>) -> Option<String> {
        let (before, after) = (current.get(&group.key)?, group.curve()?);
        // Of ways as the group's records have them, where both tell the same roads apart.
        let before = if before.classes() == after.classes() {
            group.at_own_mix(before.clone())
        } else {
            before.clone()
        };
        self.reference_distances_km.iter().find_map(|&reference_km| {
            let distance_km = reference_km.min(group.longest_km);
            let change = after.median_s(distance_km) / before.median_s(distance_km) - 1.0;
            (change.abs() > self.max_time_change).then(|| {
                format!(
                    "the median time at {distance_km:.1} km changes by {:+.0} %, more than {:.0} %",
                    change * 100.0,
                    self.max_time_change * 100.0
                )
            })
        })
    }
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

/// The curves that a set publishes, by group: told once, since a look through the set for every
/// group would cost the square of their number.
#[derive(Clone, Default)]
pub struct PublishedCurves<'a>(BTreeMap<&'a GroupKey, Published>);

/// A group's curve, and whether records of its own stand behind it.
#[derive(Clone)]
struct Published {
    curve: Curve,
    is_learned: bool,
}

impl<'a> PublishedCurves<'a> {
    /// The curves of a set; none where there is no set.
    #[must_use]
    pub fn of(set: Option<&'a ParameterSet>) -> Self {
        let Some(set) = set else { return Self::default() };
        let mut rows: BTreeMap<&GroupKey, Vec<&ParameterRow>> = BTreeMap::new();
        for row in &set.parameters {
            rows.entry(&row.key).or_default().push(row);
        }
        let curves = set.groups.iter().filter_map(|group| {
            let rows = rows.get(&group.key)?;
            let rows = rows.iter().map(|p| (p.name.as_str(), p.estimate));
            let curve = Curve::from_rows(&group.model, rows)?;
            let is_learned = group.outcome != GroupOutcome::Fallback;
            Some((&group.key, Published { curve, is_learned }))
        });
        Self(curves.collect())
    }

    /// The curve of a group, where the set publishes one.
    #[must_use]
    pub fn get(&self, key: &GroupKey) -> Option<&Curve> {
        self.0.get(key).map(|published| &published.curve)
    }

    /// Whether what the set publishes for a group was learned from records of its own.
    #[must_use]
    pub fn is_learned(&self, key: &GroupKey) -> bool {
        self.0.get(key).is_some_and(|published| published.is_learned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ParameterRow, ParameterStatus};
    use crate::job::assemble;

    fn rules() -> JudgeRules {
        JudgeRules {
            min_records: 40,
            min_cruise_speed_kmh: 5.0,
            max_cruise_speed_kmh: 200.0,
            max_time_change: 0.5,
            reference_distances_km: vec![2.0, 5.0],
            min_share_published: 0.5,
        }
    }

    fn estimate(name: &'static str, value: f64) -> Estimate {
        Estimate {
            name: name.into(),
            unit: "",
            value,
            std_error: None,
            interval: (None, None),
            identification: Identification::Ok,
            reason: String::new(),
        }
    }

    fn group(cruise_speed_kmh: f64) -> FittedGroup {
        let report = FitReport {
            model: "constant",
            termination: Termination::CostConverged,
            loss: "least_squares",
            errors: "normal",
            spread: "constant",
            covariance: "information",
            estimates: vec![estimate("cruise_speed_kmh", cruise_speed_kmh)],
            correlations: vec![Some(1.0)],
            condition: Some(1.0),
            metrics: None,
            log_likelihood: None,
            aic: None,
            bic: None,
            solution: None,
            n_records: 100,
            n_iterations: 3,
            n_evaluations: 4,
            n_starts: 1,
            message: String::new(),
        };
        FittedGroup {
            key: GroupKey::region("A"),
            n_used: 100,
            n_refused: 7,
            longest_km: 4.0,
            class_shares: Vec::new(),
            bins: Vec::new(),
            fit: Ok(report),
            pooled: None,
            held_out: None,
            held_out_from: None,
            choice: String::new(),
        }
    }

    fn check(change: impl Fn(&mut FittedGroup), expected: Option<&str>) {
        let current = assemble::unjudged("s", "constant", &[group(40.0)]);
        let mut group = group(40.0);
        change(&mut group);
        assert_eq!(
            rules().objection(&group, &PublishedCurves::of(Some(&current))).as_deref(),
            expected
        );
    }

    fn set_speed(group: &mut FittedGroup, speed_kmh: f64) {
        if let Ok(report) = &mut group.fit {
            report.estimates[0].value = speed_kmh;
        }
    }

    #[test]
    fn objections_say_why() {
        check(|_| {}, None);
        check(|g| g.n_used = 39, Some("39 records, 40 needed"));
        check(|g| g.n_used = 0, Some("all 7 rows were refused"));
        check(|g| g.fit = Err("it broke".into()), Some("it broke"));
        check(|g| set_speed(g, 3.0), Some("cruise speed 3.0 km/h is outside 5 to 200 km/h"));
        check(|g| set_speed(g, 60.0), None);
        check(
            |g| set_speed(g, 20.0),
            Some("the median time at 2.0 km changes by +100 %, more than 50 %"),
        );
        check(
            |g| g.fit.as_mut().unwrap().termination = Termination::IterationLimit,
            Some("no fit (iteration_limit)"),
        );
    }

    #[test]
    fn a_speed_that_the_records_do_not_tell_is_not_judged() {
        let mut group = group(500.0);
        group.fit.as_mut().unwrap().estimates[0].identification = Identification::NotIdentified;
        assert_eq!(rules().objection(&group, &PublishedCurves::default()), None);
    }

    #[test]
    fn a_current_set_without_the_group_does_not_bind() {
        let other = ParameterSet {
            parameters: vec![ParameterRow {
                key: GroupKey::region("B"),
                name: "cruise_speed_kmh".into(),
                unit: "km/h".into(),
                estimate: 1.0,
                std_error: None,
                ci_low: None,
                ci_high: None,
                raw_estimate: None,
                pool_weight: None,
                status: ParameterStatus::Ok,
            }],
            ..ParameterSet::default()
        };
        assert_eq!(rules().objection(&group(40.0), &PublishedCurves::of(Some(&other))), None);
    }
}
