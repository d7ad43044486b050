//! `publish` and `rollback`: what becomes current, and what is refused.

use speedfit::domain::RunStatus;
use speedfit::ports::{RunJournal as _, ScopeLocks as _};

use super::{SOURCE, night, open, read_by_the_application, three_nights, write_trips};
use crate::support::program::Desk;
use crate::support::{ending, published, publishing, request, running, set};

const WHY: [&str; 2] = ["--reason", "bad feed"];

fn told(desk: &Desk, command: &[&str]) -> String {
    desk.expect(0, &[command, &WHY[..]].concat()).stdout
}

/// The command is refused with this text, and the application reads what it read.
fn refused(desk: &Desk, command: &[&str], expected: &str) {
    let before = read_by_the_application(desk);
    let moves = desk.expect(0, &["show", "current", "--json"]).json()["publications"].clone();
    let ended = desk.expect(8, &[command, &WHY[..]].concat());
    assert_eq!(ended.stderr, expected, "{command:?}");
    assert_eq!(ended.stdout, "");
    assert_eq!(read_by_the_application(desk), before);
    let after = desk.expect(0, &["show", "current", "--json"]).json();
    assert_eq!(after["publications"], moves);
}

#[test]
fn a_rollback_goes_back_and_publish_goes_forward() {
    let (desk, [first, second, third]) = three_nights();
    assert_eq!(read_by_the_application(&desk), third);
    let shown = told(&desk, &["rollback"]);
    let lines: Vec<&str> = shown.lines().collect();
    let head = format!("current   run {second} of scope default, instead of run {third}");
    assert_eq!(lines[0], head);
    assert!(
        lines[1].starts_with("by   ") && lines[1].ends_with(" (rollback), “bad feed”"),
        "{shown}"
    );
    let changes = format!("changes   from run {third} to run {second}: 2 groups changed");
    assert_eq!(lines[2], changes);
    assert_eq!(read_by_the_application(&desk), second);
    // Once more goes further back, not forward to the set that was left.
    told(&desk, &["rollback"]);
    assert_eq!(read_by_the_application(&desk), first);
    refused(
        &desk,
        &["rollback"],
        "error: there is nothing to roll back to: of the sets that were current before, none is \
         kept\nhint: `speedfit publish RUN` makes any run's set current\n",
    );
    told(&desk, &["publish", &third.to_string()]);
    assert_eq!(read_by_the_application(&desk), third);
    // A run publishes after it as ever, and is compared with what is current.
    let fourth = night(&desk, &[("North", 1.0), ("South", 1.0)]);
    assert_eq!(read_by_the_application(&desk), fourth);
}

#[test]
fn a_named_run_becomes_current_and_the_history_says_why() {
    let (desk, [first, _, third]) = three_nights();
    let moved = desk.expect(0, &["rollback", &first.to_string(), "--reason", "a “b”", "--json"]);
    let moved = moved.json();
    assert_eq!(moved["before"], third);
    assert_eq!(moved["publication"]["run_id"], first);
    assert_eq!(moved["publication"]["reason"], "rollback");
    assert_eq!(moved["publication"]["comment"], "a “b”");
    assert_eq!(moved["diff"]["groups"].as_array().unwrap().len(), 2);
    assert_eq!(read_by_the_application(&desk), first);
    let status = desk.expect(0, &["status", "--json"]).json();
    assert_eq!(status["current"], moved["publication"]);
    assert_eq!(status["last_published"]["run_id"], third);
    // Newest first; the first one lasts.
    let spans = desk.expect(0, &["show", &first.to_string(), "--json"]).json();
    let spans = spans["publications"].as_array().unwrap();
    let told: Vec<(&str, bool)> =
        spans.iter().map(|s| (s["reason"].as_str().unwrap(), s["until"].is_null())).collect();
    assert_eq!(told, [("rollback", true), ("run", false)]);
}

#[test]
fn what_passed_in_a_refused_run_can_be_published() {
    let desk = Desk::new();
    let first = night(&desk, &[("North", 1.0), ("South", 1.0), ("West", 1.0)]);
    write_trips(&desk, &[("North", 2.0), ("South", 2.0), ("West", 1.1)]);
    let run = desk.expect(7, &[&["run"], &SOURCE[..]].concat());
    assert!(run.stderr.contains("only 1 of 3 groups passed"), "{}", run.stderr);
    assert_eq!(read_by_the_application(&desk), first);
    // What the judge objected to is carried over in the set of that run.
    let diff = desk.expect(0, &["diff", "last", "--json"]).json();
    let changed: Vec<&serde_json::Value> =
        diff["groups"].as_array().unwrap().iter().map(|group| &group["region"]).collect();
    assert_eq!(changed, ["West"]);
    assert_eq!(diff["n_same"], 2);
    told(&desk, &["publish", "last"]);
    assert_eq!(read_by_the_application(&desk), first + 1);
}

