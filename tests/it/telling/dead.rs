//! Runs that died without a word, found by the schedule or a backfill: who is told, and how often.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use speedfit::adapters::embedded::{Embedded, Mode};
use speedfit::domain::{RunId, RunRequest, Trigger};
use speedfit::ports::RunJournal as _;

use super::exposition::Exposition;
use super::program::Night;
use super::receiver::Answer;
use crate::support::program::Ended;
use crate::support::{at, request};

/// A run that began and never ended.
async fn die(night: &Night, trigger: Trigger, slot: Option<String>) -> RunId {
    let store = Embedded::open(&night.desk.path("speedfit.db"), Mode::Existing).await.unwrap();
    let asked = RunRequest { trigger, slot, ..request("default") };
    let run_id = store.request(&asked).await.unwrap();
    store.start(run_id, at("2026-01-06T01:30:01Z")).await.unwrap();
    run_id
}

/// Asks again until as many were told; a slow machine is given a minute and a half.
fn wait_for(night: &Night, n_told: usize) -> Vec<String> {
    let begun = Instant::now();
    while night.told().len() < n_told && begun.elapsed() < Duration::from_secs(90) {
        std::thread::sleep(Duration::from_millis(50));
    }
    night.told()
}

fn finished(mut command: Command) -> Ended {
    tokio::task::block_in_place(|| Ended::of(command.output().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_tells_once_of_the_dead_that_it_finds() {
    let night = Night::new(&[]).await;
    let (first, second) =
        (die(&night, Trigger::Operator, None).await, die(&night, Trigger::Timer, None).await);
    assert_eq!((first, second), (RunId(1), RunId(2)));
    let days = ["--from", "2026-01-05", "--to", "2026-01-06", "--step", "1d"];
    let backfill = |more: &[&str]| {
        let mut command = night.command(&["backfill", "--set", "metrics.file=speedfit.prom"]);
        command.args(days).args(more);
        finished(command)
    };
    // Which leaves no trace.
    assert_eq!(backfill(&["--dry-run"]).code, Some(0));
    assert_eq!(night.told(), Vec::<String>::new());
    let ended = backfill(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let expected = ["failed run 1 after null", "failed run 2 after 1"];
    assert_eq!(night.told(), expected);
    let got = night.receiver.got();
    let body = got[0].json();
    assert_eq!((&body["status"], &body["exit_code"]), (&"abandoned".into(), &().into()));
    assert!(body["hint"].as_str().unwrap().contains("its process was killed"), "{body}");
    let runs = night.json(&["runs", "--json", "--limit", "0"]);
    let row = |id: i64| runs.as_array().unwrap().iter().find(|run| run["id"] == id).unwrap();
    assert_eq!(&body["run"], row(1));
    assert!(night.desk.path("speedfit.prom").exists());
    // Nothing is found a second time.
    assert_eq!(backfill(&["--reprocess", "completed"]).code, Some(0));
    assert_eq!(night.told(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_tells_once_of_the_dead_that_it_finds() {
    // The receiver takes the first notice and never answers: neither the night nor the end waits for it.
    let night = Night::new(&[Answer::Hang]).await;
    // The last moment of a calendar that has one a year.
    let moment = format!("{}-01-01T00:00:00Z", Timestamp::now().strftime("%Y"));
    assert_eq!(die(&night, Trigger::Timer, Some(moment)).await, RunId(1));
    let sets = [
        "schedule.cron=0 0 1 1 *",
        "schedule.retry_wait_s=1",
        "notify.timeout_s=100",
        "metrics.file=speedfit.prom",
    ];
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let mut command = night.command(&["schedule"]);
    let child = command.args(sets).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (told, ended) = tokio::task::block_in_place(|| {
        let told = wait_for(&night, 2);
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        (told, Ended::of(child.wait_with_output().unwrap()))
    });
    assert_eq!(told, ["failed run 1 after null", "recovered run 2 after 1"], "{}", ended.stderr);
    // The run may not have been quite over, in whose own telling the signal came.
    assert!(matches!(ended.code, Some(0 | 130)), "{:?} {}", ended.code, ended.stderr);
    assert_eq!(night.told(), told);
    let text = fs::read_to_string(night.desk.path("speedfit.prom")).unwrap();
    let read = Exposition::parse(&text).unwrap();
    assert_eq!(read.value("speedfit_run_last_id", "scope=default"), Some(2.0));
}
