//! Each rule of the judge alone, on a group that passes all of them but for one change.

use super::*;
use crate::domain::{
    GroupKey, GroupOutcome, Observed, ParameterRow, ParameterSet, ParameterStatus, SourceLevel,
};
use crate::fit::holdout::{HeldOut, NotHeldOut, Scores};
use crate::job::assemble;
use crate::job::pool::{PooledEstimate, PooledGroup};

fn estimate(name: &'static str, value: f64) -> Estimate {
    Estimate {
        name: name.into(),
        unit: "",
        value,
        std_error: Some(0.01 * value),
        interval: (Some(0.98 * value), Some(1.02 * value)),
        identification: Identification::Ok,
        reason: String::new(),
    }
}

/// A group of model `kwh` with 100 records.
fn group() -> FittedGroup {
    let report = FitReport {
        model: "kwh",
        termination: Termination::CostConverged,
        loss: "least_squares",
        errors: "normal",
        spread: "constant",
        covariance: "information",
        estimates: vec![
            estimate("acceleration_km_min2", 0.5),
            estimate("cruise_speed_kmh", 40.0),
            estimate("sigma_log", 0.3),
        ],
        correlations: vec![None; 9],
        condition: Some(1.0),
        metrics: None,
        log_likelihood: None,
        aic: None,
        bic: None,
        solution: None,
        n_records: 100,
        n_iterations: 3,
        n_evaluations: 4,
        n_starts: 1,
        message: String::new(),
    };
    FittedGroup {
        key: GroupKey::region("A"),
        n_used: 100,
        n_refused: 7,
        shortest_km: 0.5,
        longest_km: 6.0,
        class_shares: Vec::new(),
        bins: Vec::new(),
        fit: Ok(report),
        pooled: None,
        current_metrics: None,
        held_out: None,
        held_out_from: None,
        choice: String::new(),
        observed: Observed { n_used: 100, ..Observed::default() },
        earlier: Observed::default(),
        shape: crate::job::gate::Shape::default(),
        n_old: 0,
    }
}

/// The same, drawn to others.
fn pooled(outcome: GroupOutcome) -> FittedGroup {
    let own = group();
    let estimates = estimates_of(&own).to_vec();
    let pooled = |estimate: Estimate| PooledEstimate {
        raw: None,
        weight: 0.5,
        status: ParameterStatus::Pooled,
        estimate,
    };
    let pooled = PooledGroup {
        outcome,
        source_level: SourceLevel::All,
        model: "kwh",
        estimates: estimates.into_iter().map(pooled).collect(),
        correlations: Vec::new(),
        metrics: None,
        message: String::new(),
    };
    FittedGroup { n_used: 12, pooled: Some(pooled), ..own }
}

fn estimates_of(group: &FittedGroup) -> &[Estimate] {
    &group.fit.as_ref().unwrap().estimates
}

/// What would be published of that name.
fn of<'a>(group: &'a mut FittedGroup, name: &str) -> &'a mut Estimate {
    let mut all: Vec<&mut Estimate> = match &mut group.pooled {
        Some(pooled) => pooled.estimates.iter_mut().map(|e| &mut e.estimate).collect(),
        None => group.fit.as_mut().unwrap().estimates.iter_mut().collect(),
    };
    let at = all.iter().position(|e| e.name == name).unwrap();
    all.swap_remove(at)
}

fn current() -> ParameterSet {
    assemble::unjudged("s", "kwh", &[group()], 3.0)
}

/// What the judge says of a group, against a current set.
fn said(rules: &JudgeRules, group: &FittedGroup, current: &ParameterSet) -> Option<String> {
    rules.objection(group, &PublishedCurves::of(Some(current)))
}

fn check(change: impl Fn(&mut FittedGroup), expected: Option<&str>) {
    check_rules(&JudgeRules::default(), change, expected);
}

