//! One run of the job against the world in memory, with faults.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use jiff::Timestamp;
use speedfit::adapters::memory::{Fault, Hold, ManualClock, MemorySource, MemoryStore, Operation};
use speedfit::domain::record::RecordRef;
use speedfit::domain::{
    GroupOutcome, Holdout, Limits, ParameterStatus, RequestDetail, RunId, RunRequest, RunStatus,
    Scores, Selection, Splits, Trigger, Window,
};
use speedfit::fit::FitOptions;
use speedfit::fit::simulate::{Spread, TripLengths, draw, published};
use speedfit::job::pool::{PoolMode, PoolPlan};
use speedfit::job::{
    FactorPlan, GateRules, HoldoutPlan, JobError, JudgeRules, ModelRecipe, RepeatedIds, RunPlan,
    RunReport, Silent, World, execute,
};
use speedfit::ports::{Clock, FailureKind, ParameterStore as _, RunFilter, RunJournal as _};
use tokio_util::sync::CancellationToken;

use crate::support;

fn moment() -> Timestamp {
    "2026-03-01T02:00:00Z".parse().unwrap()
}

pub(crate) fn plan() -> RunPlan {
    RunPlan {
        request: RunRequest {
            scope: "test".into(),
            trigger: Trigger::Operator,
            requested_by: "someone".into(),
            reason: String::new(),
            window: Window::ALL,
            model: "kwh".into(),
            settings_hash: "0".into(),
            code_version: "0".into(),
            requested_at: moment(),
            slot: None,
            detail: RequestDetail::default(),
        },
        settings_document: String::new(),
        selection: Selection::default(),
        limits: Limits::default(),
        splits: Splits::default(),
        repeated_ids: RepeatedIds::Keep,
        model: ModelRecipe::by_name("kwh").unwrap(),
        factors: FactorPlan::default(),
        holdout: HoldoutPlan { share: 0.2, min_records: 20 },
        pool: PoolPlan { mode: PoolMode::Off, min_records: 40, open_too: false },
        simpler: Vec::new(),
        auto: None,
        fit_options: FitOptions::default(),
        imprecise_factor: 3.0,
        rivals: Vec::new(),
        workers: NonZeroUsize::new(2).unwrap(),
        judge: JudgeRules::default(),
        // Few rows change much from run to run here; the gate has tests of its own.
        gate: GateRules { min_rows: 1000, ..GateRules::default() },
        dry_run: false,
    }
}

/// A clock that notes on which threads it is read.
struct ThreadClock(Mutex<Vec<ThreadId>>);

#[async_trait::async_trait]
impl Clock for ThreadClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().push(std::thread::current().id());
        moment()
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn judging_holds_no_worker_of_the_runtime_up() {
    let clock = Arc::new(ThreadClock(Mutex::default()));
    let world = World {
        source: Arc::new(source(&[("A", 60, 1.0)])),
        store: Arc::new(MemoryStore::default()),
        clock: clock.clone(),
    };
    let dry = RunPlan { dry_run: true, ..plan() };
    execute(&dry, &world, &Silent, &CancellationToken::new()).await.unwrap();
    let here = std::thread::current().id();
    let threads = clock.0.lock().unwrap();
    // The judge notes when it begins and when it has ended.
    assert_eq!(threads.iter().filter(|thread| **thread != here).count(), 2);
}

/// Records of each region: name, how many, and a factor on the travel times.
fn source(regions: &[(&str, usize, f64)]) -> MemorySource {
    MemorySource::of_rows(rows(regions), 100)
}

pub(crate) fn rows<'a>(regions: &[(&'a str, usize, f64)]) -> Vec<RecordRef<'a>> {
    let mut rows = Vec::new();
    let curve = published::CALGARY.curve().unwrap();
    for (seed, &(region, n, factor)) in regions.iter().enumerate() {
        let spread = Spread::Normal { sigma_log: 0.2 };
        for sample in draw(&curve, &spread, &TripLengths::default(), n, seed as u64) {
            rows.push(RecordRef {
                region: Some(region),
                distance_km: Some(sample.distance_km),
                travel_time_s: Some(f64::from(sample.travel_time_s) * factor),
                ..RecordRef::default()
            });
        }
    }
    rows
}

