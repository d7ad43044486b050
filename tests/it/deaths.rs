//! A death at every step of whatever writes to the store: the next night is good, without a person.
//!
//! The steps are the calls through the ports, before and after each. The work is done in a process of
//! its own, this test binary started again, which stands still at the step until it is killed; or it
//! panics there. What it leaves stays where it is for everything that follows. Where the system allows
//! it, the processes have the number 1, as in a container.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, a process of a test says how far it came"
)]

mod steps;
mod work;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _};
use rusqlite::Connection;
use speedfit::adapters::embedded::{Embedded, Mode};
use speedfit::bootstrap::{Ask, Launch, clock};
use speedfit::config::Settings;
use speedfit::domain::{RunStatus, Trigger};
use speedfit::job::Silent;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::support;
use crate::support::program::Desk;
use steps::{Death, Gate, REACHED};
use work::work;

/// What the process of a test finds in its folder: the work, and the step.
const SCRIPT: &str = "script";
/// What it says where the work came to its end before the step.
const OVER: &str = "the work is over";

/// The process that is killed. Without a script it has nothing to do.
#[test]
fn process() {
    let Ok(script) = std::fs::read_to_string(SCRIPT) else { return };
    let (name, at) = script.split_once(' ').unwrap();
    let gate = Gate::new(at.parse().unwrap(), Death::Kill);
    let folder = std::env::current_dir().unwrap();
    runtime().block_on(work(name, &folder, &gate)).unwrap();
    println!("{OVER}");
}

/// One worker, as on the smallest machine.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A store with two good nights, so that there is something to lose and something to go back to.
fn two_nights() -> Desk {
    let desk = Desk::new();
    let mut text =
        String::from("incident_id,region,occurred_at,priority,distance_km,travel_time_s\n");
    for nth in 0..240 {
        let distance_km = 0.2 + f64::from(nth % 97) * 0.05;
        let factor = 0.8 + f64::from(nth % 13) * 0.03;
        let time_s = 120.0 * (distance_km / 0.5).sqrt() * factor;
        let region = ["North", "South", "Harbour"][nth as usize % 3];
        text.push_str(&format!(
            "I{nth},{region},2026-01-05T10:00:00Z,1,{distance_km:.2},{time_s:.1}\n"
        ));
    }
    desk.write("trips.csv", &text);
    desk.expect(0, &["import", "trips.csv"]);
    for _ in 0..2 {
        night(&desk, "at first");
    }
    desk
}

/// Puts the store into the state that the work is for.
fn prepare(name: &str, desk: &Desk, runtime: &Runtime) {
    if name == "retry" {
        // A run that died at work.
        runtime.block_on(async {
            let store = Embedded::open(&desk.path("speedfit.db"), Mode::Existing).await.unwrap();
            support::running(&store, "default").await.unwrap();
        });
    }
}

/// Does the work in a process of its own and kills it at the step; false where it ended before.
fn killed_at(name: &str, step: usize, desk: &Desk, is_first: bool) -> bool {
    desk.write(SCRIPT, &format!("{name} {step}"));
    let program = std::env::current_exe().unwrap();
    let args = ["deaths::process", "--exact", "--nocapture", "--test-threads=1"];
    let mut command = if is_first {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.args(args).current_dir(desk.path("")).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let is_told = |line: &String| line.contains(REACHED) || line.contains(OVER);
    let told = lines.find(is_told).unwrap_or_else(|| panic!("{name} {step}: it ended early"));
    let is_reached = told.contains(REACHED);
    if is_reached {
        child.kill().unwrap();
    }
    // Until everybody who holds the pipe is gone.
    lines.for_each(drop);
    child.wait().unwrap();
    std::fs::remove_file(desk.path(SCRIPT)).unwrap();
    is_reached
}

/// Whether processes may be given the number 1 here.
fn may_be_first() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "true"]);
    let may = command.output().is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("skipped: processes with the number 1, which the system does not allow here");
    }
    may
}

/// The next night, by the program.
fn night(desk: &Desk, case: &str) {
    // An import that is made again loads its records twice, which the gate would refuse.
    let args = "run --set fit.workers=1 --set output.dir=output --set accept.repeated_ids=refuse";
    let args: Vec<&str> = args.split(' ').collect();
    let mut command = desk.command(&args);
    let output = command.env("TOKIO_WORKER_THREADS", "1").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{case}: {stderr}");
    assert_good(desk, case);
}

/// The next night, by the same wiring in this process.
fn quick_night(desk: &Desk, case: &str, runtime: &Runtime) {
    let status = runtime.block_on(async {
        let loaded = Settings::load(&work::sources(&desk.path(""))).unwrap();
        let ask = Ask::new(Trigger::Operator, "next night");
        let launch = Launch::prepare(&loaded, ask, clock()).await.unwrap();
        let launched = launch.run(&Silent, &CancellationToken::new()).await;
        let launched = launched.unwrap_or_else(|error| panic!("{case}: {error}"));
        launched.outputs.unwrap_or_else(|error| panic!("{case}: {error}"));
        launched.report.status
    });
    assert_eq!(status, RunStatus::Done, "{case}");
    assert_good(desk, case);
}

