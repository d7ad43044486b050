//! How far what is published may be trusted: wide intervals, figures of quality, the trips seen, the
//! model that the records prefer; through the real program.

#![expect(clippy::unwrap_used, reason = "a test ends where its own steps fail")]

use std::fmt::Write as _;

use rusqlite::Connection;
use serde_json::Value;
use speedfit::fit::simulate::{Spread, TripLengths, draw, published};

use crate::support::program::{Desk, incidents};

/// Runs of the desk read this file.
const SOURCE: [&str; 4] = ["--set", "source.kind=file", "--set", "file.path=trips.csv"];

/// Distance in km and time in s.
type Trip = (f64, f64);

fn write_trips(desk: &Desk, regions: &[(&str, &[Trip])]) {
    let mut text = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n".to_owned();
    for (region, trips) in regions {
        for (nth, (distance_km, time_s)) in trips.iter().enumerate() {
            let day = 1 + nth % 28;
            let row = format!("{region}{nth},{region},2026-01-{day:02}T10:00:00Z,1");
            writeln!(text, "{row},{distance_km},{time_s}").unwrap();
        }
    }
    desk.write("trips.csv", &text);
}

/// Calgary's trips up to a distance, in whole seconds, each so much later by a fixed time.
fn drawn(n: usize, max_km: f64, turnout_s: f64, seed: u64) -> Vec<Trip> {
    let curve = published::CALGARY.curve().unwrap();
    let lengths = TripLengths { max_km, ..TripLengths::default() };
    let samples = draw(&curve, &Spread::Normal { sigma_log: 0.3 }, &lengths, n, seed);
    let trip = |s: &speedfit::fit::Sample| {
        (s.distance_km, (f64::from(s.travel_time_s) + turnout_s).round())
    };
    samples.iter().map(trip).collect()
}

/// Trips that hardly reach cruise speed, which Calgary's do at 4.1 km: evenly up to 4.6 km, their times
/// off by a law of fixed shares.
fn short_trips() -> Vec<Trip> {
    let curve = published::CALGARY.curve().unwrap();
    let trip = |i: u32| {
        let distance_km = 0.2 + 4.4 * (f64::from(i) + 0.5) / 120.0;
        let share = ((f64::from(i) + 0.5) * 0.618_033_988_749_894_9).fract();
        let off = 0.3 * 0.55 * (share / (1.0 - share)).ln();
        (distance_km, (curve.median_s(distance_km) * off.exp()).round())
    };
    (0..120).map(trip).collect()
}

/// The estimate of a parameter among rows of parameters.
fn estimate(rows: &Value, region: &str, name: &str) -> f64 {
    let mut rows = rows.as_array().unwrap().iter();
    let row = rows.find(|row| row["region"] == region && row["name"] == name);
    row.unwrap()["estimate"].as_f64().unwrap()
}

/// MAE in s, median relative error, share under P90 and root mean square on the logarithm of a
/// published curve by `kwh`, by their definitions.
fn figures(rows: &Value, region: &str, trips: &[Trip]) -> [f64; 4] {
    let acceleration = estimate(rows, region, "acceleration_km_min2");
    let speed = estimate(rows, region, "cruise_speed_kmh") / 60.0;
    let p90 = (1.281_551_565_544_6 * estimate(rows, region, "sigma_log")).exp();
    let median_s = |km: f64| {
        let knot_km = speed * speed / acceleration;
        let short = 2.0 * (km / acceleration).sqrt();
        60.0 * if km <= knot_km { short } else { speed / acceleration + km / speed }
    };
    let n = trips.len() as f64;
    let mean = |of: &dyn Fn(&Trip) -> f64| trips.iter().map(of).sum::<f64>() / n;
    let mut relative: Vec<f64> =
        trips.iter().map(|(km, s)| (median_s(*km) - s).abs() / s).collect();
    relative.sort_by(f64::total_cmp);
    let middle = |at: usize| relative[at / 2];
    [
        mean(&|(km, s)| (median_s(*km) - s).abs()),
        0.5 * (middle(trips.len() - 1) + middle(trips.len())),
        mean(&|(km, s)| f64::from(u8::from(*s <= p90 * median_s(*km)))),
        mean(&|(km, s)| (median_s(*km) / s).ln().powi(2)).sqrt(),
    ]
}

