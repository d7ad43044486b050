//! Classical problems with known answers.

use super::*;

const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Residual and gradient of one row at given parameters.
type Row = fn(&[f64], usize) -> (f64, Vec<f64>);

struct Classic {
    n_rows: usize,
    bounds: Vec<(f64, f64)>,
    row: Row,
}

impl LeastSquares for Classic {
    fn n_parameters(&self) -> usize {
        self.bounds.len()
    }

    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn bounds(&self) -> &[(f64, f64)] {
        &self.bounds
    }

    fn residual_noise(&self) -> f64 {
        f64::EPSILON
    }

    fn fill(&self, p: &[f64], first: usize, jacobian: &mut [f64], residuals: &mut [f64]) {
        let n = residuals.len();
        for (i, residual) in residuals.iter_mut().enumerate() {
            let (value, gradient) = (self.row)(p, first + i);
            *residual = value;
            for (j, slope) in gradient.into_iter().enumerate() {
                jacobian[j * n + i] = slope;
            }
        }
    }
}

const ROSENBROCK: Row = |p, i| match i {
    0 => (10.0 * (p[1] - p[0] * p[0]), vec![-20.0 * p[0], 10.0]),
    _ => (1.0 - p[0], vec![-1.0, 0.0]),
};

const POWELL_SINGULAR: Row = |p, i| {
    let (a, b) = (p[1] - 2.0 * p[2], p[0] - p[3]);
    let (r5, r10) = (5f64.sqrt(), 10f64.sqrt());
    match i {
        0 => (p[0] + 10.0 * p[1], vec![1.0, 10.0, 0.0, 0.0]),
        1 => (r5 * (p[2] - p[3]), vec![0.0, 0.0, r5, -r5]),
        2 => (a * a, vec![0.0, 2.0 * a, -4.0 * a, 0.0]),
        _ => (r10 * b * b, vec![2.0 * r10 * b, 0.0, 0.0, -2.0 * r10 * b]),
    }
};

/// NIST StRD, Misra1a: y = b1·(1 − exp(−b2·x)).
const MISRA1A: [(f64, f64); 14] = [
    (10.07, 77.6),
    (14.73, 114.9),
    (17.94, 141.1),
    (23.93, 190.8),
    (29.61, 239.9),
    (35.18, 289.0),
    (40.02, 332.8),
    (44.82, 378.4),
    (50.76, 434.8),
    (55.05, 477.3),
    (61.01, 536.8),
    (66.40, 593.1),
    (75.47, 689.1),
    (81.78, 760.0),
];

const MISRA: Row = |p, i| {
    let (y, x) = MISRA1A[i];
    let decay = (-p[1] * x).exp();
    (p[0] * (1.0 - decay) - y, vec![1.0 - decay, p[0] * x * decay])
};

fn solve(n_rows: usize, bounds: &[(f64, f64)], row: Row, start: &[f64]) -> Minimum {
    let problem = Classic { n_rows, bounds: bounds.to_vec(), row };
    minimize(&problem, start, &FitOptions::default(), &|| false)
}

fn check(minimum: &Minimum, expected: &[f64], tolerance: f64) {
    for (found, expected) in minimum.parameters.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{minimum:?}");
    }
}

#[test]
fn rosenbrock_is_solved_exactly() {
    let minimum = solve(2, &[FREE; 2], ROSENBROCK, &[-1.2, 1.0]);
    check(&minimum, &[1.0, 1.0], 1e-12);
    assert_eq!(minimum.termination, Termination::ExactFit);
    assert!(minimum.n_evaluations > minimum.n_iterations);
}

#[test]
fn misra1a_reaches_the_certified_digits_from_both_starts() {
    for start in [[500.0, 1e-4], [250.0, 5e-4]] {
        let minimum = solve(14, &[FREE; 2], MISRA, &start);
        check(&minimum, &[2.389_421_291_8e2, 5.501_564_318_1e-4], 1e-10);
        assert!((minimum.triangle.ssr() / 1.245_513_889_4e-1 - 1.0).abs() < 1e-10);
    }
}

#[test]
fn powell_singular_has_a_singular_jacobian_at_its_minimum() {
    let minimum = solve(4, &[FREE; 4], POWELL_SINGULAR, &[3.0, -1.0, 0.0, 1.0]);
    check(&minimum, &[0.0; 4], 1e-6);
}

#[test]
fn bounds_hold_and_the_rest_is_still_minimised() {
    // On x <= 0.5 the minimum has x = 0.5 and y = x².
    let bounds = [(f64::NEG_INFINITY, 0.5), FREE];
    let minimum = solve(2, &bounds, ROSENBROCK, &[-1.2, 1.0]);
    check(&minimum, &[0.5, 0.25], 1e-9);
    assert_eq!(minimum.parameters[0], 0.5);
    assert_eq!(minimum.termination, Termination::GradientConverged);
}

#[test]
fn a_bound_that_does_not_bind_is_left_again() {
    let minimum = solve(2, &[(-1.2, 3.0), (-9.0, 9.0)], ROSENBROCK, &[-7.0, 1.0]);
    check(&minimum, &[1.0, 1.0], 1e-9);
}

#[test]
fn stopping_is_noticed_before_the_next_step() {
    let problem = Classic { n_rows: 2, bounds: vec![FREE; 2], row: ROSENBROCK };
    let asked = std::cell::Cell::new(0);
    let stopped = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let minimum = minimize(&problem, &[-1.2, 1.0], &FitOptions::default(), &stopped);
    assert_eq!(minimum.termination, Termination::Cancelled);
    assert_eq!((asked.get(), minimum.n_iterations), (4, 4));
}

#[test]
fn iterations_are_limited() {
    let problem = Classic { n_rows: 2, bounds: vec![FREE; 2], row: ROSENBROCK };
    let options = FitOptions { max_iterations: 2, ..FitOptions::default() };
    let minimum = minimize(&problem, &[-1.2, 1.0], &options, &|| false);
    assert_eq!(minimum.termination, Termination::IterationLimit);
    assert_eq!(minimum.n_iterations, 2);
}

#[test]
fn a_start_without_finite_residuals_is_reported() {
    let minimum = solve(2, &[FREE; 2], ROSENBROCK, &[f64::NAN, 1.0]);
    assert_eq!(minimum.termination, Termination::NoFiniteStart);
    let minimum = solve(2, &[FREE; 2], ROSENBROCK, &[1e200, 1.0]);
    assert_eq!(minimum.termination, Termination::NoFiniteStart);
}

#[test]
fn a_parameter_without_effect_stays_where_it_is() {
    const FLAT: Row = |p, i| (p[0] - i as f64, vec![1.0, 0.0]);
    let minimum = solve(3, &[FREE; 2], FLAT, &[9.0, 7.0]);
    check(&minimum, &[1.0, 7.0], 1e-14);
    assert_eq!(minimum.termination, Termination::GradientConverged);
}
