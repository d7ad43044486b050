//! What intervals must hold where a bound, a flat direction or a bend makes standard errors mislead,
//! and that a fit ends in the deepest of several minima.

use super::models::{self, RoadClass};
use super::options::{Intervals, Loss};
use super::problem::TravelTimes;
use super::report::Termination;
use super::simulate::{Spread, TripLengths, draw};
use super::solver::minimize;
use super::{
    Columns, Curve, Estimate, FitOptions, FitReport, Identification, Observations, Sample, fit,
};

/// Trips of 5 km, give or take `half_width_km`, from a = 0.7 km/min², v = 70 km/h.
fn of_one_length(half_width_km: f64, seed: u64) -> Observations {
    let truth = |name: &str| Some(if name == "cruise_speed_kmh" { 70.0 } else { 0.7 });
    let curve = Curve::from_parameters("kwh", truth).unwrap();
    let lengths = TripLengths {
        median_km: 5.0,
        sigma_log: half_width_km / 7.0,
        min_km: 5.0 - half_width_km,
        max_km: 5.0 + half_width_km,
    };
    Observations::new(draw(&curve, &Spread::Normal { sigma_log: 0.25 }, &lengths, 200, seed))
}

fn row<'a>(report: &'a FitReport, name: &str) -> &'a Estimate {
    report.estimates.iter().find(|e| e.name == name).unwrap()
}

fn holds(row: &Estimate, truth: f64) -> bool {
    let (low, high) = row.interval;
    low.is_none_or(|low| low <= truth) && high.is_none_or(|high| truth <= high)
}

/// The program that computes every profile (`scipy.optimize.least_squares` over a grid) agrees: beside
/// an acceleration at its bound the speed is bounded from below only.
#[test]
fn beside_a_bound_intervals_are_those_of_the_profile() {
    let kwh = models::by_name("kwh").unwrap();
    let (mut n_at_bound, mut n_missed, mut n_told) = (0, 0, 0);
    for (half_width, seed) in
        [0.0005, 0.05, 0.25, 0.5].into_iter().flat_map(|w| (0..15).map(move |seed| (w, seed)))
    {
        let observations = of_one_length(half_width, seed);
        let report = fit(&*kwh, &observations, &FitOptions::default(), &|| false);
        let (a, v) = (row(&report, "acceleration_km_min2"), row(&report, "cruise_speed_kmh"));
        if a.identification == Identification::AtBound {
            n_at_bound += 1;
            assert!(report.condition.is_none_or(|c| c > 20.0), "{report:?}");
            assert!(v.interval.0.is_some_and(|low| low < 0.99 * v.value), "{report:?}");
        }
        if v.identification == Identification::Ok {
            n_told += 1;
            n_missed += u32::from(!holds(v, 70.0));
        } else {
            assert_eq!((v.std_error, v.interval), (None, (None, None)), "{report:?}");
        }
    }
    assert!(n_at_bound >= 10 && n_told >= 30, "{n_at_bound} {n_told}");
    assert!(n_missed <= 4, "{n_missed} of {n_told}");
}

/// Two classes of road whose lengths go together, with and without a robust loss.
#[test]
fn classes_that_go_together_do_not_look_firm() {
    for loss in [Loss::LeastSquares, Loss::Huber] {
        let (mut n_at_bound, mut n_missed) = (0, 0);
        for seed in 0..15 {
            let model = RoadClass::new(&["main", "side"]).unwrap();
            let drawn = of_one_length(0.5, seed);
            let mut lengths_km = Vec::new();
            let of = |(i, s): (usize, &Sample)| {
                let main = 0.6 + 0.01 * ((i * 37) % 200) as f64;
                let side = 2.0 * main * (1.0 + 0.01 * (((i * 61) % 200) as f64 / 100.0 - 1.0));
                // 72 and 36 km/h, and the scatter of the draw.
                let minutes = main / 1.2 + side / 0.6;
                let kwh = 0.7_f64.recip() * 70.0 / 60.0 + s.distance_km * 60.0 / 70.0;
                let time = minutes * 60.0 * (f64::from(s.travel_time_s) / 60.0 / kwh);
                lengths_km.extend([main, side]);
                Sample { distance_km: main + side, travel_time_s: time as f32, weight: 1.0 }
            };
            let samples = drawn.samples().iter().enumerate().map(of).collect();
            let columns = Columns { n_classes: 2, lengths_km, ..Columns::default() };
            let observations = Observations::with_columns(samples, columns);
            let options = FitOptions { loss, ..FitOptions::default() };
            let report = fit(&model, &observations, &options, &|| false);
            for (name, truth) in [("class_speed_main_kmh", 72.0), ("class_speed_side_kmh", 36.0)] {
                let class = row(&report, name);
                n_at_bound += u32::from(class.identification == Identification::AtBound);
                let is_told = class.identification == Identification::Ok;
                n_missed += u32::from(is_told && !holds(class, truth));
            }
        }
        assert!(n_at_bound >= 5 && n_missed <= 3, "{loss:?}: {n_at_bound} {n_missed}");
    }
}

/// Where nothing is at a bound and the intervals are narrow, the standard errors serve, at no cost.
#[test]
fn ordinary_groups_keep_their_standard_errors() {
    let kwh = models::by_name("kwh").unwrap();
    let curve = super::simulate::published::CALGARY.curve().unwrap();
    let spread = Spread::Normal { sigma_log: 0.25 };
    let samples = draw(&curve, &spread, &TripLengths::default(), 3000, 1);
    let observations = Observations::new(samples);
    let with = |intervals| {
        let options = FitOptions { intervals, ..FitOptions::default() };
        fit(&*kwh, &observations, &options, &|| false)
    };
    assert_eq!(with(Intervals::Auto), with(Intervals::Wald));
}

/// The model's starts find the deepest minimum over a fine grid of knots and intercepts.
#[test]
fn the_deepest_minimum_is_found() {
    let model = models::by_name("kwh_intercept").unwrap();
    for seed in 0..12_u64 {
        // A turnout of a minute, short trips, and scatter enough for dips by chance.
        let truth = |name: &str| {
            Some(match name {
                "intercept_min" => 1.0,
                "cruise_speed_kmh" => 31.0,
                _ => 2.5,
            })
        };
        let curve = Curve::from_parameters("kwh_intercept", truth).unwrap();
        let lengths = TripLengths { median_km: 1.2, sigma_log: 0.7, min_km: 0.08, max_km: 6.5 };
        let samples = draw(&curve, &Spread::Normal { sigma_log: 0.33 }, &lengths, 400, seed);
        let observations = Observations::new(samples);
        let options = FitOptions { intervals: Intervals::Wald, ..FitOptions::default() };
        let found = fit(&*model, &observations, &options, &|| false);
        let problem = TravelTimes::new(&*model, &observations);
        let least = (0..40)
            .flat_map(|i| [0.05, 0.5, 1.0].map(|t0| (0.05 * 1.13_f64.powi(i), t0)))
            .map(|(knot, t0): (f64, f64)| {
                // v from the slope of the far trips, a from the knot.
                let speed: f64 = 31.0 / 60.0;
                let start = [t0, (speed * speed / knot).ln(), speed.ln()];
                let minimum = minimize(&problem, &start, &options, &|| false);
                assert_ne!(minimum.termination, Termination::NoFiniteStart);
                minimum.triangle.ssr()
            })
            .fold(f64::INFINITY, f64::min);
        let ssr = found.metrics.unwrap().ssr_log;
        assert!(ssr <= least * (1.0 + 1e-7), "{seed}: {ssr} and {least}");
    }
}
