//! Scores against closed forms and drawn records, and the cut in time.

use super::super::models;
use super::super::observations::Sample;
use super::super::options::Errors;
use super::super::simulate::{Spread, TripLengths, draw, published};
use super::*;

fn sample(distance_km: f64, travel_time_s: f32, weight: f32) -> Sample {
    Sample { distance_km, travel_time_s, weight }
}

fn value<'a>(values: &'a [(&str, f64)]) -> impl Fn(&str) -> Option<f64> + 'a {
    |name| values.iter().find(|(known, _)| *known == name).map(|(_, x)| *x)
}

const LINE: [(&str, f64); 2] = [("cruise_speed_kmh", 60.0), ("sigma_log", 0.5)];

#[test]
fn scores_are_those_of_the_formulas() {
    let model = models::by_name("constant").unwrap();
    let forecast = Forecast::new(&*model, value(&LINE)).unwrap();
    // A minute a kilometre: 60 s are expected at each.
    let ratios = [1.0, 1.5, 0.8, 3.0];
    let samples = ratios.map(|ratio| sample(1.0, 60.0 * ratio as f32, 1.0));
    let found = forecast.scores(&Observations::new(samples.to_vec())).unwrap();
    let close = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
    };
    close(found.mae_s, (0.0 + 30.0 + 12.0 + 120.0) / 4.0);
    // Errors over observed: 0, 1/3, 1/4, 2/3.
    close(found.median_ape, 0.5 * (1.0 / 3.0 + 0.25));
    // exp(1.2816·0.5) = 1.898: only the last is above.
    close(found.share_under_p90, 0.75);
    let density = |ratio: f64| {
        let z = ratio.ln() / 0.5;
        -0.5 * z * z - (0.5 * (2.0 * std::f64::consts::PI).sqrt()).ln()
    };
    close(found.log_score, ratios.map(density).iter().sum::<f64>() / 4.0);
}

#[test]
fn students_law_has_its_own_percentile_and_density() {
    let model = models::by_name("constant").unwrap();
    let values = [LINE[0], LINE[1], ("tail_dof", 4.0)];
    let forecast = Forecast::new(&*model, value(&values)).unwrap();
    let at = |z: f64| {
        let time_s = 60.0 * (0.5 * z).exp();
        forecast.scores(&Observations::new(vec![sample(1.0, time_s as f32, 1.0)])).unwrap()
    };
    // R: `qt(0.9, 4)` is 1.533206.
    assert_eq!((at(1.53).share_under_p90, at(1.54).share_under_p90), (1.0, 0.0));
    // 3/8·(1 + z²/4)^-2.5 over the scale.
    let expected = (0.375 * 2.0_f64.powf(-2.5) / 0.5).ln();
    assert!((at(2.0).log_score - expected).abs() < 1e-6, "{}", at(2.0).log_score);
}

