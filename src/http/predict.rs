//! The travel time of a trip, from the current set: the numbers of `speedfit predict --json`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::with_causes;
use super::extract::Params;
use super::problem::Problem;
use super::regions::no_region;
use super::state::Api;
use crate::domain::GroupKey;
use crate::report::prediction::{self, Answer, PredictionError, Question, Shown};

/// Trips, targets and shares of one question at the most.
const MAX_VALUES: usize = 100;

/// What is asked.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Region of the trip.
    region: String,
    /// Lengths of trips, km, separated by commas.
    #[param(value_type = Option<Vec<f64>>, style = Form, explode = false, example = json!([2.0, 5.0]))]
    distance_km: Option<String>,
    /// For model `road_class`, in place of distances: lengths of one trip on each class of road, for
    /// example `motorway=3.5,street=1`.
    #[param(example = "motorway=3.5,street=1")]
    length: Option<String>,
    /// Times to arrive within, min, separated by commas.
    #[param(value_type = Option<Vec<f64>>, style = Form, explode = false, example = json!([8.0]))]
    target_min: Option<String>,
    /// Shares of trips whose longest time is asked for, separated by commas; 0.9 where none is given.
    #[param(value_type = Option<Vec<f64>>, style = Form, explode = false, example = json!([0.9]))]
    quantile: Option<String>,
    /// Band of the week, where the groups are split by bands.
    band: Option<String>,
    /// Priority class, where the groups are split by priority.
    priority: Option<String>,
    /// Covariates that apply, separated by commas.
    #[param(value_type = Option<Vec<String>>, style = Form, explode = false)]
    factor: Option<String>,
}

/// A figure and its interval, null where it has none.
#[derive(Debug, Serialize, ToSchema)]
struct FigureBody {
    /// The figure.
    value: f64,
    /// Lower end of its interval.
    low: Option<f64>,
    /// Upper end.
    high: Option<f64>,
}

impl From<Shown> for FigureBody {
    fn from(shown: Shown) -> Self {
        Self { value: shown.value, low: shown.low, high: shown.high }
    }
}

/// The longest time of a share of trips.
#[derive(Debug, Serialize, ToSchema)]
struct QuantileBody {
    /// The share.
    share: f64,
    /// The time, s.
    time_s: FigureBody,
}

/// The chance of arriving within a time.
#[derive(Debug, Serialize, ToSchema)]
struct WithinBody {
    /// The time, s.
    target_s: f64,
    /// The chance, 0 to 1.
    probability: FigureBody,
}

/// One trip.
#[derive(Debug, Serialize, ToSchema)]
struct TripBody {
    /// Its length, km.
    distance_km: f64,
    /// By class of road, for `road_class`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    lengths_km: BTreeMap<String, f64>,
    /// Median of the travel time, s.
    median_s: FigureBody,
    /// Mean, s; null where the errors have no mean.
    mean_s: Option<FigureBody>,
    /// Longest times of the shares asked for.
    quantiles: Vec<QuantileBody>,
    /// Chances of arriving within the times asked for.
    within: Vec<WithinBody>,
    /// Parameters without a standard error on which these figures depend.
    taken_as_known: Vec<String>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PredictionBody {
    /// Region.
    region: String,
    /// Band of the group that answers.
    band: String,
    /// Its priority class.
    priority: String,
    /// Its model.
    model: String,
    /// Law of the errors: `normal` or `student_t`.
    errors: &'static str,
    /// Probability that an interval is to cover.
    confidence: f64,
    /// Correlations behind the intervals: `published` or `taken_as_independent`.
    correlations: String,
    /// Covariates that apply.
    factors: Vec<String>,
    /// Parameters whose interval is wide: what depends on them may be far off.
    imprecise: Vec<String>,
    /// The shortest trip that the parameters stand on, km; null where it is unknown.
    distance_min_km: Option<f64>,
    /// The longest of them, km.
    distance_max_km: Option<f64>,
    /// One entry per trip, as asked.
    predictions: Vec<TripBody>,
}

impl From<Answer> for PredictionBody {
    fn from(answer: Answer) -> Self {
        let trips = answer.predictions.into_iter();
        Self {
            region: answer.key.region,
            band: answer.key.band,
            priority: answer.key.priority,
            model: answer.model,
            errors: answer.errors,
            confidence: answer.confidence,
            correlations: answer.correlations,
            factors: answer.factors,
            imprecise: answer.imprecise,
            distance_min_km: answer.distance_min_km,
            distance_max_km: answer.distance_max_km,
            predictions: trips.map(TripBody::from).collect(),
        }
    }
}

impl From<prediction::Trip> for TripBody {
    fn from(trip: prediction::Trip) -> Self {
        let (quantiles, within) = (trip.quantiles.into_iter(), trip.within.into_iter());
        Self {
            distance_km: trip.distance_km,
            lengths_km: trip.lengths_km,
            median_s: trip.median_s.into(),
            mean_s: trip.mean_s.map(FigureBody::from),
            quantiles: quantiles
                .map(|of| QuantileBody { share: of.share, time_s: of.time_s.into() })
                .collect(),
            within: within
                .map(|of| WithinBody { target_s: of.target_s, probability: of.probability.into() })
                .collect(),
            taken_as_known: trip.taken_as_known,
        }
    }
}

/// The travel time of trips: median, quantiles, and the chance of arriving in time.
#[utoipa::path(
    get, path = "/api/v1/predict", tag = "set", operation_id = "predict",
    params(Asked),
    responses((status = 200, description = "The figures.", body = PredictionBody)),
)]
pub(super) async fn predict(
    State(api): State<Api>,
    Params(asked): Params<Asked>,
) -> Result<Json<PredictionBody>, Problem> {
    let question = asked.question()?;
    let current = api.current().read(&api).await?;
    let groups = current.groups_of(&question.region);
    let (confidence, accepted_km) = (api.services().confidence(), api.services().accepted_km());
    let answer = prediction::answer(groups, &question, confidence, &accepted_km);
    Ok(Json(answer.map_err(refused)?.into()))
}

