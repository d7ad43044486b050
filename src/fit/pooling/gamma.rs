//! Derivatives of the logarithm of the gamma function, for the scatter of a standard deviation.

/// Where the series is right to the last digit.
const ENOUGH: f64 = 12.0;

/// ψ(x) − ln x, without cancellation for large x, and ψ′(x), for x > 0.
///
/// Recurrence up to [`ENOUGH`], then the asymptotic series (Abramowitz and Stegun 6.3.18, 6.4.12).
pub(super) fn digamma_less_ln_and_trigamma(x: f64) -> (f64, f64) {
    let (mut at, mut digamma, mut trigamma) = (x, 0.0, 0.0);
    while at < ENOUGH {
        digamma -= 1.0 / at;
        trigamma += 1.0 / (at * at);
        at += 1.0;
    }
    let inverse = 1.0 / at;
    let square = inverse * inverse;
    let tail = 1.0 / 12.0
        - square
            * (1.0 / 120.0
                - square * (1.0 / 252.0 - square * (1.0 / 240.0 - square * (1.0 / 132.0))));
    digamma += (at / x).ln() - 0.5 * inverse - square * tail;
    let tail = 1.0 / 6.0
        - square
            * (1.0 / 30.0 - square * (1.0 / 42.0 - square * (1.0 / 30.0 - square * (5.0 / 66.0))));
    trigamma += inverse + 0.5 * square + square * inverse * tail;
    (digamma, trigamma)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{LN_2, PI};

    use super::*;

    /// ψ(1) = −γ, ψ(½) = −γ − 2 ln 2, ψ′(1) = π²/6, ψ′(½) = π²/2.
    #[test]
    fn known_values() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        for (x, digamma, trigamma) in [
            (1.0, -EULER, PI * PI / 6.0),
            (0.5, -EULER - 2.0 * LN_2, PI * PI / 2.0),
            (2.0, 1.0 - EULER, PI * PI / 6.0 - 1.0),
        ] {
            let (d, t) = digamma_less_ln_and_trigamma(x);
            assert!((d + f64::ln(x) - digamma).abs() < 1e-14, "{x}: {d}");
            assert!((t - trigamma).abs() < 1e-14, "{x}: {t}");
        }
    }

    #[test]
    fn large_arguments_have_their_limits() {
        let (d, t) = digamma_less_ln_and_trigamma(1e8);
        assert!((d * 2e8 + 1.0).abs() < 1e-8, "{d}");
        assert!((t * 1e8 - 1.0).abs() < 1e-8, "{t}");
    }
}
