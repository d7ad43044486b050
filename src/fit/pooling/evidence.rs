//! What some records tell of a vector of parameters: a Gaussian likelihood that may be flat.
//!
//! Kept as a square root of its information, `‖R·φ − z‖²` up to a constant: with P = RᵀR the
//! precision and h = Rᵀz the information vector. Nothing is lost where P is singular, since the
//! records do not tell a parameter, or zero, since there are no records.

use nalgebra::{DMatrix, DVector, SVD, SymmetricEigen};

use super::super::least_squares::Triangle;
use super::elimination::fold;

/// Singular values of R, columns scaled to length one, below this share of the largest count as
/// zero: the tolerance by which a fit judges its parameters.
const RANK_TOLERANCE: f64 = 1e-10;
/// A parameter with a larger part in a direction without information is not told.
const NULL_SHARE: f64 = 1e-6;
/// Sweeps of the singular-value iteration; some tens suffice for matrices of this size.
const MAX_SWEEPS: usize = 2000;
/// Entries beyond this would overflow when squared and summed.
const LARGEST: f64 = 1e140;

/// A Gaussian likelihood of a vector of parameters, in square-root information form.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    n_parameters: usize,
    /// `[R, z]`, row-major, `p × (p + 1)`, R upper triangular.
    rows: Vec<f64>,
}

impl Evidence {
    /// No records: nothing is told of any parameter.
    #[must_use]
    pub fn none(n_parameters: usize) -> Self {
        Self { n_parameters, rows: vec![0.0; n_parameters * (n_parameters + 1)] }
    }

    /// What a least-squares fit tells: the triangle at internal `parameters` (at the minimum or
    /// elsewhere) with residuals of standard deviation `sigma`.
    ///
    /// P = RᵀR/σ² and h = P·θ − Rᵀ(Qᵀr)/σ²: where the gradient does not vanish, since a parameter
    /// sits on its bound, the evidence pulls beyond it. A `sigma` that is not positive tells
    /// nothing.
    #[must_use]
    pub fn of_fit(triangle: &Triangle, parameters: &[f64], sigma: f64) -> Self {
        let p = triangle.n_parameters();
        let mut evidence = Self::none(p);
        if !(sigma > 0.0 && sigma.is_finite()) {
            return evidence;
        }
        for (i, row) in evidence.rows.chunks_exact_mut(p + 1).enumerate() {
            for (j, entry) in row[..p].iter_mut().enumerate().skip(i) {
                *entry = triangle.r(i, j) / sigma;
            }
            let at: f64 = row[..p].iter().zip(parameters).map(|(r, x)| r * x).sum();
            row[p] = at - triangle.qtr(i) / sigma;
        }
        evidence
    }

    /// What a maximum-likelihood fit tells: the information matrix at `parameters` and the
    /// gradient of the negative log-likelihood there (zero but for bounds). Directions in which
    /// the matrix is not positive tell nothing.
    #[must_use]
    pub fn of_information(matrix: &DMatrix<f64>, parameters: &[f64], gradient: &[f64]) -> Self {
        let p = parameters.len();
        let scale = DVector::from_fn(p, |j, _| {
            let diagonal = matrix[(j, j)];
            if diagonal > 0.0 { diagonal.sqrt() } else { 1.0 }
        });
        let scaled = DMatrix::from_fn(p, p, |i, j| {
            0.5 * (matrix[(i, j)] + matrix[(j, i)]) / (scale[i] * scale[j])
        });
        let at = scale.component_mul(&DVector::from_column_slice(parameters));
        let slope = DVector::from_column_slice(gradient).component_div(&scale);
        if !scaled.iter().chain(at.iter()).chain(slope.iter()).all(|x| x.is_finite()) {
            return Self::none(p);
        }
        let Some(eigen) = SymmetricEigen::try_new(scaled, f64::EPSILON, MAX_SWEEPS) else {
            return Self::none(p);
        };
        let cut = eigen.eigenvalues.max() * RANK_TOLERANCE;
        let mut block = vec![0.0; p * (p + 1)];
        for (i, row) in block.chunks_exact_mut(p + 1).enumerate() {
            let (value, vector) = (eigen.eigenvalues[i], eigen.eigenvectors.column(i));
            if value > cut && value > 0.0 {
                let root = value.sqrt();
                for j in 0..p {
                    row[j] = root * vector[j] * scale[j];
                }
                row[p] = root * vector.dot(&at) - vector.dot(&slope) / root;
            }
        }
        Self::of_rows(block, p)
    }

    /// A proper prior: `mean` and `covariance`. `None` where the covariance is not positive
    /// definite.
    #[must_use]
    pub fn of_normal(mean: &[f64], covariance: &DMatrix<f64>) -> Option<Self> {
        let p = mean.len();
        let inverse = covariance.clone().cholesky()?.l().try_inverse()?;
        let target = &inverse * DVector::from_column_slice(mean);
        let entry = |i: usize, j: usize| if j < p { inverse[(i, j)] } else { target[i] };
        let rows = (0..p * (p + 1)).map(|k| entry(k / (p + 1), k % (p + 1))).collect();
        Some(Self::of_rows(rows, p))
    }

    /// What a residual standard deviation with `dof` degrees of freedom tells of ln σ, a vector of
    /// one parameter; nothing without freedom or where every residual vanished.
    ///
    /// For normal residuals ln s has mean ln σ + ½(ψ(f/2) − ln(f/2)) and variance ψ′(f/2)/4, which
    /// is 1/(2f) for many degrees of freedom f and 2.5 times that for one.
    #[must_use]
    pub fn of_sigma(sigma: f64, dof: f64) -> Self {
        if !(sigma > 0.0 && sigma.is_finite() && dof > 0.0 && dof.is_finite()) {
            return Self::none(1);
        }
        let (digamma_less_ln, trigamma) = super::gamma::digamma_less_ln_and_trigamma(0.5 * dof);
        let root = 2.0 / trigamma.sqrt();
        Self { n_parameters: 1, rows: vec![root, root * (sigma.ln() - 0.5 * digamma_less_ln)] }
    }

