//! Two runs of the real binary: the first loses the session of its lock, or is told to stop, at a moment
//! that chance picks from the case's number; the second begins then. In each case message, exit code
//! and ledger agree for both, and what both publish they publish one after the other.
//!
//! Ten cases of each by default; `SPEEDFIT_TEST_CASES` asks for another number.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use futures_util::{StreamExt as _, stream};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use secrecy::ExposeSecret as _;
use speedfit::adapters::sqlserver::{Login, ServerOptions, SqlServerStore};
use speedfit::domain::{Publication, RunRow, RunStatus};
use speedfit::ports::{ParameterStore as _, RunFilter, RunJournal as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::relay::{Relay, Stop};
use crate::job::rows;
use crate::sqlserver_pipeline::{load, settings};
use crate::support::program::{Desk, Ended};
use crate::support::sqlserver::{TestDatabase, connect};
use crate::tds_store::StoreServer;

/// The first connection is the store's, the second the lock's.
const OF_THE_LOCK: usize = 1;

/// Cases under way, each in a scope of its own.
const N_AT_ONCE: usize = 4;

/// Who asks for the two runs.
const FIRST: &str = "first";
const SECOND: &str = "second";

/// What happens to the first run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// The session of its lock ends.
    LockLost,
    /// The stop signal.
    Stop,
}

/// Who goes on first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    First,
    Second,
    Both,
}

fn n_cases() -> u64 {
    let asked = std::env::var("SPEEDFIT_TEST_CASES").ok();
    asked.map_or(10, |number| number.parse().unwrap())
}

/// A server with records, and a store in it.
struct Ground {
    server: ServerOptions,
    store: SqlServerStore,
    /// Whether another client may hold the mark's row while the first run is stopped.
    has_row_locks: bool,
}

/// A run in a folder of its own, behind a relay of its own.
struct Racer {
    relay: Relay,
    id: u32,
    ended: JoinHandle<Ended>,
    over: watch::Receiver<bool>,
    _desk: Desk,
}

impl Racer {
    async fn start(ground: &Ground, scope: &str, who: &str, stop: Stop) -> Self {
        let ServerOptions { host, port, .. } = &ground.server;
        let relay = Relay::start((host.clone(), *port), stop).await;
        let server = ServerOptions {
            host: "127.0.0.1".to_owned(),
            port: relay.port(),
            ..ground.server.clone()
        };
        let Login::Password { password, .. } = &server.login else { unreachable!() };
        let reached = format!("kind = \"sqlserver\"\nattempts = 3\n{}", settings(&server));
        let desk = Desk::new();
        std::fs::create_dir(desk.path("config")).unwrap();
        let table = "[sqlserver]\ntable = \"dbo.incident\"\n";
        let text = format!("scope = \"{scope}\"\n[source]\n{reached}[store]\n{reached}{table}");
        desk.write("config/race.toml", &text);
        let mut command: Command = desk.command(&["run", "--log-level", "warn"]);
        command
            .env("SPEEDFIT_ENV", "race")
            .env("USER", who)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in ["SPEEDFIT_SOURCE_PASSWORD", "SPEEDFIT_STORE_PASSWORD"] {
            command.env(name, password.expose_secret());
        }
        let child = command.spawn().unwrap();
        let id = child.id();
        let (is_over, over) = watch::channel(false);
        let ended = tokio::task::spawn_blocking(move || {
            let ended = Ended::of(child.wait_with_output().unwrap());
            is_over.send_replace(true);
            ended
        });
        Self { relay, id, ended, over, _desk: desk }
    }

    /// Returns when its relay has stopped, or it has ended.
    async fn stands(&mut self) {
        tokio::select! {
            () = self.relay.reached() => {}
            _ = self.over.wait_for(|over| *over) => {}
        }
    }

    fn tell_to_stop(&self) {
        let id = self.id.to_string();
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-TERM", &id]).stderr(Stdio::null()).status().unwrap();
    }
}

/// How a case ended.
struct Outcome {
    first: Ended,
    second: Ended,
    /// Of the scope, oldest first.
    runs: Vec<RunRow>,
    /// Of the scope, oldest first.
    moves: Vec<Publication>,
}

async fn race(ground: &Ground, blow: Blow, case: u64, requests: (usize, usize)) -> Outcome {
    let mut chance = ChaCha8Rng::seed_from_u64(case);
    let mut stop = |from: usize| {
        let nth = chance.random_range(from..requests.1);
        if chance.random_bool(0.5) { Stop::Request(nth) } else { Stop::Reply(nth) }
    };
    let stops = match blow {
        Blow::LockLost => (stop(requests.0), stop(0)),
        Blow::Stop => (stop(0), stop(0)),
    };
    let order = [Order::First, Order::Second, Order::Both][chance.random_range(0..3)];
    let is_foreign = ground.has_row_locks && blow == Blow::Stop && chance.random_bool(0.3);
    let scope = format!("{}-{blow:?}-{case}", ground.server.database);

    let mut first = Racer::start(ground, &scope, FIRST, stops.0).await;
    first.stands().await;
    match blow {
        Blow::LockLost => {
            first.relay.cut(OF_THE_LOCK);
        }
        Blow::Stop => first.tell_to_stop(),
    }
    let foreign = if is_foreign { Some(hold_ledger(ground, &scope).await) } else { None };
    let mut second = Racer::start(ground, &scope, SECOND, stops.1).await;
    if foreign.is_none() {
        second.stands().await;
    }
    let (first, second) = match order {
        Order::First => {
            first.relay.release();
            let first = first.ended.await.unwrap();
            drop(foreign);
            second.relay.release();
            (first, second.ended.await.unwrap())
        }
        Order::Second if foreign.is_none() => {
            second.relay.release();
            let second = second.ended.await.unwrap();
            first.relay.release();
            (first.ended.await.unwrap(), second)
        }
        Order::Second | Order::Both => {
            first.relay.release();
            second.relay.release();
            let first = first.ended.await.unwrap();
            drop(foreign);
            (first, second.ended.await.unwrap())
        }
    };
    let filter = RunFilter { scope: Some(scope.clone()), ..RunFilter::default() };
    let mut runs = ground.store.runs(&filter).await.unwrap();
    runs.reverse();
    let mut moves = ground.store.publications(&scope, 0).await.unwrap();
    moves.reverse();
    Outcome { first, second, runs, moves }
}

