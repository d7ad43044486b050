//! Nights of the real binary, and what is told of them.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::OpenOptions;
use std::process::Command;

use serde_json::Value;

use super::exposition::Exposition;
use super::receiver::{Answer, Receiver};
use crate::support::program::{Desk, Ended};

/// What must be seen nowhere.
const KEY: &str = "k3y-that-signs";
const PATH: &str = "/hooks/p4th-that-is-secret";

/// A desk whose runs tell a receiver.
pub(super) struct Night {
    pub(super) desk: Desk,
    pub(super) receiver: Receiver,
    /// All that was printed.
    printed: String,
}

impl Night {
    pub(super) async fn new(script: &[Answer]) -> Self {
        let desk = Desk::new();
        let mut text =
            "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n".to_owned();
        for nth in 0..600 {
            let distance_km = 0.2 + f64::from(nth % 97) * 0.05;
            let factor = 0.8 + f64::from(nth % 13) * 0.03;
            let travel_time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
            let region = ["North", "South", "Harbour"][nth as usize % 3];
            text.push_str(&format!(
                "I{nth},{region},2026-01-05T10:00:00Z,1,{distance_km:.2},{travel_time_s:.1}\n"
            ));
        }
        text.push_str("I-bad,North,2026-01-05T10:00:00Z,1,1.00,-5\n");
        desk.write("trips.csv", &text);
        desk.expect(0, &["import", "trips.csv"]);
        Self { desk, receiver: Receiver::new(script).await, printed: String::new() }
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.desk.command(args);
        command.args(["--log-level", "trace"]);
        command.env("SPEEDFIT_WEBHOOK_URL", self.receiver.url(PATH));
        command.env("SPEEDFIT_WEBHOOK_SECRET", KEY);
        command
    }

    /// A run that must end so.
    pub(super) fn run(&mut self, code: i32, flags: &[&str]) -> Ended {
        let mut command = self.command(&["run"]);
        let ended =
            tokio::task::block_in_place(|| Ended::of(command.args(flags).output().unwrap()));
        assert_eq!(ended.code, Some(code), "{flags:?}: {} {}", ended.stdout, ended.stderr);
        self.printed.push_str(&ended.stdout);
        self.printed.push_str(&ended.stderr);
        ended
    }

    /// Event, run and previous run of each notice, in order.
    pub(super) fn told(&self) -> Vec<String> {
        let got = self.receiver.got();
        let notices = got.iter().filter(|got| got.path == PATH);
        let one = |body: Value| {
            let (run, previous) = (&body["run"]["id"], &body["previous"]["id"]);
            format!("{} run {run} after {previous}", body["event"].as_str().unwrap())
        };
        notices
            .map(|got| {
                assert!(got.is_signed_by(KEY));
                assert_eq!(got.json()["event"], got.header("x-speedfit-event"));
                assert_eq!(got.json()["delivery"], got.header("x-speedfit-delivery"));
                one(got.json())
            })
            .collect()
    }

    pub(super) fn json(&self, args: &[&str]) -> Value {
        self.desk.expect(0, args).json()
    }
}

pub(super) const MISSING: [&str; 4] =
    ["--set", "source.kind=file", "--set", "file.path=missing.csv"];
