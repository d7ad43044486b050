//! Schemas that are not ours, or older, and what `speedfit doctor` says of the store.

use speedfit::adapters::sqlserver::Mode;
use speedfit::ports::{
    Examine as _, FailureKind, Grade, ParameterStore as _, RunJournal as _, SchemaAdmin as _,
};

use super::StoreServer;
use crate::support::{publishing, running, set};
use crate::tds::Fault;

#[tokio::test]
async fn what_is_not_there_is_made_only_on_purpose() {
    let server = StoreServer::start().await;
    let error = server.open(Mode::Existing).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::SchemaOutdated);
    assert!(error.remedy().starts_with("run `speedfit migrate`;"), "{}", error.remedy());
    let store = server.open(Mode::Migrating).await.unwrap();
    let report = store.migrate().await.unwrap();
    assert_eq!((report.from_version, report.to_version), (0, 8));
    assert_eq!(
        report.applied,
        [
            "V0001__ledger",
            "V0002__views",
            "V0003__staging",
            "V0004__detail",
            "V0005__operations",
            "V0006__shards",
            "V0007__speed_view",
            "V0008__no_shards"
        ]
    );
    assert!(server.open(Mode::Existing).await.is_ok());
}

#[tokio::test]
async fn a_schema_that_is_not_ours_is_refused() {
    let check = async |change: &str, kind: FailureKind| {
        let server = StoreServer::start().await;
        let store = server.migrated().await;
        server.backend.shell().execute_batch(change).unwrap();
        let error = server.open(Mode::Existing).await.unwrap_err();
        assert_eq!(error.kind, kind, "{change}: {error}");
        if kind == FailureKind::SchemaForeign {
            for error in [
                server.open(Mode::Migrating).await.err().unwrap(),
                store.migrate().await.unwrap_err(),
                store.script().await.unwrap_err(),
            ] {
                assert_eq!(error.kind, kind, "{change}: {error}");
            }
            assert_eq!(server.server.journal().count("migrate"), 8);
        }
    };
    let newer = "INSERT INTO \"speedfit.schema_migration\" VALUES (99, 'x', 'y', 0)";
    check(newer, FailureKind::SchemaForeign).await;
    let other = "UPDATE \"speedfit.schema_migration\" SET checksum = 'z' WHERE version = 2";
    check(other, FailureKind::SchemaForeign).await;
    let older = "DELETE FROM \"speedfit.schema_migration\" WHERE version = 8";
    check(older, FailureKind::SchemaOutdated).await;
}

#[tokio::test]
async fn names_that_no_schema_has_are_refused_without_a_connection() {
    let server = StoreServer::start().await;
    for schema in ["", "a\0b", &"x".repeat(129)] {
        let options = speedfit::adapters::sqlserver::StoreOptions {
            schema: schema.to_owned(),
            ..server.options()
        };
        let clock = std::sync::Arc::new(speedfit::ports::SystemClock);
        let store =
            speedfit::adapters::sqlserver::SqlServerStore::open(options, Mode::Existing, clock);
        assert_eq!(store.await.err().unwrap().kind, FailureKind::Malformed);
    }
    assert_eq!(server.server.journal().n_connections(), 0);
}

#[tokio::test]
async fn five_thousand_groups_take_one_bulk_load_and_one_transaction() {
    let server = StoreServer::start().await;
    let store = server.migrated().await;
    let run_id = running(&store, "a").await.unwrap();
    let regions: Vec<String> = (0..5000).map(|n| format!("region {n}")).collect();
    let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
    let new = set(&regions, 61.0);
    store.conclude(&publishing("a", run_id, new.clone())).await.unwrap();
    let journal = server.server.journal();
    for name in ["clear_staging", "insert_bulk", "bulk_rows", "conclude_run"] {
        assert_eq!(journal.count(name), 1, "{name}");
    }
    let current = store.current("a").await.unwrap().unwrap();
    assert_eq!((current.groups, current.parameters), (new.groups, new.parameters));
}

#[tokio::test]
async fn the_doctor_tells_good_from_bad() {
    let server = StoreServer::start().await;
    let store = server.open(Mode::Migrating).await.unwrap();
    let grades = async || {
        let findings = store.examine().await;
        let bad = findings.into_iter().filter(|finding| finding.grade > Grade::Note);
        bad.map(|finding| {
            assert!(finding.remedy.is_some(), "{finding:?}");
            format!("{} {:?}", finding.check, finding.grade)
        })
        .collect::<Vec<_>>()
    };
    // The test's wire is open, and the schema is still to come.
    assert_eq!(grades().await, ["encryption Warning", "schema version Failure"]);
    store.migrate().await.unwrap();
    assert_eq!(grades().await, ["encryption Warning"]);
    assert_eq!(server.backend.locks().owner("speedfit:speedfit:a"), None);

    server.server.faults().always("store_rights", Fault::error(229));
    assert_eq!(grades().await, ["encryption Warning", "rights needed Failure"]);
    server.server.faults().clear();
    server.server.faults().always("login", Fault::error(18456));
    assert_eq!(grades().await, ["connection Failure", "encryption Warning"]);
}
