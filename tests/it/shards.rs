//! A run of several shards: published once, and what a single process would publish.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

use std::sync::Arc;
use std::time::Duration;

use speedfit::adapters::memory::{Fault, ManualClock, MemorySource, MemoryStore, Operation};
use speedfit::domain::{ParameterSet, RunId, RunStatus, Shard};
use speedfit::job::{JobError, RunPlan, ShardAsk, ShardOutcome, Silent, World, execute, run_shard};
use speedfit::ports::{Clock as _, FailureKind, ParameterStore as _, RunFilter, RunJournal as _};
use speedfit::ports::{ScopeLocks as _, ShardStage as _};
use tokio_util::sync::CancellationToken;

use crate::job::{plan, rows};

const REGIONS: [(&str, usize, f64); 9] = [
    ("A", 400, 1.0),
    ("B", 300, 1.1),
    ("C", 200, 0.9),
    ("D", 500, 1.0),
    ("E", 60, 1.2),
    ("F", 250, 1.0),
    ("G", 30, 1.0),
    ("H", 700, 0.8),
    ("", 20, 1.0),
];

struct Desk {
    store: MemoryStore,
    clock: Arc<ManualClock>,
}

impl Desk {
    fn new() -> Self {
        let start = "2026-03-01T02:00:00Z".parse().unwrap();
        Self { store: MemoryStore::default(), clock: Arc::new(ManualClock::new(start)) }
    }

    fn world(&self) -> World {
        World {
            source: Arc::new(MemorySource::of_rows(rows(&REGIONS), 100)),
            store: Arc::new(self.store.clone()),
            clock: Arc::clone(&self.clock) as _,
        }
    }

    fn plan(&self) -> RunPlan {
        let mut plan = plan();
        plan.request.requested_at = self.clock.now();
        plan
    }

    async fn shard_of(&self, index: u32, key: Option<&str>) -> Result<ShardOutcome, JobError> {
        let shard = Shard::new(index, 8).unwrap();
        let expire_after = Duration::from_secs(3600);
        let ask = ShardAsk { shard, key: key.map(str::to_owned), expire_after };
        let cancel = CancellationToken::new();
        run_shard(&self.plan(), &self.world(), &ask, &Silent, &cancel).await
    }

    async fn shard(&self, index: u32) -> ShardOutcome {
        self.shard_of(index, None).await.unwrap()
    }

    async fn runs(&self) -> Vec<(RunId, RunStatus)> {
        let runs = self.store.runs(&RunFilter::default()).await.unwrap();
        runs.into_iter().map(|row| (row.id, row.status)).collect()
    }
}

/// What a single process publishes of the same records, without the run's number.
async fn single() -> ParameterSet {
    let desk = Desk::new();
    let cancel = CancellationToken::new();
    execute(&desk.plan(), &desk.world(), &Silent, &cancel).await.unwrap();
    let current = desk.store.current("test").await.unwrap().unwrap();
    ParameterSet { run_id: None, ..current }
}