/// The same figures as the group's row has them.
fn shown(group: &Value) -> [Option<f64>; 4] {
    ["mae_s", "median_ape", "share_under_p90", "rmse_log"].map(|name| group[name].as_f64())
}

fn group<'a>(groups: &'a Value, region: &str) -> &'a Value {
    groups.as_array().unwrap().iter().find(|group| group["region"] == region).unwrap()
}

fn check_figures(shown: [Option<f64>; 4], expected: [f64; 4]) {
    for (shown, expected) in shown.into_iter().zip(expected) {
        let shown = shown.unwrap();
        // Times are kept in 32 bits.
        assert!((shown - expected).abs() <= 1e-5 * expected.abs().max(1e-3), "{shown} {expected}");
    }
}

#[test]
fn figures_of_a_pooled_group_are_those_of_what_is_published() {
    let desk = Desk::new();
    let two = [(1.0, 2000.0), (6.0, 2900.0)];
    let refused = [(1.0, 0.0)];
    let (east, west) = (drawn(300, 40.0, 0.0, 1), drawn(300, 40.0, 0.0, 2));
    write_trips(&desk, &[("East", &east), ("West", &west), ("Two", &two), ("None", &refused)]);
    desk.expect(0, &["fit", "trips.csv", "--output", "p.json", "--groups", "g.json"]);
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(desk.path(name)).unwrap()).unwrap()
    };
    let (groups, rows) = (read("g.json"), read("p.json"));
    let of_two = group(&groups, "Two");
    assert_eq!(of_two["outcome"], "pooled");
    // Their own fit passes through both; the published curve does not come near either.
    let expected = figures(&rows, "Two", &two);
    assert!(expected[0] > 500.0 && expected[2] < 0.5, "{expected:?}");
    check_figures(shown(of_two), expected);
    check_figures(shown(group(&groups, "East")), figures(&rows, "East", &east));
    let of_none = group(&groups, "None");
    assert_eq!((of_none["outcome"].as_str(), shown(of_none)), (Some("fallback"), [None; 4]));
}

#[test]
fn figures_of_a_carried_over_group_are_those_of_what_it_keeps() {
    let desk = Desk::new();
    let (north, south) = (drawn(300, 40.0, 0.0, 3), drawn(300, 40.0, 0.0, 4));
    write_trips(&desk, &[("North", &north), ("South", &south)]);
    // The gate, which has tests of its own, would refuse either night as a whole.
    let run = [&["run", "--set", "gate.min_rows=10000"], &SOURCE[..]].concat();
    desk.expect(0, &run);
    let slower: Vec<Trip> = north.iter().map(|(km, s)| (*km, 3.0 * s)).collect();
    write_trips(&desk, &[("North", &slower), ("South", &south)]);
    desk.expect(6, &run);
    let night = desk.expect(0, &["show", "--json"]).json();
    let of_north = group(&night["groups"], "North");
    assert_eq!(of_north["outcome"], "carried_over");
    check_figures(shown(of_north), figures(&night["parameters"], "North", &slower));
    // A night of which a group has no record says nothing of how well it is served.
    write_trips(&desk, &[("South", &south)]);
    desk.expect(0, &run);
    let night = desk.expect(0, &["show", "--json"]).json();
    assert_eq!(shown(group(&night["groups"], "North")), [None; 4]);
}

#[test]
fn a_group_without_parameters_has_no_figures() {
    let desk = Desk::new();
    let (north, south) = (drawn(300, 40.0, 0.0, 3), drawn(300, 40.0, 0.0, 4));
    let crawling: Vec<Trip> = south.iter().map(|(km, s)| (*km, 6.0 * s)).collect();
    write_trips(&desk, &[("North", &north), ("South", &crawling)]);
    let strict = ["--set", "judge.min_cruise_speed_kmh=40"];
    desk.expect(6, &[&["run"], &strict[..], &SOURCE[..]].concat());
    let night = desk.expect(0, &["show", "--json"]).json();
    let of_south = group(&night["groups"], "South");
    assert_eq!((of_south["outcome"].as_str(), shown(of_south)), (Some("failed"), [None; 4]));
    assert!(shown(group(&night["groups"], "North")).iter().all(Option::is_some));
}

