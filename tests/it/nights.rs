//! Nights on a virtual clock, through the real job and real stores: a week with everything that can
//! go wrong in it, two schedules that race, requests that were left behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod scripted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use speedfit::adapters::embedded::{Embedded, Mode};
use speedfit::adapters::memory::{Hold, ManualClock, MemorySource, MemoryStore};
use speedfit::domain::{Publication, RunId, RunRequest, RunRow, RunStatus, Trigger};
use speedfit::job::{JobError, Silent, World, execute_requested, pick_up};
use speedfit::ports::{
    Clock as _, FailureKind, ParameterStore as _, RunFilter, RunJournal as _, SchemaAdmin as _,
    Store,
};
use speedfit::schedule::{Missed, Rules, ScopeState, slot_moment};

use tokio_util::sync::CancellationToken;

use crate::support::{at, ending, publication, published, running, set};
use crate::tds_store::StoreServer;
use scripted::{Feed, Stage, calendar};

/// Half past one in London, three tries, five minutes between them.
fn rules() -> Rules {
    Rules {
        calendar: calendar("30 1 * * *", "Europe/London"),
        missed: Missed::Once,
        jitter: Duration::ZERO,
        attempts: 3,
        retry_wait: Duration::from_secs(300),
        run_limit: Duration::from_secs(3600),
    }
}

async fn embedded(dir: &tempfile::TempDir) -> Arc<dyn Store> {
    let store = Embedded::open(&dir.path().join("nights.db"), Mode::Migrating).await.unwrap();
    store.migrate().await.unwrap();
    Arc::new(store)
}

/// Every run of the scope, oldest first.
async fn ledger(store: &dyn Store) -> Vec<RunRow> {
    let mut runs = store.runs(&RunFilter::default()).await.unwrap();
    runs.reverse();
    runs
}

fn minute(moment: Timestamp) -> String {
    moment.strftime("%a %m-%d %H:%M").to_string()
}

fn told(run: &RunRow) -> String {
    format!(
        "{:>2}  {:<22}  {}  {:<9} {:>3}  {}\n",
        run.id.0,
        run.request.slot.as_deref().unwrap_or("-"),
        minute(run.request.requested_at),
        run.status.as_str(),
        run.exit_code.map_or_else(String::new, |code| code.to_string()),
        run.message,
    )
}

async fn story(store: &dyn Store) -> String {
    let mut text = String::from("run  slot  asked (UTC)  status  exit  message\n");
    text.extend(ledger(store).await.iter().map(told));
    text.push_str("\nmoves of the mark\n");
    let mut moves = store.publications("city", 0).await.unwrap();
    moves.reverse();
    text.extend(moves.iter().map(|publication| {
        let Publication { run_id, published_at, published_by, reason, comment, .. } = publication;
        let when = minute(*published_at);
        format!("{run_id:>2}  {when}  {reason} by {published_by} {comment}\n")
    }));
    text
}

/// The operator goes back, under the lock, as the command does.
async fn roll_back(store: &dyn Store, run_id: RunId, now: Timestamp) {
    let lock = store.try_lock("city").await.unwrap().unwrap();
    let publication = Publication {
        scope: "city".to_owned(),
        run_id,
        published_at: now,
        published_by: "duty".to_owned(),
        reason: "rollback".to_owned(),
        comment: "the harbour bridge was closed".to_owned(),
    };
    store.publish(&publication, None).await.unwrap();
    lock.release().await.unwrap();
}

/// What the source gives at each try.
fn feed_of(slot: &str) -> Feed {
    match slot {
        // The source is away for a while.
        "2026-03-26T01:30:00Z" => Feed::Fails(FailureKind::Unreachable),
        // A unit was mistaken: every trip takes three times as long.
        "2026-03-27T01:30:00Z" => Feed::Times(3.0),
        // Plausible, but not right, as somebody notices in the morning.
        "2026-03-30T00:30:00Z" => Feed::Times(1.2),
        _ => Feed::Times(1.0),
    }
}

