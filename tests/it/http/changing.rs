//! Runs on demand, and the mark moved by hand.

use axum::body::Body;
use axum::http::StatusCode;
use speedfit::adapters::memory::{Fault, Hold, Operation};
use speedfit::domain::{RunId, RunRow, RunStatus};
use speedfit::http::router;
use speedfit::ports::{ParameterStore as _, RunJournal as _, ScopeLocks as _};

use super::desk::{MemoryDesk, SCOPE};
use super::{api, get, open, open_options, post, request, send};
use crate::support::{published, running, set};

/// The run's row once it is over.
async fn over(desk: &MemoryDesk, id: i64) -> RunRow {
    loop {
        let row = desk.store.run(RunId(id)).await.unwrap().unwrap();
        if row.status.is_final() {
            return row;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_run_is_accepted_before_it_has_begun_to_work() {
    let desk = MemoryDesk::gated();
    let router = open(&desk);
    let body = r#"{"reason":"new depot","from":"2026-01-01T00:00:00Z","model":"power"}"#;
    insta::assert_snapshot!("accepted", post(&router, "/api/v1/runs", body).await.shown());
    let told = get(&router, "/api/v1/runs/1").await.json();
    assert_eq!(told["run"]["status"], "requested");
    assert_eq!(told["run"]["trigger"], "api");
    assert_eq!(told["run"]["reason"], "new depot");
    assert_eq!(told["run"]["model"], "power");
    assert_eq!(told["run"]["window"]["from"], "2026-01-01T00:00:00Z");
    // A second one is refused as long as this one is under way.
    desk.reached.cancelled().await;
    insta::assert_snapshot!("busy", post(&router, "/api/v1/runs", "{}").await.shown());
    desk.gate.cancel();
    assert_eq!(over(&desk, 1).await.status, RunStatus::Done);
}

#[tokio::test]
async fn a_body_may_be_left_out() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    let bare = request("POST", "/api/v1/runs", &[], Body::empty());
    assert_eq!(send(&router, bare).await.status, StatusCode::ACCEPTED);
    assert_eq!(over(&desk, 1).await.request.requested_by, "api");
}

#[tokio::test]
async fn a_run_elsewhere_is_not_disturbed() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    // A run that died untold: its row says `running`, and nobody holds the lock.
    running(&desk.store, SCOPE).await.unwrap();
    let lock = desk.store.try_lock(SCOPE).await.unwrap().unwrap();
    assert_eq!(post(&router, "/api/v1/runs", "{}").await.status, StatusCode::CONFLICT);
    lock.release().await.unwrap();
    assert_eq!(post(&router, "/api/v1/runs", "{}").await.status, StatusCode::ACCEPTED);
    assert_eq!(over(&desk, 2).await.status, RunStatus::Done);
}

#[tokio::test]
async fn a_run_goes_on_when_the_client_hangs_up() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    let hold = Hold::default();
    desk.store.faults().on(Operation::Request, 1, Fault::HoldRequest(hold.clone()));
    let asked = request("POST", "/api/v1/runs", &[], Body::empty());
    let call = tokio::spawn({
        let router = router.clone();
        async move { send(&router, asked).await.status }
    });
    // Before its request is written, and long before there is an answer.
    hold.reached().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    hold.release();
    while desk.store.run(RunId(1)).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(over(&desk, 1).await.status, RunStatus::Done);
}

#[tokio::test]
async fn a_run_that_is_over_and_still_tells_of_it_keeps_no_other_away() {
    let desk = MemoryDesk::talkative();
    let router = open(&desk);
    for id in 1..=3 {
        assert_eq!(post(&router, "/api/v1/runs", "{}").await.status, StatusCode::ACCEPTED);
        assert_eq!(over(&desk, id).await.status, RunStatus::Done);
    }
}

#[tokio::test]
async fn the_stop_signal_cancels_a_run() {
    let desk = MemoryDesk::gated();
    let (api, stop) = api(&desk, open_options());
    let router = router(api);
    assert_eq!(post(&router, "/api/v1/runs", "{}").await.status, StatusCode::ACCEPTED);
    desk.reached.cancelled().await;
    stop.cancel();
    assert_eq!(over(&desk, 1).await.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace_and_stops_with_its_client() {
    let desk = MemoryDesk::gated();
    let router = open(&desk);
    let length = [("content-type", "application/json"), ("content-length", "16")];
    let asked = || request("POST", "/api/v1/runs", &length, r#"{"dry_run":true}"#);
    let call = tokio::spawn({
        let (router, asked) = (router.clone(), asked());
        async move { send(&router, asked).await.status }
    });
    desk.reached.cancelled().await;
    call.abort();
    desk.noticed.cancelled().await;
    desk.gate.cancel();
    // The slot is free again as soon as the task has seen that it is cancelled.
    let answer = loop {
        let answer = send(&router, asked()).await;
        if answer.status != StatusCode::CONFLICT {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    insta::assert_snapshot!(answer.shown());
    assert!(desk.store.runs(&Default::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    let check = async |body: &str, expected: u16| {
        let answer = post(&router, "/api/v1/runs", body).await;
        assert_eq!(answer.status.as_u16(), expected, "{body} {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{body}");
    };
    check("{", 400).await;
    check("[]", 422).await;
    check(r#"{"reson":"x"}"#, 422).await;
    check(r#"{"dry_run":true,"dry_run":false}"#, 400).await;
    check(r#"{"from":20260105}"#, 422).await;
    check(&format!(r#"{{"reason":"{}"}}"#, "x".repeat(1001)), 422).await;
    check(&format!(r#"{{"reason":"{}"}}"#, "x".repeat(70_000)), 413).await;
    let text = request("POST", "/api/v1/runs", &[("content-length", "2")], "{}");
    assert_eq!(send(&router, text).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(desk.store.runs(&Default::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_mark_moves_to_a_run_and_back() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    for estimate in [30.0, 40.0] {
        published(&desk.store, SCOPE, set(&["North"], estimate)).await.unwrap();
    }
    let back = post(&router, "/api/v1/rollback", r#"{"reason":"slow"}"#).await;
    insta::assert_snapshot!("rolled_back", back.shown());
    let again = post(&router, "/api/v1/runs/2/publish", "").await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.body);
    let mark = desk.store.mark(SCOPE).await.unwrap().unwrap();
    assert_eq!((mark.run_id, mark.reason.as_str()), (RunId(2), "publish"));
    let refused = post(&router, "/api/v1/runs/9/publish", "{}").await;
    insta::assert_snapshot!("not_published", refused.shown());
}

/// On a clock that stands still, so that no mark grows old.
#[tokio::test]
async fn what_this_process_publishes_is_current_at_once() {
    for desk in [MemoryDesk::new(), MemoryDesk::talkative()] {
        let router = open(&desk);
        for estimate in [30.0, 40.0] {
            published(&desk.store, SCOPE, set(&["North"], estimate)).await.unwrap();
        }
        let current = async || get(&router, "/api/v1/regions").await.json()["run_id"].clone();
        assert_eq!(current().await, 2);
        assert_eq!(post(&router, "/api/v1/rollback", "{}").await.status, StatusCode::OK);
        assert_eq!(current().await, 1);
        assert_eq!(post(&router, "/api/v1/runs", "{}").await.status, StatusCode::ACCEPTED);
        assert_eq!(over(&desk, 3).await.status, RunStatus::Done);
        assert_eq!(current().await, 3);
    }
}
