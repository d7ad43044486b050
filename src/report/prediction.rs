//! The answer to a question about trips, from the groups of a published set: what `speedfit predict`
//! and the HTTP API both tell, to the last bit.
//!
//! Knows neither where the groups come from nor how the answer is shown.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Serialize;

use crate::domain::{GroupKey, ParameterRow, ParameterStatus, PublishedGroup};
use crate::fit::predict::{Ask, Correlations, Figure, Prediction, Predictor, Published, Route};

pub use crate::fit::predict::PredictError;

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// Region of the trips.
    pub region: String,
    /// Band of the week; `None` where the region has one group only.
    pub band: Option<String>,
    /// Priority class, likewise.
    pub priority: Option<String>,
    /// Lengths of the trips, km; one trip each.
    pub distances_km: Vec<f64>,
    /// Length of one trip on each class of road, km, for model `road_class`; in place of distances
    /// where there are any.
    pub lengths_km: Vec<(String, f64)>,
    /// Covariates that apply; the ending of a name will do where only one ends like that.
    pub factors: Vec<String>,
    /// Shares of trips whose longest time is asked for.
    pub quantiles: Vec<f64>,
    /// Times to arrive within, min.
    pub targets_min: Vec<f64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PredictionError {
    /// No group of that region has parameters.
    #[error("region `{0}` has no parameters")]
    NoRegion(String),
    /// The region has several groups, and the question fits more than one of them.
    #[error("region `{region}` has more than one group")]
    Several {
        /// The region.
        region: String,
        /// Its groups.
        known: Vec<GroupKey>,
    },
    /// The region has groups, but none of that band and priority.
    #[error("region `{region}` has no group of that band and priority")]
    NoGroup {
        /// The region.
        region: String,
        /// Its groups.
        known: Vec<GroupKey>,
    },
    /// From these parameters nothing can be predicted.
    #[error("cannot predict for `{group}`")]
    Unusable {
        /// The group.
        group: GroupKey,
        /// Why.
        #[source]
        cause: PredictError,
    },
    /// A trip that is shorter or longer than those that are fitted.
    #[error("a trip must be {} to {} km long, not {}", .accepted_km.start(), .accepted_km.end(), short(*.km))]
    Distance {
        /// Its length, km.
        km: f64,
        /// The limits of the settings.
        accepted_km: RangeInclusive<f64>,
    },
    /// A distance or a share that makes no sense.
    #[error(transparent)]
    Senseless(PredictError),
    /// A time that no trip takes.
    #[error("a target must be above 0 min and finite, not {0}")]
    Target(f64),
    /// The group has no such factor or road class.
    #[error("cannot predict for `{group}`")]
    Impossible {
        /// The group.
        group: GroupKey,
        /// Why.
        #[source]
        cause: PredictError,
        /// Whether lengths by class of road are what is missing.
        lacks_lengths: bool,
    },
}

impl PredictionError {
    /// Which settings hold the limits of a trip's length.
    pub const DISTANCE_HINT: &str =
        "the limits are the settings `accept.min_distance_km` and `accept.max_distance_km`";
}

/// A number without a line of zeros.
fn short(number: f64) -> String {
    if number.abs() < 1e6 { number.to_string() } else { format!("{number:e}") }
}

/// What was asked and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The group that answers.
    #[serde(flatten)]
    pub key: GroupKey,
    /// Its model.
    pub model: String,
    /// `normal` or `student_t`.
    pub errors: &'static str,
    /// Probability that an interval is to cover.
    pub confidence: f64,
    /// `published` or `taken_as_independent`.
    pub correlations: String,
    /// Covariates that apply.
    pub factors: Vec<String>,
    /// Parameters whose interval is wide.
    pub imprecise: Vec<String>,
    /// The shortest trip that the parameters stand on, km; null where it is unknown.
    pub distance_min_km: Option<f64>,
    /// The longest of them, km.
    pub distance_max_km: Option<f64>,
    /// One entry per trip, as asked.
    pub predictions: Vec<Trip>,
    /// Why a parameter has no standard error, by its name.
    #[serde(skip)]
    pub statuses: BTreeMap<String, &'static str>,
}

