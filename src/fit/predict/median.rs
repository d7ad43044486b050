//! The median of a trip by published names: which model they make, and its curve.

use super::super::curve::Curve;
use super::super::models::{ROAD_CLASS, RoadClass, WithFactors};
use super::{PredictError, Route};

const INTERCEPT: &str = "intercept_min";
const SPEED: &str = "cruise_speed_kmh";
const ACCELERATION: &str = "acceleration_km_min2";
/// Names that do not belong to the curve.
const SPREAD: [&str; 5] = ["sigma_log", "spread_b0", "spread_b1", "spread_b2", "tail_dof"];

/// Names of the curve's parameters by model; `road_class` has names of its own.
const CURVES: [(&str, &[&str]); 6] = [
    ("constant", &[SPEED]),
    ("linear", &[INTERCEPT, SPEED]),
    ("power", &["power_coefficient", "power_exponent"]),
    ("sqrt", &["sqrt_coefficient_min"]),
    ("kwh", &[ACCELERATION, SPEED]),
    ("kwh_intercept", &[INTERCEPT, ACCELERATION, SPEED]),
];

/// What is small for an intercept (min), an exponent or a part of the spread: below, differences
/// would be rounding.
const LEAST_UNIT: f64 = 1e-3;

/// The scale on which a parameter is fitted, and its interval made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FitScale {
    /// The published value itself: it may be zero, or negative.
    Identity,
    /// Its logarithm.
    Logarithm,
    /// One over it: `tail_dof`, at zero the normal law.
    Reciprocal,
}

impl FitScale {
    /// That of a parameter by its published name.
    pub(super) fn of(name: &str) -> Self {
        match name {
            INTERCEPT | "power_exponent" | "spread_b0" | "spread_b1" | "spread_b2" => {
                Self::Identity
            }
            "tail_dof" => Self::Reciprocal,
            _ => Self::Logarithm,
        }
    }

    /// A published standard error on this scale.
    pub(super) fn error(self, value: f64, published_error: f64) -> f64 {
        match self {
            Self::Identity => published_error,
            Self::Logarithm => published_error / value,
            Self::Reciprocal => published_error / (value * value),
        }
    }

    /// What a difference along this scale is a small share of.
    pub(super) fn unit(self, value: f64, error: Option<f64>) -> f64 {
        match self {
            Self::Identity => value.abs().max(error.unwrap_or(0.0)).max(LEAST_UNIT),
            Self::Logarithm => 1.0,
            Self::Reciprocal => 1.0 / value,
        }
    }

    /// The published value, moved along this scale.
    pub(super) fn moved(self, value: f64, by: f64) -> f64 {
        match self {
            Self::Identity => value + by,
            Self::Logarithm => value * by.exp(),
            Self::Reciprocal => 1.0 / (1.0 / value + by),
        }
    }
}

/// The model that these parameters belong to. A model that is named must be that one.
///
/// # Errors
/// [`PredictError`] where a name is not known, or the names make no model.
pub fn model_of(names: &[&str], named: Option<&str>) -> Result<String, PredictError> {
    let is_curve = |name: &str| CURVES.iter().any(|(_, names)| names.contains(&name));
    let mut of_curve: Vec<&str> = Vec::new();
    let mut n_classes = 0;
    for &name in names {
        if RoadClass::class_of(name).is_some() {
            n_classes += 1;
        } else if is_curve(name) {
            of_curve.push(name);
        } else if !SPREAD.contains(&name) && !name.starts_with(WithFactors::PREFIX) {
            return Err(PredictError::UnknownParameter { name: name.to_owned() });
        }
    }
    of_curve.sort_unstable();
    let fits = |wanted: &[&str]| {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        wanted == of_curve
    };
    let found = if n_classes > 0 {
        (of_curve.is_empty() || of_curve == [INTERCEPT]).then_some(ROAD_CLASS)
    } else {
        CURVES.iter().find(|(_, wanted)| fits(wanted)).map(|(model, _)| *model)
    };
    match (found, named) {
        (Some(found), None) => Ok(found.to_owned()),
        (Some(found), Some(named)) if found == named => Ok(found.to_owned()),
        (_, Some(named)) => Err(PredictError::NoCurve { model: named.to_owned() }),
        (None, None) => Err(PredictError::NoModel { names: format!("`{}`", names.join("`, `")) }),
    }
}

/// ln of the median (min) of a way.
pub(super) fn ln_median_min(curve: &Curve, route: &Route) -> Result<f64, PredictError> {
    let classes = curve.classes();
    match route {
        Route::Distance(km) if classes.is_empty() => Ok(curve.ln_median_min(*km)),
        Route::Distance(_) => Err(PredictError::Route(format!(
            "model `{ROAD_CLASS}` needs the length on each class of road; there are `{}`",
            classes.join("`, `")
        ))),
        Route::Classes(_) if classes.is_empty() => Err(PredictError::Route(format!(
            "model `{}` knows no classes of roads: give the distance",
            curve.model()
        ))),
        Route::Classes(lengths) => {
            let mut lengths_km = vec![0.0; classes.len()];
            for (class, km) in lengths {
                lengths_km[index_of(classes, class)?] += km;
            }
            Ok(curve.ln_median_min_of_lengths(&lengths_km))
        }
    }
}

fn index_of(classes: &[String], class: &str) -> Result<usize, PredictError> {
    classes.iter().position(|known| known == class).ok_or_else(|| {
        PredictError::Route(format!(
            "there is no class of roads `{class}`; there are `{}`",
            classes.join("`, `")
        ))
    })
}
