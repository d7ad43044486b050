//! Runs of several shards, and what is told of them: which failure, by whom, how often.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use speedfit::adapters::embedded::{Embedded, Mode};
use speedfit::bootstrap::{Ask, Launch, LaunchError, Launched};
use speedfit::config::{Environment, Loaded, Override, Settings, Sources};
use speedfit::domain::{RunId, RunRequest, Shard, Trigger};
use speedfit::job::{ShardOutcome, Silent};
use speedfit::ports::{Clock, RunJournal as _, ShardStage as _, StagedShard};
use tokio_util::sync::CancellationToken;

use super::exposition::Exposition;
use super::program::{MISSING, Night};
use super::receiver::Receiver;
use crate::support::program::Ended;
use crate::support::{at, request};

/// The default of `shards.expire_s`.
const EXPIRE: Duration = Duration::from_secs(21_600);

/// A night that stands still: whoever waits a moment for another process looks again at once, and no
/// limit in time is ever reached.
struct NightClock(Timestamp);

#[async_trait]
impl Clock for NightClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, duration: Duration) {
        if duration > Duration::from_secs(1) {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
    }
}

/// A scope in a folder of its own, whose shards read `trips.csv`, at whatever time.
struct Job {
    dir: tempfile::TempDir,
    receiver: Receiver,
}

