//! Fits by a robust loss: scale and curve in turn, then the sandwich.

use nalgebra::{DMatrix, SVD};

use super::describe::{self, Found, held};
use super::errors::Law;
use super::fitting::{Task, cancel, count, settled, ssr};
use super::least_squares::{LeastSquares, Triangle};
use super::loss::{PER_MEDIAN, SCALE_ERROR};
use super::metrics::weighted_median;
use super::options::{Loss, SpreadModel};
use super::problem::TravelTimes;
use super::profile_intervals;
use super::report::{Estimate, FitReport, Identification, Termination};
use super::solver::{Minimum, minimize};
use super::spread::{MIN_SCALE, Scatter};
use super::trust_region::MAX_SWEEPS;
use super::uncertainty::{Information, NO_FREEDOM, Spread, pinned};

/// Turns of scale and curve; the distance to the end shrinks by two thirds in each, or faster.
const MAX_TURNS: usize = 100;
/// Relative change of the scale at which the turns end.
const SAME_SCALE: f64 = 1e-10;

/// A curve with the scale that its loss was measured by.
struct Fitted {
    minimum: Minimum,
    scale: f64,
    is_settled: bool,
}

/// Fits by the loss of the task's options, starting where least squares ended.
pub(super) fn fit(
    report: &mut FitReport,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    minima: &[Minimum],
) {
    let loss = task.options.loss;
    let first = if loss.is_monotone() { loss } else { Loss::Huber };
    let mut fitted = in_turns(report, task, problem, first, minima);
    if first != loss && fitted.minimum.termination != Termination::Cancelled {
        let starts: Vec<&Minimum> = std::iter::once(&fitted.minimum).chain(minima).collect();
        let scale = fitted.scale;
        if let Some(minimum) = best(report, task, problem, loss, scale, &starts) {
            fitted.minimum = minimum;
        }
    }
    if fitted.minimum.termination == Termination::Cancelled {
        return cancel(report);
    }
    describe_fit(report, task, problem, fitted);
}

/// Scale from the curve and curve with the scale until neither changes; with a fixed scale once.
fn in_turns(
    report: &mut FitReport,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    loss: Loss,
    minima: &[Minimum],
) -> Fitted {
    let mut starts: Vec<&Minimum> = minima.iter().collect();
    starts.sort_by(|a, b| ssr(a).total_cmp(&ssr(b)));
    let fixed = task.options.scale.filter(|s| *s > 0.0 && s.is_finite());
    let Some(start) = starts.first() else {
        // The caller has at least one; the report would tell of none.
        return Fitted { minimum: nothing(problem), scale: MIN_SCALE, is_settled: false };
    };
    let mut scale = fixed.unwrap_or_else(|| robust_scale(problem, &start.parameters));
    let mut minimum = (*start).clone();
    for turn in 0..MAX_TURNS {
        let found = if turn == 0 {
            best(report, task, problem, loss, scale, &starts)
        } else {
            best(report, task, problem, loss, scale, &[&minimum])
        };
        minimum = found.unwrap_or(minimum);
        let is_stopped = minimum.termination == Termination::Cancelled;
        let next = fixed.unwrap_or_else(|| robust_scale(problem, &minimum.parameters));
        if is_stopped || (next - scale).abs() <= SAME_SCALE * scale {
            return Fitted { minimum, scale, is_settled: !is_stopped };
        }
        scale = next;
    }
    Fitted { minimum, scale, is_settled: false }
}

fn nothing(problem: &TravelTimes<'_>) -> Minimum {
    let parameters = vec![0.0; problem.n_parameters()];
    let triangle = Triangle::reduce(problem, &parameters, &mut Vec::new());
    let termination = Termination::NoFiniteStart;
    Minimum { parameters, triangle, termination, n_iterations: 0, n_evaluations: 1 }
}

