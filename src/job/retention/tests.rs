//! The plan of what goes: a table of cases, and laws that hold whatever the ledger holds.

use proptest::prelude::*;

use super::*;
use crate::domain::{RequestDetail, RunCounts, RunRequest, RunStatus, Trigger, Window};

/// A moment so many days before now.
fn days_ago(days: i64) -> Timestamp {
    now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap()
}

fn now() -> Timestamp {
    "2026-03-01T03:00:00Z".parse().unwrap()
}

fn run(id: i64, days: i64, status: RunStatus) -> RunRow {
    let at = days_ago(days);
    RunRow {
        id: RunId(id),
        request: RunRequest {
            scope: "a".to_owned(),
            trigger: Trigger::Timer,
            requested_by: String::new(),
            reason: String::new(),
            window: Window::ALL,
            model: "kwh".to_owned(),
            settings_hash: String::new(),
            code_version: String::new(),
            requested_at: at,
            slot: None,
            detail: RequestDetail::default(),
        },
        status,
        started_at: None,
        finished_at: status.is_final().then_some(at),
        counts: RunCounts::default(),
        exit_code: None,
        message: String::new(),
    }
}

fn published(id: i64, days: i64) -> Publication {
    Publication {
        scope: "a".to_owned(),
        run_id: RunId(id),
        published_at: days_ago(days),
        published_by: String::new(),
        reason: "run".to_owned(),
        comment: String::new(),
    }
}

const RULES: RetentionRules =
    RetentionRules { sets: 2, sets_days: 10, runs: 4, runs_days: 20, current_days: 5 };

/// Ten nights, the newest run 10 of today; each published its set.
fn nights() -> (Vec<RunRow>, Vec<RunId>, Vec<Publication>) {
    let ids = 1..=10;
    let runs = ids.clone().map(|id| run(id, 3 * (10 - id), RunStatus::Done)).collect();
    let kept = ids.clone().map(RunId).collect();
    (runs, kept, ids.rev().map(|id| published(id, 3 * (10 - id))).collect())
}

