//! The schedule as a process: two of them on one store, stop signals, health, scopes from a folder.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use speedfit::adapters::memory::ManualClock;
use speedfit::bootstrap::{Ask, Launch};
use speedfit::config::{Override, Settings, Sources};
use speedfit::domain::Trigger;
use tokio_util::sync::CancellationToken;

use crate::support::program::{Desk, Ended};

/// Records of one region that `kwh` fits well.
fn trips(desk: &Desk) {
    let mut text = String::from("incident_id,region,occurred_at,distance_km,travel_time_s\n");
    for nth in 0..400 {
        let distance_km = 0.2 + f64::from(nth % 97) * 0.05;
        let factor = 0.8 + f64::from(nth % 13) * 0.03;
        let time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
        text.push_str(&format!("I{nth},North,2026-01-05T10:00:00Z,{distance_km:.2},{time_s:.1}\n"));
    }
    desk.write("trips.csv", &text);
}

const SOURCE: [&str; 4] = ["--set", "source.kind=file", "--set", "file.path=trips.csv"];
const YEARLY: &str = "schedule.cron=0 0 1 1 *";
const HEALTH: &str = "schedule.health_file=health.json";

fn started(desk: &Desk, sets: &[&str]) -> Child {
    let mut args = vec!["schedule"];
    args.extend(SOURCE);
    args.extend(sets.iter().flat_map(|set| ["--set", set]));
    desk.start(&args)
}

fn stop(child: Child) -> Ended {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    Ended::of(child.wait_with_output().unwrap())
}

/// Asks again until it is so; a slow machine is given a minute and a half.
fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(90) {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// The ledger, oldest first; none where the store is not there yet.
fn ledger(desk: &Desk) -> Vec<Value> {
    let runs = desk.run(&["runs", "--json", "--limit", "0", "--all-scopes"]);
    if runs.code != Some(0) {
        return Vec::new();
    }
    let mut runs: Vec<Value> = serde_json::from_str(&runs.stdout).unwrap();
    runs.reverse();
    runs
}

fn n_done(desk: &Desk) -> usize {
    ledger(desk).iter().filter(|run| run["status"] == "done").count()
}

#[test]
fn two_processes_with_one_schedule_run_every_moment_once() {
    let desk = Desk::new();
    trips(&desk);
    desk.expect(0, &["migrate"]);
    let cron = "schedule.cron=* * * * * *";
    let both = [started(&desk, &[cron]), started(&desk, &[cron])];
    assert!(wait_for(|| (n_done(&desk) >= 6).then_some(())).is_some(), "{:?}", ledger(&desk));
    for child in both {
        let ended = stop(child);
        assert!(matches!(ended.code, Some(0 | 130)), "{}", ended.stderr);
    }
    let mut tries: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for run in ledger(&desk) {
        assert_eq!(run["trigger"], "timer");
        let slot = run["slot"].as_str().unwrap().to_owned();
        tries.entry(slot).or_default().push(run["status"].as_str().unwrap().to_owned());
    }
    assert!(tries.len() >= 6, "{tries:?}");
    for (slot, statuses) in &tries {
        assert_eq!(statuses.len(), 1, "{slot}: {statuses:?}");
        // A run that the stop signal met, or one that found the other's still at work.
        let fits = ["done", "cancelled", "refused"].contains(&statuses[0].as_str());
        assert!(fits && !slot.contains('/'), "{slot}: {statuses:?}");
    }
}

#[test]
fn a_schedule_that_waits_is_well_and_ends_with_0() {
    let desk = Desk::new();
    trips(&desk);
    let child = started(&desk, &[YEARLY, HEALTH]);
    let health = ["health", "--file", "health.json"];
    let waits = |ended: &Ended| ended.code == Some(0) && ended.stdout.contains("next run");
    let well = wait_for(|| Some(desk.run(&health)).filter(waits)).unwrap();
    let next = format!("{}-01-01T00:00:00Z", next_year());
    assert_eq!(well.stdout, format!("well: 1 scope, next run {next}\n"));
    let told = desk.expect(0, &["health", "--file", "health.json", "--json"]).json();
    assert_eq!(told["scopes"][0]["state"], "waiting");
    assert_eq!(told["scopes"][0]["next_at"], next.as_str());

    let ended = stop(child);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ill = desk.expect(1, &health);
    assert_eq!(ill.stdout, "the schedule of scope `default` has ended\n");
    assert_eq!(ill.stderr, "");
    let missing = desk.expect(1, &["health"]);
    assert!(missing.stderr.starts_with("error: no health file is set\nhint: "));
}

fn next_year() -> i16 {
    jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).year() + 1
}

