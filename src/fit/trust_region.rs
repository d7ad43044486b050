//! One step of Levenberg and Marquardt from a triangle: Moré's scaled trust region, with bounds.
//!
//! Works on matrices of the size of the parameters only. The step minimises the linearised sum of
//! squares within `‖D·step‖ <= radius`; parameters that would leave their bounds are put on them
//! and the others are solved again.
//!
//! Source: Moré, The Levenberg–Marquardt algorithm: implementation and theory (1978).

use nalgebra::{DMatrix, DVector, Dyn, SVD};

use super::least_squares::Triangle;

/// Singular values below this share of the largest count as zero, with columns scaled to length
/// one: what is left of them is rounding.
const RANK_TOLERANCE: f64 = 1e-14;

/// Sweeps of the singular-value iteration; some tens suffice for matrices of this size.
pub(super) const MAX_SWEEPS: usize = 2000;

/// A step, and what the linearisation promises of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// Change of each parameter.
    pub(super) change: Vec<f64>,
    /// `‖D·change‖`.
    pub(super) length: f64,
    /// Fall of the sum of squares that the linearised problem predicts.
    pub(super) predicted: f64,
    /// Whether the radius cut the step short.
    pub(super) is_cut: bool,
}

/// Where the step starts: position, its triangle, and the box around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Current parameters.
    pub(super) parameters: &'a [f64],
    /// Factor of the Jacobian and the residuals there.
    pub(super) triangle: &'a Triangle,
    /// Bounds of the parameters.
    pub(super) bounds: &'a [(f64, f64)],
}

/// Singular value decomposition with columns scaled, applied to a right-hand side.
struct Decomposed {
    svd: SVD<f64, Dyn, Dyn>,
    /// `Uᵀb`.
    rotated: DVector<f64>,
    /// What each column was divided by.
    scale: Vec<f64>,
}

impl Place<'_> {
    /// Parameters that may move: all but those on a bound behind which the sum would fall.
    pub(super) fn free(&self) -> Vec<usize> {
        (0..self.parameters.len())
            .filter(|&j| {
                let (low, high) = self.bounds[j];
                let gradient = self.triangle.gradient(j);
                let below = self.parameters[j] <= low && gradient > 0.0;
                let above = self.parameters[j] >= high && gradient < 0.0;
                !below && !above
            })
            .collect()
    }

    /// Share of the residual vector that lies in the span of the free columns, 0 to 1: zero where
    /// the sum of squares is stationary (Bates and Watts' relative offset).
    pub(super) fn offset(&self) -> f64 {
        let ssr = self.triangle.ssr();
        let free = self.free();
        if free.is_empty() || ssr == 0.0 {
            return 0.0;
        }
        let no_shift = vec![0.0; self.parameters.len()];
        self.decompose(&free, &no_shift, None).map_or(f64::INFINITY, |decomposed| {
            let cut = decomposed.smallest_kept();
            let values = decomposed.svd.singular_values.iter();
            let inside: f64 = (values.zip(decomposed.rotated.iter()))
                .filter(|&(&value, _)| value > cut)
                .map(|(_, part)| part * part)
                .sum();
            (inside / ssr).sqrt()
        })
    }

    /// The step within `radius`, lengths measured with `scale`; `None` where the triangle defies
    /// decomposition.
    pub(super) fn step(&self, scale: &[f64], radius: f64) -> Option<Step> {
        let mut change = vec![0.0; self.parameters.len()];
        let mut free = self.free();
        let mut is_cut = false;
        while !free.is_empty() {
            for &j in &free {
                change[j] = 0.0;
            }
            let (part, cut) = self.free_step(&free, &change, scale, radius)?;
            is_cut = cut;
            for (&j, &value) in free.iter().zip(part.iter()) {
                change[j] = value;
            }
            let before = free.len();
            free.retain(|&j| {
                let (low, high) = self.bounds[j];
                let inside = (low..=high).contains(&(self.parameters[j] + change[j]));
                if !inside {
                    let bound = if change[j] < 0.0 { low } else { high };
                    change[j] = bound - self.parameters[j];
                }
                inside
            });
            if free.len() == before {
                break;
            }
        }
        Some(self.judged(change, scale, is_cut))
    }

    /// Solves for the free parameters while the others move by what stands in `shift`.
    fn free_step(
        &self,
        free: &[usize],
        shift: &[f64],
        scale: &[f64],
        radius: f64,
    ) -> Option<(DVector<f64>, bool)> {
        let length = |step: &DVector<f64>| {
            free.iter().zip(step).map(|(&j, s)| (scale[j] * s).powi(2)).sum::<f64>().sqrt()
        };
        let newton = self.decompose(free, shift, None)?.gauss_newton();
        if length(&newton) <= 1.1 * radius {
            return Some((newton, false));
        }
        let decomposed = self.decompose(free, shift, Some(scale))?;
        Some((decomposed.damped(radius), true))
    }

    /// Decomposes the free columns divided by `scale`, or by their own lengths.
    fn decompose(
        &self,
        free: &[usize],
        shift: &[f64],
        scale: Option<&[f64]>,
    ) -> Option<Decomposed> {
        let n = self.parameters.len();
        let scale: Vec<f64> = (free.iter())
            .map(|&j| scale.map_or_else(|| self.triangle.column_norm(j), |given| given[j]))
            .map(|length| if length > 0.0 { length } else { 1.0 })
            .collect();
        let matrix = DMatrix::from_fn(n, free.len(), |row, column| {
            self.triangle.r(row, free[column]) / scale[column]
        });
        let target = DVector::from_fn(n, |row, _| {
            let shifted: f64 = (row..n).map(|j| self.triangle.r(row, j) * shift[j]).sum();
            self.triangle.qtr(row) + shifted
        });
        if !matrix.iter().chain(target.iter()).all(|entry| entry.is_finite()) {
            return None;
        }
        let svd = SVD::try_new(matrix, true, true, f64::EPSILON, MAX_SWEEPS)?;
        let rotated = svd.u.as_ref()?.tr_mul(&target);
        Some(Decomposed { svd, rotated, scale })
    }

    fn judged(&self, change: Vec<f64>, scale: &[f64], is_cut: bool) -> Step {
        let n = change.len();
        let length = change.iter().zip(scale).map(|(c, s)| (c * s).powi(2)).sum::<f64>().sqrt();
        let predicted = (0..n)
            .map(|row| {
                let moved: f64 = (row..n).map(|j| self.triangle.r(row, j) * change[j]).sum();
                -moved * (2.0 * self.triangle.qtr(row) + moved)
            })
            .sum();
        Step { change, length, predicted, is_cut }
    }
}

