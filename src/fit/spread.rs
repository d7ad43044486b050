//! How wide ln T scatters about the median, as a function of the median. Knows no records.
//!
//! Budge, Ingolfsson and Zerom (2010): a trip takes F·X, F a factor of variance b2 that belongs to
//! the trip, X a time of variance b0 + b1·m on a route of median m (min). Then
//! `c(m) = sqrt(b0(b2+1) + b1(b2+1)·m + b2·m²)/m`.

use std::borrow::Cow;

use super::models::{LN_LIMIT, ParameterSpec, Transform};
use super::options::SpreadModel;

/// Least scale of ln T: a tenth of what a second is of a day. Below, records repeat each other.
pub(super) const MIN_SCALE: f64 = 1e-6;
/// Greatest scale of ln T: a factor of e^1000 between like trips.
const MAX_SCALE: f64 = 1e3;
/// Greatest part of the variance that does not fall with distance, min² and min: of a thousand days.
const MAX_PART: f64 = 1e12;

/// Scale of ln T at any median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scatter {
    /// The same everywhere.
    Constant {
        /// Scale of ln T.
        sigma: f64,
    },
    /// Budge, Ingolfsson and Zerom's.
    Budge {
        /// Constant part, min²; not negative.
        b0: f64,
        /// Part that grows with the median, min; negative only as far as the variance stays
        /// positive at every median.
        b1: f64,
        /// Variance of the factor common to a trip; positive.
        b2: f64,
    },
}

impl Scatter {
    /// From published values, asked for by name: `spread_b0` to `spread_b2` where they are known,
    /// else `sigma_log`; `None` where neither is whole or a scale would not be positive.
    pub fn from_parameters(value: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        let budge = || Some(Self::Budge { b0: value(B0)?, b1: value(B1)?, b2: value(B2)? });
        let scatter = match budge() {
            Some(budge) => budge,
            None => Self::Constant { sigma: value(SIGMA)? },
        };
        scatter.is_possible().then_some(scatter)
    }

    /// Scale of ln T where ln of the median (min) is `ln_median`; positive and finite.
    #[must_use]
    pub fn scale(&self, ln_median: f64) -> f64 {
        match *self {
            Self::Constant { sigma } => sigma,
            Self::Budge { b0, b1, b2 } => {
                let x = (-ln_median).clamp(-LN_LIMIT, LN_LIMIT).exp();
                let variance = ((b0 * x + b1) * x) * (b2 + 1.0) + b2;
                let least = MIN_SCALE * MIN_SCALE;
                if variance > least { variance.min(1e300).sqrt() } else { MIN_SCALE }
            }
        }
    }

    /// Whether the scale is positive at every median.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        match *self {
            Self::Constant { sigma } => sigma > 0.0 && sigma.is_finite(),
            Self::Budge { b0, b1, b2 } => {
                let is_finite = b0.is_finite() && b1.is_finite() && b2.is_finite();
                is_finite && b0 >= 0.0 && b2 > 0.0 && b1 > least_b1(b0, b2)
            }
        }
    }
}

/// The b1 at which the variance touches zero at one median; slightly more where b0 is zero.
pub(super) fn least_b1(b0: f64, b2: f64) -> f64 {
    -2.0 * (b0 * b2 / (b2 + 1.0)).max(0.0).sqrt() - f64::MIN_POSITIVE
}

const SIGMA: &str = "sigma_log";
const B0: &str = "spread_b0";
const B1: &str = "spread_b1";
const B2: &str = "spread_b2";

impl SpreadModel {
    /// Names, units and scales of the parameters: ln of the constant scale, and b0, b1, b2 as they
    /// are, since b1 may be negative and b0 zero.
    pub(super) fn specs(self) -> Vec<ParameterSpec> {
        let spec =
            |name, unit, transform| ParameterSpec { name: Cow::Borrowed(name), unit, transform };
        match self {
            Self::Constant => vec![spec(SIGMA, "", Transform::Exponential { factor: 1.0 })],
            Self::Budge => vec![
                spec(B0, "min2", Transform::Identity),
                spec(B1, "min", Transform::Identity),
                spec(B2, "", Transform::Identity),
            ],
        }
    }

    /// Bounds of the internal parameters.
    pub(super) fn bounds(self) -> Vec<(f64, f64)> {
        match self {
            Self::Constant => vec![(MIN_SCALE.ln(), MAX_SCALE.ln())],
            Self::Budge => vec![
                (0.0, MAX_PART),
                (-MAX_PART, MAX_PART),
                (MIN_SCALE * MIN_SCALE, MAX_SCALE * MAX_SCALE),
            ],
        }
    }

    /// The scatter of internal parameters.
    pub(super) fn scatter(self, internal: &[f64]) -> Scatter {
        match (self, internal) {
            (Self::Budge, &[b0, b1, b2]) => Scatter::Budge { b0, b1, b2 },
            (_, internal) => {
                let ln_sigma = internal.first().copied().unwrap_or(0.0);
                Scatter::Constant { sigma: ln_sigma.clamp(-LN_LIMIT, LN_LIMIT).exp() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::simulate::Spread;

    #[test]
    fn budge_is_the_published_formula() {
        let Spread::Budge { b0, b1, b2, .. } = Spread::CALGARY else { panic!("Calgary") };
        let scatter = Scatter::Budge { b0, b1, b2 };
        for m in [0.1_f64, 1.0, 7.0, 60.0] {
            let (found, expected) = (scatter.scale(m.ln()), Spread::CALGARY.scale(m));
            assert!((found / expected - 1.0).abs() < 1e-14, "{m}: {found} {expected}");
        }
    }

    #[test]
    fn impossible_scatters_are_none() {
        let check = |b: [f64; 3], expected: bool| {
            let value = |name: &str| [B0, B1, B2].iter().position(|n| *n == name).map(|i| b[i]);
            assert_eq!(Scatter::from_parameters(value).is_some(), expected, "{b:?}");
        };
        check([0.3, 0.0, 0.04], true);
        check([0.0, 0.0, 0.04], true);
        check([0.3, -0.2, 0.04], true);
        check([0.3, -0.3, 0.04], false);
        check([0.0, -0.1, 0.04], false);
        check([-0.1, 0.0, 0.04], false);
        check([0.1, 0.0, 0.0], false);
        check([0.1, f64::NAN, 0.1], false);
        assert_eq!(Scatter::from_parameters(|_| None), None);
        let sigma = |s: f64| Scatter::from_parameters(|n| (n == SIGMA).then_some(s));
        assert_eq!(sigma(0.25), Some(Scatter::Constant { sigma: 0.25 }));
        assert_eq!(sigma(0.0), None);
    }

    #[test]
    fn scales_are_finite_everywhere() {
        let scatter = Scatter::Budge { b0: 0.3, b1: 0.1, b2: 0.04 };
        for ln_median in [-1e9, -690.0, 0.0, 690.0, 1e9] {
            let scale = scatter.scale(ln_median);
            assert!(scale.is_finite() && scale > 0.0, "{ln_median}: {scale}");
        }
    }
}
