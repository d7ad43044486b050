//! Models that read more of a record than its distance, through the real binary: speeds by class of
//! road, and factors of band and priority.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch as ArrowBatch, StringArray};
use parquet::arrow::ArrowWriter;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use serde_json::Value;

use crate::support::program::{Desk, Ended};

const SPEEDS_KMH: [f64; 3] = [90.0, 45.0, 25.0];
const CLASSES: [&str; 3] = ["motorway", "main", "street"];
const BANDS: &str = "groups.bands=[{ name = \"night\", days = \"mon-sun\", hours = \"22-6\" }, \
                     { name = \"peak\", days = \"mon-fri\", hours = \"7-9,16-19\" }]";
const FACTORS: [(&str, f64); 3] = [("night", 0.8), ("peak", 1.3), ("2", 1.2)];

/// A record as a test makes it.
struct Made {
    at: jiff::civil::DateTime,
    priority: &'static str,
    lengths: [f64; 3],
    seconds: f64,
}

/// Records of a week and more: 1 min and the way by class, times the factors, scattered by a tenth.
fn made(n: usize, with_factors: bool) -> Vec<Made> {
    let mut rng = ChaCha8Rng::seed_from_u64(20_261_122);
    let begin = jiff::civil::date(2026, 1, 5).at(0, 0, 0, 0);
    (0..n)
        .map(|i| {
            let minutes = i64::try_from(i * 37 % (14 * 24 * 60)).unwrap();
            let at = begin + jiff::SignedDuration::from_mins(minutes);
            let lengths = [6.0, 3.0, 1.5].map(|most| {
                let km = most * rng.random::<f64>().powi(2) + 0.02;
                (km * 1000.0).round() / 1000.0
            });
            let way = lengths.iter().zip(SPEEDS_KMH).map(|(km, v)| 60.0 * km / v);
            let priority = if rng.random::<f64>() < 0.3 { "2" } else { "1" };
            let noise: f64 = StandardNormal.sample(&mut rng);
            let mut minutes = (1.0 + way.sum::<f64>()) * (0.1 * noise).exp();
            if with_factors {
                minutes *= factor_of(at) * if priority == "2" { FACTORS[2].1 } else { 1.0 };
            }
            Made { at, priority, lengths, seconds: 60.0 * minutes }
        })
        .collect()
}

fn factor_of(at: jiff::civil::DateTime) -> f64 {
    let (hour, day) = (at.hour(), at.weekday().to_monday_zero_offset());
    if !(6..22).contains(&hour) {
        FACTORS[0].1
    } else if day < 5 && ((7..9).contains(&hour) || (16..19).contains(&hour)) {
        FACTORS[1].1
    } else {
        1.0
    }
}

/// Two regions, alternating; every hundredth row lacks a length, and every hundredth a distance.
fn csv(made: &[Made]) -> String {
    let mut text = String::from(
        "incident_id,region,occurred_at,priority,distance_km,travel_time_s,length_motorway_km,\
         length_main_km,length_street_km\n",
    );
    for (i, row) in made.iter().enumerate() {
        let Made { at, priority, lengths: [a, b, c], seconds } = row;
        let region = if i % 2 == 0 { "North" } else { "South" };
        let distance = if i % 100 == 7 { String::new() } else { format!("{:.3}", a + b + c) };
        let street = if i % 100 == 50 { String::new() } else { c.to_string() };
        writeln!(text, "{i},{region},{at}Z,{priority},{distance},{seconds:.3},{a},{b},{street}")
            .unwrap();
    }
    text
}

