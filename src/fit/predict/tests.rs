//! Figures and intervals against closed forms and draws.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal, StudentT};

use super::*;

fn rows(values: &[(&str, f64, f64)]) -> Vec<Published> {
    let row = |&(name, value, error): &(&str, f64, f64)| Published {
        name: name.to_owned(),
        value,
        std_error: (error > 0.0).then_some(error),
    };
    values.iter().map(row).collect()
}

fn predictor(values: &[(&str, f64, f64)], correlations: &[Option<f64>]) -> Predictor {
    Predictor::new(None, rows(values), correlations, 0.95).unwrap()
}

fn ask(distance_km: f64) -> Ask {
    Ask {
        route: Route::Distance(distance_km),
        factors: vec![],
        quantiles: vec![0.5, 0.9],
        targets_s: vec![360.0],
    }
}

fn close(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-7, "{found} and {expected}");
}

fn is(figure: Figure, value: f64, interval: (f64, f64)) {
    close(figure.value, value);
    let (low, high) = figure.interval.unwrap();
    close(low, interval.0);
    close(high, interval.1);
}

/// R: `qnorm(0.9)`, `qnorm(0.975)`.
const Z90: f64 = 1.281_551_565_544_600_4;
const Z975: f64 = 1.959_963_984_540_054;

/// T = d/v at 30 km/h: 4 min at 2 km. Everything follows by hand.
#[test]
fn figures_are_those_of_the_formulas() {
    let (v, sigma) = (("cruise_speed_kmh", 30.0, 1.5), ("sigma_log", 0.4, 0.02));
    let found = predictor(&[v, sigma], &[Some(0.3)]).predict(&ask(2.0)).unwrap();
    let around = |value: f64, error: f64| {
        (value, (value * (-Z975 * error).exp(), value * (Z975 * error).exp()))
    };
    let check = |figure: Figure, ln_value: f64, by_v: f64, by_sigma: f64| {
        let variance = by_v * by_v + by_sigma * by_sigma + 2.0 * 0.3 * by_v * by_sigma;
        let (value, interval) = around(60.0 * ln_value.exp(), variance.sqrt());
        is(figure, value, interval);
    };
    let ln_median = 4.0_f64.ln();
    check(found.median_s, ln_median, -0.05, 0.0);
    check(found.mean_s.unwrap(), ln_median + 0.08, -0.05, 0.4 * 0.02);
    assert_eq!(found.quantiles_s[0].1, found.median_s);
    check(found.quantiles_s[1].1, ln_median + 0.4 * Z90, -0.05, 0.02 * Z90);
    assert_eq!(found.taken_as_known, Vec::<String>::new());
    assert_eq!(found.distance_km, 2.0);

    // P(T <= 6 min) = Φ(z); the logit moves by φ/(P(1 − P)) per unit of z.
    let z = 1.5_f64.ln() / 0.4;
    let p = Law::Normal.cdf(z);
    let per_z = Law::Normal.ln_density(z).exp() / (p * (1.0 - p));
    let (by_v, by_sigma) = (0.05 / 0.4, -z * 0.02 / 0.4);
    let error = per_z * (by_v * by_v + by_sigma * by_sigma + 0.6 * by_v * by_sigma).sqrt();
    let logit = (p / (1.0 - p)).ln();
    let end = |by: f64| 1.0 / (1.0 + (-(logit + by * Z975 * error)).exp());
    let (target_s, within) = found.within[0];
    assert_eq!(target_s, 360.0);
    is(within, p, (end(-1.0), end(1.0)));
}

#[test]
fn correlations_that_are_not_there_count_as_none() {
    let three =
        [("intercept_min", 1.0, 0.1), ("cruise_speed_kmh", 60.0, 3.0), ("sigma_log", 0.3, 0.0)];
    let check = |correlations: &[Option<f64>], known: Correlations, r: f64| {
        let predictor = predictor(&three, correlations);
        assert_eq!(predictor.correlations(), known, "{correlations:?}");
        let found = predictor.predict(&ask(3.0)).unwrap();
        // T = 1 + 3 min: ln T moves by 1/4 per minute of t0, and by −3/4 per unit of ln v.
        let (a, b) = (0.1 / 4.0, -0.75 * 0.05);
        let half = Z975 * f64::sqrt(a * a + b * b + 2.0 * r * a * b);
        is(found.median_s, 240.0, (240.0 * (-half).exp(), 240.0 * half.exp()));
        assert_eq!(found.taken_as_known, ["sigma_log"]);
    };
    check(&[Some(-0.8), None, None], Correlations::Known, -0.8);
    check(&[None, None, None], Correlations::TakenAsIndependent, 0.0);
    check(&[], Correlations::TakenAsIndependent, 0.0);
    check(&[Some(-0.8)], Correlations::TakenAsIndependent, 0.0);
    check(&[Some(7.0), None, None], Correlations::TakenAsIndependent, 0.0);
}