fn check(rules: RetentionRules, sets: &[i64], gone: &[i64]) {
    let (runs, kept, publications) = nights();
    let plan = plan(&runs, &kept, &publications, &rules, now());
    let numbers = |ids: &[RunId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    assert_eq!((numbers(&plan.sets), numbers(&plan.runs)), (sets.to_vec(), gone.to_vec()));
}

#[test]
fn a_thing_goes_where_number_and_age_say_so() {
    // Ages: run 10 none, 9 three days, … 1 twenty-seven.
    check(RULES, &[4, 5, 6], &[1, 2, 3]);
    check(RetentionRules { sets_days: 13, ..RULES }, &[4, 5], &[1, 2, 3]);
    check(RetentionRules { runs: 8, ..RULES }, &[3, 4, 5, 6], &[1, 2]);
    check(RetentionRules { runs: 0, ..RULES }, &[1, 2, 3, 4, 5, 6], &[]);
    // A run whose set stays, stays.
    check(RetentionRules { sets: 0, ..RULES }, &[], &[]);
    check(RetentionRules { sets: 8, ..RULES }, &[], &[1, 2]);
    // Without an age the number alone says it, but for what was current lately: 8 until three days ago.
    check(RetentionRules { sets_days: 0, ..RULES }, &[4, 5, 6, 7], &[1, 2, 3]);
    check(RetentionRules { sets_days: 0, current_days: 10, ..RULES }, &[4, 5], &[1, 2, 3]);
}

#[test]
fn what_was_gone_back_to_stays() {
    let (runs, kept, mut publications) = nights();
    publications.insert(0, published(2, 0));
    let plan = plan(&runs, &kept, &publications, &RULES, now());
    assert!(!plan.sets.contains(&RunId(2)) && !plan.runs.contains(&RunId(2)), "{plan:?}");
}

#[test]
fn what_is_not_over_stays() {
    for status in [RunStatus::Requested, RunStatus::Running] {
        let (mut runs, kept, publications) = nights();
        runs[0].status = status;
        let plan = plan(&runs, &kept, &publications, &RULES, now());
        assert_eq!(plan.runs, [RunId(2), RunId(3)]);
    }
}

/// A ledger: per run its age in days, its status, whether its set is there and whether it published.
fn ledgers() -> impl Strategy<Value = Vec<(i64, usize, bool, bool)>> {
    let statuses = 0..RunStatus::ALL.len();
    proptest::collection::vec((0_i64..60, statuses, any::<bool>(), any::<bool>()), 0..40)
}

fn rules() -> impl Strategy<Value = RetentionRules> {
    (0_u32..12, 0_u32..50, 0_u32..12, 0_u32..50, 0_u32..50).prop_map(
        |(sets, sets_days, runs, runs_days, current_days)| RetentionRules {
            sets,
            sets_days,
            runs,
            runs_days,
            current_days,
        },
    )
}

proptest! {
    #[test]
    fn nothing_goes_that_is_needed(ledger in ledgers(), rules in rules()) {
        let mut ages: Vec<i64> = ledger.iter().map(|entry| entry.0).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        let runs: Vec<RunRow> = (ledger.iter().zip(&ages).zip(1..))
            .map(|((entry, days), id)| run(id, *days, RunStatus::ALL[entry.1]))
            .collect();
        let of = |holds: fn(&(i64, usize, bool, bool)) -> bool| {
            let ids = ledger.iter().zip(&runs).filter(move |(entry, _)| holds(entry));
            ids.map(|(_, run)| run.id).collect::<Vec<RunId>>()
        };
        let kept = of(|entry| entry.2);
        let publications: Vec<Publication> = (ledger.iter().zip(&runs).zip(&ages).rev())
            .filter(|((entry, run), _)| entry.3 && run.status.is_final())
            .map(|((_, run), days)| published(run.id.0, *days))
            .collect();
        let plan = plan(&runs, &kept, &publications, &rules, now());
        let goes = |id: &RunId| plan.sets.contains(id) || plan.runs.contains(id);

        // What is current, or was lately, and what is not over.
        if let Some(current) = publications.first() {
            prop_assert!(!goes(&current.run_id));
        }
        for (later, earlier) in publications.iter().zip(publications.iter().skip(1)) {
            if later.published_at >= days_ago(i64::from(rules.current_days)) {
                prop_assert!(!goes(&earlier.run_id));
            }
        }
        for row in &runs {
            prop_assert!(row.status.is_final() || !goes(&row.id));
        }
        // The newest stay, and the young; a number of 0 keeps all.
        let all: Vec<RunId> = runs.iter().map(|row| row.id).collect();
        for (ids, gone, number, days) in [
            (&kept, &plan.sets, rules.sets, rules.sets_days),
            (&all, &plan.runs, rules.runs, rules.runs_days),
        ] {
            for id in gone {
                let n_newer = ids.iter().filter(|other| *other > id).count();
                prop_assert!(number > 0 && n_newer >= number as usize);
                let row = runs.iter().find(|row| row.id == *id).unwrap();
                prop_assert!(row.finished_at.unwrap() < days_ago(i64::from(days)));
            }
        }
        // Sets go where there are any, and a thing goes once.
        prop_assert!(plan.sets.iter().all(|id| kept.contains(id) && !plan.runs.contains(id)));
        // Done once, there is nothing left to do.
        let runs: Vec<RunRow> =
            runs.into_iter().filter(|row| !plan.runs.contains(&row.id)).collect();
        let kept: Vec<RunId> = kept.into_iter().filter(|id| !goes(id)).collect();
        let publications: Vec<Publication> =
            publications.into_iter().filter(|p| !plan.runs.contains(&p.run_id)).collect();
        prop_assert!(super::plan(&runs, &kept, &publications, &rules, now()).is_empty());
    }
}
