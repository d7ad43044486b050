//! From the triangle at the minimum to standard errors, intervals and what is identified.

use std::borrow::Cow;

use nalgebra::{DMatrix, SVD, SymmetricEigen};
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

use super::least_squares::Triangle;
use super::models::{ParameterSpec, Transform};
use super::products::sandwich;
use super::report::{Estimate, Identification};

/// Singular values of the Jacobian, columns scaled to length one, below this share of the largest
/// count as zero: of a direction so weak five digits of the derivatives would be left.
const RANK_TOLERANCE: f64 = 1e-10;
/// The same for eigenvalues of the information, which are squares of them. Sums of squares carry
/// the rounding of some thousand records.
const EIGENVALUE_TOLERANCE: f64 = 1e-13;
/// A parameter with a larger part in a direction without information is not identified.
const NULL_SHARE: f64 = 1e-6;
/// Half-widths of an interval on the logarithm beyond this (a factor of 5e21) tell nothing.
const MAX_LN_HALF_WIDTH: f64 = 50.0;
/// Degrees of freedom from which the quantile of Student's t comes from its series.
const MANY: f64 = 1000.0;

/// What the neighbourhood of the minimum tells of all parameters together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Information {
    /// Covariance of the internal parameters for unit residual variance, row-major; meaningful
    /// where both parameters are identified.
    covariance: Vec<f64>,
    /// Per parameter: at a bound, without information, or neither.
    pub(super) identification: Vec<Identification>,
    /// Number of directions that the records determine.
    pub(super) rank: usize,
    /// Condition number of the scaled Jacobian; `None` where it is singular.
    pub(super) condition: Option<f64>,
}

impl Information {
    /// `fixed` parameters (at a bound) are taken as known; of the others, those that take part in
    /// a direction along which the residuals do not change are not identified.
    pub(super) fn of(triangle: &Triangle, fixed: &[bool]) -> Self {
        let n = triangle.n_parameters();
        let free: Vec<usize> = (0..n).filter(|&j| !fixed[j]).collect();
        let mut identification: Vec<Identification> = (fixed.iter())
            .map(|&f| if f { Identification::AtBound } else { Identification::NotIdentified })
            .collect();
        let nothing = |identification| Self {
            covariance: vec![0.0; n * n],
            identification,
            rank: 0,
            condition: None,
        };
        if free.is_empty() {
            return nothing(identification);
        }
        let lengths: Vec<f64> = (free.iter())
            .map(|&j| triangle.column_norm(j))
            .map(|length| if length > 0.0 { length } else { 1.0 })
            .collect();
        let scaled =
            DMatrix::from_fn(n, free.len(), |row, k| triangle.r(row, free[k]) / lengths[k]);
        let svd = SVD::try_new(scaled, false, true, f64::EPSILON, 2000);
        let Some((values, v_t)) = svd.and_then(|svd| Some((svd.singular_values, svd.v_t?))) else {
            return nothing(identification);
        };
        let cut = values.max() * RANK_TOLERANCE;
        let is_kept = |i: usize| values[i] > cut;
        let rank = (0..values.len()).filter(|&i| is_kept(i)).count();
        let mut covariance = vec![0.0; n * n];
        for (k, &j) in free.iter().enumerate() {
            let is_told = (0..values.len()).all(|i| is_kept(i) || v_t[(i, k)].abs() <= NULL_SHARE);
            if is_told && rank > 0 {
                identification[j] = Identification::Ok;
            }
            for (l, &m) in free.iter().enumerate() {
                covariance[j * n + m] = (0..values.len())
                    .filter(|&i| is_kept(i))
                    .map(|i| v_t[(i, k)] * v_t[(i, l)] / (values[i] * values[i]))
                    .sum::<f64>()
                    / lengths[k]
                    / lengths[l];
            }
        }
        let condition = (rank == free.len()).then(|| values.max() / values.min());
        Self { covariance, identification, rank, condition }
    }

    /// Nothing about `n` parameters.
    pub(super) fn none(n: usize) -> Self {
        Self {
            covariance: vec![0.0; n * n],
            identification: vec![Identification::NotIdentified; n],
            rank: 0,
            condition: None,
        }
    }

