//! Parameter sets that others published, converted to km and min: known truth for the demo.
//!
//! A long branch `A + B·D` (min, D in miles or km) gives v = 1/B and, from v/a = A, a = 1/(A·B);
//! with 1.609344 km to the mile both are multiplied by it. The short branch must then be
//! 2·sqrt(A·B)·sqrt(D) and the knot A/B, which the tests hold against what was published.

use super::super::curve::Curve;

/// Kilometres in a statute mile.
const KM_PER_MILE: f64 = 1.609_344;

/// A curve from the literature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedSet {
    /// What was measured where, fit for a name of a region.
    pub place: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// Model's name.
    pub model: &'static str,
    /// Published names and values in their units.
    pub parameters: &'static [(&'static str, f64)],
}

impl PublishedSet {
    /// The value of a parameter by its published name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The curve; `None` only if a constant here were mistyped.
    #[must_use]
    pub fn curve(&self) -> Option<Curve> {
        Curve::from_parameters(self.model, |name| self.value(name))
    }
}

/// a (km/min²) from the long branch `a_min + b·D`, `km` kilometres to the unit of D.
const fn acceleration(a_min: f64, b: f64, km: f64) -> f64 {
    km / (a_min * b)
}

/// v (km/h) from the slope of the long branch, min per unit of D.
const fn cruise_speed(b: f64, km: f64) -> f64 {
    60.0 * km / b
}

/// Fire engines in New York City: 1.35 + 1.53·D miles beyond 0.88 miles.
pub const NEW_YORK_FIRE: PublishedSet = PublishedSet {
    place: "New York fire engines",
    source: "Kolesar, Walker and Hausner (1975), as recalled; passes the identity of branches",
    model: "kwh",
    parameters: &[
        ("acceleration_km_min2", acceleration(1.35, 1.53, KM_PER_MILE)),
        ("cruise_speed_kmh", cruise_speed(1.53, KM_PER_MILE)),
    ],
};

/// The RAND/ISO line, 0.65 + 1.70·D miles: what serves where there is no record at all.
pub const RAND_ISO: PublishedSet = PublishedSet {
    place: "RAND/ISO standard line",
    source: "RAND Corporation and Insurance Services Office: 0.65 + 1.70 D, D in miles",
    model: "kwh",
    parameters: &[
        ("acceleration_km_min2", acceleration(0.65, 1.70, KM_PER_MILE)),
        ("cruise_speed_kmh", cruise_speed(1.70, KM_PER_MILE)),
    ],
};

/// Ambulances in Calgary: 2.46 + 0.596·d km beyond 4.13 km.
pub const CALGARY: PublishedSet = PublishedSet {
    place: "Calgary ambulances",
    source: "Budge, Ingolfsson and Zerom (2010), Management Science 56(4), from a secondary source",
    model: "kwh",
    parameters: &[
        ("acceleration_km_min2", acceleration(2.46, 0.596, 1.0)),
        ("cruise_speed_kmh", cruise_speed(0.596, 1.0)),
    ],
};

/// Fire engines in London, straight line: 15.8 s + 180.9 s·sqrt(d) and, beyond 1.91 km, a slope of
/// 71.8 s/km. The branches were fitted apart and jump at the knot; this curve takes intercept and
/// acceleration, a = 4/k² with k = 180.9/60 min, from the short one and the speed from the long.
pub const LONDON_FIRE: PublishedSet = PublishedSet {
    place: "London fire engines",
    source: "London fire engines 2021-24, 701,000 trips, piecewise line on straight-line distance",
    model: "kwh_intercept",
    parameters: &[
        ("intercept_min", 15.8 / 60.0),
        ("acceleration_km_min2", 4.0 / ((180.9 / 60.0) * (180.9 / 60.0))),
        ("cruise_speed_kmh", cruise_speed(71.8 / 60.0, 1.0)),
    ],
};

/// All of them.
pub const ALL: [PublishedSet; 4] = [CALGARY, NEW_YORK_FIRE, RAND_ISO, LONDON_FIRE];

#[cfg(test)]
mod tests {
    use super::*;

    /// Short coefficient (min per root of the unit), knot (unit), speed (unit/h) and acceleration
    /// (unit/min²) as published, rounded as published.
    fn check(set: &PublishedSet, km: f64, published: [(f64, f64); 4]) {
        let a = set.value("acceleration_km_min2").unwrap() / km;
        let v = set.value("cruise_speed_kmh").unwrap() / 60.0 / km;
        let found = [2.0 / a.sqrt(), v * v / a, 60.0 * v, a];
        for (found, (expected, tolerance)) in found.into_iter().zip(published) {
            assert!((found - expected).abs() <= tolerance, "{}: {found} {expected}", set.place);
        }
    }

    #[test]
    fn branches_agree_with_each_other_as_published() {
        check(
            &NEW_YORK_FIRE,
            KM_PER_MILE,
            [(2.88, 0.01), (0.88, 0.005), (39.2, 0.05), (0.484, 5e-4)],
        );
        check(&RAND_ISO, KM_PER_MILE, [(2.10, 0.005), (0.38, 0.005), (35.3, 0.05), (0.905, 5e-4)]);
        check(&CALGARY, 1.0, [(2.42, 0.005), (4.13, 0.005), (100.7, 0.05), (0.682, 5e-4)]);
    }

    #[test]
    fn curves_pass_through_published_points() {
        let check = |set: &PublishedSet, distance_km: f64, expected_min: f64| {
            let minutes = set.curve().unwrap().median_s(distance_km) / 60.0;
            assert!((minutes - expected_min).abs() < 1e-9, "{}: {minutes}", set.place);
        };
        check(&NEW_YORK_FIRE, 2.0 * KM_PER_MILE, 1.35 + 1.53 * 2.0);
        check(&RAND_ISO, 3.0 * KM_PER_MILE, 0.65 + 1.70 * 3.0);
        check(&CALGARY, 10.0, 2.46 + 0.596 * 10.0);
        check(&LONDON_FIRE, 1.0, (15.8 + 180.9) / 60.0);
    }

    #[test]
    fn london_keeps_the_published_cruise_speed() {
        let v = LONDON_FIRE.value("cruise_speed_kmh").unwrap();
        assert!((v - 50.2).abs() < 0.1, "{v}");
    }
}