#[test]
fn a_heavy_tail_has_quantiles_and_no_mean() {
    let values = [
        ("acceleration_km_min2", 0.682, 0.02),
        ("cruise_speed_kmh", 100.7, 3.0),
        ("spread_b0", 0.336, 0.05),
        ("spread_b1", 0.000_058, 0.0),
        ("spread_b2", 0.0388, 0.004),
        ("tail_dof", 4.0, 0.4),
    ];
    let predictor = predictor(&values, &[]);
    assert!(predictor.is_heavy_tailed());
    let found = predictor.predict(&ask(2.0)).unwrap();
    assert_eq!(found.mean_s, None);
    let m = 2.0 * f64::sqrt(2.0 / 0.682);
    let common = (0.0388 + 1.0) * (0.336 + 0.000_058 * m);
    let c = (common + 0.0388 * m * m).sqrt() / m;
    close(found.median_s.value, 60.0 * m);
    // R: `qt(0.9, 4)`.
    let z = 1.533_206_274_058_943;
    close(found.quantiles_s[1].1.value, 60.0 * m * (c * z).exp());
    close(found.within[0].1.value, Law::StudentT { dof: 4.0 }.cdf((6.0 / m).ln() / c));
    // Short of the knot the speed plays no part, and neither do the tail and the spread in the
    // median.
    let (low, high) = found.median_s.interval.unwrap();
    close((high / low).ln(), 2.0 * Z975 * 0.5 * 0.02 / 0.682);
    assert_eq!(found.taken_as_known, ["spread_b1"]);
    let (low, high) = found.quantiles_s[1].1.interval.unwrap();
    assert!((high / low).ln() > 2.0 * Z975 * 0.5 * 0.02 / 0.682);
}

/// The spread moves b0, and 1/dof moves the tail: both by differences of the closed formulas.
#[test]
fn spread_and_tail_move_their_quantiles() {
    let at = |b0: f64, dof: f64| {
        let m = 4.0;
        let c = f64::sqrt((0.0388 + 1.0) * b0 + 0.0388 * m * m) / m;
        f64::ln(m) + c * Law::StudentT { dof }.quantile(0.9)
    };
    let check = |error_b0: f64, error_dof: f64, half: f64| {
        let values = [
            ("cruise_speed_kmh", 30.0, 0.0),
            ("spread_b0", 0.336, error_b0),
            ("spread_b1", 0.0, 0.0),
            ("spread_b2", 0.0388, 0.0),
            ("tail_dof", 4.0, error_dof),
        ];
        let found = predictor(&values, &[]).predict(&ask(2.0)).unwrap();
        let (low, high) = found.quantiles_s[1].1.interval.unwrap();
        assert!(((high / low).ln() / (2.0 * half) - 1.0).abs() < 1e-6, "{low} {high} {half}");
    };
    let h = 1e-4;
    check(0.05, 0.0, Z975 * 0.05 * (at(0.336 + h, 4.0) - at(0.336 - h, 4.0)).abs() / (2.0 * h));
    // One unit of 1/dof is dof² degrees of freedom.
    let by_u = (at(0.336, 1.0 / (0.25 + h)) - at(0.336, 1.0 / (0.25 - h))).abs() / (2.0 * h);
    check(0.0, 0.4, Z975 * 0.4 / 16.0 * by_u);
}