struct Stage {
    store: MemoryStore,
    clock: Arc<ManualClock>,
    cancel: CancellationToken,
}

impl Stage {
    fn new() -> Self {
        Self {
            store: MemoryStore::default(),
            clock: Arc::new(ManualClock::new(moment())),
            cancel: CancellationToken::new(),
        }
    }

    async fn run_with(&self, plan: &RunPlan, source: MemorySource) -> Result<RunReport, JobError> {
        let world = World {
            source: Arc::new(source),
            store: Arc::new(self.store.clone()),
            clock: self.clock.clone(),
        };
        execute(plan, &world, &Silent, &self.cancel).await
    }

    async fn run(&self, regions: &[(&str, usize, f64)]) -> Result<RunReport, JobError> {
        self.run_with(&plan(), source(regions)).await
    }

    async fn statuses(&self) -> Vec<RunStatus> {
        let mut runs = self.store.runs(&RunFilter::default()).await.unwrap();
        runs.reverse();
        runs.iter().map(|run| run.status).collect()
    }

    async fn current_run(&self) -> Option<RunId> {
        self.store.current("test").await.unwrap().and_then(|set| set.run_id)
    }
}

fn outcomes(report: &RunReport) -> Vec<(&str, GroupOutcome, &str)> {
    let groups = report.set.groups.iter();
    groups.map(|g| (g.key.region.as_str(), g.outcome, g.message.as_str())).collect()
}

#[tokio::test]
async fn a_run_publishes_every_group_and_the_ledger_agrees() {
    let stage = Stage::new();
    let report = stage.run(&[("A", 300, 1.0), ("B", 200, 1.0)]).await.unwrap();
    assert_eq!((report.status, report.exit_code), (RunStatus::Done, 0));
    assert_eq!(report.message, "2 of 2 groups published");
    assert_eq!(report.results.rows.read, 500);
    let row = report.results.run.clone().unwrap();
    assert_eq!(
        (row.status, row.exit_code, row.counts.groups_fitted),
        (RunStatus::Done, Some(0), 2)
    );
    let current = stage.store.current("test").await.unwrap().unwrap();
    assert_eq!(current, report.set);
    // acceleration, cruise speed, spread
    assert_eq!(current.parameters.len(), 6);
    assert!(current.parameters.iter().all(|p| p.status == ParameterStatus::Ok));
}

#[tokio::test]
async fn a_refused_group_keeps_what_it_had() {
    let stage = Stage::new();
    let first = stage.run(&[("A", 200, 1.0), ("B", 300, 1.0)]).await.unwrap();
    let second = stage.run(&[("A", 200, 2.0), ("B", 300, 1.0), ("C", 20, 1.0)]).await.unwrap();
    assert_eq!((second.status, second.exit_code), (RunStatus::Partial, 6));
    assert_eq!(
        outcomes(&second),
        [
            (
                "A",
                GroupOutcome::CarriedOver,
                "the median time at 2.0 km changes by +100 %, more than 50 %"
            ),
            ("B", GroupOutcome::Fitted, ""),
            ("C", GroupOutcome::Failed, "20 records, 40 needed"),
        ]
    );
    let of_a = |report: &RunReport| -> Vec<f64> {
        let rows = report.set.parameters.iter().filter(|p| p.key.region == "A");
        rows.map(|p| p.estimate).collect()
    };
    assert_eq!(of_a(&first), of_a(&second));
    let carried: Vec<_> = second.set.parameters.iter().filter(|p| p.key.region == "A").collect();
    assert!(carried.iter().all(|p| p.status == ParameterStatus::CarriedOver));
    // Its own new estimate is told beside the one that stays.
    assert!(carried.iter().all(|p| p.raw_estimate.is_some_and(|raw| raw.is_finite())));
    assert!(second.set.parameters.iter().all(|p| p.key.region != "C"));
}

