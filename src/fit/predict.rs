//! The distribution of the travel time of a trip, from published parameters alone.
//!
//! Every figure has an interval from the uncertainty of the parameters, by the delta method on the
//! scale on which each is nearly normal: times on the logarithm, probabilities on the logit.
//! Knows no records, and so not how far its parameters may be trusted beyond them.

mod median;

use std::fmt;

use super::curve::Curve;
use super::errors::Law;
use super::models::{LN_LIMIT, WithFactors};
use super::spread::Scatter;
pub use median::model_of;
use median::{FitScale, ln_median_min};

/// A parameter as it was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Name, for example `cruise_speed_kmh`.
    pub name: String,
    /// Value, in the unit that belongs to the name.
    pub value: f64,
    /// Standard error, in the same unit; `None` where the value is taken as known.
    pub std_error: Option<f64>,
}

/// Why there is no prediction.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PredictError {
    /// The names belong to no model, or not to the one that is named.
    #[error("the parameters {names} are those of no model")]
    NoModel {
        /// The names, each in backticks.
        names: String,
    },
    /// The model that is named lacks a parameter, or one is out of its domain.
    #[error(
        "the parameters do not make a curve of model `{model}`: one is missing or out of range"
    )]
    NoCurve {
        /// The model.
        model: String,
    },
    /// The figures are beyond the range of numbers.
    #[error("the parameters lead out of the range of numbers")]
    OutOfRange,
    /// A name that is none of speedfit's: what it would do to the figures is not known.
    #[error("parameter `{name}` is not known")]
    UnknownParameter {
        /// The name.
        name: String,
    },
    /// Neither `sigma_log` nor `spread_b0`, `spread_b1` and `spread_b2`, or one out of its domain.
    #[error("there is no spread among the parameters: the median is all that could be told")]
    NoSpread,
    /// `tail_dof` is not positive.
    #[error("`tail_dof` must be above 0")]
    TailDof,
    /// A distance or length that no trip has.
    #[error("a distance must be above 0 km and finite, not {0}")]
    Distance(f64),
    /// A share outside (0, 1).
    #[error("a quantile must lie between 0 and 1, not {0}")]
    Quantile(f64),
    /// A time that no trip takes.
    #[error("a target must be above 0 s and finite, not {0}")]
    Target(f64),
    /// The model needs lengths by road class, or has none of that class.
    #[error("{0}")]
    Route(String),
    /// No factor of that name.
    #[error("there is no factor `{name}`; there {}", told(.known))]
    Factor {
        /// The name.
        name: String,
        /// Those that are there.
        known: Vec<String>,
    },
}

fn told(known: &[String]) -> String {
    if known.is_empty() { "is none".to_owned() } else { format!("are `{}`", known.join("`, `")) }
}

/// The way of a trip.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// Its length, km.
    Distance(f64),
    /// Its length on each class of road, km, by the class's name; for `road_class`.
    Classes(Vec<(String, f64)>),
}

/// What is asked of one trip.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Its way.
    pub route: Route,
    /// Covariates that apply, for example `night` for `factor_night`; reference levels otherwise.
    pub factors: Vec<String>,
    /// Shares whose quantiles are wanted, each between 0 and 1.
    pub quantiles: Vec<f64>,
    /// Times whose probabilities are wanted, s.
    pub targets_s: Vec<f64>,
}

/// A figure with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The value.
    pub value: f64,
    /// Interval from the uncertainty of the parameters; `None` where none of those that it depends
    /// on has a standard error, or where it cannot be told in numbers.
    pub interval: Option<(f64, f64)>,
}

/// What is known of a trip's travel time.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Length of the trip, km.
    pub distance_km: f64,
    /// Median, s.
    pub median_s: Figure,
    /// Mean, s; only with normal errors, since with Student's t there is none.
    pub mean_s: Option<Figure>,
    /// Quantiles, s, with their shares, as asked.
    pub quantiles_s: Vec<(f64, Figure)>,
    /// P(T <= target), with the targets (s), as asked.
    pub within: Vec<(f64, Figure)>,
    /// Parameters on which a figure depends and which have no standard error: taken as known.
    pub taken_as_known: Vec<String>,
}

