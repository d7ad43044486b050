//! The model functions of NIST's 27 nonlinear regressions, with their analytic gradients.
//!
//! Parameters as NIST gives them, without transformation. Knows nothing of data or of the solver.

use std::f64::consts::PI;

/// Value at the predictors `x`; writes the derivatives with respect to the parameters `b`.
pub(crate) type Function = fn(b: &[f64], x: &[f64], gradient: &mut [f64]) -> f64;

/// One regression: the name of its file, and its function.
#[derive(Clone, Copy)]
pub(crate) struct Regression {
    /// Name of the data set.
    pub(crate) name: &'static str,
    /// The function.
    pub(crate) function: Function,
    /// What is fitted is the logarithm of the response.
    pub(crate) is_log_response: bool,
}

const fn plain(name: &'static str, function: Function) -> Regression {
    Regression { name, function, is_log_response: false }
}

/// All of them, in NIST's order of difficulty.
pub(crate) const REGRESSIONS: [Regression; 27] = [
    plain("Misra1a", saturation),
    plain("Chwirut2", damped_hyperbola),
    plain("Chwirut1", damped_hyperbola),
    plain("Lanczos3", three_exponentials),
    plain("Gauss1", two_peaks),
    plain("Gauss2", two_peaks),
    plain("DanWood", power),
    plain("Misra1b", misra_1b),
    plain("Kirby2", quadratic_ratio),
    plain("Hahn1", cubic_ratio),
    Regression { name: "Nelson", function: nelson, is_log_response: true },
    plain("MGH17", two_decays),
    plain("Lanczos1", three_exponentials),
    plain("Lanczos2", three_exponentials),
    plain("Gauss3", two_peaks),
    plain("Misra1c", misra_1c),
    plain("Misra1d", misra_1d),
    plain("Roszman1", roszman),
    plain("ENSO", cycles),
    plain("MGH09", kowalik_osborne),
    plain("Thurber", cubic_ratio),
    plain("BoxBOD", saturation),
    plain("Rat42", logistic),
    plain("MGH10", meyer),
    plain("Eckerle4", peak),
    plain("Rat43", richards),
    plain("Bennett5", bennett),
];

/// `b1·(1 − exp(−b2·x))`.
fn saturation(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let rise = -(-b[1] * x[0]).exp_m1();
    g[0] = rise;
    g[1] = b[0] * x[0] * (-b[1] * x[0]).exp();
    b[0] * rise
}

/// `exp(−b1·x) / (b2 + b3·x)`.
fn damped_hyperbola(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let below = b[1] + b[2] * x[0];
    let value = (-b[0] * x[0]).exp() / below;
    g[0] = -x[0] * value;
    g[1] = -value / below;
    g[2] = g[1] * x[0];
    value
}

/// `b1·exp(−b2·x) + b3·exp(−b4·x) + b5·exp(−b6·x)`.
fn three_exponentials(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let mut value = 0.0;
    for (pair, slope) in b.chunks_exact(2).zip(g.chunks_exact_mut(2)) {
        slope[0] = (-pair[1] * x[0]).exp();
        slope[1] = -x[0] * pair[0] * slope[0];
        value += pair[0] * slope[0];
    }
    value
}

/// `b1·exp(−b2·x) + b3·exp(−(x−b4)²/b5²) + b6·exp(−(x−b7)²/b8²)`.
fn two_peaks(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    g[0] = (-b[1] * x[0]).exp();
    g[1] = -x[0] * b[0] * g[0];
    let mut value = b[0] * g[0];
    for (peak, slope) in b[2..].chunks_exact(3).zip(g[2..].chunks_exact_mut(3)) {
        let z = (x[0] - peak[1]) / peak[2];
        slope[0] = (-z * z).exp();
        slope[1] = peak[0] * slope[0] * 2.0 * z / peak[2];
        slope[2] = slope[1] * z;
        value += peak[0] * slope[0];
    }
    value
}

/// `b1·x^b2`.
fn power(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    g[0] = x[0].powf(b[1]);
    g[1] = b[0] * g[0] * x[0].ln();
    b[0] * g[0]
}

/// `b1·(1 − (1 + b2·x/2)⁻²)`.
fn misra_1b(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let half = 0.5 * b[1] * x[0];
    let base = 1.0 + half;
    // 1 − base⁻², without the cancellation.
    g[0] = half * (2.0 + half) / (base * base);
    g[1] = b[0] * x[0] / base.powi(3);
    b[0] * g[0]
}

/// `b1·(1 − (1 + 2·b2·x)^(−1/2))`.
fn misra_1c(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let twice = 2.0 * b[1] * x[0];
    let base = 1.0 + twice;
    let root = base.sqrt();
    // 1 − 1/root, without the cancellation.
    g[0] = twice / (root * (1.0 + root));
    g[1] = b[0] * x[0] / (base * root);
    b[0] * g[0]
}

/// `b1·b2·x / (1 + b2·x)`.
fn misra_1d(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let base = 1.0 + b[1] * x[0];
    g[0] = b[1] * x[0] / base;
    g[1] = b[0] * x[0] / (base * base);
    b[0] * g[0]
}

/// `(b1 + b2·x + b3·x²) / (1 + b4·x + b5·x²)`.
fn quadratic_ratio(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    ratio(b, x[0], 3, g)
}

