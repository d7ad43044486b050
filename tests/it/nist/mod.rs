//! NIST's 27 nonlinear regressions, from both starts, on the solver that fits travel times.
//!
//! The files are public domain, of the Statistical Reference Datasets; the table of digits is
//! `cargo bench --bench accuracy -- nist FOLDER`, from these same definitions.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod dataset;
mod functions;
mod study;

use dataset::Dataset;
use speedfit::fit::Termination;
use speedfit::fit::least_squares::LeastSquares as _;
use study::{Problem, SOLVED_DIGITS, Solution};

use crate::support::program::nist;

/// Every regression from both starts.
const N_FITS: usize = 54;
/// The mean that the parameters are to reach.
const MEAN_DIGITS: f64 = 10.0;

fn problems() -> Option<Vec<Problem>> {
    nist().map(|folder| Problem::read_all(&folder).unwrap())
}

/// Fits all, expects at least so many digits of each and on the mean.
fn check(count: impl Fn(&Solution) -> f64, least: impl Fn(&Problem) -> f64, mean: f64) {
    let Some(problems) = problems() else { return };
    let (mut all, mut complaints) = (Vec::new(), Vec::new());
    for (problem, which) in problems.iter().flat_map(|p| [(p, 0), (p, 1)]) {
        let solution = problem.solve(which);
        let found = count(&solution);
        if found < least(problem) {
            let name = problem.name();
            complaints.push(format!("{name}, start {}: {found} digits, {solution:?}", which + 1));
        }
        all.push(found);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(all.len(), N_FITS);
    let reached = all.iter().sum::<f64>() / all.len() as f64;
    assert!(reached >= mean, "{reached} digits on the mean");
}

#[test]
fn all_are_solved() {
    check(|solution| solution.parameters, |_| SOLVED_DIGITS, MEAN_DIGITS);
}

#[test]
fn all_end_because_they_have_converged() {
    let has_converged = |solution: &Solution| {
        matches!(
            solution.minimum.termination,
            Termination::CostConverged
                | Termination::StepConverged
                | Termination::GradientConverged
        )
    };
    check(|solution| f64::from(has_converged(solution)), |_| 1.0, 1.0);
}

/// Residuals of 1e-13 beside responses of 1 keep three to four digits in double precision.
fn least_of_residuals(problem: &Problem) -> f64 {
    if problem.name() == "Lanczos1" { 3.0 } else { 9.0 }
}

#[test]
fn standard_deviations_agree() {
    check(|solution| solution.deviations, least_of_residuals, MEAN_DIGITS);
}

#[test]
fn sums_of_squares_agree() {
    check(|solution| solution.ssr, least_of_residuals, MEAN_DIGITS);
    check(|solution| solution.sigma, least_of_residuals, MEAN_DIGITS);
}

/// Value and gradient of one row, the response added back.
fn row(problem: &Problem, parameters: &[f64], row: usize) -> (f64, Vec<f64>) {
    let (mut gradient, mut residual) = (vec![0.0; parameters.len()], [0.0]);
    problem.fill(parameters, row, &mut gradient, &mut residual);
    (residual[0], gradient)
}

/// Derivative by central differences of two widths, extrapolated to width zero.
fn difference(problem: &Problem, at: &[f64], which: usize, j: usize) -> f64 {
    let central = |width: f64| {
        let value = |x: f64| {
            let mut parameters = at.to_vec();
            parameters[j] = x;
            row(problem, &parameters, which).0
        };
        let (low, high) = (at[j] - width, at[j] + width);
        (value(high) - value(low)) / (high - low)
    };
    let width = 1e-4 * at[j].abs();
    (4.0 * central(0.5 * width) - central(width)) / 3.0
}

#[test]
fn every_jacobian_agrees_with_differences() {
    let Some(problems) = problems() else { return };
    for problem in &problems {
        let certified: Vec<f64> = problem.dataset.parameters.iter().map(|p| p.value).collect();
        for at in [problem.start(0), problem.start(1), certified] {
            for which in 0..problem.n_rows() {
                let (residual, gradient) = row(problem, &at, which);
                let size = residual.abs() + problem.dataset.y[which].abs();
                for (j, slope) in gradient.iter().enumerate() {
                    let found = difference(problem, &at, which, j);
                    let rounding = 1e-10 * size / at[j].abs();
                    assert!(
                        (found - slope).abs() <= 1e-7 * slope.abs() + rounding,
                        "{}, row {which}, b{}: {slope}, by differences {found}, at {at:?}",
                        problem.name(),
                        j + 1
                    );
                }
            }
        }
    }
}

const SMALL: &str = "\
File Format:   ASCII
               Data              (lines 8 to 9)
               Lower Level of Difficulty
  b1 =   500         250           2.5E+02  2.7E+00
Residual Sum of Squares:                    1.2E-01
Residual Standard Deviation:                1.0E-01
Number of Observations:                            2
      10.07E0      77.6E0
      14.73E0     114.9E0
";

#[test]
fn a_file_is_read() {
    let dataset = Dataset::parse(SMALL).unwrap();
    assert_eq!(dataset.difficulty, "lower");
    assert_eq!(dataset.parameters[0].starts, [500.0, 250.0]);
    assert_eq!((dataset.parameters[0].value, dataset.parameters[0].deviation), (250.0, 2.7));
    assert_eq!((dataset.ssr, dataset.sigma, dataset.dof()), (0.12, 0.1, 1.0));
    assert_eq!((dataset.y, dataset.x), (vec![10.07, 14.73], vec![vec![77.6], vec![114.9]]));
}

#[test]
fn a_broken_file_is_refused() {
    for (from, to, expected) in [
        ("lines 8 to 9", "lines 8 to 10", "ends before its data do"),
        ("lines 8 to 9", "lines 9 to 8", "`9 to 8)` is no range of lines"),
        ("Data ", "Date ", "no line says where the data are"),
        ("Level", "level", "no level of difficulty"),
        ("Sum", "sum", "no number after `Residual Sum of Squares:`"),
        (
            "2.7E+00",
            "",
            "`  500         250           2.5E+02  ` is not two starts, a value and a deviation",
        ),
        ("77.6E0", "77.6EO", "`77.6EO` is no number"),
        (
            "Observations:                            2",
            "Observations: 3",
            "2 observations, 3 announced",
        ),
    ] {
        assert_eq!(Dataset::parse(&SMALL.replace(from, to)).unwrap_err(), expected);
    }
}