/// The least loss from these starts; the earlier on a tie. One that was stopped is the answer.
fn best(
    report: &mut FitReport,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    loss: Loss,
    scale: f64,
    starts: &[&Minimum],
) -> Option<Minimum> {
    let problem = problem.with_loss(loss, loss.tuning() * scale);
    let mut best: Option<Minimum> = None;
    for start in starts {
        let minimum = minimize(&problem, &start.parameters, task.options, task.stopped);
        count(report, &minimum);
        if minimum.termination == Termination::Cancelled {
            return Some(minimum);
        }
        if best.as_ref().is_none_or(|b| ssr(&minimum) < ssr(b)) {
            best = Some(minimum);
        }
    }
    best
}

/// 1.4826 times the weighted median of the absolute residuals of ln T.
pub(super) fn robust_scale(problem: &TravelTimes<'_>, parameters: &[f64]) -> f64 {
    let observations = problem.observations();
    let mut sizes: Vec<(f64, f64)> = Vec::with_capacity(observations.len());
    problem.for_each_block(parameters, |first, residuals, _| {
        let samples = observations.samples()[first..].iter();
        sizes.extend(residuals.iter().zip(samples).map(|(r, s)| (r.abs(), f64::from(s.weight))));
    });
    let median = if observations.sqrt_weight().is_empty() {
        plain_median(&mut sizes)
    } else {
        weighted_median(sizes, observations.weight_sum())
    };
    (PER_MEDIAN * median).clamp(MIN_SCALE, 1e300)
}

fn plain_median(sizes: &mut [(f64, f64)]) -> f64 {
    let n = sizes.len();
    if n == 0 {
        return 0.0;
    }
    let (below, &mut (upper, _), _) =
        sizes.select_nth_unstable_by(n / 2, |a, b| a.0.total_cmp(&b.0));
    if n % 2 == 1 {
        return upper;
    }
    let lower = below.iter().map(|size| size.0).fold(0.0, f64::max);
    0.5 * (lower + upper)
}

fn describe_fit(
    report: &mut FitReport,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    fitted: Fitted,
) {
    let (loss, scale) = (task.options.loss, fitted.scale);
    let width = loss.tuning() * scale;
    let robust = problem.with_loss(loss, width);
    report.termination = fitted.minimum.termination;
    let (parameters, triangle, reasons) = settled(&task.ranges, &robust, fitted.minimum);
    let held = held(&parameters, problem.bounds(), &reasons);
    let curvature = problem.products(&parameters, |r| loss.influence(r / width).1);
    // Where a loss bends down the curvature may be none: then the weights of the residuals stand
    // for it, which are never less.
    let information = Information::of_matrix(&curvature, &held)
        .or_else(|| {
            let weighted = problem.products(&parameters, |r| {
                let (root, slope) = loss.root(r / width);
                if r == 0.0 { 1.0 } else { root * slope * width / r }
            });
            Information::of_matrix(&weighted, &held)
        })
        .unwrap_or_else(|| Information::none(parameters.len()));
    let total = task.observations.weight_sum();
    let noise = Spread::unit(total, information.rank, task.options.confidence);
    let filling = problem.products(&parameters, |r| (width * loss.influence(r / width).0).powi(2));
    let factor = if noise.has_freedom() { total / noise.dof } else { 1.0 };
    let whole = Information::of_matrix(&curvature, &pinned(problem.bounds()));
    report.condition = whole.and_then(|whole| whole.condition).filter(|c| c.is_finite());
    let unit = information.clone();
    let information = information.sandwiched(&filling, factor);
    let mut found = Found { ranges: task.ranges.clone(), parameters, reasons, information, noise };
    report.estimates = found.rows();
    // The loss is scaled to the sandwich, so that it rises by as much as the standard errors say. A
    // better optimum of it would have another scale: it is left to the turns.
    let _ = profile_intervals::of_squares(report, task, &robust, &found, (&triangle, &unit));
    report.message = describe::message(report.termination, &report.estimates);
    if !fitted.is_settled {
        describe::remark(report, "scale and curve did not settle on each other");
    }
    let laws = (Scatter::Constant { sigma: scale }, Law::Normal);
    describe::add_metrics(report, task.model, &found.parameters, laws, task.observations);
    let curvature = own_curvature(&found);
    let n_model = found.parameters.len();
    add_scale(report, task, &mut found, scale);
    report.correlations = describe::correlations(&found.information, &report.estimates);
    report.solution = found.solution(curvature, vec![0.0; n_model + 1], n_model);
}

