//! What operators do with runs: slots, settings, the mark by hand, pruning.

use speedfit::domain::{
    GroupKey, Publication, RequestDetail, RunId, RunRequest, RunStatus, Trigger,
};
use speedfit::ports::{FailureKind, Prune, RunFilter, Store};

use super::Fixture;
use crate::support::{at, ending, publication, published, request, running, set};

fn slotted(scope: &str, slot: &str) -> RunRequest {
    RunRequest { slot: Some(slot.to_owned()), ..request(scope) }
}

pub(super) async fn a_slot_is_taken_once(f: &Fixture) {
    let (a, b) = (f.scope("a"), f.scope("b"));
    let first = f.store.request(&slotted(&a, "2026-03-29T03:00+02")).await.unwrap();
    for store in [&f.store, &f.other] {
        let error = store.request(&slotted(&a, "2026-03-29T03:00+02")).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::Taken, "{error}");
    }
    // Whatever became of it.
    f.store.conclude(&ending(first, RunStatus::Cancelled)).await.unwrap();
    assert!(f.store.request(&slotted(&a, "2026-03-29T03:00+02")).await.is_err());
    // Not that of another scope, nor another slot, nor a run without one.
    f.store.request(&slotted(&b, "2026-03-29T03:00+02")).await.unwrap();
    f.store.request(&slotted(&a, "2026-03-29T03:00+02 ")).await.unwrap_or(RunId(0));
    f.store.request(&slotted(&a, "2026-03-29t03:00+02")).await.unwrap();
    f.store.request(&request(&a)).await.unwrap();
    f.store.request(&request(&a)).await.unwrap();
}

pub(super) async fn of_many_one_gets_the_slot(f: &Fixture) {
    let scope = f.scope("a");
    let tries = (0..8).map(|n| {
        let store = std::sync::Arc::clone(if n % 2 == 0 { &f.store } else { &f.other });
        let request = slotted(&scope, "night");
        tokio::spawn(async move { store.request(&request).await.map_err(|error| error.kind) })
    });
    let mut won = Vec::new();
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(run_id) => won.push(run_id),
            Err(kind) => assert_eq!(kind, FailureKind::Taken),
        }
    }
    assert_eq!(won.len(), 1);
}

pub(super) async fn what_was_asked_comes_back(f: &Fixture) {
    let scope = f.scope("a");
    let detail = RequestDetail {
        select: vec!["parent:København".to_owned()],
        exclude: vec!["B0*".to_owned()],
        groups: vec![GroupKey::region("O'Hara's"), GroupKey::region("東京 🚒")],
        retry_of: Some(RunId(7)),
        keep_unpublished: true,
        force: true,
        fail_fast: true,
        max_failures: Some(3),
    };
    let asked = RunRequest {
        trigger: Trigger::Retry,
        slot: Some("x".to_owned()),
        detail,
        ..request(&scope)
    };
    let run_id = f.store.request(&asked).await.unwrap();
    assert_eq!(f.other.run(run_id).await.unwrap().unwrap().request, asked);
}

pub(super) async fn runs_are_found_by_status_and_trigger(f: &Fixture) {
    let scope = f.scope("a");
    let timer = RunRequest { trigger: Trigger::Timer, ..request(&scope) };
    let by_timer = f.store.request(&timer).await.unwrap();
    let by_hand = f.store.request(&request(&scope)).await.unwrap();
    f.store.conclude(&ending(by_hand, RunStatus::Failed)).await.unwrap();
    let list = async |status, trigger| {
        let filter =
            RunFilter { scope: Some(scope.clone()), status, trigger, ..RunFilter::default() };
        let rows = f.other.runs(&filter).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Some(RunStatus::Requested), None).await, [by_timer]);
    assert_eq!(list(Some(RunStatus::Failed), None).await, [by_hand]);
    assert_eq!(list(None, Some(Trigger::Timer)).await, [by_timer]);
    assert_eq!(list(Some(RunStatus::Failed), Some(Trigger::Timer)).await, []);
}

