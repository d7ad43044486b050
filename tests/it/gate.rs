//! The gate before publication through the real binary: a feed that went wrong publishes nothing, says
//! which rule and which setting, and holds no later night back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;

use rusqlite::Connection;

use crate::support::program::{Desk, Ended, incidents};

const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n";
const SOURCE: [&str; 4] = ["--set", "source.kind=file", "--set", "file.path=trips.csv"];

/// A trip; days count from the first of January.
#[derive(Debug, Clone)]
struct Trip {
    id: u32,
    region: String,
    day: u32,
    distance: String,
    time: String,
}

/// Forty trips a day in eight regions, on so many days.
fn trips(n_days: u32) -> Vec<Trip> {
    let of = |id: u32| {
        let km = 0.5 + f64::from(id * 37 % 211) * 0.028;
        let pace = 0.62 + f64::from(id * 53 % 127) * 0.006;
        Trip {
            id,
            region: format!("R{}", id % 8),
            day: id / 40,
            distance: format!("{km:.3}"),
            time: format!("{:.0}", 70.0 + 150.0 * km.sqrt() * pace),
        }
    };
    (0..40 * n_days).map(of).collect()
}

fn csv(trips: &[Trip]) -> String {
    let mut text = HEADER.to_owned();
    for Trip { id, region, day, distance, time } in trips {
        let (month, day, minute) = (1 + day / 28, 1 + day % 28, id % 60);
        let at = format!("2026-{month:02}-{day:02}T12:{minute:02}:00Z");
        writeln!(text, "{id},{region},{at},1,\"{distance}\",\"{time}\"").unwrap();
    }
    text
}

/// A run of the desk's file, which is these trips.
fn night(desk: &Desk, trips: &[Trip], args: &[&str]) -> Ended {
    desk.write("trips.csv", &csv(trips));
    desk.run(&[&["run"], &SOURCE[..], args].concat())
}

/// What `status` says: rules, the next step, and the run that is current.
fn status(desk: &Desk) -> (Vec<String>, String, Option<i64>) {
    let status = desk.expect(0, &["status", "--json"]).json();
    let rules = status["rules"].as_array().unwrap().iter();
    let rules = rules.map(|rule| rule.as_str().unwrap().to_owned()).collect();
    (rules, status["next_step"].as_str().unwrap().to_owned(), status["current"]["run_id"].as_i64())
}

fn metres(trips: &mut [Trip]) {
    for trip in trips {
        trip.distance = trip.distance.replace('.', "");
    }
}

/// A night after a good one of sixty days: its exit code, what it said, and the rules that `status`
/// names.
fn after_a_good_night(
    n_days: u32,
    change: impl Fn(&mut Vec<Trip>),
    args: &[&str],
) -> (Desk, Ended, Vec<String>) {
    let desk = Desk::new();
    let first = night(&desk, &trips(60), &[]);
    assert_eq!(first.code, Some(0), "{} {}", first.stdout, first.stderr);
    let mut later = trips(n_days);
    change(&mut later);
    let ended = night(&desk, &later, args);
    let (rules, next, current) = status(&desk);
    let is_published = ended.code != Some(7);
    assert_eq!(current, Some(if is_published { 2 } else { 1 }), "{}", ended.stderr);
    assert_eq!(rules.is_empty(), ended.code == Some(0), "{rules:?} {}", ended.stderr);
    if let Some(rule) = rules.first().filter(|_| is_published) {
        assert!(next.starts_with(&format!("rule `{rule}` of the gate: ")), "{next}");
    }
    if !is_published {
        // What the run itself said to do, and then to run again.
        let (_, hint) = ended.stderr.trim_end().rsplit_once("hint: ").unwrap();
        // Without a record that was used there is nothing to publish.
        let publishes = hint.find("; where the records are right").unwrap_or(hint.len());
        let (remedy, publishes) = hint.split_at(publishes);
        assert_eq!(next, format!("{remedy}; then `speedfit run`{publishes}"));
    }
    (desk, ended, rules)
}

