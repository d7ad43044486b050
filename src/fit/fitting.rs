//! One fit from start to report: starts, minimisation, and which objective follows it.

use super::bounds::Ranges;
use super::curve::Curve;
use super::describe::{self, Found, held, moved_along_flats};
use super::errors::Law;
use super::least_squares::{LeastSquares, Triangle};
use super::metrics::metrics;
use super::models::Model;
use super::observations::Observations;
use super::options::{Covariance, FitOptions, Loss};
use super::problem::TravelTimes;
use super::profile_intervals;
use super::report::{FitReport, Identification, Termination};
use super::solver::{Minimum, minimize};
use super::spread::Scatter;
use super::uncertainty::{Information, Spread, pinned};
use super::{likelihood_fit, reweighted, robust_fit};

/// Fits a model to the records of one group: by least squares on ln T, by a robust loss, or, where
/// errors or spread are not the plain ones, by maximum likelihood from the least-squares fit.
///
/// There is always a report. It has no estimates where there are fewer records than parameters,
/// where no start gave finite residuals, and where `stopped`, asked before every iteration,
/// answered yes. Bounds that [`FitOptions::check`] refuses are left out, which the message says.
/// The same observations give the same bits, on whatever thread.
pub fn fit(
    model: &dyn Model,
    observations: &Observations,
    options: &FitOptions,
    stopped: &dyn Fn() -> bool,
) -> FitReport {
    let mut report = empty_report(model, observations, options);
    let (ranges, complaints) = Ranges::of(model, observations, options);
    let task = Task { model, observations, options, stopped, ranges };
    // What the model itself pins for want of records needs none.
    let needed = task.ranges.bounds.iter().filter(|(low, high)| low < high).count().max(1);
    if observations.len() < needed {
        report.message = format!(
            "{} needs at least {needed} records, there are {}",
            model.name(),
            observations.len()
        );
        return report;
    }
    let n_model = model.parameters().len();
    let bounds = task.ranges.bounds[..n_model].to_vec();
    let problem = TravelTimes::within(model, observations, bounds);
    let mut minima = minima(&task, &problem, &mut report);
    if options.is_likelihood() || options.loss != Loss::LeastSquares {
        reweighted::add_minima(&mut minima, &task, &problem, &mut report);
    }
    match ended(&minima) {
        Some(Termination::Cancelled) => cancel(&mut report),
        Some(termination) => {
            report.termination = termination;
            report.message = "no start gives finite residuals".to_owned();
        }
        None if options.is_likelihood() => likelihood_fit::fit(&mut report, &task, &minima),
        None if options.loss != Loss::LeastSquares => {
            robust_fit::fit(&mut report, &task, &problem, &minima);
        }
        None => {
            if let Some(minimum) = least(minima) {
                describe(&mut report, &task, &problem, minimum, MAX_RESTARTS);
            }
        }
    }
    for complaint in complaints {
        describe::remark(&mut report, &format!("{complaint}: left out"));
    }
    report
}

/// What is to be done.
pub(super) struct Task<'a> {
    pub(super) model: &'a dyn Model,
    pub(super) observations: &'a Observations,
    pub(super) options: &'a FitOptions,
    pub(super) stopped: &'a dyn Fn() -> bool,
    pub(super) ranges: Ranges,
}

impl FitReport {
    /// The fitted curve; `None` where there are no estimates.
    #[must_use]
    pub fn curve(&self) -> Option<Curve> {
        Curve::from_rows(self.model, self.estimates.iter().map(|e| (&*e.name, e.value)))
    }

    /// A published estimate by its name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.estimates.iter().find(|e| e.name == name).map(|e| e.value)
    }
}

