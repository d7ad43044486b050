//! From a found optimum to the rows of a report; the same for every objective.

use super::bounds::Ranges;
use super::errors::Law;
use super::metrics::metrics;
use super::models::Model;
use super::observations::Observations;
use super::report::{Estimate, FitReport, Identification, Termination};
use super::solution::Solution;
use super::spread::Scatter;
use super::uncertainty::{self, Information, Spread};

/// An optimum with what its neighbourhood tells.
pub(super) struct Found {
    pub(super) ranges: Ranges,
    pub(super) parameters: Vec<f64>,
    /// The model's own reasons why the records cannot tell a parameter.
    pub(super) reasons: Vec<Option<String>>,
    pub(super) information: Information,
    pub(super) noise: Spread,
}

/// Parameters that do not move: pinned, or on a bound and not because the model put them there.
pub(super) fn held(
    parameters: &[f64],
    bounds: &[(f64, f64)],
    reasons: &[Option<String>],
) -> Vec<bool> {
    let places = parameters.iter().zip(bounds).enumerate();
    places
        .map(|(j, (x, (low, high)))| low >= high || reasons[j].is_none() && (x <= low || x >= high))
        .collect()
}

/// The parameters after the model has moved them along flat directions, with its reasons; `None`
/// where it has none, or would move what is fixed.
pub(super) fn moved_along_flats(
    model: &dyn Model,
    observations: &Observations,
    ranges: &Ranges,
    parameters: &[f64],
) -> Option<(Vec<f64>, Vec<Option<String>>)> {
    let mut moved = parameters.to_vec();
    let n_model = model.parameters().len();
    let mut reasons = model.settle(&mut moved[..n_model], observations);
    reasons.resize(parameters.len(), None);
    let is_open = (0..parameters.len()).all(|j| reasons[j].is_none() || !ranges.fixed[j]);
    if !is_open || reasons.iter().all(Option::is_none) {
        return None;
    }
    for (x, &(low, high)) in moved.iter_mut().zip(&ranges.bounds) {
        *x = x.max(low).min(high);
    }
    Some((moved, reasons))
}

impl Found {
    /// Half the width of the interval from a parameter's standard error, on the scale of the fit.
    pub(super) fn half_width(&self, parameter: usize) -> f64 {
        self.noise.t_quantile() * self.noise.sigma * self.information.deviation(parameter)
    }

    /// What a cost is to be multiplied by so that its curvature along a parameter agrees with the
    /// parameter's standard error: one, unless that comes from a sandwich.
    pub(super) fn scale(&self, unit: &Information, parameter: usize) -> f64 {
        let ratio = unit.deviation(parameter) / self.information.deviation(parameter);
        if ratio > 0.0 && ratio.is_finite() { ratio * ratio } else { 1.0 }
    }

    /// The published rows.
    pub(super) fn rows(&self) -> Vec<Estimate> {
        (0..self.parameters.len()).map(|j| self.row(j)).collect()
    }

    fn row(&self, j: usize) -> Estimate {
        let (spec, at, bounds) = (&self.ranges.specs[j], self.parameters[j], self.ranges.bounds[j]);
        let identification = if self.ranges.fixed[j] {
            Identification::Fixed
        } else {
            self.information.identification[j]
        };
        let deviation = self.information.deviation(j);
        let row = uncertainty::estimate(spec, at, bounds, identification, deviation, &self.noise);
        explained(row, self.reasons[j].as_ref())
    }

    /// Keeps the optimum for others: information and gradient of −ln likelihood.
    pub(super) fn solution(
        &self,
        information: Vec<f64>,
        gradient: Vec<f64>,
        n_model: usize,
    ) -> Option<Solution> {
        let variance = self.noise.sigma * self.noise.sigma;
        let solution = Solution {
            specs: self.ranges.specs.clone(),
            parameters: self.parameters.clone(),
            n_model,
            information,
            gradient,
            covariance: self.information.covariance_of_told(variance),
            n_dof: self.noise.dof,
        };
        let numbers = [&solution.information, &solution.gradient, &solution.covariance];
        numbers.iter().all(|all| all.iter().all(|x| x.is_finite())).then_some(solution)
    }
}

/// The model's own reason takes the place of the general one.
fn explained(mut row: Estimate, reason: Option<&String>) -> Estimate {
    if let Some(reason) = reason {
        row.identification = Identification::NotIdentified;
        row.std_error = None;
        row.interval = (None, None);
        row.reason.clone_from(reason);
    }
    row
}

/// Correlations between rows that are told.
pub(super) fn correlations(information: &Information, rows: &[Estimate]) -> Vec<Option<f64>> {
    let n = rows.len();
    let is_ok = |j: usize| rows[j].identification == Identification::Ok;
    (information.correlations().into_iter().enumerate())
        .map(|(entry, value)| value.filter(|_| is_ok(entry / n) && is_ok(entry % n)))
        .collect()
}

/// What is worth knowing, in words.
pub(super) fn message(termination: Termination, rows: &[Estimate]) -> String {
    let mut parts = Vec::new();
    match termination {
        Termination::IterationLimit => parts.push("out of iterations".to_owned()),
        Termination::NoProgress => parts.push("the solver made no progress".to_owned()),
        _ => {}
    }
    let rows = rows.iter().filter(|row| !row.reason.is_empty());
    parts.extend(rows.map(|row| format!("{}: {}", row.name, row.reason)));
    parts.join("; ")
}

/// Adds to the message.
pub(super) fn remark(report: &mut FitReport, words: &str) {
    if !report.message.is_empty() {
        report.message.push_str("; ");
    }
    report.message.push_str(words);
}

/// Fills in the log-likelihood of T in seconds, from that of ln T, with the two criteria.
pub(super) fn add_likelihood(report: &mut FitReport, of_ln_time: f64, observations: &Observations) {
    let times = observations.ln_time().iter().zip(observations.samples());
    let ln_seconds: f64 =
        times.map(|(ln_min, s)| f64::from(s.weight) * (ln_min + 60.0_f64.ln())).sum();
    let value = of_ln_time - ln_seconds;
    if !value.is_finite() {
        return;
    }
    let is_free = |row: &&Estimate| row.identification != Identification::Fixed;
    let n_free = report.estimates.iter().filter(is_free).count() as f64;
    report.log_likelihood = Some(value);
    report.aic = Some(2.0 * n_free - 2.0 * value);
    report.bic =
        Some(n_free * observations.weight_sum().ln() - 2.0 * value).filter(|b| b.is_finite());
}

/// Fills in what the curve is worth, for an objective other than the sum of squares; of the
/// parameters the model's come first.
pub(super) fn add_metrics(
    report: &mut FitReport,
    model: &dyn Model,
    parameters: &[f64],
    laws: (Scatter, Law),
    observations: &Observations,
) {
    let (scatter, law) = laws;
    let parameters = &parameters[..model.parameters().len()];
    report.metrics = metrics(model, parameters, &scatter, &law, None, observations);
}