/// What stands for the information: the inverse of the sandwich, so that evidence weighs as much as
/// the standard errors say; then the scale. Of parameters that are held it tells nothing.
fn own_curvature(found: &Found) -> Vec<f64> {
    let n = found.parameters.len();
    let covariance = found.information.covariance_of_told(1.0);
    let mut information = vec![0.0; (n + 1) * (n + 1)];
    if let Some(inverse) = pseudo_inverse(&covariance, n) {
        for j in 0..n {
            for k in 0..n {
                information[j * (n + 1) + k] = inverse[(j, k)];
            }
        }
    }
    information[(n + 1) * (n + 1) - 1] = found.noise.dof.max(0.0) / SCALE_ERROR.powi(2);
    information
}

/// Of a covariance, row-major, over the parameters that have a variance, each measured in its own
/// standard deviation; zero elsewhere. `None` at the end of the range of numbers, where the
/// iteration for the singular values would not end either.
fn pseudo_inverse(covariance: &[f64], n: usize) -> Option<DMatrix<f64>> {
    let deviations: Vec<f64> = (0..n).map(|j| covariance[j * n + j].sqrt()).collect();
    let unit = |j: usize| if deviations[j] > 0.0 { 1.0 / deviations[j] } else { 0.0 };
    let scaled = DMatrix::from_fn(n, n, |j, k| covariance[j * n + k] * unit(j) * unit(k));
    if !scaled.iter().all(|entry| entry.is_finite()) {
        return None;
    }
    let svd = SVD::try_new(scaled, true, true, f64::EPSILON, MAX_SWEEPS)?;
    let cut = f64::EPSILON * svd.singular_values.max();
    let inverse = svd.pseudo_inverse(cut).ok()?;
    let inverse = DMatrix::from_fn(n, n, |j, k| inverse[(j, k)] * unit(j) * unit(k));
    inverse.iter().all(|entry| entry.is_finite()).then_some(inverse)
}

/// The robust scale as the last parameter, with the standard error that it has for normal errors.
fn add_scale(report: &mut FitReport, task: &Task<'_>, found: &mut Found, scale: f64) {
    let deviation = SCALE_ERROR / found.noise.dof.max(1.0).sqrt();
    let half_width = found.noise.t_quantile() * deviation;
    let is_fixed = task.options.scale.is_some();
    let is_ok = !is_fixed && found.noise.has_freedom() && half_width < 50.0;
    let identification = match (is_fixed, is_ok) {
        (true, _) => Identification::Fixed,
        (false, true) => Identification::Ok,
        (false, false) => Identification::NotIdentified,
    };
    let told = |value: f64| is_ok.then_some(value);
    let specs = SpreadModel::Constant.specs();
    report.estimates.extend(specs.first().map(|spec| Estimate {
        name: spec.name.clone(),
        unit: spec.unit,
        value: scale,
        std_error: told(scale * deviation),
        interval: (told(scale * (-half_width).exp()), told(scale * half_width.exp())),
        identification,
        reason: match identification {
            Identification::Fixed => "set by the settings".to_owned(),
            Identification::Ok => String::new(),
            _ => NO_FREEDOM.to_owned(),
        },
    }));
    found.ranges.specs.extend(specs);
    found.ranges.bounds.extend(SpreadModel::Constant.bounds());
    found.ranges.fixed.push(is_fixed);
    found.parameters.push(scale.ln());
    found.reasons.push(None);
    let variance = if is_ok { deviation * deviation } else { 0.0 };
    let information = std::mem::replace(&mut found.information, Information::none(0));
    found.information = information.with_independent(variance, identification);
}
