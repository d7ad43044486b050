//! Fitting a few records again with a normal prior on the parameters, and their true likelihood.
//!
//! The prior's rows R·φ − z, times the standard deviation of the residuals, are appended to the
//! residuals: the sum of squares over σ² is then minus twice the logarithm of the posterior, and
//! the solver of every other fit finds its maximum. Knows no travel times.

use nalgebra::DMatrix;

use super::super::least_squares::{LeastSquares, Triangle};
use super::super::options::FitOptions;
use super::super::report::Termination;
use super::super::solver::{Minimum, minimize};
use super::evidence::{Evidence, pool_matrix, pool_weights};

/// A least-squares problem with a prior.
pub struct WithPrior<'a, P> {
    problem: P,
    prior: &'a Evidence,
    sigma: f64,
}

impl<'a, P: LeastSquares> WithPrior<'a, P> {
    /// `sigma` is the standard deviation of a residual of weight one.
    pub fn new(problem: P, prior: &'a Evidence, sigma: f64) -> Self {
        Self { problem, prior, sigma }
    }
}

impl<P: LeastSquares> LeastSquares for WithPrior<'_, P> {
    fn n_parameters(&self) -> usize {
        self.problem.n_parameters()
    }

    fn n_rows(&self) -> usize {
        self.problem.n_rows() + self.prior.n_parameters()
    }

    fn bounds(&self) -> &[(f64, f64)] {
        self.problem.bounds()
    }

    /// That of the records and, for the prior's rows, of their targets.
    fn residual_noise(&self) -> f64 {
        let target = self.prior.target().norm();
        self.problem.residual_noise().hypot(f64::EPSILON * self.sigma * target)
    }

    fn fill(&self, parameters: &[f64], first: usize, jacobian: &mut [f64], residuals: &mut [f64]) {
        let (p, n) = (self.n_parameters(), residuals.len());
        let n_records = self.problem.n_rows().saturating_sub(first).min(n);
        if n_records > 0 {
            let (jacobian, residuals) =
                (&mut jacobian[..p * n_records], &mut residuals[..n_records]);
            self.problem.fill(parameters, first, jacobian, residuals);
        }
        for j in (0..p).rev() {
            jacobian.copy_within(j * n_records..(j + 1) * n_records, j * n);
        }
        let first_row = (first + n_records).saturating_sub(self.problem.n_rows());
        let rows = self.prior.rows().chunks_exact(p + 1).skip(first_row);
        for (i, row) in (n_records..n).zip(rows) {
            let fitted: f64 = row.iter().zip(parameters).map(|(r, x)| r * x).sum();
            residuals[i] = self.sigma * (fitted - row[p]);
            for j in 0..p {
                jacobian[j * n + i] = self.sigma * row[j];
            }
        }
    }
}

/// A fit with a prior; parameters are on the scale of the fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Refit {
    /// The most likely parameters given records and prior, within their bounds.
    pub parameters: Vec<f64>,
    /// σ²(JᵀJ + σ²Λ)⁻¹, rows and columns of parameters on a bound zero; `None` where records and
    /// prior together leave a parameter open.
    pub covariance: Option<DMatrix<f64>>,
    /// Parameters that the records and the prior push beyond a bound.
    pub at_bound: Vec<bool>,
    /// Share of each parameter that comes from the prior, in [0, 1]; see [`pool_matrix`].
    pub pool_weights: Vec<f64>,
    /// What the records alone tell, linearised here and not at their own minimum: pooling again
    /// with it is a second step towards the exact posterior.
    pub evidence: Evidence,
    /// Why the solver ended.
    pub termination: Termination,
    /// Steps tried, all starts together.
    pub n_iterations: u64,
    /// Evaluations, all starts together.
    pub n_evaluations: u64,
}

/// Fits from the prior's mean (where it tells one) and from every start, and keeps the least sum
/// of squares; the earlier start on a tie. There may be no records at all.
///
/// # Errors
///
/// [`Termination::Cancelled`] where `stopped`, asked before every iteration, said yes;
/// [`Termination::NoFiniteStart`] where no start gives finite residuals or `sigma` is not a
/// positive number.
pub fn refit<P: LeastSquares>(
    problem: &P,
    starts: &[Vec<f64>],
    prior: &Evidence,
    sigma: f64,
    options: &FitOptions,
    stopped: &dyn Fn() -> bool,
) -> Result<Refit, Termination> {
    if !(sigma > 0.0 && sigma.is_finite()) || problem.n_parameters() != prior.n_parameters() {
        return Err(Termination::NoFiniteStart);
    }
    let joint = WithPrior::new(problem, prior, sigma);
    let mean = prior.mean().map(|mean| mean.as_slice().to_vec());
    let (mut best, mut n_iterations, mut n_evaluations) = (None::<Minimum>, 0, 0);
    for start in mean.iter().chain(starts) {
        let minimum = minimize(&joint, start, options, stopped);
        n_iterations += minimum.n_iterations;
        n_evaluations += minimum.n_evaluations;
        if minimum.termination == Termination::Cancelled {
            return Err(Termination::Cancelled);
        }
        let is_better = |b: &Minimum| minimum.triangle.ssr() < b.triangle.ssr();
        if minimum.triangle.is_finite() && best.as_ref().is_none_or(is_better) {
            best = Some(minimum);
        }
    }
    let best = best.ok_or(Termination::NoFiniteStart)?;
    Ok(described(problem, prior, sigma, best, (n_iterations, n_evaluations)))
}

fn described<P: LeastSquares>(
    problem: &P,
    prior: &Evidence,
    sigma: f64,
    minimum: Minimum,
    (n_iterations, n_evaluations): (u64, u64),
) -> Refit {
    let records = Triangle::reduce(problem, &minimum.parameters, &mut Vec::new());
    let evidence = Evidence::of_fit(&records, &minimum.parameters, sigma);
    let at_bound: Vec<bool> = (minimum.parameters.iter().zip(problem.bounds()).enumerate())
        .map(|(j, (x, (low, high)))| {
            let gradient = minimum.triangle.gradient(j);
            x <= low && gradient > 0.0 || x >= high && gradient < 0.0 || low >= high
        })
        .collect();
    Refit {
        covariance: covariance(&minimum.triangle, &at_bound, sigma),
        at_bound,
        pool_weights: pool_weights(&pool_matrix(&evidence, prior)),
        evidence,
        termination: minimum.termination,
        n_iterations,
        n_evaluations,
        parameters: minimum.parameters,
    }
}

/// Of the free parameters, from the triangle of records and prior together.
fn covariance(triangle: &Triangle, at_bound: &[bool], sigma: f64) -> Option<DMatrix<f64>> {
    let p = triangle.n_parameters();
    let free: Vec<usize> = (0..p).filter(|&j| !at_bound[j]).collect();
    let n = free.len();
    if n == 0 {
        return Some(DMatrix::zeros(p, p));
    }
    let mut block = vec![0.0; p * (n + 1)];
    for (i, row) in block.chunks_exact_mut(n + 1).enumerate() {
        for (k, &j) in free.iter().enumerate() {
            row[k] = triangle.r(i, j) / sigma;
        }
    }
    let part = Evidence::of_rows(block, n).covariance()?;
    let mut covariance = DMatrix::zeros(p, p);
    for (k, &j) in free.iter().enumerate() {
        for (l, &m) in free.iter().enumerate() {
            covariance[(j, m)] = part[(k, l)];
        }
    }
    Some(covariance)
}
