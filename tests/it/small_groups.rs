//! Groups that a fit of their own cannot serve: what each comes to, through the real program.

#![expect(clippy::unwrap_used, reason = "a test ends where its own steps fail")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use speedfit::fit::simulate::{Spread, TripLengths, draw, published};

use crate::support::program::Desk;

/// Twelve ordinary regions, and those that make trouble: name, distances and times.
fn csv() -> String {
    let mut text = String::from("region,occurred_at,distance_km,travel_time_s,parent_region\n");
    let curve = published::CALGARY.curve().unwrap();
    let spread = Spread::Normal { sigma_log: 0.25 };
    let mut add = |region: &str, trips: &[(f64, f64)]| {
        for (i, (distance_km, time_s)) in trips.iter().enumerate() {
            let day = 1 + i % 28;
            let at = format!("2026-01-{day:02}T10:00:00Z");
            writeln!(text, "{region},{at},{distance_km},{time_s},North").unwrap();
        }
    };
    let drawn = |n: usize, seed: u64| -> Vec<(f64, f64)> {
        let samples = draw(&curve, &spread, &TripLengths::default(), n, seed);
        samples.iter().map(|s| (s.distance_km, f64::from(s.travel_time_s))).collect()
    };
    for i in 0..12_u32 {
        // Places differ: by a sixth of the time.
        let factor = (0.15 * f64::from(i % 4) - 0.2).exp();
        let trips: Vec<(f64, f64)> =
            drawn(300, u64::from(i)).iter().map(|t| (t.0, t.1 * factor)).collect();
        add(&format!("Large {i:02}"), &trips);
    }
    add("Refused only", &[(3.0, 0.0), (3.0, -1.0)]);
    add("One", &[(3.0, 300.0)]);
    add("Five", &drawn(5, 50));
    add("Thirty-nine", &drawn(39, 51));
    add(
        "One distance",
        &drawn(30, 52).iter().map(|t| (3.0, 250.0 + t.1 / 9.0)).collect::<Vec<_>>(),
    );
    add("All short", &(0..30).map(|i| (0.3 + 0.02 * f64::from(i), 100.0)).collect::<Vec<_>>());
    add("All long", &(0..30).map(|i| (20.0 + f64::from(i), 1200.0)).collect::<Vec<_>>());
    add(
        "Two clusters",
        &(0..30).map(|i| if i % 2 == 0 { (1.0, 150.0) } else { (9.0, 560.0) }).collect::<Vec<_>>(),
    );
    add("Identical", &[(2.0, 200.0); 20]);
    text
}

fn table(desk: &Desk, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(desk.path(name)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn every_group_has_an_outcome_a_level_and_a_reason() {
    let desk = Desk::new();
    desk.write("x.csv", &csv());
    let known = ["Silent", "Refused only", "One", "Five", "Thirty-nine", "One distance"];
    let others = ["All short", "All long", "Two clusters", "Identical"];
    let large: Vec<String> = (0..12).map(|i| format!("Large {i:02}")).collect();
    let names = known.iter().chain(&others).copied().chain(large.iter().map(String::as_str));
    let regions = format!("accept.known_regions={}", names.collect::<Vec<_>>().join(","));
    desk.expect(0, &["fit", "x.csv", "--set", &regions, "--output", "p.csv", "--groups", "g.csv"]);
    let (groups, parameters) = (table(&desk, "g.csv"), table(&desk, "p.csv"));
    let mut lines = String::new();
    for group in groups.iter().filter(|group| !group["region"].starts_with("Large")) {
        let of = |name: &str| {
            let of =
                |p: &&BTreeMap<String, String>| p["region"] == group["region"] && p["name"] == name;
            parameters.iter().find(of).unwrap()
        };
        let speed = of("cruise_speed_kmh");
        let weight: f64 = speed["pool_weight"].parse().unwrap();
        let estimate: f64 = speed["estimate"].parse().unwrap();
        // Calgary's 100.7 km/h, which the others tell, where the region cannot.
        assert!((40.0..200.0).contains(&estimate), "{speed:?}");
        assert!(!of("sigma_log")["estimate"].is_empty() && !speed["std_error"].is_empty());
        writeln!(
            lines,
            "{:13} {:2} {:8} {:6} {:8} weight {weight:.1}  {}",
            group["region"],
            group["n_used"],
            group["outcome"],
            group["source_level"],
            speed["status"],
            group["message"],
        )
        .unwrap();
    }
    insta::assert_snapshot!(lines);
    for large in groups.iter().filter(|group| group["region"].starts_with("Large")) {
        assert_eq!(
            (large["outcome"].as_str(), large["source_level"].as_str()),
            ("fitted", "group")
        );
    }
}

#[test]
fn a_group_leans_the_less_the_more_records_it_has() {
    let desk = Desk::new();
    desk.write("x.csv", &csv());
    desk.expect(0, &["fit", "x.csv", "--output", "p.csv"]);
    let weight = |region: &str| -> f64 {
        let rows = table(&desk, "p.csv");
        let of = |p: &&BTreeMap<String, String>| {
            p["region"] == region && p["name"] == "acceleration_km_min2"
        };
        rows.iter().find(of).unwrap()["pool_weight"].parse().unwrap()
    };
    let (one, five, many) = (weight("One"), weight("Five"), weight("Thirty-nine"));
    assert!(one > five && five > many && many > 0.0 && one < 1.0, "{one} {five} {many}");
}

#[test]
fn without_pooling_small_groups_stand_alone() {
    let desk = Desk::new();
    desk.write("x.csv", &csv());
    let off = ["--set", "pooling.mode=off"];
    desk.expect(0, &[&["fit", "x.csv", "--groups", "g.csv"][..], &off].concat());
    let groups = table(&desk, "g.csv");
    let of = |region: &str| groups.iter().find(|group| group["region"] == region).unwrap();
    assert_eq!(of("One")["outcome"], "failed");
    assert_eq!(of("Five")["outcome"], "fitted");
}

#[test]
fn a_night_with_silent_regions_is_done_every_night() {
    let desk = Desk::new();
    desk.write("x.csv", &csv());
    desk.expect(0, &["import", "x.csv"]);
    for night in 1..=3 {
        let ended = desk.expect(0, &["run"]);
        assert!(ended.stdout.contains("21 of 21 groups published"), "{night}: {}", ended.stdout);
    }
    desk.expect(0, &["export", "3", "--groups", "g.csv"]);
    let groups = table(&desk, "g.csv");
    let refused = groups.iter().find(|group| group["region"] == "Refused only").unwrap();
    assert_eq!((&*refused["outcome"], &*refused["source_level"]), ("fallback", "parent"));
}

#[test]
fn a_chosen_model_says_why() {
    let desk = Desk::new();
    desk.write("x.csv", &csv());
    desk.expect(0, &["fit", "x.csv", "--model", "auto", "--groups", "g.csv"]);
    let groups = table(&desk, "g.csv");
    let large = groups.iter().find(|group| group["region"] == "Large 03").unwrap();
    // Drawn from `kwh`.
    assert_eq!(large["model"], "kwh", "{large:?}");
    assert!(large["message"].starts_with("`kwh` was chosen by bic over"), "{large:?}");
}