#[test]
fn known_parameters_have_no_interval_and_are_told() {
    let values = [
        ("acceleration_km_min2", 0.682, 0.0),
        ("cruise_speed_kmh", 100.7, 0.0),
        ("sigma_log", 0.3, 0.0),
    ];
    let found = |km| predictor(&values, &[]).predict(&ask(km)).unwrap();
    let short = found(2.0);
    assert_eq!((short.median_s.interval, short.within[0].1.interval), (None, None));
    assert_eq!(short.taken_as_known, ["acceleration_km_min2", "sigma_log"]);
    assert_eq!(found(9.0).taken_as_known.len(), 3);
    // Another law at an intercept on its bound.
    let bound = [("intercept_min", 0.0, 0.0), ("cruise_speed_kmh", 60.0, 1.0), values[2]];
    let found = predictor(&bound, &[]).predict(&ask(2.0)).unwrap();
    close(found.median_s.value, 120.0);
    assert_eq!(found.taken_as_known, ["intercept_min", "sigma_log"]);
}

#[test]
fn factors_multiply_the_median() {
    let values = [
        ("cruise_speed_kmh", 60.0, 0.0),
        ("factor_band_night", 0.8, 0.04),
        ("factor_priority_2", 1.25, 0.05),
        ("sigma_log", 0.3, 0.0),
    ];
    let predictor = predictor(&values, &[]);
    assert_eq!(predictor.factors(), ["band_night", "priority_2"]);
    let with = |factors: &[&str]| {
        let factors = factors.iter().map(|&f| f.to_owned()).collect();
        predictor.predict(&Ask { factors, ..ask(2.0) })
    };
    assert_eq!(with(&[]).unwrap().median_s, Figure { value: 120.0, interval: None });
    let half = Z975 * 0.05;
    is(with(&["band_night"]).unwrap().median_s, 96.0, (96.0 * (-half).exp(), 96.0 * half.exp()));
    close(with(&["band_night", "priority_2"]).unwrap().median_s.value, 120.0);
    let error = with(&["band_day"]).unwrap_err().to_string();
    assert_eq!(error, "there is no factor `band_day`; there are `band_night`, `priority_2`");
}

#[test]
fn ways_by_class_of_road_add_up() {
    let values = [
        ("intercept_min", 1.0, 0.0),
        ("class_speed_motorway_kmh", 120.0, 6.0),
        ("class_speed_street_kmh", 30.0, 0.0),
        ("sigma_log", 0.3, 0.0),
    ];
    let predictor = predictor(&values, &[]);
    assert_eq!(predictor.model(), "road_class");
    let on = |lengths: &[(&str, f64)]| {
        let lengths = lengths.iter().map(|&(class, km)| (class.to_owned(), km)).collect();
        predictor.predict(&Ask { route: Route::Classes(lengths), ..ask(1.0) })
    };
    let found = on(&[("motorway", 4.0), ("street", 0.5)]).unwrap();
    assert_eq!(found.distance_km, 4.5);
    // 1 + 2 + 1 min; half of it moves with the motorway's speed.
    let half = Z975 * 0.5 * 0.05;
    is(found.median_s, 240.0, (240.0 * (-half).exp(), 240.0 * half.exp()));
    assert_eq!(on(&[("street", 0.5)]).unwrap().median_s.interval, None);
    let told = |found: Result<Prediction, PredictError>| found.unwrap_err().to_string();
    assert_eq!(
        told(on(&[("lane", 1.0)])),
        "there is no class of roads `lane`; there are `motorway`, `street`"
    );
    assert_eq!(told(on(&[("street", -1.0)])), "a distance must be above 0 km and finite, not -1");
    assert_eq!(told(on(&[])), "a distance must be above 0 km and finite, not 0");
    assert_eq!(
        told(predictor.predict(&ask(2.0))),
        "model `road_class` needs the length on each class of road; there are `motorway`, `street`"
    );
}

#[test]
fn names_tell_the_model() {
    let check = |names: &[&str], named: Option<&str>, expected: &str| {
        let found = model_of(names, named).unwrap_or_else(|error| error.to_string());
        assert_eq!(found, expected, "{names:?}");
    };
    let (a, v, t0) = ("acceleration_km_min2", "cruise_speed_kmh", "intercept_min");
    check(&[v, "sigma_log"], None, "constant");
    check(&[t0, v, "sigma_log", "tail_dof"], None, "linear");
    check(&["power_coefficient", "power_exponent"], None, "power");
    check(&["sqrt_coefficient_min", "factor_night"], None, "sqrt");
    check(&[a, v, "spread_b0", "spread_b1", "spread_b2"], None, "kwh");
    check(&[v, a, t0], Some("kwh_intercept"), "kwh_intercept");
    check(&["class_speed_primary_kmh"], None, "road_class");
    check(&[t0, "class_speed_a_kmh", "class_speed_b_kmh"], Some("road_class"), "road_class");
    check(
        &[a, t0],
        None,
        "the parameters `acceleration_km_min2`, `intercept_min` are those of no model",
    );
    check(
        &["class_speed_a_kmh", v],
        None,
        "the parameters `class_speed_a_kmh`, `cruise_speed_kmh` are those of no model",
    );
    check(&[v, "cubic"], None, "parameter `cubic` is not known");
    let missing =
        "the parameters do not make a curve of model `kwh`: one is missing or out of range";
    check(&[v], Some("kwh"), missing);
}

