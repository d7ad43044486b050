//! What the store does when a statement fails, or its reply is lost: everything lands once.

use std::sync::Arc;

use speedfit::adapters::sqlserver::{Mode, SqlServerStore};
use speedfit::domain::{RunId, RunStatus};
use speedfit::ports::{
    FailureKind, ParameterStore as _, RunFilter, RunJournal as _, SchemaAdmin as _, ScopeLocks as _,
};

use super::StoreServer;
use crate::support::{at, ending, published, publishing, request, running, set};
use crate::tds::Fault;

async fn started() -> (StoreServer, SqlServerStore) {
    let server = StoreServer::start().await;
    let store = server.migrated().await;
    (server, store)
}

async fn all_runs(store: &SqlServerStore) -> Vec<RunId> {
    let rows = store.runs(&RunFilter::default()).await.unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

/// Faults after which the statement may have taken place, or not, and the store cannot tell.
fn breaks() -> [Fault; 6] {
    [
        Fault::DropBefore,
        Fault::DropInside(None),
        Fault::DropAfterExecuting,
        Fault::Garbage,
        Fault::Malformed,
        Fault::error(1205),
    ]
}

#[tokio::test]
async fn a_request_is_written_once() {
    for fault in breaks() {
        let (server, store) = started().await;
        server.server.faults().on("insert_run", 1, fault.clone());
        let run_id = store.request(&request("a")).await.unwrap();
        assert_eq!(all_runs(&store).await, [run_id], "{fault:?}");
        assert_eq!(server.server.journal().count("run_of_request"), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_start_takes_place_once() {
    for fault in breaks() {
        let (server, store) = started().await;
        let run_id = store.request(&request("a")).await.unwrap();
        server.server.faults().on("start_run", 1, fault.clone());
        let started_at = at("2026-02-01T00:00:00Z");
        store.start(run_id, started_at).await.unwrap();
        let row = store.run(run_id).await.unwrap().unwrap();
        assert_eq!((row.status, row.started_at), (RunStatus::Running, Some(started_at)));
        // Another start of the same run is no repeat of this one.
        let error = store.start(run_id, started_at).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::Internal, "{fault:?}");
    }
}

#[tokio::test]
async fn an_end_is_whole_after_any_fault_of_any_of_its_statements() {
    let statements =
        ["run_status", "clear_staging", "bulk_columns", "insert_bulk", "bulk_rows", "conclude_run"];
    for name in statements {
        for fault in breaks() {
            let (server, store) = started().await;
            let before = published(&store, "a", set(&["A"], 60.0)).await.unwrap();
            let run_id = running(&store, "a").await.unwrap();
            let next = server.server.journal().count(name) + 1;
            server.server.faults().on(name, next, fault.clone());
            let new = set(&["A", "B"], 61.0);
            store.conclude(&publishing("a", run_id, new.clone())).await.unwrap();

            let what = format!("{name}: {fault:?}");
            let current = store.current("a").await.unwrap().unwrap();
            assert_eq!(
                (current.groups, current.parameters),
                (new.groups, new.parameters),
                "{what}"
            );
            let moves = store.publications("a", 0).await.unwrap();
            let moves: Vec<RunId> = moves.iter().map(|publication| publication.run_id).collect();
            assert_eq!(moves, [run_id, before], "{what}");
            assert_eq!(n_staged(&server), 0, "{what}");
        }
    }
}

fn n_staged(server: &StoreServer) -> i64 {
    let sql = "SELECT COUNT(*) FROM \"speedfit.staged_row\"";
    server.backend.shell().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn an_end_that_cannot_be_made_changes_nothing() {
    let (server, store) = started().await;
    let before = published(&store, "a", set(&["A"], 60.0)).await.unwrap();
    let run_id = running(&store, "a").await.unwrap();
    server.server.faults().always("conclude_run", Fault::DropBefore);
    let end = publishing("a", run_id, set(&["A", "B"], 61.0));
    let error = store.conclude(&end).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Unreachable);
    assert_eq!(server.server.journal().count("conclude_run"), 1 + 6);
    server.server.faults().clear();
    assert_eq!(store.mark("a").await.unwrap().unwrap().run_id, before);
    assert_eq!(store.run(run_id).await.unwrap().unwrap().status, RunStatus::Running);

    // What the dead run had staged goes when it is found.
    assert!(n_staged(&server) > 0);
    let found_at = at("2026-02-02T00:00:00Z");
    assert_eq!(store.abandon_dead("a", found_at, None).await.unwrap(), [run_id]);
    assert_eq!(n_staged(&server), 0);
}

#[tokio::test]
async fn a_refused_permission_is_not_asked_for_again() {
    let (server, store) = started().await;
    let run_id = running(&store, "a").await.unwrap();
    server.server.faults().always("conclude_run", Fault::error(229));
    let error = store.conclude(&publishing("a", run_id, set(&["A"], 61.0))).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Denied);
    assert!(error.remedy().contains("grants.sql"), "{}", error.remedy());
    assert_eq!(server.server.journal().count("conclude_run"), 1);
}

#[tokio::test]
async fn the_dead_are_told_although_the_reply_was_lost() {
    for fault in breaks() {
        let (server, store) = started().await;
        let dead = running(&store, "a").await.unwrap();
        server.server.faults().on("abandon_runs", 1, fault.clone());
        let found_at = at("2026-02-02T00:00:00Z");
        assert_eq!(store.abandon_dead("a", found_at, None).await.unwrap(), [dead], "{fault:?}");
        let row = store.run(dead).await.unwrap().unwrap();
        assert_eq!((row.status, row.finished_at), (RunStatus::Abandoned, Some(found_at)));
    }
}

#[tokio::test]
async fn a_set_that_changes_on_its_way_is_not_kept() {
    let (server, store) = started().await;
    let run_id = running(&store, "a").await.unwrap();
    let hold = server.server.faults().hold("conclude_run", 1);
    let end = publishing("a", run_id, set(&["A"], 61.0));
    let (outcome, ()) = tokio::join!(store.conclude(&end), async {
        hold.reached().await;
        let sql = "DELETE FROM \"speedfit.staged_row\" WHERE kind = 'parameter' AND ordinal = 1";
        assert_eq!(server.backend.shell().execute(sql, []).unwrap(), 1);
        hold.release();
    });
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, FailureKind::Internal);
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "3 rows were sent and 2 would have been kept; nothing was");
    assert_eq!(store.run(run_id).await.unwrap().unwrap().status, RunStatus::Running);
    assert_eq!(store.mark("a").await.unwrap(), None);
    store.conclude(&end).await.unwrap();
}

