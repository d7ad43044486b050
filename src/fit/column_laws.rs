//! Laws of the models that read columns: `road_class`, and factors over every model.

use std::sync::Arc;

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::models::{self, Model, RoadClass, WithFactors};
use super::{
    Columns, Curve, Estimate, FitOptions, FitReport, Identification, Observations, Sample,
    Termination, fit,
};

const CLASSES: [&str; 3] = ["motorway", "main", "street"];
const LEVELS: [&str; 3] = ["band_night", "band_peak", "priority_2"];
/// Reference, night, peak; the same with the second priority.
const CELLS: [[f64; 3]; 6] =
    [[0., 0., 0.], [1., 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 0., 1.], [0., 1., 1.]];
const LN_FACTORS: [f64; 3] = [-0.2, 0.25, 0.3];
const TRUTH: [(&str, f64); 9] = [
    ("acceleration_km_min2", 0.5),
    ("cruise_speed_kmh", 45.0),
    ("intercept_min", 1.5),
    ("power_coefficient", 2.2),
    ("power_exponent", 0.7),
    ("sqrt_coefficient_min", 2.6),
    ("class_speed_motorway_kmh", 90.0),
    ("class_speed_main_kmh", 45.0),
    ("class_speed_street_kmh", 20.0),
];

fn road_class(classes: &[&str]) -> Arc<dyn Model> {
    Arc::new(RoadClass::new(classes).unwrap())
}

/// Every model that there is.
fn inner_models() -> impl Iterator<Item = Arc<dyn Model>> {
    let plain = models::NAMES.into_iter().map(|name| models::by_name(name).unwrap());
    plain.chain(std::iter::once(road_class(&CLASSES)))
}

fn with_factors(inner: Arc<dyn Model>) -> Arc<dyn Model> {
    let cells: Vec<Vec<f64>> = CELLS.iter().map(|row| row.to_vec()).collect();
    Arc::new(WithFactors::new(inner, &LEVELS, &cells).unwrap())
}

/// Every model, and every model with factors.
fn all_models() -> Vec<Arc<dyn Model>> {
    inner_models().chain(inner_models().map(with_factors)).collect()
}

fn fitted(model: &dyn Model, samples: &[Sample], columns: &Columns) -> FitReport {
    let observations = Observations::with_columns(samples.to_vec(), columns.clone());
    fit(model, &observations, &FitOptions::default(), &|| false)
}

fn estimate<'a>(report: &'a FitReport, name: &str) -> &'a Estimate {
    report.estimates.iter().find(|e| e.name == name).unwrap()
}

/// Records whose ways are mixed of three classes, scattered by `sigma` about the curve.
fn records(
    curve: &Curve,
    cells: &[u16],
    sigma: f64,
    n: usize,
    seed: u64,
) -> (Vec<Sample>, Columns) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut columns = Columns { n_classes: 3, ..Columns::default() };
    let mut samples = Vec::with_capacity(n);
    for i in 0..n {
        let lengths: Vec<f64> =
            [8.0, 4.0, 2.0].iter().map(|most| most * rng.random::<f64>().powi(2) + 0.01).collect();
        let cell = cells[i % cells.len()];
        let x = CELLS[usize::from(cell)];
        let shift: f64 = x.iter().zip(LN_FACTORS).map(|(x, beta)| x * beta).sum();
        let noise: f64 = StandardNormal.sample(&mut rng);
        let ln_min = curve.ln_median_min_of_lengths(&lengths) + shift + sigma * noise;
        samples.push(Sample {
            distance_km: lengths.iter().sum(),
            travel_time_s: (60.0 * ln_min.exp()) as f32,
            weight: 1.0,
        });
        columns.cells.push(cell);
        columns.lengths_km.extend(lengths);
    }
    (samples, columns)
}

fn curve_of(model: &dyn Model) -> Curve {
    let known = |name: &str| TRUTH.iter().find(|(n, _)| *n == name).unwrap().1;
    let specs = model.parameters().iter().filter(|spec| !spec.name.starts_with("factor_"));
    Curve::from_rows(model.name(), specs.map(|spec| (&*spec.name, known(&spec.name)))).unwrap()
}

/// Distances and lengths, and a point in the published range of each parameter.
type Place = (Vec<(f64, f64, f64, u16)>, [f64; 7]);