const IMPLAUSIBLE: [&str; 4] =
    ["--set", "judge.min_cruise_speed_kmh=1", "--set", "judge.max_cruise_speed_kmh=2"];

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_of_what_went_wrong_and_that_it_is_well_again() {
    // The second notice is taken at its third try only, and nothing is waited for.
    let at_once = |status| Answer::With(status, "retry-after", "0".to_owned());
    let script = [Answer::Status(204), at_once(500), at_once(429)];
    let mut night = Night::new(&script).await;
    night.run(0, &[]);
    assert_eq!(night.told(), Vec::<String>::new());
    night.run(4, &MISSING);
    night.run(7, &IMPLAUSIBLE);
    night.run(0, &[]);
    night.run(0, &[]);
    night.run(4, &[&MISSING[..], &["--dry-run"]].concat());
    night.run(4, &[&MISSING[..], &["--set", "notify.on=recovered"]].concat());
    let expected = [
        "failed run 2 after 1",
        "refused run 3 after 2",
        "refused run 3 after 2",
        "refused run 3 after 2",
        "recovered run 4 after 3",
    ];
    assert_eq!(night.told(), expected);
    let got = night.receiver.got();
    let ids: Vec<_> = got.iter().map(|got| got.header("x-speedfit-delivery")).collect();
    assert!(ids[1] == ids[2] && ids[2] == ids[3] && ids[0] != ids[1] && ids[3] != ids[4]);
    // What is told is the ledger's row.
    let runs = night.json(&["runs", "--json", "--limit", "0"]);
    let row = |id: i64| runs.as_array().unwrap().iter().find(|run| run["id"] == id).unwrap();
    assert_eq!(&got[0].json()["run"], row(2));
    assert_eq!(&got[4].json()["run"], row(4));
    assert!(got[0].json()["message"].as_str().unwrap().contains("missing.csv"));
    for secret in [KEY, "p4th-that-is-secret"] {
        assert!(!night.printed.contains(secret), "{secret} was printed");
        let ledger = std::fs::read(night.desk.path("speedfit.db")).unwrap();
        assert!(!ledger.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
    assert!(night.printed.contains("the webhook was told"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_is_told_of_by_the_next() {
    let mut night = Night::new(&[]).await;
    let pipe = night.desk.path("pipe.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let path = format!("file.path={}", pipe.display());
    let mut command = night.command(&["run", "--set", "source.kind=file", "--set", &path]);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    // The pipe opens when the run, by then in the ledger as running, reads it.
    let held = tokio::task::block_in_place(|| OpenOptions::new().write(true).open(&pipe).unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    drop(held);
    night.run(0, &[]);
    assert_eq!(night.told(), ["failed run 1 after null", "recovered run 2 after 1"]);
    assert_eq!(night.receiver.got()[0].json()["status"], "abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_reached_is_told_of_all_the_same() {
    let mut night = Night::new(&[]).await;
    night.run(5, &["--set", "embedded.path=."]);
    assert_eq!(night.told(), ["failed run null after null"]);
    let body = night.receiver.got()[0].json();
    assert_eq!((&body["exit_code"], &body["scope"]), (&Value::from(5), &Value::from("default")));
    assert!(body["message"].as_str().unwrap().contains("cannot open the store"), "{body}");
    assert!(!body["hint"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_changes_nothing_but_the_log() {
    let mut night = Night::new(&[Answer::Status(404)]).await;
    let ended = night.run(4, &MISSING);
    assert!(ended.stderr.contains("the webhook could not be told"), "{}", ended.stderr);
    assert!(ended.stderr.contains("answered 404 (1 try)"), "{}", ended.stderr);
    assert!(!night.printed.contains("p4th-that-is-secret"));
    let mut command = night.desk.command(&["run"]);
    command.env("SPEEDFIT_WEBHOOK_URL", "http://hooks.example.org/p4th-that-is-secret");
    let refused = Ended::of(command.output().unwrap());
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    let expected =
        "error: `SPEEDFIT_WEBHOOK_URL` must be `https://…`, or `http://…` of this machine\n";
    assert!(refused.stderr.starts_with(expected), "{}", refused.stderr);
    assert!(!refused.stderr.contains("p4th-that-is-secret"));
}

/// The file's numbers beside the ledger's.
fn check_file(night: &Night, last: i64, success: i64, current: i64) -> Exposition {
    let text = std::fs::read_to_string(night.desk.path("city.prom")).unwrap();
    let read = Exposition::parse(&text).unwrap();
    let runs = night.json(&["runs", "--json", "--limit", "0", "--scope", "city"]);
    let row =
        |id: i64| runs.as_array().unwrap().iter().find(|run| run["id"] == id).unwrap().clone();
    let scope = |name: &str| read.value(name, "scope=city");
    let labelled = |name: &str, label: &str| read.value(name, &format!("scope=city,{label}"));
    let unix_s = |moment: &Value| {
        let moment: jiff::Timestamp = moment.as_str().unwrap().parse().unwrap();
        Some(moment.as_microsecond() as f64 / 1e6)
    };
    let run = row(last);
    assert_eq!(scope("speedfit_run_last_id"), Some(last as f64));
    assert_eq!(scope("speedfit_run_last_exit_code"), run["exit_code"].as_f64());
    assert_eq!(scope("speedfit_run_last_timestamp_seconds"), unix_s(&run["finished_at"]));
    let success = row(success);
    let name = "speedfit_run_last_success_timestamp_seconds";
    assert_eq!(scope(name), unix_s(&success["finished_at"]));
    for status in read.label_values("speedfit_run_last_status", "status") {
        let expected = if run["status"] == status.as_str() { 1.0 } else { 0.0 };
        let found = labelled("speedfit_run_last_status", &format!("status={status}"));
        assert_eq!(found, Some(expected), "{status}");
    }
    for fate in ["read", "used", "refused"] {
        let found = labelled("speedfit_rows", &format!("fate={fate}"));
        assert_eq!(found, run[format!("rows_{fate}")].as_f64(), "{fate}");
    }
    for outcome in ["fitted", "pooled", "fallback", "carried_over", "failed", "cancelled"] {
        let found = labelled("speedfit_groups", &format!("outcome={outcome}"));
        assert_eq!(found, run[format!("groups_{outcome}")].as_f64(), "{outcome}");
    }
    assert_eq!(scope("speedfit_current_run_id"), Some(current as f64));
    assert!(labelled("speedfit_run_duration_seconds", "phase=total").unwrap() >= 0.0);
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_of_a_scope_are_those_of_its_ledger() {
    let mut night = Night::new(&[]).await;
    let push = format!("metrics.push_url={}", night.receiver.url("/gateway"));
    let flags = ["--scope", "city", "--set", "metrics.file={scope}.prom", "--set", push.as_str()];
    night.run(0, &flags);
    let read = check_file(&night, 1, 1, 1);
    let reasons = read.label_values("speedfit_rows_refused", "reason");
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), ["time_not_positive"]);
    let phases = read.label_values("speedfit_run_duration_seconds", "phase");
    assert_eq!(
        phases.into_iter().collect::<Vec<_>>(),
        ["fit", "judge", "publish", "read", "total"]
    );
    night.run(4, &[&flags[..], &MISSING].concat());
    check_file(&night, 2, 1, 1);
    night.run(7, &[&flags[..], &IMPLAUSIBLE].concat());
    check_file(&night, 3, 1, 1);
    // A scope with a name of every kind of character, in a file of its own.
    let odd = r#"a\b "c", {d}=é"#;
    let flags = [&["--scope", odd], &flags[2..]].concat();
    night.run(0, &flags);
    check_file(&night, 3, 1, 1);
    let file = "a%5Cb%20%22c%22%2C%20%7Bd%7D%3D%C3%A9.prom";
    let text = std::fs::read_to_string(night.desk.path(file)).unwrap();
    let read = Exposition::parse(&text).unwrap();
    let scopes = read.label_values("speedfit_build_info", "scope");
    assert_eq!(scopes.into_iter().collect::<Vec<_>>(), [odd]);
    // The gateway got the same texts.
    let got = night.receiver.got();
    let pushed: Vec<_> = got.iter().filter(|got| got.method == "PUT").collect();
    assert_eq!(pushed.len(), 4);
    assert_eq!(pushed[0].path, "/gateway/metrics/job/speedfit/scope/city");
    assert_eq!(pushed[3].path, "/gateway/metrics/job/speedfit/scope@base64/YVxiICJjIiwge2R9PcOp");
    assert_eq!(pushed[3].body, text.as_bytes());
    assert_eq!(pushed[3].header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_metrics_is_not_taken_from_another_scope() {
    let mut night = Night::new(&[]).await;
    let flags = ["--set", "metrics.file=all.prom", "--scope"];
    night.run(0, &[&flags[..], &["city"]].concat());
    let before = std::fs::read_to_string(night.desk.path("all.prom")).unwrap();
    let ended = night.run(0, &[&flags[..], &["town"]].concat());
    assert!(
        ended.stderr.contains("`all.prom` holds the metrics of scope `city`"),
        "{}",
        ended.stderr
    );
    assert_eq!(std::fs::read_to_string(night.desk.path("all.prom")).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_run_are_copied_and_a_failure_is_said() {
    let mut night = Night::new(&[]).await;
    let to = night.desk.path("bucket");
    let upload = format!("output.upload_url=file://{}/nights", to.display());
    let ended = night.run(0, &["--set", &upload]);
    assert!(
        ended.stdout.contains(&format!("copied    file://{}/nights/default/run-1\n", to.display()))
    );
    for name in ["run_results.json", "report.html"] {
        let own = std::fs::read(night.desk.path("speedfit-output").join(name)).unwrap();
        for folder in ["run-1", "latest"] {
            let copy = to.join("nights/default").join(folder).join(name);
            assert_eq!(std::fs::read(copy).unwrap(), own, "{folder}/{name}");
        }
    }
    // A file stands where the folder should be.
    night.desk.write("taken", "");
    let taken = format!("output.upload_url=file://{}/x", night.desk.path("taken").display());
    let ended = night.run(0, &["--set", &taken]);
    assert!(ended.stdout.contains("copied    no: "), "{}", ended.stdout);
    assert!(ended.stderr.contains("the files of the run could not be copied"), "{}", ended.stderr);
    let wrong = night.run(3, &["--set", "output.upload_url=https://example.org/x?sig=s3cret"]);
    assert!(!wrong.stderr.contains("s3cret"), "{}", wrong.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_run_says_which_and_every_group_where() {
    let night = Night::new(&[]).await;
    let mut command = night.desk.command(&["run", "--log-level", "debug", "--scope", "city"]);
    let ended = tokio::task::block_in_place(|| Ended::of(command.output().unwrap()));
    let lines: Vec<Value> =
        ended.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let ours =
        |line: &&Value| line["target"].as_str().is_some_and(|t| t.starts_with("speedfit::job"));
    let of_run: Vec<_> = lines.iter().filter(ours).collect();
    assert!(of_run.len() >= 4, "{}", ended.stderr);
    for line in &of_run {
        let span = &line["spans"][0];
        let told = (&span["name"], &span["run"], &span["scope"]);
        assert_eq!(told, (&"run".into(), &1.into(), &"city".into()), "{line}");
    }
    let regions: std::collections::BTreeSet<_> =
        of_run.iter().filter_map(|line| line["region"].as_str()).collect();
    assert_eq!(regions.into_iter().collect::<Vec<_>>(), ["Harbour", "North", "South"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_hangs_does_not_hold_a_stopped_run() {
    let night = Night::new(&[Answer::Hang, Answer::Hang]).await;
    let pipe = night.desk.path("pipe.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let path = format!("file.path={}", pipe.display());
    let push = format!("metrics.push_url={}", night.receiver.url("/gateway"));
    let mut command = night.command(&["run", "--set", "source.kind=file", "--set", &path]);
    command.args(["--set", "metrics.file=speedfit.prom", "--set", &push]);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let (held, code, took) = tokio::task::block_in_place(|| {
        let held = OpenOptions::new().write(true).open(&pipe).unwrap();
        let asked = std::time::Instant::now();
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        (held, child.wait().unwrap().code(), asked.elapsed())
    });
    drop(held);
    assert_eq!(code, Some(130));
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
    // Nobody is told of what somebody stopped, but the file says so.
    assert_eq!(night.told(), Vec::<String>::new());
    let text = std::fs::read_to_string(night.desk.path("speedfit.prom")).unwrap();
    let read = Exposition::parse(&text).unwrap();
    let status =
        |status| read.value("speedfit_run_last_status", &format!("scope=default,status={status}"));
    assert_eq!((status("cancelled"), status("failed")), (Some(1.0), Some(0.0)));
}
