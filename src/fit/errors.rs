//! Law of the errors on ln T, per unit of scale: density, distribution and quantiles.
//!
//! Student's t has no moments that hold for every number of degrees of freedom, and `exp` of it no
//! mean at all: there are quantiles here, and no means. Knows no travel times.

use std::f64::consts::PI;

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::beta::beta_reg;

/// Degrees of freedom between which Student's t is worked with; others are drawn to the nearer end.
/// Below, quantiles leave the range of numbers; above, the law is normal to twelve digits.
const DOF_RANGE: (f64, f64) = (0.1, 1e12);
/// Degrees of freedom from which the law is as good as a normal one of a changed argument.
const MANY: f64 = 1e5;
/// Quantiles stay within these: `exp` of them, times a scale, is cut off anyhow.
const FARTHEST: f64 = 1e300;
/// Newton steps for a quantile; some six suffice.
const MAX_STEPS: usize = 100;

/// A law of errors of scale one, symmetric about zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
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
    pub fn from_parameters(value: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        match value(TAIL_DOF) {
            None => Some(Self::Normal),
            Some(dof) => (dof > 0.0 && dof.is_finite()).then_some(Self::StudentT { dof }),
        }
    }

    /// Probability of an error not above `z`; accurate relative to itself in the lower tail.
    #[must_use]
    pub fn cdf(&self, z: f64) -> f64 {
        match *self {
            Self::Normal => Normal::standard().cdf(z),
            Self::StudentT { dof } => {
                let tail = lower_tail(z.abs(), usable(dof));
                if z <= 0.0 { tail } else { 1.0 - tail }
            }
        }
    }

    /// The error that is not exceeded with probability `p`; finite for every `p`, which is drawn
    /// into what lies between 0 and 1.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let p = if p.is_nan() { 0.5 } else { p.clamp(f64::MIN_POSITIVE, 1.0 - 0.5 * f64::EPSILON) };
        match *self {
            Self::Normal => Normal::standard().inverse_cdf(p),
            Self::StudentT { dof } if p <= 0.5 => -distance_of_tail(p, usable(dof)),
            Self::StudentT { dof } => distance_of_tail(1.0 - p, usable(dof)),
        }
    }

    /// ln of the density at `z`.
    #[must_use]
    pub fn ln_density(&self, z: f64) -> f64 {
        match *self {
            Self::Normal => -0.5 * z * z - 0.5 * (2.0 * PI).ln(),
            Self::StudentT { dof } => {
                let dof = usable(dof);
                let ratio = z / dof.sqrt();
                let ln_q = if ratio.abs() < 1e100 {
                    (ratio * ratio).ln_1p()
                } else {
                    2.0 * ratio.abs().ln()
                };
                ln_peak(dof) - 0.5 * (dof + 1.0) * ln_q
            }
        }
    }
}

/// Published name of the degrees of freedom.
pub(super) const TAIL_DOF: &str = "tail_dof";

fn usable(dof: f64) -> f64 {
    if dof.is_nan() { DOF_RANGE.1 } else { dof.clamp(DOF_RANGE.0, DOF_RANGE.1) }
}

/// ln of the density of Student's t at zero.
pub(super) fn ln_peak(dof: f64) -> f64 {
    HalfStep::at(0.5 * dof).value - 0.5 * (2.0 * PI).ln()
}

/// P(t < −distance): the incomplete beta function from the side on which its argument has digits;
/// for many degrees of freedom Wallace's (1959) change to the normal law, right to 1/dof².
fn lower_tail(distance: f64, dof: f64) -> f64 {
    let square = distance * distance;
    if dof >= MANY {
        let share = (8.0 * dof + 1.0) / (8.0 * dof + 3.0);
        return Normal::standard().cdf(-share * (dof * (square / dof).ln_1p()).sqrt());
    }
    if square < 1.0 {
        return 0.5 - 0.5 * beta_reg(0.5, 0.5 * dof, square / (dof + square));
    }
    0.5 * beta_reg(0.5 * dof, 0.5, dof / (dof + square))
}

