//! The job as a process among others: killed, stopped, started twice at once.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::program::{Desk, Ended};

const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n";

/// Rows of three regions that `kwh` fits well: a quarter more or less than 2·√(d/0.5) minutes.
fn rows(n: usize) -> String {
    let mut text = String::new();
    for nth in 0..n {
        let distance_km = 0.2 + (nth % 97) as f64 * 0.05;
        let factor = 0.8 + (nth % 13) as f64 * 0.03;
        let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
        let region = ["North", "South", "Harbour"][nth % 3];
        text.push_str(&format!(
            "I{nth},{region},2026-01-05T10:00:00Z,1,{distance_km:.2},{travel_time_s:.1}\n"
        ));
    }
    text
}

/// A source that the test holds open: a named pipe as CSV file.
struct Feed {
    path: String,
}

impl Feed {
    fn new(desk: &Desk) -> Self {
        let path = desk.path("feed.csv");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self { path: path.display().to_string() }
    }

    fn flags(&self) -> [String; 4] {
        let path = format!("file.path={}", self.path);
        ["--set", "source.kind=file", "--set", &path].map(str::to_owned)
    }

    fn start(&self, desk: &Desk) -> Child {
        let flags = self.flags();
        let mut args = vec!["run", "--progress", "json"];
        args.extend(flags.iter().map(String::as_str));
        desk.start(&args)
    }

    /// Waits for the run to open the pipe, and writes so many rows.
    fn open(&self, n_rows: usize) -> File {
        let mut pipe = OpenOptions::new().write(true).open(&self.path).unwrap();
        pipe.write_all(HEADER.as_bytes()).unwrap();
        pipe.write_all(rows(n_rows).as_bytes()).unwrap();
        pipe
    }
}

fn wait_for_event(child: &mut Child, is_it: impl Fn(&Value) -> bool) {
    let stderr = BufReader::new(child.stderr.as_mut().unwrap());
    let events = stderr.lines().map_while(Result::ok);
    let mut events = events.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    assert!(events.any(|event| is_it(&event)), "the event never came");
}

fn has_read_rows(event: &Value) -> bool {
    event["event"] == "rows"
}

fn statuses(desk: &Desk) -> Vec<String> {
    let runs = desk.expect(0, &["runs", "--json", "--limit", "0"]).json();
    let mut statuses: Vec<String> = (runs.as_array().unwrap().iter())
        .map(|run| run["status"].as_str().unwrap().to_owned())
        .collect();
    statuses.reverse();
    statuses
}

fn imported(desk: &Desk, n_rows: usize) {
    desk.write("trips.csv", &format!("{HEADER}{}", rows(n_rows)));
    desk.expect(0, &["import", "trips.csv"]);
}

/// The current set must be that of a run that ended well, with every group and every parameter.
fn assert_current_is_whole(desk: &Desk) {
    let shown = desk.expect(0, &["show", "current", "--json"]).json();
    assert_eq!(shown["run"]["status"], "done");
    let groups = shown["groups"].as_array().unwrap();
    let names: BTreeSet<&str> = groups.iter().map(|g| g["region"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["Harbour", "North", "South"]));
    let parameters = shown["parameters"].as_array().unwrap();
    assert_eq!(parameters.len(), 9);
    assert!(parameters.iter().all(|p| p["estimate"].is_number()));
}

#[test]
fn sigterm_ends_a_run_within_two_seconds_and_the_ledger_knows() {
    let desk = Desk::new();
    let feed = Feed::new(&desk);
    let mut child = feed.start(&desk);
    let pipe = feed.open(115_000);
    wait_for_event(&mut child, has_read_rows);
    let asked = Instant::now();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    // The pipe stays open: the reader still waits for rows, as for a share that hangs.
    let status = child.wait().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    drop(pipe);
    assert_eq!(status.code(), Some(130));
    assert_eq!(statuses(&desk), ["cancelled"]);
}

#[test]
fn of_two_runs_of_one_scope_the_second_exits_8() {
    let desk = Desk::new();
    let feed = Feed::new(&desk);
    let mut first = feed.start(&desk);
    let pipe = feed.open(115_000);
    wait_for_event(&mut first, has_read_rows);
    let second = desk.expect(8, &["run"]);
    assert!(
        second
            .stderr
            .contains("error: run 2 was refused: another run of scope `default` is active"),
        "{}",
        second.stderr
    );
    // Another scope is another job.
    desk.expect(7, &["run", "--scope", "elsewhere"]);
    drop(pipe);
    let first = Ended::of(first.wait_with_output().unwrap());
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(statuses(&desk), ["done", "refused"]);
    assert_current_is_whole(&desk);
}

#[test]
fn a_killed_run_leaves_the_current_set_whole_and_is_found_by_the_next() {
    let desk = Desk::new();
    imported(&desk, 120_000);
    let whole = desk.expect(0, &["run", "--progress", "json"]);
    let n_events = whole.stderr.lines().count();
    assert!(n_events >= 10, "{}", whole.stderr);
    for nth in 0..10 {
        let n_before = statuses(&desk).len();
        let mut child = desk.start(&["run", "--progress", "json"]);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // So many events are let pass before the kill.
        let n_seen = stderr.lines().take(nth * n_events / 10 + 1).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_current_is_whole(&desk);
        let n_killed = statuses(&desk).len() - n_before;
        desk.expect(0, &["run"]);
        let told = statuses(&desk);
        // At the first event the request may not be written yet, at the last ones the set may be.
        let killed = &told[n_before..n_before + n_killed];
        assert!(
            matches!(killed, [] | [_]) && killed.iter().all(|s| s == "abandoned" || s == "done"),
            "after {n_seen} events: {told:?}"
        );
        assert_eq!(told.last().map(String::as_str), Some("done"));
        assert_current_is_whole(&desk);
    }
    assert!(statuses(&desk).iter().filter(|status| *status == "abandoned").count() >= 5);
}

#[test]
fn runs_on_the_same_data_give_the_same_bits() {
    let desk = Desk::new();
    imported(&desk, 30_000);
    let parameters = |workers: &str| {
        let workers = format!("fit.workers={workers}");
        desk.expect(0, &["run", "--set", &workers]);
        let shown = desk.expect(0, &["show", "--json"]).json();
        (shown["groups"].clone(), shown["parameters"].clone())
    };
    let first = parameters("1");
    assert_eq!(parameters("1"), first);
    assert_eq!(parameters("2"), first);
    assert_eq!(parameters("7"), first);
}