impl Asked {
    fn question(self) -> Result<Question, Problem> {
        let question = Question {
            region: self.region,
            band: self.band,
            priority: self.priority,
            distances_km: numbers("distance_km", self.distance_km.as_deref())?,
            lengths_km: lengths(self.length.as_deref())?,
            factors: list(self.factor.as_deref()).map(str::to_owned).collect(),
            quantiles: match self.quantile {
                Some(given) => numbers("quantile", Some(&given))?,
                None => vec![0.9],
            },
            targets_min: numbers("target_min", self.target_min.as_deref())?,
        };
        let counts = [
            question.distances_km.len(),
            question.lengths_km.len(),
            question.quantiles.len(),
            question.targets_min.len(),
            question.factors.len(),
        ];
        if counts.iter().any(|n| *n > MAX_VALUES) {
            return Err(Problem::bad_request(format!("at most {MAX_VALUES} values may be given")));
        }
        if question.distances_km.is_empty() == question.lengths_km.is_empty() {
            let why = "either `distance_km` or `length` must be given";
            return Err(Problem::bad_request(why));
        }
        Ok(question)
    }
}

/// The parts of a list.
fn list(given: Option<&str>) -> impl Iterator<Item = &str> {
    given.into_iter().flat_map(|given| given.split(',')).map(str::trim).filter(|p| !p.is_empty())
}

fn numbers(name: &str, given: Option<&str>) -> Result<Vec<f64>, Problem> {
    let number = |text: &str| {
        let number = text.parse::<f64>().ok();
        number.ok_or_else(|| no_number(name, text))
    };
    list(given).map(number).collect()
}

fn no_number(name: &str, text: &str) -> Problem {
    Problem::bad_request(format!("`{name}`: `{}` is no number", text.escape_debug()))
}

fn lengths(given: Option<&str>) -> Result<Vec<(String, f64)>, Problem> {
    let length = |text: &str| {
        let (class, km) = text.split_once('=').ok_or_else(|| {
            Problem::bad_request("`length`: there is no `=` between class and length")
        })?;
        let km = km.trim().parse().map_err(|_| no_number("length", km))?;
        Ok((class.trim().to_owned(), km))
    };
    list(given).map(length).collect()
}

/// Groups that a hint lists at the most.
const MAX_LISTED: usize = 8;

fn refused(error: PredictionError) -> Problem {
    let text = with_causes(&error);
    match error {
        PredictionError::NoRegion(region) => no_region(&region),
        PredictionError::NoGroup { known, .. } => {
            Problem::not_found(text).with_hint(name_one(&known))
        }
        PredictionError::Several { known, .. } => {
            Problem::unprocessable(text).with_hint(name_one(&known))
        }
        PredictionError::Distance { .. } => {
            Problem::bad_request(text).with_hint(PredictionError::DISTANCE_HINT)
        }
        PredictionError::Senseless(_) | PredictionError::Target(_) => Problem::unprocessable(text),
        PredictionError::Impossible { lacks_lengths: true, .. } => {
            Problem::unprocessable(text).with_hint("give `length=CLASS=KM,…`, once for each class")
        }
        PredictionError::Impossible { .. } => Problem::unprocessable(text),
        PredictionError::Unusable { .. } => Problem::conflict(text)
            .with_hint("the set may be of another version of speedfit: run again"),
    }
}

fn name_one(known: &[GroupKey]) -> String {
    let told = |key: &GroupKey| format!("band=`{}` priority=`{}`", key.band, key.priority);
    let mut names: Vec<String> = known.iter().take(MAX_LISTED).map(told).collect();
    if known.len() > MAX_LISTED {
        names.push(format!("{} more", known.len() - MAX_LISTED));
    }
    format!("name one: {}", names.join(", "))
}