fn rows(desk: &Desk, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(desk.path(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Estimate, and how many standard errors off the truth it is.
fn check(rows: &[Value], region: &str, name: &str, truth: f64) {
    let found = rows.iter().find(|row| row["region"] == region && row["name"] == name);
    let row = found.unwrap_or_else(|| panic!("no {name} of {region}: {rows:?}"));
    let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("no {key}: {row}"));
    assert_eq!(row["status"], "ok");
    let off = (number("estimate") - truth).abs() / number("std_error");
    assert!(off < 4.5, "{region} {name}: {truth} and {row}");
}

fn check_speeds(rows: &[Value]) {
    for region in ["North", "South"] {
        check(rows, region, "intercept_min", 1.0);
        for (class, speed) in CLASSES.iter().zip(SPEEDS_KMH) {
            check(rows, region, &format!("class_speed_{class}_kmh"), speed);
        }
    }
}

fn refused(ended: &Ended) -> Value {
    ended.json()["rows"]["refused"].clone()
}

const ROAD: [&str; 2] = ["--set", "fit.model=road_class"];

#[test]
fn speeds_by_class_of_road_are_recovered() {
    let desk = Desk::new();
    desk.write("x.csv", &csv(&made(3000, false)));
    let told = desk.expect(0, &["fit", "x.csv", "--model", "road_class", "--json"]);
    assert_eq!(refused(&told), serde_json::json!({ "length_invalid": 30 }));
    let table = desk.expect(0, &["fit", "x.csv", "--model", "road_class"]).stdout;
    let header = table.lines().next().unwrap();
    for class in CLASSES {
        assert!(header.contains(&format!("{class} km/h")), "{table}");
    }
    desk.expect(0, &["fit", "x.csv", "--model", "road_class", "--output", "p.json"]);
    let fitted = rows(&desk, "p.json");
    check_speeds(&fitted);
    // The same, by way of the database.
    desk.expect(0, &["import", "x.csv"]);
    desk.expect(0, &[&["run"][..], &ROAD].concat());
    desk.expect(0, &["export", "--output", "q.json"]);
    let published = rows(&desk, "q.json");
    let numbers = |rows: &[Value]| -> Vec<(Value, Value, Value)> {
        let number = |r: &Value| (r["region"].clone(), r["name"].clone(), r["estimate"].clone());
        rows.iter().map(number).collect()
    };
    assert_eq!(numbers(&fitted), numbers(&published));
    // Among candidates it is chosen where it is the best, and read for.
    let auto = ["--set", "fit.model=auto", "--set", "auto.models=linear,road_class"];
    let chosen = desk.expect(0, &[&["fit", "x.csv", "--json"][..], &auto].concat()).json();
    let groups = chosen["results"].as_array().unwrap();
    assert!(groups.iter().all(|group| group["model"] == "road_class"), "{chosen}");
    // A later run compares with what is current, and a model of the distance alone still reads it.
    desk.expect(0, &[&["run"][..], &ROAD].concat());
    desk.expect(0, &["run"]);
}

#[test]
fn lengths_by_other_names_and_in_other_units_are_read() {
    let desk = Desk::new();
    let made = made(2000, false);
    let column = |value: &dyn Fn(&Made) -> f64| -> ArrayRef {
        Arc::new(made.iter().map(|row| Some(value(row))).collect::<Float64Array>())
    };
    let regions: StringArray =
        (0..made.len()).map(|i| Some(if i % 2 == 0 { "North" } else { "South" })).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("region", Arc::new(regions)),
        ("metres", column(&|row| 1000.0 * row.lengths.iter().sum::<f64>())),
        ("travel_time_s", column(&|row| row.seconds)),
        ("LenM", column(&|row| 1000.0 * row.lengths[0])),
        ("Len A", column(&|row| 1000.0 * row.lengths[1])),
        ("LenS", column(&|row| 1000.0 * row.lengths[2])),
    ];
    let batch = ArrowBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(desk.path("x.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    desk.write(
        "city.toml",
        "[columns]\ndistance = \"metres\"\ndistance_unit = \"m\"\nlengths = [\n\
         { class = \"motorway\", column = \"LenM\" },\n{ class = \"main\", column = \"Len A\" },\n\
         { class = \"street\", column = \"LenS\" },\n]\n[fit]\nmodel = \"road_class\"\n",
    );
    desk.expect(0, &["fit", "x.parquet", "--config", "city.toml", "--output", "p.json"]);
    check_speeds(&rows(&desk, "p.json"));
    desk.expect(0, &["import", "x.parquet", "--config", "city.toml"]);
    desk.expect(0, &["run", "--config", "city.toml"]);
    desk.expect(0, &["export", "--output", "q.json"]);
    check_speeds(&rows(&desk, "q.json"));
}

#[test]
fn records_without_lengths_say_so() {
    let desk = Desk::new();
    desk.write("x.csv", "region,distance_km,travel_time_s\nA,1,100\nA,2,180\n");
    let fit = desk.expect(4, &["fit", "x.csv", "--model", "road_class"]);
    assert!(fit.stderr.contains("no column `length_<class>_km`"), "{}", fit.stderr);
    assert!(fit.stderr.contains("columns.lengths"), "{}", fit.stderr);
    desk.expect(0, &["import", "x.csv"]);
    let run = desk.expect(4, &[&["run"][..], &ROAD].concat());
    assert!(run.stderr.contains("no file with lengths by class of road"), "{}", run.stderr);
    // A second file has them: rows of the first are refused, those of the second are fitted.
    desk.write("y.csv", &csv(&made(400, false)));
    desk.expect(0, &["import", "y.csv"]);
    let run = desk.expect(0, &[&["run"][..], &ROAD].concat());
    assert!(run.stdout.contains("no accepted record: taken from all"), "{}", run.stdout);
    let results = std::fs::read_to_string(desk.path("speedfit-output/run_results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(results["rows"]["refused"], serde_json::json!({ "length_invalid": 6 }));
}

fn factor_flags(factors: &'static str) -> [&'static str; 4] {
    ["--set", BANDS, "--set", factors]
}

#[test]
fn factors_of_band_and_priority_are_recovered() {
    let desk = Desk::new();
    desk.write("x.csv", &csv(&made(6000, true)));
    let flags = factor_flags("fit.factors=band,priority");
    for model in ["road_class", "linear"] {
        let fit = ["fit", "x.csv", "--model", model, "--output", "p.json"];
        desk.expect(0, &[&fit[..], &flags].concat());
        let fitted = rows(&desk, "p.json");
        for region in ["North", "South"] {
            // A line through ways of mixed roads scatters more, and is still right in the factors.
            check(&fitted, region, "factor_band_night", FACTORS[0].1);
            check(&fitted, region, "factor_band_peak", FACTORS[1].1);
            check(&fitted, region, "factor_priority_2", FACTORS[2].1);
        }
        if model == "road_class" {
            check_speeds(&fitted);
        }
        let groups: Vec<&Value> = fitted.iter().filter(|row| row["band"] != "").collect();
        assert!(groups.is_empty(), "bands that are a factor split no group: {groups:?}");
    }
    // The same, by way of the database, and whatever the number of workers.
    desk.expect(0, &["import", "x.csv"]);
    let model = ["run", "--set", "fit.model=linear", "--set", "fit.workers=1"];
    desk.expect(0, &[&model[..], &flags].concat());
    desk.expect(0, &["export", "--output", "q.json"]);
    let estimates = |file: &str| -> Vec<Value> {
        rows(&desk, file).iter().map(|row| row["estimate"].clone()).collect()
    };
    assert_eq!(estimates("p.json"), estimates("q.json"));
}

#[test]
fn one_factor_and_one_split_go_together() {
    let desk = Desk::new();
    desk.write("x.csv", &csv(&made(6000, true)));
    let fit = ["fit", "x.csv", "--model", "road_class", "--output", "p.json"];
    desk.expect(0, &[&fit[..], &factor_flags("fit.factors=priority")].concat());
    let fitted = rows(&desk, "p.json");
    for band in ["night", "other", "peak"] {
        let of_band: Vec<Value> =
            fitted.iter().filter(|row| row["band"] == band).cloned().collect();
        check(&of_band, "North", "factor_priority_2", FACTORS[2].1);
    }
}

#[test]
fn factors_that_cannot_be_say_why() {
    let desk = Desk::new();
    let mut text = String::from("region,distance_km,travel_time_s,priority\n");
    for i in 0..70 {
        writeln!(text, "A,{},{},p{i}", 1.0 + f64::from(i) / 10.0, 200 + i).unwrap();
    }
    desk.write("x.csv", &text);
    let check = |code: i32, flags: &[&str], expected: &str| {
        let ended = desk.expect(code, &[&["fit", "x.csv"], flags].concat());
        assert!(ended.stderr.contains(expected), "{expected}: {}", ended.stderr);
    };
    check(4, &["--set", "fit.factors=priority"], "more than 64 levels of priority");
    check(3, &["--set", "fit.factors=band"], "`groups.bands` is empty");
    check(3, &["--set", "fit.factors=bands"], "`bands` is not one of `band`, `priority`");
    check(3, &["--set", "fit.factors=band,band", "--set", BANDS], "names a factor twice");
    let both = ["--set", "fit.factors=priority", "--set", "groups.by_priority=true"];
    check(3, &both, "`groups.by_priority` splits already");
    let lengths = |text: &str| format!("columns.lengths={text}");
    for (text, expected) in [
        ("[{ class = \"\", column = \"a\" }]", "is not a name of 1 to 50 characters"),
        ("[{ class = \"a\", column = \" \" }]", "the class `a` needs a column"),
        (
            "[{ class = \"a\", column = \"x\" }, { class = \"a\", column = \"y\" }]",
            "names the class `a` twice",
        ),
        (
            "[{ class = \"a\", column = \"x\" }, { class = \"b\", column = \"x\" }]",
            "names the column `x` twice",
        ),
        ("[{ class = \"a\", column = \"distance_km\" }]", "both name the column `distance_km`"),
    ] {
        check(3, &["--set", &lengths(text)], expected);
    }
    // Named columns must be there where they are read.
    let named = lengths("[{ class = \"a\", column = \"LenA\" }]");
    check(4, &["--set", &named, "--model", "road_class"], "has no column `LenA`");
    desk.expect(0, &["fit", "x.csv", "--set", &named]);
}