#[tokio::test]
async fn of_two_ends_of_a_run_one_is_made() {
    let (server, store) = started().await;
    let run_id = running(&store, "a").await.unwrap();
    let other = server.open(Mode::Existing).await.unwrap();
    let hold = server.server.faults().hold("conclude_run", 1);
    let end = publishing("a", run_id, set(&["A"], 61.0));
    let (late, ()) = tokio::join!(store.conclude(&end), async {
        hold.reached().await;
        other.conclude(&ending(run_id, RunStatus::Cancelled)).await.unwrap();
        hold.release();
    });
    let error = late.unwrap_err();
    assert_eq!(error.kind, FailureKind::Internal);
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("`cancelled` and cannot become `done`"), "{why}");
    assert_eq!(store.mark("a").await.unwrap(), None);
    assert_eq!(store.publications("a", 0).await.unwrap(), []);
}

#[tokio::test]
async fn texts_that_no_column_holds_are_refused_before_anything_is_sent() {
    let (server, store) = started().await;
    let run_id = running(&store, "a").await.unwrap();
    let mut end = publishing("a", run_id, set(&["A"], 61.0));
    end.set.groups[0].key.priority = "p".repeat(101);
    let error = store.conclude(&end).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Malformed);
    assert_eq!(server.server.journal().count("clear_staging"), 0);
}

#[tokio::test]
async fn a_lock_is_lost_with_its_connection() {
    for fault in [Fault::DropBefore, Fault::Garbage, Fault::DropAfterExecuting] {
        let (server, store) = started().await;
        server.server.faults().on("hold_lock", 3, fault.clone());
        let lock = store.try_lock("a").await.unwrap().unwrap();
        let reason = lock.lost().await;
        assert!(reason.to_string().contains("cannot hold the lock of scope `a`"), "{reason}");
        // It says so again to whoever asks again, and gives nothing back.
        assert_eq!(lock.lost().await.kind, reason.kind, "{fault:?}");
        assert_eq!(server.server.journal().count("hold_lock"), 3);
        lock.release().await.unwrap();
        // Only migrating gave a lock back.
        assert_eq!(server.server.journal().count("release_lock"), 1);
        let again = store.try_lock("a").await.unwrap();
        assert!(again.is_some(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_lock_that_the_server_took_away_is_lost() {
    let (server, store) = started().await;
    let hold = server.server.faults().hold("hold_lock", 1);
    let lock = store.try_lock("a").await.unwrap().unwrap();
    hold.reached().await;
    let session = server.backend.locks().owner("speedfit:speedfit:a").unwrap();
    server.backend.locks().release_all(session);
    hold.release();
    let reason = lock.lost().await;
    assert_eq!(reason.kind, FailureKind::Unreachable);
    assert!(reason.to_string().contains("is gone"), "{reason}");
}

#[tokio::test]
async fn a_lock_whose_grant_was_lost_is_taken_again() {
    for fault in [Fault::DropBefore, Fault::DropAfterExecuting, Fault::Garbage] {
        let (server, store) = started().await;
        server.server.faults().on("take_lock", 2, fault.clone());
        let lock = store.try_lock("a").await.unwrap();
        assert!(lock.is_some(), "{fault:?}");
        // Migrating took the first; the scope's was taken twice, and the holder's once.
        assert_eq!(server.server.journal().count("take_lock"), 4);
        // Of the two sessions one is left.
        lock.unwrap().release().await.unwrap();
        assert_eq!(server.backend.locks().owner("speedfit:speedfit:a"), None);
    }
}

#[tokio::test]
async fn migrating_goes_on_where_it_broke_off() {
    for name in ["has_ledger", "take_lock", "create_schema_migration", "migrate", "release_lock"] {
        for fault in [Fault::DropBefore, Fault::DropAfterExecuting] {
            let server = StoreServer::start().await;
            let store = server.open(Mode::Migrating).await.unwrap();
            let next = server.server.journal().count(name) + 1;
            server.server.faults().on(name, next, fault.clone());
            let report = store.migrate().await.unwrap();
            assert_eq!(store.script().await.unwrap(), "", "{name}: {fault:?}");
            assert!(report.applied.len() <= 8, "{report:?}");
            assert!(server.open(Mode::Existing).await.is_ok(), "{name}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn two_programs_migrate_one_after_the_other() {
    let server = Arc::new(StoreServer::start().await);
    let (one, other) =
        (server.open(Mode::Migrating).await.unwrap(), server.open(Mode::Migrating).await.unwrap());
    let hold = server.server.faults().hold("create_schema", 1);
    let (first, second, ()) = tokio::join!(one.migrate(), other.migrate(), async {
        hold.reached().await;
        hold.release();
    });
    let mut applied = [first.unwrap().applied.len(), second.unwrap().applied.len()];
    applied.sort_unstable();
    assert_eq!(applied, [0, 8]);
    assert_eq!(server.server.journal().count("migrate"), 8);
}