/// The current set is the one of a single process, bit by bit, published once.
async fn assert_published_once(desk: &Desk) {
    let current = desk.store.current("test").await.unwrap().unwrap();
    let current = ParameterSet { run_id: None, ..current };
    // The shortest text that gives the same number back tells every bit of it.
    assert_eq!(format!("{current:?}"), format!("{:?}", single().await));
    assert_eq!(desk.store.publications("test", 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn whatever_the_order_the_last_publishes_what_one_process_would() {
    for order in [[1, 2, 3, 4, 5, 6, 7, 8], [8, 3, 1, 7, 2, 6, 4, 5]] {
        let desk = Desk::new();
        for (n, index) in (1..).zip(order) {
            match desk.shard(index).await {
                ShardOutcome::Staged { run_id, n_staged, .. } => {
                    assert_eq!((run_id, n_staged), (RunId(1), n));
                }
                ShardOutcome::Made(report) => {
                    // One region has too few records.
                    assert_eq!((n, report.status), (8, RunStatus::Partial));
                }
                ShardOutcome::Over(_) => panic!("shard {index} found the run over"),
            }
        }
        assert_published_once(&desk).await;
        assert_eq!(desk.runs().await, [(RunId(1), RunStatus::Partial)]);
        // What was staged is gone.
        assert_eq!(desk.store.staged_shards(RunId(1)).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_at_once_make_one_run() {
    let desk = Arc::new(Desk::new());
    let mut shards = tokio::task::JoinSet::new();
    // The second is started twice.
    for index in [1, 2, 3, 4, 5, 6, 7, 8, 2] {
        let desk = Arc::clone(&desk);
        shards.spawn(async move { desk.shard_of(index, Some("job-7")).await });
    }
    // Whoever waits for the lock looks again when time passes.
    let ticking = Arc::clone(&desk);
    let ticks = tokio::spawn(async move {
        loop {
            ticking.clock.until_sleeping(1).await;
            ticking.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    });
    let mut n_made = 0;
    while let Some(outcome) = shards.join_next().await {
        n_made += usize::from(matches!(outcome.unwrap().unwrap(), ShardOutcome::Made(_)));
    }
    ticks.abort();
    assert_eq!(n_made, 1);
    assert_published_once(&desk).await;
    assert_eq!(desk.runs().await, [(RunId(1), RunStatus::Partial)]);
    // One that is started again long after finds the run over.
    assert!(matches!(desk.shard_of(5, Some("job-7")).await, Ok(ShardOutcome::Over(_))));
    assert_eq!(desk.runs().await.len(), 1);
}

#[tokio::test]
async fn a_shard_that_dies_is_started_again() {
    let desk = Desk::new();
    for index in 1..=7 {
        // It dies between its parts and its seal, or while it stages them.
        for nth in [2, 3] {
            let fault = Fault::Reject(FailureKind::Unreachable);
            desk.store.faults().on(Operation::Stage, nth, fault);
            let died = desk.shard_of(index, None).await;
            assert!(matches!(died, Err(JobError::Store { .. })));
        }
        assert!(matches!(desk.shard(index).await, ShardOutcome::Staged { .. }));
        // Started twice.
        assert!(matches!(desk.shard(index).await, ShardOutcome::Staged { .. }));
    }
    // The last one dies while it makes the run, before anything of it is kept.
    for operation in [Operation::Mark, Operation::AbandonDead] {
        desk.store.faults().on(operation, 1, Fault::Reject(FailureKind::Unreachable));
        assert!(desk.shard_of(8, None).await.is_err());
        assert_eq!(desk.runs().await, [(RunId(1), RunStatus::Requested)]);
    }
    assert!(matches!(desk.shard(8).await, ShardOutcome::Made(_)));
    assert_published_once(&desk).await;
}

#[tokio::test]
async fn a_run_whose_shards_never_complete_expires() {
    let desk = Desk::new();
    for index in 1..=7 {
        desk.shard(index).await;
    }
    desk.clock.advance(Duration::from_secs(3601));
    // The late one opens a run of its own.
    assert!(matches!(
        desk.shard(8).await,
        ShardOutcome::Staged { run_id: RunId(2), n_staged: 1, .. }
    ));
    assert_eq!(
        desk.runs().await,
        [(RunId(2), RunStatus::Requested), (RunId(1), RunStatus::Failed)]
    );
    let expired = desk.store.run(RunId(1)).await.unwrap().unwrap();
    assert_eq!(expired.message, "expired: 7 of 8 shards were staged in time");
    assert_eq!(desk.store.current("test").await.unwrap(), None);
    assert_eq!(desk.store.staged_shards(RunId(1)).await.unwrap(), []);
}

#[tokio::test]
async fn a_shard_of_another_job_is_refused() {
    let desk = Desk::new();
    desk.shard(1).await;
    let refused = async |change: &dyn Fn(&mut RunPlan), count| {
        let mut plan = desk.plan();
        change(&mut plan);
        let shard = Shard::new(2, count).unwrap();
        let ask = ShardAsk { shard, key: None, expire_after: Duration::from_secs(3600) };
        let cancel = CancellationToken::new();
        match run_shard(&plan, &desk.world(), &ask, &Silent, &cancel).await {
            Err(error @ JobError::ShardMisfit { .. }) => error.to_string(),
            _ => panic!("the shard was taken"),
        }
    };
    let open = "this shard is no part of run 1, which is open:";
    assert_eq!(refused(&|_| (), 4).await, format!("{open} it has 8 shards, and this is one of 4"));
    let other = |plan: &mut RunPlan| plan.request.settings_hash = "other".to_owned();
    assert_eq!(refused(&other, 8).await, format!("{open} its settings are others"));
    assert_eq!(desk.runs().await.len(), 1);
}

#[tokio::test]
async fn while_another_run_has_the_scope_the_last_shard_waits() {
    let desk = Arc::new(Desk::new());
    for index in 1..=7 {
        desk.shard(index).await;
    }
    let lock = desk.store.try_lock("test").await.unwrap().unwrap();
    let last = Arc::clone(&desk);
    let last = tokio::spawn(async move { last.shard(8).await });
    desk.clock.until_sleeping(1).await;
    assert_eq!(desk.store.current("test").await.unwrap(), None);
    lock.release().await.unwrap();
    desk.clock.advance(Duration::from_secs(1));
    assert!(matches!(last.await.unwrap(), ShardOutcome::Made(_)));
    assert_published_once(&desk).await;
}
