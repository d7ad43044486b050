//! A fitted or published curve: the median travel time at any distance.

use std::sync::Arc;

use super::models::{self, LN_LIMIT, Model};

/// A model with its parameters.
#[derive(Clone)]
pub struct Curve {
    model: Arc<dyn Model>,
    parameters: Vec<f64>,
}

impl Curve {
    /// From published values, asked for by name, for example `cruise_speed_kmh`; `None` where the
    /// model is unknown, a value is missing, or one is outside its domain.
    pub fn from_parameters(model: &str, value: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        let model = models::by_name(model)?;
        let specs = model.parameters().iter();
        let parameters = specs.map(|spec| spec.internal(value(&spec.name)?));
        let parameters = parameters.collect::<Option<Vec<f64>>>()?;
        Some(Self { model, parameters })
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &'static str {
        self.model.name()
    }

    /// Median travel time, s; finite and positive for every positive finite distance (km).
    #[must_use]
    pub fn median_s(&self, distance_km: f64) -> f64 {
        60.0 * self.ln_median_min(distance_km).exp()
    }

    /// ln of the median travel time in min, cut off where it leaves the range of numbers.
    #[must_use]
    pub fn ln_median_min(&self, distance_km: f64) -> f64 {
        self.model.ln_time(&self.parameters, distance_km).clamp(-LN_LIMIT, LN_LIMIT)
    }
}

impl std::fmt::Debug for Curve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values = self.model.parameters().iter().zip(&self.parameters);
        let mut out = f.debug_struct(self.model.name());
        for (spec, value) in values {
            out.field(&spec.name, &spec.published(*value));
        }
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Curve;

    fn check(model: &str, values: &[(&str, f64)], distance_km: f64, expected_min: Option<f64>) {
        let value = |name: &str| values.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        let minutes = Curve::from_parameters(model, value).map(|c| c.median_s(distance_km) / 60.0);
        match (minutes, expected_min) {
            (Some(m), Some(e)) => assert!((m - e).abs() <= 1e-12 * e, "{model}: {m} and {e}"),
            (m, e) => assert_eq!(m, e, "{model}"),
        }
    }

    #[test]
    fn medians_follow_the_formulas() {
        let kwh = [("acceleration_km_min2", 0.25), ("cruise_speed_kmh", 30.0)];
        check("kwh", &kwh, 0.25, Some(2.0));
        check("kwh", &kwh, 1.0, Some(4.0));
        check("kwh", &kwh, 3.0, Some(8.0));
        let late = [kwh[0], kwh[1], ("intercept_min", 1.5)];
        check("kwh_intercept", &late, 0.25, Some(3.5));
        check("kwh_intercept", &late, 3.0, Some(9.5));
        check("constant", &kwh, 3.0, Some(6.0));
        check("linear", &late, 3.0, Some(7.5));
        check("linear", &[("intercept_min", 0.0), kwh[1]], 3.0, Some(6.0));
        check("sqrt", &[("sqrt_coefficient_min", 2.0)], 9.0, Some(6.0));
        let power = [("power_coefficient", 2.0), ("power_exponent", 0.75)];
        check("power", &power, 16.0, Some(16.0));
    }

    #[test]
    fn missing_or_impossible_values_give_no_curve() {
        let (a, v) = (("acceleration_km_min2", 0.25), ("cruise_speed_kmh", 30.0));
        check("kwh", &[a], 1.0, None);
        check("kwh", &[a, ("cruise_speed_kmh", 0.0)], 1.0, None);
        check("kwh", &[a, ("cruise_speed_kmh", -1.0)], 1.0, None);
        check("kwh", &[a, ("cruise_speed_kmh", f64::NAN)], 1.0, None);
        check("linear", &[("intercept_min", f64::INFINITY), v], 1.0, None);
        check("cubic", &[a, v], 1.0, None);
    }
}