impl Job {
    async fn new() -> Self {
        let job = Self { dir: tempfile::tempdir().unwrap(), receiver: Receiver::new(&[]).await };
        job.provide();
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts the records there.
    fn provide(&self) {
        let mut text = "incident_id,region,distance_km,travel_time_s\n".to_owned();
        for nth in 0..600_u32 {
            let distance_km = 0.2 + f64::from(nth % 97) * 0.05;
            let factor = 0.8 + f64::from(nth % 13) * 0.03;
            let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
            let region = ["North", "South", "Harbour"][nth as usize % 3];
            text.push_str(&format!("I{nth},{region},{distance_km:.2},{travel_time_s:.1}\n"));
        }
        fs::write(self.path("trips.csv"), text).unwrap();
    }

    /// Takes them away.
    fn withhold(&self) {
        fs::remove_file(self.path("trips.csv")).unwrap();
    }

    fn loaded(&self, store: &str) -> Loaded {
        let settings = [
            ("scope", "city".to_owned()),
            ("source.kind", "file".to_owned()),
            ("file.path", self.path("trips.csv").display().to_string()),
            ("embedded.path", self.path(store).display().to_string()),
            ("output.dir", self.path("output").display().to_string()),
            ("metrics.file", self.path("{scope}.prom").display().to_string()),
        ];
        let overrides =
            settings.iter().map(|(key, value)| Override::new("--set", key, value)).collect();
        let environment = Environment::from_iter([(
            "SPEEDFIT_WEBHOOK_URL".to_owned(),
            self.receiver.url("/hook"),
        )]);
        let config_dir = Some(self.path("config"));
        fs::create_dir_all(self.path("config")).unwrap();
        Settings::load(&Sources { environment, config_dir, overrides, ..Sources::default() })
            .unwrap()
    }

    async fn shard_in(
        &self,
        store: &str,
        name: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<ShardOutcome<Launched>, LaunchError> {
        let (loaded, shard) = (self.loaded(store), name.parse::<Shard>().unwrap());
        let (clock, cancel) = (Arc::new(NightClock(now)), CancellationToken::new());
        let ask = Ask::new(Trigger::Timer, "night");
        let launch = Launch::open_shard(&loaded, ask, shard, clock, &cancel).await?;
        launch.run_shard(shard, Some(key.to_owned()), &Silent, &cancel).await
    }

    /// What became of a shard, in a word, and the exit code of what failed.
    async fn shard(&self, name: &str, key: &str, now: Timestamp) -> String {
        // On the heap: a test's stack does not hold several.
        match Box::pin(self.shard_in("speedfit.db", name, key, now)).await {
            Ok(ShardOutcome::Staged { run_id, .. }) => format!("staged in {run_id}"),
            Ok(ShardOutcome::Made(made)) => format!("made {}", made.report.status),
            Ok(ShardOutcome::Over(row)) => format!("over {}", row.status),
            Err(LaunchError::Job(failure)) => format!("failed {}", failure.exit_code()),
            Err(other) => format!("not opened: {other}"),
        }
    }

    /// An ordinary run.
    async fn run(&self, now: Timestamp, dry_run: bool) -> Launched {
        let (clock, cancel) = (Arc::new(NightClock(now)), CancellationToken::new());
        let ask = Ask { dry_run, ..Ask::new(Trigger::Timer, "schedule") };
        let launch = Launch::open(&self.loaded("speedfit.db"), ask, clock, &cancel).await;
        Box::pin(launch.unwrap().run(&Silent, &cancel)).await.unwrap()
    }

    /// Event, run and previous run of each notice since the last time, in order.
    fn told(&self, from: usize) -> Vec<String> {
        let got = self.receiver.got();
        let bodies = got[from..].iter().map(super::receiver::Got::json);
        bodies
            .map(|body| {
                let (run, previous) = (&body["run"]["id"], &body["previous"]["id"]);
                format!("{} run {run} after {previous}", body["event"].as_str().unwrap())
            })
            .collect()
    }

    /// The last run as the metrics tell it: number and status.
    fn measured(&self) -> (f64, String) {
        let text = fs::read_to_string(self.path("city.prom")).unwrap();
        let read = Exposition::parse(&text).unwrap();
        let id = read.value("speedfit_run_last_id", "scope=city").unwrap();
        let name = "speedfit_run_last_status";
        let is_it =
            |status: &String| read.value(name, &format!("scope=city,status={status}")) == Some(1.0);
        (id, read.label_values(name, "status").into_iter().find(is_it).unwrap())
    }
}

fn night(nth: u32) -> Timestamp {
    at("2026-03-01T02:00:00Z") + Duration::from_secs(86_400) * nth
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_shards_never_complete_is_told_of_by_the_next_run() {
    let job = Job::new().await;
    assert_eq!(job.shard("1/3", "a", night(0)).await, "staged in 1");
    assert_eq!(job.shard("3/3", "a", night(0)).await, "staged in 1");
    // In time, or by a run that leaves no trace, nothing is given up.
    assert_eq!(job.shard("3/3", "a", night(0) + EXPIRE).await, "staged in 1");
    job.run(night(1), true).await;
    assert_eq!(job.told(0), Vec::<String>::new());
    assert!(!job.path("city.prom").exists());

    job.run(night(1), false).await;
    assert_eq!(job.told(0), ["failed run 1 after null", "recovered run 2 after 1"]);
    let body = job.receiver.got()[0].json();
    assert_eq!(body["message"], "expired: 2 of 3 shards were staged in time; missing: 2/3");
    assert_eq!((&body["exit_code"], &body["at"]), (&4.into(), &body["run"]["finished_at"]));
    let hint = body["hint"].as_str().unwrap();
    assert!(hint.contains("log of the shards") && hint.contains("speedfit retry 1"), "{hint}");
    assert_eq!(job.measured(), (2.0, "done".to_owned()));
    job.run(night(2), false).await;
    assert_eq!(job.told(2), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_shards_that_find_a_run_expired_one_tells() {
    let job = Job::new().await;
    job.shard("1/3", "a", night(0)).await;
    // All of the next night at once, one of them twice, and one that belonged to the run.
    let (one, two, twice, three, late) = tokio::join!(
        job.shard("1/3", "b", night(1)),
        job.shard("2/3", "b", night(1)),
        job.shard("2/3", "b", night(1)),
        job.shard("3/3", "b", night(1)),
        job.shard("2/3", "a", night(1)),
    );
    let tonight = [one, two, twice, three];
    let n_made = tonight.iter().filter(|outcome| *outcome == "made done").count();
    assert_eq!(n_made, 1, "{tonight:?}");
    // It may have come while another held the lock, and is then a part of the run as before.
    assert!(["over failed", "staged in 1"].contains(&late.as_str()), "{late}");
    let mut told = job.told(0);
    told.sort();
    assert_eq!(told, ["failed run 1 after null", "recovered run 2 after 1"]);
    assert_eq!(job.measured(), (2.0, "done".to_owned()));
    assert_eq!(job.shard("2/3", "a", night(1)).await, "over failed");
    assert_eq!(job.told(2), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_finds_a_run_expired_tells_before_it_fails_itself() {
    let job = Job::new().await;
    job.shard("1/3", "a", night(0)).await;
    job.withhold();
    assert_eq!(job.shard("2/3", "b", night(1)).await, "failed 4");
    assert_eq!(job.told(0), ["failed run 1 after null"]);
    assert_eq!(job.measured(), (1.0, "failed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_shards_that_fail_alike_the_first_tells() {
    let job = Job::new().await;
    job.withhold();
    // Each is tried three times, as a Job would.
    for name in ["3/3", "2/3"].repeat(3) {
        assert_eq!(job.shard(name, "a", night(0)).await, "failed 4");
    }
    assert_eq!(job.told(0), Vec::<String>::new());
    assert_eq!(job.shard("1/3", "a", night(0)).await, "failed 4");
    assert_eq!(job.told(0), ["failed run 1 after null"]);
    let body = job.receiver.got()[0].json();
    assert_eq!((&body["status"], &body["run"]["status"]), (&"failed".into(), &"requested".into()));
    assert!(body["message"].as_str().unwrap().contains("trips.csv"), "{body}");
    // The run is still open: with the records there again it is made, and all was well before.
    job.provide();
    for name in ["1/3", "2/3"] {
        assert_eq!(job.shard(name, "a", night(0)).await, "staged in 1");
    }
    assert_eq!(job.shard("3/3", "a", night(0)).await, "made done");
    assert_eq!(job.told(1), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_world_that_cannot_be_opened_the_first_shard_tells() {
    let job = Job::new().await;
    // A folder stands where the store should be.
    for name in ["2/3", "3/3"] {
        let failed = job.shard_in(".", name, "a", night(0)).await;
        assert!(matches!(failed, Err(LaunchError::World(_))), "{name}");
    }
    assert_eq!(job.told(0), Vec::<String>::new());
    assert!(job.shard_in(".", "1/3", "a", night(0)).await.is_err());
    assert_eq!(job.told(0), ["failed run null after null"]);
    assert_eq!(job.receiver.got()[0].json()["exit_code"], 5);
}

/// A run of three shards that two have staged, asked for long ago.
async fn leave_behind(night: &Night) -> RunId {
    let store = Embedded::open(&night.desk.path("speedfit.db"), Mode::Existing).await.unwrap();
    let mut asked = RunRequest { trigger: Trigger::Timer, ..request("default") };
    asked.detail.n_shards = Some(3);
    let run_id = store.request(&asked).await.unwrap();
    for index in [1, 2] {
        let shard = StagedShard {
            index,
            load_key: 7,
            n_parts: 0,
            n_rows: 0,
            staged_at: asked.requested_at,
        };
        store.seal_shard(run_id, &shard).await.unwrap();
    }
    run_id
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_tells_of_shards_once() {
    let mut night = Night::new(&[]).await;
    assert_eq!(leave_behind(&night).await, RunId(1));
    let shard = |name: &'static str| ["--shard", name, "--shard-key", "n", "--set"];
    let metrics = "metrics.file=speedfit.prom";
    let missing = |name| [&shard(name)[..], &[metrics], &MISSING].concat();

    // The first that comes finds it, whatever becomes of itself, and no other.
    night.run(4, &missing("2/3"));
    assert_eq!(night.told(), ["failed run 1 after null"]);
    let text = fs::read_to_string(night.desk.path("speedfit.prom")).unwrap();
    let read = Exposition::parse(&text).unwrap();
    assert_eq!(read.value("speedfit_run_last_id", "scope=default"), Some(1.0));
    let status = read.value("speedfit_run_last_status", "scope=default,status=failed");
    assert_eq!(status, Some(1.0));
    night.run(4, &missing("2/3"));
    night.run(4, &missing("3/3"));
    assert_eq!(night.told().len(), 1);
    // What is told is the ledger's row.
    let runs = night.json(&["runs", "--json", "--limit", "0"]);
    let row = |id: i64| runs.as_array().unwrap().iter().find(|run| run["id"] == id).unwrap();
    assert_eq!(&night.receiver.got()[0].json()["run"], row(1));
    // Of the others' failure the first shard tells; of a store that none can open, too.
    night.run(4, &missing("1/3"));
    let closed = |name| [&shard(name)[..], &["embedded.path=."]].concat();
    night.run(5, &closed("2/3"));
    night.run(5, &closed("1/3"));
    let so_far =
        ["failed run 1 after null", "failed run 2 after null", "failed run null after null"];
    assert_eq!(night.told(), so_far);

    // The next night, all at once: whoever ends the run before tells, the last tells of its own.
    assert_eq!(leave_behind(&night).await, RunId(3));
    let start = |name: &str| {
        let mut command = night.command(&["run", "--shard", name, "--shard-key", "m"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let shards = ["1/3", "2/3", "3/3"].map(start);
    let ended = shards
        .map(|child| tokio::task::block_in_place(|| Ended::of(child.wait_with_output().unwrap())));
    for end in ended {
        assert_eq!(end.code, Some(0), "{}{}", end.stdout, end.stderr);
    }
    let mut told = night.told().split_off(so_far.len());
    told.sort();
    assert_eq!(told, ["failed run 3 after 1", "recovered run 4 after 3"]);
    let runs = night.json(&["runs", "--json", "--limit", "0"]);
    let message = |id: i64| -> &Value {
        &runs.as_array().unwrap().iter().find(|run| run["id"] == id).unwrap()["message"]
    };
    assert_eq!(message(3), "expired: 2 of 3 shards were staged in time; missing: 3/3");
}
