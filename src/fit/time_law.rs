//! The law by which ln T scatters about the logarithm of the median, from published values.
//!
//! The only place of `predict` and `holdout` that knows a distribution. Knows no curve.

use std::f64::consts::PI;

use statrs::distribution::{Continuous as _, ContinuousCDF as _, Normal, StudentsT};
use statrs::function::gamma::ln_gamma;

use super::models::LN_LIMIT;

/// Degrees of freedom from which on the normal law serves: its quantiles differ from those of
/// Student's t by less than (z³ + z)/(4·dof), 1e-5 at the 99.9th percentile.
const MANY: f64 = 1e6;
/// Least scale of ln T: a tenth of what a second is of a day.
const MIN_SCALE: f64 = 1e-6;
/// Steps toward a quantile: halving alone would need some seventy.
const MAX_STEPS: usize = 100;

/// A law of errors of scale one, symmetric about zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Law {
    /// Standard normal.
    Normal,
    /// Student's t.
    StudentT {
        /// Degrees of freedom, above 0.
        dof: f64,
    },
}

impl Law {
    /// From published values, asked for by name: Student's t where `tail_dof` is known, else
    /// normal; `None` where it is no positive number.
    pub(super) fn from_parameters(value: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        match value("tail_dof") {
            None => Some(Self::Normal),
            Some(dof) => (dof > 0.0 && dof.is_finite()).then_some(Self::StudentT { dof }),
        }
    }

    /// Itself, but for degrees of freedom at which nobody could tell it from the normal law.
    fn told_apart(self) -> Self {
        match self {
            Self::StudentT { dof } if dof >= MANY => Self::Normal,
            law => law,
        }
    }

    /// Probability of an error not above `z`.
    pub(super) fn cdf(self, z: f64) -> f64 {
        match self.told_apart() {
            Self::Normal => Normal::standard().cdf(z),
            Self::StudentT { dof } => student(dof).map_or(f64::NAN, |law| law.cdf(z)),
        }
    }

    /// The error that is not exceeded with probability `p`, strictly between 0 and 1.
    pub(super) fn quantile(self, p: f64) -> f64 {
        match self.told_apart() {
            Self::Normal => Normal::standard().inverse_cdf(p),
            // Symmetric: the lower tail keeps its digits.
            Self::StudentT { .. } if p > 0.5 => -self.lower_quantile(1.0 - p),
            Self::StudentT { .. } => self.lower_quantile(p),
        }
    }

    /// The quantile z = −e^w of a share below one half. By Newton's method on ln F over w, which is
    /// a straight line far out in the tail, kept inside a bracket that shrinks.
    fn lower_quantile(self, p: f64) -> f64 {
        if p >= 0.5 {
            return 0.0;
        }
        let (mut near, mut far) = (-LN_LIMIT, LN_LIMIT);
        let mut w = 0.0_f64;
        for _ in 0..MAX_STEPS {
            let z = -w.exp();
            let share = self.cdf(z);
            if share > p {
                near = w;
            } else {
                far = w;
            }
            let slope = -(self.ln_density(z) + w).exp() / share;
            let newton = w - (share.ln() - p.ln()) / slope;
            let next = if newton > near && newton < far { newton } else { 0.5 * (near + far) };
            if (next - w).abs() <= f64::EPSILON * (1.0 + w.abs()) {
                break;
            }
            w = next;
        }
        -w.exp()
    }

    /// Logarithm of the density.
    pub(super) fn ln_density(self, z: f64) -> f64 {
        match self.told_apart() {
            Self::Normal => Normal::standard().ln_pdf(z),
            Self::StudentT { dof } => {
                let half = 0.5 * (dof + 1.0);
                ln_gamma(half)
                    - ln_gamma(0.5 * dof)
                    - 0.5 * (dof * PI).ln()
                    - half * (z * z / dof).ln_1p()
            }
        }
    }
}

fn student(dof: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, dof).ok()
}

/// Scale of ln T: its standard deviation, or with Student's t what multiplies the standard law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scatter {
    /// The same everywhere: `sigma_log`.
    Constant {
        /// Scale of ln T.
        sigma: f64,
    },
    /// `sqrt(b0(b2+1) + b1(b2+1)·m + b2·m²)/m` at the median m in minutes (Budge, Ingolfsson and
    /// Zerom, 2010): `spread_b0`, `spread_b1`, `spread_b2`.
    Budge([f64; 3]),
}

impl Scatter {
    /// From published values, asked for by name: Budge's where its three are there, else
    /// `sigma_log`; `None` without either, or where a scale would not be positive.
    pub(super) fn from_parameters(value: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        match (["spread_b0", "spread_b1", "spread_b2"].map(&value), value("sigma_log")) {
            ([Some(b0), Some(b1), Some(b2)], _) => {
                is_possible([b0, b1, b2]).then_some(Self::Budge([b0, b1, b2]))
            }
            (_, Some(sigma)) => {
                (sigma > 0.0 && sigma.is_finite()).then_some(Self::Constant { sigma })
            }
            _ => None,
        }
    }

