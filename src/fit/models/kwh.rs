//! `kwh`: constant acceleration up to a cruise speed (Kolesar, Walker and Hausner, 1975).
//!
//! With `s = v/a` and the knot `k = v²/a`, T = s·h(d/k), h(x) = 2·sqrt(x) for x <= 1 and 1 + x
//! beyond.

use std::f64::consts::LN_2;

use super::super::observations::{Distances, Observations};
use super::profile::{self, Bins};
use super::{ACCELERATION, CRUISE_SPEED, LN_LIMIT, Model, ParameterSpec};

/// Acceleration up to which a curve is fitted, km/min² (280 times gravity), unless a record
/// itself needs more: where the line through the data has no intercept the best one is infinite.
const MAX_ACCELERATION: f64 = 1e4;

/// T = s·h(d/k). Internal: ln a, ln v.
pub(super) struct Kwh;

impl Model for Kwh {
    fn name(&self) -> &'static str {
        "kwh"
    }

    fn parameters(&self) -> &[ParameterSpec] {
        static SPECS: [ParameterSpec; 2] = [ACCELERATION, CRUISE_SPEED];
        &SPECS
    }

    fn bounds(&self, observations: &Observations) -> Vec<(f64, f64)> {
        bounds(observations).to_vec()
    }

    fn evaluate(
        &self,
        p: &[f64],
        distances: Distances<'_>,
        ln_time: &mut [f64],
        gradient: &mut [f64],
    ) {
        let (ln_s, ln_knot) = ln_scale_and_knot(p[0], p[1]);
        let n_short = distances.count_up_to(ln_knot);
        let (by_acceleration, by_speed) = gradient.split_at_mut(ln_time.len());
        let (short, long) = ln_time.split_at_mut(n_short);
        let ln_coefficient = LN_2 - 0.5 * p[0];
        for (out, ln_d) in short.iter_mut().zip(distances.ln_km) {
            *out = ln_coefficient + 0.5 * ln_d;
        }
        by_acceleration[..n_short].fill(-0.5);
        by_speed[..n_short].fill(0.0);
        let per_knot = (-ln_knot).exp();
        let gradients = by_acceleration[n_short..].iter_mut().zip(&mut by_speed[n_short..]);
        for ((out, d), (ga, gv)) in long.iter_mut().zip(distances.km().skip(n_short)).zip(gradients)
        {
            let x = (d * per_knot).min(1e300);
            *out = ln_s + (1.0 + x).ln();
            *ga = -1.0 / (1.0 + x);
            *gv = (1.0 - x) / (1.0 + x);
        }
    }

    fn ln_time(&self, p: &[f64], distance_km: f64) -> f64 {
        let (ln_s, ln_knot) = ln_scale_and_knot(p[0], p[1]);
        ln_s + ln_shape(distance_km.ln() - ln_knot)
    }

    /// For a given knot ln s is a mean: the minima of a profile over the knot are the starts.
    fn starts(&self, observations: &Observations) -> Vec<Vec<f64>> {
        let bins = Bins::of(observations);
        let minima = profile::minima(&bins, profile::best_scale);
        minima.iter().map(|m| from_scale_and_knot(m.fit.scale.ln(), m.ln_knot).to_vec()).collect()
    }

    fn settle(&self, p: &mut [f64], observations: &Observations) -> Vec<Option<String>> {
        let [acceleration, speed] = p else {
            return Vec::new();
        };
        vec![None, settle_speed(*acceleration, speed, observations)]
    }
}

/// Bounds of ln a and ln v.
pub(super) fn bounds(observations: &Observations) -> [(f64, f64); 2] {
    let pairs = observations.distances().ln_km.iter().zip(observations.ln_time());
    let strongest = pairs.map(|(d, t)| 2.0 * LN_2 + d - 2.0 * t);
    let highest = strongest.fold(MAX_ACCELERATION.ln(), f64::max);
    [(-LN_LIMIT, highest.min(LN_LIMIT)), (-LN_LIMIT, LN_LIMIT)]
}

/// Where no trip passes the knot, sets ln v to the speed that the curve reaches at the longest
/// trip, sqrt(a·d_max), and says why.
pub(super) fn settle_speed(
    ln_acceleration: f64,
    ln_speed: &mut f64,
    observations: &Observations,
) -> Option<String> {
    let ln_longest = *observations.distances().ln_km.last()?;
    let (_, ln_knot) = ln_scale_and_knot(ln_acceleration, *ln_speed);
    if ln_knot < ln_longest {
        return None;
    }
    *ln_speed = (0.5 * (ln_acceleration + ln_longest)).clamp(-LN_LIMIT, LN_LIMIT);
    Some(format!(
        "no trip is long enough to reach cruise speed (longest {:.4} km); the value is the speed \
         reached there",
        ln_longest.exp()
    ))
}

/// ln s and ln k, of ln a and ln v.
pub(super) fn ln_scale_and_knot(ln_acceleration: f64, ln_speed: f64) -> (f64, f64) {
    (ln_speed - ln_acceleration, (2.0 * ln_speed - ln_acceleration).clamp(-LN_LIMIT, LN_LIMIT))
}

/// ln a and ln v, of ln s and ln k.
pub(super) fn from_scale_and_knot(ln_scale: f64, ln_knot: f64) -> [f64; 2] {
    [ln_knot - 2.0 * ln_scale, ln_knot - ln_scale]
}

/// ln h(x) of ln x.
pub(super) fn ln_shape(ln_x: f64) -> f64 {
    if ln_x <= 0.0 { LN_2 + 0.5 * ln_x } else { ln_x.min(LN_LIMIT).exp().ln_1p() }
}
