//! Fits by maximum likelihood, from where least squares ended.

use super::ascent::{Limits, Maximum, maximize};
use super::describe::{self, Found, held, moved_along_flats};
use super::fitting::{MAX_RESTARTS, Task, cancel, ssr};
use super::likelihood::{Block, Evaluation, Likelihood};
use super::options::{Covariance, Errors, SpreadModel};
use super::profile_intervals;
use super::report::{FitReport, Identification, Termination};
use super::solver::Minimum;
use super::spread::{Scatter, least_b1};
use super::uncertainty::{Information, Spread, pinned};

/// Degrees of freedom at which an estimated tail starts.
const FIRST_DOF: f64 = 6.0;
/// Share of the variance of ln T at the middle of the records that at the start falls with the
/// median, the rest being common to all trips.
const FALLING_SHARE: f64 = 0.4;
/// Least-squares minima whose parameters differ by less are one start.
const SAME_START: f64 = 1e-6;
/// Share of a standard error over which the gradient is differenced for the observed information.
/// A curve with a knot has kinks in its gradient where a record passes the knot; over this width
/// they add up to the curvature that the likelihood has on the scale of the uncertainty.
const DIFFERENCE: f64 = 0.1;
/// How near b1 may come to where the variance is zero at some median before it counts as a bound,
/// as a share of the way there from zero.
const NEAR_ZERO: f64 = 1e-3;

/// Maximises the likelihood of the task's options; fills in the report.
pub(super) fn fit(report: &mut FitReport, task: &Task<'_>, minima: &[Minimum]) {
    let likelihood = Likelihood {
        model: task.model,
        observations: task.observations,
        spread: task.options.spread,
        is_student: matches!(task.options.errors, Errors::StudentT { .. }),
        bounds: task.ranges.bounds.clone(),
    };
    let mut best: Option<Maximum> = None;
    for start in starts(&likelihood, minima) {
        let found = maximize(&likelihood, &start, limits(task), task.stopped);
        report.n_iterations += found.n_iterations;
        report.n_evaluations += found.n_evaluations;
        report.n_starts += 1;
        if found.termination == Termination::Cancelled {
            return cancel(report);
        }
        if best.as_ref().is_none_or(|b| found.at.cost < b.at.cost) {
            best = Some(found);
        }
    }
    match best.filter(|b| b.at.cost.is_finite()) {
        Some(maximum) => describe_fit(report, task, &likelihood, maximum, MAX_RESTARTS),
        None => {
            report.termination = Termination::NoFiniteStart;
            report.message = "no start gives a finite likelihood".to_owned();
        }
    }
}

pub(super) fn limits(task: &Task<'_>) -> Limits {
    Limits { max_iterations: task.options.max_iterations, tolerance: task.options.tolerance }
}

/// The distinct minima of least squares, the least first, with spread and tail to match.
fn starts(likelihood: &Likelihood<'_>, minima: &[Minimum]) -> Vec<Vec<f64>> {
    let mut ordered: Vec<&Minimum> = minima.iter().filter(|m| ssr(m).is_finite()).collect();
    ordered.sort_by(|a, b| ssr(a).total_cmp(&ssr(b)));
    let mut distinct: Vec<&Minimum> = Vec::new();
    for minimum in ordered {
        let is_same = |other: &&Minimum| {
            let pairs = minimum.parameters.iter().zip(&other.parameters);
            pairs.into_iter().all(|(a, b)| (a - b).abs() <= SAME_START * (1.0 + a.abs()))
        };
        if !distinct.iter().any(is_same) {
            distinct.push(minimum);
        }
    }
    distinct.into_iter().map(|m| start(likelihood, m)).collect()
}

fn start(likelihood: &Likelihood<'_>, minimum: &Minimum) -> Vec<f64> {
    let mut start = minimum.parameters.clone();
    let total = likelihood.observations.weight_sum();
    let mut variance = (ssr(minimum) / total).max(1e-12);
    if likelihood.is_student {
        variance *= (FIRST_DOF - 2.0) / FIRST_DOF;
    }
    match likelihood.spread {
        SpreadModel::Constant => start.push(0.5 * variance.ln()),
        SpreadModel::Budge => {
            let times = likelihood.observations.ln_time();
            let middle = times.iter().sum::<f64>() / times.len().max(1) as f64;
            let common = (1.0 - FALLING_SHARE) * variance;
            start.push(FALLING_SHARE * variance * (2.0 * middle).exp() / (common + 1.0));
            start.push(0.0);
            start.push(common);
        }
    }
    if likelihood.is_student {
        start.push(1.0 / FIRST_DOF);
    }
    start
}

