//! A run of several shards: published once, and what a single process would publish.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

use std::sync::Arc;
use std::time::Duration;

use speedfit::adapters::memory::{Fault, Hold, ManualClock, MemorySource, MemoryStore, Operation};
use speedfit::domain::{ParameterSet, RunId, RunRow, RunStatus, Shard};
use speedfit::job::{
    JobError, Reached, RunPlan, ShardAsk, ShardFailure, ShardOutcome, Silent, World, execute,
    give_up_expired, run_shard,
};
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

/// Time after which a run whose shards have not completed is given up.
const EXPIRE_AFTER: Duration = Duration::from_secs(3600);

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

    async fn shard_of(&self, index: u32, key: Option<&str>) -> Result<ShardOutcome, ShardFailure> {
        self.shard_by(&self.plan(), index, key).await
    }

    async fn shard_by(
        &self,
        plan: &RunPlan,
        index: u32,
        key: Option<&str>,
    ) -> Result<ShardOutcome, ShardFailure> {
        let shard = Shard::new(index, 8).unwrap();
        let ask = ShardAsk { shard, key: key.map(str::to_owned) };
        let cancel = CancellationToken::new();
        run_shard(plan, &self.world(), &ask, &Silent, &cancel).await
    }

    async fn give_up(&self) -> Vec<RunRow> {
        give_up_expired("test", EXPIRE_AFTER, &self.world(), &CancellationToken::new()).await
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
            let Err(ShardFailure { reached, cause: JobError::Store { .. } }) = died else {
                panic!("shard {index} did not fail by its store");
            };
            assert_eq!(reached, Reached::Part(RunId(1)));
        }
        assert!(matches!(desk.shard(index).await, ShardOutcome::Staged { .. }));
        // Started twice.
        assert!(matches!(desk.shard(index).await, ShardOutcome::Staged { .. }));
    }
    // The last one dies while it makes the run, before anything of it is kept.
    for operation in [Operation::Mark, Operation::AbandonDead] {
        desk.store.faults().on(operation, 1, Fault::Reject(FailureKind::Unreachable));
        let failure = desk.shard_of(8, None).await.err().unwrap();
        assert_eq!(failure.reached, Reached::All(RunId(1)));
        assert_eq!(desk.runs().await, [(RunId(1), RunStatus::Requested)]);
    }
    assert!(matches!(desk.shard(8).await, ShardOutcome::Made(_)));
    assert_published_once(&desk).await;
}

/// A desk with a run that has seven of its eight shards, and is late.
async fn late() -> Desk {
    let desk = Desk::new();
    for index in 1..=7 {
        desk.shard(index).await;
    }
    assert_eq!(desk.give_up().await, []);
    desk.clock.advance(EXPIRE_AFTER + Duration::from_secs(1));
    desk
}

#[tokio::test]
async fn a_run_whose_shards_never_complete_expires() {
    let desk = late().await;
    let ended = desk.give_up().await;
    // As the ledger has it.
    let expired = desk.store.run(RunId(1)).await.unwrap().unwrap();
    assert_eq!(ended, std::slice::from_ref(&expired));
    assert_eq!((expired.status, expired.exit_code), (RunStatus::Failed, Some(4)));
    assert_eq!(expired.message, "expired: 7 of 8 shards were staged in time; missing: 8/8");
    assert_eq!(expired.finished_at, Some(desk.clock.now()));
    assert_eq!(desk.store.current("test").await.unwrap(), None);
    assert_eq!(desk.store.staged_shards(RunId(1)).await.unwrap(), []);
    // The late one opens a run of its own.
    assert!(matches!(
        desk.shard(8).await,
        ShardOutcome::Staged { run_id: RunId(2), n_staged: 1, .. }
    ));
    assert_eq!(
        desk.runs().await,
        [(RunId(2), RunStatus::Requested), (RunId(1), RunStatus::Failed)]
    );
    assert_eq!(desk.give_up().await, []);
}

#[tokio::test]
async fn only_what_is_late_and_of_shards_is_given_up_and_cheaply() {
    let desk = late().await;
    let waiting = desk.store.request(&desk.plan().request).await.unwrap();
    desk.clock.advance(EXPIRE_AFTER);
    let fresh = match desk.shard_of(1, Some("tonight")).await {
        Ok(ShardOutcome::Staged { run_id, .. }) => run_id,
        _ => panic!("the shard staged nothing"),
    };
    assert_eq!(desk.give_up().await.len(), 1);
    assert_eq!(
        desk.runs().await,
        [
            (fresh, RunStatus::Requested),
            (waiting, RunStatus::Requested),
            (RunId(1), RunStatus::Failed)
        ]
    );
    // Where none is late, the lock is left alone, and one query is all.
    let calls = |operation| desk.store.faults().n_calls(operation);
    let before = (calls(Operation::TryLock), calls(Operation::Runs));
    assert_eq!(desk.give_up().await, []);
    assert_eq!((calls(Operation::TryLock), calls(Operation::Runs)), (before.0, before.1 + 1));
}

#[tokio::test]
async fn an_expired_run_is_ended_by_one_process() {
    let desk = Arc::new(late().await);
    let hold = Hold::default();
    desk.store.faults().on(Operation::Conclude, 1, Fault::HoldRequest(hold.clone()));
    let first = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.give_up().await }
    });
    hold.reached().await;
    assert_eq!(desk.give_up().await, []);
    hold.release();
    assert_eq!(first.await.unwrap().len(), 1);
    assert_eq!(desk.give_up().await, []);
    // While a run holds the scope, whoever comes next looks again.
    let desk = late().await;
    let lock = desk.store.try_lock("test").await.unwrap().unwrap();
    assert_eq!(desk.give_up().await, []);
    lock.release().await.unwrap();
    assert_eq!(desk.give_up().await.len(), 1);
}

#[tokio::test]
async fn whatever_the_store_answers_an_expired_run_has_one_to_tell_of_it() {
    use Operation::{Conclude, Release, Run, Runs, Stage, TryLock};
    let lost = || Fault::FailAfterWrite(FailureKind::TimedOut);
    let failed = || Fault::Reject(FailureKind::Unreachable);
    let check = async |operation, nth, fault: Fault, expected: [usize; 2]| {
        let desk = late().await;
        desk.store.faults().on(operation, nth, fault.clone());
        let found = [desk.give_up().await.len(), desk.give_up().await.len()];
        assert_eq!(found, expected, "{operation:?} {nth} {fault:?}");
        assert_eq!(desk.runs().await, [(RunId(1), RunStatus::Failed)]);
    };
    for operation in [Runs, TryLock, Run, Stage, Conclude] {
        check(operation, 1, failed(), [0, 1]).await;
    }
    // It was ended, and the answer was lost; or what it left could not be cleared.
    check(Conclude, 1, lost(), [1, 0]).await;
    check(Stage, 2, failed(), [1, 0]).await;
    check(Release, 1, lost(), [1, 0]).await;
}

#[tokio::test]
async fn a_shard_of_another_job_is_refused() {
    let desk = Desk::new();
    desk.shard(1).await;
    let refused = async |change: &dyn Fn(&mut RunPlan), count| {
        let mut plan = desk.plan();
        change(&mut plan);
        let shard = Shard::new(2, count).unwrap();
        let ask = ShardAsk { shard, key: None };
        let cancel = CancellationToken::new();
        match run_shard(&plan, &desk.world(), &ask, &Silent, &cancel).await {
            Err(ShardFailure { reached, cause: cause @ JobError::ShardMisfit { .. } }) => {
                assert_eq!(reached, Reached::NoRun);
                cause.to_string()
            }
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