fn check_rules(rules: &JudgeRules, change: impl Fn(&mut FittedGroup), expected: Option<&str>) {
    let mut group = group();
    change(&mut group);
    assert_eq!(said(rules, &group, &current()).as_deref(), expected);
}

#[test]
fn objections_say_why() {
    check(|_| {}, None);
    check(|g| g.n_used = 39, Some("39 records, 40 needed"));
    check(|g| g.n_used = 0, Some("all 7 rows were refused"));
    check(|g| g.fit = Err("it broke".into()), Some("it broke"));
    check(
        |g| of(g, "cruise_speed_kmh").value = 3.0,
        Some("cruise speed 3.0 km/h is outside 5 to 200 km/h"),
    );
    check(|g| of(g, "cruise_speed_kmh").value = 60.0, None);
    check(
        |g| of(g, "acceleration_km_min2").value = 0.1,
        Some("the median time at 2.0 km changes by +106 %, more than 50 %"),
    );
    check(
        |g| g.fit.as_mut().unwrap().termination = Termination::IterationLimit,
        Some("no fit (iteration_limit)"),
    );
}

#[test]
fn a_speed_that_the_records_do_not_tell_is_not_judged() {
    let unknown = |g: &mut FittedGroup| {
        let speed = of(g, "cruise_speed_kmh");
        (speed.value, speed.identification) = (500.0, Identification::NotIdentified);
    };
    check(unknown, None);
}

#[test]
fn a_current_set_without_the_group_does_not_bind() {
    let mut other = current();
    for row in &mut other.parameters {
        row.key = GroupKey::region("B");
    }
    for row in &mut other.groups {
        row.key = GroupKey::region("B");
    }
    let rules = JudgeRules { max_change_std_errors: 1.0, ..JudgeRules::default() };
    let mut group = group();
    of(&mut group, "cruise_speed_kmh").value = 150.0;
    assert_eq!(said(&rules, &group, &other), None);
    assert_eq!(rules.objection(&group, &PublishedCurves::default()), None);
}

#[test]
fn bounds_hold_whatever_is_published() {
    let bound = |name: &str, min, max| Bound { name: name.to_owned(), min, max };
    let bounds = vec![
        bound("factor_band_night", 0.5, 1.0),
        bound("acceleration_km_min2", 0.3, 20.0),
        bound("cruise_speed_kmh", 20.0, 120.0),
    ];
    let rules = JudgeRules { bounds, ..JudgeRules::default() };
    let check = |change: &dyn Fn(&mut FittedGroup), expected| check_rules(&rules, change, expected);
    check(&|_| {}, None);
    check(&|g| of(g, "acceleration_km_min2").value = 0.3, None);
    let slow = Some("acceleration_km_min2 0.2999 is outside 0.3 to 20");
    check(&|g| of(g, "acceleration_km_min2").value = 0.2999, slow);
    let fast = Some("cruise_speed_kmh 130.0 is outside 20 to 120");
    check(&|g| of(g, "cruise_speed_kmh").value = 130.0, fast);
    // Also where the records do not tell it: the application reads it all the same.
    let unknown = |g: &mut FittedGroup| {
        let speed = of(g, "cruise_speed_kmh");
        (speed.value, speed.identification) = (130.0, Identification::NotIdentified);
    };
    check(&unknown, fast);
    let mut group = pooled(GroupOutcome::Pooled);
    of(&mut group, "cruise_speed_kmh").value = 130.0;
    assert_eq!(said(&rules, &group, &current()).as_deref(), fast);
}