#[test]
fn a_schedule_that_runs_ends_with_130_and_the_run_is_cancelled() {
    let desk = Desk::new();
    let feed = desk.path("trips.csv");
    assert!(Command::new("mkfifo").arg(&feed).status().unwrap().success());
    let child = started(&desk, &["schedule.cron=* * * * * *"]);
    // Open, and silent: the run waits for rows.
    let pipe = std::fs::OpenOptions::new().write(true).open(&feed).unwrap();
    let is_running = || ledger(&desk).first().filter(|run| run["status"] == "running").cloned();
    assert!(wait_for(is_running).is_some(), "{:?}", ledger(&desk));
    let asked = Instant::now();
    let ended = stop(child);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    drop(pipe);
    let statuses: Vec<_> = ledger(&desk).iter().map(|run| run["status"].clone()).collect();
    assert_eq!(statuses, ["cancelled"]);
}

/// Writes a request, some minutes ago, of a process that died before it began.
async fn left_behind(desk: &Desk, reason: &str, change: &[(&str, &str)]) {
    let flag = |(key, value): (&str, &str)| Override::new("--set", key, value);
    let path = |name: &str| desk.path(name).display().to_string();
    let mut overrides: Vec<_> = [("source.kind", "file")].into_iter().map(flag).collect();
    overrides.push(flag(("file.path", &path("trips.csv"))));
    overrides.push(flag(("embedded.path", &path("speedfit.db"))));
    overrides.extend(change.iter().copied().map(flag));
    let loaded = Settings::load(&Sources { overrides, ..Sources::default() }).unwrap();
    let second = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let clock = Arc::new(ManualClock::new(second - Duration::from_secs(300)));
    let ask = Ask { reason: reason.to_owned(), ..Ask::new(Trigger::Api, "someone") };
    let launch = Launch::prepare(&loaded, ask, clock).await.unwrap();
    launch.request(&CancellationToken::new()).await.unwrap();
}

#[tokio::test]
async fn requests_that_were_left_behind_are_done_with_their_own_settings() {
    let desk = Desk::new();
    trips(&desk);
    left_behind(&desk, "as it is", &[]).await;
    left_behind(&desk, "flags of a run", &[("fit.model", "power"), ("window.days", "20000")]).await;
    left_behind(&desk, "other settings", &[("fit.max_iterations", "77")]).await;
    left_behind(&desk, "another source", &[("source.host", "elsewhere")]).await;
    let source = format!("file.path={}", desk.path("trips.csv").display());
    let store = format!("embedded.path={}", desk.path("speedfit.db").display());
    let child = started(&desk, &[YEARLY, &source, &store]);
    let is_over =
        |run: &Value| !["requested", "running"].contains(&run["status"].as_str().unwrap());
    let runs = wait_for(|| Some(ledger(&desk)).filter(|runs| runs.iter().all(is_over)));
    let ended = stop(child);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = |run: &Value| {
        let text = |key: &str| run[key].as_str().unwrap().to_owned();
        (text("reason"), text("model"), text("status"), text("message"))
    };
    let runs: Vec<_> = runs.unwrap().iter().map(told).collect();
    let line = |parts: [&str; 4]| {
        let [reason, model, status, message] = parts.map(str::to_owned);
        (reason, model, status, message)
    };
    assert_eq!(runs[0], line(["as it is", "kwh", "done", "1 of 1 groups published"]));
    assert_eq!(runs[1], line(["flags of a run", "power", "done", "1 of 1 groups published"]));
    assert_eq!(runs[2], line(["other settings", "kwh", "done", "1 of 1 groups published"]));
    assert_eq!(
        runs[3],
        line([
            "another source",
            "kwh",
            "failed",
            "left behind, and cannot be done: the settings have changed since it was asked for; \
             ask again"
        ])
    );
}

/// What was read wrong is told, and read again at the next moment: the process stays up.
#[test]
fn settings_that_have_become_wrong_end_a_night_and_not_the_schedule() {
    let desk = Desk::new();
    trips(&desk);
    let settings = |model: &str| desk.write("own.toml", &format!("[fit]\nmodel = \"{model}\"\n"));
    settings("kwh");
    let mut args = vec!["schedule", "--config", "own.toml", "--set", "schedule.cron=* * * * * *"];
    args.extend(SOURCE);
    args.extend(["--set", HEALTH]);
    let child = desk.start(&args);
    let first = wait_for(|| Some(n_done(&desk)).filter(|n_done| *n_done > 0));
    settings("kwhh");
    let says_so = || {
        let told = desk.run(&["health", "--file", "health.json", "--json"]);
        let told: Value = serde_json::from_str(&told.stdout).ok()?;
        let problem = told["scopes"][0]["last_error"]["message"].as_str()?.to_owned();
        problem.starts_with("`fit.model` in `own.toml:2`: `kwhh` is").then_some(n_done(&desk))
    };
    let n_before = wait_for(says_so);
    settings("power");
    let again = wait_for(|| Some(n_done(&desk)).filter(|n_done| Some(*n_done) > n_before));
    let ended = stop(child);
    assert!(matches!(ended.code, Some(0 | 130)), "{}", ended.stderr);
    assert!(first.is_some() && n_before.is_some() && again.is_some(), "{}", ended.stderr);
    let models: Vec<_> = ledger(&desk).iter().map(|run| run["model"].clone()).collect();
    assert_eq!((models.first().unwrap(), models.last().unwrap()), (&"kwh".into(), &"power".into()));
}

