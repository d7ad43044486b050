//! What the file may be, and what becomes of a write that cannot be finished.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use speedfit::adapters::embedded::{Embedded, Mode, Options};
use speedfit::domain::{ParameterStatus, RunStatus};
use speedfit::ports::{FailureKind, ParameterStore, PortError, RunFilter, RunJournal, SchemaAdmin};

use super::Desk;
use crate::support::{at, ending, parameter, published, publishing, request, running, set};

async fn refusal(path: &Path, mode: Mode) -> PortError {
    Embedded::open(path, mode).await.unwrap_err()
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_and_left_as_it_is() {
    let desk = Desk::new();
    let path = desk.path();
    fs::write(&path, "incident_id,region\n1,A\n".repeat(100)).unwrap();
    let before = fs::read(&path).unwrap();
    for mode in [Mode::Existing, Mode::Migrating] {
        let error = refusal(&path, mode).await;
        assert_eq!(error.kind, FailureKind::Malformed);
        assert!(error.remedy().contains("no SQLite database"), "{}", error.remedy());
    }
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    desk.shell().execute_batch("CREATE TABLE notes (text TEXT);").unwrap();
    for mode in [Mode::Existing, Mode::Migrating] {
        let error = refusal(&path, mode).await;
        assert_eq!(error.kind, FailureKind::Malformed);
        assert!(error.to_string().contains("another program"), "{error}");
    }

    let folder = desk.folder.path();
    assert_eq!(refusal(folder, Mode::Migrating).await.kind, FailureKind::Malformed);
}

#[tokio::test]
async fn what_is_read_is_the_file_that_has_the_name() {
    let (desk, other) = (Desk::new(), Desk::new());
    // As a server has it; a run must end in the file in which it began.
    let following = Options { follows: true, ..Options::default() };
    let (database, elsewhere) = (desk.database_with(following).await, other.database().await);
    let strict = desk.database().await;
    published(&database, "a", set(&["A"], 60.0)).await.unwrap();
    for _ in 0..2 {
        published(&elsewhere, "a", set(&["A"], 50.0)).await.unwrap();
    }
    let run_id = |mark: Option<speedfit::domain::Publication>| mark.unwrap().run_id.0;
    assert_eq!(run_id(database.mark("a").await.unwrap()), 1);
    published(&database, "a", set(&["A"], 61.0)).await.unwrap();
    published(&database, "a", set(&["A"], 62.0)).await.unwrap();
    // A connection that was kept sees what was written since.
    assert_eq!(run_id(database.mark("a").await.unwrap()), 3);
    // The last connection folds the log into the file.
    elsewhere.mark("a").await.unwrap();
    drop(elsewhere);
    assert!(!other.path().with_extension("db-wal").exists());
    for log in ["db-wal", "db-shm"] {
        fs::remove_file(desk.path().with_extension(log)).unwrap();
    }
    fs::rename(other.path(), desk.path()).unwrap();
    assert_eq!(run_id(database.mark("a").await.unwrap()), 2);
    // What it writes goes where it reads.
    published(&database, "a", set(&["A"], 63.0)).await.unwrap();
    assert_eq!(run_id(database.mark("a").await.unwrap()), 3);
    let replaced = strict.mark("a").await.unwrap_err();
    assert_eq!(replaced.kind, FailureKind::Unreachable);
    assert!(replaced.to_string().ends_with("was deleted or replaced while it was open"));
    fs::remove_file(desk.path()).unwrap();
    database.mark("a").await.unwrap_err();
}

#[tokio::test]
async fn what_is_not_there_is_made_only_on_purpose() {
    let desk = Desk::new();
    assert_eq!(refusal(&desk.path(), Mode::Existing).await.kind, FailureKind::Missing);
    assert!(!desk.path().exists());
    let nowhere = desk.folder.path().join("no/such/speedfit.db");
    let error = refusal(&nowhere, Mode::Migrating).await;
    assert_eq!(error.kind, FailureKind::Missing);
    assert!(error.to_string().contains("no/such"), "{error}");

    let fresh = Embedded::open(&desk.path(), Mode::Migrating).await.unwrap();
    // Until it is migrated it says what is missing.
    let error = fresh.mark("a").await.unwrap_err();
    assert_eq!(error.kind, FailureKind::SchemaOutdated);
    assert_eq!(refusal(&desk.path(), Mode::Existing).await.kind, FailureKind::SchemaOutdated);
    let report = fresh.migrate().await.unwrap();
    assert_eq!((report.from_version, report.to_version), (0, 9));
    assert_eq!(
        report.applied,
        [
            "V0001__ledger",
            "V0002__views",
            "V0003__records",
            "V0004__lengths",
            "V0005__detail",
            "V0006__operations",
            "V0007__shards",
            "V0008__speed_view",
            "V0009__no_shards",
        ]
    );
    assert!(Embedded::open(&desk.path(), Mode::Existing).await.is_ok());
}

#[tokio::test]
async fn the_script_does_what_migrate_does() {
    let desk = Desk::new();
    let script = {
        let fresh = Embedded::open(&desk.path(), Mode::Migrating).await.unwrap();
        fresh.script().await.unwrap()
    };
    desk.shell().execute_batch(&script).unwrap();
    let database = Embedded::open(&desk.path(), Mode::Existing).await.unwrap();
    assert_eq!(database.migrate().await.unwrap().applied, Vec::<String>::new());
    published(&database, "a", set(&["A"], 60.0)).await.unwrap();
}

#[tokio::test]
async fn a_schema_that_is_not_ours_is_refused() {
    let check = async |change: &str, kind: FailureKind| {
        let desk = Desk::new();
        let database = desk.database().await;
        desk.shell().execute_batch(change).unwrap();
        let error = refusal(&desk.path(), Mode::Existing).await;
        assert_eq!(error.kind, kind, "{change}: {error}");
        if kind == FailureKind::SchemaForeign {
            assert_eq!(refusal(&desk.path(), Mode::Migrating).await.kind, kind, "{change}");
            // Also where it changed behind an open handle.
            assert_eq!(database.migrate().await.unwrap_err().kind, kind, "{change}");
        }
    };
    let newer = "INSERT INTO schema_migration (version, name, checksum) VALUES (99, 'x', 'y');";
    check(newer, FailureKind::SchemaForeign).await;
    let other = "UPDATE schema_migration SET checksum = 'z' WHERE version = 2;";
    check(other, FailureKind::SchemaForeign).await;
    let older = "DELETE FROM schema_migration WHERE version = 9;";
    check(older, FailureKind::SchemaOutdated).await;
}

#[tokio::test]
async fn rows_older_than_the_detail_have_none() {
    let desk = Desk::new();
    let run_id = published(&desk.database().await, "a", set(&["A"], 60.0)).await.unwrap();
    let older = "DELETE FROM schema_migration WHERE version >= 5; \
                 DROP VIEW current_speed; CREATE VIEW current_speed AS SELECT 1; \
                 ALTER TABLE group_fit DROP COLUMN detail; \
                 DROP INDEX run_by_slot; ALTER TABLE run DROP COLUMN slot; \
                 ALTER TABLE run DROP COLUMN detail; DROP TABLE settings; \
                 ALTER TABLE publication DROP COLUMN comment;";
    desk.shell().execute_batch(older).unwrap();
    let database = Embedded::open(&desk.path(), Mode::Migrating).await.unwrap();
    assert_eq!(
        database.migrate().await.unwrap().applied,
        [
            "V0005__detail",
            "V0006__operations",
            "V0007__shards",
            "V0008__speed_view",
            "V0009__no_shards"
        ]
    );
    let found = database.parameter_set(run_id).await.unwrap().unwrap();
    assert_eq!(found.groups, set(&["A"], 60.0).groups);
    assert!(found.groups[0].detail.is_empty());

    let spoilt = "UPDATE group_fit SET detail = '{\"aic\":\"x\"}';";
    desk.shell().execute_batch(spoilt).unwrap();
    let error = database.parameter_set(run_id).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Malformed);
}