#[test]
fn wide_intervals_of_speeds_are_refused() {
    let rules = JudgeRules { max_interval_ratio: 3.0, ..JudgeRules::default() };
    let set = |g: &mut FittedGroup, name: &str, interval| of(g, name).interval = interval;
    let check = |name: &str, interval, expected| {
        check_rules(&rules, |g| set(g, name, interval), expected);
    };
    let speed = "cruise_speed_kmh";
    check(speed, (Some(20.0), Some(60.0)), None);
    let wide = Some("the interval of cruise_speed_kmh, 20.0 to 60.1, is wider than a factor of 3");
    check(speed, (Some(20.0), Some(60.1)), wide);
    let open = Some("the interval of cruise_speed_kmh, 0.0 to 60.1, is wider than a factor of 3");
    check(speed, (Some(0.0), Some(60.1)), open);
    // What has no interval has none to judge; what is no speed is not meant.
    check(speed, (None, Some(60.1)), None);
    check(speed, (None, None), None);
    check("acceleration_km_min2", (Some(0.1), Some(9.0)), None);
    check_rules(&JudgeRules::default(), |g| set(g, speed, (Some(1.0), Some(100.0))), None);
    let mut of_roads = pooled(GroupOutcome::Pooled);
    of(&mut of_roads, speed).name = "class_speed_street_kmh".into();
    let wide = (Some(10.0), Some(31.0));
    of(&mut of_roads, "class_speed_street_kmh").interval = wide;
    assert_eq!(
        said(&rules, &of_roads, &current()).as_deref(),
        Some("the interval of class_speed_street_kmh, 10.0 to 31.0, is wider than a factor of 3")
    );
}

#[test]
fn changes_are_counted_in_standard_errors() {
    let rules = JudgeRules { max_change_std_errors: 5.0, ..JudgeRules::default() };
    let check = |change: &dyn Fn(&mut FittedGroup), expected| check_rules(&rules, change, expected);
    check(&|_| {}, None);
    // 40 ± 0.4 against 42 ± 0.3: four.
    let by_four = |g: &mut FittedGroup| {
        let speed = of(g, "cruise_speed_kmh");
        (speed.value, speed.std_error) = (42.0, Some(0.3));
    };
    check(&by_four, None);
    let by_six = |g: &mut FittedGroup| {
        let speed = of(g, "cruise_speed_kmh");
        (speed.value, speed.std_error) = (43.0, Some(0.3));
    };
    let expected =
        Some("cruise_speed_kmh moves from 40.00 to 43.00, by 6.0 standard errors, more than 5");
    check(&by_six, expected);
    // Of several the one that moves most is told.
    let both = |g: &mut FittedGroup| {
        by_six(g);
        of(g, "sigma_log").value = 0.5;
    };
    check(
        &both,
        Some("sigma_log moves from 0.3000 to 0.5000, by 47.1 standard errors, more than 5"),
    );
    // Without a standard error nothing can be told.
    let untold = |g: &mut FittedGroup| {
        let speed = of(g, "cruise_speed_kmh");
        (speed.value, speed.std_error) = (43.0, None);
    };
    check(&untold, None);
    check_rules(&JudgeRules::default(), both, None);
}

#[test]
fn only_what_both_tell_is_counted_in_standard_errors() {
    let rules = JudgeRules { max_change_std_errors: 5.0, ..JudgeRules::default() };
    let mut moved = group();
    of(&mut moved, "cruise_speed_kmh").value = 50.0;
    let told =
        Some("cruise_speed_kmh moves from 40.00 to 50.00, by 17.7 standard errors, more than 5");
    let check = |change: &dyn Fn(&mut ParameterSet), expected: Option<&str>| {
        let mut set = current();
        change(&mut set);
        assert_eq!(said(&rules, &moved, &set).as_deref(), expected);
    };
    check(&|_| {}, told);
    // What was carried over was learned once.
    let carried = |set: &mut ParameterSet| {
        set.groups[0].outcome = GroupOutcome::CarriedOver;
        set.parameters.iter_mut().for_each(|row| row.status = ParameterStatus::CarriedOver);
    };
    check(&carried, told);
    let without_error = |row: &mut ParameterRow| row.std_error = None;
    check(&|set| set.parameters.iter_mut().for_each(without_error), None);
    check(&|set| set.groups[0].outcome = GroupOutcome::Fallback, None);
    let of_constant = |set: &mut ParameterSet| {
        set.groups[0].model = "constant".to_owned();
        set.parameters.retain(|row| row.name != "acceleration_km_min2");
    };
    let mut set = current();
    of_constant(&mut set);
    // Another model's speed is not the same thing, though its times are.
    let rules = JudgeRules { max_time_change: 10.0, ..rules.clone() };
    assert_eq!(said(&rules, &moved, &set), None);
    let mut shrunk = pooled(GroupOutcome::Pooled);
    of(&mut shrunk, "cruise_speed_kmh").value = 50.0;
    assert_eq!(said(&rules, &shrunk, &current()).as_deref(), told);
}