    /// Reduces any number of rows `[R, z]`.
    pub(super) fn of_rows(mut block: Vec<f64>, n_parameters: usize) -> Self {
        let mut evidence = Self::none(n_parameters);
        fold(&mut evidence.rows, &mut block, n_parameters + 1, n_parameters);
        evidence
    }

    /// `[R, z]`, row-major, R upper triangular.
    pub(super) fn rows(&self) -> &[f64] {
        &self.rows
    }

    /// Number of parameters.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.n_parameters
    }

    /// Whether nothing is told of any parameter.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let p = self.n_parameters;
        self.rows.chunks_exact(p + 1).all(|row| row[..p].iter().all(|&r| r == 0.0))
    }

    /// Whether every entry is a number that can be squared.
    pub(super) fn is_sound(&self) -> bool {
        self.rows.iter().all(|x| x.abs() <= LARGEST)
    }

    /// R, of which the precision is RᵀR.
    #[must_use]
    pub fn root(&self) -> DMatrix<f64> {
        let p = self.n_parameters;
        DMatrix::from_fn(p, p, |i, j| self.rows[i * (p + 1) + j])
    }

    /// z, with h = Rᵀz.
    #[must_use]
    pub fn target(&self) -> DVector<f64> {
        let p = self.n_parameters;
        DVector::from_fn(p, |i, _| self.rows[i * (p + 1) + p])
    }

    /// Precision P of each parameter alone, the others known.
    pub(super) fn diagonal(&self, j: usize) -> f64 {
        self.rows.chunks_exact(self.n_parameters + 1).map(|row| row[j] * row[j]).sum()
    }

    /// The most likely parameters; `None` where some are not told.
    #[must_use]
    pub fn mean(&self) -> Option<DVector<f64>> {
        let is_told = self.told().iter().all(|&told| told);
        is_told.then(|| self.root().solve_upper_triangular(&self.target()))?
    }

    /// P⁻¹; `None` where some parameters are not told.
    #[must_use]
    pub fn covariance(&self) -> Option<DMatrix<f64>> {
        let is_told = self.told().iter().all(|&told| told);
        let identity = DMatrix::identity(self.n_parameters, self.n_parameters);
        let inverse = is_told.then(|| self.root().solve_upper_triangular(&identity))??;
        Some(&inverse * inverse.transpose())
    }

    /// Which parameters are told, each by itself: not only with others.
    #[must_use]
    pub fn told(&self) -> Vec<bool> {
        let p = self.n_parameters;
        let lengths: Vec<f64> = (0..p).map(|j| self.diagonal(j).sqrt()).collect();
        let scaled = DMatrix::from_fn(p, p, |i, j| {
            let entry = self.rows[i * (p + 1) + j];
            if lengths[j] > 0.0 { entry / lengths[j] } else { 0.0 }
        });
        let svd = SVD::try_new(scaled, false, true, f64::EPSILON, MAX_SWEEPS);
        let Some((values, v_t)) = svd.and_then(|svd| Some((svd.singular_values, svd.v_t?))) else {
            return vec![false; p];
        };
        let cut = values.max() * RANK_TOLERANCE;
        (0..p)
            .map(|j| {
                lengths[j] > 0.0
                    && (0..p).all(|i| values[i] > cut || v_t[(i, j)].abs() <= NULL_SHARE)
            })
            .collect()
    }
}

/// The weights with which the most likely parameters of `own` and `prior` together mix the two:
/// B = (P + Λ)⁻¹Λ with P the precision of `own` and Λ that of `prior`, so that they are
/// (I − B)·φ̂ + B·μ. One in directions of which neither tells anything.
#[must_use]
pub fn pool_matrix(own: &Evidence, prior: &Evidence) -> DMatrix<f64> {
    let p = own.n_parameters;
    let lengths: Vec<f64> = (0..p)
        .map(|j| (own.diagonal(j) + prior.diagonal(j)).sqrt())
        .map(|length| if length > 0.0 { length } else { 1.0 })
        .collect();
    let both = [own, prior];
    let stacked =
        DMatrix::from_fn(2 * p, p, |i, j| both[i / p].rows[(i % p) * (p + 1) + j] / lengths[j]);
    let svd = SVD::try_new(stacked, true, true, f64::EPSILON, MAX_SWEEPS);
    let Some((u, values, v_t)) = svd.and_then(|svd| Some((svd.u?, svd.singular_values, svd.v_t?)))
    else {
        return DMatrix::identity(p, p);
    };
    let cut = values.max() * RANK_TOLERANCE;
    let is_kept = |i: usize| values[i] > cut;
    let lower = u.rows(p, p);
    let share = lower.tr_mul(&lower);
    let mixed = DMatrix::from_fn(p, p, |i, k| match (is_kept(i), is_kept(k)) {
        (true, true) => share[(i, k)] * values[k] / values[i],
        _ => f64::from(u8::from(i == k)),
    });
    let mut weights = v_t.tr_mul(&mixed) * &v_t;
    for i in 0..p {
        for j in 0..p {
            weights[(i, j)] *= lengths[j] / lengths[i];
        }
    }
    weights
}

/// The diagonal of [`pool_matrix`] in [0, 1]: how much of each parameter comes from the pool.
#[must_use]
pub fn pool_weights(matrix: &DMatrix<f64>) -> Vec<f64> {
    matrix.diagonal().iter().map(|weight| weight.clamp(0.0, 1.0)).collect()
}
