//! Predictions as a table for people.

use super::numbers::{figure, percent};
use super::printable::printable;
use super::table::{self, Align, wrapped};
use crate::report::prediction::{Answer, Shown, Trip};

/// A line per trip and figure, and below what is to be known of them.
pub(super) fn text(answer: &Answer, width: Option<u16>) -> String {
    let interval = format!("{} interval", percent(answer.confidence).replace(".0", ""));
    let headers = ["km", "figure", "value", &interval];
    let rows: Vec<Vec<String>> = answer.predictions.iter().flat_map(lines).collect();
    let alignments = [Align::Right, Align::Left, Align::Right, Align::Left];
    let mut text = format!("{}\n\n", head(answer));
    text.push_str(&table::render(&headers, &rows, &alignments, width));
    text.push('\n');
    for note in notes(answer) {
        text.push_str(&wrapped(&note, 0, width.unwrap_or(u16::MAX)));
    }
    text
}

fn head(answer: &Answer) -> String {
    let errors = if answer.errors == "normal" { "normal" } else { "Student-t" };
    let mut head = format!("{}: {}, {errors} errors", answer.key, answer.model);
    if !answer.factors.is_empty() {
        head.push_str(&format!(", with {}", answer.factors.join(", ")));
    }
    printable(&head).into_owned()
}

fn notes(answer: &Answer) -> Vec<String> {
    let known: Vec<&String> =
        answer.predictions.iter().flat_map(|trip| &trip.taken_as_known).collect();
    let known = answer.statuses.iter().filter(|(name, _)| known.contains(name));
    let known: Vec<String> = known.map(|(name, status)| format!("{name} ({status})")).collect();
    let has_interval = answer.predictions.iter().any(|trip| trip.median_s.low.is_some());
    let mut notes = Vec::new();
    if has_interval {
        let how = match answer.knows_correlations() {
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
    if !answer.imprecise.is_empty() {
        notes.push(format!("Imprecise, with a wide interval: {}.", answer.imprecise.join(", ")));
    }
    if let Some(range) = beyond(answer) {
        notes.push(range);
    }
    if answer.errors != "normal" {
        notes.push("Student-t errors have no mean.".to_owned());
    }
    notes
}

/// The trips that no record of the group is like.
fn beyond(answer: &Answer) -> Option<String> {
    let (least, most) = answer.distance_min_km.zip(answer.distance_max_km)?;
    let beyond = answer.predictions.iter().filter(|trip| answer.is_beyond(trip));
    let beyond: Vec<String> = beyond.map(|trip| figure_short(trip.distance_km)).collect();
    let (least, most) = (figure(least), figure(most));
    (!beyond.is_empty())
        .then(|| format!("Beyond the trips seen, {least} to {most} km: {} km.", beyond.join(", ")))
}

fn lines(trip: &Trip) -> Vec<Vec<String>> {
    let mut figures = vec![("median".to_owned(), minutes(trip.median_s))];
    figures.extend(trip.mean_s.map(|mean| ("mean".to_owned(), minutes(mean))));
    figures.extend(trip.quantiles.iter().map(|quantile| {
        let share = figure_short(100.0 * quantile.share);
        (format!("{share} % of trips within"), minutes(quantile.time_s))
    }));
    figures.extend(trip.within.iter().map(|within| {
        let target = figure_short(within.target_s / 60.0);
        (format!("chance within {target} min"), chance(within.probability))
    }));
    let lines = figures.into_iter().enumerate().map(|(nth, (name, (value, interval)))| {
        let km = if nth == 0 { figure_short(trip.distance_km) } else { String::new() };
        vec![km, name, value, interval]
    });
    lines.collect()
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
    use crate::domain::{GroupDetail, GroupKey, ParameterRow, ParameterStatus, PublishedGroup};
    use crate::report::prediction::{Question, answer};

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
            detail: GroupDetail {
                distance_min_km: Some(0.3),
                distance_max_km: Some(9.3289),
                ..GroupDetail::default()
            },
            parameters: vec![
                row("acceleration_km_min2", 0.682, Some(0.03)),
                row("cruise_speed_kmh", 100.7, None),
                ParameterRow {
                    status: ParameterStatus::Imprecise,
                    ..row("factor_band_night", 0.9, Some(0.02))
                },
                row("sigma_log", 0.3, Some(0.01)),
                row("tail_dof", 4.0, Some(0.5)),
            ],
            model: None,
        };
        let question = Question {
            region: "Nørrebro".to_owned(),
            distances_km: vec![0.25, 12.0],
            factors: vec!["night".to_owned()],
            quantiles: vec![0.9, 0.999],
            targets_min: vec![8.0],
            ..Question::default()
        };
        let shown = text(&answer(&[group], &question, 0.95, &(0.05..=60.0)).unwrap(), Some(80));
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
        Imprecise, with a wide interval: factor_band_night.
        Beyond the trips seen, 0.3000 to 9.329 km: 0.25, 12 km.
        Student-t errors have no mean.
        ");
    }
}
