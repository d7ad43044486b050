//! Further starts for fits that give far records less weight than least squares does.
//!
//! A curve with a knot has several minima, and which is the best depends on what each record
//! counts: that of a robust loss or of heavy tails need not lie near any of least squares. So the
//! model looks for starts again among records weighted as Student's t would weigh them.

use super::fitting::{Task, count, ssr};
use super::least_squares::Triangle;
use super::problem::TravelTimes;
use super::report::{FitReport, Termination};
use super::robust_fit::robust_scale;
use super::solver::{Minimum, minimize};

/// Degrees of freedom of the weights: those that travel times usually have (Budge, Ingolfsson and
/// Zerom, 2010).
const DOF: f64 = 4.0;
/// Least share of its weight that a record keeps.
const LEAST_SHARE: f64 = 1e-6;

/// Adds the minima of reweighted least squares, told in terms of the plain problem; the last was
/// stopped, if one was.
pub(super) fn add_minima(
    minima: &mut Vec<Minimum>,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    report: &mut FitReport,
) {
    let is_stopped = minima.iter().any(|m| m.termination == Termination::Cancelled);
    let best = minima.iter().min_by(|a, b| ssr(a).total_cmp(&ssr(b)));
    let Some(best) = best.filter(|best| !is_stopped && ssr(best).is_finite()) else {
        return;
    };
    let observations = task.observations.reweighted(&shares(problem, &best.parameters));
    let bounds = task.ranges.bounds[..best.parameters.len()].to_vec();
    let again = TravelTimes::within(task.model, &observations, bounds);
    let mut block = Vec::new();
    for start in task.model.starts(&observations) {
        let minimum = minimize(&again, &start, task.options, task.stopped);
        count(report, &minimum);
        let is_stopped = minimum.termination == Termination::Cancelled;
        let triangle = Triangle::reduce(problem, &minimum.parameters, &mut block);
        minima.push(Minimum { triangle, ..minimum });
        if is_stopped {
            break;
        }
    }
}

/// The weights of Student's t over that of a record on the curve.
fn shares(problem: &TravelTimes<'_>, parameters: &[f64]) -> Vec<f64> {
    let scale = robust_scale(problem, parameters);
    let mut shares = Vec::with_capacity(problem.observations().len());
    problem.for_each_block(parameters, |_, residuals, _| {
        let share = |r: &f64| (DOF / (DOF + (r / scale).powi(2))).max(LEAST_SHARE);
        shares.extend(residuals.iter().map(share));
    });
    shares
}
