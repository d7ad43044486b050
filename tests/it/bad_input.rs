//! Bad input through the real program: a clear error or a counted refusal, a hint, and nothing lost.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

mod files;
mod lines;
mod outputs;
#[cfg(target_os = "linux")]
mod read_only;
mod records;
mod room;
mod settings;
mod store;
mod widths;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The header of the contract.
const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s\n";

/// Rows of one region whose scatter is the same every time.
fn rows(region: &str, n_rows: usize) -> String {
    let row = |nth: usize| {
        let x = nth as f64;
        let distance_km = 0.4 + (x * 0.618).fract() * 9.0;
        let noise = ((x * 0.755).fract() + (x * 0.57).fract() - 1.0) * 0.5;
        let time_s = (1.5 + distance_km / 0.75) * 60.0 * noise.exp();
        let day = 1 + nth % 28;
        format!("{nth},{region},2026-03-{day:02}T10:00:00Z,1,{distance_km:.4},{time_s:.1}\n")
    };
    (0..n_rows).map(row).collect()
}

/// What the program said.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// A working directory of its own.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a current set of the regions A and B.
    fn published() -> Self {
        let desk = Self::new();
        desk.write("good.csv", format!("{HEADER}{}{}", rows("A", 60), rows("B", 60)));
        desk.done("import good.csv");
        desk.done("run");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program in this directory and an empty environment, its log off.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_speedfit"));
        command.current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command.args(["--log-level", "off"]).args(args);
        command
    }

    fn said_by(mut command: Command) -> Said {
        let output = command.output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The program with these arguments, separated by blanks.
    fn run(&self, args: &str) -> Said {
        Self::said_by(self.command(&args.split_whitespace().collect::<Vec<_>>()))
    }

    /// The program, which must succeed without a word on stderr.
    fn done(&self, args: &str) -> Said {
        let said = self.run(args);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{args}");
        said
    }

    /// The program fails in these words, and says nothing on stdout.
    fn fails(&self, args: &str, code: i32, stderr: &str) {
        let said = self.run(args);
        assert_eq!(said.stderr, stderr, "{args}");
        assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{args}");
    }

    /// The program finishes with these words on stderr, although nothing came of it.
    fn comes_to_nothing(&self, args: &str, stderr: &str) {
        let said = self.run(args);
        assert_eq!((said.code, said.stderr.as_str()), (7, stderr), "{args}");
    }

    /// The current set as the application would read it.
    fn current(&self) -> String {
        self.done("export current --output current.csv");
        let text = self.read("current.csv");
        fs::remove_file(self.path("current.csv")).unwrap();
        text
    }

    /// Names of the files and folders that are there.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