/// How the parameters are taken to hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correlations {
    /// As published.
    Known,
    /// As independent of each other, since not all are published.
    TakenAsIndependent,
}

/// Predicts trips of one group.
#[derive(Debug, Clone)]
pub struct Predictor {
    model: String,
    parameters: Vec<Published>,
    /// Correlations of the parameters, row-major.
    correlations: Vec<f64>,
    known: Correlations,
    confidence: f64,
}

/// Differences on the scale of the fit, as a share of what is natural there. The curve and the laws are right to some 1e-13 and
/// smooth, so that derivatives are to some 1e-8; at the knot of `kwh` its slope jumps by less.
const DIFFERENCE: f64 = 1e-5;
/// Change along a difference below which a figure does not depend on a parameter, but for rounding.
const LEAST_CHANGE: f64 = 1e-12;

/// A figure on the scale on which it is nearly normal, of a distribution and ln of its median.
type Scaled<'a> = dyn Fn(&State, f64) -> f64 + 'a;

impl Predictor {
    /// From the parameter rows of a group in their order. Without `model` the names tell it.
    /// `correlations` are the strict lower triangle, row by row, as in a group's detail; whatever is
    /// missing there is taken as zero. `confidence` is the probability that an interval is to cover.
    ///
    /// # Errors
    /// [`PredictError`] where the parameters make no distribution.
    pub fn new(
        model: Option<&str>,
        parameters: Vec<Published>,
        correlations: &[Option<f64>],
        confidence: f64,
    ) -> Result<Self, PredictError> {
        let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        let model = model_of(&names, model)?;
        let (correlations, known) = square(&parameters, correlations);
        let confidence = confidence.clamp(1e-6, 1.0 - 1e-9);
        let predictor = Self { model, parameters, correlations, known, confidence };
        predictor.state(&predictor.values())?;
        Ok(predictor)
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether intervals use published correlations.
    #[must_use]
    pub fn correlations(&self) -> Correlations {
        self.known
    }

    /// Whether the errors have Student's tail, so that there is no mean.
    #[must_use]
    pub fn is_heavy_tailed(&self) -> bool {
        self.state(&self.values()).is_ok_and(|state| state.law != Law::Normal)
    }

    /// Names of the covariates that have a factor.
    #[must_use]
    pub fn factors(&self) -> Vec<String> {
        let names = self.parameters.iter().map(|p| p.name.as_str());
        names.filter_map(|name| name.strip_prefix(WithFactors::PREFIX)).map(str::to_owned).collect()
    }

    /// The distribution for a trip.
    ///
    /// # Errors
    /// [`PredictError`] for what no trip has.
    pub fn predict(&self, ask: &Ask) -> Result<Prediction, PredictError> {
        self.check(ask)?;
        let values = self.values();
        let state = self.state(&values)?;
        state.ln_median(ask)?;
        let mut unknown = vec![false; values.len()];
        let mut time = |of: &Scaled<'_>| self.figure(ask, &mut unknown, of, seconds);
        let median_s = time(&|_, ln_median| ln_median)?;
        let mean: &Scaled<'_> = &|state, m| m + 0.5 * state.scatter.scale(m).powi(2);
        let mean_s = if state.law == Law::Normal { Some(time(mean)?) } else { None };
        let quantiles_s = (ask.quantiles.iter())
            .map(|&p| {
                Ok((p, time(&|state, m| m + state.scatter.scale(m) * state.law.quantile(p))?))
            })
            .collect::<Result<_, _>>()?;
        let within = (ask.targets_s.iter())
            .map(|&target_s| {
                let ln_target = (target_s / 60.0).ln();
                let logit: &Scaled<'_> = &|state, m| state.logit(ln_target, m);
                Ok((target_s, self.figure(ask, &mut unknown, logit, probability)?))
            })
            .collect::<Result<_, _>>()?;
        let taken = self.parameters.iter().zip(&unknown).filter(|(_, unknown)| **unknown);
        Ok(Prediction {
            distance_km: ask.route.length_km(),
            median_s,
            mean_s,
            quantiles_s,
            within,
            taken_as_known: taken.map(|(p, _)| p.name.clone()).collect(),
        })
    }

    fn check(&self, ask: &Ask) -> Result<(), PredictError> {
        ask.route.check()?;
        let known = self.factors();
        if let Some(name) = ask.factors.iter().find(|name| !known.contains(name)) {
            return Err(PredictError::Factor { name: name.clone(), known });
        }
        let quantile = ask.quantiles.iter().find(|p| !(**p > 0.0 && **p < 1.0));
        let target = ask.targets_s.iter().find(|s| !(**s > 0.0 && s.is_finite()));
        match (quantile, target) {
            (Some(&p), _) => Err(PredictError::Quantile(p)),
            (_, Some(&s)) => Err(PredictError::Target(s)),
            _ => Ok(()),
        }
    }

    fn values(&self) -> Vec<f64> {
        self.parameters.iter().map(|p| p.value).collect()
    }

    /// The distribution at these values, in the order of the parameters.
    fn state(&self, values: &[f64]) -> Result<State, PredictError> {
        let value = |name: &str| {
            let at = self.parameters.iter().position(|p| p.name == name)?;
            values.get(at).copied()
        };
        let rows = self.parameters.iter().map(|p| p.name.as_str()).zip(values.iter().copied());
        let curve = Curve::from_rows(&self.model, rows);
        Ok(State {
            curve: curve.ok_or_else(|| PredictError::NoCurve { model: self.model.clone() })?,
            scatter: Scatter::from_parameters(value).ok_or(PredictError::NoSpread)?,
            law: Law::from_parameters(value).ok_or(PredictError::TailDof)?,
        })
    }

    /// A figure that is nearly normal on the scale of `of`, told on the one that `told` leads to.
    /// Marks the parameters without a standard error that it depends on.
    fn figure(
        &self,
        ask: &Ask,
        unknown: &mut [bool],
        of: &Scaled<'_>,
        told: fn(f64) -> f64,
    ) -> Result<Figure, PredictError> {
        let values = self.values();
        let at = |values: &[f64]| {
            let state = self.state(values).ok()?;
            let ln_median = state.ln_median(ask).ok()?;
            Some(of(&state, ln_median)).filter(|x| !x.is_nan())
        };
        let value = at(&values).ok_or(PredictError::OutOfRange)?;
        // Per parameter: what one standard error of it does to the figure.
        let mut moves = vec![0.0; values.len()];
        for (j, parameter) in self.parameters.iter().enumerate() {
            let slope = self.slope(&values, j, &at);
            match parameter.scaled_error() {
                Some(error) => moves[j] = slope.map_or(f64::NAN, |slope| slope * error),
                None => {
                    unknown[j] |=
                        slope.is_some_and(|slope| (slope * self.width(j)).abs() > LEAST_CHANGE);
                }
            }
        }
        let n = moves.len();
        let variance: f64 =
            (0..n * n).map(|at| moves[at / n] * moves[at % n] * self.correlations[at]).sum();
        let half = self.z() * variance.max(0.0).sqrt();
        let is_told = variance > 0.0 && half.is_finite() && value.is_finite();
        let interval = is_told.then(|| (told(value - half), told(value + half)));
        Ok(Figure { value: told(value), interval })
    }

    /// Derivative with respect to a parameter, per unit of its scale; `None` where it cannot be told.
    fn slope(&self, values: &[f64], j: usize, at: &dyn Fn(&[f64]) -> Option<f64>) -> Option<f64> {
        let (scale, width) = (FitScale::of(&self.parameters[j].name), self.width(j));
        let moved = |by: f64| {
            let mut moved = values.to_vec();
            moved[j] = scale.moved(values[j], by);
            at(&moved).filter(|x| x.is_finite())
        };
        let here = at(values).filter(|x| x.is_finite())?;
        match (moved(-width), moved(width)) {
            (Some(below), Some(above)) => Some((above - below) / (2.0 * width)),
            // At the end of its range, as an intercept of zero.
            (None, Some(above)) => Some((above - here) / width),
            (Some(below), None) => Some((here - below) / width),
            (None, None) => None,
        }
    }

    /// Width of a difference along a parameter's scale.
    fn width(&self, j: usize) -> f64 {
        let parameter = &self.parameters[j];
        DIFFERENCE * FitScale::of(&parameter.name).unit(parameter.value, parameter.scaled_error())
    }

    /// Half width of an interval in standard errors. How many records stand behind the parameters
    /// is not among them, so it is the normal law's.
    fn z(&self) -> f64 {
        Law::Normal.quantile(0.5 + 0.5 * self.confidence)
    }
}

/// ln of minutes as seconds, inside the range of numbers.
fn seconds(ln_min: f64) -> f64 {
    60.0 * ln_min.clamp(-LN_LIMIT, LN_LIMIT).exp()
}

fn probability(logit: f64) -> f64 {
    if logit >= 0.0 { 1.0 / (1.0 + (-logit).exp()) } else { logit.exp() / (1.0 + logit.exp()) }
}

/// The correlations as a square, and whether all are there that intervals need.
fn square(parameters: &[Published], packed: &[Option<f64>]) -> (Vec<f64>, Correlations) {
    let n = parameters.len();
    let mut square = vec![0.0; n * n];
    let mut known = Correlations::Known;
    for j in 0..n {
        square[j * n + j] = 1.0;
        for k in 0..j {
            let found = if packed.len() == n * n.saturating_sub(1) / 2 {
                packed[j * (j - 1) / 2 + k].filter(|r| (-1.0..=1.0).contains(r))
            } else {
                None
            };
            let both = parameters[j].scaled_error().and(parameters[k].scaled_error());
            if both.is_some() && found.is_none() {
                known = Correlations::TakenAsIndependent;
            }
            square[j * n + k] = found.unwrap_or(0.0);
            square[k * n + j] = found.unwrap_or(0.0);
        }
    }
    (square, known)
}

impl Published {
    /// The standard error on the scale of the fit; `None` where the value is taken as known.
    fn scaled_error(&self) -> Option<f64> {
        let error = self.std_error.filter(|error| *error > 0.0 && error.is_finite())?;
        let scaled = FitScale::of(&self.name).error(self.value, error);
        (scaled.is_finite() && scaled > 0.0).then_some(scaled)
    }
}

/// A distribution with its numbers filled in.
struct State {
    curve: Curve,
    scatter: Scatter,
    law: Law,
}

impl State {
    /// ln of the median, min.
    fn ln_median(&self, ask: &Ask) -> Result<f64, PredictError> {
        let levels: Vec<&str> = ask.factors.iter().map(String::as_str).collect();
        let curve = self.curve.at_levels(&levels).ok_or(PredictError::OutOfRange)?;
        ln_median_min(&curve, &ask.route)
    }