#[tokio::test]
async fn a_cut_file_is_malformed() {
    let desk = Desk::new();
    let database = desk.database().await;
    published(&database, "a", set(&["A"], 60.0)).await.unwrap();
    drop(database);
    let file = fs::OpenOptions::new().write(true).open(desk.path()).unwrap();
    let n_bytes = file.metadata().unwrap().len();
    file.set_len(n_bytes / 2).unwrap();
    assert_eq!(refusal(&desk.path(), Mode::Existing).await.kind, FailureKind::Malformed);
    file.set_len(50).unwrap();
    assert_eq!(refusal(&desk.path(), Mode::Existing).await.kind, FailureKind::Malformed);
}

#[tokio::test]
async fn a_damaged_page_is_malformed() {
    let desk = Desk::new();
    let database = desk.database().await;
    let run_id = published(&database, "a", set(&["A"], 60.0)).await.unwrap();
    drop(database);
    let mut bytes = fs::read(desk.path()).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(desk.path(), bytes).unwrap();
    // The schema stands on the first page or not: either way the damage has its name.
    let kind = match Embedded::open(&desk.path(), Mode::Existing).await {
        Ok(database) => database.parameter_set(run_id).await.unwrap_err().kind,
        Err(error) => error.kind,
    };
    assert_eq!(kind, FailureKind::Malformed);
}