/// One trip.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trip {
    /// Its length, km.
    pub distance_km: f64,
    /// By class of road, for `road_class`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lengths_km: BTreeMap<String, f64>,
    /// Median of the travel time, s.
    pub median_s: Shown,
    /// Mean, s; null where the errors have no mean.
    pub mean_s: Option<Shown>,
    /// Longest times of shares of trips.
    pub quantiles: Vec<Quantile>,
    /// Chances of arriving in time.
    pub within: Vec<Within>,
    /// Parameters without a standard error on which these figures depend.
    pub taken_as_known: Vec<String>,
}

/// A figure and the interval that the parameters' uncertainty gives it; null where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shown {
    /// The figure.
    pub value: f64,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// The longest time of a share of trips.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantile {
    /// The share.
    pub share: f64,
    /// The time, s.
    pub time_s: Shown,
}

/// The chance of arriving within a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Within {
    /// The time, s.
    pub target_s: f64,
    /// The chance.
    pub probability: Shown,
}

impl From<Figure> for Shown {
    fn from(Figure { value, interval }: Figure) -> Self {
        let (low, high) = interval.unzip();
        Self { value, low, high }
    }
}

/// Answers a question from these groups about trips of these lengths, km; intervals cover with
/// probability `confidence`.
///
/// # Errors
/// [`PredictionError`] says which part of the question, or of the groups, does not do.
pub fn answer(
    groups: &[PublishedGroup],
    question: &Question,
    confidence: f64,
    accepted_km: &RangeInclusive<f64>,
) -> Result<Answer, PredictionError> {
    let routes = routes(question);
    let mut lengths_km = routes.iter().map(Route::length_km);
    if let Some(km) = lengths_km.find(|km| !accepted_km.contains(km)) {
        return Err(PredictionError::Distance { km, accepted_km: accepted_km.clone() });
    }
    let group = pick(groups, question)?;
    let parameters = group.parameters.iter().map(published).collect();
    let model = group.model.as_deref();
    let predictor = Predictor::new(model, parameters, &group.detail.correlations, confidence);
    let predictor =
        predictor.map_err(|cause| PredictionError::Unusable { group: group.key.clone(), cause })?;
    let factors = question.factors.iter().map(|name| full_name(name, &predictor)).collect();
    let mut answer = Answer::new(group, &predictor, confidence, factors);
    for route in routes {
        let ask = Ask {
            route,
            factors: answer.factors.clone(),
            quantiles: question.quantiles.clone(),
            targets_s: question.targets_min.iter().map(|minutes| 60.0 * minutes).collect(),
        };
        let prediction = predictor.predict(&ask);
        let prediction = prediction.map_err(|cause| refused(group, question, cause))?;
        answer.add(&ask.route, prediction);
    }
    Ok(answer)
}

fn published(row: &ParameterRow) -> Published {
    Published { name: row.name.clone(), value: row.estimate, std_error: row.std_error }
}

fn routes(question: &Question) -> Vec<Route> {
    if question.lengths_km.is_empty() {
        return question.distances_km.iter().map(|km| Route::Distance(*km)).collect();
    }
    vec![Route::Classes(question.lengths_km.clone())]
}

/// The one group that is meant.
fn pick<'a>(
    groups: &'a [PublishedGroup],
    question: &Question,
) -> Result<&'a PublishedGroup, PredictionError> {
    let region = &question.region;
    let of_region: Vec<_> = groups.iter().filter(|g| g.key.region == *region).collect();
    if of_region.is_empty() {
        return Err(PredictionError::NoRegion(region.clone()));
    }
    let is = |asked: &Option<String>, name: &str| asked.as_ref().is_none_or(|asked| asked == name);
    let is_meant = |g: &&&PublishedGroup| {
        is(&question.band, &g.key.band) && is(&question.priority, &g.key.priority)
    };
    let mut meant = of_region.iter().filter(is_meant);
    let known = || of_region.iter().map(|group| group.key.clone()).collect();
    match (meant.next(), meant.next()) {
        (Some(group), None) => Ok(group),
        (Some(_), Some(_)) => {
            Err(PredictionError::Several { region: region.clone(), known: known() })
        }
        (None, _) => Err(PredictionError::NoGroup { region: region.clone(), known: known() }),
    }
}