#[tokio::test]
async fn groups_that_a_run_does_not_meet_stay_in_the_set() {
    let stage = Stage::new();
    stage.run(&[("A", 300, 1.0), ("B", 200, 1.0)]).await.unwrap();
    let only_a = RunPlan { selection: Selection::new(["A"]), ..plan() };
    let regions = [("A", 310, 1.0), ("B", 200, 1.0)];
    let report = stage.run_with(&only_a, source(&regions)).await.unwrap();
    assert_eq!(report.status, RunStatus::Done);
    assert_eq!(
        outcomes(&report),
        [
            ("A", GroupOutcome::Fitted, ""),
            ("B", GroupOutcome::CarriedOver, "not selected in this run")
        ]
    );
    assert_eq!(stage.current_run().await, Some(RunId(2)));
}

#[tokio::test]
async fn what_is_carried_over_keeps_its_detail_without_the_holdout() {
    let stage = Stage::new();
    let regions = [("A", 200, 1.0), ("B", 300, 1.0), ("C", 100, 1.0)];
    let mut set = stage.run(&regions).await.unwrap().set;
    let new = Scores { mae_s: 60.0, median_ape: 0.2, share_under_p90: 0.9, log_score: -0.3 };
    for group in &mut set.groups {
        group.detail.aic = Some(-1e9);
        let holdout = Holdout { n_train: 80, n: 20, from: None, new, current: None };
        group.detail.holdout = Some(holdout);
    }
    support::published(&stage.store, "test", set.clone()).await.unwrap();

    // The first is refused, the second is new, the third is not met.
    let report = stage.run(&[("A", 200, 2.0), ("B", 300, 1.0)]).await.unwrap();
    let details: Vec<_> = report.set.groups.iter().map(|group| &group.detail).collect();
    assert_eq!(details.len(), 3);
    assert_eq!(*details[0], set.groups[0].detail.carried_over());
    assert_ne!(details[1].aic, Some(-1e9));
    // What the records of a group looked like that has none any more is compared with nothing.
    let unmet = set.groups[2].detail.carried_over();
    assert_eq!(*details[2], speedfit::domain::GroupDetail { observed: None, ..unmet });
    assert!(details[2].holdout.is_none() && details[2].aic.is_some());
}

#[tokio::test]
async fn an_outlier_feed_is_refused_whole() {
    let stage = Stage::new();
    stage.run(&[("A", 300, 1.0), ("B", 200, 1.0)]).await.unwrap();
    let report = stage.run(&[("A", 300, 3.0), ("B", 200, 1.0)]).await.unwrap();
    assert_eq!((report.status, report.exit_code), (RunStatus::Refused, 7));
    assert_eq!(
        report.message,
        "nothing published: only 1 of 2 groups passed, with 40 % of the records; 50 % needed"
    );
    assert_eq!(stage.current_run().await, Some(RunId(1)));
    // What it would have published can still be looked at.
    assert!(stage.store.parameter_set(RunId(2)).await.unwrap().is_some());
}