fn empty_report(model: &dyn Model, observations: &Observations, options: &FitOptions) -> FitReport {
    let is_robust = !options.is_likelihood() && options.loss != Loss::LeastSquares;
    let is_sandwich = is_robust || options.covariance == Covariance::Sandwich;
    FitReport {
        model: model.name(),
        termination: Termination::TooFewRecords,
        loss: if options.is_likelihood() { LIKELIHOOD } else { options.loss.as_str() },
        errors: options.errors.as_str(),
        spread: options.spread.as_str(),
        covariance: if is_sandwich { Covariance::Sandwich } else { Covariance::Information }
            .as_str(),
        estimates: Vec::new(),
        correlations: Vec::new(),
        condition: None,
        metrics: None,
        log_likelihood: None,
        aic: None,
        bic: None,
        solution: None,
        n_records: observations.len(),
        n_iterations: 0,
        n_evaluations: 0,
        n_starts: 0,
        message: String::new(),
    }
}

/// Fits begun anew where the search for an interval passes a better optimum.
pub(super) const MAX_RESTARTS: usize = 3;

/// What a report names as loss where the likelihood is maximised.
const LIKELIHOOD: &str = "likelihood";

/// Marks the report as stopped.
pub(super) fn cancel(report: &mut FitReport) {
    report.termination = Termination::Cancelled;
    report.message = "stopped before the fit was done".to_owned();
}

/// Where least squares ends from every start; one that was stopped is the last.
fn minima(task: &Task<'_>, problem: &TravelTimes<'_>, report: &mut FitReport) -> Vec<Minimum> {
    let mut minima = Vec::new();
    for start in task.model.starts(task.observations) {
        let minimum = minimize(problem, &start, task.options, task.stopped);
        count(report, &minimum);
        let is_stopped = minimum.termination == Termination::Cancelled;
        minima.push(minimum);
        if is_stopped {
            break;
        }
    }
    minima
}

/// Adds the effort of one minimisation.
pub(super) fn count(report: &mut FitReport, minimum: &Minimum) {
    report.n_starts += 1;
    report.n_iterations += minimum.n_iterations;
    report.n_evaluations += minimum.n_evaluations;
}

/// Why there is nothing to go on from, if so.
fn ended(minima: &[Minimum]) -> Option<Termination> {
    let is_stopped = minima.last().is_some_and(|m| m.termination == Termination::Cancelled);
    if is_stopped {
        return Some(Termination::Cancelled);
    }
    let is_finite = minima.iter().any(|m| m.termination != Termination::NoFiniteStart);
    (!is_finite).then_some(Termination::NoFiniteStart)
}

/// Sum of squares, infinite where it is none.
pub(super) fn ssr(minimum: &Minimum) -> f64 {
    if minimum.triangle.is_finite() { minimum.triangle.ssr() } else { f64::INFINITY }
}

/// The least of them; the earlier on a tie.
pub(super) fn least(minima: Vec<Minimum>) -> Option<Minimum> {
    let mut best: Option<Minimum> = None;
    for minimum in minima {
        if best.as_ref().is_none_or(|b| ssr(&minimum) < ssr(b)) {
            best = Some(minimum);
        }
    }
    best
}

