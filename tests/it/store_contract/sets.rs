//! Parameter sets, the mark, and what readers see while it moves.

use std::sync::Arc;

use speedfit::domain::observed::{Observed, Percentiles};
use speedfit::domain::{
    GroupDetail, GroupKey, GroupOutcome, GroupRow, Holdout, ParameterRow, ParameterSet,
    ParameterStatus, RunStatus, Scores, SourceLevel, Verdict,
};
use speedfit::ports::{Conclusion, FailureKind, Store};
use tokio_util::sync::CancellationToken;

use super::Fixture;
use crate::support::{
    at, ending, group, parameter, publication, published, publishing, running, set,
};

/// Names that real data holds, and some that would do harm where they are not handled with care.
const NAMES: &[&str] = &[
    "A/B",
    "O'Hara's",
    "What?",
    "100%_[x]*",
    "a\"b`c\\d",
    "Robert'); DROP TABLE run;--",
    "København",
    "é",
    "e\u{301}",
    "東京 🚒",
    "case",
    "CASE",
    "a  b",
];

/// Numbers at the edges of what f64 holds; the sign of zero is not promised.
const NUMBERS: &[f64] = &[
    0.0,
    1.0,
    -1.0,
    0.1 + 0.2,
    1.0 / 3.0,
    f64::EPSILON,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    9_007_199_254_740_993.0,
    9.3e18,
    1e300,
];

fn odd_set() -> ParameterSet {
    let mut set = ParameterSet::default();
    for (n, (&name, &number)) in NAMES.iter().zip(NUMBERS).enumerate() {
        let optional = |k: usize| (n + k).is_multiple_of(2).then_some(number);
        let key = GroupKey {
            region: name.to_owned(),
            band: if n < 3 { name.to_owned() } else { String::new() },
            priority: if n > 9 { name.to_owned() } else { String::new() },
        };
        set.groups.push(GroupRow {
            key: key.clone(),
            outcome: GroupOutcome::ALL[n % GroupOutcome::ALL.len()],
            source_level: SourceLevel::ALL[n % SourceLevel::ALL.len()],
            verdict: Verdict::ALL[n % Verdict::ALL.len()],
            n_read: u64::try_from(i64::MAX).unwrap_or_default(),
            ssr_log: optional(0),
            rmse_log: optional(1),
            mae_s: optional(0),
            median_ape: optional(1),
            share_under_p90: optional(0),
            condition: optional(1),
            message: format!("{name}\n\t“{number}”"),
            ..group("")
        });
        set.parameters.push(ParameterRow {
            key,
            estimate: number,
            std_error: optional(0),
            ci_low: optional(1),
            ci_high: optional(0),
            raw_estimate: optional(1),
            pool_weight: optional(0),
            status: ParameterStatus::ALL[n % ParameterStatus::ALL.len()],
            ..parameter("", &format!("class_speed_{name}_kmh"), 0.0)
        });
    }
    set
}