fn place() -> impl Strategy<Value = Place> {
    let length = || prop_oneof![4 => 0.01..20.0f64, 1 => Just(0.0)];
    let row = (0.01..60.0f64, length(), length(), 0..8u16);
    (prop::collection::vec(row, 1..40), prop::array::uniform7(-1.5..1.5f64))
}

proptest! {
    #[test]
    fn jacobian_equals_differences((rows, point) in place(), has_lengths in prop::bool::ANY) {
        let sample = |d| Sample { distance_km: d, travel_time_s: 60.0, weight: 1.0 };
        let samples = rows.iter().map(|row| sample(row.0)).collect();
        let columns = Columns {
            cells: rows.iter().map(|row| row.3).collect(),
            n_classes: if has_lengths { 3 } else { 0 },
            lengths_km: if has_lengths {
                rows.iter().flat_map(|row| [row.0, row.1, row.2]).collect()
            } else {
                Vec::new()
            },
        };
        let observations = Observations::with_columns(samples, columns);
        let n = observations.len();
        for model in all_models() {
            let n_parameters = model.parameters().len();
            let mut p = point[..n_parameters.min(7)].to_vec();
            for (x, spec) in p.iter_mut().zip(model.parameters()) {
                match &*spec.name {
                    "intercept_min" => *x = x.abs(),
                    "power_exponent" => *x = 0.5 + 0.3 * *x,
                    _ => {}
                }
            }
            let value = |p: &[f64]| {
                let (mut out, mut gradient) = (vec![0.0; n], vec![0.0; n * p.len()]);
                model.evaluate(p, observations.distances(), &mut out, &mut gradient);
                (out, gradient)
            };
            let (at, gradient) = value(&p);
            for j in 0..n_parameters {
                let h = 1e-6;
                let shifted = |by: f64| {
                    let mut q = p.clone();
                    q[j] += by;
                    value(&q).0
                };
                let (low, high) = (shifted(-h), shifted(h));
                for i in 0..n {
                    let slope = (high[i] - low[i]) / (2.0 * h);
                    let analytic = gradient[j * n + i];
                    let error = (slope - analytic).abs() / analytic.abs().max(1.0);
                    prop_assert!(error < 2e-6, "{} {j}: {slope} {analytic}", model.name());
                }
            }
            // One trip by itself, at the reference level and the lengths that it has.
            for (i, km) in observations.distances().km().enumerate() {
                let distances = observations.distances();
                let single = if has_lengths && model.name() == models::ROAD_CLASS {
                    let lengths: Vec<f64> = (0..3).map(|c| distances.lengths_km(c)[i]).collect();
                    model.ln_time_of_lengths(&p, &lengths)
                } else {
                    model.ln_time(&p, km)
                };
                let beta = p.iter().zip(model.parameters());
                let beta = beta.filter(|(_, spec)| spec.name.starts_with("factor_"));
                let x = CELLS.get(usize::from(observations.cell(i))).unwrap_or(&CELLS[0]);
                let shift: f64 = beta.zip(x).map(|((beta, _), x)| beta * x).sum();
                prop_assert!((at[i] - single - shift).abs() < 1e-12, "{}", model.name());
            }
        }
    }
}

