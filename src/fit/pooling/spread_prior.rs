//! What is known of the covariances of levels before any record: each standard deviation is half
//! Student's t, correlations are slightly drawn toward zero.
//!
//! Few groups of few records leave a standard deviation between groups open from zero on, and its
//! restricted likelihood then often has its maximum at zero: every group would get the mean, with the
//! error of the mean. The density here is that on the logarithms of the factor's diagonal and on the
//! entries left of it as shares of it; there it vanishes toward zero and toward infinity, so that its
//! maximum is inside (Chung and others, 2015). Where groups are many it changes nothing.
//!
//! Source: Huang and Wand, Simple marginally noninformative prior distributions for covariance
//! matrices (2013); for its steps of EM, the mean of their auxiliary variables.

use super::levels::Shared;

/// Degrees of freedom of the standard deviations: with two, correlations are uniform, with more they
/// are drawn toward zero.
const DOF: f64 = 3.0;
/// Scale of a standard deviation, in assumed ones: their order is known, not more.
const SCALE: f64 = 2.0;

/// The prior of all levels, from the assumed standard deviation of each parameter.
#[derive(Debug, Clone)]
pub(super) struct SpreadPrior {
    /// 1/A², A the scale of each standard deviation.
    precisions: Vec<f64>,
}

impl SpreadPrior {
    pub(super) fn new(assumed_deviations: &[f64]) -> Self {
        let precision = |d: &f64| (SCALE * d).max(f64::MIN_POSITIVE.sqrt()).powi(-2);
        Self { precisions: assumed_deviations.iter().map(precision).collect() }
    }

    /// Logarithm of the density of one factor, up to a constant.
    pub(super) fn ln_density(&self, shared: &Shared, factor: &[f64]) -> f64 {
        let p = self.precisions.len();
        let n = if shared.is_full { p } else { 1 } as f64;
        let inverse = inverse_lower(factor, p);
        let free = (0..p).filter(|&j| !shared.is_fixed[j]);
        let term = |j: usize| {
            let of_inverse = DOF * diagonal_of_inverse(&inverse, j, p) + self.precisions[j];
            let ln_variance = 2.0 * factor[j * p + j].abs().ln();
            -0.5 * (DOF + n - 1.0) * ln_variance - 0.5 * (DOF + n) * of_inverse.ln()
        };
        free.map(term).sum()
    }

    /// Adds to W, the mean over `n` steps of E[w·wᵀ], what the prior adds in a step of EM.
    pub(super) fn add_to(&self, shared: &Shared, factor: &[f64], mean: &mut [f64], n: usize) {
        let p = self.precisions.len();
        let order = if shared.is_full { p } else { 1 } as f64;
        let inverse = inverse_lower(factor, p);
        let n = n as f64;
        let total = n + DOF + order - 1.0;
        mean.iter_mut().for_each(|entry| *entry *= n / total);
        for m in (0..p).filter(|&m| !shared.is_fixed[m]) {
            let of_inverse = DOF * diagonal_of_inverse(&inverse, m, p) + self.precisions[m];
            let size = DOF * (DOF + order) / of_inverse / total;
            for j in 0..p {
                for k in 0..p {
                    mean[j * p + k] += size * inverse[j * p + m] * inverse[k * p + m];
                }
            }
        }
    }
}

/// (Ω⁻¹)ⱼⱼ from L⁻¹.
fn diagonal_of_inverse(inverse: &[f64], j: usize, p: usize) -> f64 {
    (0..p).map(|i| inverse[i * p + j].powi(2)).sum()
}

/// The inverse of a lower triangle; rows and columns of zero pivots stay zero.
fn inverse_lower(lower: &[f64], p: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; p * p];
    for j in 0..p {
        for i in j..p {
            let pivot = lower[i * p + i];
            let known: f64 = (j..i).map(|k| lower[i * p + k] * inverse[k * p + j]).sum();
            let wanted = f64::from(u8::from(i == j)) - known;
            inverse[i * p + j] = if pivot > 0.0 { wanted / pivot } else { 0.0 };
        }
    }
    inverse
}
