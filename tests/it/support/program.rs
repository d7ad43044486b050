//! The real binary in a folder of its own, in an empty environment.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a helper of tests fails by panicking, as they do, and says what it skips"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A working directory that is gone at the end of the test.
pub(crate) struct Desk {
    dir: tempfile::TempDir,
}

/// How the program ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its stdout as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.stdout, self.stderr))
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The program with these arguments, not started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_speedfit"));
        command.env_clear().current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    /// Runs it and insists on its exit code.
    pub(crate) fn expect(&self, code: i32, args: &[&str]) -> Ended {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {} {}", ended.stdout, ended.stderr);
        ended
    }

    /// Starts it, its streams piped.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// The folder with real incident files, or `None`, saying so, where it is not beside the project.
pub(crate) fn incidents() -> Option<PathBuf> {
    shared("incidents")
}

/// The folder with NIST's regressions, or `None`, saying so, where it is not beside the project.
pub(crate) fn nist() -> Option<PathBuf> {
    shared("nist")
}

fn shared(name: &str) -> Option<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = project.ancestors().map(|dir| dir.join("shared/data").join(name));
    let found = folders.into_iter().find(|dir| dir.is_dir());
    if found.is_none() {
        eprintln!("skipped: no folder shared/data/{name} beside the project or above it");
    }
    found
}
