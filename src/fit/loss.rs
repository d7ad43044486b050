//! Robust losses as roots: functions of the residual whose square is the loss, so that the solver
//! of least squares minimises the loss itself.
//!
//! A loss is ρ(u²) with u = r/(C·s): r a residual of ln T, s the robust scale, C the tuning
//! constant. ρ(z) ≈ z near zero, so that small residuals count as in least squares.

use super::options::Loss;

/// 1 over the 75th percentile of the standard normal distribution: makes the median of absolute
/// residuals the standard deviation of normal ones.
pub(super) const PER_MEDIAN: f64 = 1.482_602_218_505_602;
/// Standard error of the scale over the scale, times the root of the number of records, for normal
/// errors: `1/(4·q·φ(q))` with q the 75th percentile of the normal distribution.
pub(super) const SCALE_ERROR: f64 = 1.166_373_2;

impl Loss {
    /// The tuning constant C, which costs 5 % of efficiency where errors are normal. Huber's and
    /// Tukey's are the usual ones (Holland and Welsch, 1977), with Cauchy's 2.3849; that of
    /// `soft_l1` is the root of `E[ψ′]²/E[ψ²] = 0.95`, as the others are.
    #[must_use]
    pub fn tuning(self) -> f64 {
        match self {
            Self::LeastSquares => f64::INFINITY,
            Self::Huber => 1.345,
            Self::SoftL1 => 1.2871,
            Self::Cauchy => 2.3849,
            Self::Tukey => 4.685,
        }
    }

    /// Whether the loss has a single minimum in the residual's place, wherever it starts: then the
    /// scale is estimated with it, else it comes from Huber's fit.
    pub(super) fn is_monotone(self) -> bool {
        matches!(self, Self::LeastSquares | Self::Huber | Self::SoftL1)
    }

    /// The signed root of ρ(u²), and its derivative.
    pub(super) fn root(self, u: f64) -> (f64, f64) {
        let z = u * u;
        match self {
            Self::LeastSquares => (u, 1.0),
            Self::Huber if z <= 1.0 => (u, 1.0),
            Self::Huber => {
                let root = (2.0 * u.abs() - 1.0).sqrt();
                (root.copysign(u), 1.0 / root)
            }
            Self::SoftL1 => {
                let q = u.hypot(1.0);
                let half = (0.5 * (q + 1.0)).sqrt();
                (u / half, half / q)
            }
            Self::Cauchy => {
                let ratio = if z > 1e-8 { z.ln_1p() / z } else { 1.0 - 0.5 * z };
                if z.is_infinite() {
                    return ((2.0 * u.abs().ln()).sqrt().copysign(u), 0.0);
                }
                let root = ratio.sqrt();
                (u * root, 1.0 / ((1.0 + z) * root))
            }
            Self::Tukey if z < 1.0 => {
                let root = (1.0 - z + z * z / 3.0).sqrt();
                (u * root, (1.0 - z) * (1.0 - z) / root)
            }
            Self::Tukey => ((1.0_f64 / 3.0).sqrt().copysign(u), 0.0),
        }
    }

    /// ψ(u) = ρ′(u²)·u, the influence, and its derivative.
    pub(super) fn influence(self, u: f64) -> (f64, f64) {
        let z = u * u;
        match self {
            Self::LeastSquares => (u, 1.0),
            Self::Huber if z <= 1.0 => (u, 1.0),
            Self::Huber => (1.0_f64.copysign(u), 0.0),
            Self::SoftL1 => {
                let q = u.hypot(1.0);
                (u / q, q.powi(-3))
            }
            Self::Cauchy => {
                let share = 1.0 / (1.0 + z);
                (u * share, (2.0 * share - 1.0) * share)
            }
            Self::Tukey if z < 1.0 => {
                let rest = 1.0 - z;
                (u * rest * rest, rest * (1.0 - 5.0 * z))
            }
            Self::Tukey => (0.0, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROBUST: [Loss; 4] = [Loss::Huber, Loss::SoftL1, Loss::Cauchy, Loss::Tukey];

    /// The formulas of SciPy's `least_squares` where it has them; Tukey's biweight over a third.
    fn rho(loss: Loss, z: f64) -> f64 {
        match loss {
            Loss::LeastSquares => z,
            Loss::Huber => {
                if z <= 1.0 {
                    z
                } else {
                    2.0 * z.sqrt() - 1.0
                }
            }
            Loss::SoftL1 => 2.0 * ((1.0 + z).sqrt() - 1.0),
            Loss::Cauchy => z.ln_1p(),
            Loss::Tukey => (1.0 - (1.0 - z.min(1.0)).powi(3)) / 3.0,
        }
    }

    proptest! {
        #[test]
        fn roots_and_influences_belong_together(u in -30.0..30.0f64) {
            for loss in ROBUST {
                let (root, slope) = loss.root(u);
                let expected = rho(loss, u * u);
                prop_assert!((root * root - expected).abs() <= 1e-13 + 1e-9 * expected);
                prop_assert!(root * u >= 0.0);
                let (psi, _) = loss.influence(u);
                prop_assert!((root * slope - psi).abs() <= 1e-12 * (1.0 + psi.abs()));
            }
        }

        #[test]
        fn derivatives_equal_differences(u in -30.0..30.0f64) {
            // Where a loss changes its formula the second derivative jumps.
            prop_assume!((u.abs() - 1.0).abs() > 1e-4);
            for loss in ROBUST {
                let h = 1e-6;
                let slope = (loss.root(u + h).0 - loss.root(u - h).0) / (2.0 * h);
                prop_assert!((slope - loss.root(u).1).abs() < 1e-7, "{loss:?} {u}");
                let bend = (loss.influence(u + h).0 - loss.influence(u - h).0) / (2.0 * h);
                prop_assert!((bend - loss.influence(u).1).abs() < 1e-7, "{loss:?} {u}");
            }
        }
    }

    /// Efficiency for normal errors by Simpson's rule over ±12; constants of four digits are within
    /// a ten-thousandth of 95 %.
    #[test]
    fn tuning_costs_a_twentieth() {
        let n = 240_000;
        for loss in ROBUST {
            let (mut square, mut bend) = (0.0, 0.0);
            for i in 0..=n {
                let x = -12.0 + 24.0 * f64::from(i) / f64::from(n);
                let simpson = if i == 0 || i == n { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
                let weight = simpson * 24.0 / f64::from(n) / 3.0 * (-0.5 * x * x).exp();
                let (psi, slope) = loss.influence(x / loss.tuning());
                square += weight * (psi * loss.tuning()).powi(2);
                bend += weight * slope;
            }
            let efficiency = bend * bend / square / (2.0 * std::f64::consts::PI).sqrt();
            assert!((efficiency - 0.95).abs() < 1e-4, "{loss:?}: {efficiency}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_finite() {
        for loss in ROBUST {
            for u in [0.0, 1e-300, 1e200, -1e300] {
                let (root, slope) = loss.root(u);
                assert!(root.is_finite() && slope.is_finite() && root * slope <= f64::MAX);
                let (psi, bend) = loss.influence(u);
                assert!(psi.is_finite() && bend.is_finite(), "{loss:?} {u}");
            }
        }
    }
}
