//! Past windows: the decision against its tables in `docs/backfill.md`, and the real binary, stopped
//! half-way and started again.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says at which row"
)]

use speedfit::domain::{RunCounts, RunId, RunRow, RunStatus, Trigger, Window};
use speedfit::job::backfill::{Reprocess, WindowState, is_run, leave_out_live, plan, word_of};

use crate::support::{at, request, table_after};

const DOCUMENT: &str = include_str!("../../docs/backfill.md");

fn state_word(state: Option<WindowState>) -> &'static str {
    match state {
        None => "–",
        Some(WindowState::Missing) => "missing",
        Some(WindowState::Failed) => "failed",
        Some(WindowState::Completed) => "completed",
    }
}

#[test]
fn runs_say_of_their_window_what_the_table_says() {
    let table = table_after(DOCUMENT, "| status | exit code | window |");
    for &status in RunStatus::ALL {
        for code in [Some(7), Some(8)] {
            let number = code.unwrap_or_default().to_string();
            let found: Vec<_> = (table.iter())
                .filter(|row| row[0].split(", ").any(|name| name == status.as_str()))
                .filter(|row| row[1] == "any" || row[1] == number)
                .collect();
            let [row] = found[..] else { panic!("{status} {number} has {} rows", found.len()) };
            assert_eq!(state_word(word_of(status, code)), row[2], "{status} {number}");
        }
    }
}

#[test]
fn windows_are_run_as_the_table_says() {
    let table = table_after(DOCUMENT, "| window | `none` | `failed` | `completed` |");
    let states = [WindowState::Missing, WindowState::Failed, WindowState::Completed];
    assert_eq!(table.len(), states.len());
    for state in states {
        let row = table.iter().find(|row| row[0] == state_word(Some(state))).unwrap();
        for (told, reprocess) in row[1..].iter().zip(Reprocess::ALL) {
            let expected = if is_run(state, reprocess) { "run" } else { "–" };
            assert_eq!(told, expected, "{state:?} {reprocess}");
        }
    }
}

#[test]
fn only_runs_of_the_very_window_and_settings_count() {
    let window =
        Window { from: Some(at("2026-01-01T00:00:00Z")), to: Some(at("2026-01-02T00:00:00Z")) };
    let run = |id: i64, status: RunStatus| {
        let mut row = RunRow {
            id: RunId(id),
            request: request("s"),
            status,
            started_at: None,
            finished_at: None,
            counts: RunCounts::default(),
            exit_code: None,
            message: String::new(),
        };
        row.request.trigger = Trigger::Backfill;
        row.request.window = window;
        row
    };
    let check = |earlier: &[RunRow], expected: (WindowState, &str)| {
        let planned = plan(&[window], "5e1f", Reprocess::None, earlier);
        let slot =
            format!("backfill/2026-01-01T00:00:00Z/2026-01-02T00:00:00Z/5e1f/{}", expected.1);
        assert_eq!((planned[0].state, planned[0].slot.as_str()), (expected.0, slot.as_str()));
    };
    let mut other_settings = run(1, RunStatus::Done);
    other_settings.request.settings_hash = "0".into();
    let mut other_window = run(2, RunStatus::Done);
    other_window.request.window.to = None;
    let mut other_trigger = run(3, RunStatus::Done);
    other_trigger.request.trigger = Trigger::Operator;
    check(&[other_trigger, other_window, other_settings], (WindowState::Missing, "0"));
    // The last that says anything counts.
    let (stopped, done) = (run(5, RunStatus::Cancelled), run(4, RunStatus::Done));
    let failed = run(3, RunStatus::Failed);
    check(&[stopped.clone(), done, failed.clone()], (WindowState::Completed, "3"));
    check(&[stopped.clone(), failed], (WindowState::Failed, "2"));
    // What is under way has the slot that the next one asks for.
    let mut all = vec![
        run(8, RunStatus::Requested),
        run(7, RunStatus::Running),
        run(6, RunStatus::Requested),
        stopped.clone(),
    ];
    leave_out_live(&mut all, Some(RunId(6)));
    check(&all, (WindowState::Missing, "2"));
    check(&[stopped], (WindowState::Missing, "1"));
}

