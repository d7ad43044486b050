//! Which groups a run takes, and the rules that its requester adds: through the job in memory and the
//! real binary.

use std::sync::Arc;

use speedfit::adapters::memory::{ManualClock, MemorySource, MemoryStore};
use speedfit::domain::{RequestDetail, RunStatus};
use speedfit::job::{JobError, RunPlan, RunReport, Silent, World, execute};
use speedfit::ports::{ParameterStore as _, RunFilter, RunJournal as _};
use tokio_util::sync::CancellationToken;

use crate::job::{plan, rows};
use crate::support::at;
use crate::support::program::Desk;

async fn run(
    store: &MemoryStore,
    detail: RequestDetail,
    regions: &[(&str, usize, f64)],
) -> Result<RunReport, JobError> {
    let mut plan: RunPlan = plan();
    plan.request.detail = detail;
    let world = World {
        source: Arc::new(MemorySource::of_rows(rows(regions), 100)),
        store: Arc::new(store.clone()),
        clock: Arc::new(ManualClock::new(at("2026-03-01T02:00:00Z"))),
    };
    execute(&plan, &world, &Silent, &CancellationToken::new()).await
}

const GOOD: [(&str, usize, f64); 3] = [("A", 300, 1.0), ("B", 300, 1.0), ("C", 300, 1.0)];

#[tokio::test]
async fn a_run_stops_at_its_first_failure_where_it_is_asked_to() {
    let store = MemoryStore::default();
    let fail_fast = || RequestDetail { fail_fast: true, ..RequestDetail::default() };
    run(&store, fail_fast(), &GOOD).await.unwrap();
    let failure = run(&store, fail_fast(), &[("A", 300, 1.0), ("B", 9, 1.0)]).await.unwrap_err();
    let expected = "nothing published: group `B` failed, and `--fail-fast` stops there: \
                    9 records, 40 needed";
    assert_eq!((failure.to_string().as_str(), failure.exit_code()), (expected, 7));
    // The judge's objections come when all are fitted.
    let report = run(&store, fail_fast(), &[("A", 300, 1.0), ("B", 300, 3.0)]).await.unwrap();
    assert_eq!((report.status, report.exit_code), (RunStatus::Refused, 7));
    assert!(
        report.message.starts_with("nothing published: group `B` failed"),
        "{}",
        report.message
    );
    let statuses: Vec<_> = store.runs(&RunFilter::default()).await.unwrap();
    let told: Vec<_> = statuses.iter().map(|run| (run.status, run.exit_code)).collect();
    let refused = (RunStatus::Refused, Some(7));
    assert_eq!(told, [refused, refused, (RunStatus::Done, Some(0))]);
    assert_eq!(store.current("test").await.unwrap().unwrap().run_id, Some(statuses[2].id));
}

#[tokio::test]
async fn more_failures_than_are_let_pass_publish_nothing() {
    let store = MemoryStore::default();
    let at_most = |n| RequestDetail { max_failures: Some(n), ..RequestDetail::default() };
    let regions = [("A", 300, 1.0), ("B", 9, 1.0), ("C", 8, 1.0)];
    let report = run(&store, at_most(2), &regions).await.unwrap();
    assert_eq!(report.status, RunStatus::Partial);
    let report = run(&store, at_most(1), &regions).await.unwrap();
    assert_eq!((report.status, report.exit_code), (RunStatus::Refused, 7));
    assert_eq!(
        report.message,
        "nothing published: 2 of 3 groups failed, more than the 1 of `--max-failures`, the first \
         `B`: 9 records, 40 needed"
    );
}

#[tokio::test]
async fn force_overrules_the_judge_and_says_so() {
    let store = MemoryStore::default();
    run(&store, RequestDetail::default(), &GOOD).await.unwrap();
    let slower = [("A", 300, 3.0), ("B", 300, 3.0), ("C", 300, 1.0), ("E", 1, 1.0)];
    let refused = run(&store, RequestDetail::default(), &slower).await.unwrap();
    assert_eq!(refused.status, RunStatus::Refused);
    let force = RequestDetail { force: true, ..RequestDetail::default() };
    let report = run(&store, force, &slower).await.unwrap();
    assert_eq!(report.status, RunStatus::Partial);
    assert_eq!(report.message, "3 of 4 groups published, 2 of them forced");
    let told: Vec<_> =
        report.set.groups.iter().map(|g| (g.outcome.as_str(), &*g.message)).collect();
    let jump = "forced: the median time at 2.0 km changes by +200 %, more than 50 %";
    assert_eq!(told[..3], [("fitted", jump), ("fitted", jump), ("fitted", "")]);
    // One record is no fit, whoever asks for it.
    assert_eq!(told[3], ("failed", "1 records, 40 needed"));
}