/// `night` stands for `band_night` where only one covariate's level ends like that.
fn full_name(name: &str, predictor: &Predictor) -> String {
    let known = predictor.factors();
    let ending = format!("_{name}");
    let mut meant = known.iter().filter(|full| full.ends_with(&ending));
    match (known.iter().any(|full| full == name), meant.next(), meant.next()) {
        (false, Some(full), None) => full.clone(),
        _ => name.to_owned(),
    }
}

/// What was asked for and is not there, or makes no sense.
fn refused(group: &PublishedGroup, question: &Question, cause: PredictError) -> PredictionError {
    match cause {
        PredictError::Distance(_) | PredictError::Quantile(_) => PredictionError::Senseless(cause),
        PredictError::Target(s) => PredictionError::Target(s / 60.0),
        cause => {
            let by_distance = question.lengths_km.is_empty();
            let lacks_lengths = matches!(&cause, PredictError::Route(_)) && by_distance;
            PredictionError::Impossible { group: group.key.clone(), cause, lacks_lengths }
        }
    }
}

impl Answer {
    fn new(
        group: &PublishedGroup,
        predictor: &Predictor,
        confidence: f64,
        factors: Vec<String>,
    ) -> Self {
        let rows = group.parameters.iter();
        let is_imprecise = |row: &&ParameterRow| row.status == ParameterStatus::Imprecise;
        Self {
            key: group.key.clone(),
            model: predictor.model().to_owned(),
            errors: if predictor.is_heavy_tailed() { "student_t" } else { "normal" },
            confidence,
            correlations: predictor.correlations().to_string(),
            factors,
            imprecise: rows.clone().filter(is_imprecise).map(|row| row.name.clone()).collect(),
            distance_min_km: group.detail.distance_min_km,
            distance_max_km: group.detail.distance_max_km,
            predictions: Vec::new(),
            statuses: rows.map(|row| (row.name.clone(), row.status.as_str())).collect(),
        }
    }

    /// Whether a trip is shorter or longer than those that the parameters stand on.
    #[must_use]
    pub fn is_beyond(&self, trip: &Trip) -> bool {
        self.distance_min_km.is_some_and(|least| trip.distance_km < least)
            || self.distance_max_km.is_some_and(|most| trip.distance_km > most)
    }

    /// Whether intervals stand on published correlations.
    #[must_use]
    pub fn knows_correlations(&self) -> bool {
        self.correlations == Correlations::Known.to_string()
    }

    fn add(&mut self, route: &Route, prediction: Prediction) {
        let lengths_km = match route {
            Route::Distance(_) => BTreeMap::new(),
            Route::Classes(lengths) => {
                lengths.iter().fold(BTreeMap::new(), |mut sums, (class, km)| {
                    *sums.entry(class.clone()).or_default() += km;
                    sums
                })
            }
        };
        let quantiles = prediction.quantiles_s.into_iter();
        let within = prediction.within.into_iter();
        self.predictions.push(Trip {
            distance_km: prediction.distance_km,
            lengths_km,
            median_s: prediction.median_s.into(),
            mean_s: prediction.mean_s.map(Shown::from),
            quantiles: quantiles
                .map(|(share, time)| Quantile { share, time_s: time.into() })
                .collect(),
            within: within
                .map(|(target_s, chance)| Within { target_s, probability: chance.into() })
                .collect(),
            taken_as_known: prediction.taken_as_known,
        });
    }
}
