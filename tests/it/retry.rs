//! Doing again what failed: the decision against its table in `docs/retry.md`, the job in memory, and
//! the real binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says at which row"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::Value;
use speedfit::adapters::memory::{ManualClock, MemorySource, MemoryStore};
use speedfit::domain::{
    GroupKey, GroupOutcome, GroupRow, RequestDetail, RunId, RunRow, RunStatus, Selection, Trigger,
    Verdict,
};
use speedfit::job::retry::{
    Decision, NothingToDo, RetryRefusal, Since, decide, failures, is_failure, since,
};
use speedfit::job::{RunPlan, RunReport, Silent, World, execute};
use speedfit::ports::{ParameterStore as _, RunJournal as _};
use tokio_util::sync::CancellationToken;

use crate::job::{plan, rows};
use crate::support::program::{Desk, Ended};
use crate::support::{at, group, request, table_after};

const DOCUMENT: &str = include_str!("../../docs/retry.md");

/// A run of the table: its status, whether its set was kept aside, its groups, and what was since.
fn cell(status: RunStatus, set: &str, groups: &str, after: &str) -> (RunRow, Vec<GroupRow>, Since) {
    let mut run = RunRow {
        id: RunId(5),
        request: request("s"),
        status,
        started_at: None,
        finished_at: None,
        counts: speedfit::domain::RunCounts::default(),
        exit_code: None,
        message: String::new(),
    };
    run.request.detail.keep_unpublished = set == "kept";
    let failed = ["b", "c"].map(|region| GroupRow {
        outcome: GroupOutcome::Failed,
        verdict: Verdict::Keep,
        ..group(region)
    });
    let groups = match groups {
        "pruned" => Vec::new(),
        "none failed" => vec![group("a")],
        "some failed" => [group("a")].into_iter().chain(failed).collect(),
        other => panic!("the table knows no groups `{other}`"),
    };
    let newer = Some(RunId(7));
    let since = match after {
        "nothing" => Since::default(),
        "retried" => Since {
            published: newer,
            retried: newer,
            done: BTreeSet::from(["b", "c"].map(GroupKey::region)),
        },
        "published" => Since { published: newer, ..Since::default() },
        other => panic!("the table knows no time since `{other}`"),
    };
    (run, groups, since)
}

fn word(decision: &Decision) -> String {
    match decision {
        Decision::Whole => "the whole run".to_owned(),
        Decision::Groups(groups) => {
            assert_eq!(groups[..], ["b", "c"].map(GroupKey::region));
            "the groups that failed".to_owned()
        }
        Decision::Nothing(NothingToDo::NoFailure) => "nothing: no failure".to_owned(),
        Decision::Nothing(NothingToDo::DoneSince) => "nothing: done since".to_owned(),
        Decision::Refused(RetryRefusal::NotOver) => "refused: not over".to_owned(),
        Decision::Refused(RetryRefusal::Pruned) => "refused: pruned".to_owned(),
        Decision::Refused(RetryRefusal::Superseded(by)) => {
            assert_eq!(*by, RunId(7));
            "refused: superseded".to_owned()
        }
    }
}

#[test]
fn the_decision_is_that_of_the_table() {
    let table = table_after(DOCUMENT, "| status | set | groups | since | retry |");
    let holds = |told: &str, value: &str| told == "any" || told.split(", ").any(|t| t == value);
    let mut n_cells = 0;
    for &status in RunStatus::ALL {
        for set in ["published", "kept"] {
            for groups in ["none failed", "some failed", "pruned"] {
                for after in ["nothing", "retried", "published"] {
                    let values = [status.as_str(), set, groups, after];
                    let found: Vec<_> = (table.iter())
                        .filter(|row| row.iter().zip(values).all(|(told, v)| holds(told, v)))
                        .collect();
                    let [row] = found[..] else { panic!("{values:?} has {} rows", found.len()) };
                    let (run, groups, since) = cell(status, set, groups, after);
                    assert_eq!(word(&decide(&run, &groups, &since)), row[4], "{values:?}");
                    n_cells += 1;
                }
            }
        }
    }
    assert_eq!(n_cells, 8 * 2 * 3 * 3);
}

#[test]
fn failed_groups_are_those_of_the_table() {
    let table = table_after(DOCUMENT, "| outcome | publish | keep | none |");
    assert_eq!(table.len(), GroupOutcome::ALL.len());
    for row in table {
        let outcome = GroupOutcome::from_name(&row[0]).unwrap();
        for (told, verdict) in row[1..].iter().zip([Verdict::Publish, Verdict::Keep, Verdict::None])
        {
            let expected = if is_failure(outcome, verdict) { "yes" } else { "no" };
            assert_eq!(told, expected, "{outcome} {verdict}");
        }
    }
}