#[test]
fn metres_read_as_kilometres_publish_nothing_and_hold_nothing_back() {
    let desk = Desk::new();
    let mut wrong = trips(30);
    metres(&mut wrong[1..]);
    desk.write("trips.csv", &csv(&wrong));
    desk.expect(0, &["import", "trips.csv"]);
    let run = desk.expect(7, &["run"]);
    for told in [
        "nothing published: [refused_values] 1,19",
        "would be plausible as distances in metres",
        r#"hint: set `columns.distance_unit` to "m"; `speedfit import --undo FILE` takes out"#,
    ] {
        assert!(run.stderr.contains(told), "{}", run.stderr);
    }
    let (rules, next, current) = status(&desk);
    assert_eq!((rules[0].as_str(), current), ("refused_values", None));
    assert!(next.contains("columns.distance_unit"), "{next}");
    // Somebody publishes it all the same; the corrected night replaces it without force.
    desk.expect(0, &["run", "--force", "--reason", "to see"]);
    let store = Connection::open(desk.path("speedfit.db")).unwrap();
    store
        .execute("UPDATE incident SET distance_km = distance_km / 1000 WHERE distance_km > 20", ())
        .unwrap();
    desk.expect(0, &["run"]);
    assert_eq!(status(&desk).2, Some(3));
}

#[test]
fn slow_trips_that_cannot_be_read_are_no_small_matter() {
    let check = |form: fn(u32) -> String, looks_like: &str| {
        let desk = Desk::new();
        let mut all = trips(30);
        let is_slow = |time_s: &u32| *time_s >= 400;
        for trip in &mut all {
            if let Some(time_s) = trip.time.parse().ok().filter(is_slow) {
                trip.time = form(time_s);
            }
        }
        desk.write("trips.csv", &csv(&all));
        let fit = desk.expect(7, &["fit", "trips.csv"]);
        assert!(fit.stdout.contains("R7"), "{}", fit.stdout);
        assert!(fit.stderr.contains("not fit to be published: [unreadable] "), "{}", fit.stderr);
        assert!(fit.stderr.contains(looks_like), "{looks_like}: {}", fit.stderr);
        let run = desk.expect(7, &[&["run"], &SOURCE[..]].concat());
        assert!(run.stderr.contains(looks_like), "{}", run.stderr);
        assert_eq!(status(&desk).2, None);
    };
    check(
        |s| format!("{},{:03}", s / 100, s),
        "in column `travel_time_s`, which looks like a number with thousands separators",
    );
    check(|s| format!("{}m {:02}s", s / 60, s % 60), "looks like a number with its unit");
    check(|s| format!("0:{:02}:{:02}", s / 60, s % 60), "looks like a time as h:mm:ss");
    check(|s| format!("{s},5"), "looks like a number with a decimal comma");
    check(|s| format!("{s} s"), "looks like a number with its unit");
}

