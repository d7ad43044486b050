//! Laws of losses, laws of errors, spreads, bounds and intervals, over every model.

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;

use super::bounds::Ranges;
use super::likelihood::{Block, Likelihood};
use super::models::{self, Model};
use super::options::{Bound, Covariance, Errors, Intervals, Loss, SpreadModel};
use super::simulate::{Spread, TripLengths, draw, published};
use super::{
    Estimate, FitOptions, FitReport, Identification, Observations, OptionsError, Sample,
    Termination, fit,
};

const STUDENT: Errors = Errors::StudentT { dof: None };

fn model(name: &str) -> Arc<dyn Model> {
    models::by_name(name).unwrap()
}

fn with(errors: Errors, spread: SpreadModel, loss: Loss) -> FitOptions {
    FitOptions { errors, spread, loss, ..FitOptions::default() }
}

/// Every objective but plain least squares.
fn objectives() -> Vec<FitOptions> {
    let mut all = Vec::new();
    for errors in [Errors::Normal, STUDENT, Errors::StudentT { dof: Some(4.0) }] {
        for spread in [SpreadModel::Constant, SpreadModel::Budge] {
            all.push(with(errors, spread, Loss::LeastSquares));
        }
    }
    for loss in [Loss::Huber, Loss::SoftL1, Loss::Cauchy, Loss::Tukey] {
        all.push(with(Errors::Normal, SpreadModel::Constant, loss));
    }
    all.remove(0);
    all
}

fn fitted(name: &str, samples: &[Sample], options: &FitOptions) -> FitReport {
    fit(&*model(name), &Observations::new(samples.to_vec()), options, &|| false)
}

fn estimate<'a>(report: &'a FitReport, name: &str) -> &'a Estimate {
    report.estimates.iter().find(|e| e.name == name).unwrap()
}

fn calgary(n: usize, seed: u64) -> Vec<Sample> {
    let curve = published::CALGARY.curve().unwrap();
    draw(&curve, &Spread::CALGARY, &TripLengths::default(), n, seed)
}

fn normal(n: usize, seed: u64) -> Vec<Sample> {
    let curve = published::CALGARY.curve().unwrap();
    draw(&curve, &Spread::Normal { sigma_log: 0.25 }, &TripLengths::default(), n, seed)
}

fn likelihood<'a>(
    model: &'a dyn Model,
    observations: &'a Observations,
    options: &FitOptions,
) -> Likelihood<'a> {
    Likelihood {
        model,
        observations,
        spread: options.spread,
        is_student: options.errors != Errors::Normal,
        bounds: Ranges::of(model, observations, options).0.bounds,
    }
}

/// Internal parameters of a model, of the spread and of the tail, away from every edge.
fn place(name: &str, options: &FitOptions, (x, y, t): (f64, f64, f64)) -> Vec<f64> {
    let mut p = match name {
        "constant" | "sqrt" => vec![x],
        "linear" => vec![1.0 + y, x],
        "power" => vec![x, 0.5 + 0.4 * y],
        "kwh" => vec![x, y],
        _ => vec![1.0 + y, x, y],
    };
    match options.spread {
        SpreadModel::Constant => p.push(-1.0 + 0.5 * y),
        SpreadModel::Budge => p.extend([0.3 + 0.2 * x, 0.1 * y, 0.05 + 0.02 * y]),
    }
    if options.errors != Errors::Normal {
        p.push(t);
    }
    p
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn gradients_equal_differences(at in (-0.9..0.9f64, -0.9..0.9f64, 0.006..0.9f64), seed in 0..1000u64) {
        let mut samples = calgary(300, seed);
        for (i, sample) in samples.iter_mut().enumerate() {
            sample.weight = [1.0, 0.5, 3.0][i % 3];
        }
        let observations = Observations::new(samples);
        let mut block = Block::default();
        for options in objectives().iter().filter(|o| o.is_likelihood()) {
            for name in models::NAMES {
                let model = model(name);
                let likelihood = likelihood(&*model, &observations, options);
                let p = place(name, options, at);
                let found = likelihood.evaluate(&p, &mut Block::default());
                prop_assert!(found.cost.is_finite());
                for j in 0..p.len() {
                    let h = 1e-5 * p[j].abs().max(0.1);
                    let mut cost = |by: f64| {
                        let mut q = p.clone();
                        q[j] += by;
                        likelihood.evaluate(&q, &mut block).cost
                    };
                    let slope = (cost(h) - cost(-h)) / (2.0 * h);
                    let scale = found.gradient[j].abs() + found.information[j * p.len() + j].sqrt();
                    let error = (slope - found.gradient[j]).abs() / scale.max(1.0);
                    prop_assert!(error < 1e-4, "{name} {options:?} {j}: {slope} {:?}", found.gradient);
                }
            }
        }
    }
}

