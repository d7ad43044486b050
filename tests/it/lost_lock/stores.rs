//! What a former holder of a lock may still do in each database: nothing.

use std::path::Path;
use std::sync::Arc;

use speedfit::adapters::embedded::{Embedded, Mode};
use speedfit::adapters::sqlserver::{
    self as database, ServerOptions, SqlServerStore, StoreOptions,
};
use speedfit::domain::RunStatus;
use speedfit::ports::{Conclusion, FailureKind, SchemaAdmin as _, ScopeLock, Store, SystemClock};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::support::sqlserver::TestDatabase;
use crate::support::{at, publication, published, publishing, running, set};
use crate::tds_store::StoreServer;

/// `lose` takes the lock away from its holder, who does not know it.
async fn check(store: &dyn Store, other: &dyn Store, lose: impl FnOnce(&dyn ScopeLock)) {
    let scope = "a former holder";
    let found_at = at("2026-02-01T00:00:00Z");
    let earlier = published(store, scope, set(&["A"], 60.0)).await.unwrap();
    let current = published(store, scope, set(&["A"], 61.0)).await.unwrap();
    let lock = store.try_lock(scope).await.unwrap().unwrap();
    let key = lock.key();
    let run_id = running(store, scope).await.unwrap();
    let end =
        Conclusion { lock: Some(key.clone()), ..publishing(scope, run_id, set(&["A", "B"], 62.0)) };
    // While it is held, the mark moves.
    let back = publication(scope, earlier, "rollback");
    store.publish(&back, Some(&key)).await.unwrap();
    lose(&*lock);

    let refused = async || {
        let ended = store.conclude(&end).await.unwrap_err();
        let moved = store.publish(&publication(scope, current, "publish"), Some(&key)).await;
        let abandoned = store.abandon_dead(scope, found_at, Some(&key)).await;
        let kinds = [ended.kind, moved.unwrap_err().kind, abandoned.unwrap_err().kind];
        assert_eq!(kinds, [FailureKind::LockLost; 3]);
        assert_eq!(other.mark(scope).await.unwrap(), Some(back.clone()));
        assert_eq!(other.parameter_set(run_id).await.unwrap().unwrap().parameters, []);
    };
    refused().await;
    assert_eq!(other.run(run_id).await.unwrap().unwrap().status, RunStatus::Running);
    // The next holder's run is not taken for dead by the former one.
    let next = other.try_lock(scope).await.unwrap().unwrap();
    let dead = other.abandon_dead(scope, found_at, Some(&next.key())).await.unwrap();
    assert_eq!(dead, [run_id]);
    let alive = running(other, scope).await.unwrap();
    refused().await;
    assert_eq!(other.run(run_id).await.unwrap().unwrap().status, RunStatus::Abandoned);
    assert_eq!(other.run(alive).await.unwrap().unwrap().status, RunStatus::Running);
    let end = Conclusion { lock: Some(next.key()), ..publishing(scope, alive, set(&["A"], 63.0)) };
    other.conclude(&end).await.unwrap();
    assert_eq!(store.mark(scope).await.unwrap().unwrap().run_id, alive);
}

fn remove_lock_files(folder: &Path) {
    let mut n_removed = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "lock") {
            std::fs::remove_file(path).unwrap();
            n_removed += 1;
        }
    }
    assert_eq!(n_removed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_embedded_store() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("speedfit.db");
    let store = Embedded::open(&path, Mode::Migrating).await.unwrap();
    store.migrate().await.unwrap();
    let other = Embedded::open(&path, Mode::Existing).await.unwrap();
    check(&store, &other, |_| remove_lock_files(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_test_server() {
    let server = StoreServer::start().await;
    let store = server.migrated().await;
    let other = server.open(database::Mode::Existing).await.unwrap();
    check(&store, &other, |lock| {
        let locks = server.backend.locks();
        locks.release_all(locks.owner(&lock.key().0).unwrap());
    })
    .await;
}

/// The server ends every session of the store that holds the lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_real_engine() {
    let Some(database) = TestDatabase::create().await else { return };
    let other = database.migrated().await;
    let name = format!("former {}", database.options.database);
    let server = ServerOptions { application_name: name.clone(), ..database.options.clone() };
    let options = StoreOptions { server, ..database.store() };
    let mode = database::Mode::Existing;
    let store = SqlServerStore::open(options, mode, Arc::new(SystemClock)).await.unwrap();
    check(&store, &other, |_| {
        let kill = kill_sessions(&database, &name);
        tokio::task::block_in_place(|| Handle::current().block_on(kill));
    })
    .await;
}

async fn kill_sessions(database: &TestDatabase, name: &str) {
    let sql = format!(
        "SELECT CAST(session_id AS int) FROM sys.dm_exec_sessions WHERE program_name = N'{name}'"
    );
    let found = database.batch(&sql).await.unwrap().remove(0);
    assert!(found.len() >= 2, "the store's session and the lock's");
    for id in found.iter().filter_map(|row| row.get::<i32, _>(0)) {
        database.batch(&format!("KILL {id}")).await.unwrap();
    }
}
