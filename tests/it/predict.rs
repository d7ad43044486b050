//! `speedfit predict` on the real binary: from the store, from files, and what it refuses.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::program::{Desk, incidents};

/// Parameters as a hand would write them: no more columns than are needed.
const PARAMETERS: &str = "\
region,band,priority,name,estimate,std_error,status
A,,,cruise_speed_kmh,30,1.5,ok
A,,,sigma_log,0.4,0.02,ok
B,,,acceleration_km_min2,0.682,0.02,ok
B,,,cruise_speed_kmh,100.7,,not_identified
B,,,spread_b0,0.336,0.05,ok
B,,,spread_b1,0.000058,,at_bound
B,,,spread_b2,0.0388,0.004,ok
B,,,tail_dof,4,0.4,ok
C,day,1,cruise_speed_kmh,30,1,ok
C,day,1,sigma_log,0.4,,ok
C,night,1,cruise_speed_kmh,40,1,ok
C,night,1,sigma_log,0.4,,ok
Dale,,,cruise_speed_kmh,30,1,ok
Roads,,,intercept_min,1,,fixed
Roads,,,class_speed_motorway_kmh,120,6,ok
Roads,,,class_speed_street_kmh,30,1,ok
Roads,,,factor_band_night,0.8,0.04,ok
Roads,,,factor_priority_2,1.2,0.04,ok
Roads,,,sigma_log,0.3,0.01,ok
";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("p.csv", PARAMETERS);
    desk
}

/// The arguments, separated by blanks, after `predict --parameters p.csv`.
fn predict(desk: &Desk, code: i32, args: &str) -> (String, String) {
    let args: Vec<&str> = "predict --log-level off --parameters p.csv"
        .split(' ')
        .chain(args.split_whitespace())
        .collect();
    let ended = desk.expect(code, &args);
    (ended.stdout, ended.stderr)
}

#[test]
fn people_get_a_table() {
    let desk = desk();
    let shown = |args: &str| {
        predict(&desk, 0, args).0.lines().map(|l| format!("{l}\n")).collect::<String>()
    };
    insta::assert_snapshot!(shown("--region A --distance-km 2,0.5 --target-min 6"), @r"
A: constant, normal errors

 km  figure                    value  95 % interval
  2  median                4.000 min  3.627 – 4.412
     mean                  4.333 min  3.924 – 4.785
     90 % of trips within  6.679 min  5.982 – 7.456
     chance within 6 min      84.5 %  77.1 – 89.8
0.5  median                1.000 min  0.9067 – 1.103
     mean                  1.083 min  0.9809 – 1.196
     90 % of trips within  1.670 min  1.496 – 1.864
     chance within 6 min     100.0 %  100.0 – 100.0

Intervals are from the uncertainty of the parameters, taken as independent, since not all correlations are published.
");
    let tail = "--region B --distance-km 9 --quantile 0.5,0.95 --target-min 8,12.5";
    insta::assert_snapshot!(shown(tail), @r"
B: kwh, Student-t errors

km  figure                      value  95 % interval
 9  median                  7.823 min  7.683 – 7.966
    50 % of trips within    7.823 min  7.683 – 7.966
    95 % of trips within    12.27 min  11.66 – 12.91
    chance within 8 min        54.0 %  50.7 – 57.1
    chance within 12.5 min     95.5 %  94.0 – 96.6

Intervals are from the uncertainty of the parameters, taken as independent, since not all correlations are published.
Taken as known, so that intervals are too narrow: cruise_speed_kmh (not_identified), spread_b1 (at_bound).
Student-t errors have no mean.
");
    let roads = "--region Roads --length motorway=4 --length street=0.5 --factor night";
    insta::assert_snapshot!(shown(roads), @r"
Roads: road_class, normal errors, with band_night

 km  figure                    value  95 % interval
4.5  median                3.200 min  2.864 – 3.575
     mean                  3.347 min  2.996 – 3.740
     90 % of trips within  4.700 min  4.196 – 5.266

Intervals are from the uncertainty of the parameters, taken as independent, since not all correlations are published.
Taken as known, so that intervals are too narrow: intercept_min (fixed).
");
}

#[test]
fn programs_get_a_document() {
    let desk = desk();
    let (stdout, stderr) =
        predict(&desk, 0, "--region A --distance-km 2 --target-min 6 --quantile 0.5 --json");
    assert_eq!(stderr, "");
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["region"], "A");
    assert_eq!(document["model"], "constant");
    assert_eq!(document["errors"], "normal");
    assert_eq!(document["correlations"], "taken_as_independent");
    let trip = &document["predictions"][0];
    assert_eq!(trip["distance_km"], 2.0);
    let close = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value / expected - 1.0).abs() < 1e-7, "{value} and {expected}");
    };
    close(&trip["median_s"]["value"], 240.0);
    close(&trip["median_s"]["low"], 240.0 * f64::exp(-1.959_963_984_540_054 * 0.05));
    close(&trip["mean_s"]["value"], 240.0 * f64::exp(0.08));
    assert_eq!(trip["quantiles"][0]["time_s"], trip["median_s"]);
    assert_eq!(trip["within"][0]["target_s"], 360.0);
    // R: `pnorm(log(1.5) / 0.4)`.
    close(&trip["within"][0]["probability"]["value"], 0.844_628_152_696_705);
    assert_eq!(trip["taken_as_known"], Value::Array(vec![]));

    let heavy = predict(&desk, 0, "--region B --distance-km 2 --json").0;
    let heavy: Value = serde_json::from_str(&heavy).unwrap();
    assert_eq!((&heavy["errors"], &heavy["model"]), (&"student_t".into(), &"kwh".into()));
    assert_eq!(heavy["predictions"][0]["mean_s"], Value::Null);
}

