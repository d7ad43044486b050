//! Runs: numbers, moves, and what is told of them.

use speedfit::domain::{RefusalReason, RefusalRow, RunCounts, RunId, RunRow, RunStatus, Window};
use speedfit::ports::{Conclusion, FailureKind, RunFilter, Store};

use super::Fixture;
use crate::support::{at, ending, published, publishing, request, running, set};

pub(super) async fn numbers_ascend(f: &Fixture) {
    let mut last = RunId(i64::MIN);
    for n in 0..6 {
        let store = if n % 2 == 0 { &f.store } else { &f.other };
        let run_id = store.request(&request(&f.scope("a"))).await.unwrap();
        assert!(run_id > last, "{run_id} after {last}");
        last = run_id;
    }
}

pub(super) async fn a_row_tells_what_was_asked_and_done(f: &Fixture) {
    let mut asked = request(&f.scope("a"));
    asked.reason = "it's “urgent”; 100 %".to_owned();
    asked.window = Window {
        from: Some(at("2025-12-31T23:59:59.999999Z")),
        to: Some(at("2026-01-31T00:00:00Z")),
    };
    let id = f.store.request(&asked).await.unwrap();
    let mut expected = RunRow {
        id,
        request: asked,
        status: RunStatus::Requested,
        started_at: None,
        finished_at: None,
        counts: RunCounts::default(),
        exit_code: None,
        message: String::new(),
    };
    assert_eq!(f.other.run(id).await.unwrap().as_ref(), Some(&expected));

    let started_at = at("2026-01-31T02:00:01.000002Z");
    f.store.start(id, started_at).await.unwrap();
    expected.status = RunStatus::Running;
    expected.started_at = Some(started_at);
    assert_eq!(f.other.run(id).await.unwrap().as_ref(), Some(&expected));

    let end = Conclusion {
        exit_code: 130,
        counts: RunCounts {
            rows_read: 5_000_000_000,
            rows_refused: 2,
            rows_used: 3,
            groups_fitted: 4,
            groups_pooled: 5,
            groups_fallback: 6,
            groups_carried_over: 7,
            groups_failed: 8,
            groups_cancelled: 9,
        },
        ..ending(id, RunStatus::Cancelled)
    };
    f.store.conclude(&end).await.unwrap();
    expected.status = RunStatus::Cancelled;
    expected.finished_at = Some(end.finished_at);
    expected.counts = end.counts;
    expected.exit_code = Some(130);
    expected.message = end.message;
    assert_eq!(f.other.run(id).await.unwrap(), Some(expected));
}

/// A run in the given status, reached by legal moves.
async fn run_in(store: &dyn Store, scope: &str, status: RunStatus) -> RunId {
    match status {
        RunStatus::Requested => store.request(&request(scope)).await.unwrap(),
        RunStatus::Running => running(store, scope).await.unwrap(),
        end => {
            let run_id = running(store, scope).await.unwrap();
            store.conclude(&ending(run_id, end)).await.unwrap();
            run_id
        }
    }
}

pub(super) async fn only_legal_moves_are_made(f: &Fixture) {
    let scope = f.scope("a");
    for &from in RunStatus::ALL {
        for &to in RunStatus::ALL {
            let run_id = run_in(&*f.store, &scope, from).await;
            let before = f.store.run(run_id).await.unwrap().unwrap();
            let (moved, legal) = if to == RunStatus::Running {
                (f.store.start(run_id, at("2026-02-01T00:00:00Z")).await, from.may_become(to))
            } else {
                let legal = to.is_final() && from.may_become(to);
                (f.store.conclude(&ending(run_id, to)).await, legal)
            };
            assert_eq!(moved.is_ok(), legal, "{from} -> {to}: {moved:?}");
            let after = f.store.run(run_id).await.unwrap().unwrap();
            if let Err(error) = moved {
                // A run that is abandoned was so marked by the next holder of its lock.
                let lost = from == RunStatus::Abandoned && to != RunStatus::Requested;
                let kind = if lost { FailureKind::LockLost } else { FailureKind::Internal };
                assert_eq!(error.kind, kind, "{from} -> {to}");
                assert_eq!(after, before, "{from} -> {to}");
            } else {
                assert_eq!(after.status, to);
            }
        }
    }
    // `conclude` ends runs; it starts none.
    let run_id = run_in(&*f.store, &scope, RunStatus::Requested).await;
    let error = f.store.conclude(&ending(run_id, RunStatus::Running)).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Internal);
    let nowhere = RunId(i64::MAX);
    assert!(f.store.start(nowhere, at("2026-02-01T00:00:00Z")).await.is_err());
    assert!(f.store.conclude(&ending(nowhere, RunStatus::Failed)).await.is_err());
}