#[tokio::test]
async fn a_full_disk_leaves_what_was_there() {
    let desk = Desk::new();
    let before = published(&desk.database().await, "a", set(&["A"], 60.0)).await.unwrap();
    let quota = Options { max_pages: Some(40), ..Options::default() };
    let database = desk.database_with(quota).await;
    let run_id = running(&database, "a").await.unwrap();
    let regions: Vec<String> = (0..2000).map(|n| format!("region {n}")).collect();
    let regions: Vec<&str> = regions.iter().map(String::as_str).collect();

    let end = publishing("a", run_id, set(&regions, 61.0));
    let error = database.conclude(&end).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Full);
    assert_eq!(database.mark("a").await.unwrap().unwrap().run_id, before);
    assert_eq!(database.run(run_id).await.unwrap().unwrap().status, RunStatus::Running);
    // There is room enough to say so.
    database.conclude(&ending(run_id, RunStatus::Failed)).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_dies_leaves_nothing_half_written() {
    let desk = Desk::new();
    let database = desk.database().await;
    let before = published(&database, "a", set(&["A"], 60.0)).await.unwrap();
    let run_id = running(&database, "a").await.unwrap();
    let mut shell = desk.shell();
    let transaction = shell.transaction().unwrap();
    let half = format!(
        "UPDATE run SET status = 'done' WHERE id = {run_id};
         INSERT INTO parameter (run_id, ordinal, region, band, priority, name, unit, estimate, status)
         VALUES ({run_id}, 0, 'A', '', '', 'cruise_speed_kmh', 'km/h', 99.0, 'ok');
         UPDATE current_run SET run_id = {run_id};"
    );
    transaction.execute_batch(&half).unwrap();
    // Not to be seen before it is kept, and gone with its connection.
    assert_eq!(database.current("a").await.unwrap().unwrap().run_id, Some(before));
    drop(transaction);
    drop(shell);
    assert_eq!(database.run(run_id).await.unwrap().unwrap().status, RunStatus::Running);
    assert_eq!(
        database.abandon_dead("a", at("2026-02-01T00:00:00Z"), None).await.unwrap(),
        [run_id]
    );
}