#[test]
fn groups_that_were_done_since_are_left_out() {
    let (run, groups, mut since) =
        cell(RunStatus::Partial, "published", "some failed", "published");
    since.done.insert(GroupKey::region("b"));
    let rest = Decision::Groups(vec![GroupKey::region("c")]);
    assert_eq!(decide(&run, &groups, &since), rest);
}

/// The world in memory, over the days.
struct Stage {
    store: MemoryStore,
    clock: Arc<ManualClock>,
}

impl Stage {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(at("2026-03-01T02:00:00Z")));
        Self { store: MemoryStore::default(), clock }
    }

    async fn run(&self, plan: &RunPlan, regions: &[(&str, usize, f64)]) -> RunReport {
        let world = World {
            source: Arc::new(MemorySource::of_rows(rows(regions), 100)),
            store: Arc::new(self.store.clone()),
            clock: self.clock.clone(),
        };
        execute(plan, &world, &Silent, &CancellationToken::new()).await.unwrap()
    }

    async fn decision(&self, id: RunId) -> Decision {
        let run = self.store.run(id).await.unwrap().unwrap();
        let groups = self.store.parameter_set(id).await.unwrap().unwrap().groups;
        let since = since(&self.store, &run, &failures(&groups)).await.unwrap();
        decide(&run, &groups, &since)
    }

    /// Does again what there is to do for a run.
    async fn retry(&self, id: RunId, regions: &[(&str, usize, f64)]) -> RunReport {
        let mut plan = plan();
        plan.request.trigger = Trigger::Retry;
        plan.request.detail.retry_of = Some(id);
        match self.decision(id).await {
            Decision::Groups(groups) => {
                plan.selection = Selection::of_groups(groups.clone());
                plan.request.detail.groups = groups;
            }
            Decision::Whole => {}
            other => panic!("nothing is done: {other:?}"),
        }
        self.run(&plan, regions).await
    }
}

fn keys(regions: &[&str]) -> Vec<GroupKey> {
    regions.iter().map(|region| GroupKey::region(region)).collect()
}

const SMALL: [(&str, usize, f64); 3] = [("a", 300, 1.0), ("b*", 10, 1.0), ("c", 11, 1.0)];

#[tokio::test]
async fn a_retry_of_a_retry_does_what_is_left() {
    let stage = Stage::new();
    let first = stage.run(&plan(), &SMALL).await.set.run_id.unwrap();
    assert_eq!(stage.decision(first).await, Decision::Groups(keys(&["b*", "c"])));
    let mended = [("a", 400, 1.0), ("b*", 200, 1.0), ("b", 50, 1.0), ("c", 12, 1.0)];
    let second = stage.retry(first, &mended).await;
    assert_eq!((second.status, second.results.rows.read), (RunStatus::Partial, 212));
    let second = second.set.run_id.unwrap();
    for id in [first, second] {
        assert_eq!(stage.decision(id).await, Decision::Groups(keys(&["c"])), "{id}");
    }
    let third = stage.retry(second, &[("a", 400, 1.0), ("c", 100, 1.0)]).await;
    assert_eq!((third.status, third.results.rows.read), (RunStatus::Done, 100));
    // What is current is whole, each group by the run that fitted it last.
    let current = stage.store.current("test").await.unwrap().unwrap();
    assert_eq!(
        current.groups.iter().map(|g| g.key.clone()).collect::<Vec<_>>(),
        keys(&["a", "b*", "c"])
    );
    assert_eq!(current.parameters.len(), 9);
    for id in [first, second] {
        assert_eq!(stage.decision(id).await, Decision::Nothing(NothingToDo::DoneSince), "{id}");
    }
    let third = third.set.run_id.unwrap();
    assert_eq!(stage.decision(third).await, Decision::Nothing(NothingToDo::NoFailure));
    // Rolled back, what the retries did is not in force any more.
    let back = crate::support::publication("test", first, "rollback");
    stage.store.publish(&back, None).await.unwrap();
    assert_eq!(stage.decision(first).await, Decision::Groups(keys(&["b*", "c"])));
}

