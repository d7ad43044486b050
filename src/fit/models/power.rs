//! `power`, T = k·d^p with 0 < p <= 1, and `sqrt`, T = k·sqrt(d).

use std::borrow::Cow;

use super::super::observations::{Distances, Observations};
use super::{LN_LIMIT, Model, ParameterSpec, Transform, mean};

/// Least exponent: a time that hardly depends on the distance any more.
const MIN_EXPONENT: f64 = 1e-3;

const COEFFICIENT: ParameterSpec = ParameterSpec {
    name: Cow::Borrowed("power_coefficient"),
    unit: "min/km^p",
    transform: Transform::Exponential { factor: 1.0 },
};

const EXPONENT: ParameterSpec = ParameterSpec {
    name: Cow::Borrowed("power_exponent"),
    unit: "",
    transform: Transform::Identity,
};

const SQRT_COEFFICIENT: ParameterSpec = ParameterSpec {
    name: Cow::Borrowed("sqrt_coefficient_min"),
    unit: "min/km^0.5",
    transform: Transform::Exponential { factor: 1.0 },
};

/// T = k·d^p. Internal: ln k, p.
pub(super) struct Power;

impl Model for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn parameters(&self) -> &[ParameterSpec] {
        static SPECS: [ParameterSpec; 2] = [COEFFICIENT, EXPONENT];
        &SPECS
    }

    fn bounds(&self, _: &Observations) -> Vec<(f64, f64)> {
        vec![(-LN_LIMIT, LN_LIMIT), (MIN_EXPONENT, 1.0)]
    }

    fn evaluate(
        &self,
        p: &[f64],
        distances: Distances<'_>,
        ln_time: &mut [f64],
        gradient: &mut [f64],
    ) {
        for (out, ln_d) in ln_time.iter_mut().zip(distances.ln_km) {
            *out = p[0] + p[1] * ln_d;
        }
        let (by_coefficient, by_exponent) = gradient.split_at_mut(ln_time.len());
        by_coefficient.fill(1.0);
        by_exponent.copy_from_slice(distances.ln_km);
    }

    fn ln_time(&self, p: &[f64], distance_km: f64) -> f64 {
        p[0] + p[1] * distance_km.ln()
    }

    /// The model is linear: one start does, and half is the exponent of constant acceleration.
    fn starts(&self, observations: &Observations) -> Vec<Vec<f64>> {
        vec![vec![mean_coefficient(observations), 0.5]]
    }
}

/// T = k·sqrt(d). Internal: ln k.
pub(super) struct SquareRoot;

impl Model for SquareRoot {
    fn name(&self) -> &'static str {
        "sqrt"
    }

    fn parameters(&self) -> &[ParameterSpec] {
        static SPECS: [ParameterSpec; 1] = [SQRT_COEFFICIENT];
        &SPECS
    }

    fn bounds(&self, _: &Observations) -> Vec<(f64, f64)> {
        vec![(-LN_LIMIT, LN_LIMIT)]
    }

    fn evaluate(
        &self,
        p: &[f64],
        distances: Distances<'_>,
        ln_time: &mut [f64],
        gradient: &mut [f64],
    ) {
        for (out, ln_d) in ln_time.iter_mut().zip(distances.ln_km) {
            *out = p[0] + 0.5 * ln_d;
        }
        gradient.fill(1.0);
    }

    fn ln_time(&self, p: &[f64], distance_km: f64) -> f64 {
        p[0] + 0.5 * distance_km.ln()
    }

    fn starts(&self, observations: &Observations) -> Vec<Vec<f64>> {
        vec![vec![mean_coefficient(observations)]]
    }
}

/// ln k of the square root that fits best.
fn mean_coefficient(observations: &Observations) -> f64 {
    let (ln_d, ln_t) = (observations.distances().ln_km, observations.ln_time());
    mean(observations, |i| ln_t[i] - 0.5 * ln_d[i])
}