fn describe_fit(
    report: &mut FitReport,
    task: &Task<'_>,
    likelihood: &Likelihood<'_>,
    maximum: Maximum,
    n_restarts: usize,
) {
    report.termination = maximum.termination;
    let (parameters, at, reasons) = settled(task, likelihood, maximum);
    let held = held(&parameters, &likelihood.bounds, &reasons);
    let mut block = Block::default();
    let observed = observed_information(likelihood, &parameters, &at, &held, &mut block);
    let (matrix, information) = match Information::of_matrix(&observed, &held) {
        Some(information) => (observed, information),
        None => {
            let expected = Information::of_matrix(&at.information, &held);
            let information = expected.unwrap_or_else(|| Information::none(parameters.len()));
            (at.information.clone(), information)
        }
    };
    let total = task.observations.weight_sum();
    let noise = Spread::unit(total, information.rank, task.options.confidence);
    let whole = Information::of_matrix(&matrix, &pinned(&likelihood.bounds));
    report.condition = whole.and_then(|whole| whole.condition).filter(|c| c.is_finite());
    let unit = information.clone();
    let information = if task.options.covariance == Covariance::Sandwich {
        information.sandwiched(&likelihood.score_products(&parameters, &mut block), 1.0)
    } else {
        information
    };
    let mut found = Found { ranges: task.ranges.clone(), parameters, reasons, information, noise };
    mark_vanishing_variance(likelihood, &mut found);
    report.estimates = found.rows();
    let better = profile_intervals::of_likelihood(report, task, likelihood, &found, (&at, &unit));
    if let Some(start) = better.filter(|_| n_restarts > 0) {
        let again = maximize(likelihood, &start, limits(task), task.stopped);
        report.n_iterations += again.n_iterations;
        report.n_evaluations += again.n_evaluations;
        report.n_starts += 1;
        if again.at.cost < at.cost {
            return describe_fit(report, task, likelihood, again, n_restarts - 1);
        }
    }
    report.message = describe::message(report.termination, &report.estimates);
    report.correlations = describe::correlations(&found.information, &report.estimates);
    let laws = (likelihood.scatter(&found.parameters), likelihood.law(&found.parameters));
    describe::add_metrics(report, task.model, &found.parameters, laws, task.observations);
    report.solution = found.solution(matrix, at.gradient, likelihood.n_model());
    describe::add_likelihood(report, -at.cost, task.observations);
}

/// The maximum after the model has moved it along flat directions, with its reasons.
fn settled(
    task: &Task<'_>,
    likelihood: &Likelihood<'_>,
    maximum: Maximum,
) -> (Vec<f64>, Evaluation, Vec<Option<String>>) {
    let at = &maximum.parameters;
    let moved = moved_along_flats(task.model, task.observations, &task.ranges, at);
    let Some((parameters, reasons)) = moved else {
        let n = maximum.parameters.len();
        return (maximum.parameters, maximum.at, vec![None; n]);
    };
    let at = likelihood.evaluate(&parameters, &mut Block::default());
    let limit = maximum.at.cost + 1e-9 * (1.0 + maximum.at.cost.abs());
    if at.cost <= limit {
        return (parameters, at, reasons);
    }
    (maximum.parameters, maximum.at, reasons)
}

/// Where the variance all but vanishes at some median, b1 cannot fall further: that is a bound.
fn mark_vanishing_variance(likelihood: &Likelihood<'_>, found: &mut Found) {
    let at_b1 = likelihood.n_model() + 1;
    if let Scatter::Budge { b0, b1, b2 } = likelihood.scatter(&found.parameters)
        && b0 > 0.0
        && b1 <= (1.0 - NEAR_ZERO) * least_b1(b0, b2)
        && found.information.identification[at_b1] == Identification::Ok
    {
        found.reasons[at_b1] =
            Some("less would make the variance of ln T zero at some median".to_owned());
    }
}

/// Second derivatives of −ln likelihood from differences of its gradient, symmetric; the expected
/// ones in rows of what is held, and everywhere where a difference leaves what is possible.
pub(super) fn observed_information(
    likelihood: &Likelihood<'_>,
    parameters: &[f64],
    at: &Evaluation,
    held: &[bool],
    block: &mut Block,
) -> Vec<f64> {
    let n = parameters.len();
    let mut matrix = at.information.clone();
    let Some(expected) = Information::of_matrix(&at.information, held) else {
        return matrix;
    };
    let free: Vec<usize> =
        (0..n).filter(|&j| expected.identification[j] == Identification::Ok).collect();
    let mut slopes = vec![0.0; n * n];
    for &j in &free {
        let (low, high) = likelihood.bounds[j];
        let width = DIFFERENCE * expected.deviation(j);
        let ends = ((parameters[j] - width).max(low), (parameters[j] + width).min(high));
        let mut gradient_at = |value: f64| {
            let mut moved = parameters.to_vec();
            moved[j] = value;
            likelihood.evaluate(&moved, block)
        };
        let (below, above) = (gradient_at(ends.0), gradient_at(ends.1));
        if !(below.cost.is_finite() && above.cost.is_finite() && ends.1 > ends.0) {
            return matrix;
        }
        for k in 0..n {
            slopes[j * n + k] = (above.gradient[k] - below.gradient[k]) / (ends.1 - ends.0);
        }
    }
    for &j in &free {
        for &k in &free {
            matrix[j * n + k] = 0.5 * (slopes[j * n + k] + slopes[k * n + j]);
        }
    }
    matrix
}