pub(super) async fn numbers_and_names_come_back_bit_for_bit(f: &Fixture) {
    assert_eq!(NAMES.len(), NUMBERS.len());
    let scope = f.scope(NAMES[5]);
    let run_id = published(&*f.store, &scope, odd_set()).await.unwrap();
    let expected = ParameterSet { run_id: Some(run_id), scope: scope.clone(), ..odd_set() };
    let found = f.other.current(&scope).await.unwrap().unwrap();
    // The shortest text that gives the same number back tells every bit of it.
    for (found, expected) in found.parameters.iter().zip(&expected.parameters) {
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
}

pub(super) async fn details_come_back_as_they_went_in(f: &Fixture) {
    let scope = f.scope("a");
    let mut set = set(&["none", "some", "all"], 60.0);
    set.groups[1].detail.correlations = vec![None, Some(-1.0 / 3.0), Some(0.1 + 0.2)];
    let new = Scores { mae_s: 71.4, median_ape: 0.18, share_under_p90: 0.9, log_score: -1e-300 };
    set.groups[2].detail = GroupDetail {
        distance_min_km: Some(0.1 + 0.2),
        distance_max_km: Some(f64::MAX),
        correlations: NUMBERS.iter().copied().map(Some).collect(),
        log_likelihood: Some(f64::MIN),
        aic: Some(9_007_199_254_740_993.0),
        bic: Some(f64::MIN_POSITIVE),
        holdout: Some(Holdout {
            n_train: u64::try_from(i64::MAX).unwrap(),
            n: 1,
            from: Some(at("2026-01-24T05:06:07.123456Z")),
            new,
            current: Some(Scores { mae_s: 1.0 / 3.0, ..new }),
        }),
        observed: Some(Observed {
            newest: Some(at("2026-01-24T05:06:07.123456Z")),
            n_refused_values: u64::try_from(i64::MAX).unwrap(),
            speed_kmh: Some(Percentiles { p10: 0.1 + 0.2, p50: 1.0 / 3.0, p90: f64::MAX }),
            ..Observed::default()
        }),
    };
    let run_id = published(&*f.store, &scope, set.clone()).await.unwrap();
    let found = f.other.parameter_set(run_id).await.unwrap().unwrap();
    assert_eq!(format!("{:?}", found.groups), format!("{:?}", set.groups));
    assert!(found.groups[0].detail.is_empty());
}

pub(super) async fn order_is_kept(f: &Fixture) {
    let scope = f.scope("a");
    let regions = ["Z", "a", "M", "B10", "B9"];
    let run_id = published(&*f.store, &scope, set(&regions, 60.0)).await.unwrap();
    let found = f.store.parameter_set(run_id).await.unwrap().unwrap();
    let expected = set(&regions, 60.0);
    assert_eq!(found.groups, expected.groups);
    assert_eq!(found.parameters, expected.parameters);
}

pub(super) async fn an_end_is_whole_or_absent(f: &Fixture) {
    let scope = f.scope("a");
    let before = published(&*f.store, &scope, set(&["A"], 60.0)).await.unwrap();
    let run_id = running(&*f.store, &scope).await.unwrap();
    let row = f.store.run(run_id).await.unwrap();

    // The very last row is a repeat: everything before it was good.
    let mut broken = publishing(&scope, run_id, set(&["A", "B"], 61.0));
    let last = broken.set.parameters[3].clone();
    broken.set.parameters.push(last);
    assert_eq!(f.store.conclude(&broken).await.unwrap_err().kind, FailureKind::Internal);

    assert_eq!(f.store.run(run_id).await.unwrap(), row);
    let left = f.store.parameter_set(run_id).await.unwrap().unwrap();
    assert_eq!((left.groups, left.parameters), (vec![], vec![]));
    assert_eq!(f.other.mark(&scope).await.unwrap().unwrap().run_id, before);
    // It may still end well.
    f.store.conclude(&publishing(&scope, run_id, set(&["A", "B"], 61.0))).await.unwrap();
    assert_eq!(f.other.mark(&scope).await.unwrap().unwrap().run_id, run_id);
}

pub(super) async fn a_run_without_publication_leaves_the_mark(f: &Fixture) {
    let scope = f.scope("a");
    let before = published(&*f.store, &scope, set(&["A"], 60.0)).await.unwrap();
    let run_id = running(&*f.store, &scope).await.unwrap();
    let end = Conclusion { set: set(&["A"], 10.0), ..ending(run_id, RunStatus::Refused) };
    f.store.conclude(&end).await.unwrap();
    assert_eq!(f.store.mark(&scope).await.unwrap().unwrap().run_id, before);
    let kept = f.store.parameter_set(run_id).await.unwrap().unwrap();
    assert_eq!(kept.parameters, end.set.parameters);
}

pub(super) async fn the_mark_moves_forward_and_back(f: &Fixture) {
    let scope = f.scope("a");
    let first = published(&*f.store, &scope, set(&["A"], 60.0)).await.unwrap();
    assert_eq!(f.other.mark(&scope).await.unwrap(), Some(publication(&scope, first, "run")));
    let second = published(&*f.store, &scope, set(&["A", "B"], 61.0)).await.unwrap();
    assert_eq!(f.other.current(&scope).await.unwrap().unwrap().run_id, Some(second));

    // A run of its own moves the mark back to an earlier set.
    let back = running(&*f.store, &scope).await.unwrap();
    let moved = publication(&scope, first, "rollback");
    let end = Conclusion { publication: Some(moved.clone()), ..ending(back, RunStatus::Done) };
    f.store.conclude(&end).await.unwrap();
    assert_eq!(f.other.mark(&scope).await.unwrap(), Some(moved));
    let current = f.other.current(&scope).await.unwrap().unwrap();
    assert_eq!(current.run_id, Some(first));
    assert_eq!(current.parameters, set(&["A"], 60.0).parameters);
    // What was published in between is still there.
    let between = f.store.parameter_set(second).await.unwrap().unwrap();
    assert_eq!(between.parameters, set(&["A", "B"], 61.0).parameters);
}

pub(super) async fn scopes_do_not_touch_each_other(f: &Fixture) {
    let (a, b) = (f.scope("a"), f.scope("A"));
    let of_a = published(&*f.store, &a, set(&["R"], 60.0)).await.unwrap();
    assert_eq!(f.store.mark(&b).await.unwrap(), None);
    let of_b = published(&*f.store, &b, set(&["R"], 30.0)).await.unwrap();
    for (scope, run_id, estimate) in [(&a, of_a, 60.0), (&b, of_b, 30.0)] {
        let current = f.other.current(scope).await.unwrap().unwrap();
        assert_eq!((current.run_id, &current.scope), (Some(run_id), scope));
        assert_eq!(current.parameters, set(&["R"], estimate).parameters);
    }
}

pub(super) async fn only_runs_of_the_scope_are_published(f: &Fixture) {
    let (a, b) = (f.scope("a"), f.scope("b"));
    let of_b = published(&*f.store, &b, set(&["R"], 30.0)).await.unwrap();
    let run_id = running(&*f.store, &a).await.unwrap();
    let nowhere = speedfit::domain::RunId(i64::MAX);
    for wrong in [
        publication(&a, of_b, "publish"),
        publication(&b, run_id, "run"),
        publication(&a, nowhere, "publish"),
    ] {
        let end = Conclusion { publication: Some(wrong), ..ending(run_id, RunStatus::Done) };
        assert_eq!(f.store.conclude(&end).await.unwrap_err().kind, FailureKind::Internal);
    }
    assert_eq!(f.store.mark(&a).await.unwrap(), None);
    assert_eq!(f.store.mark(&b).await.unwrap().unwrap().run_id, of_b);
    assert_eq!(f.store.run(run_id).await.unwrap().unwrap().status, RunStatus::Running);
}

/// Reads the current set again and again; returns how many different ones it saw.
async fn watch(store: Arc<dyn Store>, scope: String, stop: CancellationToken) -> usize {
    let (mut n_sets, mut last) = (0, 0.0);
    loop {
        let was_over = stop.is_cancelled();
        if let Some(set) = store.current(&scope).await.unwrap() {
            let estimate = set.parameters[0].estimate;
            assert_eq!((set.groups.len(), set.parameters.len()), (40, 80));
            assert!(set.parameters.iter().all(|row| row.estimate == estimate), "{set:?}");
            assert!(estimate >= last, "{estimate} after {last}");
            n_sets += usize::from(estimate > last);
            last = estimate;
        }
        if was_over {
            return n_sets;
        }
        tokio::task::yield_now().await;
    }
}

pub(super) async fn readers_see_whole_sets_only(f: &Fixture) {
    let scope = f.scope("a");
    let regions: Vec<String> = (0..40).map(|n| format!("R{n}")).collect();
    let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
    let stop = CancellationToken::new();
    let readers = [&f.store, &f.other]
        .map(|store| tokio::spawn(watch(Arc::clone(store), scope.clone(), stop.clone())));
    for round in 1..=25_u8 {
        published(&*f.store, &scope, set(&regions, f64::from(round))).await.unwrap();
    }
    stop.cancel();
    for reader in readers {
        assert!(reader.await.unwrap() >= 1);
    }
}

pub(super) async fn migrating_twice_is_harmless(f: &Fixture) {
    let scope = f.scope("a");
    published(&*f.store, &scope, set(&["A"], 60.0)).await.unwrap();
    let current = f.store.current(&scope).await.unwrap();
    let report = f.other.migrate().await.unwrap();
    assert_eq!(report.applied, Vec::<String>::new());
    assert_eq!(report.from_version, report.to_version);
    assert_eq!(f.store.script().await.unwrap(), "");
    assert_eq!(f.store.current(&scope).await.unwrap(), current);
}

pub(super) async fn a_version_changes_with_every_commit(f: &Fixture) {
    let scope = f.scope("a");
    let mut seen = Vec::new();
    for store in [&f.store, &f.other, &f.store] {
        let version = f.store.version().await.unwrap();
        // One that does not count is asked for its mark.
        let Some(version) = version else { return };
        assert_eq!(f.store.version().await.unwrap(), Some(version));
        assert!(!seen.contains(&version), "{version} {seen:?}");
        seen.push(version);
        published(&**store, &scope, set(&["A"], 60.0)).await.unwrap();
    }
}