impl Decomposed {
    fn smallest_kept(&self) -> f64 {
        self.svd.singular_values.max() * RANK_TOLERANCE
    }

    /// The shortest of the steps that minimise the linearised sum of squares.
    fn gauss_newton(&self) -> DVector<f64> {
        let cut = self.smallest_kept();
        self.combined(|value| if value > cut { 1.0 / value } else { 0.0 })
    }

    /// The minimiser on the sphere of that radius: Newton's method on Moré's secular equation,
    /// which from λ = 0 rises monotonically; a tenth of the radius is near enough.
    fn damped(&self, radius: f64) -> DVector<f64> {
        let values = &self.svd.singular_values;
        let mut lambda = 0.0;
        for _ in 0..60 {
            let (mut square, mut slope) = (0.0, 0.0);
            for (&value, &part) in values.iter().zip(self.rotated.iter()) {
                let denominator = value * value + lambda;
                if denominator > 0.0 {
                    let share = (value * part / denominator).powi(2);
                    square += share;
                    slope += share / denominator;
                }
            }
            let norm = square.sqrt();
            let is_near = (norm - radius).abs() <= 0.1 * radius;
            if is_near || !(norm.is_finite() && slope > 0.0 && slope.is_finite()) {
                break;
            }
            lambda = (lambda + (norm - radius) / radius * square / slope).max(0.0);
        }
        self.combined(|value| {
            let denominator = value * value + lambda;
            if denominator > 0.0 { value / denominator } else { 0.0 }
        })
    }

    fn combined(&self, factor: impl Fn(f64) -> f64) -> DVector<f64> {
        let weighted =
            self.rotated.zip_map(&self.svd.singular_values, |part, value| -part * factor(value));
        let mut step = self
            .svd
            .v_t
            .as_ref()
            .map_or_else(|| DVector::zeros(self.scale.len()), |v_t| v_t.tr_mul(&weighted));
        for (entry, scale) in step.iter_mut().zip(&self.scale) {
            *entry /= scale;
        }
        step
    }
}