#[tokio::test]
async fn a_week_of_nights() {
    let dir = tempfile::tempdir().unwrap();
    let store = embedded(&dir).await;
    let clock = Arc::new(ManualClock::new(at("2026-03-24T12:00:00Z")));
    let start = |until| {
        let stage = Stage::new(&clock).with("city", Arc::clone(&store), rules(), feed_of);
        async move { stage.play_until(at(until)).await }
    };
    // Wednesday is as usual, on Thursday the source is away at first, Friday's feed is refused.
    start("2026-03-27T18:00:00Z").await;
    // The machine is off from Friday evening to Saturday noon.
    clock.advance(Duration::from_secs(18 * 3600));
    // Saturday is made up for; on Sunday clocks go from one to two.
    start("2026-03-30T09:00:00Z").await;
    roll_back(&*store, RunId(6), clock.now()).await;
    start("2026-03-31T12:00:00Z").await;
    insta::assert_snapshot!(story(&*store).await);
}

#[tokio::test]
async fn missed_moments_may_be_passed_over() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let clock = Arc::new(ManualClock::new(at("2026-01-10T12:00:00Z")));
    let rules = Rules { missed: Missed::Skip, ..rules() };
    let start = |until| {
        let feed = |_: &str| Feed::Times(1.0);
        let stage = Stage::new(&clock).with("city", Arc::clone(&store), rules.clone(), feed);
        async move { stage.play_until(at(until)).await }
    };
    start("2026-01-11T12:00:00Z").await;
    clock.advance(Duration::from_secs(2 * 86_400));
    start("2026-01-14T12:00:00Z").await;
    let slots: Vec<_> = ledger(&*store).await.into_iter().filter_map(|r| r.request.slot).collect();
    assert_eq!(slots, ["2026-01-11T01:30:00Z", "2026-01-14T01:30:00Z"]);
}

#[tokio::test]
async fn a_night_whose_process_died_is_made_up_for_after_the_next_start() {
    let store = MemoryStore::default();
    let clock = Arc::new(ManualClock::new(at("2026-01-11T02:00:00Z")));
    let asked = RunRequest {
        scope: "city".to_owned(),
        trigger: Trigger::Timer,
        slot: Some("2026-01-11T01:30:00Z".to_owned()),
        requested_at: at("2026-01-11T01:30:00Z"),
        ..crate::job::plan().request
    };
    let dead = store.request(&asked).await.unwrap();
    store.start(dead, asked.requested_at).await.unwrap();
    let stage =
        Stage::new(&clock).with("city", Arc::new(store.clone()), rules(), |_| Feed::Times(1.0));
    let told_dead = stage.told_dead();
    stage.play_until(at("2026-01-11T12:00:00Z")).await;
    // No later run finds it, so this is the one time.
    assert_eq!(*told_dead.lock().unwrap(), [dead]);
    let runs = ledger(&store).await;
    let told: Vec<_> = runs.iter().map(|run| (run.request.slot.as_deref(), run.status)).collect();
    assert_eq!(
        told,
        [
            (Some("2026-01-11T01:30:00Z"), RunStatus::Abandoned),
            (Some("2026-01-11T01:30:00Z/2"), RunStatus::Done)
        ]
    );
}

#[tokio::test]
async fn what_would_fail_again_is_not_tried_again() {
    let clock = Arc::new(ManualClock::new(at("2026-01-10T12:00:00Z")));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let start = |until| {
        let feed = |slot: &str| {
            let fails = slot.starts_with("2026-01-11");
            if fails { Feed::Fails(FailureKind::Denied) } else { Feed::Times(1.0) }
        };
        let stage = Stage::new(&clock).with("city", Arc::clone(&store), rules(), feed);
        async move { stage.play_until(at(until)).await }
    };
    let check = async |expected: &[(&str, RunStatus)]| {
        let runs = ledger(&*store).await;
        let told: Vec<_> =
            runs.iter().map(|run| (run.request.slot.as_deref().unwrap(), run.status)).collect();
        assert_eq!(told, expected);
    };
    let status = start("2026-01-11T12:00:00Z").await;
    check(&[("2026-01-11T01:30:00Z", RunStatus::Failed)]).await;
    assert!(status.scopes[0].last_error.is_some());
    // Whoever starts it again has mended something, perhaps: one try more, and no other.
    start("2026-01-12T12:00:00Z").await;
    check(&[
        ("2026-01-11T01:30:00Z", RunStatus::Failed),
        ("2026-01-11T01:30:00Z/2", RunStatus::Failed),
        ("2026-01-12T01:30:00Z", RunStatus::Done),
    ])
    .await;
}

