//! Every statement of a run on a SQL Server, and everything that can go wrong with it.
//!
//! Whatever happens, the current set is the old one or the new one, whole; the ledger tells which;
//! and the run ends by itself. The outcomes stand as a table in the snapshot.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use speedfit::adapters::sqlserver::{
    Mode, Partition, RecordsFrom, RetryPolicy, ServerOptions, SourceOptions, SqlServerSource,
    SqlServerStore, StoreOptions,
};
use speedfit::domain::{ParameterSet, RunStatus};
use speedfit::job::{RunPlan, Silent, World, execute};
use speedfit::ports::{ParameterStore as _, RunFilter, RunJournal as _, SchemaAdmin as _};
use tokio_util::sync::CancellationToken;

use crate::job;
use crate::support::clock::HastyClock;
use crate::support::{at, published, set};
use crate::tds::Fault;
use crate::tds_store::StoreServer;

/// Longer than any wait that passes by itself: limits, which the test lets expire.
const LIMIT: Duration = Duration::from_secs(3600);
/// Never: a ping would come at no fixed place among the statements.
const NO_HEARTBEAT: Duration = Duration::from_secs(2 * 86_400);

/// A server with records and an empty store, and a world on it.
struct Stage {
    server: StoreServer,
    clock: Arc<HastyClock>,
    store: Arc<SqlServerStore>,
    world: World,
}

impl Stage {
    async fn new() -> Self {
        let server = StoreServer::start().await;
        server.load(job::rows(&[("A", 300, 1.0), ("B", 200, 1.0)]));
        let clock = Arc::new(HastyClock::new(at("2026-03-01T02:00:00Z")));
        let store = Arc::new(open_store(&server, &clock, Mode::Migrating).await);
        store.migrate().await.unwrap();
        let source = SqlServerSource::new(source_options(&server), clock.clone()).unwrap();
        let world = World { source: Arc::new(source), store: store.clone(), clock: clock.clone() };
        Self { server, clock, store, world }
    }

    /// A world with connections of its own, as a new process has it.
    async fn fresh_world(&self) -> World {
        let store = open_store(&self.server, &self.clock, Mode::Existing).await;
        World { store: Arc::new(store), ..self.world.clone() }
    }

    /// What the scope's last run and its current set say.
    async fn state(&self, scope: &str) -> (Option<RunStatus>, ParameterSet) {
        let filter = RunFilter { scope: Some(scope.to_owned()), limit: 1, ..RunFilter::default() };
        let runs = self.store.runs(&filter).await.unwrap();
        let current = self.store.current(scope).await.unwrap().unwrap();
        (runs.first().map(|run| run.status), current)
    }
}

fn server_options(server: &StoreServer) -> ServerOptions {
    ServerOptions { connect_timeout: LIMIT, command_timeout: LIMIT, ..server.server_options() }
}

fn source_options(server: &StoreServer) -> SourceOptions {
    let records = RecordsFrom::Table("dbo.incident".to_owned());
    SourceOptions {
        // One, so that the statements come in one order.
        connections: NonZeroUsize::MIN,
        partition: Partition::Off,
        ..SourceOptions::new(server_options(server), records)
    }
}

async fn open_store(server: &StoreServer, clock: &Arc<HastyClock>, mode: Mode) -> SqlServerStore {
    let options = StoreOptions {
        server: server_options(server),
        schema: "speedfit".to_owned(),
        retry: RetryPolicy::default(),
        lock_heartbeat: NO_HEARTBEAT,
    };
    SqlServerStore::open(options, mode, clock.clone()).await.unwrap()
}

/// What the new set replaces: nothing in it equals an estimate from the records.
fn old_set() -> ParameterSet {
    set(&["A", "B"], 60.0)
}

fn plan(scope: &str) -> RunPlan {
    let mut plan = job::plan();
    scope.clone_into(&mut plan.request.scope);
    // The records are far from the old set, which is no matter here.
    plan.judge.max_time_change = 1e9;
    plan
}

/// Name and occurrence, counted within the run, of everything that a run asks of the server.
async fn statements(stage: &Stage) -> Vec<(String, usize)> {
    published(&*stage.store, "clean", old_set()).await.unwrap();
    let n_before = stage.server.server.journal().entries().len();
    let world = stage.fresh_world().await;
    let n_opened = stage.server.server.journal().entries().len();
    assert!(n_opened > n_before, "opening a store asks the server");
    execute(&plan("clean"), &world, &Silent, &CancellationToken::new()).await.unwrap();
    let mut counts = BTreeMap::new();
    let entries = stage.server.server.journal().entries().into_iter().skip(n_opened);
    let named = entries.filter(|entry| !entry.name.is_empty());
    named
        .map(|entry| {
            let n = counts.entry(entry.name.clone()).and_modify(|n| *n += 1).or_insert(1_usize);
            (entry.name, *n)
        })
        .collect()
}

