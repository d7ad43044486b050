//! `completions`: the script that completes our commands in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::context::Context;
use super::exit::Exit;

/// Print the completion script of a shell.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The shell.
    shell: Shell,
}

/// Needs no settings: it must work before there are any.
pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let mut command = super::Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "speedfit", &mut script);
    context.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