/// At the truth the expected information is the mean of the products of the scores.
#[test]
fn information_is_the_variance_of_the_scores() {
    let observations = Observations::new(calgary(40_000, 5));
    let model = model("kwh");
    let options = with(STUDENT, SpreadModel::Budge, Loss::LeastSquares);
    let likelihood = likelihood(&*model, &observations, &options);
    let truth = published::CALGARY.parameters;
    let mut p: Vec<f64> =
        model.parameters().iter().zip(truth).map(|(s, (_, v))| s.internal(*v).unwrap()).collect();
    p.extend([0.336, 0.000_058, 0.0388, 0.25]);
    let information = likelihood.evaluate(&p, &mut Block::default()).information;
    let products = likelihood.score_products(&p, &mut Block::default());
    for j in 0..6 {
        for k in 0..6 {
            let size = (information[j * 6 + j] * information[k * 6 + k]).sqrt();
            let error = (information[j * 6 + k] - products[j * 6 + k]).abs() / size;
            // Squares of the tail's score have a kurtosis of some eighty.
            let tolerance = if (j, k) == (5, 5) { 0.25 } else { 0.06 };
            assert!(error < tolerance, "{j} {k}: {error}");
        }
    }
}

#[test]
fn the_truth_is_recovered() {
    let truth = |name: &str| {
        let spread = [("spread_b0", 0.336), ("spread_b1", 0.000_058), ("spread_b2", 0.0388)];
        let known = spread.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        known.or_else(|| published::CALGARY.value(name)).unwrap_or(4.0)
    };
    for seed in 0..10 {
        let samples = calgary(3000, seed);
        for intervals in [Intervals::Wald, Intervals::Profile] {
            let mut options = with(STUDENT, SpreadModel::Budge, Loss::LeastSquares);
            options.intervals = intervals;
            let report = fitted("kwh", &samples, &options);
            assert_eq!(report.termination, Termination::GradientConverged);
            for e in &report.estimates {
                let off = (e.value - truth(&e.name)).abs() / e.std_error.unwrap();
                assert!(off < 5.0, "{e:?}");
                let (low, high) = (e.interval.0.unwrap(), e.interval.1.unwrap());
                assert!(low < e.value && e.value < high, "{e:?}");
            }
            assert!((report.metrics.unwrap().share_under_p90 - 0.9).abs() < 0.03);
        }
    }
}

#[test]
fn limits_are_the_simpler_fit() {
    let samples = normal(1500, 3);
    let constant = |errors| with(errors, SpreadModel::Constant, Loss::LeastSquares);
    let plain = fitted("kwh", &samples, &FitOptions::default());
    let student = fitted("kwh", &samples, &constant(Errors::StudentT { dof: Some(1e9) }));
    let n: f64 = 1500.0;
    for e in &plain.estimates {
        let other = estimate(&student, &e.name);
        // The likelihood divides by n where least squares divides by n − 2.
        let ratio = if e.name == "sigma_log" { ((n - 2.0) / n).sqrt() } else { 1.0 };
        assert!((other.value / e.value / ratio - 1.0).abs() < 1e-6, "{e:?} {other:?}");
        let both = (e.std_error.unwrap(), other.std_error.unwrap());
        // Expected and observed information: they differ by the records near the knot.
        assert!((both.0 / both.1 - 1.0).abs() < 0.15, "{e:?} {other:?}");
    }
    let (a, b) = (plain.log_likelihood.unwrap(), student.log_likelihood.unwrap());
    assert!((a - b).abs() < 1e-4, "{a} {b}");
    let estimated = fitted("kwh", &samples, &constant(STUDENT));
    let dof = estimate(&estimated, "tail_dof");
    assert!(
        dof.value > 20.0 && (dof.value < 200.0 || dof.reason.contains("upper bound")),
        "{dof:?}"
    );
    for loss in [Loss::Huber, Loss::SoftL1, Loss::Cauchy, Loss::Tukey] {
        let robust = fitted("kwh", &samples, &with(Errors::Normal, SpreadModel::Constant, loss));
        assert_eq!(robust.covariance, "sandwich");
        for e in &plain.estimates[..2] {
            let other = estimate(&robust, &e.name);
            let off = (other.value - e.value).abs() / e.std_error.unwrap();
            assert!(off < 0.5, "{loss:?} {e:?} {other:?}");
            let ratio = other.std_error.unwrap() / e.std_error.unwrap();
            assert!((0.8..1.3).contains(&ratio), "{loss:?} {ratio}");
        }
    }
}

