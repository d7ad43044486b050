//! What every store keeps to, run against each of them.
//!
//! A store takes part with one line at the end: its name and how to open it. Checks use scopes of
//! the fixture, so that a store may be shared.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

mod ledger;
mod locks;
mod operations;
mod sets;

use std::any::Any;
use std::sync::Arc;

use speedfit::adapters::embedded::{Embedded, Mode};
use speedfit::adapters::memory::MemoryStore;
use speedfit::adapters::sqlserver as database;
use speedfit::ports::{SchemaAdmin, Store};
use tempfile::TempDir;

use crate::support::sqlserver::TestDatabase;
use crate::tds_store::StoreServer;

/// A store under test.
pub(crate) struct Fixture {
    /// A handle.
    pub(crate) store: Arc<dyn Store>,
    /// Another handle on the same store, as another process has it.
    pub(crate) other: Arc<dyn Store>,
    /// Stands before every scope, so that no other test meets it.
    prefix: String,
    /// What holds the store, to be dropped after the handles.
    _home: Option<Box<dyn Any + Send + Sync>>,
}

impl Fixture {
    /// A scope that is this fixture's own.
    pub(crate) fn scope(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

async fn memory() -> Option<Fixture> {
    let store = Arc::new(MemoryStore::default());
    let other = Arc::clone(&store);
    Some(Fixture { store, other, prefix: String::new(), _home: None })
}

async fn embedded() -> Option<Fixture> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("speedfit.db");
    let store = Embedded::open(&path, Mode::Migrating).await.unwrap();
    store.migrate().await.unwrap();
    let other = Embedded::open(&path, Mode::Existing).await.unwrap();
    Some(Fixture {
        store: Arc::new(store),
        other: Arc::new(other),
        prefix: String::new(),
        _home: Some(Box::new(folder)),
    })
}

/// On a real T-SQL engine, in a database of the test's own; `None` where there is no engine.
async fn sqlserver() -> Option<Fixture> {
    let database = TestDatabase::create().await?;
    let store = database.migrated().await;
    let other = database.open(database::Mode::Existing).await.unwrap();
    Some(Fixture {
        store: Arc::new(store),
        other: Arc::new(other),
        prefix: String::new(),
        _home: Some(Box::new(database)),
    })
}

/// On the TDS test server, over SQLite.
async fn tds() -> Option<Fixture> {
    let server = StoreServer::start().await;
    let store = server.migrated().await;
    let other = server.open(database::Mode::Existing).await.unwrap();
    Some(Fixture {
        store: Arc::new(store),
        other: Arc::new(other),
        prefix: String::new(),
        _home: Some(Box::new(server)),
    })
}

macro_rules! tests {
    ($store:ident: $($topic:ident { $($check:ident),+ $(,)? })+) => {
        mod $store {
            $(mod $topic {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    if let Some(fixture) = crate::store_contract::$store().await {
                        crate::store_contract::$topic::$check(&fixture).await;
                    }
                })+
            })+
        }
    };
}

macro_rules! store_keeps_the_contract {
    ($store:ident) => {
        tests! { $store:
            ledger {
                numbers_ascend,
                a_row_tells_what_was_asked_and_done,
                only_legal_moves_are_made,
                a_run_ends_once,
                runs_come_newest_first,
                only_running_runs_of_the_scope_are_abandoned,
                refusals_come_back_in_order,
                what_is_not_there_is_none,
            }
            sets {
                numbers_and_names_come_back_bit_for_bit,
                details_come_back_as_they_went_in,
                order_is_kept,
                an_end_is_whole_or_absent,
                a_run_without_publication_leaves_the_mark,
                the_mark_moves_forward_and_back,
                scopes_do_not_touch_each_other,
                only_runs_of_the_scope_are_published,
                readers_see_whole_sets_only,
                migrating_twice_is_harmless,
                a_version_changes_with_every_commit,
            }
            operations {
                a_slot_is_taken_once,
                of_many_one_gets_the_slot,
                what_was_asked_comes_back,
                runs_are_found_by_status_and_trigger,
                settings_are_kept_once,
                the_mark_moves_by_hand,
                only_sets_that_are_there_are_published_by_hand,
                what_is_current_or_alive_is_never_pruned,
                sets_that_are_there_are_told,
            }
            locks {
                one_holder_at_a_time,
                scopes_are_locked_apart,
                a_dropped_lock_is_free,
                whether_a_lock_is_held_is_seen_without_taking_it,
                a_held_lock_is_not_lost,
            }
        }
    };
}

store_keeps_the_contract!(memory);
store_keeps_the_contract!(embedded);
store_keeps_the_contract!(sqlserver);
store_keeps_the_contract!(tds);
