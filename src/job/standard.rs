//! What is known before any record: the RAND/ISO line and how far places differ from it.

use nalgebra::{DMatrix, DVector};

use crate::fit::models::{ParameterSpec, Transform};
use crate::fit::pooling::Evidence;
use crate::fit::simulate::published::RAND_ISO;
use crate::fit::{FitOptions, Model, Observations, Sample, fit};

/// Standard deviation of ln T about a curve where nothing else is known. The published sets lie
/// between 0.2 (Calgary beyond 15 km, Budge and others 2010) and 0.4 (Calgary at half a kilometre).
const SIGMA_LOG: f64 = 0.3;
/// How far ln of it may be off: a factor of 1.5.
const LN_SIGMA_DEVIATION: f64 = 0.4;
/// How far a city's parameters may be off the RAND/ISO line, in deviations between its regions.
/// Calgary's ln v and ln a are 1.0 and 0.8 off it.
const CITY_TO_CITY: f64 = 3.0;
/// Points on the line, from 0.1 to 20 km.
const N_POINTS: u32 = 60;

/// Standard deviation of a parameter between regions, to assume where no data tell it. Between
/// London's boroughs ln v differs by some 0.2.
pub(super) fn assumed_deviation(spec: &ParameterSpec) -> f64 {
    match spec.transform {
        // A factor of 1.2, whatever the unit.
        Transform::Exponential { .. } => 0.2,
        // Half a minute of turnout; a third of the exponent's range.
        Transform::Identity => 0.3,
        // Minutes per km: from 40 to 50 km/h.
        Transform::Reciprocal => 0.3,
    }
}

/// What the RAND/ISO line tells of a model's parameters: those that follow it most closely, known
/// about as well as one city tells of another. `None` where the model cannot follow it.
pub(super) fn curve(model: &dyn Model) -> Option<Evidence> {
    let line = RAND_ISO.curve()?;
    let point = |i: u32| {
        let distance_km = 0.1 * 200_f64.powf(f64::from(i) / f64::from(N_POINTS - 1));
        #[expect(clippy::cast_possible_truncation, reason = "samples hold seconds in f32")]
        let travel_time_s = line.median_s(distance_km) as f32;
        Sample { distance_km, travel_time_s, weight: 1.0 }
    };
    let points = Observations::new((0..N_POINTS).map(point).collect());
    let report = fit(model, &points, &FitOptions::default(), &|| false);
    let solution = report.solution?;
    let mean = &solution.parameters[..solution.n_model];
    let deviations = DVector::from_iterator(
        mean.len(),
        model.parameters().iter().map(|spec| (CITY_TO_CITY * assumed_deviation(spec)).powi(2)),
    );
    Evidence::of_normal(mean, &DMatrix::from_diagonal(&deviations))
}

/// What is known of ln of the residual standard deviation.
pub(super) fn spread() -> Evidence {
    let variance = DMatrix::from_element(1, 1, LN_SIGMA_DEVIATION.powi(2));
    Evidence::of_normal(&[SIGMA_LOG.ln()], &variance).unwrap_or_else(|| Evidence::none(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::models;

    #[test]
    fn every_model_by_distance_follows_the_line_nearly() {
        for name in models::NAMES {
            let model = models::by_name(name).unwrap();
            let evidence = curve(&*model).unwrap();
            let mean = evidence.mean().unwrap();
            let line = RAND_ISO.curve().unwrap();
            let own = model.ln_time(mean.as_slice(), 3.0);
            let off = (own - (line.median_s(3.0) / 60.0).ln()).abs();
            assert!(off < 0.4, "{name}: off by {off}");
        }
    }

    #[test]
    fn the_spread_is_known_to_a_factor() {
        let mean = spread().mean().unwrap()[0].exp();
        assert!((mean - SIGMA_LOG).abs() < 1e-12);
    }
}