#[test]
fn what_cannot_be_predicted_says_why() {
    let desk = desk();
    let mut told = String::new();
    let mut check = |code: i32, args: &str| {
        let (stdout, stderr) = predict(&desk, code, args);
        assert_eq!(stdout, "", "{args}");
        writeln!(told, "{args}\n{stderr}").unwrap();
    };
    check(8, "--region Dalle --distance-km 2");
    check(8, "--region a --distance-km 2");
    check(8, "--region Elsewhere --distance-km 2");
    check(8, "--region C --distance-km 2");
    check(8, "--region C --distance-km 2 --band noon");
    check(8, "--region Dale --distance-km 2");
    check(8, "--region A --distance-km 2 --factor night");
    check(8, "--region Roads --distance-km 2");
    check(8, "--region Roads --length lane=2");
    check(8, "--region A --length street=2");
    check(2, "--region A --distance-km 0");
    check(2, "--region A --distance-km -3");
    check(2, "--region A --distance-km 2,1e308");
    check(2, "--region A --distance-km 2 --quantile 90");
    check(2, "--region A --distance-km 2 --target-min -6");
    insta::assert_snapshot!(told, @r"
--region Dalle --distance-km 2
error: region `Dalle` has no parameters
hint: did you mean `Dale`?

--region a --distance-km 2
error: region `a` has no parameters
hint: did you mean `A`?

--region Elsewhere --distance-km 2
error: region `Elsewhere` has no parameters
hint: column `region` names those there are

--region C --distance-km 2
error: region `C` has more than one group
hint: name one: --band 'day' --priority '1', --band 'night' --priority '1'

--region C --distance-km 2 --band noon
error: region `C` has no group of that band and priority
hint: name one: --band 'day' --priority '1', --band 'night' --priority '1'

--region Dale --distance-km 2
error: cannot predict for `Dale`
caused by: there is no spread among the parameters: the median is all that could be told
hint: name a file that `speedfit fit` or `speedfit export` has written

--region A --distance-km 2 --factor night
error: cannot predict for `A`
caused by: there is no factor `night`; there is none

--region Roads --distance-km 2
error: cannot predict for `Roads`
caused by: model `road_class` needs the length on each class of road; there are `motorway`, `street`
hint: give `--length CLASS=KM`, once for each class

--region Roads --length lane=2
error: cannot predict for `Roads`
caused by: there is no class of roads `lane`; there are `motorway`, `street`

--region A --length street=2
error: cannot predict for `A`
caused by: model `constant` knows no classes of roads: give the distance

--region A --distance-km 0
error: a trip must be 0.05 to 60 km long, not 0
hint: the limits are the settings `accept.min_distance_km` and `accept.max_distance_km`

--region A --distance-km -3
error: a trip must be 0.05 to 60 km long, not -3
hint: the limits are the settings `accept.min_distance_km` and `accept.max_distance_km`

--region A --distance-km 2,1e308
error: a trip must be 0.05 to 60 km long, not 1e308
hint: the limits are the settings `accept.min_distance_km` and `accept.max_distance_km`

--region A --distance-km 2 --quantile 90
error: a quantile must lie between 0 and 1, not 90

--region A --distance-km 2 --target-min -6
error: a target must be above 0 min and finite, not -6

");
}

#[test]
fn flags_that_do_not_go_together_are_wrong_usage() {
    let desk = desk();
    let usage = |args: &str, expected: &str| {
        let (_, stderr) = predict(&desk, 2, args);
        assert!(stderr.contains(expected), "{args}: {stderr}");
    };
    usage("--region A", "--distance-km <KM>|--length <CLASS=KM>");
    usage("--region A --distance-km 2 --length street=2", "cannot be used with");
    usage("--region A --length street", "there is no `=` between class and length");
    usage("--region A --distance-km 2 --run 3", "cannot be used with");
    assert!(
        predict(&desk, 0, "--region C --distance-km 2 --band night").0.starts_with("C / night")
    );
}

#[test]
fn files_that_hold_no_parameters_say_why() {
    let desk = desk();
    desk.write("empty.csv", "");
    desk.write("other.csv", "incident_id,region\n1,A\n");
    desk.write("cell.csv", "region,name,estimate\nA,cruise_speed_kmh,fast\n");
    desk.write("status.csv", "region,name,estimate,status\nA,cruise_speed_kmh,30,good\n");
    desk.write("broken.json", "[{\"region\":");
    desk.write("other.json", "{\"a\":1}");
    desk.write("none.json", "[]");
    let mut told = String::new();
    for name in [
        "empty.csv",
        "other.csv",
        "cell.csv",
        "status.csv",
        "broken.json",
        "other.json",
        "none.json",
        "there-is-none.csv",
        "p.txt",
    ] {
        let args = ["predict", "--log-level", "off", "--region", "A", "--distance-km", "2"];
        let ended = desk.run(&[&args[..], &["--parameters", name]].concat());
        writeln!(told, "{:?} {}", ended.code, ended.stderr).unwrap();
    }
    insta::assert_snapshot!(told, @r"
Some(2) error: `empty.csv` is empty: it has no header
hint: check that whatever writes the file has finished

Some(2) error: `other.csv` has no column `name`; it has `incident_id`, `region`
hint: name a file that `speedfit fit` or `speedfit export` has written

Some(2) error: `cell.csv`, row 1: `estimate` is no number
hint: correct the row, or export the file again

Some(2) error: `status.csv`, row 1: `status` is not known
hint: correct the row, or export the file again

Some(2) error: `broken.json` cannot be read as JSON
caused by: EOF while parsing a value at line 1 column 11
hint: check that whatever writes the file has finished

Some(2) error: `other.json` holds no table of parameters or groups
hint: name a file that `speedfit fit` or `speedfit export` has written

Some(8) error: region `A` has no parameters
hint: the set has no parameters at all

Some(2) error: cannot open `there-is-none.csv`
caused by: No such file or directory (os error 2)
hint: check the path; a relative one starts at the working directory

Some(2) error: cannot tell the format of `p.txt` from its name
hint: let the name end in `.csv`, `.json`, `.csv.gz`, `.json.gz` or `.parquet`

");
}

/// A run's set predicts the same from the store and from every file that it is exported to.
#[test]
fn the_store_and_its_exports_predict_the_same() {
    let Some(folder) = incidents() else { return };
    let desk = Desk::new();
    let file = folder.join("sf_fire.clean.csv.gz").display().to_string();
    desk.expect(0, &["import", &file]);
    let none = desk.expect(
        5,
        &[
            "predict",
            "--region",
            "B01",
            "--distance-km",
            "2",
            "--log-level",
            "off",
            "--set",
            "embedded.path=none.db",
        ],
    );
    assert!(none.stderr.contains("none.db"), "{}", none.stderr);
    let none =
        desk.expect(8, &["predict", "--region", "B01", "--distance-km", "2", "--log-level", "off"]);
    assert_eq!(
        none.stderr,
        "error: scope `default` has no current set\nhint: `speedfit run` makes one\n"
    );
    desk.expect(0, &["run", "--set", "fit.model=kwh_intercept"]);
    let shown = desk.expect(0, &["show", "current", "--json"]).json();
    let region = shown["parameters"][0]["region"].as_str().unwrap().to_owned();
    let predicted = |from: &[&str]| {
        let args = ["predict", "--region", &region, "--distance-km", "0.5,3", "--target-min", "6"];
        desk.expect(0, &[&args[..], from, &["--json"]].concat()).json()
    };
    let expected = predicted(&[]);
    assert_eq!(predicted(&["--run", "1"]), expected);
    assert!(expected["predictions"][1]["median_s"]["low"].is_number());
    std::fs::write(desk.path("show.json"), shown.to_string()).unwrap();
    assert_eq!(predicted(&["--parameters", "show.json"]), expected);
    let results = "speedfit-output/run_results.json";
    assert_eq!(predicted(&["--parameters", results]), expected);
    let groups = "g.json.gz";
    for name in ["p.csv", "p.csv.gz", "p.json", "p.json.gz", "p.parquet"] {
        desk.expect(0, &["export", "--output", name, "--groups", groups]);
        assert_eq!(predicted(&["--parameters", name, "--groups", groups]), expected, "{name}");
    }
    desk.expect(0, &["export", "--groups", "g.parquet"]);
    let other = predicted(&["--parameters", "p.parquet", "--groups", "g.parquet"]);
    assert_eq!(
        other["predictions"][0]["median_s"]["value"],
        expected["predictions"][0]["median_s"]["value"]
    );
}