#[test]
fn weights_count_as_repeats() {
    let model = models::by_name("constant").unwrap();
    let forecast = Forecast::new(&*model, value(&LINE)).unwrap();
    let weighted = vec![sample(1.0, 60.0, 3.0), sample(2.0, 300.0, 1.0)];
    let repeated = [[sample(1.0, 60.0, 1.0); 3].as_slice(), &[sample(2.0, 300.0, 1.0)]].concat();
    let [a, b] = [weighted, repeated].map(|s| forecast.scores(&Observations::new(s)).unwrap());
    for (a, b) in [
        (a.mae_s, b.mae_s),
        (a.median_ape, b.median_ape),
        (a.share_under_p90, b.share_under_p90),
        (a.log_score, b.log_score),
    ] {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
}

#[test]
fn the_cut_is_one_for_all_and_holds_out_no_more_than_the_share() {
    let check = |groups: &[&[u32]], share: f64, expected: Option<u32>| {
        assert_eq!(cut_time(groups, share), expected, "{groups:?} {share}");
    };
    let ten: Vec<u32> = (1..=10).collect();
    check(&[&ten], 0.2, Some(9));
    check(&[&ten[5..], &ten[..5]], 0.25, Some(9));
    check(&[&ten[..5], &[], &ten[5..]], 0.3, Some(8));
    check(&[&ten], 0.05, None);
    check(&[&ten], 0.0, None);
    check(&[&ten], 1.0, None);
    // Those without a time are no part of it.
    check(&[&ten, &[NO_TIME; 30]], 0.2, Some(9));
    check(&[&[NO_TIME; 30]], 0.2, None);
    check(&[], 0.2, None);
    // Records of one time go together.
    check(&[&[5, 5, 5, 5, 5, 5, 7, 8, 8, 8]], 0.2, None);
    check(&[&[5, 5, 5, 5, 5, 5, 7, 8, 8, 8]], 0.3, Some(8));
    check(&[&[0, 0, 0, NO_TIME - 1]], 0.25, Some(1));
    check(&[&ten], f64::NAN, None);
}

#[test]
fn records_without_a_time_are_fitted() {
    assert_eq!(split(&[5, NO_TIME, 9, 10, 4], 9), (vec![0, 1, 4], vec![2, 3]));
    assert_eq!(split(&[], 9), (vec![], vec![]));
}

fn trial<'a>(model: &'a dyn Model, options: &'a FitOptions) -> Trial<'a> {
    Trial { model, options, min_records: 10 }
}

#[test]
fn parts_keep_what_records_carry() {
    let samples: Vec<Sample> = (1..=6).map(|i| sample(f64::from(i), 60.0, 1.0)).collect();
    let columns = Columns { cells: vec![0, 1, 2, 3, 4, 5], n_classes: 1, lengths_km: vec![1.0; 6] };
    let (before, after) = parts(&samples, &columns, &[7, 1, 9, NO_TIME, 8, 2], 8);
    let told = |part: &Observations| {
        let cells = part.distances().cells().to_vec();
        (part.distances().km().collect::<Vec<_>>(), cells, part.n_classes())
    };
    assert_eq!(told(&before), (vec![1.0, 2.0, 4.0, 6.0], vec![0, 1, 3, 5], 1));
    assert_eq!(told(&after), (vec![3.0, 5.0], vec![2, 4], 1));
}

/// So many records from Calgary's law, in two parts.
fn calgary(spread: &Spread, n: usize, seed: u64) -> (Observations, Observations) {
    let curve = published::CALGARY.curve().unwrap();
    let mut samples = draw(&curve, spread, &TripLengths::default(), n, seed);
    let after = samples.split_off(n * 4 / 5);
    (Observations::new(samples), Observations::new(after))
}

#[test]
fn a_right_model_has_nine_tenths_under_its_ninetieth_percentile() {
    let (before, after) = calgary(&Spread::Normal { sigma_log: 0.35 }, 25_000, 11);
    let model = models::by_name("kwh").unwrap();
    let options = FitOptions::default();
    let held = hold_out(&trial(&*model, &options), &(before, after), None, &|| false).unwrap();
    assert_eq!((held.n_train, held.n, held.other), (20_000, 5_000, None));
    // Four standard deviations of a share of 5,000.
    let four = 4.0 * (0.09_f64 / 5_000.0).sqrt();
    assert!((held.new.share_under_p90 - 0.9).abs() < four, "{}", held.new.share_under_p90);
    // Minus the entropy of the law, -ln σ - ½ ln 2πe, with four standard deviations of ½z².
    let expected = -f64::ln(0.35) - 0.5 * (2.0 * std::f64::consts::PI * 1.0_f64.exp()).ln();
    let four = 4.0 * (0.5_f64 / 5_000.0).sqrt();
    assert!((held.new.log_score - expected).abs() < four, "{} {expected}", held.new.log_score);
}

#[test]
fn the_truth_has_the_best_log_score() {
    let (_, after) = calgary(&Spread::CALGARY, 50_000, 12);
    let model = models::by_name("kwh").unwrap();
    let truth = |name: &str| match name {
        "spread_b0" => Some(0.336),
        "spread_b1" => Some(0.000_058),
        "spread_b2" => Some(0.0388),
        "tail_dof" => Some(4.0),
        name => published::CALGARY.value(name),
    };
    let best = Forecast::new(&*model, truth).unwrap().scores(&after).unwrap();
    let four = 4.0 * (0.09_f64 / 10_000.0).sqrt();
    assert!((best.share_under_p90 - 0.9).abs() < four, "{}", best.share_under_p90);
    for (name, factor) in [
        ("cruise_speed_kmh", 1.1),
        ("acceleration_km_min2", 0.85),
        ("spread_b0", 1.5),
        ("spread_b2", 0.6),
        ("tail_dof", 3.0),
        ("tail_dof", 0.4),
    ] {
        let moved = |n: &str| truth(n).map(|x| if n == name { factor * x } else { x });
        let other = Forecast::new(&*model, moved).unwrap().scores(&after).unwrap();
        assert!(other.log_score < best.log_score, "{name}: {other:?} and {best:?}");
    }
    let normal = |n: &str| truth(n).filter(|_| n != "tail_dof");
    let normal = Forecast::new(&*model, normal).unwrap().scores(&after).unwrap();
    assert!(normal.log_score < best.log_score);
}

#[test]
fn others_are_scored_on_the_same_records() {
    let (before, after) = calgary(&Spread::Normal { sigma_log: 0.35 }, 2_000, 13);
    let model = models::by_name("kwh").unwrap();
    let line = models::by_name("constant").unwrap();
    let other = Forecast::new(&*line, value(&LINE)).unwrap();
    let held = |other| {
        let options = FitOptions::default();
        let parts = (before.clone(), after.clone());
        hold_out(&trial(&*model, &options), &parts, other, &|| false).unwrap()
    };
    let found = held(Some(&other));
    assert_eq!(found.other, other.scores(&after));
    assert!(found.other.unwrap().log_score < found.new.log_score);
    assert_eq!(found.new, held(None).new);
    // What has no spread is no forecast.
    assert!(Forecast::new(&*line, value(&[LINE[0], ("sigma_log", 0.0)])).is_none());
}

#[test]
fn what_cannot_be_held_out_says_why() {
    let (before, after) = calgary(&Spread::Normal { sigma_log: 0.35 }, 200, 14);
    let model = models::by_name("kwh").unwrap();
    let first = |of: &Observations, n: usize| Observations::new(of.samples()[..n].to_vec());
    let check = |before: &Observations, after: &Observations, stop: bool, expected: &str| {
        let options = FitOptions { errors: Errors::Normal, ..FitOptions::default() };
        let parts = (before.clone(), after.clone());
        let held = hold_out(&trial(&*model, &options), &parts, None, &|| stop);
        assert_eq!(held.unwrap_err().to_string(), expected);
    };
    check(&first(&before, 9), &after, false, "9 records before the cut, 10 needed");
    check(&before, &first(&after, 9), false, "9 records from the cut on, 10 needed");
    check(&before, &after, true, "stopped before it was done");
    let same = Observations::new(vec![sample(1.0, 60.0, 1.0); 30]);
    check(&same, &after, false, "the records before the cut do not scatter");
}

#[test]
fn nothing_depends_on_the_order_of_the_records() {
    let curve = published::CALGARY.curve().unwrap();
    let mut samples = draw(&curve, &Spread::CALGARY, &TripLengths::default(), 300, 15);
    let model = models::by_name("kwh").unwrap();
    let forecast = |name: &str| published::CALGARY.value(name).or(Some(0.3));
    let forecast = Forecast::new(&*model, forecast).unwrap();
    let there = forecast.scores(&Observations::new(samples.clone())).unwrap();
    samples.reverse();
    assert_eq!(forecast.scores(&Observations::new(samples)).unwrap(), there);
}
