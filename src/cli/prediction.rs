//! Predictions as a table for people and as a document for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::numbers::{figure, percent};
use super::table::{self, Align, printable, wrapped};
use crate::domain::{GroupKey, PublishedGroup};
use crate::fit::predict::{Correlations, Figure, Prediction, Predictor, Route};

/// What was asked and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    key: GroupKey,
    model: String,
    /// `normal` or `student_t`.
    errors: &'static str,
    /// Probability that an interval is to cover.
    confidence: f64,
    /// `published` or `taken_as_independent`.
    correlations: String,
    /// Covariates that apply.
    pub(super) factors: Vec<String>,
    predictions: Vec<Trip>,
    /// Why a parameter has no standard error, by its name.
    #[serde(skip)]
    statuses: BTreeMap<String, &'static str>,
}

/// One trip.
#[derive(Debug, Serialize)]
struct Trip {
    distance_km: f64,
    /// By class of road, for `road_class`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    lengths_km: BTreeMap<String, f64>,
    median_s: Shown,
    /// Null where the errors have no mean.
    mean_s: Option<Shown>,
    quantiles: Vec<Quantile>,
    within: Vec<Within>,
    /// Parameters without a standard error on which these figures depend.
    taken_as_known: Vec<String>,
}

/// A figure and the interval that the parameters' uncertainty gives it; null where it has none.
#[derive(Debug, Clone, Copy, Serialize)]
struct Shown {
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Quantile {
    share: f64,
    time_s: Shown,
}

#[derive(Debug, Serialize)]
struct Within {
    target_s: f64,
    probability: Shown,
}

impl From<Figure> for Shown {
    fn from(Figure { value, interval }: Figure) -> Self {
        let (low, high) = interval.unzip();
        Self { value, low, high }
    }
}

impl Answer {
    pub(super) fn new(
        group: &PublishedGroup,
        predictor: &Predictor,
        confidence: f64,
        factors: Vec<String>,
    ) -> Self {
        let rows = group.parameters.iter();
        Self {
            key: group.key.clone(),
            model: predictor.model().to_owned(),
            errors: if predictor.is_heavy_tailed() { "student_t" } else { "normal" },
            confidence,
            correlations: predictor.correlations().to_string(),
            factors,
            predictions: Vec::new(),
            statuses: rows.map(|row| (row.name.clone(), row.status.as_str())).collect(),
        }
    }

