//! A move of the mark against a store that fails.

use std::sync::Arc;

use speedfit::adapters::memory::{Fault, Hold, ManualClock, MemoryStore, Operation};
use speedfit::domain::RunId;
use speedfit::job::publish::{Move, MoveError, MoveRequest, Moved, move_mark};
use speedfit::ports::{FailureKind, ParameterStore as _, ScopeLocks as _};
use tokio_util::sync::CancellationToken;

use crate::support::{at, published, set};

struct Stage {
    store: MemoryStore,
    first: RunId,
    second: RunId,
    cancel: CancellationToken,
}

impl Stage {
    async fn new() -> Self {
        let store = MemoryStore::default();
        let first = published(&store, "a", set(&["A"], 60.0)).await.unwrap();
        let second = published(&store, "a", set(&["A"], 61.0)).await.unwrap();
        Self { store, first, second, cancel: CancellationToken::new() }
    }

    async fn rollback(&self) -> Result<Moved, MoveError> {
        let request = MoveRequest {
            scope: "a".to_owned(),
            to: Move::Rollback(None),
            requested_by: "kim".to_owned(),
            comment: "bad feed".to_owned(),
            force: false,
        };
        let clock = Arc::new(ManualClock::new(at("2026-03-01T02:00:00Z")));
        move_mark(&self.store, &*clock, &request, &self.cancel).await
    }

    async fn current(&self) -> RunId {
        self.store.mark("a").await.unwrap().unwrap().run_id
    }

    async fn lock_is_free(&self) -> bool {
        self.store.try_lock("a").await.unwrap().is_some()
    }
}

#[tokio::test]
async fn a_call_that_fails_moves_nothing_and_frees_the_lock() {
    for operation in [
        Operation::Mark,
        Operation::Publications,
        Operation::Sets,
        Operation::Run,
        Operation::ParameterSet,
        Operation::Publish,
    ] {
        let stage = Stage::new().await;
        stage.store.faults().on(operation, 1, Fault::Reject(FailureKind::Unreachable));
        let error = stage.rollback().await.unwrap_err();
        // Only of the move itself a lost connection leaves it open whether it took place.
        let is_open = matches!(error, MoveError::Unsettled { .. });
        assert_eq!(is_open, operation == Operation::Publish, "{operation:?}: {error}");
        assert!(!error.is_refusal());
        assert_eq!(stage.current().await, stage.second, "{operation:?}");
        assert!(stage.lock_is_free().await, "{operation:?}");
        assert_eq!(stage.rollback().await.unwrap().publication.run_id, stage.first);
    }
}

#[tokio::test]
async fn a_lost_reply_is_no_failure() {
    let stage = Stage::new().await;
    stage.store.faults().on(Operation::Publish, 1, Fault::FailAfterWrite(FailureKind::TimedOut));
    let moved = stage.rollback().await.unwrap();
    assert_eq!(stage.store.mark("a").await.unwrap(), Some(moved.publication));
    assert_eq!(stage.store.publications("a", 0).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_lock_that_is_lost_stops_the_move() {
    let stage = Stage::new().await;
    let hold = Hold::default();
    stage.store.faults().on(Operation::ParameterSet, 1, Fault::HoldRequest(hold.clone()));
    let (moved, ()) = tokio::join!(stage.rollback(), async {
        hold.reached().await;
        stage.store.lose_lock("a", FailureKind::Unreachable);
    });
    assert!(matches!(moved, Err(MoveError::Store { operation: "keep the lock", .. })), "{moved:?}");
    assert_eq!(stage.current().await, stage.second);
}

#[tokio::test]
async fn the_stop_signal_ends_it_at_once() {
    let stage = Stage::new().await;
    let hold = Hold::default();
    stage.store.faults().on(Operation::Run, 1, Fault::HoldRequest(hold.clone()));
    let (moved, ()) = tokio::join!(stage.rollback(), async {
        hold.reached().await;
        stage.cancel.cancel();
    });
    assert!(matches!(moved, Err(MoveError::Cancelled)), "{moved:?}");
    assert_eq!(stage.current().await, stage.second);
    assert!(stage.lock_is_free().await);
}
