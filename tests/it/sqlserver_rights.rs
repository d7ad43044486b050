//! A login without one of its rights, on a real T-SQL engine: `speedfit doctor` names the one that is
//! missing, and a run fails for it; with all of them nothing is missing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use speedfit::adapters::sqlserver::{Login, Mode, ServerOptions, SqlServerStore, StoreOptions};
use speedfit::ports::{
    Examine as _, FailureKind, Finding, Grade, ParameterStore as _, PortResult, RunJournal as _,
    ScopeLocks as _, SystemClock,
};

use crate::support::sqlserver::TestDatabase;
use crate::support::{at, publication, published, running, set};

const PASSWORD: &str = "Writer;1'";

/// The rights, as `speedfit doctor` asks for them.
fn rights() -> Vec<(&'static str, &'static str)> {
    let sql = include_str!("../../src/adapters/sqlserver/sql/store_rights.sql");
    let (values, _) = sql.split_once(") AS n").unwrap();
    let pairs = values.split("(N'").skip(1);
    let pairs = pairs.map(|pair| {
        let mut texts = pair.split('\'');
        (texts.next().unwrap(), texts.nth(1).unwrap())
    });
    pairs.collect()
}

/// Everything that runs and operators do, but for what may be denied: the deletion of old runs.
/// In a scope of its own, so that it finds no dead run of a life that failed.
async fn whole_life(store: &SqlServerStore, scope: &str) -> PortResult<()> {
    let lock = store.try_lock(scope).await?.unwrap();
    store.keep_settings("5e1f", "{}").await?;
    store.settings("5e1f").await?;
    let dead = running(store, scope).await?;
    let found_at = at("2026-02-01T00:00:00Z");
    assert_eq!(store.abandon_dead(scope, found_at, Some(&lock.key())).await?, [dead]);
    let run_id = published(store, scope, set(&["A"], 60.0)).await?;
    published(store, scope, set(&["A"], 61.0)).await?;
    store.publish(&publication(scope, run_id, "rollback"), Some(&lock.key())).await?;
    store.current(scope).await?;
    store.refusals(run_id).await?;
    store.publications(scope, 0).await?;
    store.sets(scope).await?;
    lock.release().await
}

async fn rights_found(store: &SqlServerStore) -> Finding {
    let findings = store.examine().await;
    findings.into_iter().find(|finding| finding.check == "rights needed").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_whatever_right_is_missing() {
    let Some(database) = TestDatabase::create().await else { return };
    database.migrated().await;
    let name = format!("w_{}", database.options.database);
    let batch = async |sql: String| database.batch(&sql).await.unwrap();
    batch(format!("CREATE LOGIN [{name}] WITH PASSWORD = N'{}'", PASSWORD.replace('\'', "''")))
        .await;
    batch(format!("CREATE USER [{name}] FOR LOGIN [{name}]")).await;
    for (table, permission) in rights() {
        batch(format!("GRANT {permission} ON speedfit.{table} TO [{name}]")).await;
    }
    let login = Login::Password { user: name.clone(), password: PASSWORD.into() };
    let server = ServerOptions { login, ..database.options.clone() };
    let options = StoreOptions { server, ..database.store() };
    let open =
        async || SqlServerStore::open(options.clone(), Mode::Existing, Arc::new(SystemClock)).await;
    let store = open().await.unwrap();
    assert_eq!(rights_found(&store).await.grade, Grade::Good);
    whole_life(&store, "all rights").await.unwrap();
    for (table, permission) in rights() {
        batch(format!("REVOKE {permission} ON speedfit.{table} FROM [{name}]")).await;
        let what = format!("{permission} on `{table}`");
        // Without it no store opens, which says so by itself.
        if table != "schema_migration" {
            let found = rights_found(&store).await;
            assert_eq!(found.text, format!("missing in schema `speedfit`: {what}"));
        }
        let failed = match open().await {
            Ok(fresh) => whole_life(&fresh, &what).await,
            Err(error) => Err(error),
        };
        let expected = match table {
            // A table that may not be read is not shown either.
            "schema_migration" => FailureKind::SchemaOutdated,
            _ => FailureKind::Denied,
        };
        assert_eq!(failed.map_err(|error| error.kind), Err(expected), "{what}");
        batch(format!("GRANT {permission} ON speedfit.{table} TO [{name}]")).await;
    }
    drop(store);
    for (table, permission) in rights() {
        batch(format!("REVOKE {permission} ON speedfit.{table} FROM [{name}]")).await;
    }
    batch(format!("DROP USER [{name}]")).await;
    batch(format!("DROP LOGIN [{name}]")).await;
}
