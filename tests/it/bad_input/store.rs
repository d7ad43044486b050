//! Databases that are missing, empty, foreign, damaged or newer than the program.

use std::fs;

use rusqlite::Connection;

use super::Desk;

const NO_DATABASE: &str = "error: there is no database `speedfit.db`\n\
    hint: `speedfit import FILE` makes it; `embedded.path` in the settings names it\n";

#[test]
fn without_a_database_nothing_is_made() {
    let desk = Desk::new();
    for command in ["status", "runs", "show", "show 99", "export", "export current --output x.csv"]
    {
        desk.fails(command, 5, NO_DATABASE);
    }
    desk.fails("run --dry-run", 4, NO_DATABASE);
    desk.fails(
        "migrate --set embedded.path=nodir/x.db",
        5,
        "error: there is no folder `nodir` to make `nodir/x.db` in\n\
         hint: make the folder, or check `embedded.path`\n",
    );
    assert!(desk.names().is_empty(), "{:?}", desk.names());
}

#[test]
fn a_dry_run_from_a_file_needs_no_database() {
    let desk = Desk::published();
    let source = "--set source.kind=file --set file.path=good.csv --set embedded.path=no.db";
    let report = desk.done(&format!("run --dry-run --json {source}")).json();
    assert_eq!(report["groups"]["fitted"], 2);
    assert!(!desk.path("no.db").exists());
}

#[test]
fn a_run_without_records_says_what_to_do() {
    let desk = Desk::new();
    let check = |args: &str, stderr: &str| desk.comes_to_nothing(args, stderr);
    check(
        "run",
        "error: nothing published: the source holds no record in the window (all time)\n\
         hint: `speedfit import FILE` adds records to the embedded database\n",
    );
    check(
        "run --from 2030-01-01",
        "error: nothing published: the source holds no record in the window \
         (from 2030-01-01T00:00:00Z)\n\
         hint: widen the window: `--from`, `--to`, `window.days`\n",
    );
    check(
        "run --select nosuch",
        "error: nothing published: the source holds no record of `nosuch` in the \
         window (all time)\n\
         hint: check the names given to `--select` (`*` stands for any text)\n",
    );
    desk.fails(
        "export --output x.csv",
        8,
        "error: scope `default` has no current set\nhint: `speedfit run` makes one\n",
    );
    desk.fails("show 99", 8, "error: there is no run 99\nhint: `speedfit runs` lists them\n");
    let shown = desk.done("show --json").json();
    assert_eq!(
        (&shown["run"]["status"], &shown["run"]["exit_code"]),
        (&"refused".into(), &7.into())
    );
}

#[test]
fn a_run_of_nothing_keeps_the_current_set() {
    let desk = Desk::published();
    let current = desk.current();
    for args in ["run --select nosuch", "run --from 2030-01-01", "run --set judge.min_records=1000"]
    {
        assert_eq!(desk.run(args).code, 7, "{args}");
        assert_eq!(desk.current(), current, "{args}");
    }
    assert!(
        desk.run("run --set judge.min_records=1000")
            .stderr
            .ends_with("hint: `speedfit show 5` says why; the limits stand under `judge`\n")
    );
}

/// Every command says so, and the file stays as it is.
fn check(desk: &Desk, file: &str, stderr: &str) {
    let before = fs::read(desk.path(file)).unwrap();
    for command in ["status", "runs", "show", "export", "run", "run --dry-run", "import good.csv"] {
        desk.fails(&format!("{command} --set embedded.path={file}"), 5, stderr);
    }
    assert_eq!(fs::read(desk.path(file)).unwrap(), before, "{file}");
}

#[test]
fn what_is_no_database_of_ours_is_left_alone() {
    let desk = Desk::published();
    desk.write("text.db", "this is no database but a text\n".repeat(200));
    let no_database = "error: cannot open the database `text.db`\n\
         caused by: file is not a database\n\
         hint: the file is damaged or no SQLite database: name another one, or restore a copy of it\n";
    check(&desk, "text.db", no_database);
    desk.fails("migrate --set embedded.path=text.db", 5, no_database);

    let whole = fs::read(desk.path("speedfit.db")).unwrap();
    desk.write("cut.db", &whole[..5000]);
    check(
        &desk,
        "cut.db",
        "error: cannot open the database `cut.db`\n\
         caused by: database disk image is malformed\n\
         hint: the file is damaged or no SQLite database: name another one, or restore a copy of it\n",
    );

    let other = Connection::open(desk.path("other.db")).unwrap();
    other.execute("CREATE TABLE t (x)", ()).unwrap();
    drop(other);
    check(
        &desk,
        "other.db",
        "error: `other.db` is a database of another program\n\
         hint: name another file: `embedded.path`\n",
    );
    desk.fails(
        "status --set embedded.path=speedfit-output",
        5,
        "error: `speedfit-output` is a folder, not a database file\n\
         hint: name a file in it: `embedded.path`\n",
    );
}

#[test]
fn a_newer_store_is_left_alone() {
    let desk = Desk::published();
    let current = desk.current();
    let newer =
        "INSERT INTO schema_migration (version, name, checksum) VALUES (99, 'V0099__x', '')";
    let database = Connection::open(desk.path("speedfit.db")).unwrap();
    database.execute(newer, ()).unwrap();
    database.close().unwrap();
    let stderr = "error: cannot use the database `speedfit.db`\n\
         caused by: the schema has version 99, this program knows versions up to 9\n\
         hint: use the version of speedfit that migrated it, or a newer one\n";
    check(&desk, "speedfit.db", stderr);
    desk.fails("migrate", 5, stderr);

    let database = Connection::open(desk.path("speedfit.db")).unwrap();
    database.execute("DELETE FROM schema_migration WHERE version = 99", ()).unwrap();
    database.close().unwrap();
    assert_eq!(desk.current(), current);
}

#[test]
fn an_empty_file_is_called_so() {
    let desk = Desk::new();
    desk.write("speedfit.db", "");
    for command in ["status", "import --list"] {
        desk.fails(
            command,
            5,
            "error: `speedfit.db` is empty: a file of 0 bytes, and no database\n\
             hint: where it held runs and records, they are gone: restore a copy of the file; where \
             it is new, `speedfit import FILE` makes the database\n",
        );
    }
    let made = desk.run("migrate --log-level warn");
    assert_eq!(made.code, 0, "{}", made.stderr);
    let warned = "`speedfit.db` is a file of 0 bytes: it becomes a new database";
    assert!(made.stderr.contains(warned), "{}", made.stderr);
    desk.done("status");
}
