//! A step of Newton's method with second derivatives from differences of the gradient.
//!
//! For the end of a minimisation where Gauss and Newton's approximation converges slowly: large
//! residuals along a direction that the curve bends, such as a cruise speed that hangs on one or
//! two trips. Costs two evaluations per parameter, and saves dozens.

use nalgebra::{DMatrix, DVector};

use super::least_squares::{LeastSquares, Triangle};
use super::trust_region::{Place, Step};

/// Relative step of the differences: the cube root of the precision, best for central ones.
const DIFFERENCE: f64 = 6e-6;
/// The same where the parameter is (nearly) zero, in steps that would move the curve by the
/// length of the residuals.
const LEAST_DIFFERENCE: f64 = 6e-9;

/// The step of the free parameters to where the quadratic through value, gradient and second
/// derivatives is least; `None` where there is no such point within the bounds. Lengths are
/// measured with `scale`. Adds to `n_evaluations`.
pub(super) fn newton_step(
    problem: &impl LeastSquares,
    place: &Place<'_>,
    scale: &[f64],
    block: &mut Vec<f64>,
    n_evaluations: &mut u64,
) -> Option<Step> {
    let free = place.free();
    let unit: Vec<f64> = free.iter().map(|&j| place.triangle.column_norm(j)).collect();
    if free.is_empty() || unit.contains(&0.0) {
        return None;
    }
    let residual = place.triangle.ssr().sqrt();
    let mut hessian = DMatrix::zeros(free.len(), free.len());
    for (k, &j) in free.iter().enumerate() {
        let at = place.parameters[j];
        let width = (DIFFERENCE * at.abs()).max(LEAST_DIFFERENCE * residual / unit[k]);
        let (low, high) = place.bounds[j];
        let ends = ((at - width).max(low), (at + width).min(high));
        let mut gradient_at = |value: f64| {
            let mut parameters = place.parameters.to_vec();
            parameters[j] = value;
            *n_evaluations += 1;
            Triangle::reduce(problem, &parameters, block)
        };
        let (below, above) = (gradient_at(ends.0), gradient_at(ends.1));
        for (l, &m) in free.iter().enumerate() {
            let slope = (above.gradient(m) - below.gradient(m)) / (ends.1 - ends.0);
            hessian[(l, k)] = slope / (unit[k] * unit[l]);
        }
    }
    let symmetric = 0.5 * (&hessian + hessian.transpose());
    let gradient = DVector::from_fn(free.len(), |k, _| place.triangle.gradient(free[k]) / unit[k]);
    if !symmetric.iter().chain(gradient.iter()).all(|x| x.is_finite()) {
        return None;
    }
    let solution = symmetric.cholesky()?.solve(&gradient);
    let mut change = vec![0.0; place.parameters.len()];
    for (k, &j) in free.iter().enumerate() {
        change[j] = -solution[k] / unit[k];
    }
    let is_inside = (place.bounds.iter().zip(place.parameters).zip(&change))
        .all(|((&(low, high), x), c)| (low..=high).contains(&(x + c)));
    let length = change.iter().zip(scale).map(|(c, s)| (c * s).powi(2)).sum::<f64>().sqrt();
    let predicted = gradient.dot(&solution);
    is_inside.then_some(Step { change, length, predicted, is_cut: false })
}
