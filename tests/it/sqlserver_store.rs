//! The SQL Server store on a real T-SQL engine: what the test server cannot tell, since only an
//! engine understands the migrations, the views and the transaction as they are written.

use std::fs;
use std::time::Instant;

use speedfit::adapters::sqlserver::{Mode, SqlServerStore, StoreOptions};
use speedfit::domain::{RunStatus, Trigger};
use speedfit::ports::{
    Examine as _, FailureKind, Grade, ParameterStore as _, RunJournal as _, SchemaAdmin as _,
    ScopeLocks as _, SystemClock,
};

use crate::support::sqlserver::TestDatabase;
use crate::support::{at, ending, published, publishing, request, running, set};

fn n_migrations() -> usize {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlserver");
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_migrate_at_once_do_it_once() {
    let Some(database) = TestDatabase::create().await else { return };
    let error = database.open(Mode::Existing).await.err().unwrap();
    assert_eq!(error.kind, FailureKind::SchemaOutdated);
    let (one, other) = (
        database.open(Mode::Migrating).await.unwrap(),
        database.open(Mode::Migrating).await.unwrap(),
    );
    let (first, second) = tokio::join!(one.migrate(), other.migrate());
    let mut applied = [first.unwrap().applied.len(), second.unwrap().applied.len()];
    applied.sort_unstable();
    assert_eq!(applied, [0, n_migrations()]);
    assert!(database.open(Mode::Existing).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_does_what_migrate_does_and_may_be_run_twice() {
    let Some(database) = TestDatabase::create().await else { return };
    let fresh = database.open(Mode::Migrating).await.unwrap();
    let script = fresh.script().await.unwrap();
    database.script(&script).await.unwrap();
    database.script(&script).await.unwrap();
    let store = database.open(Mode::Existing).await.unwrap();
    assert_eq!(store.script().await.unwrap(), "");
    assert_eq!(store.migrate().await.unwrap().applied, Vec::<String>::new());
    published(&store, "a", set(&["A"], 60.0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_not_ours_is_refused() {
    let Some(database) = TestDatabase::create().await else { return };
    let store = database.migrated().await;
    let other = "UPDATE speedfit.schema_migration SET checksum = N'z' WHERE version = 2";
    database.batch(other).await.unwrap();
    assert_eq!(store.migrate().await.unwrap_err().kind, FailureKind::SchemaForeign);
    let newer = "DELETE FROM speedfit.schema_migration WHERE version >= 2;
         INSERT INTO speedfit.schema_migration (version, name, checksum) VALUES (9, N'x', N'y')";
    database.batch(newer).await.unwrap();
    let error = database.open(Mode::Existing).await.err().unwrap();
    assert_eq!(error.kind, FailureKind::SchemaForeign);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_fails_leaves_nothing() {
    let Some(database) = TestDatabase::create().await else { return };
    database.batch("CREATE SCHEMA speedfit").await.unwrap();
    // The last of the first migration's tables is in its way.
    database.batch("CREATE TABLE speedfit.current_run (x int)").await.unwrap();
    let store = database.open(Mode::Migrating).await.unwrap();
    assert!(store.migrate().await.is_err());
    let tables = database.batch(
        "SELECT t.name FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
         WHERE s.name = 'speedfit' ORDER BY t.name",
    );
    let tables = tables.await.unwrap();
    let names: Vec<&str> = tables[0].iter().filter_map(|row| row.get(0)).collect();
    assert_eq!(names, ["current_run", "schema_migration"]);
    database.batch("DROP TABLE speedfit.current_run").await.unwrap();
    assert_eq!(store.migrate().await.unwrap().applied.len(), n_migrations());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_reads_the_views() {
    let Some(database) = TestDatabase::create().await else { return };
    let store = database.migrated().await;
    published(&store, "a", set(&["A", "B"], 60.0)).await.unwrap();
    let mut slower = set(&["A"], 30.0);
    slower.groups[0].detail.distance_min_km = Some(0.05);
    slower.groups[0].detail.distance_max_km = Some(12.5);
    published(&store, "b", slower).await.unwrap();
    let long = "SELECT region, name, estimate FROM speedfit.current_parameters
         WHERE scope = N'a' ORDER BY region, name";
    let rows = database.batch(long).await.unwrap().remove(0);
    let rows: Vec<(&str, &str, f64)> = rows
        .iter()
        .map(|row| (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap()))
        .collect();
    let expected = [
        ("A", "acceleration_km_min2", 60.0),
        ("A", "cruise_speed_kmh", 60.0),
        ("B", "acceleration_km_min2", 60.0),
        ("B", "cruise_speed_kmh", 60.0),
    ];
    assert_eq!(rows, expected);
    let wide = "SELECT scope, region, cruise_speed_kmh, intercept_min, n
         FROM speedfit.current_speed ORDER BY scope, region";
    let rows = database.batch(wide).await.unwrap().remove(0);
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let (scope, region): (&str, &str) = (row.get(0).unwrap(), row.get(1).unwrap());
            let numbers: [Option<f64>; 2] = [row.get(2), row.get(3)];
            let n: Option<i64> = row.get(4);
            format!("{scope} {region} {numbers:?} {n:?}")
        })
        .collect();
    let expected = [
        "a A [Some(60.0), None] Some(100)",
        "a B [Some(60.0), None] Some(100)",
        "b A [Some(30.0), None] Some(100)",
    ];
    assert_eq!(rows, expected);
    let trust =
        "SELECT status, std_error, ci_low, ci_high, tail_dof, distance_min_km, distance_max_km
         FROM speedfit.current_speed ORDER BY scope, region";
    let rows = database.batch(trust).await.unwrap().remove(0);
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let status: &str = row.get(0).unwrap();
            let numbers: [Option<f64>; 6] = [1, 2, 3, 4, 5, 6].map(|nth| row.get(nth));
            format!("{status} {:?}", numbers.map(|number| number.unwrap_or(-1.0)))
        })
        .collect();
    let expected = [
        "ok [0.5, 59.0, 61.0, -1.0, -1.0, -1.0]",
        "ok [0.5, 59.0, 61.0, -1.0, -1.0, -1.0]",
        "ok [0.5, 29.0, 31.0, -1.0, 0.05, 12.5]",
    ];
    assert_eq!(rows, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_names_and_long_texts_are_kept() {
    let Some(database) = TestDatabase::create().await else { return };
    let options = StoreOptions { schema: "Fit 'x'".to_owned(), ..database.store() };
    let open = |mode| SqlServerStore::open(options.clone(), mode, std::sync::Arc::new(SystemClock));
    open(Mode::Migrating).await.unwrap().migrate().await.unwrap();
    let store = open(Mode::Existing).await.unwrap();
    let mut asked = request("a");
    (asked.trigger, asked.reason) = (Trigger::Timer, "Grund ü\n".repeat(2000));
    let run_id = store.request(&asked).await.unwrap();
    store.start(run_id, at("2026-01-31T02:00:01Z")).await.unwrap();
    let mut end = publishing("a", run_id, set(&["A"], 60.0));
    end.message = "x".repeat(50_000);
    end.set.groups[0].message = "y🚒".repeat(5000);
    store.conclude(&end).await.unwrap();
    let row = store.run(run_id).await.unwrap().unwrap();
    assert_eq!((row.request, row.message), (asked, end.message));
    let kept = store.parameter_set(run_id).await.unwrap().unwrap();
    assert_eq!(kept.groups, end.set.groups);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_ends_at_once_one_is_made() {
    let Some(database) = TestDatabase::create().await else { return };
    let (store, other) = (database.migrated().await, database.open(Mode::Existing).await.unwrap());
    for _ in 0..5 {
        let run_id = running(&store, "a").await.unwrap();
        let published = publishing("a", run_id, set(&["A", "B"], 60.0));
        let cancelled = ending(run_id, RunStatus::Cancelled);
        let (one, two) = tokio::join!(store.conclude(&published), other.conclude(&cancelled));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let row = store.run(run_id).await.unwrap().unwrap();
        let kept = store.parameter_set(run_id).await.unwrap().unwrap();
        let expected = if one.is_ok() { (RunStatus::Done, 4) } else { (RunStatus::Cancelled, 0) };
        assert_eq!((row.status, kept.parameters.len()), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_groups_come_back() {
    let Some(database) = TestDatabase::create().await else { return };
    let store = database.migrated().await;
    let run_id = running(&store, "a").await.unwrap();
    let regions: Vec<String> = (0..5000).map(|n| format!("region {n}")).collect();
    let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
    let new = set(&regions, 61.0);
    let begun = Instant::now();
    store.conclude(&publishing("a", run_id, new.clone())).await.unwrap();
    let written = begun.elapsed();
    let current = store.current("a").await.unwrap().unwrap();
    eprintln!("written in {written:.2?}, read in {:.2?}", begun.elapsed() - written);
    assert_eq!((current.groups, current.parameters), (new.groups, new.parameters));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_lock_beats_until_it_is_released() {
    let Some(database) = TestDatabase::create().await else { return };
    let store = database.migrated().await;
    let lock = store.try_lock("a").await.unwrap().unwrap();
    // A few heartbeats long other work goes on; the lock must outlive them.
    let work = async {
        for _ in 0..20 {
            store.mark("a").await.unwrap();
        }
    };
    tokio::select! {
        () = work => {}
        reason = lock.lost() => panic!("{reason}"),
    }
    assert!(store.try_lock("a").await.unwrap().is_none());
    lock.release().await.unwrap();
    assert!(store.try_lock("a").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_a_store_that_works() {
    let Some(database) = TestDatabase::create().await else { return };
    let store = database.migrated().await;
    let findings = store.examine().await;
    let checks: Vec<&str> = findings.iter().map(|finding| finding.check.as_str()).collect();
    let expected = [
        "connection",
        "encryption",
        "certificate",
        "version",
        "login",
        "rights not needed",
        "clock",
        "schema version",
        "rights needed",
        "lock",
    ];
    assert_eq!(checks, expected, "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.grade < Grade::Failure), "{findings:#?}");
}
