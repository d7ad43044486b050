//! A lock ends with the process that holds it, also with one that is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use speedfit::adapters::embedded::{Embedded, Mode};
use speedfit::ports::ScopeLocks;

use super::Desk;

const HELD: &str = "lock is held";

/// The other process: takes the lock of the database named on its input and waits to be killed.
#[tokio::test]
#[ignore = "run as a process of its own by the test below"]
async fn holder() {
    let mut input = std::io::stdin().lines();
    let Some(Ok(path)) = input.next() else { return };
    let database = Embedded::open(Path::new(&path), Mode::Existing).await.unwrap();
    let _held = database.try_lock("a").await.unwrap().unwrap();
    println!("{HELD}");
    // Never comes: the input stays open until the process is gone.
    input.next();
}

#[tokio::test]
async fn the_lock_of_a_killed_process_is_free() {
    let desk = Desk::new();
    let database = desk.database().await;
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "embedded::killed::holder", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(holder.stdin.as_mut().unwrap(), "{}", desk.path().display()).unwrap();
    let mut output = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().contains(HELD)));
    assert!(database.try_lock("a").await.unwrap().is_none());
    assert!(database.try_lock("b").await.unwrap().is_some());

    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(database.try_lock("a").await.unwrap().is_some());
}
