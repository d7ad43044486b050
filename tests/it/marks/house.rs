//! Old sets and runs go as the settings say, and no run fails for it.

use std::sync::Arc;

use speedfit::adapters::memory::{Fault, Hold, ManualClock, MemoryStore, Operation};
use speedfit::domain::RunId;
use speedfit::job::retention::{RetentionRules, keep_house, plan_of};
use speedfit::ports::{FailureKind, ParameterStore as _, RunFilter, RunJournal as _};
use tokio_util::sync::CancellationToken;

use super::{SOURCE, three_nights, write_trips};
use crate::support::program::Desk;
use crate::support::{at, published, set};

/// Keeps as little as the settings allow.
const LITTLE: [&str; 8] = [
    "--set",
    "retention.sets=1",
    "--set",
    "retention.sets_days=0",
    "--set",
    "retention.current_days=0",
    "--set",
    "retention.runs_days=0",
];

fn runs(desk: &Desk) -> Vec<i64> {
    let runs = desk.expect(0, &["runs", "--json"]).json();
    runs.as_array().unwrap().iter().map(|run| run["id"].as_i64().unwrap()).collect()
}

#[test]
fn prune_says_what_goes_and_deletes_it() {
    let (desk, [first, second, third]) = three_nights();
    let nothing = "nothing is old enough to go; the limits stand under `retention`\n";
    assert_eq!(desk.expect(0, &["prune"]).stdout, nothing);
    let told = format!(
        "sets      2 would go: runs {first}–{second}; the ledger still tells of them\nruns      none\n"
    );
    for _ in 0..2 {
        assert_eq!(desk.expect(0, &[&["prune", "--dry-run"], &LITTLE[..]].concat()).stdout, told);
    }
    let told = told.replace("would go", "deleted");
    assert_eq!(desk.expect(0, &[&["prune"], &LITTLE[..]].concat()).stdout, told);
    assert_eq!(desk.expect(0, &[&["prune"], &LITTLE[..]].concat()).stdout, nothing);
    assert_eq!(runs(&desk), [third, second, first]);

    let ended = desk.expect(8, &["rollback", "--reason", "x"]);
    assert!(ended.stderr.contains("none is kept"), "{}", ended.stderr);
    let ended = desk.expect(8, &["rollback", &first.to_string(), "--reason", "x"]);
    assert!(ended.stderr.contains("or they were pruned"), "{}", ended.stderr);
    desk.expect(8, &["diff"]);

    let runs_too = ["--set", "retention.runs=1"];
    let pruned = [&["prune", "--json"], &LITTLE[..], &runs_too[..]].concat();
    let pruned = desk.expect(0, &pruned).json();
    assert_eq!(pruned["pruned"], serde_json::json!({ "sets": 0, "runs": 2 }));
    assert_eq!(runs(&desk), [third]);
    desk.expect(0, &["show", "current"]);
}

#[test]
fn a_run_that_publishes_keeps_house() {
    let (desk, [first, second, third]) = three_nights();
    // One that publishes nothing leaves everything.
    write_trips(&desk, &[("North", 9.0), ("South", 9.0)]);
    desk.expect(7, &[&["run"], &SOURCE[..], &LITTLE[..]].concat());
    desk.expect(0, &["diff", &first.to_string(), &second.to_string()]);
    write_trips(&desk, &[("North", 1.0), ("South", 1.0)]);
    desk.expect(0, &[&["run"], &SOURCE[..], &LITTLE[..]].concat());
    for gone in [first, second, third] {
        desk.expect(8, &["diff", "current", &gone.to_string()]);
    }
    assert_eq!(runs(&desk).len(), 5);
}

struct House {
    store: MemoryStore,
    runs: Vec<RunId>,
    cancel: CancellationToken,
}

const RULES: RetentionRules =
    RetentionRules { sets: 1, sets_days: 0, runs: 0, runs_days: 0, current_days: 0 };

impl House {
    /// With so many published sets, all of one moment.
    async fn of(n_sets: usize) -> Self {
        let store = MemoryStore::default();
        let mut runs = Vec::new();
        for _ in 0..n_sets {
            runs.push(published(&store, "a", set(&["A"], 60.0)).await.unwrap());
        }
        Self { store, runs, cancel: CancellationToken::new() }
    }

    async fn keep(&self) {
        let clock = Arc::new(ManualClock::new(at("2026-03-01T02:00:00Z")));
        keep_house(&self.store, "a", &RULES, &*clock, &self.cancel).await;
    }

    async fn n_sets(&self) -> usize {
        self.store.sets("a").await.unwrap().len()
    }
}

#[tokio::test]
async fn a_store_that_forbids_it_keeps_everything() {
    for (operation, kind) in [
        (Operation::Prune, FailureKind::Denied),
        (Operation::Prune, FailureKind::Unreachable),
        (Operation::Runs, FailureKind::TimedOut),
        (Operation::Publications, FailureKind::Busy),
        (Operation::Sets, FailureKind::Busy),
    ] {
        let house = House::of(3).await;
        house.store.faults().on(operation, 1, Fault::Reject(kind));
        house.keep().await;
        assert_eq!(house.n_sets().await, 3, "{operation:?}");
        house.keep().await;
        assert_eq!(house.n_sets().await, 1, "{operation:?}");
    }
}

#[tokio::test]
async fn many_go_in_small_transactions_and_the_stop_signal_ends_it() {
    let house = House::of(121).await;
    let hold = Hold::default();
    house.store.faults().on(Operation::Prune, 2, Fault::HoldRequest(hold.clone()));
    let ((), ()) = tokio::join!(house.keep(), async {
        hold.reached().await;
        house.cancel.cancel();
    });
    assert_eq!(house.n_sets().await, 71);
    let house = House { cancel: CancellationToken::new(), ..house };
    house.keep().await;
    assert_eq!(house.n_sets().await, 1);
    assert_eq!(house.store.faults().n_calls(Operation::Prune), 4);
    let rows = house.store.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(rows.len(), house.runs.len());
}

#[tokio::test]
async fn rules_that_keep_all_do_not_even_look() {
    let house = House::of(3).await;
    let all = RetentionRules { sets: 0, runs: 0, ..RULES };
    assert!(plan_of(&house.store, "a", &all, at("2026-03-01T02:00:00Z")).await.unwrap().is_empty());
    assert_eq!(house.store.faults().n_calls(Operation::Runs), 0);
}
