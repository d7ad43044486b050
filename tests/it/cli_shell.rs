//! The shell of the command line, on the real binary: streams, exit codes, errors, completions.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

use std::process::{Command, Output, Stdio};

use speedfit::cli::Exit;

/// The program in an empty environment, plus these variables.
fn program(variables: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_speedfit"));
    command.env_clear().envs(variables.iter().copied()).args(args).stdin(Stdio::null());
    command
}

struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

fn outcome(output: Output) -> Outcome {
    Outcome {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(variables: &[(&str, &str)], args: &[&str]) -> Outcome {
    outcome(program(variables, args).output().unwrap())
}

#[test]
fn help_and_version_are_data() {
    let help = run(&[], &["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    for word in ["show-config", "completions", "--set <KEY=VALUE>", "--progress <MODE>"] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    let version = run(&[], &["--version"]);
    assert_eq!(version.code, 0);
    assert_eq!(version.stdout, format!("speedfit {}\n", speedfit::cli::version()));
}

#[test]
fn wrong_usage_exits_2() {
    let check = |args: &[&str], expected: &str| {
        let outcome = run(&[], args);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""), "{args:?}");
        assert!(outcome.stderr.contains(expected), "{args:?}: {}", outcome.stderr);
    };
    check(&[], "Usage: speedfit [OPTIONS] <COMMAND>");
    check(&["--json"], "requires a subcommand");
    check(&["shwo-config"], "show-config");
    check(&["show-config", "--set", "fit.model"], "there is no `=` between key and value");
    check(&["show-config", "--progress", "loud"], "possible values: auto, bar, json, none");
}

#[test]
fn wrong_settings_exit_3_with_a_hint() {
    let check = |variables: &[(&str, &str)], args: &[&str], expected: &str| {
        let outcome = run(variables, args);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (3, ""), "{args:?}");
        assert_eq!(outcome.stderr, expected);
    };
    check(
        &[("SPEEDFIT__FIT__MODLE", "kwh")],
        &["show-config"],
        "error: unknown key `fit.modle` in `SPEEDFIT__FIT__MODLE`\n\
         hint: did you mean `SPEEDFIT__FIT__MODEL`?\n",
    );
    check(
        &[],
        &["show-config", "--set", "fit.confidence=1"],
        "error: `fit.confidence` must be between 0 and 1, not 1 (fit.confidence: --set)\n",
    );
    check(
        &[("SPEEDFIT_STORE_TOKEN_FILE", "no/such/file")],
        &["show-config"],
        "error: cannot read the file `no/such/file` that `SPEEDFIT_STORE_TOKEN_FILE` names\n\
         caused by: No such file or directory (os error 2)\n\
         hint: check that the secret is mounted and that this user may read it\n",
    );
}

#[test]
fn show_config_tells_every_value_and_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.toml");
    std::fs::write(&file, "[fit]\nmodel = \"linear\"\n").unwrap();
    let file = file.to_str().unwrap();
    let variables = [("SPEEDFIT__FIT__WORKERS", "3"), ("SPEEDFIT_STORE_PASSWORD", "hunter2")];
    let args = ["--config", file, "--scope", "city", "-q", "show-config"];

    let shown = run(&variables, &args);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    let words: Vec<Vec<_>> =
        shown.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let at = format!("{file}:2");
    for row in [
        ["fit.model", "\"linear\"", at.as_str()],
        ["fit.workers", "3", "SPEEDFIT__FIT__WORKERS"],
        ["fit.confidence", "0.95", "default"],
        ["scope", "\"city\"", "--scope"],
        ["log.level", "\"error\"", "--quiet"],
        ["SPEEDFIT_STORE_PASSWORD", "set", "SPEEDFIT_STORE_PASSWORD"],
    ] {
        assert!(words.iter().any(|w| w == &row), "{row:?}\n{}", shown.stdout);
    }
    assert!(words.iter().any(|w| w == &["SPEEDFIT_API_TOKENS", "unset"]), "{}", shown.stdout);
    assert!(!shown.stdout.contains("hunter2"));

    let shown = run(&variables, &[&args[..], &["--json"]].concat());
    let document: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(document["settings"]["fit.model"]["value"], "linear");
    assert_eq!(document["settings"]["fit.workers"]["from"], "SPEEDFIT__FIT__WORKERS");
    assert_eq!(document["secrets"]["SPEEDFIT_STORE_PASSWORD"]["set"], true);
    assert_eq!(document["secrets"]["SPEEDFIT_API_TOKENS"]["set"], false);
    assert_eq!(document["settings_hash"].as_str().unwrap().len(), 64);
    assert!(!shown.stdout.contains("hunter2"));
}

#[test]
fn oddities_are_logged_on_stderr_as_json_without_a_terminal() {
    let shown = run(&[("SPEEDFIT_SORCE_TOKEN", "hunter2")], &["show-config", "--json"]);
    assert_eq!(shown.code, 0);
    let event: serde_json::Value = serde_json::from_str(&shown.stderr).unwrap();
    assert_eq!(event["level"], "WARN");
    assert_eq!(
        event["message"],
        "the variable `SPEEDFIT_SORCE_TOKEN` is not read; did you mean `SPEEDFIT_SOURCE_TOKEN`?"
    );
    assert!(!shown.stderr.contains("hunter2"));
    let human = run(&[("SPEEDFIT_X", "1")], &["show-config", "--set", "log.format=human"]);
    assert!(
        human.stderr.contains("WARN the variable `SPEEDFIT_X` is not read"),
        "{}",
        human.stderr
    );
    assert_eq!(run(&[("SPEEDFIT_X", "1")], &["show-config", "--log-level", "off"]).stderr, "");
}

#[test]
fn completions_need_no_settings() {
    let broken = [("SPEEDFIT__NO__SUCH", "1")];
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&broken, &["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (0, ""), "{shell}");
        assert!(script.stdout.contains("show-config"), "{shell}");
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    for args in [&["completions", "bash"][..], &["--help"], &["show-config"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let outcome = outcome(program(&[], args).stdout(writer).output().unwrap());
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let outcome = outcome(program(&[], &["show-config"]).stdout(full).output().unwrap());
    assert_eq!(outcome.code, 1);
    assert_eq!(
        outcome.stderr,
        "error: cannot write to stdout\ncaused by: No space left on device (os error 28)\n"
    );
}

#[test]
fn the_document_lists_the_exit_codes() {
    let document = include_str!("../../docs/exit-codes.md");
    let rows: Vec<(String, String)> = document
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            cells[0].parse::<u8>().ok().map(|_| (cells[0].to_owned(), cells[1].to_owned()))
        })
        .collect();
    let expected: Vec<_> =
        Exit::ALL.iter().map(|exit| (exit.code().to_string(), exit.meaning().to_owned())).collect();
    assert_eq!(rows, expected);
}