/// A region whose records tell its cruise speed only roughly, and one whose records tell all.
fn write_wide_and_narrow(desk: &Desk) {
    write_trips(desk, &[("Wide", &short_trips()), ("Narrow", &drawn(400, 40.0, 0.0, 12))]);
}

#[test]
fn a_wide_interval_has_a_status_of_its_own() {
    let check = |factor: f64, expected: &str| {
        let desk = Desk::new();
        write_wide_and_narrow(&desk);
        let factor_setting = format!("fit.imprecise_factor={factor}");
        let fit = ["fit", "trips.csv", "--json", "--set", &factor_setting];
        let document = desk.expect(0, &fit).json();
        let mut statuses = Vec::new();
        for group in document["results"].as_array().unwrap() {
            for row in group["parameters"].as_array().unwrap() {
                // An end that is not there is open.
                let value = row["estimate"].as_f64().unwrap();
                let low = row["ci_low"].as_f64().unwrap_or(0.0);
                let high = row["ci_high"].as_f64().unwrap_or(f64::INFINITY);
                let is_wide = factor > 0.0 && (high / value > factor || value / low > factor);
                assert_eq!(row["status"], if is_wide { "imprecise" } else { "ok" }, "{row}");
                if row["name"] == "cruise_speed_kmh" {
                    let region = row["region"].as_str().unwrap();
                    statuses.push(format!("{region} {}", row["status"].as_str().unwrap()));
                }
            }
            let message = group["message"].as_str().unwrap();
            let is_named = message.contains("imprecise: ");
            let rows = group["parameters"].as_array().unwrap();
            assert_eq!(is_named, rows.iter().any(|row| row["status"] == "imprecise"), "{message}");
        }
        assert_eq!(statuses.join(", "), expected);
    };
    check(3.0, "Narrow ok, Wide imprecise");
    check(1.05, "Narrow imprecise, Wide imprecise");
    check(0.0, "Narrow ok, Wide ok");
}

#[test]
fn an_imprecise_parameter_is_published_and_pointed_at() {
    let desk = Desk::new();
    write_wide_and_narrow(&desk);
    desk.expect(0, &[&["run"], &SOURCE[..]].concat());
    let shell = Connection::open(desk.path("speedfit.db")).unwrap();
    let sql = "SELECT status, cruise_speed_kmh, std_error, ci_low, ci_high, distance_min_km, \
               distance_max_km FROM current_speed WHERE region = 'Wide'";
    type Row = (String, f64, f64, f64, Option<f64>, f64, f64);
    let (status, speed, std_error, low, high, shortest, longest): Row = shell
        .query_row(sql, [], |row| {
            let n = |nth: usize| row.get::<_, f64>(nth);
            Ok((row.get(0)?, n(1)?, n(2)?, n(3)?, row.get(4)?, n(5)?, n(6)?))
        })
        .unwrap();
    assert_eq!(status, "imprecise");
    // The records speak against low speeds, and against no high one.
    assert!(low < speed && high.is_none() && std_error > 0.0, "{low} {speed} {high:?}");
    let trips = short_trips();
    let distances = || trips.iter().map(|trip| trip.0);
    assert_eq!(shortest, distances().fold(f64::MAX, f64::min));
    assert_eq!(longest, distances().fold(0.0, f64::max));

    let look = "look      cruise_speed_kmh imprecise in 1 group: Wide\n";
    let status = desk.expect(0, &["status"]);
    assert!(status.stdout.contains(look), "{}", status.stdout);
    let unsure = desk.expect(0, &["status", "--json"]).json()["unsure"].clone();
    assert_eq!(
        unsure,
        serde_json::json!([{
            "parameter": "cruise_speed_kmh", "status": "imprecise", "n_groups": 1, "groups": ["Wide"]
        }])
    );
    let table = desk.expect(0, &["show"]);
    let marked = format!("~{speed:.2} ");
    assert!(table.stdout.contains(&marked), "{marked}: {}", table.stdout);
    desk.expect(0, &["report", "last", "--output", "r.html"]);
    let page = std::fs::read_to_string(desk.path("r.html")).unwrap();
    assert!(page.contains("with a wide interval of the cruise speed"), "no finding");
    let predict = ["predict", "--region", "Wide", "--distance-km", "3,12"];
    let told = desk.expect(0, &predict).stdout;
    assert!(told.contains("Imprecise, with a wide interval: cruise_speed_kmh."), "{told}");
    let beyond = told.lines().find(|line| line.starts_with("Beyond the trips seen")).unwrap();
    assert!(beyond.ends_with(": 12 km."), "{beyond}");
}