#[test]
fn a_worse_score_on_later_records_is_refused() {
    let rules = JudgeRules { max_score_drop: 0.1, ..JudgeRules::default() };
    let scores =
        |log_score| Scores { mae_s: 60.0, median_ape: 0.2, share_under_p90: 0.9, log_score };
    let held_out = |new, other: Option<f64>| {
        Some(Ok(HeldOut { n_train: 80, n: 20, new: scores(new), other: other.map(scores) }))
    };
    let check = |held_out: Option<Result<HeldOut, NotHeldOut>>, expected: Option<&str>| {
        check_rules(&rules, |g| g.held_out = held_out, expected);
    };
    check(held_out(-0.3, Some(-0.5)), None);
    check(held_out(-0.5, Some(-0.41)), None);
    let worse = Some(
        "the log score on later records is -0.500, that of the current set -0.300: worse by more than 0.1",
    );
    check(held_out(-0.5, Some(-0.3)), worse);
    check(held_out(-0.5, None), None);
    check(Some(Err(NotHeldOut::NoScatter)), None);
    check(None, None);
    check_rules(&JudgeRules::default(), |g| g.held_out = held_out(-0.5, Some(-0.3)), None);
    // Of a small group not its own fit is published; of a large one it nearly is.
    for (n_used, expected) in [(12, None), (40, worse)] {
        let held_out = held_out(-0.5, Some(-0.3));
        let group = FittedGroup { n_used, held_out, ..pooled(GroupOutcome::Pooled) };
        assert_eq!(said(&rules, &group, &current()).as_deref(), expected);
    }
}

#[test]
fn what_speaks_of_the_fit_comes_before_what_compares() {
    let rules = JudgeRules {
        bounds: vec![Bound { name: "sigma_log".to_owned(), min: 0.0, max: 0.4 }],
        max_interval_ratio: 1.5,
        max_change_std_errors: 1.0,
        ..JudgeRules::default()
    };
    let mut bad = group();
    of(&mut bad, "sigma_log").value = 0.9;
    let speed = of(&mut bad, "cruise_speed_kmh");
    (speed.value, speed.interval) = (400.0, (Some(100.0), Some(900.0)));
    type Change<'a> = &'a dyn Fn(&mut FittedGroup);
    let steps: [(Change<'_>, &str); 4] = [
        (&|_| {}, "cruise speed 400.0 km/h is outside 5 to 200 km/h"),
        (&|g| of(g, "cruise_speed_kmh").value = 44.0, "sigma_log 0.9000 is outside 0 to 0.4"),
        (
            &|g| of(g, "sigma_log").value = 0.31,
            "the interval of cruise_speed_kmh, 100.0 to 900.0, is wider than a factor of 1.5",
        ),
        (
            &|g| of(g, "cruise_speed_kmh").interval = (Some(40.0), Some(48.0)),
            "cruise_speed_kmh moves from 40.00 to 44.00, by 7.1 standard errors, more than 1",
        ),
    ];
    for (mend, expected) in steps {
        mend(&mut bad);
        assert_eq!(said(&rules, &bad, &current()).as_deref(), Some(expected));
    }
}
