//! `speedfit doctor` on the real binary: what it finds, how it ends, and that it changes nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::process::Stdio;

use serde_json::Value;

use crate::support::program::{Desk, Ended};

const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n";

/// A value that is shown nowhere: what a shell, TOML, JSON, HTML or a connection string might change.
const ODD_PASSWORD: &str = "p;w='\"}{<&%20$HOME`id`\\ ß密=--#,zz";

/// Grade and text of a finding.
fn finding<'a>(document: &'a Value, part: &str, check: &str) -> (&'a str, &'a str) {
    let findings = document["findings"].as_array().unwrap();
    let found = findings.iter().find(|f| f["part"] == part && f["check"] == check);
    let found = found.unwrap_or(&Value::Null);
    (found["grade"].as_str().unwrap_or("absent"), found["text"].as_str().unwrap_or_default())
}

fn rows(n: usize) -> String {
    let rows = (0..n).map(|i| format!("{i},A,2026-01-01T00:00:00Z,1,{}.5,300\n", i % 7 + 1));
    rows.collect()
}

#[test]
fn a_desk_without_records_has_nothing_to_read() {
    let desk = Desk::new();
    let document = desk.expect(4, &["doctor", "--json"]).json();
    assert_eq!(document["exit_code"], 4);
    assert_eq!(
        finding(&document, "source", "database"),
        ("failure", "there is no database `speedfit.db`")
    );
    assert_eq!(
        finding(&document, "store", "database"),
        ("note", "there is no database `speedfit.db`; a run sees to it")
    );
    assert_eq!(document["sample"], Value::Null);
    assert!(!desk.path("speedfit.db").exists());
}

#[test]
fn the_embedded_database_is_examined_and_stays_as_it_was() {
    let desk = Desk::new();
    desk.write("trips.csv", &format!("{HEADER}{}x,A,,1,oops,300\ny,A,,1,2,0\n", rows(98)));
    desk.expect(0, &["import", "trips.csv"]);
    let before = std::fs::read(desk.path("speedfit.db")).unwrap();
    let document = desk.expect(0, &["doctor", "--json"]).json();
    for part in ["source", "store"] {
        assert_eq!(finding(&document, part, "schema version").0, "ok");
        assert_eq!(finding(&document, part, "records"), ("ok", "100 records"));
    }
    // A source is read only.
    assert_eq!(finding(&document, "store", "writing"), ("ok", "allowed"));
    assert_eq!(
        finding(&document, "sample", "records"),
        ("ok", "all 100: 98 taken, 2 refused; groups: 1")
    );
    assert_eq!(
        finding(&document, "sample", "time_not_positive"),
        ("note", "1 refused (1.0 %), such as `y`")
    );
    assert_eq!(document["sample"]["refusals"].as_array().unwrap().len(), 2);
    assert_eq!(std::fs::read(desk.path("speedfit.db")).unwrap(), before);
}

#[test]
fn a_sample_is_no_larger_than_asked_for() {
    let desk = Desk::new();
    desk.write("trips.csv", &format!("{HEADER}{}", rows(20_000)));
    let file = ["--set", "source.kind=file", "--set", "file.path=trips.csv", "--json"];
    let read = |more: &[&str]| {
        let shown = desk.expect(0, &[&["doctor"], &file[..], more].concat()).json();
        (shown["sample"]["read"].clone(), shown["sample"]["is_all"].clone())
    };
    assert_eq!(read(&[]), (10_000.into(), false.into()));
    assert_eq!(read(&["--records", "3"]), (3.into(), false.into()));
    assert_eq!(read(&["--records", "20000"]), (20_000.into(), true.into()));
    assert_eq!(read(&["--records", "0"]), (Value::Null, Value::Null));
}

#[test]
fn a_file_is_examined() {
    let desk = Desk::new();
    let check = |file: &str, text: Option<&str>, code: i32, check: &str, expected: (&str, &str)| {
        if let Some(text) = text {
            desk.write(file, text);
        }
        let path = format!("file.path={file}");
        let args = ["doctor", "--json", "--set", "source.kind=file", "--set", &path];
        let document = desk.expect(code, &args).json();
        assert_eq!(finding(&document, "source", check), expected);
    };
    check(
        "a.csv",
        Some("region,distance_km,travel_time_s\nA,2,300\n"),
        0,
        "columns",
        (
            "ok",
            "`region`, `distance_km`, `travel_time_s`; none for incident_id, occurred_at, \
             priority, parent_region, weight, which may be missing",
        ),
    );
    check(
        "b.csv",
        Some("Region,km,s\nA,2,300\n"),
        4,
        "file",
        (
            "failure",
            "`b.csv` has no column `region`, `distance_km`, `travel_time_s`; it has `Region`, \
             `km`, `s`",
        ),
    );
    check(
        "none.csv",
        None,
        4,
        "file",
        ("failure", "cannot open `none.csv`: No such file or directory (os error 2)"),
    );
}

