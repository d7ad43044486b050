//! Sets compared by hand.

use super::*;
use crate::domain::{GroupDetail, SourceLevel, Verdict};

fn group(region: &str, model: &str) -> GroupRow {
    GroupRow {
        key: GroupKey::region(region),
        model: model.to_owned(),
        loss: "least_squares".to_owned(),
        outcome: GroupOutcome::Fitted,
        source_level: SourceLevel::Group,
        n_read: 100,
        n_refused: 0,
        n_used: 100,
        termination: String::new(),
        iterations: 0,
        ssr_log: None,
        rmse_log: None,
        mae_s: None,
        median_ape: None,
        share_under_p90: None,
        condition: None,
        verdict: Verdict::Publish,
        message: String::new(),
        detail: GroupDetail::default(),
    }
}

fn parameter(region: &str, name: &str, estimate: f64, std_error: Option<f64>) -> ParameterRow {
    ParameterRow {
        key: GroupKey::region(region),
        name: name.to_owned(),
        unit: String::new(),
        estimate,
        std_error,
        ci_low: None,
        ci_high: None,
        raw_estimate: None,
        pool_weight: None,
        status: ParameterStatus::Ok,
    }
}

/// Groups of model `constant`: region, speed with its standard error, spread.
fn set(run_id: i64, groups: &[(&str, f64, Option<f64>, f64)]) -> ParameterSet {
    ParameterSet {
        run_id: Some(RunId(run_id)),
        scope: "city".to_owned(),
        groups: groups.iter().map(|(region, ..)| group(region, "constant")).collect(),
        parameters: groups
            .iter()
            .flat_map(|&(region, speed, error, sigma)| {
                [
                    parameter(region, "cruise_speed_kmh", speed, error),
                    parameter(region, "sigma_log", sigma, None),
                ]
            })
            .collect(),
    }
}

fn told(diff: &SetDiff) -> Vec<(&str, Change)> {
    diff.groups.iter().map(|group| (group.key.region.as_str(), group.change)).collect()
}

#[test]
fn what_matters_most_comes_first() {
    let before = set(
        1,
        &[
            ("Gone", 40.0, None, 0.3),
            ("Little", 40.0, Some(0.3), 0.3),
            ("Much", 40.0, Some(0.3), 0.3),
            ("Same", 40.0, Some(0.3), 0.3),
        ],
    );
    let after = set(
        2,
        &[
            ("Little", 39.5, Some(0.4), 0.3),
            ("Much", 30.0, Some(0.4), 0.3),
            ("New", 40.0, None, 0.3),
            ("Same", 40.0, Some(0.2), 0.3),
        ],
    );
    let diff = compare(&before, &after);
    assert_eq!((diff.before, diff.after, diff.n_same), (Some(RunId(1)), Some(RunId(2)), 1));
    let expected = [
        ("Gone", Change::Gone),
        ("New", Change::New),
        ("Much", Change::Values),
        ("Little", Change::Values),
    ];
    assert_eq!(told(&diff), expected);
    // 40 ± 0.3 to 39.5 ± 0.4.
    let little = &diff.groups[3];
    assert!((little.max_std_errors.unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(little.parameters.len(), 2);
    assert_eq!(little.parameters[1].std_errors, None);
}

#[test]
fn the_effect_is_that_of_the_90th_percentile() {
    let diff = compare(&set(1, &[("A", 40.0, None, 0.3)]), &set(2, &[("A", 30.0, None, 0.3)]));
    // 2 km at 40 km/h take 180 s in the middle; the normal law's 90th percentile is 1.2815515655446 σ.
    let expected_s = 180.0 * (1.281_551_565_544_6_f64 * 0.3).exp();
    let [at_2, at_5] = diff.groups[0].p90[..] else { panic!("two distances") };
    assert_eq!((at_2.distance_km, at_5.distance_km), (2.0, 5.0));
    assert!((at_2.before_s.unwrap() / expected_s - 1.0).abs() < 1e-9, "{at_2:?}");
    assert!((at_2.change.unwrap() - 1.0 / 3.0).abs() < 1e-9, "{at_2:?}");
    assert!((at_5.change_s.unwrap() - 2.5 * expected_s / 3.0).abs() < 1e-6, "{at_5:?}");
}

#[test]
fn another_model_is_told_and_not_counted_in_standard_errors() {
    let before = set(1, &[("A", 40.0, Some(0.3), 0.3), ("B", 40.0, Some(0.3), 0.3)]);
    let mut after = set(2, &[("A", 40.0, Some(0.3), 0.3), ("B", 39.0, Some(0.3), 0.3)]);
    after.groups[0].model = "linear".to_owned();
    after.parameters.insert(0, parameter("A", "intercept_min", 1.0, Some(0.1)));
    let diff = compare(&before, &after);
    assert_eq!(told(&diff), [("A", Change::Model), ("B", Change::Values)]);
    let linear = &diff.groups[0];
    assert_eq!(linear.max_std_errors, None);
    let models = (linear.model_before.as_deref(), linear.model_after.as_deref());
    assert_eq!(models, (Some("constant"), Some("linear")));
    let names: Vec<&str> = linear.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["intercept_min", "cruise_speed_kmh", "sigma_log"]);
    assert_eq!((diff.count(Change::Model), diff.count(Change::Gone)), (1, 0));
}

#[test]
fn what_cannot_be_predicted_is_looked_at_first() {
    let groups = [("A", 40.0, None, 0.3), ("B", 40.0, None, 0.3)];
    let before = set(1, &groups);
    let mut after = set(2, &[("A", 20.0, None, 0.3), ("B", 39.0, None, 0.3)]);
    // Without a spread there is no percentile.
    after.parameters.retain(|row| row.key.region != "B" || row.name != "sigma_log");
    let diff = compare(&before, &after);
    assert_eq!(told(&diff), [("B", Change::Values), ("A", Change::Values)]);
    assert_eq!(diff.groups[0].p90[0].after_s, None);
}

#[test]
fn a_way_of_several_classes_is_in_equal_parts() {
    let roads = |street: f64| {
        let mut set = set(1, &[("A", 40.0, None, 0.3)]);
        set.groups[0].model = "road_class".to_owned();
        set.parameters.remove(0);
        let speed =
            |class: &str, kmh| parameter("A", &format!("class_speed_{class}_kmh"), kmh, Some(1.0));
        set.parameters.splice(
            0..0,
            [
                parameter("A", "intercept_min", 1.0, None),
                speed("motorway", 90.0),
                speed("street", street),
            ],
        );
        set
    };
    let diff = compare(&roads(30.0), &roads(60.0));
    // At 2 km: a minute, 40 s of motorway, and 120 s of street, or 60 s.
    let effect = diff.groups[0].p90[0];
    assert!((effect.change.unwrap() + 60.0 / 220.0).abs() < 1e-9, "{effect:?}");
}