#[tokio::test]
async fn a_narrower_selection_and_a_newer_set_leave_only_what_is_missing() {
    let stage = Stage::new();
    stage.run(&plan(), &[("a", 300, 1.0), ("b", 300, 1.0), ("c", 300, 1.0)]).await;
    let narrow = RunPlan { selection: Selection::new(["a", "b"]), ..plan() };
    // The judge keeps both: they change too much. Then nothing at all is published.
    let refused = stage.run(&narrow, &[("a", 300, 3.0), ("b", 300, 3.0)]).await;
    assert_eq!(refused.status, RunStatus::Refused);
    let refused = refused.results.run.unwrap().id;
    assert_eq!(stage.decision(refused).await, Decision::Whole);
    let half = stage.run(&narrow, &[("a", 300, 3.0), ("b", 700, 1.0)]).await;
    let half = half.set.run_id.unwrap();
    // Of `c`, which was not selected, nothing is said.
    assert_eq!(stage.decision(half).await, Decision::Groups(keys(&["a"])));
    let superseded = Decision::Refused(RetryRefusal::Superseded(half));
    assert_eq!(stage.decision(refused).await, superseded);
    stage.run(&plan(), &[("a", 300, 1.0), ("b", 300, 1.0), ("c", 300, 1.0)]).await;
    assert_eq!(stage.decision(half).await, Decision::Nothing(NothingToDo::DoneSince));
}

#[tokio::test]
async fn what_is_kept_aside_is_done_whole() {
    let stage = Stage::new();
    let mut aside = plan();
    aside.request.detail = RequestDetail { keep_unpublished: true, ..RequestDetail::default() };
    let report = stage.run(&aside, &SMALL).await;
    assert_eq!(report.status, RunStatus::Partial);
    assert_eq!(report.message, "1 of 3 groups passed, kept unpublished");
    assert_eq!(stage.store.mark("test").await.unwrap(), None);
    let id = report.set.run_id.unwrap();
    assert_eq!(stage.store.parameter_set(id).await.unwrap().unwrap().parameters.len(), 3);
    stage.run(&plan(), &SMALL).await;
    assert_eq!(stage.decision(id).await, Decision::Whole);
}

const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n";

/// So many trips of a region that `kwh` fits well.
fn trips(region: &str, n: usize) -> String {
    let row = |nth: usize| {
        let distance_km = 0.2 + (nth % 97) as f64 * 0.05;
        let factor = 0.8 + (nth % 13) as f64 * 0.03;
        let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
        format!(
            "{region}{nth},{region},2026-01-05T10:00:00Z,1,{distance_km:.2},{travel_time_s:.1}\n"
        )
    };
    (0..n).map(row).collect()
}

fn import(desk: &Desk, name: &str, regions: &[(&str, usize)]) {
    let trips: String = regions.iter().map(|&(region, n)| trips(region, n)).collect();
    desk.write(name, &format!("{HEADER}{trips}"));
    desk.expect(0, &["import", name]);
}

fn runs(desk: &Desk) -> Vec<Value> {
    let runs = desk.expect(0, &["runs", "--json", "--limit", "0"]).json();
    let mut runs = runs.as_array().unwrap().clone();
    runs.reverse();
    runs
}

/// Six regions of which a third has too few records, which nobody helps out.
fn a_third_fails(desk: &Desk) -> Ended {
    import(
        desk,
        "trips.csv",
        &[("A", 120), ("B", 110), ("C", 100), ("D", 90), ("E", 5), ("F*", 7)],
    );
    let flags = ["--set", "pooling.mode=off", "--set", "judge.max_time_change=0.75"];
    desk.expect(6, &[&["run"], &flags[..]].concat())
}

#[test]
fn only_the_third_that_failed_is_read_and_fitted_again() {
    let desk = Desk::new();
    a_third_fails(&desk);
    import(&desk, "late.csv", &[("E", 60), ("F*", 70), ("F", 80), ("A", 500)]);
    let told = desk.expect(0, &["retry", "--reason", "late records", "--json"]).json();
    assert_eq!(told["rows"]["read"], 5 + 60 + 7 + 70);
    let ledger = runs(&desk);
    let [first, second] = &ledger[..] else { panic!("{ledger:?}") };
    assert_eq!(second["trigger"], "retry");
    assert_eq!(second["reason"], "late records");
    assert_eq!(second["detail"]["retry_of"], first["id"]);
    assert_eq!(second["detail"]["groups"].as_array().unwrap().len(), 2);
    // Made with the settings of then, which no flag says now.
    assert_eq!(second["settings_hash"], first["settings_hash"]);
    let counts =
        |run: &Value| ["rows_read", "groups_fitted", "groups_carried_over"].map(|n| run[n].clone());
    assert_eq!(counts(first), [432, 4, 0]);
    assert_eq!(counts(second), [142, 2, 4]);
    let shown = desk.expect(0, &["show", "current", "--json"]).json();
    assert_eq!(shown["parameters"].as_array().unwrap().len(), 6 * 3);
    // A second retry has nothing to do, of whichever run it is, and leaves no row.
    let again = desk.expect(0, &["retry"]);
    assert_eq!(again.stdout, "nothing to do for run 2: no group of it failed\n");
    let again = desk.expect(0, &["retry", "1"]);
    assert_eq!(again.stdout, "nothing to do for run 1: what failed was done since\n");
    assert_eq!(runs(&desk).len(), 2);
}