/// Another client that holds the rows of the scope's runs until it is dropped.
async fn hold_ledger(ground: &Ground, scope: &str) -> impl Sized + use<> {
    let mut client = connect(&ground.server).await.unwrap();
    let sql = format!(
        "BEGIN TRANSACTION; UPDATE speedfit.run SET reason = reason WHERE scope = N'{scope}'"
    );
    client.simple_query(sql).await.unwrap().into_results().await.unwrap();
    client
}

/// Holds what a run said against its row, and returns both in short.
fn agree(what: &str, ended: &Ended, row: Option<&RunRow>, outcome: &Outcome) -> String {
    let code = ended.code.unwrap();
    let status = row.map_or("none", |row| row.status.as_str());
    let said = format!("{what}: exit {code}, ledger {status}: {}", ended.stderr);
    let n_moves = outcome.moves.iter().filter(|m| row.is_some_and(|row| m.run_id == row.id));
    let n_moves = n_moves.count();
    let is_published =
        row.is_some_and(|row| matches!(row.status, RunStatus::Done | RunStatus::Partial));
    assert_eq!(n_moves, usize::from(is_published), "{said}");
    let is_open = ended.stderr.contains("may have been published");
    let denies = ended.stderr.contains("nothing was published");
    match code {
        0 | 6 => assert!(is_published && !is_open && !denies, "{said}"),
        5 | 8 | 130 => {
            assert!(is_open || !is_published, "{said}");
            assert!(!(is_open && denies), "{said}");
            // What the ledger says besides: nothing, where it could not be told.
            let expected: &[&str] = match code {
                5 => &["failed", "abandoned", "running", "requested", "none"],
                8 => &["refused", "requested", "none"],
                _ => &["cancelled", "abandoned", "running", "requested", "none"],
            };
            assert!(is_open || expected.contains(&status), "{said}");
        }
        _ => panic!("{said}"),
    }
    let open = if is_open { "?" } else { "" };
    format!("{code}{open} {status}")
}

async fn check(ground: &Ground, blow: Blow) {
    let scope = format!("{}-{blow:?}", ground.server.database);
    let clean = Racer::start(ground, &scope, FIRST, Stop::Never).await;
    let ended = clean.ended.await.unwrap();
    assert!(matches!(ended.code, Some(0 | 6)), "{}", ended.stderr);
    let requests = (clean.relay.n_before(OF_THE_LOCK) + 1, clean.relay.n_requests());
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let cases =
        (0..n_cases()).map(|case| async move { (case, race(ground, blow, case, requests).await) });
    let mut outcomes = stream::iter(cases).buffer_unordered(N_AT_ONCE);
    while let Some((case, outcome)) = outcomes.next().await {
        let Outcome { first, second, runs, moves } = &outcome;
        let what = format!("{blow:?} {case}");
        // A run that was stopped before its request was written has no row.
        let row = |who: &str| runs.iter().find(|row| row.request.requested_by == who);
        let (of_first, of_second) = (row(FIRST), row(SECOND));
        assert!(of_second.is_some(), "{what}: {}", second.stderr);
        let said = format!(
            "{} | {}",
            agree(&what, first, of_first, &outcome),
            agree(&what, second, of_second, &outcome)
        );
        *tally.entry(said).or_default() += 1;
        // One after the other: whoever published last had begun after the other's end.
        if let [earlier, later] = moves.as_slice() {
            let row = |publication: &Publication| {
                runs.iter().find(|row| row.id == publication.run_id).unwrap()
            };
            assert!(row(later).started_at > row(earlier).finished_at, "{what}: {runs:#?}");
        }
        assert!(moves.len() <= 2, "{what}: {moves:?}");
    }
    for (said, n) in tally {
        eprintln!("{blow:?}: {n:>4} × {said}");
    }
}

async fn on_the_test_server(blow: Blow) {
    let server = StoreServer::start().await;
    server.load(rows(&[("A", 300, 1.0), ("B", 200, 1.0)]));
    let store = server.migrated().await;
    let ground = Ground { server: server.server_options(), store, has_row_locks: false };
    check(&ground, blow).await;
}

async fn on_an_engine(blow: Blow) {
    let Some(database) = TestDatabase::create().await else { return };
    load(&database, rows(&[("A", 300, 1.0), ("B", 200, 1.0)])).await;
    let store = database.migrated().await;
    let ground = Ground { server: database.options.clone(), store, has_row_locks: true };
    check(&ground, blow).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_lost_at_any_moment_on_the_test_server() {
    on_the_test_server(Blow::LockLost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_at_any_moment_on_the_test_server() {
    on_the_test_server(Blow::Stop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_lost_at_any_moment_on_a_real_engine() {
    on_an_engine(Blow::LockLost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_at_any_moment_on_a_real_engine() {
    on_an_engine(Blow::Stop).await;
}