const HEADER: &str =
    "incident_id,region,parent_region,occurred_at,priority,distance_km,travel_time_s\n";

/// Trips of a region and its parent.
fn trips(region: &str, parent: &str, priority: &str, n: usize) -> String {
    let row = |nth: usize| {
        let distance_km = 0.2 + (nth % 97) as f64 * 0.05;
        let factor = 0.8 + (nth % 13) as f64 * 0.03;
        let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
        format!(
            "{region}{nth},{region},{parent},2026-01-05T10:00:00Z,{priority},{distance_km:.2},\
             {travel_time_s:.1}\n"
        )
    };
    (0..n).map(row).collect()
}

#[test]
fn groups_are_selected_by_what_tells_them_apart() {
    let desk = Desk::new();
    let text = [
        trips("B1", "North", "1", 60),
        trips("B1", "North", "2", 50),
        trips("B2", "South", "1", 70),
        trips("C*", "South", "1", 4),
    ];
    desk.write("trips.csv", &format!("{HEADER}{}", text.concat()));
    desk.expect(0, &["import", "trips.csv"]);
    let check = |flags: &[&str], code: i32, n_read: u64| {
        let by = ["--set", "groups.by_priority=true", "--set", "pooling.mode=off", "--json"];
        let told = desk.expect(code, &[&["run"], flags, &by[..]].concat()).json();
        assert_eq!(told["rows"]["read"], n_read, "{flags:?}");
        let refused = &told["rows"]["refused"];
        assert_eq!(refused, &serde_json::json!({}), "{flags:?}");
    };
    check(&[], 6, 184);
    check(&["--select", "parent:North"], 0, 110);
    check(&["--select", "parent:North", "--exclude", "priority:2"], 0, 60);
    check(&["--select", "B*", "--select", "parent:South", "--exclude", "C*"], 0, 180);
    check(&["--exclude", "parent:*", "--select", "nosuch"], 7, 0);
    check(&["--exclude", "region:C*"], 0, 180);
    let shown = desk.expect(0, &["show", "--json"]).json();
    assert_eq!(shown["run"]["detail"]["exclude"], serde_json::json!(["region:C*"]));
    // The last run with groups says that `C*` was left out; so nothing failed in it.
    let none =
        desk.expect(0, &["run", "--select", "state:failed", "--set", "groups.by_priority=true"]);
    assert_eq!(none.stdout, "no group is selected, so nothing was done\n");
}

#[test]
fn the_state_of_the_last_run_selects() {
    let desk = Desk::new();
    let text = [trips("B1", "", "1", 60), trips("B*", "", "1", 5)].concat();
    desk.write("trips.csv", &format!("{HEADER}{text}"));
    desk.expect(0, &["import", "trips.csv"]);
    desk.expect(6, &["run", "--set", "pooling.mode=off"]);
    desk.write("more.csv", &format!("{HEADER}{}", trips("B*", "", "1", 90)));
    desk.expect(0, &["import", "more.csv"]);
    let told = desk.expect(0, &["run", "--select", "state:failed", "--json"]).json();
    // Its name is taken literally.
    assert_eq!(told["rows"]["read"], 95);
    assert_eq!(told["results"][1]["message"], "not selected in this run");
}

#[test]
fn selections_that_say_nothing_exit_2() {
    let desk = Desk::new();
    let check = |args: &[&str], expected: &str| {
        assert_eq!(desk.expect(2, args).stderr, expected, "{args:?}");
    };
    check(
        &["run", "--select", "regoin:B0*"],
        "error: there is no method `regoin`, which `regoin:B0*` selects by\n\
         hint: did you mean `region:`?\n",
    );
    check(
        &["run", "--exclude", "a:b"],
        "error: there is no method `a`, which `a:b` selects by\n\
         hint: the methods are `region:`, `parent:`, `band:`, `priority:`, `state:`; a region whose \
         name holds a colon is written `region:a:b`\n",
    );
    check(
        &["run", "--select", "state:faild"],
        "error: there is no state `faild`, which `state:faild` selects by\n\
         hint: did you mean `state:failed`?\n",
    );
    check(
        &["run", "--select", "band:peak"],
        "error: `band:` selects nothing, since groups are not split by it: set `groups.bands`\n\
         hint: or select by region; `groups.bands` is a setting\n",
    );
    check(
        &["run", "--force"],
        "error: `force` overrules the judge, which needs a reason\nhint: add `--reason TEXT`\n",
    );
    desk.write("a.csv", HEADER);
    check(
        &["fit", "a.csv", "--select", "state:failed"],
        "error: `state:` needs a ledger that knows an earlier run\nhint: `speedfit run` has one\n",
    );
    assert!(!desk.path("speedfit.db").exists());
}