#[tokio::test]
async fn nothing_to_read_is_said_to_be_so() {
    let stage = Stage::new();
    let report = stage.run(&[]).await.unwrap();
    assert_eq!((report.status, report.exit_code), (RunStatus::Refused, 7));
    assert_eq!(
        report.message,
        "nothing published: the source holds no record in the window (all time)"
    );
    let refused = stage.run(&[("A", 100, 1e6)]).await.unwrap();
    assert_eq!(
        refused.message,
        "nothing published: all 100 rows were refused, 100 as time_too_long"
    );
    assert_eq!(outcomes(&refused), [("A", GroupOutcome::Failed, "all 100 rows were refused")]);
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace() {
    let stage = Stage::new();
    let dry = RunPlan { dry_run: true, ..plan() };
    let report = stage.run_with(&dry, source(&[("A", 300, 1.0)])).await.unwrap();
    assert_eq!(report.message, "dry run, nothing written: 1 of 1 groups would be published");
    assert!(report.results.run.is_none());
    assert!(stage.statuses().await.is_empty());
}

#[tokio::test]
async fn a_source_that_fails_ends_the_run_and_nothing_moves() {
    let stage = Stage::new();
    stage.run(&[("A", 300, 1.0)]).await.unwrap();
    let broken = source(&[("A", 300, 1.0)]).failing_after(2, FailureKind::Denied);
    let failure = stage.run_with(&plan(), broken).await.unwrap_err();
    assert_eq!(failure.exit_code(), 4);
    assert_eq!(stage.statuses().await, [RunStatus::Done, RunStatus::Failed]);
    assert_eq!(stage.current_run().await, Some(RunId(1)));
    let row = stage.store.run(RunId(2)).await.unwrap().unwrap();
    assert_eq!(
        row.message,
        "cannot read the records from memory: scripted failure after 2 batches; to mend it: check \
         the user, the secret and the permissions"
    );
}

/// Moves time on by a second whenever someone waits for it.
async fn time_passes(clock: &ManualClock) -> Infallible {
    loop {
        clock.until_sleeping(1).await;
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
}

/// A read that breaks is begun again, and what it had delivered does not count twice.
#[tokio::test]
async fn a_read_that_breaks_off_is_begun_again() {
    let regions = [("A", 300, 1.0)];
    let whole = Stage::new().run(&regions).await.unwrap();
    let stage = Stage::new();
    let broken = source(&regions).failing_once_after(2, FailureKind::Unreachable);
    let plan = plan();
    let report = tokio::select! {
        report = stage.run_with(&plan, broken) => report,
        never = time_passes(&stage.clock) => match never {},
    };
    let report = report.unwrap();
    assert_eq!(report.results.rows.read, 300);
    assert_eq!(report.set.parameters, whole.set.parameters);
}

#[tokio::test]
async fn a_source_that_stays_away_ends_the_run_after_three_reads() {
    let stage = Stage::new();
    let broken = source(&[("A", 300, 1.0)]).failing_after(2, FailureKind::Unreachable);
    let plan = plan();
    let outcome = tokio::select! {
        outcome = stage.run_with(&plan, broken) => outcome,
        never = time_passes(&stage.clock) => match never {},
    };
    assert_eq!(outcome.unwrap_err().exit_code(), 4);
    assert!(stage.clock.now() >= moment() + Duration::from_secs(35));
    assert_eq!(stage.statuses().await, [RunStatus::Failed]);
}

/// The stop signal while the store does not answer: nothing is waited for longer than the grace.
#[tokio::test]
async fn a_store_that_does_not_answer_holds_no_stop_up() {
    let calls = [
        Operation::Request,
        Operation::TryLock,
        Operation::AbandonDead,
        Operation::Start,
        Operation::Mark,
        Operation::Conclude,
        Operation::Release,
    ];
    for operation in calls {
        let stage = Stage::new();
        let hold = Hold::default();
        stage.store.faults().on(operation, 1, Fault::HoldRequest(hold.clone()));
        let stopped = async {
            hold.reached().await;
            stage.cancel.cancel();
            time_passes(&stage.clock).await
        };
        let outcome = tokio::select! {
            outcome = stage.run(&[("A", 300, 1.0)]) => outcome,
            never = stopped => match never {},
        };
        match (operation, outcome) {
            // Published before the stop; only the lock was not given back.
            (Operation::Release, outcome) => assert_eq!(outcome.unwrap().exit_code, 0),
            (_, outcome) => assert_eq!(outcome.unwrap_err().exit_code(), 130, "{operation:?}"),
        }
        let expected: &[RunStatus] = match operation {
            Operation::Request => &[],
            Operation::Release => &[RunStatus::Done],
            _ => &[RunStatus::Cancelled],
        };
        assert_eq!(stage.statuses().await, expected, "{operation:?}");
    }
}

#[tokio::test]
async fn the_stop_signal_ends_a_run_in_the_middle_of_reading() {
    let stage = Stage::new();
    let hold = Hold::default();
    let held = source(&[("A", 300, 1.0)]).holding_after(1, hold.clone());
    let plan = plan();
    let (outcome, ()) = tokio::join!(stage.run_with(&plan, held), async {
        hold.reached().await;
        stage.cancel.cancel();
    });
    assert_eq!(outcome.unwrap_err().exit_code(), 130);
    assert_eq!(stage.statuses().await, [RunStatus::Cancelled]);
    assert_eq!(stage.current_run().await, None);
}

#[tokio::test]
async fn a_second_run_of_the_scope_is_refused_while_the_first_works() {
    let stage = Stage::new();
    let hold = Hold::default();
    let held = source(&[("A", 300, 1.0)]).holding_after(1, hold.clone());
    let plan = plan();
    let (first, second) = tokio::join!(stage.run_with(&plan, held), async {
        hold.reached().await;
        let second = stage.run(&[("A", 300, 1.0)]).await;
        hold.release();
        second
    });
    let refusal = second.unwrap_err();
    assert_eq!(refusal.exit_code(), 8);
    assert_eq!(refusal.to_string(), "run 2 was refused: another run of scope `test` is active");
    assert_eq!(first.unwrap().status, RunStatus::Done);
    assert_eq!(stage.statuses().await, [RunStatus::Done, RunStatus::Refused]);
}

#[tokio::test]
async fn a_lost_lock_stops_the_run() {
    let stage = Stage::new();
    let hold = Hold::default();
    let held = source(&[("A", 300, 1.0)]).holding_after(1, hold.clone());
    let plan = plan();
    let (outcome, ()) = tokio::join!(stage.run_with(&plan, held), async {
        hold.reached().await;
        stage.store.lose_lock("test", FailureKind::Unreachable);
    });
    assert!(matches!(outcome.unwrap_err(), JobError::LockLost { .. }));
    assert_eq!(stage.statuses().await, [RunStatus::Failed]);
}

#[tokio::test]
async fn a_lost_reply_does_not_make_a_published_run_fail() {
    let stage = Stage::new();
    let lost = Fault::FailAfterWrite(FailureKind::TimedOut);
    stage.store.faults().on(Operation::Conclude, 1, lost);
    let report = stage.run(&[("A", 300, 1.0)]).await.unwrap();
    assert_eq!(report.status, RunStatus::Done);
    assert_eq!(stage.current_run().await, Some(RunId(1)));
}

/// Every call of the store, failing in turn: the current set is the old one or the new one, whole,
/// and a later run sets the ledger right.
#[tokio::test]
async fn whatever_call_of_the_store_fails_the_current_set_is_whole() {
    let operations = [
        Operation::Request,
        Operation::TryLock,
        Operation::AbandonDead,
        Operation::Start,
        Operation::Mark,
        Operation::ParameterSet,
        Operation::Conclude,
        Operation::Run,
        Operation::Release,
    ];
    for operation in operations {
        for fault in
            [Fault::Reject(FailureKind::Full), Fault::FailAfterWrite(FailureKind::Unreachable)]
        {
            let stage = Stage::new();
            let old = stage.run(&[("A", 300, 1.0)]).await.unwrap().set;
            stage.store.faults().on(operation, 1, fault.clone());
            let outcome = stage.run(&[("A", 400, 1.0)]).await;
            let told = format!("{operation:?} {fault:?}: {:?}", stage.statuses().await);
            let current = stage.store.current("test").await.unwrap().unwrap();
            match &outcome {
                Ok(report) => assert_eq!(current, report.set, "{told}"),
                Err(failure) => {
                    assert_eq!(current, old, "{told}");
                    assert_eq!(failure.exit_code(), 5, "{told}");
                }
            }
            let after = stage.run(&[("A", 300, 1.0)]).await;
            assert_eq!(after.unwrap().status, RunStatus::Done, "{told}");
            assert!(!stage.statuses().await.contains(&RunStatus::Running), "{told}");
        }
    }
}

#[tokio::test]
async fn a_dead_run_is_found_by_the_next() {
    let stage = Stage::new();
    let dead = stage.store.request(&plan().request).await.unwrap();
    stage.store.start(dead, moment()).await.unwrap();
    stage.run(&[("A", 300, 1.0)]).await.unwrap();
    assert_eq!(stage.statuses().await, [RunStatus::Abandoned, RunStatus::Done]);
}

#[tokio::test]
async fn results_do_not_depend_on_workers_or_order() {
    let regions = [("A", 900, 1.0), ("B", 40, 1.1), ("C", 500, 0.9)];
    let one = RunPlan { workers: NonZeroUsize::MIN, ..plan() };
    let first = Stage::new().run_with(&one, source(&regions)).await.unwrap();
    let second = Stage::new().run(&regions).await.unwrap();
    assert_eq!(first.set, second.set);
    let mut backwards = rows(&regions);
    backwards.reverse();
    let backwards = MemorySource::of_rows(backwards, 77);
    let third = Stage::new().run_with(&plan(), backwards).await.unwrap();
    assert_eq!(first.set, third.set);
}