/// A wide fixed scale makes every loss a square.
#[test]
fn a_wide_scale_is_least_squares() {
    let samples = calgary(500, 8);
    let plain = fitted("kwh", &samples, &FitOptions::default());
    for loss in [Loss::Huber, Loss::SoftL1, Loss::Cauchy, Loss::Tukey] {
        let mut options = with(Errors::Normal, SpreadModel::Constant, loss);
        options.scale = Some(1e5);
        let robust = fitted("kwh", &samples, &options);
        for e in &plain.estimates[..2] {
            assert!((estimate(&robust, &e.name).value / e.value - 1.0).abs() < 1e-7, "{loss:?}");
        }
        let sigma = estimate(&robust, "sigma_log");
        assert_eq!((sigma.value, sigma.identification), (1e5, Identification::Fixed));
    }
}

/// Sums of residuals by hand: one parameter, whose column is −1 everywhere.
#[test]
fn the_sandwich_of_a_mean_is_known() {
    let samples = calgary(200, 2);
    let mut options = FitOptions { covariance: Covariance::Sandwich, ..FitOptions::default() };
    let report = fitted("constant", &samples, &options);
    let speed = estimate(&report, "cruise_speed_kmh");
    let residuals = samples.iter().map(|s| {
        (s.distance_km / (speed.value / 60.0)).ln() - (f64::from(s.travel_time_s) / 60.0).ln()
    });
    let squares: f64 = residuals.map(|r| r * r).sum();
    let expected = (squares / 200.0 / 199.0).sqrt();
    assert!((speed.std_error.unwrap() / speed.value / expected - 1.0).abs() < 1e-9);
    assert_eq!(report.covariance, "sandwich");
    // For a model that is linear on this scale the profile of squares is a parabola.
    options.covariance = Covariance::Auto;
    let wald = fitted("constant", &samples, &options);
    options.intervals = Intervals::Profile;
    let profile = fitted("constant", &samples, &options);
    let ends = |report: &FitReport| estimate(report, "cruise_speed_kmh").interval;
    let close = |a: Option<f64>, b: Option<f64>| (a.unwrap() / b.unwrap() - 1.0).abs() < 1e-6;
    let (a, b) = (ends(&wald), ends(&profile));
    assert!(close(a.0, b.0) && close(a.1, b.1), "{a:?} {b:?}");
    let figure = wald.medians_at(&*model("constant"), &[3.0], 0.95).unwrap().remove(0);
    let v = estimate(&wald, "cruise_speed_kmh");
    assert!((figure.median_s / (3.0 / v.value * 3600.0) - 1.0).abs() < 1e-12);
    let (low, high) = figure.interval_s.unwrap();
    assert!((low / (3.0 / v.interval.1.unwrap() * 3600.0) - 1.0).abs() < 1e-9);
    assert!((high / (3.0 / v.interval.0.unwrap() * 3600.0) - 1.0).abs() < 1e-9);
}