#[test]
fn every_model_of_the_menu_is_told_by_its_names() {
    for name in crate::fit::models::NAMES {
        let model = crate::fit::models::by_name(name).unwrap();
        let names: Vec<&str> = model.parameters().iter().map(|spec| &*spec.name).collect();
        assert_eq!(model_of(&names, None).as_deref(), Ok(name));
        for spec in model.parameters() {
            let expected = match spec.transform {
                crate::fit::models::Transform::Identity => FitScale::Identity,
                crate::fit::models::Transform::Exponential { .. } => FitScale::Logarithm,
                crate::fit::models::Transform::Reciprocal => panic!("a model by classes"),
            };
            assert_eq!(FitScale::of(&spec.name), expected, "{}", spec.name);
        }
    }
}

#[test]
fn what_makes_no_distribution_says_why() {
    let check = |values: &[(&str, f64, f64)], expected: &str| {
        let error = Predictor::new(None, rows(values), &[], 0.95).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    };
    let v = ("cruise_speed_kmh", 60.0, 0.0);
    let sigma = ("sigma_log", 0.3, 0.0);
    check(&[v], "there is no spread among the parameters");
    check(&[v, ("sigma_log", f64::NAN, 0.0)], "there is no spread");
    check(&[v, ("sigma_log", 0.0, 0.0)], "there is no spread");
    check(&[v, sigma, ("tail_dof", 0.0, 0.0)], "`tail_dof` must be above 0");
    check(&[("cruise_speed_kmh", -60.0, 0.0), sigma], "the parameters do not make a curve");
    check(&[v, sigma, ("factor_x", 0.0, 0.0)], "the parameters do not make a curve");
    check(&[], "the parameters `` are those of no model");
}

#[test]
fn what_no_trip_has_is_refused() {
    let predictor = predictor(&[("cruise_speed_kmh", 60.0, 0.0), ("sigma_log", 0.3, 0.0)], &[]);
    let check = |ask: Ask, expected: PredictError| {
        assert_eq!(predictor.predict(&ask), Err(expected));
    };
    check(ask(0.0), PredictError::Distance(0.0));
    check(ask(-1.0), PredictError::Distance(-1.0));
    check(ask(f64::INFINITY), PredictError::Distance(f64::INFINITY));
    check(Ask { quantiles: vec![0.5, 1.0], ..ask(1.0) }, PredictError::Quantile(1.0));
    check(Ask { targets_s: vec![0.0], ..ask(1.0) }, PredictError::Target(0.0));
    let classes = Route::Classes(vec![("a".to_owned(), 1.0)]);
    let error = predictor.predict(&Ask { route: classes, ..ask(1.0) }).unwrap_err();
    assert!(error.to_string().contains("give the distance"), "{error}");
}

/// Times drawn from the law fall under each quantile, and within each target, as often as told.
#[test]
fn draws_fall_where_they_are_told_to() {
    let values = [("cruise_speed_kmh", 30.0, 0.0), ("sigma_log", 0.3, 0.0), ("tail_dof", 4.0, 0.0)];
    let predictor = predictor(&values, &[]);
    let quantiles = vec![0.05, 0.5, 0.9, 0.99];
    let asked = Ask { quantiles, targets_s: vec![120.0, 240.0, 500.0], ..ask(2.0) };
    let found = predictor.predict(&asked).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let law = StudentT::new(4.0).unwrap();
    let n = 40_000;
    let times: Vec<f64> = (0..n).map(|_| 240.0 * f64::exp(0.3 * law.sample(&mut rng))).collect();
    let check = |time_s: f64, share: f64| {
        let under = times.iter().filter(|t| **t <= time_s).count();
        let four = 4.0 * (share * (1.0 - share) / f64::from(n)).sqrt();
        let drawn = under as f64 / f64::from(n);
        assert!((drawn - share).abs() < four, "{time_s}: {drawn} and {share}");
    };
    for (share, figure) in &found.quantiles_s {
        check(figure.value, *share);
    }
    for (target_s, figure) in &found.within {
        check(*target_s, figure.value);
    }
}