#[test]
fn another_unit_is_named_on_later_nights() {
    let check = |change: fn(&mut Trip), rule: &str, told: &str| {
        let all = |trips: &mut Vec<Trip>| trips.iter_mut().for_each(change);
        let (_, ended, rules) = after_a_good_night(61, all, &[]);
        assert_eq!((ended.code, rules[0].as_str()), (Some(7), rule), "{}", ended.stderr);
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    };
    let miles = |trip: &mut Trip| {
        let km: f64 = trip.distance.parse().unwrap();
        trip.distance = format!("{:.3}", km / 1.609_344);
    };
    check(miles, "distribution", r#"hint: set `columns.distance_unit` to "mi""#);
    let minutes = |trip: &mut Trip| {
        let s: f64 = trip.time.parse().unwrap();
        trip.time = format!("{:.3}", s / 60.0);
    };
    check(minutes, "distribution", r#"hint: set `columns.time_unit` to "min""#);
    let swapped = |trip: &mut Trip| std::mem::swap(&mut trip.time, &mut trip.distance);
    check(swapped, "distribution", "of the published set");
    let constant = |trip: &mut Trip| trip.distance = "1.0".to_owned();
    check(constant, "constant", "[constant] the distance is 1.00 to 1.06 km");
}

#[test]
fn half_a_feed_is_refused_until_somebody_accepts_it() {
    let half = |trips: &mut Vec<Trip>| trips.retain(|trip| trip.id % 3 == 0);
    let (desk, ended, rules) = after_a_good_night(61, half, &[]);
    assert_eq!((ended.code, rules[0].as_str()), (Some(7), "row_count"), "{}", ended.stderr);
    assert!(ended.stderr.contains("`speedfit publish 2 --reason …` publishes"), "{}", ended.stderr);
    let mut next = trips(62);
    half(&mut next);
    assert_eq!(night(&desk, &next, &[]).code, Some(7));
    desk.expect(0, &["publish", "2", "--reason", "two stations in three were closed"]);
    assert_eq!(night(&desk, &next, &[]).code, Some(0));
}

#[test]
fn a_feed_loaded_twice_is_refused() {
    let twice = |trips: &mut Vec<Trip>| {
        let again: Vec<Trip> =
            trips.iter().map(|trip| Trip { id: trip.id + 100_000, ..trip.clone() }).collect();
        trips.extend(again);
    };
    let (_, ended, rules) = after_a_good_night(61, twice, &[]);
    assert_eq!((ended.code, rules[0].as_str()), (Some(7), "row_count"), "{}", ended.stderr);
    let same = |trips: &mut Vec<Trip>| trips.extend(trips.clone());
    let (_, ended, rules) = after_a_good_night(61, same, &[]);
    assert_eq!((ended.code, rules.join(" ")), (Some(7), "row_count repeated_rows".to_owned()));
    assert!(ended.stderr.contains("of the rows repeat another one"), "{}", ended.stderr);
}

#[test]
fn a_region_that_was_renamed_is_said_once() {
    let renamed = |trips: &mut Vec<Trip>| {
        for trip in trips.iter_mut().filter(|trip| trip.region == "R3") {
            trip.region = "North".to_owned();
        }
    };
    let (desk, ended, rules) = after_a_good_night(61, renamed, &[]);
    assert_eq!((ended.code, rules[0].as_str()), (Some(6), "regions"), "{}", ended.stderr);
    let told = "warning: [regions] `R3` has no row any more; `North` is new";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    let mut next = trips(62);
    renamed(&mut next);
    let ended = night(&desk, &next, &[]);
    assert_eq!(ended.code, Some(0), "{} {}", ended.stdout, ended.stderr);
}

#[test]
fn a_dead_feed_is_noticed() {
    let check = |to: &str, code: i32, rule: &str| {
        let desk = Desk::new();
        desk.write("trips.csv", &csv(&trips(60)));
        desk.expect(0, &[&["run", "--to", "2026-03-05"], &SOURCE[..]].concat());
        desk.expect(code, &[&["run", "--to", to], &SOURCE[..]].concat());
        assert_eq!(status(&desk).0.join(" "), rule, "{to}");
    };
    check("2026-03-06", 0, "");
    check("2026-03-09", 6, "stale");
    check("2026-03-19", 7, "stale");
}

/// A window that begins earlier than that of the published set holds more records, none of them twice.
#[test]
fn a_window_may_grow_backwards() {
    let desk = Desk::new();
    for args in [&["--from", "2026-02-01"][..], &[]] {
        let ended = night(&desk, &trips(60), args);
        assert_eq!(ended.code, Some(0), "{args:?} {} {}", ended.stdout, ended.stderr);
    }
}

/// A set that one group of it was made anew for stands on the records of all the others too.
#[test]
fn a_run_of_some_groups_holds_no_later_night_back() {
    for first in [&["--select", "R1"][..], &["--exclude", "R1", "--exclude", "R2"]] {
        let desk = Desk::new();
        let all = trips(60);
        for args in [&[][..], first, &[][..], &[][..]] {
            let ended = night(&desk, &all, args);
            assert_eq!(ended.code, Some(0), "{first:?} {} {}", ended.stdout, ended.stderr);
        }
    }
}

#[test]
fn a_dead_feed_is_noticed_every_night() {
    let desk = Desk::new();
    desk.write("trips.csv", &csv(&trips(60)));
    for (to, code) in [("05", 0), ("08", 6), ("09", 6), ("10", 6), ("19", 7), ("20", 7)] {
        let to = format!("2026-03-{to}");
        desk.expect(code, &[&["run", "--to", to.as_str()], &SOURCE[..]].concat());
    }
}

#[test]
fn an_honest_night_passes_whatever_it_brings() {
    let check = |n_days: u32, change: fn(&mut Vec<Trip>), args: &[&str]| {
        let (_, ended, rules) = after_a_good_night(n_days, change, args);
        assert_eq!(ended.code, Some(0), "{rules:?} {} {}", ended.stdout, ended.stderr);
    };
    check(60, |_| {}, &[]);
    check(90, |_| {}, &[]);
    // A window that moves on, and one that an operator narrows.
    check(90, |_| {}, &["--from", "2026-02-01"]);
    check(60, |_| {}, &["--from", "2026-02-01"]);
    check(60, |_| {}, &["--to", "2026-02-01"]);
    check(60, |_| {}, &["--select", "R1"]);
    // A new station, with records from its first day on.
    let opened = |trips: &mut Vec<Trip>| {
        for trip in trips.iter_mut().filter(|trip| trip.day >= 60 && trip.id % 5 == 0) {
            trip.region = "New".to_owned();
        }
    };
    check(90, opened, &[]);
}

/// Half as slow again for a whole week: what the records are, and what a fault may be.
#[test]
fn a_week_of_storm_is_published_and_named() {
    let storm = |trips: &mut Vec<Trip>| {
        for trip in trips.iter_mut().filter(|trip| trip.day >= 60) {
            let s: f64 = trip.time.parse().unwrap();
            trip.time = format!("{:.0}", s * 1.5);
        }
    };
    let (_, ended, rules) = after_a_good_night(67, storm, &[]);
    assert_eq!(ended.code, Some(6), "{} {}", ended.stdout, ended.stderr);
    assert_eq!(rules, ["drift"]);
}

#[test]
fn a_backfill_is_held_to_the_rules_of_a_first_night() {
    let desk = Desk::new();
    let mut all = trips(56);
    metres(&mut all[40 * 28..]);
    desk.write("trips.csv", &csv(&all));
    let months =
        ["backfill", "--from", "2026-01-01", "--to", "2026-03-01", "--step", "1mo", "--json"];
    let done = desk.expect(7, &[&months, &SOURCE[..]].concat()).json();
    assert_eq!(done[0]["window"], "done", "{done}");
    assert!(done[1]["message"].as_str().unwrap().contains("[refused_values]"), "{done}");
}

#[test]
fn the_first_night_of_real_files_passes() {
    let Some(folder) = incidents() else { return };
    for name in ["lfb_incidents_2017", "sf_fire", "nyc_green_2023q1"] {
        let desk = Desk::new();
        let path = folder.join(format!("{name}.raw.csv.gz"));
        let path = format!("file.path={}", path.display());
        let run = desk.expect(0, &["run", "--set", "source.kind=file", "--set", &path, "--json"]);
        assert_eq!(run.json()["findings"], serde_json::Value::Null, "{name}");
    }
}

/// What a person accepted is not asked about again while it is still new.
#[test]
fn a_change_that_is_real_is_accepted_once() {
    for accept in [&["publish", "2", "--reason", "all trips by the new road"][..], &[]] {
        let desk = Desk::new();
        night(&desk, &trips(60), &[]);
        let longer = |n_days: u32| {
            let mut trips = trips(n_days);
            for trip in trips.iter_mut().filter(|trip| trip.day >= 60) {
                trip.distance = format!("{:.3}", trip.distance.parse::<f64>().unwrap() * 1.8);
            }
            trips
        };
        let refused = night(&desk, &longer(67), &[]);
        assert_eq!(refused.code, Some(7), "{}", refused.stderr);
        assert_eq!(status(&desk).0, ["new_rows"]);
        if accept.is_empty() {
            let forced = night(&desk, &longer(67), &["--force", "--reason", "by the new road"]);
            assert_eq!(forced.code, Some(0), "{}", forced.stderr);
        } else {
            desk.expect(0, accept);
        }
        for n_days in [68, 69, 70] {
            let next = night(&desk, &longer(n_days), &[]);
            assert_eq!(next.code, Some(0), "{n_days}: {}", next.stderr);
        }
    }
}
