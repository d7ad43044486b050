//! A long import, and everybody else meanwhile.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Child, Command};
use std::time::Duration;

use speedfit::adapters::embedded::{
    Embedded, ImportError, ImportFile, ImportOutcome, Mode, Options,
};
use speedfit::adapters::memory::{Hold, MemorySource};
use speedfit::domain::RunStatus;
use speedfit::ports::{
    FailureKind, ParameterStore as _, RunFilter, RunJournal as _, SchemaAdmin as _,
};
use tokio_util::sync::CancellationToken;

use crate::support::program::{Desk, Ended};
use crate::support::{at, publishing, request, running, set};

const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n";

fn rows(n: usize) -> String {
    let row = |nth: usize| {
        let distance_km = 0.2 + (nth % 97) as f64 * 0.05;
        let factor = 0.8 + (nth % 13) as f64 * 0.03;
        let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
        format!("I{nth},North,2026-01-05T10:00:00Z,1,{distance_km:.2},{travel_time_s:.1}\n")
    };
    (0..n).map(row).collect()
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

/// An import that has begun to write, stopped there.
fn import_at_work(desk: &Desk) -> Child {
    desk.write("many.csv", &format!("{HEADER}{}", rows(600_000)));
    let mut child = desk.start(&["import", "many.csv"]);
    // SQLite spills what does not fit its memory into the log, before the transaction ends.
    let has_begun = || {
        let log = std::fs::metadata(desk.path("speedfit.db-wal"));
        log.is_ok_and(|log| log.len() > 1_000_000)
    };
    while !has_begun() {
        assert!(child.try_wait().unwrap().is_none(), "the import ended");
        std::thread::yield_now();
    }
    signal(&child, "-STOP");
    child
}

#[test]
fn beside_an_import_all_read_and_whoever_would_write_says_who_writes() {
    let desk = Desk::new();
    desk.write("trips.csv", &format!("{HEADER}{}", rows(240)));
    desk.expect(0, &["import", "trips.csv"]);
    desk.expect(0, &["run"]);
    let child = import_at_work(&desk);
    for command in [
        &["status"][..],
        &["runs"],
        &["show"],
        &["export"],
        &["migrate"],
        &["predict", "--region", "North", "--distance-km", "2"],
        &["run", "--dry-run"],
        &["doctor"],
    ] {
        desk.expect(0, command);
    }
    let says = "caused by: an import is writing: `many.csv`\n\
                hint: wait for the end of the import, or stop it, then try again\n";
    for command in [&["run"][..], &["import", "trips.csv", "--again"]] {
        let refused = desk.expect(5, command);
        assert!(refused.stderr.ends_with(says), "{command:?}: {}", refused.stderr);
    }
    signal(&child, "-TERM");
    signal(&child, "-CONT");
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stderr.contains("error: stopped; nothing was imported\n"), "{}", ended.stderr);
    let again = desk.expect(0, &["run", "--json"]).json();
    assert_eq!(again["rows"]["read"], 240);
}

/// Trips of which the distances are in metres.
fn in_metres(n: usize) -> String {
    let row = |row: &str| {
        let mut cells: Vec<String> = row.split(',').map(str::to_owned).collect();
        let distance_km: f64 = cells[4].parse().unwrap();
        cells[4] = format!("{:.0}", distance_km * 1000.0);
        format!("{}\n", cells.join(","))
    };
    rows(n).lines().map(row).collect()
}

#[test]
fn an_import_in_the_wrong_unit_is_mended_by_what_the_hints_say() {
    let desk = Desk::new();
    desk.write("trips.csv", &format!("{HEADER}{}", in_metres(240)));
    desk.write("metres.toml", "[columns]\ndistance_unit = \"m\"\n");
    desk.expect(0, &["import", "trips.csv"]);
    let remedy = "set `columns.distance_unit` to \"m\"; `speedfit import --undo FILE` takes out what \
                  was imported, to import it again";
    let refused = desk.expect(7, &["run"]);
    // Of the set of a run that used no record there is nothing to publish.
    assert!(refused.stderr.ends_with(&format!("hint: {remedy}\n")), "{}", refused.stderr);
    let status = desk.expect(0, &["status"]).stdout;
    assert!(status.contains(&format!("next      {remedy}; then `speedfit run`\n")), "{status}");
    let show = desk.expect(0, &["show", "1"]).stdout;
    assert!(show.contains(&format!("remedy    {remedy}\n")), "{show}");
    let runs = desk.expect(0, &["runs"]).stdout;
    assert!(runs.contains(&format!("; to mend it: {remedy}\n")), "{runs}");
    let again = desk.expect(8, &["import", "trips.csv", "--config", "metres.toml"]);
    let hint = "hint: to import it with other settings, `speedfit import --undo 1` first; `--again` adds \
                its records once more\n";
    assert!(again.stderr.ends_with(hint), "{}", again.stderr);
    let undone = desk.expect(0, &["import", "--undo", "trips.csv"]).stdout;
    let expected = "240 records of import 1, `trips.csv`, out of speedfit.db; what is published stays as \
                    it is until the next run\n";
    assert_eq!(undone, expected);
    let list = desk.expect(0, &["import", "--list"]).stdout;
    assert_eq!(list, "no import; `speedfit import FILE` makes one\n");
    desk.expect(0, &["import", "trips.csv", "--config", "metres.toml"]);
    desk.expect(0, &["run", "--config", "metres.toml"]);
}