    /// The same from the information itself, row-major and symmetric, per unit: its eigenvalues are
    /// squares of what [`Information::of`] looks at, and so is the share below which they count as
    /// zero. `None` where one is clearly negative: that is no information.
    pub(super) fn of_matrix(matrix: &[f64], held: &[bool]) -> Option<Self> {
        let n = held.len();
        let free: Vec<usize> = (0..n).filter(|&j| !held[j]).collect();
        let mut identification: Vec<Identification> = (held.iter())
            .map(|&h| if h { Identification::AtBound } else { Identification::NotIdentified })
            .collect();
        let mut covariance = vec![0.0; n * n];
        if free.is_empty() {
            return Some(Self { covariance, identification, rank: 0, condition: None });
        }
        let lengths: Vec<f64> = (free.iter())
            .map(|&j| matrix[j * n + j])
            .map(|square| if square > 0.0 { square.sqrt() } else { 1.0 })
            .collect();
        let scaled = DMatrix::from_fn(free.len(), free.len(), |row, column| {
            matrix[free[row] * n + free[column]] / lengths[row] / lengths[column]
        });
        if !scaled.iter().all(|x| x.is_finite()) {
            return None;
        }
        let eigen = SymmetricEigen::try_new(scaled, f64::EPSILON, 2000)?;
        let values = &eigen.eigenvalues;
        let cut = values.max() * EIGENVALUE_TOLERANCE;
        if values.min() < -cut {
            return None;
        }
        let is_kept = |i: usize| values[i] > cut;
        let rank = (0..values.len()).filter(|&i| is_kept(i)).count();
        for (k, &j) in free.iter().enumerate() {
            let part = |i: usize| eigen.eigenvectors[(k, i)];
            let is_told = (0..values.len()).all(|i| is_kept(i) || part(i).abs() <= NULL_SHARE);
            if is_told && rank > 0 {
                identification[j] = Identification::Ok;
            }
            for (l, &m) in free.iter().enumerate() {
                covariance[j * n + m] = (0..values.len())
                    .filter(|&i| is_kept(i))
                    .map(|i| part(i) * eigen.eigenvectors[(l, i)] / values[i])
                    .sum::<f64>()
                    / lengths[k]
                    / lengths[l];
            }
        }
        let condition = (rank == free.len()).then(|| (values.max() / values.min()).sqrt());
        Some(Self { covariance, identification, rank, condition })
    }

    /// The same with the covariance of the sandwich: `filling` is the sum of the products of the
    /// scores, `factor` multiplies the whole.
    pub(super) fn sandwiched(mut self, filling: &[f64], factor: f64) -> Self {
        self.covariance = sandwich(&self.covariance, filling, factor);
        self
    }

    /// The same with one parameter more, `ok` and uncorrelated with the others.
    pub(super) fn with_independent(mut self, variance: f64, told: Identification) -> Self {
        let n = self.identification.len();
        let mut covariance = vec![0.0; (n + 1) * (n + 1)];
        for j in 0..n {
            covariance[j * (n + 1)..][..n].copy_from_slice(&self.covariance[j * n..][..n]);
        }
        covariance[(n + 1) * (n + 1) - 1] = variance;
        self.covariance = covariance;
        self.identification.push(told);
        self
    }

    /// Row-major covariance times `variance`; zero in rows of parameters that are not `Ok`.
    pub(super) fn covariance_of_told(&self, variance: f64) -> Vec<f64> {
        let n = self.identification.len();
        let is_ok = |j: usize| self.identification[j] == Identification::Ok;
        (0..n * n)
            .map(|entry| {
                let is_told = is_ok(entry / n) && is_ok(entry % n);
                if is_told { variance * self.covariance[entry] } else { 0.0 }
            })
            .collect()
    }

    /// How far a parameter would follow another that is held here, from 0 (not at all) to 1 (the two
    /// are one): the change of the first, in its deviations, for a change of the second that alone
    /// would cost as much. `products` is JᵀJ, row-major.
    pub(super) fn tie(&self, parameter: usize, held: usize, products: &[f64]) -> f64 {
        let n = self.identification.len();
        let is_free = |k: usize| !matches!(self.identification[k], Identification::AtBound);
        let pull: f64 = (0..n)
            .filter(|&k| is_free(k))
            .map(|k| self.covariance(parameter, k) * products[k * n + held])
            .sum();
        let tie = pull.abs() / (self.deviation(parameter) * products[held * n + held].sqrt());
        if tie.is_finite() { tie } else { 0.0 }
    }

    /// From the parameters to where one of them is off by so many deviations of its own, the others
    /// following as the quadratic says.
    pub(super) fn way(&self, parameter: usize, n_deviations: f64) -> Vec<f64> {
        let per_deviation = n_deviations / self.deviation(parameter);
        (0..self.identification.len())
            .map(|k| self.covariance(parameter, k) * per_deviation)
            .collect()
    }