    pub(super) fn add(&mut self, route: &Route, prediction: Prediction) {
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

    /// A line per trip and figure, and below what is to be known of them.
    pub(super) fn text(&self, width: Option<u16>) -> String {
        let interval = format!("{} interval", percent(self.confidence).replace(".0", ""));
        let headers = ["km", "figure", "value", &interval];
        let rows: Vec<Vec<String>> = self.predictions.iter().flat_map(Trip::lines).collect();
        let alignments = [Align::Right, Align::Left, Align::Right, Align::Left];
        let mut text = format!("{}\n\n", self.head());
        text.push_str(&table::render(&headers, &rows, &alignments, width));
        text.push('\n');
        for note in self.notes() {
            text.push_str(&wrapped(&note, 0, width.unwrap_or(u16::MAX)));
        }
        text
    }

    fn head(&self) -> String {
        let errors = if self.errors == "normal" { "normal" } else { "Student-t" };
        let mut head = format!("{}: {}, {errors} errors", self.key, self.model);
        if !self.factors.is_empty() {
            head.push_str(&format!(", with {}", self.factors.join(", ")));
        }
        printable(&head)
    }

    fn notes(&self) -> Vec<String> {
        let known: Vec<&String> =
            self.predictions.iter().flat_map(|trip| &trip.taken_as_known).collect();
        let known = self.statuses.iter().filter(|(name, _)| known.contains(name));
        let known: Vec<String> = known.map(|(name, status)| format!("{name} ({status})")).collect();
        let has_interval = self.predictions.iter().any(|trip| trip.median_s.low.is_some());
        let mut notes = Vec::new();
        if has_interval {
            let how = match self.correlations == Correlations::Known.to_string() {
                true => "with their published correlations",
                false => "taken as independent, since not all correlations are published",
            };
            notes.push(format!("Intervals are from the uncertainty of the parameters, {how}."));
        }
        if !known.is_empty() {
            notes.push(format!(
                "Taken as known, so that intervals are too narrow: {}.",
                known.join(", ")
            ));
        }
        if self.errors != "normal" {
            notes.push("Student-t errors have no mean.".to_owned());
        }
        notes
    }
}

impl Trip {
    fn lines(&self) -> Vec<Vec<String>> {
        let mut figures = vec![("median".to_owned(), minutes(self.median_s))];
        figures.extend(self.mean_s.map(|mean| ("mean".to_owned(), minutes(mean))));
        figures.extend(self.quantiles.iter().map(|quantile| {
            let share = figure_short(100.0 * quantile.share);
            (format!("{share} % of trips within"), minutes(quantile.time_s))
        }));
        figures.extend(self.within.iter().map(|within| {
            let target = figure_short(within.target_s / 60.0);
            (format!("chance within {target} min"), chance(within.probability))
        }));
        let lines = figures.into_iter().enumerate().map(|(nth, (name, (value, interval)))| {
            let km = if nth == 0 { figure_short(self.distance_km) } else { String::new() };
            vec![km, name, value, interval]
        });
        lines.collect()
    }
}

/// A number as it was given, without digits of rounding.
fn figure_short(value: f64) -> String {
    let text = figure(value);
    let short = format!("{value}");
    if short.len() <= text.len() + 2 { short } else { text }
}

/// Value and interval of a time in minutes.
fn minutes(shown: Shown) -> (String, String) {
    told(shown, |s| figure(s / 60.0), " min")
}

fn chance(shown: Shown) -> (String, String) {
    told(shown, |share| format!("{:.1}", 100.0 * share), " %")
}

fn told(shown: Shown, text: fn(f64) -> String, unit: &str) -> (String, String) {
    let interval = shown.low.zip(shown.high);
    let interval = interval.map(|(low, high)| format!("{} – {}", text(low), text(high)));
    (format!("{}{unit}", text(shown.value)), interval.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ParameterRow, ParameterStatus};
    use crate::fit::predict::{Ask, Published};

    fn row(name: &str, estimate: f64, std_error: Option<f64>) -> ParameterRow {
        let status = match std_error {
            Some(_) => ParameterStatus::Ok,
            None => ParameterStatus::NotIdentified,
        };
        ParameterRow {
            key: GroupKey::region("Nørrebro"),
            name: name.to_owned(),
            unit: String::new(),
            estimate,
            std_error,
            ci_low: None,
            ci_high: None,
            raw_estimate: None,
            pool_weight: None,
            status,
        }
    }

    #[test]
    fn a_terminal_of_80_columns_has_room() {
        let group = PublishedGroup {
            key: GroupKey::region("Nørrebro"),
            parameters: vec![
                row("acceleration_km_min2", 0.682, Some(0.03)),
                row("cruise_speed_kmh", 100.7, None),
                row("factor_band_night", 0.9, Some(0.02)),
                row("sigma_log", 0.3, Some(0.01)),
                row("tail_dof", 4.0, Some(0.5)),
            ],
            ..PublishedGroup::default()
        };
        let published = |row: &ParameterRow| Published {
            name: row.name.clone(),
            value: row.estimate,
            std_error: row.std_error,
        };
        let parameters = group.parameters.iter().map(published).collect();
        let predictor = Predictor::new(None, parameters, &[], 0.95).unwrap();
        let factors = vec!["band_night".to_owned()];
        let mut answer = Answer::new(&group, &predictor, 0.95, factors.clone());
        for km in [0.25, 12.0] {
            let ask = Ask {
                route: Route::Distance(km),
                factors: factors.clone(),
                quantiles: vec![0.9, 0.999],
                targets_s: vec![480.0],
            };
            answer.add(&ask.route, predictor.predict(&ask).unwrap());
        }
        let shown = answer.text(Some(80));
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        insta::assert_snapshot!(shown, @r"
        Nørrebro: kwh, Student-t errors, with band_night

          km  figure                      value  95 % interval
        0.25  median                  1.090 min  1.025 – 1.159
              90 % of trips within    1.726 min  1.607 – 1.854
              99.9 % of trips within  9.374 min  5.376 – 16.35
              chance within 8 min        99.9 %  99.7 – 99.9
          12  median                  8.650 min  8.238 – 9.083
              90 % of trips within    13.70 min  12.89 – 14.57
              99.9 % of trips within  74.40 min  42.72 – 129.6
              chance within 8 min        40.4 %  34.7 – 46.4

        Intervals are from the uncertainty of the parameters, taken as independent,
        since not all correlations are published.
        Taken as known, so that intervals are too narrow: cruise_speed_kmh
        (not_identified).
        Student-t errors have no mean.
        ");
    }
}
