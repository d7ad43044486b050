//! One regression fitted by the solver that fits travel times, and counted in digits.

use std::path::Path;

use speedfit::fit::FitOptions;
use speedfit::fit::least_squares::LeastSquares;
use speedfit::fit::solver::{Minimum, minimize};
use speedfit::fit::standard_errors;

use crate::digits::digits;

use super::dataset::Dataset;
use super::functions::{REGRESSIONS, Regression};

/// Digits that NIST certifies; an error below the last of them counts as this many.
const MOST_DIGITS: f64 = 11.0;
/// Digits of the worst parameter from which a regression counts as solved.
pub(crate) const SOLVED_DIGITS: f64 = 4.0;
/// Roundings of a value that its function may carry: a few operations, one of them an `exp`.
const ROUNDINGS: f64 = 2.0;
/// Iterations per start: the valleys of MGH10 and Bennett5 are long.
const MAX_ITERATIONS: u64 = 2_000;

/// A regression with its data.
pub(crate) struct Problem {
    regression: Regression,
    /// The file.
    pub(crate) dataset: Dataset,
    response: Vec<f64>,
    bounds: Vec<(f64, f64)>,
    noise: f64,
}

impl Problem {
    /// Joins a regression and its data.
    pub(crate) fn new(regression: Regression, dataset: Dataset) -> Self {
        let response: Vec<f64> = if regression.is_log_response {
            dataset.y.iter().map(|y| y.ln()).collect()
        } else {
            dataset.y.clone()
        };
        let size = response.iter().map(|y| y * y).sum::<f64>().sqrt();
        let bounds = vec![(f64::NEG_INFINITY, f64::INFINITY); dataset.parameters.len()];
        let noise = ROUNDINGS * f64::EPSILON * size;
        Self { regression, dataset, response, bounds, noise }
    }

    /// All regressions, from a folder of NIST's files.
    pub(crate) fn read_all(folder: &Path) -> Result<Vec<Self>, String> {
        let read = |regression: &Regression| {
            let dataset = Dataset::read(&folder.join(format!("{}.dat", regression.name)))?;
            Ok(Self::new(*regression, dataset))
        };
        REGRESSIONS.iter().map(read).collect()
    }

    /// Name of the data set.
    pub(crate) fn name(&self) -> &'static str {
        self.regression.name
    }

    /// NIST's start 1 (`0`) or start 2 (`1`).
    pub(crate) fn start(&self, which: usize) -> Vec<f64> {
        self.dataset.parameters.iter().map(|p| p.starts[which]).collect()
    }

    /// Fits from one of the starts and compares with the certified values.
    pub(crate) fn solve(&self, which: usize) -> Solution {
        let options = FitOptions { max_iterations: MAX_ITERATIONS, ..FitOptions::default() };
        let minimum = minimize(self, &self.start(which), &options, &|| false);
        let certified = &self.dataset.parameters;
        let errors = standard_errors(&minimum.triangle, self.dataset.dof());
        let worst = |digits: &mut dyn Iterator<Item = f64>| digits.fold(MOST_DIGITS, f64::min);
        let pairs = minimum.parameters.iter().zip(certified);
        let error_pairs = errors.iter().zip(certified);
        let ssr = minimum.triangle.ssr();
        Solution {
            parameters: worst(&mut pairs.map(|(found, p)| correct(*found, p.value))),
            deviations: worst(
                &mut error_pairs.map(|(found, p)| correct(found.unwrap_or(0.0), p.deviation)),
            ),
            ssr: correct(ssr, self.dataset.ssr),
            sigma: correct((ssr / self.dataset.dof()).sqrt(), self.dataset.sigma),
            minimum,
        }
    }
}

impl LeastSquares for Problem {
    fn n_parameters(&self) -> usize {
        self.bounds.len()
    }

    fn n_rows(&self) -> usize {
        self.response.len()
    }

    fn bounds(&self) -> &[(f64, f64)] {
        &self.bounds
    }

    fn residual_noise(&self) -> f64 {
        self.noise
    }

    fn fill(&self, parameters: &[f64], first: usize, jacobian: &mut [f64], residuals: &mut [f64]) {
        let n = residuals.len();
        let mut gradient = vec![0.0; parameters.len()];
        for (i, residual) in residuals.iter_mut().enumerate() {
            let x = &self.dataset.x[first + i];
            let value = (self.regression.function)(parameters, x, &mut gradient);
            *residual = value - self.response[first + i];
            for (j, slope) in gradient.iter().enumerate() {
                jacobian[j * n + i] = *slope;
            }
        }
    }
}

/// A fit in digits; of parameters and deviations the worst counts.
#[derive(Debug)]
pub(crate) struct Solution {
    /// Of the parameters.
    pub(crate) parameters: f64,
    /// Of their standard deviations.
    pub(crate) deviations: f64,
    /// Of the residual sum of squares.
    pub(crate) ssr: f64,
    /// Of the residual standard deviation.
    pub(crate) sigma: f64,
    /// Where the solver ended.
    pub(crate) minimum: Minimum,
}

fn correct(found: f64, certified: f64) -> f64 {
    digits(found, certified, MOST_DIGITS)
}
