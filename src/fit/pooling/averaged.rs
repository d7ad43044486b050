//! What a few records tell of parameters that are known roughly: their least squares made linear, on
//! average over where the parameters may lie.
//!
//! Linearised at its own minimum a group of few records tells nothing of a cruise speed that it does
//! not reach there, and much of one that it happens to reach: what such groups tell together is then
//! biased. Linearised about the shrunk estimate, in turns with the pool, it is not (Lindstrom and
//! Bates, 1990). The average over the normal distribution of the estimate, by the cubature of degree
//! three, smooths the knot of the curve away: it is the best normal approximation of the posterior
//! distribution (Opper and Archambeau, 2009) with Gauss and Newton's second derivatives.

use nalgebra::DMatrix;

use super::super::least_squares::{LeastSquares, Triangle};
use super::elimination::semidefinite_factor;
use super::evidence::Evidence;

/// The evidence of a problem about a normal distribution of its parameters; `sigma` is the standard
/// deviation of a residual of weight one. Points outside the bounds are put on them. Nothing is told
/// where no point has finite residuals or the covariance is none.
pub fn averaged(
    problem: &impl LeastSquares,
    mean: &[f64],
    covariance: &DMatrix<f64>,
    sigma: f64,
) -> Evidence {
    let p = problem.n_parameters();
    // Symmetric, so that column-major is row-major.
    let Some(factor) = semidefinite_factor(covariance.as_slice(), p) else {
        return Evidence::none(p);
    };
    let (mut rows, mut n_points, mut block) = (Vec::new(), 0.0, Vec::new());
    for (j, side) in (0..p).flat_map(|j| [(j, -1.0), (j, 1.0)]) {
        let point = |(k, (x, &(low, high))): (usize, (&f64, &(f64, f64)))| {
            (x + side * (p as f64).sqrt() * factor[k * p + j]).max(low).min(high)
        };
        let point: Vec<f64> = mean.iter().zip(problem.bounds()).enumerate().map(point).collect();
        let triangle = Triangle::reduce(problem, &point, &mut block);
        if triangle.is_finite() {
            rows.extend_from_slice(Evidence::of_fit(&triangle, mean, sigma).rows());
            n_points += 1.0;
        }
    }
    let share = f64::sqrt(1.0 / f64::max(n_points, 1.0));
    rows.iter_mut().for_each(|entry| *entry *= share);
    Evidence::of_rows(rows, p)
}