pub(super) async fn settings_are_kept_once(f: &Fixture) {
    let hash = f.scope("5e1f");
    assert_eq!(f.store.settings(&hash).await.unwrap(), None);
    for document in [r#"{"fit.model":"“kwh” 🚒"}"#, "other"] {
        f.store.keep_settings(&hash, document).await.unwrap();
        let kept = f.other.settings(&hash).await.unwrap();
        assert_eq!(kept.as_deref(), Some(r#"{"fit.model":"“kwh” 🚒"}"#));
    }
}

pub(super) async fn the_mark_moves_by_hand(f: &Fixture) {
    let scope = f.scope("a");
    let first = published(&*f.store, &scope, set(&["A"], 60.0)).await.unwrap();
    let second = published(&*f.store, &scope, set(&["A"], 61.0)).await.unwrap();
    let back = Publication {
        published_at: at("2026-02-01T08:00:00.25Z"),
        published_by: "O'Hara".to_owned(),
        comment: "bad feed “again”".to_owned(),
        ..publication(&scope, first, "rollback")
    };
    f.store.publish(&back, None).await.unwrap();
    assert_eq!(f.other.mark(&scope).await.unwrap(), Some(back.clone()));
    let parameters = f.other.current(&scope).await.unwrap().unwrap().parameters;
    assert_eq!(parameters, set(&["A"], 60.0).parameters);
    let moves = f.other.publications(&scope, 0).await.unwrap();
    let runs: Vec<RunId> = moves.iter().map(|publication| publication.run_id).collect();
    assert_eq!(runs, [first, second, first]);
    assert_eq!(f.other.publications(&scope, 1).await.unwrap(), [back]);
    assert_eq!(f.other.publications(&f.scope("none"), 0).await.unwrap(), []);
}

pub(super) async fn only_sets_that_are_there_are_published_by_hand(f: &Fixture) {
    let (a, b) = (f.scope("a"), f.scope("b"));
    let of_a = published(&*f.store, &a, set(&["A"], 60.0)).await.unwrap();
    let of_b = published(&*f.store, &b, set(&["A"], 60.0)).await.unwrap();
    let alive = running(&*f.store, &a).await.unwrap();
    let empty = running(&*f.store, &a).await.unwrap();
    f.store.conclude(&ending(empty, RunStatus::Failed)).await.unwrap();
    for (run_id, kind) in [
        (of_b, FailureKind::Internal),
        (RunId(i64::MAX), FailureKind::Internal),
        (alive, FailureKind::Refused),
        (empty, FailureKind::Refused),
    ] {
        let error = f.store.publish(&publication(&a, run_id, "publish"), None).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(f.other.mark(&a).await.unwrap().unwrap().run_id, of_a);
        assert_eq!(f.other.publications(&a, 0).await.unwrap().len(), 1);
    }
}

pub(super) async fn what_is_current_or_alive_is_never_pruned(f: &Fixture) {
    let scope = f.scope("a");
    let store: &dyn Store = &*f.store;
    let old = published(store, &scope, set(&["A"], 60.0)).await.unwrap();
    let older = published(store, &scope, set(&["A"], 60.5)).await.unwrap();
    let current = published(store, &scope, set(&["A"], 61.0)).await.unwrap();
    let alive = running(store, &scope).await.unwrap();
    let asked = store.request(&request(&scope)).await.unwrap();
    let all = [old, current, alive, asked, RunId(i64::MAX)];

    assert_eq!(store.prune(&all, Prune::Set).await.unwrap(), 1);
    let left = f.other.parameter_set(old).await.unwrap().unwrap();
    assert_eq!((left.groups, left.parameters), (vec![], vec![]));
    assert_eq!(f.other.run(old).await.unwrap().unwrap().status, RunStatus::Done);
    assert!(store.publish(&publication(&scope, old, "rollback"), None).await.is_err());

    assert_eq!(store.prune(&all, Prune::Run).await.unwrap(), 1);
    assert_eq!(f.other.run(old).await.unwrap(), None);
    let moves = f.other.publications(&scope, 0).await.unwrap();
    let runs: Vec<RunId> = moves.iter().map(|publication| publication.run_id).collect();
    assert_eq!(runs, [current, older]);
    for run_id in [older, current, alive, asked] {
        assert!(f.other.run(run_id).await.unwrap().is_some());
    }
    let parameters = f.other.current(&scope).await.unwrap().unwrap().parameters;
    assert_eq!(parameters, set(&["A"], 61.0).parameters);
    assert!(f.store.request(&request(&scope)).await.unwrap() > asked);
}

pub(super) async fn sets_that_are_there_are_told(f: &Fixture) {
    let (a, b) = (f.scope("a"), f.scope("b"));
    let store: &dyn Store = &*f.store;
    assert_eq!(store.sets(&a).await.unwrap(), []);
    let first = published(store, &a, set(&["A"], 60.0)).await.unwrap();
    let of_b = published(store, &b, set(&["A"], 60.0)).await.unwrap();
    let second = published(store, &a, set(&["A", "B"], 61.0)).await.unwrap();
    let empty = running(store, &a).await.unwrap();
    store.conclude(&ending(empty, RunStatus::Failed)).await.unwrap();
    running(store, &a).await.unwrap();
    assert_eq!(f.other.sets(&a).await.unwrap(), [second, first]);
    assert_eq!(f.other.sets(&b).await.unwrap(), [of_b]);
    store.prune(&[first], Prune::Set).await.unwrap();
    assert_eq!(f.other.sets(&a).await.unwrap(), [second]);
}