/// The distance beyond which, to one side, lies the probability `tail`, at most a half: Newton's
/// method on ln of the tail, which over ln of the distance ends as a straight line; held between
/// ends that have been seen to lie on either side.
fn distance_of_tail(tail: f64, dof: f64) -> f64 {
    if tail >= 0.5 {
        return 0.0;
    }
    let law = Law::StudentT { dof };
    let (mut low, mut high) = (0.0, FARTHEST);
    let mut at = -Normal::standard().inverse_cdf(tail);
    for _ in 0..MAX_STEPS {
        let found = lower_tail(at, dof);
        if found > tail {
            low = at;
        } else {
            high = at;
        }
        let per_unit = law.ln_density(at).exp() / found;
        let excess = (found / tail).ln();
        let next =
            if at < 1.0 { at + excess / per_unit } else { at * (excess / per_unit / at).exp() };
        let next = if next > low && next < high {
            next
        } else if high < FARTHEST {
            0.5 * (low + high)
        } else {
            // Beyond what the series of Newton's method can see: outward by powers.
            (low * low).clamp(2.0, FARTHEST)
        };
        let is_same = (next - at).abs() <= 2.0 * f64::EPSILON * at;
        at = next;
        if is_same || at >= FARTHEST {
            break;
        }
    }
    at
}

/// ln Γ(x + ½) − ln Γ(x) − ½·ln x and its derivatives: what the constant of Student's t needs at
/// x = dof/2, without the cancellation of the large logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HalfStep {
    pub(super) value: f64,
    pub(super) slope: f64,
    pub(super) curvature: f64,
}

/// Where the series has reached the precision of numbers.
const SERIES_FROM: f64 = 24.0;

