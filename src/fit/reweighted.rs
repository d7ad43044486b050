//! Further starts for fits that give far records less weight than least squares does.
//!
//! A curve with a knot has several minima, and which is the best depends on what each record
//! counts: that of a robust loss or of heavy tails need not lie near any of least squares. So the
//! model looks for starts again among records weighted as Student's t would weigh them, and once
//! more from every curve to which that led.

use super::fitting::{Task, count, ssr};
use super::least_squares::Triangle;
use super::problem::TravelTimes;
use super::report::{FitReport, Termination};
use super::robust_fit::robust_scale;
use super::solver::{Minimum, minimize};

/// Degrees of freedom of the weights: what travel times usually have (Budge, Ingolfsson and Zerom,
/// 2010), and Cauchy's law, for a bulk that the far records hide.
const TAILS: [f64; 2] = [4.0, 1.0];
/// Least share of its weight that a record keeps.
const LEAST_SHARE: f64 = 1e-6;
/// Curves whose parameters, mostly logarithms, differ by less lead to one and the same.
const SAME: f64 = 0.01;

/// Adds the minima of reweighted least squares, told in terms of the plain problem; the last was
/// stopped, if one was.
pub(super) fn add_minima(
    minima: &mut Vec<Minimum>,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    report: &mut FitReport,
) {
    let least = minima.iter().min_by(|a, b| ssr(a).total_cmp(&ssr(b)));
    let Some(first) = least.filter(|m| ssr(m).is_finite()).map(|m| m.parameters.clone()) else {
        return;
    };
    let n_plain = minima.len();
    for tail in TAILS {
        add_round(minima, task, problem, &shares(problem, &first, tail), report);
    }
    let curves: Vec<Vec<f64>> = minima[n_plain..].iter().map(|m| m.parameters.clone()).collect();
    for curve in curves {
        add_round(minima, task, problem, &shares(problem, &curve, TAILS[0]), report);
    }
}

/// Adds the minima under these weights that are new; nothing once one was stopped.
fn add_round(
    minima: &mut Vec<Minimum>,
    task: &Task<'_>,
    problem: &TravelTimes<'_>,
    shares: &[f64],
    report: &mut FitReport,
) {
    let is_stopped = |m: &Minimum| m.termination == Termination::Cancelled;
    if minima.last().is_some_and(is_stopped) {
        return;
    }
    let observations = task.observations.reweighted(shares);
    let bounds = task.ranges.bounds[..task.model.parameters().len()].to_vec();
    let again = TravelTimes::within(task.model, &observations, bounds);
    let mut block = Vec::new();
    for start in task.model.starts(&observations) {
        let minimum = minimize(&again, &start, task.options, task.stopped);
        count(report, &minimum);
        let stops = is_stopped(&minimum);
        if stops || !minima.iter().any(|known| is_same(known, &minimum)) {
            let triangle = Triangle::reduce(problem, &minimum.parameters, &mut block);
            minima.push(Minimum { triangle, ..minimum });
        }
        if stops {
            break;
        }
    }
}

fn is_same(known: &Minimum, other: &Minimum) -> bool {
    let mut pairs = known.parameters.iter().zip(&other.parameters);
    pairs.all(|(a, b)| (a - b).abs() <= SAME * (1.0 + a.abs()))
}

/// The weights of Student's t over that of a record on the curve.
fn shares(problem: &TravelTimes<'_>, parameters: &[f64], dof: f64) -> Vec<f64> {
    let scale = robust_scale(problem, parameters);
    let mut shares = Vec::with_capacity(problem.observations().len());
    problem.for_each_block(parameters, |_, residuals, _| {
        let share = |r: &f64| (dof / (dof + (r / scale).powi(2))).max(LEAST_SHARE);
        shares.extend(residuals.iter().map(share));
    });
    shares
}