#[test]
fn a_reason_must_be_given() {
    let (desk, [first, ..]) = three_nights();
    let first = first.to_string();
    for command in [&["publish", &first][..], &["rollback"], &["rollback", "--reason", ""]] {
        let ended = desk.expect(2, command);
        assert!(ended.stderr.contains("--reason"), "{}", ended.stderr);
    }
    desk.expect(2, &["rollback", "last", "--reason", "x"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_current_is_refused_with_a_reason() {
    let (desk, [first, _, third]) = three_nights();
    let store = open(&desk).await;
    let elsewhere = published(&store, "elsewhere", set(&["A"], 60.0)).await.unwrap();
    let stopped = running(&store, "default").await.unwrap();
    store.conclude(&ending(stopped, RunStatus::Cancelled)).await.unwrap();
    let asked = store.request(&request("default")).await.unwrap();
    let mut foreign = set(&["North", "South"], 60.0);
    foreign.groups[1].model = "spline".to_owned();
    let unknown = running(&store, "default").await.unwrap();
    let unpublished = |end| speedfit::ports::Conclusion { publication: None, ..end };
    store.conclude(&unpublished(publishing("default", unknown, foreign))).await.unwrap();

    let check = |run: i64, expected: &str| {
        for command in ["publish", "rollback"] {
            refused(&desk, &[command, &run.to_string()], expected);
            // Force is for lost groups only.
            refused(&desk, &[command, &run.to_string(), "--force"], expected);
        }
    };
    check(99, "error: there is no run 99\nhint: `speedfit runs` lists the runs\n");
    check(
        third,
        &format!("error: run {third} is current already\nhint: nothing needs to be done\n"),
    );
    check(
        elsewhere.0,
        &format!(
            "error: run {elsewhere} is of scope `elsewhere`, not of `default`\n\
             hint: `--scope elsewhere` names its scope\n"
        ),
    );
    check(
        stopped.0,
        &format!(
            "error: run {stopped} has no parameters: it ended early, or they were pruned\n\
             hint: `speedfit runs` lists the runs\n"
        ),
    );
    check(
        asked.0,
        &format!(
            "error: run {asked} is `requested`, and only a run that is over can be published\n\
             hint: wait for its end, or stop it\n"
        ),
    );
    check(
        unknown.0,
        &format!(
            "error: run {unknown} does not fit this version of speedfit: the parameters of group \
             `South` make no curve of model `spline`\n\
             hint: speedfit 0.1.0 made it, and can publish it\n"
        ),
    );
    let lock = store.try_lock("default").await.unwrap().unwrap();
    check(
        first,
        "error: a run of scope `default` is active, and nothing else may move its mark meanwhile\n\
         hint: `speedfit status` shows it; wait for its end, or stop it, then try again\n",
    );
    lock.release().await.unwrap();
    told(&desk, &["rollback", &first.to_string()]);
    assert_eq!(read_by_the_application(&desk), first);
}

#[test]
fn groups_are_lost_by_force_only() {
    let desk = Desk::new();
    let few = night(&desk, &[("North", 1.0)]);
    let all = [("East", 1.0), ("North", 1.0), ("South", 1.0), ("West", 1.0)];
    let many = night(&desk, &all);
    refused(
        &desk,
        &["rollback"],
        &format!(
            "error: run {few} has no parameters for 3 groups of the current set: `East`, `South`, \
             `West`\nhint: `--force` publishes it all the same; `speedfit diff` shows what goes\n"
        ),
    );
    let moved = desk.expect(0, &[&["rollback", "--force", "--json"], &WHY[..]].concat()).json();
    let lost: Vec<&str> = (moved["left_without"].as_array().unwrap().iter())
        .map(|group| group["region"].as_str().unwrap())
        .collect();
    assert_eq!(lost, ["East", "South", "West"]);
    assert_eq!(read_by_the_application(&desk), few);
    // More groups than before are no loss.
    told(&desk, &["publish", &many.to_string()]);
}

#[test]
fn before_the_first_run_there_is_nothing_to_do_it_with() {
    let desk = Desk::new();
    desk.expect(0, &["migrate"]);
    let ended = desk.expect(8, &["rollback", "--reason", "x"]);
    assert!(ended.stderr.contains("there is nothing to roll back to"), "{}", ended.stderr);
    let ended = desk.expect(8, &["publish", "last", "--reason", "x"]);
    assert!(ended.stderr.contains("has no run"), "{}", ended.stderr);
    let ended = desk.expect(8, &["diff"]);
    assert!(ended.stderr.contains("has no current set"), "{}", ended.stderr);
    let status = desk.expect(0, &["status"]).stdout;
    assert!(status.contains("next      `speedfit run` makes the first set\n"), "{status}");
}