pub(super) async fn a_run_ends_once(f: &Fixture) {
    let scope = f.scope("a");
    let run_id = published(&*f.store, &scope, set(&["A", "B"], 60.0)).await.unwrap();
    let row = f.store.run(run_id).await.unwrap();
    let mark = f.store.mark(&scope).await.unwrap();
    let current = f.store.current(&scope).await.unwrap();

    let again = f.other.conclude(&publishing(&scope, run_id, set(&["A", "C"], 61.0))).await;
    assert_eq!(again.unwrap_err().kind, FailureKind::Internal);
    assert_eq!(f.store.run(run_id).await.unwrap(), row);
    assert_eq!(f.store.mark(&scope).await.unwrap(), mark);
    assert_eq!(f.store.current(&scope).await.unwrap(), current);
}

pub(super) async fn runs_come_newest_first(f: &Fixture) {
    let (a, b) = (f.scope("a"), f.scope("b"));
    let mut ids = Vec::new();
    for scope in [&a, &b, &a, &a, &b] {
        ids.push(f.store.request(&request(scope)).await.unwrap());
    }
    let list = async |scope: &str, limit| {
        let filter = RunFilter { scope: Some(scope.to_owned()), limit, ..RunFilter::default() };
        let rows = f.other.runs(&filter).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&a, 0).await, [ids[3], ids[2], ids[0]]);
    assert_eq!(list(&a, 2).await, [ids[3], ids[2]]);
    assert_eq!(list(&b, 99).await, [ids[4], ids[1]]);
    assert_eq!(list(&f.scope("none"), 0).await, []);
    let all = f.store.runs(&RunFilter::default()).await.unwrap();
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    let ours: Vec<RunId> = all.iter().map(|row| row.id).filter(|id| ids.contains(id)).collect();
    ids.reverse();
    assert_eq!(ours, ids);
}

pub(super) async fn only_running_runs_of_the_scope_are_abandoned(f: &Fixture) {
    let (a, b) = (f.scope("a"), f.scope("b"));
    let requested = f.store.request(&request(&a)).await.unwrap();
    let dead = [running(&*f.store, &a).await.unwrap(), running(&*f.store, &a).await.unwrap()];
    let done = published(&*f.store, &a, set(&["A"], 60.0)).await.unwrap();
    let alive = running(&*f.store, &b).await.unwrap();

    let found_at = at("2026-02-01T02:00:00Z");
    assert_eq!(f.other.abandon_dead(&a, found_at, None).await.unwrap(), dead);
    for id in dead {
        let row = f.store.run(id).await.unwrap().unwrap();
        assert_eq!((row.status, row.exit_code), (RunStatus::Abandoned, None));
        assert_eq!(row.finished_at, Some(found_at));
        assert!(!row.message.is_empty());
    }
    let untouched =
        [(requested, RunStatus::Requested), (done, RunStatus::Done), (alive, RunStatus::Running)];
    for (id, status) in untouched {
        assert_eq!(f.store.run(id).await.unwrap().unwrap().status, status, "{id}");
    }
    assert_eq!(f.store.abandon_dead(&a, found_at, None).await.unwrap(), []);
    assert!(f.store.conclude(&ending(dead[0], RunStatus::Done)).await.is_err());
}

pub(super) async fn refusals_come_back_in_order(f: &Fixture) {
    let run_id = running(&*f.store, &f.scope("a")).await.unwrap();
    let row = |region: &str, reason, count, examples: &[&str]| RefusalRow {
        region: region.to_owned(),
        reason,
        count,
        examples: examples.iter().map(|&text| text.to_owned()).collect(),
    };
    let rows = vec![
        row("", RefusalReason::Unreadable, 1, &["line 7: \"x\"\n\\ '", "ß", "\u{7}"]),
        row("B", RefusalReason::TimeTooLong, 5_000_000_000, &[]),
        row("B", RefusalReason::DistanceTooShort, 2, &["17"]),
        row("A", RefusalReason::RepeatedId, 3, &["1", "1", "1"]),
    ];
    let end = Conclusion { refusals: rows.clone(), ..ending(run_id, RunStatus::Failed) };
    f.store.conclude(&end).await.unwrap();
    assert_eq!(f.other.refusals(run_id).await.unwrap(), rows);
}

pub(super) async fn what_is_not_there_is_none(f: &Fixture) {
    let nowhere = RunId(i64::MAX);
    assert_eq!(f.store.run(nowhere).await.unwrap(), None);
    assert_eq!(f.store.parameter_set(nowhere).await.unwrap(), None);
    assert_eq!(f.store.refusals(nowhere).await.unwrap(), []);
    assert_eq!(f.store.mark(&f.scope("none")).await.unwrap(), None);
    assert_eq!(f.store.current(&f.scope("none")).await.unwrap(), None);
    assert_eq!(
        f.store.abandon_dead(&f.scope("none"), at("2026-02-01T00:00:00Z"), None).await.unwrap(),
        []
    );
}