    /// Standard deviation of an internal parameter for unit residual variance.
    pub(super) fn deviation(&self, parameter: usize) -> f64 {
        self.covariance(parameter, parameter).sqrt()
    }

    fn covariance(&self, j: usize, k: usize) -> f64 {
        self.covariance[j * self.identification.len() + k]
    }

    /// Row-major correlations; `None` where a parameter is not `Ok`.
    pub(super) fn correlations(&self) -> Vec<Option<f64>> {
        let n = self.identification.len();
        let is_ok = |j: usize| self.identification[j] == Identification::Ok;
        let correlation = |j: usize, k: usize| {
            if !(is_ok(j) && is_ok(k)) {
                return None;
            }
            if j == k {
                return Some(1.0);
            }
            let value = self.covariance(j, k) / (self.deviation(j) * self.deviation(k));
            value.is_finite().then(|| value.clamp(-1.0, 1.0))
        };
        (0..n * n).map(|entry| correlation(entry / n, entry % n)).collect()
    }
}

/// Standard errors of the parameters at a minimum without bounds, in their own units: `dof` is
/// what the residual variance is divided by (rows less parameters). `None` where the residuals do
/// not tell a parameter.
#[must_use]
pub fn standard_errors(triangle: &Triangle, dof: f64) -> Vec<Option<f64>> {
    let information = Information::of(triangle, &vec![false; triangle.n_parameters()]);
    let sigma = (triangle.ssr() / dof).sqrt();
    (information.identification.iter().enumerate())
        .map(|(j, told)| {
            let error = sigma * information.deviation(j);
            (*told == Identification::Ok && error.is_finite()).then_some(error)
        })
        .collect()
}

/// Parameters whose range is a single value.
pub(super) fn pinned(bounds: &[(f64, f64)]) -> Vec<bool> {
    bounds.iter().map(|(low, high)| low >= high).collect()
}

/// Residual standard deviation with the degrees of freedom that it stands on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// Of ln T; with no freedom left, the root mean square.
    pub(super) sigma: f64,
    /// Σ weights − determined directions; below one there are no intervals.
    pub(super) dof: f64,
    confidence: f64,
}

impl Spread {
    /// Of what carries its own unit: a likelihood, or a sandwich.
    pub(super) fn unit(weight_sum: f64, rank: usize, confidence: f64) -> Self {
        Self { sigma: 1.0, ..Self::of(1.0, weight_sum, rank, confidence) }
    }

    pub(super) fn of(ssr: f64, weight_sum: f64, rank: usize, confidence: f64) -> Self {
        let dof = weight_sum - rank as f64;
        let divisor = if dof >= 1.0 { dof } else { weight_sum };
        let confidence =
            if confidence.is_finite() { confidence.clamp(1e-6, 1.0 - 1e-9) } else { 0.95 };
        Self { sigma: (ssr / divisor).sqrt(), dof, confidence }
    }

    pub(super) fn has_freedom(&self) -> bool {
        self.dof >= 1.0
    }