    /// Logit of P(ln T <= `ln_target`); infinite where that is 0 or 1 to every digit.
    fn logit(&self, ln_target: f64, ln_median: f64) -> f64 {
        let z = (ln_target - ln_median) / self.scatter.scale(ln_median);
        // The smaller of both tails keeps its digits.
        let small = self.law.cdf(-z.abs());
        let logit = small.ln() - (-small).ln_1p();
        if z > 0.0 { -logit } else { logit }
    }
}

impl Route {
    /// The whole length, km.
    #[must_use]
    pub fn length_km(&self) -> f64 {
        match self {
            Self::Distance(km) => *km,
            // Not `sum`, which makes −0 of nothing.
            Self::Classes(lengths) => lengths.iter().fold(0.0, |sum, (_, km)| sum + km),
        }
    }

    fn check(&self) -> Result<(), PredictError> {
        if let Self::Classes(lengths) = self
            && let Some((_, km)) = lengths.iter().find(|(_, km)| !(*km >= 0.0 && km.is_finite()))
        {
            return Err(PredictError::Distance(*km));
        }
        let km = self.length_km();
        if km > 0.0 && km.is_finite() { Ok(()) } else { Err(PredictError::Distance(km)) }
    }
}

impl fmt::Display for Correlations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Known => "published",
            Self::TakenAsIndependent => "taken_as_independent",
        })
    }
}

#[cfg(test)]
mod tests;
