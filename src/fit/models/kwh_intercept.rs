//! `kwh_intercept`: a fixed time t0 (turnout, traffic before the road) and then `kwh`.

use super::super::observations::{Distances, Observations};
use super::kwh::{self, ln_scale_and_knot, ln_shape};
use super::profile::{self, Bins};
use super::straight::sum;
use super::{ACCELERATION, CRUISE_SPEED, INTERCEPT, LN_LIMIT, Model, ParameterSpec};

/// T = t0 + s·h(d/k). Internal: t0 (min, not negative), ln a, ln v.
pub(super) struct KwhIntercept;

impl Model for KwhIntercept {
    fn name(&self) -> &'static str {
        "kwh_intercept"
    }

    fn parameters(&self) -> &[ParameterSpec] {
        static SPECS: [ParameterSpec; 3] = [INTERCEPT, ACCELERATION, CRUISE_SPEED];
        &SPECS
    }

    fn bounds(&self, observations: &Observations) -> Vec<(f64, f64)> {
        let [acceleration, speed] = kwh::bounds(observations);
        vec![(0.0, LN_LIMIT.exp()), acceleration, speed]
    }

    fn evaluate(
        &self,
        p: &[f64],
        distances: Distances<'_>,
        ln_time: &mut [f64],
        gradient: &mut [f64],
    ) {
        let n = ln_time.len();
        let (ln_s, ln_knot) = ln_scale_and_knot(p[1], p[2]);
        let n_short = distances.count_up_to(ln_knot);
        let (by_intercept, rest) = gradient.split_at_mut(n);
        let (by_acceleration, by_speed) = rest.split_at_mut(n);
        let (scale, per_knot) = (ln_s.clamp(-LN_LIMIT, LN_LIMIT).exp(), (-ln_knot).exp());
        for i in 0..n_short {
            let (moving, time) = sum(p[0], 2.0 * scale * (distances.km_at(i) * per_knot).sqrt());
            ln_time[i] = time.ln();
            by_intercept[i] = 1.0 / time;
            by_acceleration[i] = -0.5 * moving / time;
            by_speed[i] = 0.0;
        }
        for i in n_short..n {
            let cruising = (scale * (distances.km_at(i) * per_knot).min(1e300)).min(1e300);
            let (_, time) = sum(p[0], scale + cruising);
            ln_time[i] = time.ln();
            by_intercept[i] = 1.0 / time;
            by_acceleration[i] = -scale / time;
            by_speed[i] = (scale - cruising) / time;
        }
    }

    fn ln_time(&self, p: &[f64], distance_km: f64) -> f64 {
        let (ln_s, ln_knot) = ln_scale_and_knot(p[1], p[2]);
        let ln_moving = ln_s + ln_shape(distance_km.ln() - ln_knot);
        sum(p[0], ln_moving.clamp(-LN_LIMIT, LN_LIMIT).exp()).1.ln()
    }

    /// Minima of the profile over the knot, with the intercept free and, since the sum of squares
    /// may have a minimum of its own there, without one.
    fn starts(&self, observations: &Observations) -> Vec<Vec<f64>> {
        let bins = Bins::of(observations);
        let mut minima = profile::minima(&bins, profile::best_intercept);
        minima.extend(profile::minima(&bins, profile::best_scale).into_iter().take(1));
        let to_start = |m: &profile::Minimum| {
            let [ln_a, ln_v] = kwh::from_scale_and_knot(m.fit.scale.ln(), m.ln_knot);
            vec![m.fit.intercept, ln_a, ln_v]
        };
        let mut starts: Vec<Vec<f64>> = minima.iter().map(to_start).collect();
        starts.dedup();
        starts
    }

    fn settle(&self, p: &mut [f64], observations: &Observations) -> Vec<Option<String>> {
        let [intercept, acceleration, speed] = p else {
            return Vec::new();
        };
        if let Some(reason) = settle_offset(intercept, acceleration, *speed, observations) {
            return vec![Some(reason.clone()), Some(reason), None];
        }
        vec![None, None, kwh::settle_speed(*acceleration, speed, observations)]
    }
}

/// Where every trip passes the knot the curve is the line t0 + v/a + d/v: of the pairs (t0, a)
/// with that sum, takes the one with the smallest t0.
fn settle_offset(
    intercept: &mut f64,
    ln_acceleration: &mut f64,
    ln_speed: f64,
    observations: &Observations,
) -> Option<String> {
    let &ln_shortest = observations.distances().ln_km.first()?;
    let (ln_s, ln_knot) = ln_scale_and_knot(*ln_acceleration, ln_speed);
    let (_, highest) = kwh::bounds(observations)[0];
    if ln_knot > ln_shortest || *ln_acceleration >= highest {
        return None;
    }
    let offset = *intercept + ln_s.clamp(-LN_LIMIT, LN_LIMIT).exp();
    let longest_scale = (ln_shortest - ln_speed).clamp(-LN_LIMIT, LN_LIMIT).exp();
    if offset > longest_scale {
        *intercept = offset - longest_scale;
        *ln_acceleration = ln_speed - longest_scale.ln();
    } else {
        *intercept = 0.0;
        *ln_acceleration = ln_speed - offset.ln();
    }
    Some(
        "every trip is longer than the distance of acceleration: the records tell \
         intercept + speed/acceleration, not its parts"
            .to_owned(),
    )
}
