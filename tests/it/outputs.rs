//! What a run leaves in its folder, through the real binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::program::Desk;

const FILE: [&str; 4] = ["--set", "source.kind=file", "--set", "file.path=trips.csv"];

/// Trips in a region; one in so many is longer than is accepted.
fn trips(region: &str, one_slow_in: usize) -> String {
    let mut text = "region,distance_km,travel_time_s\n".to_owned();
    for nth in 1..=400 {
        let distance_km = 0.5 + (nth * 37 % 211) as f64 * 0.028;
        let pace = 0.62 + (nth * 53 % 127) as f64 * 0.006;
        let slow = if nth % one_slow_in == 0 { 9000.0 } else { 0.0 };
        let travel_time_s = 70.0 + 150.0 * distance_km.sqrt() * pace + slow;
        writeln!(text, "{region},{distance_km:.3},{travel_time_s:.0}").unwrap();
    }
    text
}

#[test]
fn a_dry_run_leaves_the_files_of_a_run() {
    let desk = Desk::new();
    let run = |code: i32, args: &[&str]| desk.expect(code, &[&["run"], &FILE[..], args].concat());
    let names = ["run_results.json", "report.html"];
    let of = |name: &str| std::fs::read(desk.path("speedfit-output").join(name)).unwrap();
    let status = |name: &str| -> Value {
        serde_json::from_slice::<Value>(&of(name)).unwrap()["run"]["status"].clone()
    };
    desk.write("trips.csv", &trips("North", 1000));
    run(0, &[]);
    let good = names.map(of);
    assert_eq!(status("run_results.json"), "done");
    run(0, &["--dry-run"]);
    assert_eq!(names.map(of), good);
    let dry = ["run_results-dry-run.json", "report-unpublished.html"].map(of);
    assert_eq!(serde_json::from_slice::<Value>(&dry[0]).unwrap()["rows"]["read"], 400);
    desk.write("trips.csv", &trips("North", 10));
    run(7, &[]);
    assert_eq!(of("report.html"), good[1]);
    assert_eq!(status("run_results.json"), "refused");
}

#[test]
fn text_in_the_files_can_be_read() {
    let desk = Desk::new();
    desk.write("trips.csv", &trips("No\u{202e}r\u{200b}th", 1000));
    let told = desk.expect(0, &[&["run", "--reason", "\u{9b}31m"], &FILE[..]].concat());
    let json = desk.expect(0, &["show", "current", "--json"]);
    let results = std::fs::read_to_string(desk.path("speedfit-output/run_results.json")).unwrap();
    let report = std::fs::read_to_string(desk.path("speedfit-output/report.html")).unwrap();
    for text in [&told.stdout, &told.stderr, &json.stdout, &results, &report] {
        assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{9b}']), "{text}");
    }
    assert!(results.contains(r"No\u202er\u200bth"), "{results}");
    assert!(results.contains(r"\u009b31m"), "{results}");
    assert!(report.contains(r"No\u{202e}r\u{200b}th"), "{report}");
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!(results["results"][0]["region"], "No\u{202e}r\u{200b}th");
}