    /// Quantile of Student's t for a two-sided interval; Cornish and Fisher's series for many
    /// degrees of freedom, where it is right to ten digits and the library's is not.
    pub(super) fn t_quantile(&self) -> f64 {
        let p = 0.5 + 0.5 * self.confidence;
        if self.dof < MANY
            && let Ok(t) = StudentsT::new(0.0, 1.0, self.dof)
        {
            return t.inverse_cdf(p);
        }
        let z = Normal::standard().inverse_cdf(p);
        let (z2, share) = (z * z, 1.0 / self.dof);
        let first = (z2 + 1.0) / 4.0;
        let second = ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
        let third = (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
        z * (1.0 + share * (first + share * (second + share * third)))
    }

    /// The row of `sigma_log`: standard error for normal residuals, interval from chi-square.
    pub(super) fn estimate(&self) -> Estimate {
        let mut estimate = Estimate {
            name: Cow::Borrowed("sigma_log"),
            unit: "",
            value: self.sigma,
            std_error: None,
            interval: (None, None),
            identification: Identification::NotIdentified,
            reason: NO_FREEDOM.to_owned(),
        };
        if self.has_freedom() {
            let tail = 0.5 - 0.5 * self.confidence;
            let end = |p: f64| self.sigma * (self.dof / chi_square_quantile(self.dof, p)).sqrt();
            let interval = (end(1.0 - tail), end(tail));
            estimate.std_error = Some(self.sigma / (2.0 * self.dof).sqrt());
            let is_finite = interval.0.is_finite() && interval.1.is_finite();
            let told = |end: f64| is_finite.then_some(end);
            estimate.interval = (told(interval.0), told(interval.1));
            estimate.identification = Identification::Ok;
            estimate.reason.clear();
        }
        estimate
    }
}

pub(super) const NO_FREEDOM: &str =
    "no more records than parameters: nothing is left to tell the spread";

/// Quantile of chi-square; Wilson and Hilferty's cube for many degrees of freedom, where it is
/// right to six digits.
fn chi_square_quantile(dof: f64, p: f64) -> f64 {
    if dof < 1e4
        && let Ok(chi_square) = ChiSquared::new(dof)
    {
        return chi_square.inverse_cdf(p);
    }
    let share = 2.0 / (9.0 * dof);
    let root = 1.0 - share + Normal::standard().inverse_cdf(p) * share.sqrt();
    dof * root.powi(3)
}

/// The published row of one parameter at its internal value.
pub(super) fn estimate(
    spec: &ParameterSpec,
    internal: f64,
    bounds: (f64, f64),
    identification: Identification,
    deviation: f64,
    spread: &Spread,
) -> Estimate {
    let mut estimate = Estimate {
        name: spec.name.clone(),
        unit: spec.unit,
        value: spec.published(internal),
        std_error: None,
        interval: (None, None),
        identification,
        reason: String::new(),
    };
    match identification {
        Identification::Ok if !spread.has_freedom() => estimate.reason = NO_FREEDOM.to_owned(),
        Identification::Ok => {
            add_interval(&mut estimate, spec, internal, bounds, deviation, spread);
        }
        Identification::AtBound => {
            let is_falling = spec.slope(internal) < 0.0;
            let side = if (internal <= bounds.0) != is_falling { "lower" } else { "upper" };
            estimate.reason = format!("at its {side} bound: the records push it further");
        }
        Identification::Fixed => estimate.reason = "set by the settings".to_owned(),
        Identification::NotIdentified => {
            estimate.reason =
                "the sum of squares does not depend on it, alone or with others".to_owned();
        }
    }
    estimate
}

fn add_interval(
    estimate: &mut Estimate,
    spec: &ParameterSpec,
    internal: f64,
    (low, high): (f64, f64),
    deviation: f64,
    spread: &Spread,
) {
    let std_error = spread.sigma * deviation;
    let half_width = spread.t_quantile() * std_error;
    let published_error = std_error * spec.slope(internal).abs();
    let is_logarithm = matches!(spec.transform, Transform::Exponential { .. });
    let is_endless = is_logarithm && half_width > MAX_LN_HALF_WIDTH;
    if is_endless || !(half_width.is_finite() && published_error.is_finite()) {
        estimate.identification = Identification::NotIdentified;
        estimate.reason =
            "the records leave it open over more than twenty powers of ten".to_owned();
        return;
    }
    let ends = ((internal - half_width).max(low), (internal + half_width).min(high));
    estimate.std_error = Some(published_error);
    let (from, to) = (spec.published(ends.0), spec.published(ends.1));
    estimate.interval = (Some(from.min(to)), Some(from.max(to)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of R: `qchisq(p, dof)`, `qt(p, dof)`.
    #[test]
    fn quantiles_agree_with_tables() {
        for (dof, p, expected) in [
            (1.0, 0.025, 9.820_691_171_752_58e-4),
            (10.0, 0.975, 20.483_177_350_807_4),
            (100.0, 0.025, 74.221_927_474_923_7),
        ] {
            let found = chi_square_quantile(dof, p);
            assert!((found / expected - 1.0).abs() < 1e-8, "{dof} {p}: {found}");
        }
        for (dof, expected) in [
            (1.0, 12.706_204_736_432_1),
            (10.0, 2.228_138_851_986_27),
            (1000.0, 1.962_339_080_826_41),
        ] {
            let found = Spread { sigma: 1.0, dof, confidence: 0.95 }.t_quantile();
            assert!((found / expected - 1.0).abs() < 1e-8, "{dof}: {found}");
        }
    }

    #[test]
    fn quantiles_join_where_the_formula_changes() {
        let at = |dof| chi_square_quantile(dof, 0.025) / dof;
        assert!((at(9_999.999) - at(10_000.0)).abs() < 1e-6);
        let t = |dof| Spread { sigma: 1.0, dof, confidence: 0.95 }.t_quantile();
        assert!((t(999.999_999) - t(1000.0)).abs() < 1e-8, "{} {}", t(999.999_999), t(1000.0));
        // R: `qt(0.975, 1e5)`.
        assert!((t(1e5) - 1.959_987_708).abs() < 1e-8, "{}", t(1e5));
    }
}