/// The ledger of two schedules with the same settings, each with its own handle of the store.
async fn race(stores: [Arc<dyn Store>; 2]) {
    let clock = Arc::new(ManualClock::new(at("2026-10-20T12:00:00Z")));
    let feed = |slot: &str| match slot {
        "2026-10-22T00:30:00Z" | "2026-10-23T00:30:00Z" | "2026-10-23T00:30:00Z/2" => {
            Feed::Fails(FailureKind::Unreachable)
        }
        slot if slot.starts_with("2026-10-24T00:30:00Z") => Feed::Fails(FailureKind::TimedOut),
        // Each of the two finds out by a try of its own that more of them are of no use.
        slot if slot.starts_with("2026-10-27T01:30:00Z") => Feed::Fails(FailureKind::Denied),
        // Whoever is first dies in the middle.
        "2026-10-26T01:30:00Z" => Feed::Dies,
        _ => Feed::Times(1.0),
    };
    let [first, second] = stores;
    let store = Arc::clone(&first);
    let stage = Stage::new(&clock).with("city", first, rules(), feed);
    let stage = stage.with("city", second, rules(), feed);
    let told_dead = stage.told_dead();
    stage.play_until(at("2026-10-29T12:00:00Z")).await;

    let mut nights: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let runs = ledger(&*store).await;
    for run in &runs {
        let (moment, attempt) = slot_moment(run.request.slot.as_deref().unwrap()).unwrap();
        let tries = nights.entry(moment.to_string()).or_default();
        tries.push(run.status.as_str());
        assert_eq!(tries.len(), attempt as usize, "{runs:?}");
    }
    let expected: BTreeMap<String, Vec<&str>> = [
        ("2026-10-21T00:30:00Z", vec!["done"]),
        ("2026-10-22T00:30:00Z", vec!["failed", "done"]),
        ("2026-10-23T00:30:00Z", vec!["failed", "failed", "done"]),
        ("2026-10-24T00:30:00Z", vec!["failed", "failed", "failed"]),
        // Clocks go back: half past one comes twice.
        ("2026-10-25T00:30:00Z", vec!["done"]),
        ("2026-10-26T01:30:00Z", vec!["abandoned", "done"]),
        ("2026-10-27T01:30:00Z", vec!["failed", "failed"]),
        ("2026-10-28T01:30:00Z", vec!["done"]),
        ("2026-10-29T01:30:00Z", vec!["done"]),
    ]
    .map(|(moment, tries)| (moment.to_owned(), tries))
    .into();
    assert_eq!(nights, expected);
    let is_dead = |run: &&RunRow| run.status == RunStatus::Abandoned;
    let dead: Vec<RunId> = runs.iter().filter(is_dead).map(|run| run.id).collect();
    assert_eq!(*told_dead.lock().unwrap(), dead);
}

#[tokio::test]
async fn two_schedules_on_one_embedded_store_give_every_night_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let stores = [embedded(&dir).await, embedded(&dir).await];
    race(stores).await;
}

#[tokio::test]
async fn two_schedules_on_one_server_give_every_night_one_run() {
    let server = StoreServer::start().await;
    let first = server.migrated().await;
    let second = server.open(speedfit::adapters::sqlserver::Mode::Existing).await.unwrap();
    race([Arc::new(first), Arc::new(second)]).await;
}

