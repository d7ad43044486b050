//! The command line: flags in, an exit code out. Data goes to stdout, everything else to stderr.
//!
//! A command is a file with `Options` (its clap arguments; their doc comment is its help) and an
//! `async fn run(Options, &Context) -> anyhow::Result<Exit>`, a `mod` line and a line in
//! `commands!`. Knows no adapter: what commands need of the world they get from `bootstrap`.

pub mod context;
pub mod error;
pub mod exit;
pub mod progress;
pub mod table;

mod account;
mod backfill;
mod backfill_steps;
mod completions;
mod demo;
mod demo_records;
mod diff;
mod doctor;
mod doctor_findings;
mod empty;
mod events;
mod export;
mod fit;
mod groups;
mod health;
mod import;
mod jobs;
mod man;
mod mark;
mod migrate;
mod numbers;
mod observe;
mod pick;
mod predict;
mod prediction;
mod printable;
mod prune;
mod publish;
mod report;
mod retry;
mod rollback;
mod run;
mod runs;
mod schedule;
mod scopes;
mod select;
mod serve;
mod show;
mod show_config;
mod signals;
mod status;
mod unsure;
mod window;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

pub use context::{Context, GlobalOptions};
pub use error::{Failure, Hinted};
pub use exit::Exit;

use crate::config::Environment;

/// Declares the commands, in the order of the help, and hands each to its module.
macro_rules! commands {
    ($($variant:ident($module:ident),)+) => {
        #[derive(Debug, Subcommand)]
        enum Command { $($variant($module::Options),)+ }

        impl Command {
            async fn run(self, context: &Context) -> anyhow::Result<Exit> {
                match self { $(Self::$variant(options) => $module::run(options, context).await,)+ }
            }
        }
    };
}

commands! {
    Demo(demo),
    Fit(fit),
    Import(import),
    Run(run),
    Retry(retry),
    Backfill(backfill),
    Runs(runs),
    Status(status),
    Show(show),
    Diff(diff),
    Publish(publish),
    Rollback(rollback),
    Report(report),
    Export(export),
    Predict(predict),
    Schedule(schedule),
    Scopes(scopes),
    Health(health),
    Serve(serve),
    Prune(prune),
    Migrate(migrate),
    Doctor(doctor),
    ShowConfig(show_config),
    Completions(completions),
    Man(man),
}

/// Fits travel-speed parameters per region from incident records, and publishes them safely.
#[derive(Debug, Parser)]
#[command(name = "speedfit", version = version(), arg_required_else_help = true)]
#[command(after_help = "Exit codes: docs/exit-codes.md. Settings: docs/settings.md.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    globals: GlobalOptions,
}

/// Version of this program; with the revision where the build was told one in `SPEEDFIT_REVISION`.
#[must_use]
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let version = env!("CARGO_PKG_VERSION");
        match option_env!("SPEEDFIT_REVISION") {
            None | Some("") => version.to_owned(),
            Some(revision) => format!("{version} ({revision})"),
        }
    });
    &VERSION
}

/// Runs one command; `args` starts with the program's name. Prints errors itself.
pub fn run(args: impl IntoIterator<Item = OsString>, environment: Environment) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(answer) => return answer_usage(&answer),
    };
    let context = Context::new(cli.globals, environment);
    execute(cli.command, &context).unwrap_or_else(|error| {
        // Where stderr is gone, the exit code still tells.
        _ = error::print(&error, Context::error_width(), io::stderr());
        Exit::of(&error)
    })
}

/// Prints help, version or what is wrong with the command line.
fn answer_usage(answer: &clap::Error) -> Exit {
    let exit = if answer.use_stderr() { Exit::Usage } else { Exit::Done };
    // What was typed is quoted in it.
    let text = answer.render().to_string();
    let printed = match printable::printable_lines(&text) {
        Cow::Borrowed(_) => answer.print(),
        Cow::Owned(text) => io::stderr().lock().write_all(text.as_bytes()),
    };
    match context::ignore_broken_pipe(printed) {
        Ok(()) => exit,
        Err(_) => Exit::Unexpected,
    }
}

/// The runtime's own variable for the number of its threads, which is left to it where it is set.
const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

/// Threads for what waits, also on one core: two fits and a run may each keep one for a moment, and
/// probes are answered by another.
const MIN_WORKER_THREADS: usize = 4;

fn execute(command: Command, context: &Context) -> anyhow::Result<Exit> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if context.environment().get(WORKER_THREADS)?.is_none() {
        let n_cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        builder.worker_threads(n_cores.max(MIN_WORKER_THREADS));
    }
    let runtime =
        builder.enable_all().build().context("cannot start the threads of the program")?;
    let outcome = runtime.block_on(command.run(context));
    // A thread may still wait for a pipe or a share that does not answer: nobody waits for it.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_tree_of_commands_is_sound() {
        super::Cli::command().debug_assert();
    }
}