#[cfg(unix)]
mod program {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader};
    use std::process::Command;

    use serde_json::Value;

    use crate::support::program::{Desk, Ended, incidents};

    const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n";

    /// Two regions, so many trips a day over so many days of January 2026; the second has none on
    /// the third day.
    fn trips(n_days: usize, n_per_day: usize) -> String {
        let mut text = HEADER.to_owned();
        for (day, nth) in (0..n_days).flat_map(|day| (0..n_per_day).map(move |nth| (day, nth))) {
            let distance_km = 0.2 + (nth % 97) as f64 * 0.05;
            let factor = 0.8 + (nth % 13) as f64 * 0.03;
            let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
            for region in ["North", "South"] {
                let hour = nth % 24;
                text.push_str(&format!(
                    "{region}{day}-{nth},{region},2026-01-{:02}T{hour:02}:30:00Z,1,\
                     {distance_km:.2},{travel_time_s:.1}\n",
                    day + 1
                ));
            }
        }
        text
    }

    fn runs(desk: &Desk) -> Vec<Value> {
        let runs = desk.expect(0, &["runs", "--json", "--limit", "0"]).json();
        let mut runs = runs.as_array().unwrap().clone();
        runs.reverse();
        runs
    }

    /// What the runs of each window came to, in order.
    fn by_window(desk: &Desk) -> BTreeMap<String, Vec<String>> {
        let mut windows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for run in runs(desk) {
            let from = run["window"]["from"].as_str().unwrap().to_owned();
            windows.entry(from).or_default().push(run["status"].as_str().unwrap().to_owned());
        }
        windows
    }

    fn words(told: &Value) -> Vec<&str> {
        told.as_array().unwrap().iter().map(|step| step["window"].as_str().unwrap()).collect()
    }

    const DAYS: [&str; 7] =
        ["backfill", "--from", "2026-01-01", "--to", "2026-01-05", "--step", "1d"];

    fn days(more: &[&'static str]) -> Vec<&'static str> {
        [&DAYS[..], &["--set", "pooling.mode=off", "--json"], more].concat()
    }

    #[test]
    fn every_window_is_one_run_that_moves_no_mark() {
        let desk = Desk::new();
        // The last day has too few records.
        let text = trips(3, 60);
        desk.write("trips.csv", &text);
        let planned = desk.expect(0, &days(&["--dry-run"])).json();
        assert_eq!(words(&planned), ["would run"; 4]);
        assert!(!desk.path("speedfit.db").exists());
        desk.expect(0, &["import", "trips.csv"]);
        let told = desk.expect(7, &days(&[])).json();
        assert_eq!(words(&told), ["done", "done", "done", "failed"]);
        let ledger = runs(&desk);
        assert!(ledger.iter().all(|run| run["trigger"] == "backfill"));
        assert!(ledger.iter().all(|run| run["detail"]["keep_unpublished"] == true));
        assert_eq!(ledger[0]["rows_read"], 120);
        assert_eq!(ledger[0]["window"]["to"], "2026-01-02T00:00:00Z");
        desk.expect(8, &["show", "current"]);
        assert_eq!(
            desk.expect(0, &["show", "1", "--json"]).json()["parameters"].as_array().unwrap().len(),
            6
        );
        // Nothing is missing; what failed is run again where that is asked for.
        let again = desk.expect(0, &days(&[])).json();
        assert_eq!(words(&again), ["completed", "completed", "completed", "failed before"]);
        assert_eq!(runs(&desk).len(), 4);
        let again = desk.expect(7, &days(&["--reprocess", "failed"])).json();
        assert_eq!(words(&again), ["completed", "completed", "completed", "failed"]);
        assert_eq!(runs(&desk).len(), 5);
        // With other settings these are other windows.
        let other = desk.expect(0, &[&DAYS[..], &["--dry-run", "--json"]].concat()).json();
        assert_eq!(words(&other), ["would run"; 4]);
        let published = desk.expect(7, &days(&["--publish", "--reprocess", "completed"])).json();
        assert_eq!(words(&published), ["done", "done", "done", "failed"]);
        let current = desk.expect(0, &["show", "current", "--json"]).json();
        assert_eq!(current["run"]["window"]["from"], "2026-01-03T00:00:00Z");
    }

    #[test]
    fn what_leads_nowhere_exits_2() {
        let desk = Desk::new();
        let check = |from: &str, to: &str, step: &str, expected: &str| {
            let args = ["backfill", "--from", from, "--to", to, "--step", step];
            let ended = desk.expect(2, &args);
            assert!(ended.stderr.contains(expected), "{args:?}: {}", ended.stderr);
        };
        check("2026-01-02", "2026-01-01", "1d", "error: there is no window: `--to`");
        check("2026-01-02", "2026-02-01", "1s", "error: there are more than 10000 windows");
        check("2026-01-02", "soon", "1d", "error: --to: `soon` is not a moment");
        check("2026-01-01", "2026-01-02", "daily", "invalid value 'daily' for '--step <SPAN>'");
    }

    /// The twelve weeks of the file in New York, as taxis drive them.
    #[test]
    fn stopped_half_way_and_started_again_no_window_is_done_twice_and_none_is_missing() {
        let Some(folder) = incidents() else { return };
        let desk = Desk::new();
        let file = folder.join("nyc_green_2023q1.clean.csv.gz");
        desk.expect(0, &["import", &file.display().to_string()]);
        let args = [
            "backfill",
            "--from",
            "2023-01-01",
            "--to",
            "2023-03-26",
            "--step",
            "1w",
            "--progress",
            "json",
            "--json",
            "--set",
            "time_zone=America/New_York",
            "--set",
            "pooling.mode=off",
            "--set",
            "output.report=false",
            "--set",
            "judge.min_share_published=0.1",
        ];
        let mut child = desk.start(&args);
        // The sixth window fits when the signal comes.
        let stderr = BufReader::new(child.stderr.as_mut().unwrap());
        let events = stderr.lines().map_while(Result::ok);
        let events = events.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        let mut fits = events.filter(|event| event["event"] == "phase" && event["name"] == "fit");
        assert!(fits.nth(5).is_some());
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let stopped = Ended::of(child.wait_with_output().unwrap());
        assert_eq!(stopped.code, Some(130), "{} {}", stopped.stdout, stopped.stderr);
        // The signal may come between two windows.
        let (n_ended, n_cancelled) = counts(&desk);
        assert!((5..12).contains(&n_ended) && n_cancelled <= 1, "{n_ended} {n_cancelled}");
        let told = desk.expect(6, &args).json();
        let n_before = words(&told).iter().filter(|word| **word == "completed").count();
        assert_eq!((n_before, words(&told).len()), (n_ended, 12));
        assert_eq!(counts(&desk), (12, n_cancelled));
        // Once more there is nothing to do.
        let told = desk.expect(0, &args).json();
        assert_eq!(words(&told), ["completed"; 12]);
        assert_eq!(counts(&desk), (12, n_cancelled));
    }

    #[test]
    fn two_backfills_at_once_do_no_window_twice() {
        let desk = Desk::new();
        desk.write("trips.csv", &trips(4, 60));
        desk.expect(0, &["import", "trips.csv"]);
        let both = [desk.start(&days(&[])), desk.start(&days(&[]))];
        for child in both {
            let ended = Ended::of(child.wait_with_output().unwrap());
            // Whoever comes second finds the scope busy, or windows that are done.
            assert!(matches!(ended.code, Some(0 | 8)), "{:?} {}", ended.code, ended.stderr);
        }
        desk.expect(0, &days(&[]));
        assert_eq!(counts(&desk), (4, 0));
    }

    /// Windows that have been run to their end, each once, and runs that were stopped.
    fn counts(desk: &Desk) -> (usize, usize) {
        let windows = by_window(desk);
        let of = |words: &[&str]| {
            let is_one = |status: &&String| words.contains(&status.as_str());
            let n = windows.values().map(|statuses| statuses.iter().filter(is_one).count());
            n.collect::<Vec<_>>()
        };
        let ended = of(&["done", "partial"]);
        assert!(ended.iter().all(|n| *n <= 1), "{windows:?}");
        (ended.iter().sum(), of(&["cancelled"]).iter().sum())
    }
}
