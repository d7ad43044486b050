//! Every order in which a lock can be lost, a run can be stopped and another can begin, on the store in
//! memory: what is said of a run's end is what the ledger has.

use std::sync::Arc;
use std::time::Duration;

use speedfit::adapters::memory::{Fault, Hold, ManualClock, MemorySource, MemoryStore, Operation};
use speedfit::domain::{RunId, RunStatus};
use speedfit::job::publish::{Move, MoveError, MoveRequest, Moved, move_mark};
use speedfit::job::{JobError, RunReport, Silent, World, execute};
use speedfit::ports::{FailureKind, ParameterStore as _, RunFilter, RunJournal as _};
use tokio_util::sync::CancellationToken;

use crate::job::{plan, rows};
use crate::support::{at, published, set};

const SCOPE: &str = "test";

struct Stage {
    store: MemoryStore,
    clock: Arc<ManualClock>,
    cancel: CancellationToken,
}

impl Stage {
    fn new() -> Self {
        Self {
            store: MemoryStore::default(),
            clock: Arc::new(ManualClock::new(at("2026-03-01T02:00:00Z"))),
            cancel: CancellationToken::new(),
        }
    }

    /// A gate at the next call of an operation, before its work or after it.
    fn hold(&self, operation: Operation, fault: fn(Hold) -> Fault) -> Hold {
        let hold = Hold::default();
        self.store.faults().on(operation, 1, fault(hold.clone()));
        hold
    }

    async fn run_until(&self, cancel: &CancellationToken) -> Result<RunReport, JobError> {
        let world = World {
            source: Arc::new(MemorySource::of_rows(rows(&[("A", 300, 1.0)]), 100)),
            store: Arc::new(self.store.clone()),
            clock: self.clock.clone(),
        };
        execute(&plan(), &world, &Silent, cancel).await
    }

    async fn run(&self) -> Result<RunReport, JobError> {
        self.run_until(&self.cancel).await
    }

    /// A run that the stop signal of the other does not reach.
    async fn another_run(&self) -> Result<RunReport, JobError> {
        self.run_until(&CancellationToken::new()).await
    }

    async fn rollback(&self) -> Result<Moved, MoveError> {
        let request = MoveRequest {
            scope: SCOPE.to_owned(),
            to: Move::Rollback(None),
            requested_by: "kim".to_owned(),
            comment: "bad feed".to_owned(),
            force: false,
        };
        move_mark(&self.store, &*self.clock, &request, &self.cancel).await
    }

    async fn statuses(&self) -> Vec<RunStatus> {
        let mut runs = self.store.runs(&RunFilter::default()).await.unwrap();
        runs.reverse();
        runs.iter().map(|run| run.status).collect()
    }

    /// The runs that were published, in order.
    async fn published(&self) -> Vec<i64> {
        let mut moves = self.store.publications(SCOPE, 0).await.unwrap();
        moves.reverse();
        moves.iter().map(|publication| publication.run_id.0).collect()
    }
}