#[tokio::test]
async fn scopes_do_not_wait_for_each_other() {
    let clock = Arc::new(ManualClock::new(at("2026-01-10T12:00:00Z")));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let often = Rules { calendar: calendar("0 */6 * * *", "Asia/Kathmandu"), ..rules() };
    let stage = Stage::new(&clock)
        .with("city", Arc::clone(&store), rules(), |_| Feed::Panics)
        .with("county", Arc::clone(&store), often, |_| Feed::Times(1.0));
    let status = stage.play_until(at("2026-01-11T12:00:00Z")).await;
    let runs = ledger(&*store).await;
    let slots: Vec<_> = runs.iter().filter(|run| run.request.scope == "county").collect();
    let slots: Vec<_> = slots.iter().filter_map(|run| run.request.slot.as_deref()).collect();
    assert_eq!(
        slots,
        [
            "2026-01-10T12:15:00Z",
            "2026-01-10T18:15:00Z",
            "2026-01-11T00:15:00Z",
            "2026-01-11T06:15:00Z"
        ]
    );
    // A panic is a failed run, and no end of the schedule.
    let city = &status.scopes[0];
    assert_eq!(city.state, ScopeState::Stopped);
    let error = city.last_error.as_ref().unwrap();
    assert_eq!(error.at, at("2026-01-11T01:30:00Z"));
    assert!(error.message.contains("panicked"), "{error:?}");
    assert_eq!(status.scopes[1].last_success_at, Some(at("2026-01-11T06:15:00Z")));
    assert_eq!(status.scopes[1].next_at, Some(at("2026-01-11T12:15:00Z")));
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_stopped_and_tried_again() {
    let clock = Arc::new(ManualClock::new(at("2026-01-10T12:00:00Z")));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let feed = |slot: &str| if slot.ends_with("/2") { Feed::Times(1.0) } else { Feed::Hangs };
    let stage = Stage::new(&clock).with("city", Arc::clone(&store), rules(), feed);
    stage.play_until(at("2026-01-11T12:00:00Z")).await;
    let runs = ledger(&*store).await;
    let statuses: Vec<_> = runs.iter().map(|run| run.status).collect();
    assert_eq!(statuses, [RunStatus::Cancelled, RunStatus::Done]);
    let took = runs[0].finished_at.unwrap().duration_since(runs[0].request.requested_at);
    assert!((3600..3700).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn a_request_that_was_left_behind_is_done_as_it_asks() {
    let clock = Arc::new(ManualClock::new(at("2026-01-10T12:00:00Z")));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let request = |reason: &str, requested_at| RunRequest {
        scope: "city".to_owned(),
        trigger: Trigger::Api,
        reason: reason.to_owned(),
        requested_at,
        ..crate::job::plan().request
    };
    let asked = clock.now() - Duration::from_secs(300);
    store.request(&request("new depot", asked)).await.unwrap();
    store.request(&request("cannot be done", asked)).await.unwrap();
    // Its process may still be about to begin it.
    store.request(&request("young", clock.now() - Duration::from_secs(1))).await.unwrap();
    let stage = Stage::new(&clock).with("city", Arc::clone(&store), rules(), |_| Feed::Times(1.0));
    let started = clock.now();
    stage.play_until(started + Duration::from_secs(30)).await;
    let seen: Vec<_> = ledger(&*store).await.into_iter().map(|r| (r.status, r.message)).collect();
    assert_eq!(
        seen,
        [
            (RunStatus::Done, "1 of 1 groups published".to_owned()),
            (RunStatus::Failed, "left behind, and cannot be done: the script says so".to_owned()),
            (RunStatus::Requested, String::new()),
        ]
    );
}

/// A request of so long ago, a later run that came to this end, and what becomes of the request.
async fn left_behind(age_s: u64, later: Option<RunStatus>) -> String {
    let clock = Arc::new(ManualClock::new(at("2026-01-10T12:00:00Z")));
    let store = MemoryStore::default();
    let asked = |age_s| RunRequest {
        scope: "city".to_owned(),
        requested_at: clock.now() - Duration::from_secs(age_s),
        ..crate::job::plan().request
    };
    let run_id = store.request(&asked(age_s)).await.unwrap();
    match later {
        None => {}
        Some(RunStatus::Done) => {
            published(&store, "city", set(&["North"], 40.0)).await.unwrap();
        }
        Some(RunStatus::Refused) => {
            // It never had the lock.
            let refused = store.request(&asked(120)).await.unwrap();
            store.conclude(&ending(refused, RunStatus::Refused)).await.unwrap();
        }
        Some(status) => {
            let begun = running(&store, "city").await.unwrap();
            store.conclude(&ending(begun, status)).await.unwrap();
        }
    }
    let before = store.mark("city").await.unwrap();
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let stage = Stage::new(&clock).with("city", shared, rules(), |_| Feed::Times(1.0));
    stage.play_until(clock.now() + Duration::from_secs(30)).await;
    let row = store.run(run_id).await.unwrap().unwrap();
    let is_done = row.status == RunStatus::Done;
    assert_eq!(store.mark("city").await.unwrap() != before, is_done, "{row:?}");
    format!("{}: {}", row.status, row.message)
}

/// What came later is never covered by what was asked for before, and no request is begun on another
/// day than that on which it was made.
#[tokio::test]
async fn a_request_that_was_left_behind_is_not_published_over_what_came_later() {
    let (hour, day) = (3600, 86_400);
    let done = "done: 1 of 1 groups published";
    let old = "abandoned: run 1 was asked for and never begun, and is not begun any more: ";
    let later = format!("{old}run 2 was asked for later and has begun");
    assert_eq!(left_behind(hour, Some(RunStatus::Done)).await, later);
    assert_eq!(left_behind(hour, Some(RunStatus::Failed)).await, later);
    assert_eq!(left_behind(hour, Some(RunStatus::Refused)).await, done);
    assert_eq!(left_behind(day, None).await, done);
    let long_ago = "it was asked for at 2026-01-09T11:59:59Z, more than 24 hours ago";
    assert_eq!(left_behind(day + 1, None).await, format!("{old}{long_ago}"));
}

/// A person who moves the mark means what is there then, not what was asked for before.
#[tokio::test]
async fn a_request_that_was_left_behind_is_not_published_over_what_a_person_chose() {
    let clock = Arc::new(ManualClock::new(at("2026-01-31T04:00:00Z")));
    let store = MemoryStore::default();
    let first = published(&store, "city", set(&["North"], 40.0)).await.unwrap();
    published(&store, "city", set(&["North"], 41.0)).await.unwrap();
    let asked = RunRequest {
        scope: "city".to_owned(),
        requested_at: clock.now() - Duration::from_secs(3600),
        ..crate::job::plan().request
    };
    let run_id = store.request(&asked).await.unwrap();
    let published_at = clock.now() - Duration::from_secs(1800);
    let choice = Publication { published_at, ..publication("city", first, "rollback") };
    store.publish(&choice, None).await.unwrap();
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let stage = Stage::new(&clock).with("city", shared, rules(), |_| Feed::Times(1.0));
    stage.play_until(clock.now() + Duration::from_secs(30)).await;
    let row = store.run(run_id).await.unwrap().unwrap();
    assert_eq!(row.status, RunStatus::Abandoned);
    assert!(row.message.ends_with("timer made run 1 current since (rollback)"), "{}", row.message);
    assert_eq!(store.mark("city").await.unwrap().unwrap(), choice);
}

#[tokio::test]
async fn a_store_that_is_away_ends_the_night_and_not_the_schedule() {
    let clock = Arc::new(ManualClock::new(at("2026-01-10T12:00:00Z")));
    let store = MemoryStore::default();
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let stage = Stage::new(&clock)
        .with("city", Arc::clone(&shared), rules(), |_| Feed::Times(1.0))
        .away_between(at("2026-01-11T01:00:00Z"), at("2026-01-11T01:33:00Z"));
    let status = stage.play_until(at("2026-01-11T12:00:00Z")).await;
    let runs = ledger(&*shared).await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0].request.slot.as_deref(), Some("2026-01-11T01:30:00Z"));
    assert_eq!(runs[0].request.requested_at, at("2026-01-11T01:35:00Z"));
    assert_eq!(status.scopes[0].last_error, None);
    assert_eq!(runs[0].status, RunStatus::Done);
}

/// A request that waits long may be begun by another process than its own: once, and whoever comes
/// too late leaves it alone.
#[tokio::test]
async fn a_request_is_begun_once_whoever_comes() {
    let store = MemoryStore::default();
    let clock = Arc::new(ManualClock::new(at("2026-01-10T12:00:00Z")));
    let plan = crate::job::plan();
    let run_id = store.request(&plan.request).await.unwrap();
    let hold = Hold::default();
    let records = || MemorySource::of_rows(crate::job::rows(&[("North", 300, 1.0)]), 100);
    let world = |source| World {
        source: Arc::new(source),
        store: Arc::new(store.clone()),
        clock: clock.clone(),
    };
    let cancel = CancellationToken::new();
    let held = world(records().holding_after(1, hold.clone()));
    let free = world(records());
    let late = async {
        hold.reached().await;
        let picked_up = pick_up(run_id, &plan, &free, &Silent, &cancel).await;
        assert!(picked_up.unwrap().is_none());
        let own = execute_requested(run_id, &plan, &free, &Silent, &cancel).await;
        let JobError::Store { cause, .. } = own.unwrap_err() else { panic!("another error") };
        assert_eq!(cause.kind, FailureKind::Taken);
        hold.release();
    };
    let (begun, ()) = tokio::join!(pick_up(run_id, &plan, &held, &Silent, &cancel), late);
    assert_eq!(begun.unwrap().unwrap().status, RunStatus::Done);
    let statuses: Vec<_> = ledger(&store).await.iter().map(|run| run.status).collect();
    assert_eq!(statuses, [RunStatus::Done]);
}