#[test]
fn records_that_are_all_refused_are_a_failure_of_the_source() {
    let desk = Desk::new();
    desk.write("m.csv", &format!("{HEADER}{}", rows(50)));
    let args = ["--set", "source.kind=file", "--set", "file.path=m.csv"];
    let wrong = ["doctor", "--set", "columns.distance_unit=m"];
    let shown = desk.expect(4, &[&wrong[..], &args[..]].concat());
    let told = "  failure  records             all 50: 0 taken, 50 refused; groups: 1\n";
    assert!(shown.stdout.contains(told), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("remedy: check `columns.distance_unit`, `columns.time_unit`"),
        "{}",
        shown.stdout
    );
    assert!(shown.stdout.ends_with("\n1 failure, 1 warning\n"), "{}", shown.stdout);
    desk.write("m.csv", HEADER);
    let empty = desk.expect(0, &[&["doctor"], &args[..]].concat());
    assert!(empty.stdout.contains("warning  records  no record in the window"), "{}", empty.stdout);
}

#[test]
fn wrong_settings_are_findings_too() {
    let desk = Desk::new();
    let document = desk.expect(3, &["doctor", "--json", "--set", "fit.modle=x"]).json();
    assert_eq!(
        finding(&document, "settings", "settings"),
        ("failure", "unknown key `fit.modle` in `--set`")
    );
    assert_eq!(document["findings"][0]["remedy"], "did you mean `fit.model`?");
    assert_eq!(document["exit_code"], 3);
}

/// Settings of a server that nobody listens at: what needs a secret fails before it connects.
const SERVER: &str = "[source]\nkind = \"sqlserver\"\nhost = \"127.0.0.1\"\nport = 1\n\
                      database = \"dispatch\"\nuser = \"reader\"\n\
                      [store]\nkind = \"sqlserver\"\nhost = \"127.0.0.1\"\nport = 1\n\
                      database = \"planning\"\nuser = \"writer\"\nattempts = 1\n";

#[test]
fn a_secret_that_is_missing_is_named_before_anything_is_started() {
    let desk = Desk::new();
    desk.write("server.toml", SERVER);
    let config = ["--config", "server.toml"];
    for command in [&["run"][..], &["run", "--dry-run"]] {
        let ended = desk.expect(3, &[command, &config[..]].concat());
        assert_eq!(
            ended.stderr,
            "error: `SPEEDFIT_SOURCE_PASSWORD` is not set, which `source.login` asks for\n\
             hint: set it in the environment, or `SPEEDFIT_SOURCE_PASSWORD_FILE` to the name of a \
             file that holds it\n"
        );
    }
    for command in ["status", "runs", "show", "export", "migrate"] {
        let ended = desk.expect(3, &[&[command], &config[..]].concat());
        let told = "error: `SPEEDFIT_STORE_PASSWORD` is not set, which `store.login` asks for\n";
        assert!(ended.stderr.starts_with(told), "{command}: {}", ended.stderr);
    }
    let document = desk.expect(3, &[&["doctor", "--json"], &config[..]].concat()).json();
    assert_eq!(finding(&document, "settings", "files"), ("ok", "`server.toml`"));
    assert_eq!(
        finding(&document, "settings", "secrets"),
        ("failure", "`SPEEDFIT_SOURCE_PASSWORD` is not set, which `source.login` asks for")
    );
    assert_eq!(finding(&document, "source", "secret").0, "note");
    assert_eq!(finding(&document, "store", "secret").0, "note");
}

#[test]
fn nothing_is_imported_into_a_server() {
    let desk = Desk::new();
    desk.write("server.toml", SERVER);
    desk.write("trips.csv", &format!("{HEADER}{}", rows(3)));
    let ended = desk.expect(3, &["import", "trips.csv", "--config", "server.toml"]);
    assert_eq!(
        ended.stderr,
        "error: `source.kind` is `sqlserver`, and `import` writes to the embedded database only\n\
         hint: `--set source.kind=embedded`, or load the table with the server's own tools\n"
    );
    assert!(!desk.path("speedfit.db").exists());
}

#[test]
fn no_secret_is_ever_shown() {
    let desk = Desk::new();
    desk.write("server.toml", SERVER);
    desk.write("secret", &format!("{ODD_PASSWORD}\n"));
    let commands: [&[&str]; 8] = [
        &["show-config"],
        &["show-config", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["status"],
        &["migrate"],
        &["run"],
        &["run", "--dry-run"],
    ];
    for command in commands {
        let args = [command, &["--config", "server.toml", "--log-level", "trace,tiberius=trace"]];
        let mut command = desk.command(&args.concat());
        command.env("SPEEDFIT_SOURCE_PASSWORD", ODD_PASSWORD);
        command.env("SPEEDFIT_STORE_PASSWORD_FILE", "secret");
        let ended = Ended::of(command.stdin(Stdio::null()).output().unwrap());
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!shown.is_empty(), "{args:?}");
        // JSON would escape some of it, never all.
        for part in ["p;w=", "20$HOME", "密", "--#,zz"] {
            assert!(!shown.contains(part), "{args:?}: {shown}");
        }
    }
}