/// The work, while a second passes whenever somebody waits for it.
async fn as_time_passes<T>(clock: &ManualClock, work: impl Future<Output = T>) -> T {
    let passing = async {
        loop {
            clock.until_sleeping(1).await;
            clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = work => outcome,
        () = passing => unreachable!(),
    }
}

#[tokio::test]
async fn a_lock_that_is_lost_after_the_publication_undoes_nothing() {
    let stage = Stage::new();
    let hold = stage.hold(Operation::Conclude, Fault::HoldResponse);
    let (ended, ()) = tokio::join!(stage.run(), async {
        hold.reached().await;
        stage.store.lose_lock(SCOPE, FailureKind::Unreachable);
        hold.release();
    });
    assert_eq!(ended.unwrap().exit_code, 0);
    assert_eq!(stage.statuses().await, [RunStatus::Done]);
    assert_eq!(stage.published().await, [1]);
}

#[tokio::test]
async fn nothing_is_published_once_the_lock_is_lost_noticed_or_not() {
    let losses: [fn(&MemoryStore); 2] = [
        |store| store.lose_lock(SCOPE, FailureKind::Unreachable),
        |store| store.lose_lock_unnoticed(SCOPE),
    ];
    for lose in losses {
        let stage = Stage::new();
        let hold = stage.hold(Operation::Conclude, Fault::HoldRequest);
        let (ended, ()) = tokio::join!(stage.run(), async {
            hold.reached().await;
            lose(&stage.store);
            hold.release();
        });
        let failure = ended.unwrap_err();
        assert!(matches!(failure, JobError::LockLost { .. }), "{failure}");
        assert_eq!(failure.exit_code(), 5);
        assert!(failure.to_string().ends_with("nothing was published"), "{failure}");
        assert_eq!(stage.statuses().await, [RunStatus::Failed]);
        assert_eq!(stage.published().await, [0; 0]);
    }
}

/// Another run takes the lock and publishes while the first is about to.
#[tokio::test]
async fn of_two_runs_that_think_they_hold_the_lock_one_publishes() {
    let stage = Stage::new();
    let hold = stage.hold(Operation::Conclude, Fault::HoldRequest);
    let (first, second) = tokio::join!(stage.run(), async {
        hold.reached().await;
        stage.store.lose_lock_unnoticed(SCOPE);
        let second = stage.another_run().await;
        hold.release();
        second
    });
    assert_eq!(second.unwrap().exit_code, 0);
    let failure = first.unwrap_err();
    assert!(matches!(failure, JobError::LockLost { .. }), "{failure}");
    assert_eq!(stage.statuses().await, [RunStatus::Abandoned, RunStatus::Done]);
    assert_eq!(stage.published().await, [2]);
}

/// A run that lost the lock before it could begin takes no later one for dead.
#[tokio::test]
async fn a_run_that_begins_too_late_ends_no_other() {
    let stage = Stage::new();
    let hold = stage.hold(Operation::AbandonDead, Fault::HoldRequest);
    let (first, second) = tokio::join!(stage.run(), async {
        hold.reached().await;
        stage.store.lose_lock_unnoticed(SCOPE);
        let at_end = stage.hold(Operation::Conclude, Fault::HoldRequest);
        let (second, ()) = tokio::join!(stage.another_run(), async {
            at_end.reached().await;
            hold.release();
            // The first has told the ledger of its end before the second is let go.
            while stage.statuses().await[0] != RunStatus::Failed {
                tokio::task::yield_now().await;
            }
            at_end.release();
        });
        second
    });
    assert!(matches!(first.unwrap_err(), JobError::LockLost { .. }));
    assert_eq!(second.unwrap().exit_code, 0);
    assert_eq!(stage.statuses().await, [RunStatus::Failed, RunStatus::Done]);
    assert_eq!(stage.published().await, [2]);
}

/// The stop signal while the publishing transaction is under way, which takes place.
#[tokio::test]
async fn a_run_that_was_published_before_it_could_be_stopped_says_so() {
    let stage = Stage::new();
    let hold = stage.hold(Operation::Conclude, Fault::HoldResponse);
    let ended = as_time_passes(&stage.clock, async {
        let stopped = async {
            hold.reached().await;
            stage.cancel.cancel();
        };
        tokio::join!(stage.run(), stopped).0
    });
    assert_eq!(ended.await.unwrap().exit_code, 0);
    assert_eq!(stage.statuses().await, [RunStatus::Done]);
    assert_eq!(stage.published().await, [1]);
}

/// The same, where the store answers nobody any more.
#[tokio::test]
async fn what_a_stopped_run_cannot_find_out_it_does_not_claim() {
    let stage = Stage::new();
    let hold = stage.hold(Operation::Conclude, Fault::HoldResponse);
    stage.store.faults().on(Operation::Conclude, 2, Fault::HoldRequest(Hold::default()));
    stage.store.faults().on(Operation::Run, 1, Fault::HoldRequest(Hold::default()));
    let ended = as_time_passes(&stage.clock, async {
        let stopped = async {
            hold.reached().await;
            stage.cancel.cancel();
        };
        tokio::join!(stage.run(), stopped).0
    });
    let failure = ended.await.unwrap_err();
    assert_eq!(failure.exit_code(), 130);
    assert_eq!(failure.to_string(), "run 1 may have been published; see `speedfit status`");
}

/// An answer that is lost for good, and a store that then says nothing.
#[tokio::test]
async fn a_lost_answer_that_cannot_be_asked_for_is_said_to_be_open() {
    let stage = Stage::new();
    let lost = |kind| Fault::Reject(kind);
    stage.store.faults().on(Operation::Conclude, 1, Fault::FailAfterWrite(FailureKind::TimedOut));
    stage.store.faults().on(Operation::Conclude, 2, lost(FailureKind::Unreachable));
    stage.store.faults().on(Operation::Run, 1, lost(FailureKind::Unreachable));
    let failure = stage.run().await.unwrap_err();
    assert!(matches!(failure, JobError::Unsettled { run_id: RunId(1), .. }), "{failure}");
    assert_eq!(failure.exit_code(), 5);
    // A store that says why nothing was written leaves nothing open.
    stage.store.faults().on(Operation::Conclude, 1, lost(FailureKind::Full));
    stage.store.faults().on(Operation::Conclude, 2, lost(FailureKind::Full));
    let failure = stage.run().await.unwrap_err();
    assert!(matches!(failure, JobError::Store { .. }), "{failure}");
    assert_eq!(stage.published().await, [1]);
}

async fn with_two_sets() -> Stage {
    let stage = Stage::new();
    for speed in [60.0, 61.0] {
        published(&stage.store, SCOPE, set(&["A"], speed)).await.unwrap();
    }
    stage
}

#[tokio::test]
async fn the_mark_is_moved_by_the_holder_of_the_lock_only() {
    let stage = with_two_sets().await;
    let hold = stage.hold(Operation::Publish, Fault::HoldRequest);
    let (moved, ()) = tokio::join!(stage.rollback(), async {
        hold.reached().await;
        stage.store.lose_lock_unnoticed(SCOPE);
        hold.release();
    });
    let error = moved.unwrap_err();
    assert_eq!(error.to_string(), "cannot move the mark in memory");
    assert_eq!(stage.published().await, [1, 2]);
}

#[tokio::test]
async fn a_move_that_was_stopped_says_what_became_of_it() {
    let check = async |fault: fn(Hold) -> Fault, expected: &str, current: i64| {
        let stage = with_two_sets().await;
        let hold = stage.hold(Operation::Publish, fault);
        let moved = as_time_passes(&stage.clock, async {
            let stopped = async {
                hold.reached().await;
                stage.cancel.cancel();
            };
            tokio::join!(stage.rollback(), stopped).0
        });
        let said = moved.await.map_or_else(|error| error.to_string(), |_| "moved".to_owned());
        assert_eq!(said, expected);
        assert_eq!(stage.store.mark(SCOPE).await.unwrap().unwrap().run_id, RunId(current));
    };
    check(Fault::HoldResponse, "moved", 1).await;
    let open = "the mark may have been moved to run 1; see `speedfit status`";
    check(Fault::HoldRequest, open, 2).await;
}