#[test]
fn one_import_goes_and_the_others_stay() {
    let desk = Desk::new();
    for (name, n) in [("a.csv", 240), ("b.csv", 120)] {
        // Ids of their own: none repeats the other's rows.
        desk.write(name, &format!("{HEADER}{}", rows(n).replace('I', &name[..1])));
        desk.expect(0, &["import", name]);
    }
    desk.expect(0, &["import", "a.csv", "--again"]);
    let listed = desk.expect(0, &["import", "--list", "--json"]).json();
    let numbers = listed.as_array().unwrap().iter().map(|one| (&one["import_id"], &one["rows"]));
    let numbers: Vec<_> = numbers.map(|(id, n)| (id.as_i64(), n.as_i64())).collect();
    assert_eq!(numbers, [(Some(1), Some(240)), (Some(2), Some(120)), (Some(3), Some(240))]);
    let refused = |which: &str, stderr: &str| {
        assert_eq!(desk.expect(8, &["import", "--undo", which]).stderr, stderr, "{which}");
    };
    refused(
        "a.csv",
        "error: `a.csv` was imported 2 times: 1, 3\n\
         hint: name one by its number: `speedfit import --undo 3`; `speedfit import --list` shows them\n",
    );
    for which in ["c.csv", "4", "0"] {
        refused(
            which,
            &format!(
                "error: no import `{which}` is in the database\n\
                 hint: `speedfit import --list` shows all of them\n"
            ),
        );
    }
    let undone = desk.expect(0, &["import", "--undo", "3", "--json"]).json();
    assert_eq!(undone, serde_json::json!({ "import_id": 3, "file": "a.csv", "rows": 240 }));
    assert_eq!(desk.expect(0, &["run", "--dry-run", "--json"]).json()["rows"]["read"], 360);
    // A file is known by its bytes where its name is another.
    std::fs::rename(desk.path("b.csv"), desk.path("c.csv")).unwrap();
    desk.expect(0, &["import", "--undo", "./c.csv"]);
    assert_eq!(desk.expect(0, &["run", "--dry-run", "--json"]).json()["rows"]["read"], 240);
    // What is out may come in again, and is another import.
    let again = desk.expect(0, &["import", "c.csv", "--json"]).json();
    assert_eq!(again["import_id"], 4);
}

#[tokio::test]
async fn an_import_that_cannot_write_ends_and_does_not_name_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speedfit.db");
    let options = Options { busy_timeout: Duration::from_millis(1), ..Options::default() };
    let store = Embedded::open_with(&path, Mode::Migrating, options).await.unwrap();
    store.migrate().await.unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The source never comes to its end.
    let rows = crate::job::rows(&[("North", 4, 1.0)]);
    let source = MemorySource::of_rows(rows, 2).holding_after(1, Hold::default());
    let file = ImportFile { name: "big.csv".into(), sha256: "5e1f".into(), allow_repeat: false };
    let now = at("2026-01-31T02:00:00Z");
    let ended = store.import(&file, &source, now, &CancellationToken::new()).await;
    let Err(ImportError::Store(error)) = ended else { panic!("{ended:?}") };
    assert_eq!(error.kind, FailureKind::Busy);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(!cause.contains("an import is writing"), "{cause}");
}

#[tokio::test]
async fn a_run_publishes_when_the_import_that_began_meanwhile_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speedfit.db");
    let options = Options { busy_timeout: Duration::from_millis(200), ..Options::default() };
    let store = Embedded::open_with(&path, Mode::Migrating, options).await.unwrap();
    store.migrate().await.unwrap();
    let run_id = running(&store, "city").await.unwrap();
    let hold = Hold::default();
    // More batches than wait for the writer: by the sixth it has begun.
    let rows = crate::job::rows(&[("North", 12, 1.0)]);
    let source = MemorySource::of_rows(rows, 2).holding_after(6, hold.clone());
    let file = ImportFile { name: "big.csv".into(), sha256: "5e1f".into(), allow_repeat: false };
    let importer = store.clone();
    let import = tokio::spawn(async move {
        let now = at("2026-01-31T02:00:00Z");
        importer.import(&file, &source, now, &CancellationToken::new()).await
    });
    hold.reached().await;
    let refused = store.request(&request("city")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Busy);
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!(cause, "an import is writing: `big.csv`");
    let published = tokio::spawn({
        let (store, set) = (store.clone(), set(&["North"], 40.0));
        async move { store.conclude(&publishing("city", run_id, set)).await }
    });
    // Readers do not wait.
    let filter = RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() };
    assert_eq!(store.runs(&filter).await.unwrap().len(), 1);
    assert!(!published.is_finished());
    hold.release();
    let imported = import.await.unwrap().unwrap();
    assert!(matches!(imported, ImportOutcome::Imported(summary) if summary.n_rows == 12));
    published.await.unwrap().unwrap();
    assert_eq!(store.mark("city").await.unwrap().unwrap().run_id, run_id);
}
