//! A store that may only be read, and one on a disk without room: whatever only reads works.

use std::fs;

use rusqlite::Connection;

use super::Desk;
use super::room::mounted;

/// What only reads, each with a line of its answer.
const READING: [&str; 8] = [
    "status",
    "runs",
    "show",
    "export",
    "predict --region A --distance-km 3",
    "diff 1 2",
    "report current --output report.html",
    "run --dry-run",
];

/// A store in a folder of its own, with two runs.
fn in_a_folder() -> Desk {
    let desk = Desk::published();
    desk.done("run");
    fs::create_dir(desk.path("store")).unwrap();
    fs::rename(desk.path("speedfit.db"), desk.path("store/speedfit.db")).unwrap();
    desk
}

const SPEEDFIT: &str = "\"$SPEEDFIT\" --log-level off --set embedded.path=store/speedfit.db";

/// Every reading command, the exit code of each.
fn reading() -> String {
    let commands = READING.iter().map(|command| {
        format!("{{ {SPEEDFIT} {command} > said 2>&1; code=$?; test $code = 0 || cat said; echo $code; }}")
    });
    commands.collect::<Vec<_>>().join("; ")
}

const READ_ONLY: &str = "mount --bind store store && mount -o remount,ro,bind store";

fn all_read(desk: &Desk, mount: &str, before: &str) -> Option<()> {
    let said = mounted(desk, mount, &format!("{{ {before} {}; }}", reading()))?;
    assert_eq!(said.stdout, "0\n".repeat(READING.len()), "{said:?}");
    Some(())
}

#[test]
fn a_store_that_may_only_be_read_is_read() {
    let desk = in_a_folder();
    if all_read(&desk, READ_ONLY, "").is_none() {
        return;
    }
    let refused = mounted(&desk, READ_ONLY, &format!("{SPEEDFIT} rollback --reason x")).unwrap();
    assert_eq!(refused.code, 5, "{refused:?}");
    let expected = "caused by: Read-only file system (os error 30)\n\
                    hint: check the permissions of the file and of its folder, which SQLite writes to\n";
    assert!(refused.stderr.ends_with(expected), "{}", refused.stderr);
}

#[test]
fn what_a_process_left_that_was_killed_is_read_too() {
    for ends in [&["-wal", "-shm"][..], &["-wal"]] {
        let desk = in_a_folder();
        // What was committed last stands in the log alone.
        let database = Connection::open(desk.path("store/speedfit.db")).unwrap();
        database.execute("UPDATE run SET message = 'from the log' WHERE id = 2", []).unwrap();
        fs::create_dir(desk.path("copy")).unwrap();
        for end in [""].iter().chain(ends) {
            let name = format!("speedfit.db{end}");
            fs::copy(desk.path("store").join(&name), desk.path("copy").join(&name)).unwrap();
        }
        drop(database);
        fs::remove_dir_all(desk.path("store")).unwrap();
        fs::rename(desk.path("copy"), desk.path("store")).unwrap();
        if all_read(&desk, READ_ONLY, "").is_none() {
            return;
        }
        let shown = mounted(&desk, READ_ONLY, &format!("{SPEEDFIT} show 2")).unwrap();
        assert!(shown.stdout.contains("from the log"), "{ends:?}: {shown:?}");
    }
}

#[test]
fn on_a_full_disk_all_is_read_and_a_run_says_that_there_is_no_room() {
    let desk = in_a_folder();
    fs::rename(desk.path("store"), desk.path("was")).unwrap();
    fs::create_dir(desk.path("store")).unwrap();
    let mount = "mount -t tmpfs -o size=3m tmpfs store";
    let fill = "cp was/speedfit.db store && cat /dev/zero > store/fill 2> fill-said;";
    if all_read(&desk, mount, fill).is_none() {
        return;
    }
    let said = mounted(&desk, mount, &format!("{{ {fill} {SPEEDFIT} run; }}")).unwrap();
    assert_eq!(said.code, 5, "{said:?}");
    let expected = "caused by: database or disk is full\n\
                    hint: free some room on the disk, or raise `embedded.max_size_mb`, and run again\n";
    assert!(said.stderr.ends_with(expected), "{}", said.stderr);
}
