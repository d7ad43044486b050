//! The figures of `docs/accuracy.md`, one table per subcommand:
//! `cargo bench --bench accuracy -- nist FOLDER`.
//!
//! A table is a file here with a function `run` that takes what follows the subcommand and answers
//! with Markdown. It measures the library as an application would use it, and prints what it finds,
//! whatever that is; the tests say what it must be.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]
#![expect(clippy::print_stderr, reason = "a mistake must not stand among the tables")]

mod coverage;
#[path = "../../tests/it/digits.rs"]
mod digits;
mod holdout;
mod incidents;
mod nist;
mod outliers;
mod pooling;
mod scipy;
mod simulated;

use std::process::ExitCode;

/// A table: what follows the subcommand, to Markdown or what is wrong.
type Table = fn(&[String]) -> Result<String, String>;

/// Subcommand, what follows it, the table.
const TABLES: &[(&str, &str, Table)] = &[
    ("nist", "FOLDER", nist::run),
    ("scipy", "LONDON.clean.csv.gz", scipy::run),
    ("coverage", "[REPETITIONS] [RECORDS] [wald|profile] [information|sandwich]", coverage::run),
    ("outliers", "[REPETITIONS] [RECORDS] [FACTOR]", outliers::run),
    ("bounds", "[REGIONS]", simulated::bounds),
    ("shrinkage", "[SEEDS] [REGIONS] [kwh|power] [LARGE]", simulated::shrinkage),
    ("pooling", "MODEL FILE [FILE ...]", pooling::run),
    ("holdout", "FILE [FILE ...]", holdout::run),
];

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match table(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("error: {what}");
            ExitCode::FAILURE
        }
    }
}

fn table(arguments: &[String]) -> Result<String, String> {
    let Some((wanted, rest)) = arguments.split_first() else {
        // `cargo bench` runs every bench without arguments.
        return Ok(usage());
    };
    let found = TABLES.iter().find(|(name, ..)| name == wanted);
    let (_, _, table) = found.ok_or_else(|| format!("no table `{wanted}`\n{}", usage()))?;
    table(rest)
}

fn usage() -> String {
    let lines = TABLES
        .iter()
        .map(|(name, rest, _)| format!("cargo bench --bench accuracy -- {name} {rest}"));
    lines.collect::<Vec<_>>().join("\n")
}