    /// The scale where the logarithm of the median (min) is `ln_median`; positive and finite.
    pub(super) fn scale(self, ln_median: f64) -> f64 {
        match self {
            Self::Constant { sigma } => sigma,
            // In powers of 1/m, so that neither a tiny nor a huge median overflows before it must.
            Self::Budge([b0, b1, b2]) => {
                let per_min = (-ln_median).clamp(-LN_LIMIT, LN_LIMIT).exp();
                let route = (b2 + 1.0) * (b0 * per_min + b1) * per_min;
                (route + b2).clamp(MIN_SCALE * MIN_SCALE, f64::MAX).sqrt()
            }
        }
    }
}

/// Whether the variance is positive at every median. b1 may be negative down to where it is not.
fn is_possible([b0, b1, b2]: [f64; 3]) -> bool {
    let least_b1 = -2.0 * (b0 * b2 / (b2 + 1.0)).max(0.0).sqrt();
    let is_finite = b0.is_finite() && b1.is_finite() && b2.is_finite();
    is_finite && b0 >= 0.0 && b2 > 0.0 && b1 >= least_b1
}

#[cfg(test)]
mod tests {
    use super::super::simulate::Spread;
    use super::*;

    /// R: `pt(z, dof)`, `qt(p, dof)`, `dt(z, dof, log = TRUE)`.
    #[test]
    fn student_agrees_with_tables() {
        let t = |dof| Law::StudentT { dof };
        for (dof, p, z) in [
            (1.0, 0.9, 3.077_683_537_175_253),
            (3.0, 0.95, 2.353_363_434_801_824),
            (4.0, 0.9, 1.533_206_274_058_943),
            (4.0, 0.999, 7.173_182_219_782_308),
            (30.0, 0.025, -2.042_272_456_301_238),
        ] {
            assert!((t(dof).quantile(p) - z).abs() < 1e-10 * z.abs(), "{dof} {p}");
            assert!((t(dof).cdf(z) - p).abs() < 1e-12, "{dof} {p}: {}", t(dof).cdf(z));
        }
        // Cauchy's density is 1/(π(1 + z²)).
        let expected = -(PI * 10.0).ln();
        assert!((t(1.0).ln_density(3.0) - expected).abs() < 1e-13);
        // 3/8 at zero for four degrees of freedom.
        assert!((t(4.0).ln_density(0.0) - 0.375_f64.ln()).abs() < 1e-13);
    }

    #[test]
    fn quantiles_undo_the_distribution() {
        let laws = [0.3, 1.0, 2.5, 4.0, 40.0, 1e3, 1e5, 9.9e5].map(|dof| Law::StudentT { dof });
        for law in laws.into_iter().chain([Law::Normal]) {
            for p in [1e-6, 0.01, 0.1, 0.4, 0.5, 0.75, 0.9, 0.99, 0.9999] {
                let back = law.cdf(law.quantile(p));
                assert!((back - p).abs() < 1e-9 * p.min(1.0 - p), "{law:?} {p}: {back}");
            }
        }
    }

    #[test]
    fn many_degrees_of_freedom_are_normal() {
        let of = |dof| Law::from_parameters(move |_| dof);
        assert_eq!(of(None), Some(Law::Normal));
        assert_eq!(of(Some(1e7)).unwrap().quantile(0.9), Law::Normal.quantile(0.9));
        assert_eq!(of(Some(0.0)), None);
        assert_eq!(of(Some(f64::NAN)), None);
        let below = of(Some(9.99e5)).unwrap();
        for p in [0.001, 0.3, 0.9, 0.999] {
            let (t, normal) = (below.quantile(p), Law::Normal.quantile(p));
            assert!((t - normal).abs() < 1e-5, "{p}: {t} {normal}");
        }
    }

    #[test]
    fn scales_are_those_that_records_are_drawn_with() {
        let value = |name: &str| match name {
            "spread_b0" => Some(0.336),
            "spread_b1" => Some(0.000_058),
            "spread_b2" => Some(0.0388),
            "sigma_log" => Some(9.0),
            _ => None,
        };
        let scatter = Scatter::from_parameters(value).unwrap();
        for median in [0.5, 2.0, 30.0] {
            let drawn = Spread::CALGARY.scale(median);
            assert!((scatter.scale(f64::ln(median)) - drawn).abs() < 1e-14 * drawn, "{median}");
        }
        for ln_median in [-700.0, 700.0, f64::INFINITY] {
            assert!(scatter.scale(ln_median).is_finite());
        }
    }

    #[test]
    fn what_has_no_scale_is_told() {
        let only = |name: &'static str, x: f64| {
            Scatter::from_parameters(move |n: &str| (n == name).then_some(x))
        };
        assert_eq!(only("sigma_log", 0.3), Some(Scatter::Constant { sigma: 0.3 }));
        assert_eq!(only("sigma_log", 0.0), None);
        assert_eq!(only("sigma_log", -0.3), None);
        assert_eq!(only("spread_b0", 0.3), None);
        assert_eq!(only("cruise_speed_kmh", 0.3), None);
        let budge = |b0: f64, b1: f64, b2: f64| {
            Scatter::from_parameters(move |name: &str| match name {
                "spread_b0" => Some(b0),
                "spread_b1" => Some(b1),
                "spread_b2" => Some(b2),
                _ => None,
            })
        };
        assert!(budge(0.0, 0.0, 0.04).is_some() && budge(0.3, -0.1, 0.04).is_some());
        assert_eq!(budge(0.0, 0.0, 0.0), None);
        assert_eq!(budge(0.3, -0.3, 0.04), None);
        assert_eq!(budge(-0.1, 0.0, 0.04), None);
    }
}