/// Fills in all that the minimum of squares tells.
fn describe(
    report: &mut FitReport,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    minimum: Minimum,
    n_restarts: usize,
) {
    report.termination = minimum.termination;
    let (observations, options) = (task.observations, task.options);
    let (parameters, triangle, reasons) = settled(&task.ranges, problem, minimum);
    let held = held(&parameters, problem.bounds(), &reasons);
    let (ssr, total) = (triangle.ssr(), observations.weight_sum());
    let unit = Information::of(&triangle, &held);
    // A parameter at its bound is one of the fit: what it shares with others is not told apart.
    report.condition = Information::of(&triangle, &pinned(problem.bounds())).condition;
    let mut information = unit.clone();
    let noise = Spread::of(ssr, total, information.rank, options.confidence);
    if options.covariance == Covariance::Sandwich && ssr > 0.0 && noise.has_freedom() {
        // HC1 of MacKinnon and White (1985), per unit of the residual variance.
        let filling = problem.products(&parameters, |r| r * r);
        information = information.sandwiched(&filling, total / noise.dof / noise.sigma.powi(2));
    }
    let mut found = Found { ranges: task.ranges.clone(), parameters, reasons, information, noise };
    report.estimates = found.rows();
    let better = profile_intervals::of_squares(report, task, problem, &found, (&triangle, &unit));
    if let Some(start) = better.filter(|_| n_restarts > 0) {
        let again = minimize(problem, &start, options, task.stopped);
        count(report, &again);
        if self::ssr(&again) < ssr {
            return describe(report, task, problem, again, n_restarts - 1);
        }
    }
    report.message = describe::message(report.termination, &report.estimates);
    report.condition = report.condition.filter(|c| c.is_finite());
    let (scatter, law) = (Scatter::Constant { sigma: noise.sigma }, Law::Normal);
    report.metrics =
        metrics(task.model, &found.parameters, &scatter, &law, Some(ssr), observations);
    let (information, gradient) = curvature(&triangle, &noise);
    let n_model = found.parameters.len();
    add_sigma(report, &mut found);
    report.correlations = describe::correlations(&found.information, &report.estimates);
    report.solution = found.solution(information, gradient, n_model);
    let ln_variance = (2.0 * std::f64::consts::PI * ssr / total).ln();
    describe::add_likelihood(report, -0.5 * total * (ln_variance + 1.0), observations);
}

/// The residual standard deviation as the last parameter: ln of it has the variance 1/(2·dof).
fn add_sigma(report: &mut FitReport, found: &mut Found) {
    let row = found.noise.estimate();
    let identification = row.identification;
    let variance = 0.5 / found.noise.dof / found.noise.sigma.powi(2);
    let variance = if identification == Identification::Ok { variance } else { 0.0 };
    report.estimates.push(row);
    found.ranges.specs.extend(super::options::SpreadModel::Constant.specs());
    found.ranges.bounds.extend(super::options::SpreadModel::Constant.bounds());
    found.ranges.fixed.push(false);
    found.parameters.push(found.noise.sigma.max(f64::MIN_POSITIVE).ln());
    found.reasons.push(None);
    let information = std::mem::replace(&mut found.information, Information::none(0));
    found.information = information.with_independent(variance, identification);
}

/// Information and gradient of −ln likelihood about the model's parameters and ln σ.
fn curvature(triangle: &Triangle, noise: &Spread) -> (Vec<f64>, Vec<f64>) {
    let n = triangle.n_parameters();
    let variance = noise.sigma * noise.sigma;
    let mut information = vec![0.0; (n + 1) * (n + 1)];
    for j in 0..n {
        for k in 0..n {
            let product: f64 =
                (0..=j.min(k)).map(|row| triangle.r(row, j) * triangle.r(row, k)).sum();
            information[j * (n + 1) + k] = product / variance;
        }
    }
    information[(n + 1) * (n + 1) - 1] = 2.0 * noise.dof.max(0.0);
    let mut gradient: Vec<f64> = (0..n).map(|j| triangle.gradient(j) / variance).collect();
    gradient.push(0.0);
    (information, gradient)
}

/// The minimum after the model has moved it along flat directions, with its reasons. At the end of
/// the range of numbers the curve may not survive the move: then the minimum stays where it was.
pub(super) fn settled(
    ranges: &Ranges,
    problem: &TravelTimes<'_>,
    minimum: Minimum,
) -> (Vec<f64>, Triangle, Vec<Option<String>>) {
    let (model, observations) = (problem.model(), problem.observations());
    let moved = moved_along_flats(model, observations, ranges, &minimum.parameters);
    let Some((parameters, reasons)) = moved else {
        let n = minimum.parameters.len();
        return (minimum.parameters, minimum.triangle, vec![None; n]);
    };
    let triangle = Triangle::reduce(problem, &parameters, &mut Vec::new());
    let limit = minimum.triangle.ssr() * (1.0 + 1e-9) + problem.residual_noise();
    if triangle.is_finite() && triangle.ssr() <= limit {
        return (parameters, triangle, reasons);
    }
    (minimum.parameters, minimum.triangle, reasons)
}