/// `(b1 + b2·x + b3·x² + b4·x³) / (1 + b5·x + b6·x² + b7·x³)`.
fn cubic_ratio(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    ratio(b, x[0], 4, g)
}

/// A ratio of polynomials with `n_above` coefficients above; the one below begins with 1.
fn ratio(b: &[f64], x: f64, n_above: usize, g: &mut [f64]) -> f64 {
    let (above, below) = b.split_at(n_above);
    let numerator = above.iter().rev().fold(0.0, |sum, c| sum * x + c);
    let denominator = 1.0 + x * below.iter().rev().fold(0.0, |sum, c| sum * x + c);
    let value = numerator / denominator;
    let (g_above, g_below) = g.split_at_mut(n_above);
    for (power, slope) in (0..).zip(g_above) {
        *slope = x.powi(power) / denominator;
    }
    for (power, slope) in (1..).zip(g_below) {
        *slope = -value * x.powi(power) / denominator;
    }
    value
}

/// `b1 − b2·x1·exp(−b3·x2)`.
fn nelson(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    g[0] = 1.0;
    g[1] = -x[0] * (-b[2] * x[1]).exp();
    g[2] = -x[1] * b[1] * g[1];
    b[0] + b[1] * g[1]
}

/// `b1 + b2·exp(−x·b4) + b3·exp(−x·b5)`.
fn two_decays(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    g[0] = 1.0;
    g[1] = (-x[0] * b[3]).exp();
    g[2] = (-x[0] * b[4]).exp();
    g[3] = -x[0] * b[1] * g[1];
    g[4] = -x[0] * b[2] * g[2];
    b[0] + b[1] * g[1] + b[2] * g[2]
}

/// `b1 − b2·x − arctan(b3/(x − b4))/π`.
fn roszman(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let away = x[0] - b[3];
    let square = PI * (away * away + b[2] * b[2]);
    g[0] = 1.0;
    g[1] = -x[0];
    g[2] = -away / square;
    g[3] = -b[2] / square;
    b[0] - b[1] * x[0] - (b[2] / away).atan() / PI
}

/// A mean and three cycles of 12, `b4` and `b7` months, the cosine of each before its sine.
fn cycles(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let turn = 2.0 * PI * x[0];
    let (sin_year, cos_year) = (turn / 12.0).sin_cos();
    let (sin_4, cos_4) = (turn / b[3]).sin_cos();
    let (sin_7, cos_7) = (turn / b[6]).sin_cos();
    g[0] = 1.0;
    (g[1], g[2]) = (cos_year, sin_year);
    g[3] = (b[4] * sin_4 - b[5] * cos_4) * turn / (b[3] * b[3]);
    (g[4], g[5]) = (cos_4, sin_4);
    g[6] = (b[7] * sin_7 - b[8] * cos_7) * turn / (b[6] * b[6]);
    (g[7], g[8]) = (cos_7, sin_7);
    let year = b[1] * cos_year + b[2] * sin_year;
    b[0] + year + b[4] * cos_4 + b[5] * sin_4 + b[7] * cos_7 + b[8] * sin_7
}

/// `b1·(x² + x·b2) / (x² + x·b3 + b4)`.
fn kowalik_osborne(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let x = x[0];
    let below = x * x + x * b[2] + b[3];
    g[0] = (x * x + x * b[1]) / below;
    g[1] = b[0] * x / below;
    g[2] = -b[0] * g[0] * x / below;
    g[3] = -b[0] * g[0] / below;
    b[0] * g[0]
}

/// `b1 / (1 + exp(b2 − b3·x))`.
fn logistic(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let t = b[1] - b[2] * x[0];
    g[0] = 1.0 / (1.0 + t.exp());
    g[1] = -b[0] * g[0] / (1.0 + (-t).exp());
    g[2] = -x[0] * g[1];
    b[0] * g[0]
}

/// `b1·exp(b2/(x + b3))`.
fn meyer(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let away = x[0] + b[2];
    g[0] = (b[1] / away).exp();
    g[1] = b[0] * g[0] / away;
    g[2] = -g[1] * b[1] / away;
    b[0] * g[0]
}

/// `(b1/b2)·exp(−½·((x − b3)/b2)²)`.
fn peak(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let z = (x[0] - b[2]) / b[1];
    g[0] = (-0.5 * z * z).exp() / b[1];
    let value = b[0] * g[0];
    g[1] = value * (z * z - 1.0) / b[1];
    g[2] = value * z / b[1];
    value
}

/// `b1 / (1 + exp(b2 − b3·x))^(1/b4)`.
fn richards(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let t = b[1] - b[2] * x[0];
    let ln_base = if t > 0.0 { t + (-t).exp().ln_1p() } else { t.exp().ln_1p() };
    g[0] = (-ln_base / b[3]).exp();
    let value = b[0] * g[0];
    g[1] = -value / (b[3] * (1.0 + (-t).exp()));
    g[2] = -x[0] * g[1];
    g[3] = value * ln_base / (b[3] * b[3]);
    value
}

/// `b1·(b2 + x)^(−1/b3)`.
fn bennett(b: &[f64], x: &[f64], g: &mut [f64]) -> f64 {
    let base = b[1] + x[0];
    g[0] = base.powf(-1.0 / b[2]);
    let value = b[0] * g[0];
    g[1] = -value / (b[2] * base);
    g[2] = value * base.ln() / (b[2] * b[2]);
    value
}