#[test]
fn a_retry_says_what_it_cannot_do() {
    let desk = Desk::new();
    a_third_fails(&desk);
    let check = |args: &[&str], expected: &str| {
        let ended = desk.expect(8, args);
        assert_eq!(ended.stderr, expected, "{args:?}");
    };
    check(&["retry", "9"], "error: there is no run 9\nhint: `speedfit runs` lists them\n");
    check(
        &["retry", "1", "--scope", "other"],
        "error: run 1 is of scope `default`\nhint: add `--scope default`\n",
    );
    let database = Connection::open(desk.path("speedfit.db")).unwrap();
    database.execute("DELETE FROM settings", []).unwrap();
    check(
        &["retry"],
        "error: the settings of run 1 were not kept\n\
         hint: `speedfit run --select state:failed` does it with the settings of now\n",
    );
    assert_eq!(runs(&desk).len(), 1);
}

#[test]
fn a_run_that_broke_off_is_done_whole() {
    let desk = Desk::new();
    let missing = ["--set", "source.kind=file", "--set", "file.path=missing.csv"];
    desk.expect(4, &[&["run", "--select", "A"], &missing[..]].concat());
    import(&desk, "trips.csv", &[("A", 120), ("B", 110)]);
    // Where the source is, is a matter of now; what was selected, one of then.
    let told = desk.expect(0, &["retry", "--json"]).json();
    assert_eq!(told["rows"]["read"], 120);
    let ledger = runs(&desk);
    assert_eq!(ledger[1]["detail"]["select"], serde_json::json!(["A"]));
}

/// Whoever overruled the judge meant this window and these groups, which a retry does again.
#[test]
fn a_retry_of_a_forced_run_is_forced_for_the_same_reason() {
    let desk = Desk::new();
    import(&desk, "trips.csv", &[("A", 90), ("B", 90)]);
    let missing = ["--set", "source.kind=file", "--set", "file.path=missing.csv"];
    let slow = ["--set", "judge.min_cruise_speed_kmh=1", "--set", "judge.max_cruise_speed_kmh=2"];
    let forced = ["run", "--force", "--reason", "new bridge"];
    let broken = [&forced[..], &missing, &slow].concat();
    desk.expect(4, &broken);
    let told = desk.expect(0, &["retry"]);
    let says = "the judge is overruled, as in run 1, whose reason was: new bridge";
    assert!(told.stderr.contains(says), "{}", told.stderr);
    assert!(told.stdout.contains("2 of 2 groups published, 2 of them forced"), "{}", told.stdout);

    desk.expect(4, &broken);
    let judged = desk.expect(7, &["retry", "--no-force", "--reason", "look again"]);
    assert!(!judged.stderr.contains("overruled"), "{}", judged.stderr);
    desk.expect(0, &["retry", "3", "--reason", "the source is back"]);
    let told: Vec<_> = runs(&desk)
        .iter()
        .map(|run| {
            let is_forced = run["detail"]["force"] == true;
            let text = |key: &str| run[key].as_str().unwrap().to_owned();
            format!("{} {is_forced} {}", text("status"), text("reason"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "failed true new bridge",
            "done true new bridge",
            "failed true new bridge",
            "refused false look again",
            "done true the source is back; forced as run 3 was: new bridge",
        ]
    );
}

#[test]
fn the_groups_that_failed_in_a_forced_run_are_forced_too() {
    let desk = Desk::new();
    import(&desk, "trips.csv", &[("A", 120), ("E", 1)]);
    let flags = ["--set", "pooling.mode=off", "--set", "judge.max_cruise_speed_kmh=6"];
    desk.expect(6, &[&["run", "--force", "--reason", "flood"], &flags[..]].concat());
    import(&desk, "late.csv", &[("E", 90)]);
    desk.expect(0, &["retry"]);
    let ledger = runs(&desk);
    assert_eq!(ledger[1]["detail"]["groups"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&ledger[1]["detail"]["force"], &ledger[1]["reason"]),
        (&true.into(), &"flood".into())
    );
    let shown = desk.expect(0, &["show", "2", "--json"]).json();
    let of = |region: &str| {
        let groups = shown["groups"].as_array().unwrap();
        groups.iter().find(|group| group["region"] == region).unwrap()["message"].clone()
    };
    assert!(of("E").as_str().unwrap().starts_with("forced: cruise speed "), "{shown}");
    assert_eq!(of("A"), "not selected in this run");
}