#[tokio::test]
async fn a_file_that_another_writes_to_is_busy() {
    let desk = Desk::new();
    let hasty = Options { busy_timeout: Duration::ZERO, ..Options::default() };
    let database = desk.database_with(hasty).await;
    let shell = desk.shell();
    shell.execute_batch("BEGIN IMMEDIATE;").unwrap();
    let error = database.request(&request("a")).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Busy);
    assert!(error.kind.is_transient());
    // Reading does not wait.
    assert_eq!(database.runs(&RunFilter::default()).await.unwrap(), []);
    shell.execute_batch("ROLLBACK;").unwrap();
    database.request(&request("a")).await.unwrap();
}

#[tokio::test]
async fn unknown_words_in_the_file_are_malformed() {
    let desk = Desk::new();
    let database = desk.database().await;
    let run_id = database.request(&request("a")).await.unwrap();
    desk.shell().execute_batch("UPDATE run SET status = 'odd';").unwrap();
    let error = database.run(run_id).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Malformed);
    desk.shell().execute_batch("UPDATE run SET status = 'done', requested_at = 'noon';").unwrap();
    assert_eq!(database.run(run_id).await.unwrap_err().kind, FailureKind::Malformed);
}

fn table(shell: &Connection, sql: &str) -> Vec<String> {
    let mut statement = shell.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn views_show_the_current_sets() {
    let desk = Desk::new();
    let database = desk.database().await;
    published(&database, "a", set(&["old"], 1.0)).await.unwrap();
    let mut latest = set(&["North", "East"], 60.5);
    let mut silent = set(&["none"], 0.0);
    latest.groups.append(&mut silent.groups);
    let run_id = published(&database, "a", latest).await.unwrap();
    let mut west = set(&["West"], 30.0);
    west.groups[0].detail.distance_min_km = Some(0.05);
    west.groups[0].detail.distance_max_km = Some(12.5);
    west.parameters[0].status = ParameterStatus::AtBound;
    west.parameters[0].ci_high = None;
    west.parameters.push(parameter("West", "tail_dof", 4.0));
    published(&database, "b", west).await.unwrap();
    // A run that was not published is not to be seen.
    let other = running(&database, "b").await.unwrap();
    database.conclude(&ending(other, RunStatus::Refused)).await.unwrap();

    let shell = desk.shell();
    let long = "SELECT concat_ws('|', scope, run_id, region, name, unit, estimate, std_error, ci_low, \
                ci_high, raw_estimate, pool_weight, status) FROM current_parameters WHERE scope = 'a'";
    assert_eq!(
        table(&shell, long),
        [
            "North|cruise_speed_kmh",
            "North|acceleration_km_min2",
            "East|cruise_speed_kmh",
            "East|acceleration_km_min2"
        ]
        .map(|row| format!("a|{run_id}|{row}|km/h|60.5|0.5|59.5|61.5|60.5|ok"))
    );
    let wide = "SELECT concat_ws('|', scope, region, cruise_speed_kmh, acceleration_km_min2, \
                ifnull(intercept_min, '-'), ifnull(spread, '-'), n, fitted_at) FROM current_speed";
    assert_eq!(
        table(&shell, wide),
        ["a|North|60.5|60.5", "a|East|60.5|60.5", "b|West|30.0|30.0"]
            .map(|row| format!("{row}|-|-|100|2026-01-31T02:10:00.123456Z"))
    );
    let trust = "SELECT concat_ws('|', region, status, std_error, ci_low, ifnull(ci_high, '-'), \
                 ifnull(tail_dof, '-'), ifnull(distance_min_km, '-'), ifnull(distance_max_km, '-')) \
                 FROM current_speed";
    assert_eq!(
        table(&shell, trust),
        [
            "North|ok|0.5|59.5|61.5|-|-|-",
            "East|ok|0.5|59.5|61.5|-|-|-",
            "West|at_bound|0.5|29.0|-|4.0|0.05|12.5"
        ]
    );
    let moves = database.publications("a", 0).await.unwrap();
    assert_eq!(moves.len(), 2);
    assert_eq!(moves[0].run_id, run_id);
    let strict = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
                  AND strict = 0 AND name NOT LIKE 'sqlite%'";
    assert_eq!(table(&shell, strict), Vec::<String>::new());
}
