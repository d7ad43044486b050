//! One fit from start to report: starts, minimisation, identification, intervals, metrics.

use super::curve::Curve;
use super::least_squares::{LeastSquares, Triangle};
use super::metrics::metrics;
use super::models::Model;
use super::observations::Observations;
use super::options::FitOptions;
use super::problem::TravelTimes;
use super::report::{Estimate, FitReport, Identification, Termination};
use super::solver::{Minimum, minimize};
use super::uncertainty::{self, Information, Spread};

/// Fits a model to the records of one group by least squares on ln T.
///
/// There is always a report. It has no estimates where there are fewer records than parameters,
/// where no start gave finite residuals, and where `stopped`, asked before every iteration,
/// answered yes. The same observations give the same bits, on whatever thread.
pub fn fit(
    model: &dyn Model,
    observations: &Observations,
    options: &FitOptions,
    stopped: &dyn Fn() -> bool,
) -> FitReport {
    let mut report = empty_report(model, observations);
    let problem = TravelTimes::new(model, observations);
    // What the model itself pins for want of records needs none.
    let needed = problem.bounds().iter().filter(|(low, high)| low < high).count();
    if observations.len() < needed {
        report.message = format!(
            "{} needs at least {needed} records, there are {}",
            model.name(),
            observations.len()
        );
        return report;
    }
    let Some(minimum) = best_minimum(model, observations, &problem, options, stopped, &mut report)
    else {
        return report;
    };
    report.termination = minimum.termination;
    match minimum.termination {
        Termination::Cancelled => report.message = "stopped before the fit was done".to_owned(),
        Termination::NoFiniteStart => {
            report.message = "no start gives finite residuals".to_owned();
        }
        _ => describe(&mut report, model, observations, &problem, minimum, options),
    }
    report
}

impl FitReport {
    /// The fitted curve; `None` where there are no estimates.
    #[must_use]
    pub fn curve(&self) -> Option<Curve> {
        Curve::from_rows(self.model, self.estimates.iter().map(|e| (&*e.name, e.value)))
    }
}

fn empty_report(model: &dyn Model, observations: &Observations) -> FitReport {
    FitReport {
        model: model.name(),
        termination: Termination::TooFewRecords,
        estimates: Vec::new(),
        correlations: Vec::new(),
        condition: None,
        metrics: None,
        n_records: observations.len(),
        n_iterations: 0,
        n_evaluations: 0,
        n_starts: 0,
        message: String::new(),
    }
}

/// Minimises from every start and keeps the least sum of squares; the earlier start on a tie.
fn best_minimum(
    model: &dyn Model,
    observations: &Observations,
    problem: &TravelTimes<'_>,
    options: &FitOptions,
    stopped: &dyn Fn() -> bool,
    report: &mut FitReport,
) -> Option<Minimum> {
    let mut best: Option<Minimum> = None;
    for start in model.starts(observations) {
        let minimum = minimize(problem, &start, options, stopped);
        report.n_starts += 1;
        report.n_iterations += minimum.n_iterations;
        report.n_evaluations += minimum.n_evaluations;
        if minimum.termination == Termination::Cancelled {
            return Some(minimum);
        }
        let ssr = |m: &Minimum| {
            if m.triangle.is_finite() { m.triangle.ssr() } else { f64::INFINITY }
        };
        if best.as_ref().is_none_or(|b| ssr(&minimum) < ssr(b)) {
            best = Some(minimum);
        }
    }
    if best.is_none() {
        report.termination = Termination::NoFiniteStart;
    }
    best
}

/// Fills in all that the minimum tells.
fn describe(
    report: &mut FitReport,
    model: &dyn Model,
    observations: &Observations,
    problem: &TravelTimes<'_>,
    minimum: Minimum,
    options: &FitOptions,
) {
    let (parameters, triangle, reasons) = settled(model, observations, problem, minimum);
    let fixed: Vec<bool> = (parameters.iter().zip(problem.bounds()).zip(&reasons))
        .map(|((x, (low, high)), reason)| {
            low == high || reason.is_none() && (x <= low || x >= high)
        })
        .collect();
    let information = Information::of(&triangle, &fixed);
    let ssr = triangle.ssr();
    let spread = Spread::of(ssr, observations.weight_sum(), information.rank, options.confidence);
    let specs = model.parameters();
    report.estimates = (0..specs.len())
        .map(|j| {
            let identification = information.identification[j];
            let (at, bounds) = (parameters[j], problem.bounds()[j]);
            let deviation = information.deviation(j);
            let row =
                uncertainty::estimate(&specs[j], at, bounds, identification, deviation, &spread);
            explained(row, reasons[j].as_ref())
        })
        .collect();
    report.correlations = correlations(&information, &report.estimates);
    report.condition = information.condition.filter(|c| c.is_finite());
    report.message = message(report.termination, &report.estimates);
    report.estimates.push(spread.estimate());
    report.metrics = metrics(model, &parameters, spread.sigma, ssr, observations);
}

/// The minimum after the model has moved it along flat directions, with its reasons. At the end of
/// the range of numbers the curve may not survive the move: then the minimum stays where it was.
fn settled(
    model: &dyn Model,
    observations: &Observations,
    problem: &TravelTimes<'_>,
    minimum: Minimum,
) -> (Vec<f64>, Triangle, Vec<Option<String>>) {
    let mut parameters = minimum.parameters.clone();
    let reasons = model.settle(&mut parameters, observations);
    if reasons.iter().any(Option::is_some) {
        let triangle = Triangle::reduce(problem, &parameters, &mut Vec::new());
        let limit = minimum.triangle.ssr() * (1.0 + 1e-9) + problem.residual_noise();
        if triangle.is_finite() && triangle.ssr() <= limit {
            return (parameters, triangle, reasons);
        }
    }
    (minimum.parameters, minimum.triangle, reasons)
}

/// The model's own reason takes the place of the general one.
fn explained(mut row: Estimate, reason: Option<&String>) -> Estimate {
    if let Some(reason) = reason {
        row.identification = Identification::NotIdentified;
        row.std_error = None;
        row.interval = None;
        row.reason.clone_from(reason);
    }
    row
}

fn correlations(information: &Information, estimates: &[Estimate]) -> Vec<Option<f64>> {
    let n = estimates.len();
    let is_ok = |j: usize| estimates[j].identification == Identification::Ok;
    (information.correlations().into_iter().enumerate())
        .map(|(entry, value)| value.filter(|_| is_ok(entry / n) && is_ok(entry % n)))
        .collect()
}

fn message(termination: Termination, estimates: &[Estimate]) -> String {
    let mut parts = Vec::new();
    match termination {
        Termination::IterationLimit => parts.push("out of iterations".to_owned()),
        Termination::NoProgress => parts.push("the solver made no progress".to_owned()),
        _ => {}
    }
    let rows = estimates.iter().filter(|row| !row.reason.is_empty());
    parts.extend(rows.map(|row| format!("{}: {}", row.name, row.reason)));
    parts.join("; ")
}
