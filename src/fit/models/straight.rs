//! `constant`, T = d/v, and `linear`, T = t0 + d/v.

use super::super::observations::{Distances, Observations};
use super::profile::{self, Bins};
use super::{CRUISE_SPEED, INTERCEPT, LN_LIMIT, Model, ParameterSpec, mean};

/// T = d/v. Internal: ln v.
pub(super) struct Constant;

impl Model for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn parameters(&self) -> &[ParameterSpec] {
        static SPECS: [ParameterSpec; 1] = [CRUISE_SPEED];
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
            *out = ln_d - p[0];
        }
        gradient.fill(-1.0);
    }

    fn ln_time(&self, p: &[f64], distance_km: f64) -> f64 {
        distance_km.ln() - p[0]
    }

    fn starts(&self, observations: &Observations) -> Vec<Vec<f64>> {
        let (ln_d, ln_t) = (observations.distances().ln_km, observations.ln_time());
        vec![vec![mean(observations, |i| ln_d[i] - ln_t[i])]]
    }
}

/// T = t0 + d/v. Internal: t0 (min, not negative), ln v.
pub(super) struct Linear;

/// Cruise speed up to which a line is fitted, km/min, unless a record is itself faster: where
/// times do not grow with distance the best speed is infinite.
pub(super) const MAX_SPEED: f64 = 1e4;

impl Model for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn parameters(&self) -> &[ParameterSpec] {
        static SPECS: [ParameterSpec; 2] = [INTERCEPT, CRUISE_SPEED];
        &SPECS
    }

    fn bounds(&self, observations: &Observations) -> Vec<(f64, f64)> {
        let pairs = observations.distances().ln_km.iter().zip(observations.ln_time());
        let fastest = pairs.map(|(d, t)| d - t).fold(MAX_SPEED.ln(), f64::max);
        vec![(0.0, LN_LIMIT.exp()), (-LN_LIMIT, fastest.min(LN_LIMIT))]
    }

    fn evaluate(
        &self,
        p: &[f64],
        distances: Distances<'_>,
        ln_time: &mut [f64],
        gradient: &mut [f64],
    ) {
        let slowness = (-p[1]).exp();
        let (by_intercept, by_speed) = gradient.split_at_mut(ln_time.len());
        let gradients = by_intercept.iter_mut().zip(by_speed);
        for ((out, d), (g0, g1)) in ln_time.iter_mut().zip(distances.km()).zip(gradients) {
            let (moving, time) = sum(p[0], d * slowness);
            *out = time.ln();
            *g0 = 1.0 / time;
            *g1 = -moving / time;
        }
    }

    fn ln_time(&self, p: &[f64], distance_km: f64) -> f64 {
        sum(p[0], distance_km * (-p[1]).exp()).1.ln()
    }

    fn starts(&self, observations: &Observations) -> Vec<Vec<f64>> {
        let bins = Bins::of(observations);
        let fit = profile::best_intercept(&bins, bins.ln_distance());
        vec![vec![fit.intercept, -fit.scale.ln()]]
    }
}

/// The moving part of a time and the whole, both kept so far from the ends of the range of numbers
/// that neither quotients nor their squares overflow.
pub(super) fn sum(intercept: f64, moving: f64) -> (f64, f64) {
    let moving = moving.clamp(1e-100, 1e300);
    (moving, (intercept + moving).min(1e300))
}