#[test]
fn a_factor_below_one_is_no_factor() {
    let desk = Desk::new();
    let refused = desk.expect(3, &["show-config", "--set", "fit.imprecise_factor=0.5"]);
    let told = "error: `fit.imprecise_factor` must be 0 or above 1, not 0.5";
    assert!(refused.stderr.starts_with(told), "{}", refused.stderr);
}

#[test]
fn the_model_that_the_records_prefer_is_named() {
    let desk = Desk::new();
    let (east, west) = (drawn(500, 40.0, 150.0, 21), drawn(300, 40.0, 150.0, 22));
    write_trips(&desk, &[("East", &east), ("West", &west)]);
    let told = "model     the records prefer `kwh_intercept` to `kwh`: BIC lower by ";
    let fit = desk.expect(0, &["fit", "trips.csv"]);
    assert!(fit.stdout.contains(told), "{}", fit.stdout);
    let run = desk.expect(0, &[&["run"], &SOURCE[..]].concat());
    assert!(run.stdout.contains(told), "{}", run.stdout);
    let results = std::fs::read_to_string(desk.path("speedfit-output/run_results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    let preference = &results["model_preference"];
    assert_eq!(preference["preferred"], "kwh_intercept");
    assert_eq!((&preference["n_groups"], &preference["n_records"]), (&2.into(), &800.into()));
    let doctor = desk.expect(0, &[&["doctor", "--json"], &SOURCE[..]].concat()).json();
    let findings = doctor["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["check"] == "model").unwrap();
    assert_eq!(finding["grade"], "note");
    assert!(finding["remedy"].as_str().unwrap().contains("`fit.model = \"kwh_intercept\"`"));
    // BIC is summed over the groups, of which each has its parameters.
    let bic = |model: &str| -> f64 {
        let fit = desk.expect(0, &["fit", "trips.csv", "--json", "--model", model]).json();
        let groups = fit["results"].as_array().unwrap().iter();
        groups.map(|group| group["detail"]["bic"].as_f64().unwrap()).sum()
    };
    let difference = preference["bic_difference"].as_f64().unwrap();
    assert!((bic("kwh") - bic("kwh_intercept") - difference).abs() < 1e-6, "{difference}");

    for model in ["kwh_intercept", "auto"] {
        let fit = desk.expect(0, &["fit", "trips.csv", "--model", model]);
        assert!(!fit.stdout.contains("the records prefer"), "{}", fit.stdout);
    }
}

/// What many records of a group tell is hardly moved by what others tell, whatever the model.
#[test]
fn pooling_leaves_groups_of_many_records_as_they_are() {
    let Some(folder) = incidents() else { return };
    let file = folder.join("nyc_green_2023q1.clean.csv.gz");
    let desk = Desk::new();
    let fit = |mode: &str| {
        let mode = format!("pooling.mode={mode}");
        let file = file.to_str().unwrap();
        let fit = ["fit", file, "--model", "kwh_intercept", "--json", "--set", &mode];
        desk.expect(0, &fit).json()["results"].as_array().unwrap().clone()
    };
    let (alone, pooled) = (fit("off"), fit("all"));
    let of = |groups: &[Value], region: &Value| {
        let group = groups.iter().find(|group| group["region"] == *region).unwrap();
        shown(group)[3].unwrap()
    };
    let large = alone.iter().filter(|group| group["n_used"].as_u64().unwrap() >= 200);
    let mut n = 0;
    for group in large {
        let (own, with_others) = (of(&alone, &group["region"]), of(&pooled, &group["region"]));
        assert!(with_others <= 1.05 * own, "{}: {own} {with_others}", group["region"]);
        n += 1;
    }
    assert!(n > 40, "{n}");
}