/// The figures of parameters drawn about the published ones scatter as the intervals say.
#[test]
fn intervals_hold_what_drawn_parameters_give() {
    let (a, v, sigma) = ((0.682, 0.02), (60.0, 1.2), (0.3, 0.01));
    let r = [-0.6, 0.2, -0.1];
    let at = |x: [f64; 3]| {
        let values = [
            ("acceleration_km_min2", x[0], a.1),
            ("cruise_speed_kmh", x[1], v.1),
            ("sigma_log", x[2], sigma.1),
        ];
        let asked = Ask { targets_s: vec![300.0], ..ask(4.0) };
        predictor(&values, &r.map(Some)).predict(&asked).unwrap()
    };
    // The triangle of the correlations: x = L·z.
    let l11 = f64::sqrt(1.0 - r[0] * r[0]);
    let l21 = (r[2] - r[0] * r[1]) / l11;
    let l22 = (1.0 - r[1] * r[1] - l21 * l21).sqrt();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let n = 2_000;
    let drawn: Vec<Prediction> = (0..n)
        .map(|_| {
            let z: [f64; 3] = std::array::from_fn(|_| StandardNormal.sample(&mut rng));
            let x = [z[0], r[0] * z[0] + l11 * z[1], r[1] * z[0] + l21 * z[1] + l22 * z[2]];
            let scaled = |(value, error): (f64, f64), x: f64| value * (error / value * x).exp();
            at([scaled(a, x[0]), scaled(v, x[1]), scaled(sigma, x[2])])
        })
        .collect();
    let centre = at([a.0, v.0, sigma.0]);
    let check = |of: fn(&Prediction) -> Figure| {
        let (low, high) = of(&centre).interval.unwrap();
        let inside = drawn.iter().map(|p| of(p).value).filter(|x| (low..=high).contains(x));
        let share = inside.count() as f64 / f64::from(n);
        // Four standard deviations of 95 % of 2,000.
        assert!((share - 0.95).abs() < 0.0195, "{share}");
    };
    check(|p| p.median_s);
    check(|p| p.mean_s.unwrap());
    check(|p| p.quantiles_s[1].1);
    check(|p| p.within[0].1);
}

proptest! {
    /// Whatever finite rows come, there is an error, or figures that are numbers and in order.
    #[test]
    fn no_figure_is_not_a_number(
        logs in prop::array::uniform6(-300.0..300.0_f64),
        errors in prop::array::uniform6(prop::option::of(-20.0..20.0_f64)),
        r in prop::collection::vec(prop::option::of(-1.0..1.0_f64), 15),
        ln_km in -300.0..300.0_f64,
        ln_target in -300.0..300.0_f64,
        p in 1e-9..1.0_f64,
    ) {
        let names = ["acceleration_km_min2", "cruise_speed_kmh", "spread_b0", "spread_b1",
            "spread_b2", "tail_dof"];
        let row = |i: usize| Published {
            name: names[i].to_owned(),
            value: logs[i].exp(),
            std_error: errors[i].map(f64::exp),
        };
        let predictor = Predictor::new(None, (0..6).map(row).collect(), &r, 0.95).unwrap();
        let asked = Ask {
            route: Route::Distance(ln_km.exp()),
            factors: vec![],
            quantiles: vec![p],
            targets_s: vec![ln_target.exp()],
        };
        match predictor.predict(&asked) {
            Ok(found) => {
                let within = found.within[0].1;
                prop_assert!((0.0..=1.0).contains(&within.value));
                for figure in [found.median_s, found.quantiles_s[0].1, within] {
                    prop_assert!(figure.value.is_finite() && figure.value >= 0.0);
                    if let Some((low, high)) = figure.interval {
                        prop_assert!(low.is_finite() && high.is_finite());
                        prop_assert!(low <= figure.value && figure.value <= high);
                    }
                }
            }
            Err(error) => prop_assert_eq!(error, PredictError::OutOfRange),
        }
    }
}
