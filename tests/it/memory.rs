//! The store and the source in memory fail as they are told to, and only then.

use speedfit::adapters::memory::{Fault, Hold, MemorySource, MemoryStore, Operation};
use speedfit::domain::record::RecordRef;
use speedfit::domain::{RecordBatch, RunStatus};
use speedfit::ports::{
    FailureKind, ParameterStore, ReadQuery, RecordSource, RunJournal, ScopeLocks,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::{at, publishing, request, running, set};

#[tokio::test]
async fn a_rejected_call_does_nothing_and_the_next_one_works() {
    let store = MemoryStore::default();
    store.faults().on(Operation::Request, 2, Fault::Reject(FailureKind::Unreachable));
    let first = store.request(&request("a")).await.unwrap();
    let error = store.request(&request("a")).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Unreachable);
    let second = store.request(&request("a")).await.unwrap();
    assert_eq!(second.0, first.0 + 1);
    assert_eq!(store.faults().n_calls(Operation::Request), 3);

    // Counted from the order on, not from the beginning.
    store.faults().on(Operation::Request, 1, Fault::Reject(FailureKind::Busy));
    assert_eq!(store.request(&request("a")).await.unwrap_err().kind, FailureKind::Busy);
}

#[tokio::test]
async fn a_lost_reply_leaves_the_write() {
    let store = MemoryStore::default();
    store.faults().on(Operation::Conclude, 1, Fault::FailAfterWrite(FailureKind::TimedOut));
    let run_id = running(&store, "a").await.unwrap();
    let end = publishing("a", run_id, set(&["A"], 60.0));
    assert_eq!(store.conclude(&end).await.unwrap_err().kind, FailureKind::TimedOut);
    assert_eq!(store.run(run_id).await.unwrap().unwrap().status, RunStatus::Done);
    assert_eq!(store.publications("a", 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn held_calls_wait_before_or_after_their_work() {
    let store = MemoryStore::default();
    let run_id = store.request(&request("a")).await.unwrap();
    let status = async || store.run(run_id).await.unwrap().unwrap().status;
    let (before, after) = (Hold::default(), Hold::default());
    store.faults().on(Operation::Start, 1, Fault::HoldRequest(before.clone()));
    store.faults().on(Operation::Conclude, 1, Fault::HoldResponse(after.clone()));

    let (started, ()) = tokio::join!(store.start(run_id, at("2026-02-01T00:00:00Z")), async {
        before.reached().await;
        assert_eq!(status().await, RunStatus::Requested);
        before.release();
    });
    started.unwrap();
    let end = publishing("a", run_id, set(&["A"], 60.0));
    let (ended, ()) = tokio::join!(store.conclude(&end), async {
        after.reached().await;
        assert_eq!(status().await, RunStatus::Done);
        after.release();
    });
    ended.unwrap();
}

#[tokio::test]
async fn a_lost_lock_is_told_and_free_for_another() {
    let store = MemoryStore::default();
    let lock = store.try_lock("a").await.unwrap().unwrap();
    store.lose_lock("b", FailureKind::Internal);
    store.lose_lock("a", FailureKind::Unreachable);
    assert_eq!(lock.lost().await.kind, FailureKind::Unreachable);
    let other = store.try_lock("a").await.unwrap().unwrap();
    // Its first holder cannot take it away from the second.
    lock.release().await.unwrap();
    assert!(store.try_lock("a").await.unwrap().is_none());
    other.release().await.unwrap();
    assert!(store.try_lock("a").await.unwrap().is_some());
}

fn source() -> MemorySource {
    let row = RecordRef { region: Some("A"), ..RecordRef::default() };
    MemorySource::of_rows([row; 10], 4)
}

#[tokio::test]
async fn a_source_fails_after_the_batches_ordered() {
    for n_batches in 0..=3 {
        let (batches, mut inlet) = mpsc::channel(8);
        let source = source().failing_after(n_batches, FailureKind::Unreachable);
        let read = source.read(&ReadQuery::default(), batches, &CancellationToken::new()).await;
        assert_eq!(read.unwrap_err().kind, FailureKind::Unreachable);
        let mut received: Vec<RecordBatch> = Vec::new();
        while let Some(batch) = inlet.recv().await {
            received.push(batch);
        }
        assert_eq!(received.len(), n_batches);
    }
}

#[tokio::test]
async fn a_held_source_goes_on_or_is_cancelled() {
    for is_cancelled in [false, true] {
        let (hold, cancel) = (Hold::default(), CancellationToken::new());
        let (batches, _inlet) = mpsc::channel(8);
        let source = source().holding_after(2, hold.clone());
        let query = ReadQuery::default();
        let (read, ()) = tokio::join!(source.read(&query, batches, &cancel), async {
            hold.reached().await;
            if is_cancelled {
                cancel.cancel();
            } else {
                hold.release();
            }
        });
        assert_eq!(read.err().map(|e| e.kind), is_cancelled.then_some(FailureKind::Cancelled));
    }
    assert_eq!(source().n_rows_hint(&ReadQuery::default()).await.unwrap(), Some(10));
    assert_eq!(MemoryStore::default().mark("a").await.unwrap(), None);
}
