//! A fitted or published curve: the median travel time at any distance.

use std::sync::Arc;

use super::models::{self, LN_LIMIT, Model, ROAD_CLASS, RoadClass, WithFactors};

/// A model with its parameters, and the factors of covariates where there are any.
#[derive(Clone)]
pub struct Curve {
    model: Arc<dyn Model>,
    parameters: Vec<f64>,
    /// Classes of road, in the order of the model's parameters; empty for other models.
    classes: Vec<String>,
    /// Level of a covariate (`night`) and ln of its factor.
    factors: Vec<(String, f64)>,
    /// ln of the factors that are in force.
    ln_factor: f64,
}

impl Curve {
    /// From published values, asked for by name, for example `cruise_speed_kmh`; `None` where the
    /// model is not one of [`models::NAMES`], a value is missing, or one is outside its domain.
    pub fn from_parameters(model: &str, value: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        Self::of(models::by_name(model)?, Vec::new(), value)
    }

    /// From the published rows of a group, name and value, whatever the model: `road_class` has the
    /// classes that the rows name. Rows of factors are kept aside, and the curve is that of the
    /// reference level; rows of other names are passed over. `None` as for
    /// [`from_parameters`](Self::from_parameters).
    pub fn from_rows<'a>(
        model: &str,
        rows: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Option<Self> {
        let rows: Vec<(&str, f64)> = rows.into_iter().collect();
        let value = |name: &str| rows.iter().find(|(known, _)| *known == name).map(|(_, x)| *x);
        let mut curve = if model == ROAD_CLASS {
            let classes = rows.iter().filter_map(|(name, _)| RoadClass::class_of(name));
            let classes: Vec<String> = classes.map(str::to_owned).collect();
            Self::of(Arc::new(RoadClass::new(&classes)?), classes, value)?
        } else {
            Self::from_parameters(model, value)?
        };
        for (name, factor) in &rows {
            if let Some(level) = name.strip_prefix(WithFactors::PREFIX) {
                let ln_factor = factor.ln();
                curve.factors.push((level.to_owned(), ln_factor.is_finite().then_some(ln_factor)?));
            }
        }
        Some(curve)
    }

    fn of(
        model: Arc<dyn Model>,
        classes: Vec<String>,
        value: impl Fn(&str) -> Option<f64>,
    ) -> Option<Self> {
        let specs = model.parameters().iter();
        let parameters = specs.map(|spec| spec.internal(value(&spec.name)?));
        let parameters = parameters.collect::<Option<Vec<f64>>>()?;
        Some(Self { model, parameters, classes, factors: Vec::new(), ln_factor: 0.0 })
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &'static str {
        self.model.name()
    }

    /// Levels of covariates that have a factor, for example `band_night`; the reference levels
    /// have none.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.factors.iter().map(|(level, _)| level.as_str())
    }

    /// The curve of these levels, of other covariates that of the reference; `None` for a level
    /// without a factor.
    #[must_use]
    pub fn at_levels(&self, levels: &[&str]) -> Option<Self> {
        let factor = |level: &&str| self.factors.iter().find(|(known, _)| known == level);
        let ln_factors = levels.iter().map(|level| factor(level).map(|(_, ln_factor)| *ln_factor));
        Some(Self { ln_factor: ln_factors.sum::<Option<f64>>()?, ..self.clone() })
    }

    /// Classes of road that the curve knows; empty for models of the distance alone.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The curve for which a bare distance is a way of this mix of [`classes`](Self::classes), one
    /// share each, scaled to add up to one; without it shares are equal. `None` where a share is
    /// missing, negative or not finite, all are zero, or the curve knows no classes.
    #[must_use]
    pub fn with_shares(&self, shares: &[f64]) -> Option<Self> {
        let model = RoadClass::new(&self.classes)?.with_shares(shares)?;
        Some(Self { model: Arc::new(model), ..self.clone() })
    }

    /// Median travel time, s; finite and positive for every positive finite distance (km).
    #[must_use]
    pub fn median_s(&self, distance_km: f64) -> f64 {
        60.0 * self.ln_median_min(distance_km).exp()
    }

    /// ln of the median travel time in min, cut off where it leaves the range of numbers.
    #[must_use]
    pub fn ln_median_min(&self, distance_km: f64) -> f64 {
        let ln_time = self.model.ln_time(&self.parameters, distance_km);
        (ln_time + self.ln_factor).clamp(-LN_LIMIT, LN_LIMIT)
    }

    /// The same of a way of these lengths, km, one for each of [`classes`](Self::classes); for a
    /// curve without classes, at their sum.
    #[must_use]
    pub fn ln_median_min_of_lengths(&self, lengths_km: &[f64]) -> f64 {
        let ln_time = self.model.ln_time_of_lengths(&self.parameters, lengths_km);
        (ln_time + self.ln_factor).clamp(-LN_LIMIT, LN_LIMIT)
    }
}

impl std::fmt::Debug for Curve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values = self.model.parameters().iter().zip(&self.parameters);
        let mut out = f.debug_struct(self.model.name());
        for (spec, value) in values {
            out.field(&spec.name, &spec.published(*value));
        }
        for (level, ln_factor) in &self.factors {
            out.field(level, &ln_factor.exp());
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

    #[test]
    fn rows_name_classes_and_factors() {
        let rows = [
            ("intercept_min", 1.0),
            ("class_speed_motorway_kmh", 60.0),
            ("class_speed_street_kmh", 30.0),
            ("factor_band_night", 0.5),
            ("factor_priority_2", 2.0),
            ("sigma_log", 0.3),
        ];
        let curve = Curve::from_rows("road_class", rows).unwrap();
        assert_eq!(curve.classes(), ["motorway", "street"]);
        assert_eq!(curve.levels().collect::<Vec<_>>(), ["band_night", "priority_2"]);
        let is =
            |seconds: f64, minutes: f64| assert!((seconds / 60.0 / minutes - 1.0).abs() < 1e-12);
        // A kilometre of each.
        is(curve.median_s(2.0), 4.0);
        is(60.0 * curve.ln_median_min_of_lengths(&[1.0, 1.0]).exp(), 4.0);
        is(60.0 * curve.ln_median_min_of_lengths(&[3.0, 0.0]).exp(), 4.0);
        is(curve.with_shares(&[3.0, 1.0]).unwrap().median_s(4.0), 6.0);
        is(curve.at_levels(&["band_night"]).unwrap().median_s(2.0), 2.0);
        is(curve.at_levels(&["band_night", "priority_2"]).unwrap().median_s(2.0), 4.0);
        assert!(curve.at_levels(&["band_peak"]).is_none());
        for shares in [&[1.0][..], &[-1.0, 2.0], &[0.0, 0.0], &[f64::NAN, 1.0]] {
            assert!(curve.with_shares(shares).is_none(), "{shares:?}");
        }
        let kwh = [("acceleration_km_min2", 0.25), ("cruise_speed_kmh", 30.0), rows[3]];
        let curve = Curve::from_rows("kwh", kwh).unwrap();
        is(curve.median_s(3.0), 8.0);
        is(60.0 * curve.ln_median_min_of_lengths(&[1.0, 2.0]).exp(), 8.0);
        is(curve.at_levels(&["band_night"]).unwrap().median_s(3.0), 4.0);
        assert!(curve.with_shares(&[1.0]).is_none() && curve.classes().is_empty());
        assert!(Curve::from_rows("road_class", [rows[0]]).is_none());
        assert!(Curve::from_rows("kwh", [kwh[0], kwh[1], ("factor_x", -1.0)]).is_none());
    }
}