/// A folder with the settings of two cities, each with its own source, store and calendar.
fn two_cities() -> Desk {
    let desk = Desk::new();
    trips(&desk);
    std::fs::create_dir_all(desk.path("config/scopes")).unwrap();
    for (city, hour) in [("ashford", 2), ("bexley", 3)] {
        desk.write(
            &format!("config/scopes/{city}.toml"),
            &format!(
                "time_zone = \"Europe/London\"\n[source]\nkind = \"file\"\n[file]\n\
                 path = \"trips.csv\"\n[embedded]\npath = \"{city}.db\"\n[schedule]\n\
                 cron = \"30 {hour} * * *\"\n[output]\ndir = \"out-{city}\"\n"
            ),
        );
    }
    desk
}

#[test]
fn a_folder_of_scopes_is_listed_and_each_is_its_own() {
    let desk = two_cities();
    desk.expect(0, &["run", "--scope", "ashford"]);
    let scopes = desk.expect(0, &["scopes", "--json"]).json();
    let told: Vec<_> = scopes.as_array().unwrap().iter().map(|s| s["scope"].clone()).collect();
    assert_eq!(told, ["ashford", "bexley"]);
    assert_eq!(scopes[0]["current"]["run_id"], 1);
    assert!(scopes[1]["problem"].is_string(), "{scopes}");
    assert!(desk.path("out-ashford/run_results.json").exists());
    assert!(!desk.path("bexley.db").exists());
    let unknown = desk.expect(3, &["run", "--scope", "ashfrod"]);
    assert_eq!(
        unknown.stderr,
        "error: there is no scope `ashfrod` in `config/scopes`\nhint: did you mean `ashford`?\n"
    );
}

#[test]
fn the_next_moments_are_shown_with_their_offset() {
    let desk = two_cities();
    let shown = desk.expect(0, &["schedule", "--dry-run", "--moments", "2", "--json"]).json();
    let moments = shown.as_array().unwrap();
    let scopes: Vec<_> = moments.iter().map(|m| m["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["ashford", "ashford", "bexley", "bexley"]);
    for moment in moments {
        let local: jiff::Zoned = {
            let local = moment["local"].as_str().unwrap().split_once(' ').unwrap().1;
            let utc: Timestamp = local.parse().unwrap();
            assert_eq!(moment["utc"], utc.to_string());
            utc.to_zoned(jiff::tz::TimeZone::get("Europe/London").unwrap())
        };
        assert_eq!(local.minute(), 30);
    }
    let table = desk.expect(0, &["schedule", "--dry-run", "--scope", "bexley", "--moments", "3"]);
    assert_eq!(table.stdout.lines().filter(|line| line.contains("T03:30:00+")).count(), 3);
    let wrong = desk.expect(3, &["schedule", "--dry-run", "--set", "schedule.cron=0 25 * * *"]);
    assert!(
        wrong.stderr.starts_with("error: `schedule.cron` in `--set`: `0 25 * * *` is no cron"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn one_schedule_looks_after_every_scope_of_the_folder() {
    let desk = two_cities();
    let cron = ["--set", "schedule.cron=*/2 * * * * *", "--set", HEALTH];
    let mut args = vec!["schedule"];
    args.extend(cron);
    let child = desk.start(&args);
    let health = || -> Option<Value> {
        let told = desk.run(&["health", "--file", "health.json", "--json"]);
        let told: Value = serde_json::from_str(&told.stdout).ok()?;
        let scopes = told["scopes"].as_array()?;
        scopes.iter().all(|scope| scope["last_success_at"].is_string()).then(|| told.clone())
    };
    let told = wait_for(health);
    let ended = stop(child);
    assert!(matches!(ended.code, Some(0 | 130)), "{}", ended.stderr);
    let told = told.unwrap();
    let scopes: Vec<_> = told["scopes"].as_array().unwrap().iter().map(|s| &s["scope"]).collect();
    assert_eq!(scopes, ["ashford", "bexley"]);
    assert!(desk.path("ashford.db").exists() && desk.path("bexley.db").exists());
}
