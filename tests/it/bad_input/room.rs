//! No room: the quota of the embedded database, and a file system that is full.

use super::{Desk, HEADER, rows};

const QUOTA: &str = "--set embedded.max_size_mb=1";

/// Records for far more than 1 MB.
fn many() -> String {
    let regions = (0..60).map(|nth| rows(&format!("R{nth:02}"), 400));
    format!("{HEADER}{}", regions.collect::<String>())
}

#[test]
fn a_full_database_loses_nothing() {
    let desk = Desk::published();
    let current = desk.current();
    desk.write("many.csv", many());
    desk.fails(
        &format!("import many.csv {QUOTA}"),
        5,
        "error: cannot import `many.csv` in `speedfit.db`\n\
         caused by: database or disk is full\n\
         hint: free some room on the disk, or raise `embedded.max_size_mb`, and run again\n",
    );
    assert_eq!(desk.current(), current);
    assert_eq!(desk.done("run --dry-run --json").json()["rows"]["read"], 120);

    desk.done("import many.csv");
    desk.fails(
        &format!("run {QUOTA}"),
        5,
        "error: cannot publish the parameter set in SQLite file `speedfit.db`\n\
         caused by: cannot conclude run 2 in `speedfit.db`\n\
         caused by: database or disk is full\n\
         hint: free some room on the disk, or raise `embedded.max_size_mb`, and run again\n",
    );
    assert_eq!(desk.current(), current);
    let status = desk.done("status --json").json();
    assert_eq!(status["current"]["run_id"], 1);
    assert_eq!(status["last_run"]["status"], "failed");

    desk.done("run");
    assert_eq!(desk.done("status --json").json()["current"]["run_id"], 3);
}

/// Runs a script in a namespace of its own with a file system of 64 KB at `full`, where the system
/// allows that.
#[cfg(target_os = "linux")]
fn on_a_small_disk(desk: &Desk, script: &str) -> Option<super::Said> {
    std::fs::create_dir_all(desk.path("full")).unwrap();
    mounted(desk, "mount -t tmpfs -o size=64k tmpfs full", script)
}

/// Runs a script in a namespace of its own, after a mount, where the system allows that.
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(super) fn mounted(desk: &Desk, mount: &str, script: &str) -> Option<super::Said> {
    use std::process::Command;

    let shell = |script: String| {
        let mut command = Command::new("unshare");
        command.current_dir(desk.0.path()).env("SPEEDFIT", env!("CARGO_BIN_EXE_speedfit"));
        command.args(["-rm", "sh", "-c", script.as_str()]);
        command
    };
    if !shell(mount.to_owned()).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: nothing can be mounted here");
        return None;
    }
    Some(Desk::said_by(shell(format!("{mount} && {script}"))))
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_no_half_written_file() {
    let desk = Desk::published();
    desk.write("many.csv", many());
    let fit = "\"$SPEEDFIT\" --log-level off fit";
    let script = format!(
        "{fit} good.csv --output full/p.csv && cp full/p.csv before.csv \
         && {{ head -c 70000 many.csv > full/fill; {fit} many.csv --output full/p.csv; }} 2> said; \
         code=$?; cmp full/p.csv before.csv && ls -A full && exit $code"
    );
    let Some(said) = on_a_small_disk(&desk, &script) else { return };
    assert_eq!((said.code, said.stdout.as_str()), (1, "fill\np.csv\n"), "{}", said.stderr);
    let words = desk.read("said");
    assert!(
        words.ends_with(
            "error: cannot write `full/p.csv`\n\
             caused by: No space left on device (os error 28)\n\
             hint: free some room on the disk; an older file of that name is whole\n"
        ),
        "{words}"
    );

    let script = "\"$SPEEDFIT\" --log-level off --set embedded.path=full/a.db import many.csv";
    let said = on_a_small_disk(&desk, script).unwrap();
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (
            5,
            "error: cannot migrate the schema in `full/a.db`\n\
             caused by: database or disk is full\n\
             hint: free some room on the disk, or raise `embedded.max_size_mb`, and run again\n"
        )
    );
}