#[test]
fn a_profile_may_be_open_to_one_side() {
    let lengths = TripLengths { max_km: 4.3, ..TripLengths::default() };
    let curve = published::CALGARY.curve().unwrap();
    for errors in [Errors::Normal, Errors::StudentT { dof: Some(5.0) }] {
        let mut options = with(errors, SpreadModel::Constant, Loss::LeastSquares);
        options.intervals = Intervals::Profile;
        let samples = draw(&curve, &Spread::Normal { sigma_log: 0.25 }, &lengths, 400, 4);
        let report = fitted("kwh", &samples, &options);
        let v = estimate(&report, "cruise_speed_kmh");
        assert!(v.interval.0.unwrap() < v.value && v.interval.1.is_none(), "{v:?}");
        assert!(v.reason.contains("above"), "{v:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn order_changes_no_bit(seed in 0..1000u64) {
        let mut samples = calgary(300, seed);
        for options in objectives() {
            for name in ["power", "kwh", "kwh_intercept"] {
                let before = fitted(name, &samples, &options);
                samples.reverse();
                samples.rotate_left(seed as usize % 300);
                prop_assert_eq!(&before, &fitted(name, &samples, &options));
            }
        }
    }

    #[test]
    fn weight_two_is_the_record_twice(seed in 0..1000u64) {
        let mut samples = calgary(400, seed);
        let mut repeated = samples.clone();
        repeated.extend_from_slice(&samples[..150]);
        for sample in &mut samples[..150] {
            sample.weight = 2.0;
        }
        for options in objectives() {
            let weighted = fitted("kwh", &samples, &options);
            let twice = fitted("kwh", &repeated, &options);
            for (a, b) in weighted.estimates.iter().zip(&twice.estimates) {
                let size = a.std_error.unwrap_or(a.value.abs());
                prop_assert!((a.value - b.value).abs() <= 1e-4 * size, "{a:?} {b:?} {options:?}");
                let errors = a.std_error.zip(b.std_error);
                prop_assert!(errors.is_none_or(|(a, b)| (a / b - 1.0).abs() < 1e-3), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn minutes_and_kilometres_scale_out(seed in 0..1000u64) {
        let samples = calgary(500, seed);
        let scaled: Vec<Sample> = (samples.iter())
            .map(|s| Sample {
                distance_km: 4.0 * s.distance_km,
                travel_time_s: 2.0 * s.travel_time_s,
                weight: 1.0,
            })
            .collect();
        let factors = [
            ("acceleration_km_min2", 1.0), ("cruise_speed_kmh", 2.0), ("sigma_log", 1.0),
            ("spread_b0", 4.0), ("spread_b1", 2.0), ("spread_b2", 1.0), ("tail_dof", 1.0),
        ];
        for options in objectives() {
            let (one, other) = (fitted("kwh", &samples, &options), fitted("kwh", &scaled, &options));
            for (a, b) in one.estimates.iter().zip(&other.estimates) {
                let factor = factors.iter().find(|(name, _)| a.name == *name).unwrap().1;
                let size = a.std_error.unwrap_or(a.value.abs());
                prop_assert!((a.value - b.value / factor).abs() <= 1e-4 * size, "{a:?} {b:?}");
            }
        }
    }
}

/// Every objective with every way to tell the uncertainty.
fn every_option() -> Vec<FitOptions> {
    let mut all = objectives();
    all.push(FitOptions::default());
    let sandwich = |o: &FitOptions| FitOptions { covariance: Covariance::Sandwich, ..o.clone() };
    let profile = |o: &FitOptions| FitOptions {
        intervals: Intervals::Profile,
        max_iterations: 30,
        ..o.clone()
    };
    let more: Vec<FitOptions> = all.iter().map(sandwich).chain(all.iter().map(profile)).collect();
    all.extend(more);
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_input_gives_a_report_of_finite_numbers(
        samples in super::laws::any_samples(),
        options in prop::sample::select(every_option()),
    ) {
        {
            for name in models::NAMES {
                let report = fitted(name, &samples, &options);
                super::laws::assert_finite(&report)?;
                prop_assert_eq!(report.n_records, samples.len());
                let n = report.estimates.len();
                prop_assert_eq!(report.correlations.len(), n * n);
                prop_assert!(n > 0 || !report.message.is_empty(), "{:?}", report);
                let told = [report.log_likelihood, report.aic, report.bic];
                prop_assert!(told.iter().flatten().all(|x| x.is_finite()));
                let Some(solution) = &report.solution else { continue };
                let all = [&solution.parameters, &solution.information, &solution.covariance];
                prop_assert!(all.iter().all(|v| v.iter().all(|x| x.is_finite())));
                prop_assert_eq!(solution.gradient.len(), n);
                let figures = report.medians_at(&*model(name), &[1.0, 2.0, 5.0], 0.95);
                for figure in figures.iter().flatten() {
                    let (low, high) = figure.interval_s.unwrap_or((1.0, 1.0));
                    prop_assert!(figure.median_s.is_finite() && low.is_finite() && high.is_finite());
                }
            }
        }
    }
}

#[test]
fn stopping_is_noticed_at_every_step() {
    let observations = Observations::new(calgary(300, 1));
    for options in objectives() {
        for limit in [0, 3, 9, 12] {
            let asked = Cell::new(0);
            let stopped = || {
                asked.set(asked.get() + 1);
                asked.get() > limit
            };
            let report = fit(&*model("kwh"), &observations, &options, &stopped);
            assert_eq!(report.termination, Termination::Cancelled, "{options:?} {limit}");
            assert!(report.estimates.is_empty() && !report.message.is_empty());
        }
    }
}

fn bounded(bounds: &[(&str, f64, f64)], options: FitOptions) -> FitOptions {
    let bounds = bounds.iter().map(|&(name, min, max)| Bound { name: name.to_owned(), min, max });
    FitOptions { bounds: bounds.collect(), ..options }
}

#[test]
fn bounds_hold_and_equal_ones_fix() {
    let samples = calgary(800, 6);
    let budge = || with(STUDENT, SpreadModel::Budge, Loss::LeastSquares);
    let huber = || with(Errors::Normal, SpreadModel::Constant, Loss::Huber);
    for options in [FitOptions::default(), huber(), budge()] {
        let options = bounded(
            &[("cruise_speed_kmh", 70.0, 70.0), ("acceleration_km_min2", 0.0, 0.3)],
            options,
        );
        options.check(&*model("kwh")).unwrap();
        let report = fitted("kwh", &samples, &options);
        let (a, v) = (&report.estimates[0], &report.estimates[1]);
        assert!((v.value - 70.0).abs() < 1e-9 && v.identification == Identification::Fixed);
        assert!(
            (a.value - 0.3).abs() < 1e-9 && a.identification == Identification::AtBound,
            "{a:?}"
        );
        assert!(a.reason.contains("upper bound") && a.std_error.is_none());
    }
    let options = bounded(&[("tail_dof", 10.0, 50.0), ("spread_b1", 0.0, 0.0)], budge());
    options.check(&*model("kwh")).unwrap();
    let report = fitted("kwh", &samples, &options);
    let (b1, dof) = (estimate(&report, "spread_b1"), estimate(&report, "tail_dof"));
    assert_eq!((b1.value, b1.identification), (0.0, Identification::Fixed));
    assert!((dof.value - 10.0).abs() < 1e-9 && dof.reason.contains("lower bound"), "{dof:?}");
}

#[test]
fn what_cannot_be_met_is_refused_beforehand() {
    let check = |bounds: &[(&str, f64, f64)], expected: &str| {
        let options = bounded(bounds, FitOptions::default());
        let error = options.check(&*model("kwh_intercept")).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let report = fitted("kwh_intercept", &calgary(50, 1), &options);
        assert!(report.message.contains(expected), "{}", report.message);
    };
    check(&[("intercept_min", 2.0, 1.0)], "the range of `intercept_min`, 2 to 1, is empty");
    check(&[("intercept_min", f64::NAN, 1.0)], "the range of `intercept_min`, NaN to 1, is empty");
    check(
        &[("intercept_min", -2.0, -1.0)],
        "the range of `intercept_min`, -2 to -1, is outside what it can be",
    );
    check(
        &[("cruise_speed_kmh", -2.0, 5.0)],
        "the range of `cruise_speed_kmh`, -2 to 5, is outside what it can be",
    );
    check(
        &[("speed", 1.0, 2.0)],
        "no parameter `speed` can be bounded here; there are `intercept_min`, \
         `acceleration_km_min2`, `cruise_speed_kmh`",
    );
    let twice = [("intercept_min", 0.0, 1.0), ("intercept_min", 0.0, 2.0)];
    check(&twice, "parameter `intercept_min` is bounded twice");
    let robust = with(STUDENT, SpreadModel::Constant, Loss::Huber);
    let error = robust.check(&*model("kwh")).unwrap_err();
    assert_eq!(error, OptionsError::LossNeedsNormal { loss: "huber" });
    let none = FitOptions { scale: Some(0.0), ..FitOptions::default() };
    assert!(matches!(none.check(&*model("kwh")), Err(OptionsError::NotPositive { .. })));
    let open = bounded(&[("cruise_speed_kmh", 0.0, f64::INFINITY)], FitOptions::default());
    assert_eq!(open.check(&*model("kwh")), Ok(()));
}