/// The newest run is done and current, whole; nothing works, nothing waits, and nothing lies about.
fn assert_good(desk: &Desk, case: &str) {
    let database = Connection::open(desk.path("speedfit.db")).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let open = "SELECT COUNT(*) FROM run WHERE status IN ('requested', 'running')";
    assert_eq!(number(open), 0, "{case}");
    let newest = number("SELECT MAX(id) FROM run");
    assert_eq!(number("SELECT run_id FROM current_run"), newest, "{case}");
    let done = format!("SELECT COUNT(*) FROM run WHERE id = {newest} AND status = 'done'");
    assert_eq!(number(&done), 1, "{case}");
    assert_eq!(number("SELECT COUNT(*) FROM current_parameters"), 9, "{case}");
    let intact: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok", "{case}");
    let left: Vec<_> = names(&desk.path("output"));
    assert!(left.contains(&"run_results.json".to_owned()), "{case}: {left:?}");
    assert!(left.iter().all(|name| !name.starts_with('.')), "{case}: {left:?}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every step of the work; every tenth night is the program's, all others this process's.
fn check(name: &str) {
    let (desk, runtime) = (two_nights(), runtime());
    prepare(name, &desk, &runtime);
    let gate = Gate::new(usize::MAX, Death::Panic);
    runtime.block_on(work(name, &desk.path(""), &gate)).unwrap();
    let steps = gate.names();
    assert!(steps.len() >= 6, "{steps:?}");
    let (is_first, mut n_reached) = (may_be_first(), 0);
    for (nth, step) in steps.iter().enumerate() {
        let case = format!("{name}, killed {step}, step {}", nth + 1);
        prepare(name, &desk, &runtime);
        n_reached += usize::from(killed_at(name, nth + 1, &desk, is_first));
        if nth % 10 == 0 {
            night(&desk, &case);
        } else {
            quick_night(&desk, &case, &runtime);
        }
        let case = format!("{name}, panicked {step}, step {}", nth + 1);
        prepare(name, &desk, &runtime);
        let gate = Gate::new(nth + 1, Death::Panic);
        let folder = desk.path("");
        let own_name = name.to_owned();
        let own_gate = Arc::clone(&gate);
        // Some panics are caught on the way, as they should be: then the work ends by itself.
        let _ = runtime.block_on(runtime.spawn(async move {
            let _ = work(&own_name, &folder, &own_gate).await;
        }));
        if nth % 10 == 5 { night(&desk, &case) } else { quick_night(&desk, &case, &runtime) }
    }
    // What is there to prune differs from night to night.
    assert!(n_reached + 8 >= steps.len(), "{name}: {n_reached} of {steps:?}");
    night(&desk, name);
    desk.expect(0, &["import", "trips.csv", "--again"]);
}

#[test]
fn a_death_at_every_step_of_a_run() {
    check("run");
}

#[test]
fn a_death_at_every_step_of_a_retry() {
    check("retry");
}

#[test]
fn a_death_at_every_step_of_a_backfill() {
    check("backfill");
}

#[test]
fn a_death_at_every_step_of_an_import() {
    check("import");
}

/// What a person or a timer starts, and may be killed at any moment of.
const COMMANDS: [&[&str]; 6] = [
    &["run"],
    &["retry", "--reason", "again"],
    &[
        "backfill",
        "--from",
        "2026-01-05",
        "--to",
        "2026-01-07",
        "--step",
        "1d",
        "--reprocess",
        "completed",
    ],
    &["publish", "1", "--reason", "the first"],
    &["rollback", "--reason", "the one before"],
    &["import", "trips.csv", "--again"],
];

/// Kills the program at moments that a seed draws, whatever it does then; every night after it is good.
fn killed_at_random(n_kills: usize, seed: u64) {
    let desk = two_nights();
    let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let (begun, args) = (std::time::Instant::now(), ["run"]);
    desk.expect(0, &args);
    let whole = begun.elapsed();
    let mut n_killed = 0;
    for nth in 0..n_kills {
        let args = COMMANDS[nth % COMMANDS.len()];
        let mut child = desk.start(&[args, &["--set", "output.dir=output"]].concat());
        // Which moment it is, is of no importance, only that it is another each time.
        std::thread::sleep(whole.mul_f64(chance.random_range(0.0..1.0)));
        child.kill().unwrap();
        let killed = child.wait().unwrap().code().is_none();
        n_killed += usize::from(killed);
        let case = format!("{args:?}, killed: {killed}, number {nth} of seed {seed}");
        let status = desk.expect(0, &["status", "--json"]).json();
        assert_ne!(status["running_is_alive"], true, "{case}");
        night(&desk, &case);
    }
    assert!(n_killed * 3 >= n_kills, "{n_killed} of {n_kills} were killed at work");
}

#[test]
fn the_program_may_be_killed_at_any_moment() {
    let asked = std::env::var("SPEEDFIT_TEST_CASES").ok();
    killed_at_random(asked.map_or(18, |n| n.parse().unwrap()), 1);
}

#[test]
fn a_death_at_every_step_of_publish_and_rollback() {
    check("publish");
    check("rollback");
}

#[test]
fn a_death_at_every_step_of_a_try_of_the_schedule() {
    check("schedule");
}
