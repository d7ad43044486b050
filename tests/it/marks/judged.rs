//! The judge's rules as the settings set them, through the real binary: what a rule refuses keeps its
//! current parameters and says so, and what the set as a whole must hold.

use super::{SOURCE, night, read_by_the_application, write_trips};
use crate::support::program::Desk;

/// Runs another night under a rule and gives the exit code with the group's message and the status of
/// its parameters.
fn judged(desk: &Desk, regions: &[(&str, f64)], rule: &str) -> (Option<i32>, Vec<String>) {
    write_trips(desk, regions);
    let run = desk.run(&[&["run", "--set", rule], &SOURCE[..]].concat());
    let shown = desk.expect(0, &["show", "last", "--json"]).json();
    let groups = shown["groups"].as_array().unwrap().iter();
    let told = groups.map(|group| {
        let parameters = shown["parameters"].as_array().unwrap().iter();
        let own = parameters.filter(|row| row["region"] == group["region"]);
        let mut statuses: Vec<&str> = own.map(|row| row["status"].as_str().unwrap()).collect();
        statuses.dedup();
        let text = |key: &str| group[key].as_str().unwrap();
        format!("{}: {} {statuses:?}: {}", text("region"), text("outcome"), text("message"))
    });
    (run.code, told.collect())
}

/// After a night as ever, a night of which North is so much slower meets this rule.
fn check(slower: f64, rule: &str, expected: &str) {
    let desk = Desk::new();
    night(&desk, &[("North", 1.0), ("South", 1.0)]);
    let (code, told) = judged(&desk, &[("North", slower), ("South", 1.0)], rule);
    let kept = r#"North: carried_over ["carried_over"]: "#;
    assert_eq!(told[0], format!("{kept}{expected}"), "{rule}");
    assert!(told[1].starts_with("South: fitted"), "{told:?}");
    assert_eq!(code, Some(6), "{rule}");
}

#[test]
fn what_a_rule_refuses_keeps_its_current_parameters_and_says_so() {
    check(
        1.2,
        r#"judge.bounds=[{ name = "acceleration_km_min2", min = 0.5, max = 2.0 }]"#,
        "acceleration_km_min2 0.3704 is outside 0.5 to 2",
    );
    check(
        1.2,
        "judge.max_change_std_errors=5",
        "acceleration_km_min2 moves from 0.5333 to 0.3704, by 10.9 standard errors, more than 5",
    );
    check(
        1.2,
        "judge.max_time_change=0.1",
        "the median time at 2.0 km changes by +20 %, more than 10 %",
    );
}

#[test]
fn an_interval_is_judged_where_there_is_one() {
    let desk = Desk::new();
    night(&desk, &[("North", 1.0)]);
    let rule = "judge.max_interval_ratio=1.0001";
    write_trips(&desk, &[("North", 1.0)]);
    let model = ["--model", "linear"];
    let run = desk.expect(7, &[&["run", "--set", rule], &model[..], &SOURCE[..]].concat());
    let told = "the interval of cruise_speed_kmh";
    assert!(
        run.stderr.contains(told) && run.stderr.contains("a factor of 1.0001"),
        "{}",
        run.stderr
    );
    assert_eq!(read_by_the_application(&desk), 1);
}

#[test]
fn a_share_of_the_groups_must_pass() {
    let desk = Desk::new();
    night(&desk, &[("East", 1.0), ("North", 1.0), ("South", 1.0)]);
    let regions = [("East", 1.0), ("North", 3.0), ("South", 1.0)];
    write_trips(&desk, &regions);
    let strict = ["run", "--set", "judge.min_share_groups=0.7"];
    let run = desk.expect(7, &[&strict, &SOURCE[..]].concat());
    let told = "nothing published: only 2 of 3 groups passed, 67 %; 70 % needed";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert_eq!(read_by_the_application(&desk), 1);
    let (code, _) = judged(&desk, &regions, "judge.min_share_groups=0.66");
    assert_eq!(code, Some(6));
    assert_eq!(read_by_the_application(&desk), 3);
}

#[test]
fn a_worse_score_on_later_records_keeps_the_current_parameters() {
    let desk = Desk::new();
    // Of 200 trips the last 40 are slower. What was fitted to all of them foretells these better than
    // what is fitted to those before.
    let mut text = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n".to_owned();
    for nth in 0..200 {
        let distance_km = 0.2 + f64::from(nth % 97) * 0.05;
        let slower = if nth < 160 { 1.0 } else { 1.3 };
        let time_s =
            120.0 * (distance_km / 0.5).sqrt() * slower * (0.8 + f64::from(nth % 13) * 0.03);
        let (day, hour) = (1 + nth / 24, nth % 24);
        text.push_str(&format!(
            "I{nth},North,2026-01-{day:02}T{hour:02}:00:00Z,1,{distance_km:.2},{time_s:.1}\n"
        ));
    }
    desk.write("trips.csv", &text);
    desk.expect(0, &[&["run"], &SOURCE[..]].concat());
    let lenient = ["run", "--set", "judge.max_score_drop=5"];
    desk.expect(0, &[&lenient, &SOURCE[..]].concat());
    let strict = ["run", "--set", "judge.max_score_drop=0.1"];
    let run = desk.expect(7, &[&strict, &SOURCE[..]].concat());
    assert!(run.stderr.contains("the log score on later records is -"), "{}", run.stderr);
    assert!(run.stderr.contains(": worse by more than 0.1"), "{}", run.stderr);
    assert_eq!(read_by_the_application(&desk), 2);
}