impl HalfStep {
    /// By the asymptotic series −1/(8x) + 1/(192x³) − 1/(640x⁵) + 17/(14336x⁷) − 31/(18432x⁹)
    /// (Tricomi and Erdélyi, 1951), and below it by the recurrence of Γ.
    pub(super) fn at(x: f64) -> Self {
        let (mut shifted, mut ratio) = (x, [0.0; 3]);
        while shifted < SERIES_FROM {
            let (whole, half) = (1.0 / shifted, 1.0 / (shifted + 0.5));
            ratio[0] += (0.5 * whole).ln_1p();
            ratio[1] += half - whole;
            ratio[2] += whole * whole - half * half;
            shifted += 1.0;
        }
        let r = 1.0 / shifted;
        let s = r * r;
        let value = r
            * (-1.0 / 8.0
                + s * (1.0 / 192.0
                    + s * (-1.0 / 640.0 + s * (17.0 / 14336.0 - s * 31.0 / 18432.0))));
        let slope = s
            * (1.0 / 8.0
                + s * (-3.0 / 192.0
                    + s * (5.0 / 640.0 + s * (-119.0 / 14336.0 + s * 279.0 / 18432.0))));
        let curvature = s
            * r
            * (-2.0 / 8.0
                + s * (12.0 / 192.0
                    + s * (-30.0 / 640.0 + s * (952.0 / 14336.0 - s * 2790.0 / 18432.0))));
        if shifted == x {
            return Self { value, slope, curvature };
        }
        Self {
            value: value + 0.5 * (shifted / x).ln() - ratio[0],
            slope: slope + 0.5 * (r - 1.0 / x) - ratio[1],
            curvature: curvature - 0.5 * (s - 1.0 / (x * x)) - ratio[2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} and {expected}");
    }

    fn check(found: f64, expected: f64) {
        close(found, expected, 1e-11);
    }

    /// mpmath with 30 digits: `betainc(v/2, 1/2, 0, v/(v+z*z), regularized=True)/2`, its root, and
    /// `loggamma((v+1)/2) - loggamma(v/2) - log(v*pi)/2 - (v+1)/2*log(1+z*z/v)`.
    #[test]
    fn student_agrees_with_thirty_digits() {
        #[rustfmt::skip]
        let table = [
            (1.5, [-5219.469324706946, -11.1973161795684, -0.6517954826023571],
             [0.002292821161489703, 0.03268788381057812, 0.34028355533497, 0.5339792732565187, 0.8879058348219745],
             [-1.076650284831891, -1.715182314539379, -9.0748939530009]),
            (4.0, [-41.57785415045098, -3.746947387979197, -0.5686490630497055],
             [3.676428048830661e-6, 0.003745216940637262, 0.3216649815909316, 0.5374220795302734, 0.9419417382415922],
             [-0.9808292530117262, -1.538688131297251, -14.53216675119244]),
            (7.3, [-13.49352306074464, -2.963940447583897, -0.5480628979421774],
             [3.24440265956398e-9, 0.0006913871896567305, 0.3158967634022208, 0.5384822514300852, 0.9580294803329484],
             [-0.953080288058716, -1.485862129648774, -20.96686534134685]),
            (30.0, [-5.871117120418883, -2.457261542400591, -0.5300190039065045],
             [3.125895815304444e-24, 1.16483427335039e-5, 0.3103615024425636, 0.5394951941048644, 0.9726874775185084],
             [-0.9272703253788457, -1.435512579135204, -54.15407199489861]),
            (200.0, [-4.897302102826782, -2.345137082259468, -0.5252373340155535],
             [2.862080604413926e-76, 6.250990638857698e-7, 0.3088123761582303, 0.5397777537478395, 0.9765734069064645],
             [-0.9201885279964956, -1.421436449855923, -172.2473717979582]),
        ];
        for (dof, quantiles, shares, densities) in table {
            let law = Law::StudentT { dof };
            for (p, expected) in [1e-6, 0.01, 0.3].into_iter().zip(quantiles) {
                check(law.quantile(p), expected);
                // What is left of 1 − p has fewer digits.
                close(law.quantile(1.0 - p), -expected, 1e-9);
            }
            for (z, expected) in [-30.0, -5.0, -0.5, 0.1, 2.0].into_iter().zip(shares) {
                check(law.cdf(z), expected);
            }
            for (z, expected) in [0.0, 1.0, -30.0].into_iter().zip(densities) {
                check(law.ln_density(z), expected);
            }
        }
    }

    #[test]
    fn quantiles_undo_shares() {
        for law in [0.1, 0.7, 1.0, 2.0, 5.0, 60.0, 1e4, 1e12].map(|dof| Law::StudentT { dof }) {
            for p in [1e-12, 1e-6, 0.01, 0.2, 0.499, 0.5] {
                close(law.cdf(law.quantile(p)), p, 1e-9);
            }
            assert_eq!(law.quantile(0.5), 0.0);
        }
        for p in [1e-12, 1e-6, 0.01, 0.2, 0.5, 0.9] {
            close(Law::Normal.cdf(Law::Normal.quantile(p)), p, 1e-9);
        }
    }

    #[test]
    fn many_degrees_of_freedom_are_normal() {
        let law = Law::StudentT { dof: 1e12 };
        for z in [-5.0, -1.0, 0.0, 2.5] {
            close(law.ln_density(z), Law::Normal.ln_density(z), 1e-10);
            close(law.cdf(z), Law::Normal.cdf(z), 1e-9);
        }
        // The two ways meet.
        let (below, above) = (Law::StudentT { dof: 99_999.9 }, Law::StudentT { dof: 1e5 });
        for z in [-7.0, -3.0, -0.9, -0.1, 1.5] {
            close(below.cdf(z), above.cdf(z), 1e-8);
        }
    }

    #[test]
    fn nothing_is_infinite() {
        for law in [Law::Normal, Law::StudentT { dof: 1e-9 }, Law::StudentT { dof: f64::NAN }] {
            for p in [f64::NEG_INFINITY, 0.0, f64::NAN, 1.0, 7.0] {
                assert!(law.quantile(p).is_finite(), "{law:?} {p}");
            }
        }
        assert!(Law::StudentT { dof: 3.0 }.ln_density(1e300).is_finite());
        assert_eq!(Law::from_parameters(|_| Some(0.0)), None);
    }

    #[test]
    fn derivatives_of_the_constant_equal_differences() {
        for x in [0.05, 0.5, 2.0, 23.9, 24.1, 100.0] {
            let (h, at) = (1e-5 * x, HalfStep::at(x));
            let (low, high) = (HalfStep::at(x - h), HalfStep::at(x + h));
            let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-7, "{x}: {a} {b}");
            close((high.value - low.value) / (2.0 * h), at.slope);
            close((high.slope - low.slope) / (2.0 * h), at.curvature);
        }
    }
}
