//! The menu of travel-time models behind one interface.
//!
//! A model works on internal parameters, natural logarithms of positive quantities in km and
//! minutes; published names and units belong to [`ParameterSpec`]. Models know no solver.

mod factors;
mod kwh;
mod kwh_intercept;
mod nonnegative;
mod power;
mod profile;
mod road_class;
mod straight;

use std::borrow::Cow;
use std::sync::Arc;

use super::observations::{Distances, Observations};

pub use factors::WithFactors;
pub use road_class::RoadClass;

/// Every model's name, simplest first, but that of [`RoadClass`], whose parameters depend on the
/// records.
pub const NAMES: [&str; 6] = ["constant", "linear", "power", "sqrt", "kwh", "kwh_intercept"];

/// Name of [`RoadClass`].
pub const ROAD_CLASS: &str = "road_class";

/// The model of that name among [`NAMES`].
#[must_use]
pub fn by_name(name: &str) -> Option<Arc<dyn Model>> {
    match name {
        "constant" => Some(Arc::new(straight::Constant)),
        "linear" => Some(Arc::new(straight::Linear)),
        "power" => Some(Arc::new(power::Power)),
        "sqrt" => Some(Arc::new(power::SquareRoot)),
        "kwh" => Some(Arc::new(kwh::Kwh)),
        "kwh_intercept" => Some(Arc::new(kwh_intercept::KwhIntercept)),
        _ => None,
    }
}

/// Logarithms beyond this are cut off: e^±690 and 60 times it are still ordinary numbers.
pub(crate) const LN_LIMIT: f64 = 690.0;

/// How an internal parameter becomes the published one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// Published = internal.
    Identity,
    /// Published = `factor`·e^internal.
    Exponential {
        /// Published units in one internal unit, for example 60 for km/h in km/min.
        factor: f64,
    },
    /// Published = 1/internal, both positive.
    Reciprocal,
}

/// What a parameter is called, and in which unit it is published.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Published name, for example `cruise_speed_kmh`.
    pub name: Cow<'static, str>,
    /// Published unit, for example `km/h`; empty for a pure number.
    pub unit: &'static str,
    /// From the scale of the fit to the published one.
    pub transform: Transform,
}

impl ParameterSpec {
    /// The published value; finite for every finite internal one.
    #[must_use]
    pub fn published(&self, internal: f64) -> f64 {
        match self.transform {
            Transform::Identity => internal,
            Transform::Exponential { factor } => factor * internal.clamp(-LN_LIMIT, LN_LIMIT).exp(),
            Transform::Reciprocal => 1.0 / internal.max(1e-300),
        }
    }

    /// The internal value; `None` where the published one is not finite or outside its domain.
    #[must_use]
    pub fn internal(&self, published: f64) -> Option<f64> {
        let value = match self.transform {
            Transform::Identity => published,
            Transform::Exponential { factor } => (published / factor).ln(),
            Transform::Reciprocal if published > 0.0 => 1.0 / published,
            Transform::Reciprocal => return None,
        };
        value.is_finite().then_some(value)
    }

    /// Derivative of the published value with respect to the internal one.
    #[must_use]
    pub fn slope(&self, internal: f64) -> f64 {
        match self.transform {
            Transform::Identity => 1.0,
            Transform::Exponential { .. } => self.published(internal),
            Transform::Reciprocal => -self.published(internal).powi(2),
        }
    }
}

const CRUISE_SPEED: ParameterSpec = ParameterSpec {
    name: Cow::Borrowed("cruise_speed_kmh"),
    unit: "km/h",
    transform: Transform::Exponential { factor: 60.0 },
};

const ACCELERATION: ParameterSpec = ParameterSpec {
    name: Cow::Borrowed("acceleration_km_min2"),
    unit: "km/min2",
    transform: Transform::Exponential { factor: 1.0 },
};

const INTERCEPT: ParameterSpec = ParameterSpec {
    name: Cow::Borrowed("intercept_min"),
    unit: "min",
    transform: Transform::Identity,
};

/// A median travel time as a function of distance.
pub trait Model: Send + Sync {
    /// Name in settings and results.
    fn name(&self) -> &'static str;

    /// The parameters, in the order of every internal vector.
    fn parameters(&self) -> &[ParameterSpec];

    /// Bounds of the internal parameters for these observations.
    fn bounds(&self, observations: &Observations) -> Vec<(f64, f64)>;

    /// ln T (T in min) at every distance, and its derivatives with respect to the internal
    /// parameters: `gradient` is column-major, one column of `ln_time.len()` per parameter.
    fn evaluate(
        &self,
        parameters: &[f64],
        distances: Distances<'_>,
        ln_time: &mut [f64],
        gradient: &mut [f64],
    );

    /// ln T (T in min) at one distance, km.
    fn ln_time(&self, parameters: &[f64], distance_km: f64) -> f64;

    /// ln T (T in min) of a way of these lengths by class of road, km, in the model's order of
    /// classes; for a model that knows no classes, at their sum.
    fn ln_time_of_lengths(&self, parameters: &[f64], lengths_km: &[f64]) -> f64 {
        self.ln_time(parameters, lengths_km.iter().sum())
    }

    /// Where to start, most promising first; never empty for observations that are not.
    fn starts(&self, observations: &Observations) -> Vec<Vec<f64>>;

    /// What the model itself knows of directions in which the curve does not change at the
    /// observed distances: moves `parameters` along them to the value to be published, and says
    /// why, for each parameter that the observations cannot tell. Nothing by default.
    fn settle(&self, parameters: &mut [f64], observations: &Observations) -> Vec<Option<String>> {
        let _ = observations;
        vec![None; parameters.len()]
    }
}

/// Weighted mean of `value` over the observations.
fn mean(observations: &Observations, value: impl Fn(usize) -> f64) -> f64 {
    let samples = observations.samples().iter().enumerate();
    let sum: f64 = samples.map(|(i, s)| f64::from(s.weight) * value(i)).sum();
    sum / observations.weight_sum()
}