/// The faults, with their headings.
fn faults() -> Vec<(&'static str, Option<Fault>)> {
    vec![
        ("1205", Some(Fault::error(1205))),
        ("40613", Some(Fault::error(40613))),
        ("229", Some(Fault::error(229))),
        ("silence", None),
        ("drop before", Some(Fault::DropBefore)),
        ("drop inside", Some(Fault::DropInside(None))),
        ("reply lost", Some(Fault::DropAfterExecuting)),
        ("drop after", Some(Fault::DropAfter)),
        ("garbage", Some(Fault::Garbage)),
        ("panic", Some(Fault::Malformed)),
        ("error inside", Some(Fault::ErrorInside { after_rows: 1, number: 1205 })),
    ]
}

/// One run with one fault: what became of it, in a word or two.
async fn outcome(stage: &Stage, name: &str, nth: usize, fault: Option<&Fault>) -> String {
    let n_seen = stage.server.server.journal().entries().iter().filter(|e| e.name == name).count();
    let scope = format!("{name} {nth} {n_seen}");
    published(&*stage.store, &scope, old_set()).await.unwrap();
    let (_, old) = stage.state(&scope).await;
    let world = stage.fresh_world().await;
    let faults = stage.server.server.faults();
    let n_seen = stage.server.server.journal().entries().iter().filter(|e| e.name == name).count();
    let cancel = CancellationToken::new();
    let plan = plan(&scope);
    let run = execute(&plan, &world, &Silent, &cancel);
    let ended = match fault {
        Some(fault) => {
            faults.on(name, n_seen + nth, fault.clone());
            run.await
        }
        None => {
            let hold = faults.hold(name, n_seen + nth);
            let silence = async {
                hold.reached().await;
                stage.clock.expire();
                std::future::pending().await
            };
            tokio::select! { ended = run => ended, never = silence => never }
        }
    };
    faults.clear();
    drop(world);
    let exit_code = ended.as_ref().map_or_else(|failure| failure.exit_code(), |r| r.exit_code);
    let (status, current) = stage.state(&scope).await;
    let case = format!("{name} {nth}, {fault:?}: {ended:?}");
    let is_old = current == old;
    let is_new = match &ended {
        Ok(report) => current == report.set,
        // Published although the run ended by an error: whole all the same.
        Err(_) => !is_old && current.groups.len() == 2 && current.parameters.len() == 6,
    };
    assert!(is_old != is_new, "{case}: neither the old set nor the new: {current:?}");
    let ledger = status.map_or("nothing", RunStatus::as_str);
    // The ledger tells which: the last run is done if and only if its set is current.
    let is_done = current.run_id != old.run_id && status == Some(RunStatus::Done);
    assert_eq!(is_new, is_done, "{case}: the ledger says {ledger}");
    check_next_run(stage, &scope, &case).await;
    format!("{} {ledger} {exit_code}", if is_new { "new" } else { "old" })
}

/// Nothing stands in the way of the next run, and it sets the ledger right.
async fn check_next_run(stage: &Stage, scope: &str, case: &str) {
    let world = stage.fresh_world().await;
    let next = execute(&plan(scope), &world, &Silent, &CancellationToken::new()).await;
    assert_eq!(next.unwrap().status, RunStatus::Done, "{case}");
    let filter = RunFilter { scope: Some(scope.to_owned()), limit: 0, ..RunFilter::default() };
    let runs = stage.store.runs(&filter).await.unwrap();
    assert!(runs.iter().all(|run| run.status != RunStatus::Running), "{case}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_statement_fails_the_current_set_is_whole() {
    let stage = Stage::new().await;
    let faults = faults();
    let mut table = format!("{:<28}", "statement");
    for (heading, _) in &faults {
        write!(table, "{heading:<16}").unwrap();
    }
    for (name, nth) in statements(&stage).await {
        write!(table, "\n{:<28}", format!("{name} {nth}")).unwrap();
        for (_, fault) in &faults {
            write!(table, "{:<16}", outcome(&stage, &name, nth, fault.as_ref()).await).unwrap();
        }
    }
    let table: Vec<_> = table.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(table.join("\n"));
}