/// Samples with columns: ordinary, extreme, repeated, few; lengths that have nothing to do with
/// the distance, too.
fn anything() -> impl Strategy<Value = (Vec<Sample>, Columns)> {
    let number = || {
        prop_oneof![
            4 => 0.01..60.0f64,
            1 => Just(2.5),
            1 => prop::sample::select(vec![1e-300, 1e-100, 1e100, 1e300, f64::MAX]),
        ]
    };
    let length = prop_oneof![4 => number(), 2 => Just(0.0)];
    let time = prop_oneof![
        4 => 1.0..7200.0f32,
        1 => prop::sample::select(vec![f32::from_bits(1), 1e-20, 300.0, 1e30, f32::MAX]),
    ];
    let weight = prop_oneof![6 => Just(1.0f32), 1 => prop::sample::select(vec![1e-30, 3.0, 1e38])];
    let row = (number(), time, weight, 0..8u16, prop::array::uniform3(length));
    prop::collection::vec(row, 0..30).prop_map(|rows| {
        let mut columns = Columns { n_classes: 3, ..Columns::default() };
        let samples =
            rows.into_iter().map(|(distance_km, travel_time_s, weight, cell, lengths)| {
                columns.cells.push(cell);
                columns.lengths_km.extend(lengths);
                Sample { distance_km, travel_time_s, weight }
            });
        (samples.collect(), columns)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_input_gives_a_report_of_finite_numbers((samples, columns) in anything()) {
        for model in all_models() {
            let report = fitted(&*model, &samples, &columns);
            prop_assert_eq!(report.n_records, samples.len());
            if report.estimates.is_empty() {
                prop_assert!(!report.message.is_empty(), "{:?}", report);
                prop_assert_eq!(report.termination, Termination::TooFewRecords);
                prop_assert!(samples.len() < model.parameters().len());
                continue;
            }
            prop_assert_eq!(report.estimates.len(), model.parameters().len() + 1);
            for e in &report.estimates {
                let finite = |x: f64| x.is_finite();
                prop_assert!(finite(e.value) && e.std_error.is_none_or(finite), "{e:?}");
                let is_range = |(a, b): (f64, f64)| finite(a) && finite(b) && a <= b;
                prop_assert!(e.interval.0.zip(e.interval.1).is_none_or(is_range), "{e:?}");
                prop_assert!(e.std_error.is_some() || !e.reason.is_empty(), "{e:?}");
            }
            let curve = report.curve().unwrap();
            for d in [1e-300, 2.5, 1e300] {
                let t = curve.median_s(d);
                prop_assert!(t.is_finite() && t > 0.0, "{t} {report:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn order_changes_no_bit(seed in 0..1000u64) {
        for model in all_models() {
            let curve = curve_of(&*model);
            let (samples, columns) = records(&curve, &[0, 1, 2, 3, 4, 5], 0.3, 200, seed);
            let rows: Vec<usize> = (0..200).map(|i| (7 * i + seed as usize) % 200).rev().collect();
            let turned: Vec<Sample> = rows.iter().map(|&row| samples[row]).collect();
            let (one, other) = (
                fitted(&*model, &samples, &columns),
                fitted(&*model, &turned, &columns.select(&rows)),
            );
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn weight_two_is_the_record_twice(seed in 0..1000u64) {
        for model in [road_class(&CLASSES), with_factors(road_class(&CLASSES))] {
            let curve = curve_of(&*model);
            let (mut samples, columns) = records(&curve, &[0, 1, 2, 3, 4, 5], 0.3, 300, seed);
            let first: Vec<usize> = (0..100).collect();
            let mut repeated = (samples.clone(), columns.clone());
            repeated.0.extend_from_slice(&samples[..100]);
            repeated.1.append(&columns.select(&first));
            for sample in &mut samples[..100] {
                sample.weight = 2.0;
            }
            let weighted = fitted(&*model, &samples, &columns);
            let repeated = fitted(&*model, &repeated.0, &repeated.1);
            for (a, b) in weighted.estimates.iter().zip(&repeated.estimates) {
                prop_assert_eq!(a.identification, b.identification);
                prop_assert!((a.value / b.value - 1.0).abs() < 1e-7, "{a:?} {b:?}");
            }
        }
    }

    /// Every model with factors, from its own records; five standard errors are once in two
    /// million.
    #[test]
    fn parameters_and_factors_are_recovered(seed in 0..100_000u64) {
        for model in all_models() {
            let has_factors = model.parameters().iter().any(|s| s.name.starts_with("factor_"));
            let cells: &[u16] = if has_factors { &[0, 1, 2, 3, 4, 5] } else { &[0] };
            let (samples, columns) = records(&curve_of(&*model), cells, 0.2, 3000, seed);
            let report = fitted(&*model, &samples, &columns);
            for spec in model.parameters() {
                let truth = match LEVELS.iter().position(|l| spec.name == format!("factor_{l}")) {
                    Some(at) => LN_FACTORS[at].exp(),
                    None => TRUTH.iter().find(|(n, _)| *n == spec.name).unwrap().1,
                };
                let e = estimate(&report, &spec.name);
                // An intercept may end on its bound where the curve leaves it open.
                let off = (e.value - truth).abs() / e.std_error.unwrap_or(f64::NAN);
                let is_free = e.identification == Identification::Ok;
                prop_assert!(is_free && off < 5.0, "{} {truth} {e:?}", model.name());
            }
        }
    }
}

/// Of 400 intervals of 95 % some 380 cover the truth; 360 is four standard deviations off.
#[test]
fn intervals_cover_as_often_as_they_say() {
    let model = with_factors(road_class(&CLASSES));
    let mut n_covered = 0;
    for seed in 0..100 {
        let (samples, columns) = records(&curve_of(&*model), &[0, 1, 2, 4], 0.25, 400, seed);
        let report = fitted(&*model, &samples, &columns);
        for (name, truth) in [
            ("class_speed_main_kmh", 45.0),
            ("class_speed_street_kmh", 20.0),
            ("factor_band_night", (-0.2f64).exp()),
            ("factor_priority_2", 0.3f64.exp()),
        ] {
            let (low, high) = estimate(&report, name).interval;
            let (low, high) = (low.unwrap(), high.unwrap());
            n_covered += u32::from((low..=high).contains(&truth));
        }
    }
    assert!((360..=396).contains(&n_covered), "{n_covered}");
}

#[test]
fn one_class_is_the_line() {
    for seed in 0..5 {
        let line = models::by_name("linear").unwrap();
        let (samples, columns) = records(&curve_of(&*line), &[0], 0.3, 500, seed);
        let whole = samples.iter().map(|s| s.distance_km).collect();
        let columns = Columns { n_classes: 1, lengths_km: whole, ..columns };
        let straight = fitted(&*line, &samples, &columns);
        let by_class = fitted(&*road_class(&["road"]), &samples, &columns);
        for (a, b) in straight.estimates.iter().zip(&by_class.estimates) {
            let is_near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-8;
            assert!(is_near(a.value, b.value), "{a:?} {b:?}");
            assert!(is_near(a.std_error.unwrap(), b.std_error.unwrap()), "{a:?} {b:?}");
            assert!(is_near(a.interval.1.unwrap(), b.interval.1.unwrap()), "{a:?} {b:?}");
        }
        let ssr = |report: &FitReport| report.metrics.unwrap().ssr_log;
        assert!((ssr(&straight) / ssr(&by_class) - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_class_without_records_says_so() {
    let model = road_class(&CLASSES);
    let (mut samples, mut columns) = records(&curve_of(&*model), &[0], 0.1, 300, 1);
    for (sample, lengths) in samples.iter_mut().zip(columns.lengths_km.chunks_mut(3)) {
        sample.distance_km -= lengths[1];
        lengths[1] = 0.0;
    }
    let report = fitted(&*model, &samples, &columns);
    let unused = estimate(&report, "class_speed_main_kmh");
    assert_eq!(unused.identification, Identification::NotIdentified);
    assert!(unused.reason.starts_with("no record of the group uses"), "{}", unused.reason);
    let time: f64 = samples.iter().map(|s| f64::from(s.travel_time_s)).sum();
    let way: f64 = samples.iter().map(|s| s.distance_km).sum();
    assert!((unused.value / (3600.0 * way / time) - 1.0).abs() < 1e-6, "{unused:?}");
    // The others are as if it were not there.
    let two = Columns {
        n_classes: 2,
        lengths_km: columns.lengths_km.chunks(3).flat_map(|l| [l[0], l[2]]).collect(),
        ..columns
    };
    let without = fitted(&*road_class(&["motorway", "street"]), &samples, &two);
    for name in ["intercept_min", "class_speed_motorway_kmh", "class_speed_street_kmh"] {
        let (a, b) = (estimate(&report, name), estimate(&without, name));
        assert!((a.value / b.value - 1.0).abs() < 1e-9, "{a:?} {b:?}");
        assert!((a.std_error.unwrap() / b.std_error.unwrap() - 1.0).abs() < 1e-6);
    }
    // Three records for three unknowns, of four parameters.
    let few = fitted(&*model, &samples[..3], &two_to_three(&two.select(&[0, 1, 2])));
    assert_eq!(few.estimates.len(), 5, "{few:?}");
}

fn two_to_three(two: &Columns) -> Columns {
    let lengths = two.lengths_km.chunks(2).flat_map(|l| [l[0], 0.0, l[1]]);
    Columns { n_classes: 3, lengths_km: lengths.collect(), cells: two.cells.clone() }
}

#[test]
fn a_class_that_costs_no_time_is_at_its_bound() {
    let model = road_class(&CLASSES);
    let (mut samples, columns) = records(&curve_of(&*model), &[0], 0.05, 300, 1);
    for (sample, lengths) in samples.iter_mut().zip(columns.lengths_km.chunks(3)) {
        // Less than the way on motorways takes: the best slowness would be negative.
        sample.travel_time_s -= (42.0 * lengths[0]) as f32;
        sample.travel_time_s = sample.travel_time_s.max(20.0);
    }
    let report = fitted(&*model, &samples, &columns);
    let e = estimate(&report, "class_speed_motorway_kmh");
    assert_eq!(e.identification, Identification::AtBound, "{report:?}");
    assert!(e.reason.contains("upper bound") && (e.value / 6e5 - 1.0).abs() < 1e-9, "{e:?}");
    let others = ["class_speed_main_kmh", "class_speed_street_kmh"];
    assert!(others.iter().all(|n| estimate(&report, n).identification == Identification::Ok));
}

#[test]
fn a_level_without_records_says_so() {
    let model = with_factors(models::by_name("kwh").unwrap());
    let (samples, columns) = records(&curve_of(&*model), &[0, 1], 0.1, 400, 1);
    let report = fitted(&*model, &samples, &columns);
    for name in ["factor_band_peak", "factor_priority_2"] {
        let e = estimate(&report, name);
        assert_eq!((e.identification, e.value), (Identification::NotIdentified, 1.0));
        assert!(e.reason.starts_with("no record"), "{}", e.reason);
    }
    for name in ["acceleration_km_min2", "cruise_speed_kmh", "factor_band_night"] {
        assert_eq!(estimate(&report, name).identification, Identification::Ok, "{report:?}");
    }
    assert!(report.condition.is_some());
    // Three unknowns are left of the five parameters.
    let few = fitted(&*model, &samples[..3], &columns.select(&[0, 1, 2]));
    assert_eq!(few.estimates.len(), 6, "{few:?}");
}

#[test]
fn a_level_of_all_records_is_the_curve() {
    let plain = models::by_name("kwh").unwrap();
    let model = with_factors(Arc::clone(&plain));
    let (samples, columns) = records(&curve_of(&*model), &[1], 0.1, 400, 1);
    let report = fitted(&*model, &samples, &columns);
    let night = estimate(&report, "factor_band_night");
    assert_eq!((night.identification, night.value), (Identification::NotIdentified, 1.0));
    assert!(night.reason.contains("cannot tell it from the curve"), "{}", night.reason);
    let alone = fitted(&*plain, &samples, &Columns::default());
    for name in ["acceleration_km_min2", "cruise_speed_kmh"] {
        let (a, b) = (estimate(&report, name), estimate(&alone, name));
        assert!((a.value / b.value - 1.0).abs() < 1e-9, "{a:?} {b:?}");
        assert!((a.std_error.unwrap() / b.std_error.unwrap() - 1.0).abs() < 1e-6);
    }
}

/// With `constant` it is the comparison of two means.
#[test]
fn a_factor_of_the_constant_speed_is_a_difference_of_means() {
    let model = with_factors(models::by_name("constant").unwrap());
    let (samples, columns) = records(&curve_of(&*model), &[0, 1], 0.4, 301, 9);
    let report = fitted(&*model, &samples, &columns);
    let pace = |s: &Sample| (f64::from(s.travel_time_s) / 60.0 / s.distance_km).ln();
    let mean = |first: usize| {
        let of = samples.iter().skip(first).step_by(2);
        of.clone().map(pace).sum::<f64>() / of.count() as f64
    };
    let night = estimate(&report, "factor_band_night");
    assert!((night.value / (mean(1) - mean(0)).exp() - 1.0).abs() < 1e-10, "{night:?}");
    let squares: f64 =
        samples.iter().enumerate().map(|(i, s)| (pace(s) - mean(i % 2)).powi(2)).sum();
    let error = (squares / 299.0 * (1.0 / 151.0 + 1.0 / 150.0)).sqrt();
    assert!((night.std_error.unwrap() / night.value / error - 1.0).abs() < 1e-8);
    assert_eq!(night.unit, "");
    let curve = report.curve().unwrap();
    let at_night = curve.at_levels(&["band_night"]).unwrap();
    assert!((at_night.median_s(3.0) / curve.median_s(3.0) / night.value - 1.0).abs() < 1e-12);
}

#[test]
fn odd_tables_make_no_model() {
    let kwh = || models::by_name("kwh").unwrap();
    assert!(WithFactors::new(kwh(), &["a", "b"], &[vec![0.0]]).is_none());
    assert!(WithFactors::new(kwh(), &["a", "a"], &[vec![0.0, 1.0]]).is_none());
    assert!(WithFactors::new(kwh(), &["a"], &[vec![f64::NAN]]).is_none());
    assert!(RoadClass::new(&["a", "a"]).is_none());
    assert!(RoadClass::new(&[""; 0]).is_none());
}
