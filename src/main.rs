//! The program: arguments and environment in, exit code out.

use std::process::ExitCode;

use speedfit::cli;
use speedfit::config::Environment;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), Environment::from_process()).into()
}
