//! What a process leaves that died, and a store that goes away under one that lives.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says what it skips"
)]

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use speedfit::bootstrap::{Ask, Launch, clock};
use speedfit::config::{Override, Settings, Sources};
use speedfit::domain::Trigger;
use tokio_util::sync::CancellationToken;

use crate::support::program::{Desk, Ended};

const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n";

/// Rows of two regions that `kwh` fits well.
fn rows(n: usize) -> String {
    let row = |nth: usize| {
        let distance_km = 0.2 + (nth % 97) as f64 * 0.05;
        let factor = 0.8 + (nth % 13) as f64 * 0.03;
        let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
        let region = ["North", "South"][nth % 2];
        format!("I{nth},{region},2026-01-05T10:00:00Z,1,{distance_km:.2},{travel_time_s:.1}\n")
    };
    (0..n).map(row).collect()
}

fn imported() -> Desk {
    let desk = Desk::new();
    desk.write("trips.csv", &format!("{HEADER}{}", rows(240)));
    desk.expect(0, &["import", "trips.csv"]);
    desk
}

/// A run that waits in the middle of its records.
fn at_work(desk: &Desk) -> (Child, std::fs::File) {
    let feed = desk.path("feed.csv");
    if !feed.exists() {
        assert!(Command::new("mkfifo").arg(&feed).status().unwrap().success());
    }
    let source = ["--set", "source.kind=file", "--set", "file.path=feed.csv"];
    let mut child = desk.start(&[&["run", "--progress", "json"], &source[..]].concat());
    let mut pipe = OpenOptions::new().write(true).open(&feed).unwrap();
    pipe.write_all(format!("{HEADER}{}", rows(115_000)).as_bytes()).unwrap();
    let stderr = BufReader::new(child.stderr.as_mut().unwrap());
    let has_read = |line: String| line.contains("\"event\":\"rows\"");
    assert!(stderr.lines().map_while(Result::ok).any(has_read), "it read nothing");
    (child, pipe)
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn statuses(desk: &Desk) -> Vec<(String, String)> {
    let runs = desk.expect(0, &["runs", "--json", "--limit", "0"]).json();
    let text = |run: &Value, key: &str| run[key].as_str().unwrap().to_owned();
    let runs = runs.as_array().unwrap().iter().rev();
    runs.map(|run| (text(run, "status"), text(run, "message"))).collect()
}

#[test]
fn a_run_that_was_killed_is_seen_as_dead_and_done_again() {
    let desk = imported();
    let (child, pipe) = at_work(&desk);
    let status = desk.expect(0, &["status", "--json"]).json();
    assert_eq!(status["running_is_alive"], true);
    assert_eq!(status["next_step"], "wait for the end of run 1");
    let busy = desk.expect(8, &["retry"]);
    assert!(busy.stderr.contains("error: run 1 is not done again: it is not over"));
    killed(child);
    drop(pipe);
    let status = desk.expect(0, &["status"]);
    assert!(status.stdout.contains("its process is gone"), "{}", status.stdout);
    assert!(status.stdout.contains("`speedfit retry 1` does it again"), "{}", status.stdout);
    let status = desk.expect(0, &["status", "--json"]).json();
    assert_eq!((&status["running_is_alive"], &status["running"]["id"]), (&false.into(), &1.into()));
    let again = desk.expect(0, &["retry", "--json"]).json();
    assert_eq!(again["run"]["detail"]["retry_of"], 1);
    let ends: Vec<_> = statuses(&desk).into_iter().map(|(status, _)| status).collect();
    assert_eq!(ends, ["abandoned", "done"]);
    assert_eq!(desk.expect(0, &["status", "--json"]).json()["running"], Value::Null);
}

/// The request row of a process that died before its run began.
async fn never_begun(desk: &Desk) {
    let path = desk.path("speedfit.db").display().to_string();
    let overrides = vec![Override::new("--set", "embedded.path", path)];
    let loaded = Settings::load(&Sources { overrides, ..Sources::default() }).unwrap();
    let ask = Ask::new(Trigger::Operator, "kim");
    let launch = Launch::prepare(&loaded, ask, Arc::clone(&clock())).await.unwrap();
    launch.request(&CancellationToken::new()).await.unwrap();
}

#[tokio::test]
async fn a_request_that_was_never_begun_is_shown_and_ended_by_the_next_run() {
    let desk = imported();
    desk.expect(0, &["run"]);
    never_begun(&desk).await;
    let status = desk.expect(0, &["status"]);
    assert!(status.stdout.contains("waiting   run 2, asked for at "), "{}", status.stdout);
    assert!(status.stdout.contains("next      run 2 begins within a minute"), "{}", status.stdout);
    desk.expect(0, &["run"]);
    let ends = statuses(&desk);
    assert_eq!(ends[1].0, "abandoned");
    assert_eq!(ends[1].1, "asked for and never begun; run 3 has begun since");
    let status = desk.expect(0, &["status", "--json"]).json();
    assert_eq!(status["waiting"], serde_json::json!([]));
    assert_eq!(status["next_step"], "nothing needs to be done");
}

#[tokio::test]
async fn a_request_that_was_never_begun_is_made_by_a_retry() {
    let desk = imported();
    never_begun(&desk).await;
    let again = desk.expect(0, &["retry", "--json"]).json();
    assert_eq!(again["run"]["detail"]["retry_of"], 1);
    let ends = statuses(&desk);
    assert_eq!((ends[0].0.as_str(), ends[1].0.as_str()), ("abandoned", "done"));
    assert_eq!(ends[0].1, "asked for and never begun");
}

#[test]
fn a_store_that_is_deleted_or_replaced_during_a_run_ends_it_with_5() {
    let gone = "`speedfit.db` was deleted or replaced while it was open";
    let check = |change: &dyn Fn(&Desk)| {
        let desk = imported();
        desk.expect(0, &["run"]);
        let (child, pipe) = at_work(&desk);
        change(&desk);
        drop(pipe);
        let ended = Ended::of(child.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        // What the test has read of stderr is not in there.
        assert!(ended.stderr.contains(gone), "{}", ended.stderr);
        assert!(!ended.stdout.contains("published"), "{}", ended.stdout);
        desk
    };
    let remove = |desk: &Desk| {
        for end in ["", "-wal", "-shm"] {
            std::fs::remove_file(desk.path(&format!("speedfit.db{end}"))).unwrap();
        }
    };
    let desk = check(&remove);
    // The next night makes a new one, and says that there is nothing in it.
    let next = desk.expect(7, &["run"]);
    assert!(next.stderr.contains("`speedfit import FILE` adds records"), "{}", next.stderr);
    // A backup that is laid over it, in which another run has the same number.
    let desk = check(&|desk| {
        desk.write("other.csv", &format!("{HEADER}{}", rows(100)));
        let other = ["--set", "embedded.path=backup.db"];
        desk.expect(0, &[&["import", "other.csv"], &other[..]].concat());
        for _ in 0..2 {
            desk.expect(0, &[&["run"], &other[..]].concat());
        }
        std::fs::rename(desk.path("backup.db"), desk.path("speedfit.db")).unwrap();
        for end in ["-wal", "-shm"] {
            std::fs::remove_file(desk.path(&format!("speedfit.db{end}"))).unwrap();
        }
    });
    desk.expect(0, &["run"]);
}

/// As in a container, where every process has the number 1: what one that was killed left is in
/// nobody's way, and does not stay.
#[test]
fn leftover_files_fail_no_later_run() {
    let desk = imported();
    std::fs::create_dir(desk.path("speedfit-output")).unwrap();
    let left = [
        ".run_results.json.1-0.tmp",
        ".report.html.1-0.tmp",
        ".report.html.1-1.tmp",
        ".report.html.00112233445566ff.tmp",
    ];
    for name in left {
        desk.write(&format!("speedfit-output/{name}"), "half");
    }
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", env!("CARGO_BIN_EXE_speedfit"), "run"]);
    command.env_clear().current_dir(desk.path("")).stdin(Stdio::null());
    let first = command.output().ok().filter(|output| {
        let refused = String::from_utf8_lossy(&output.stderr).starts_with("unshare: ");
        if refused {
            eprintln!("skipped: a process with the number 1 is not allowed here");
        }
        !refused
    });
    let ended = first.map_or_else(|| desk.run(&["run"]), Ended::of);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let entries = std::fs::read_dir(desk.path("speedfit-output")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["report.html", "run_results.json"]);
    let whole: Value = serde_json::from_slice(
        &std::fs::read(desk.path("speedfit-output/run_results.json")).unwrap(),
    )
    .unwrap();
    assert_eq!(whole["run"]["status"], "done");
}
