//! `man`: the manual, one page per command.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use super::context::Context;
use super::exit::Exit;

/// Print the manual page, or write one page per command into a folder.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Folder for the pages, which is made if it is not there: `speedfit.1`, `speedfit-run.1` and so on.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Needs no settings: packages are made where there are none.
pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let command = built();
    let Some(folder) = options.output else {
        context.print(&String::from_utf8_lossy(&page(&command)?))?;
        return Ok(Exit::Done);
    };
    let n_pages = write_pages(&command, &folder)?;
    context.print(&format!("{n_pages} pages in {}\n", folder.display()))?;
    Ok(Exit::Done)
}

/// All commands, with the flags that each of them takes and its full name.
fn built() -> Command {
    let mut command = super::Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

fn write_pages(command: &Command, folder: &Path) -> anyhow::Result<usize> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    let mut n_pages = 0;
    for command in std::iter::once(command).chain(shown) {
        let path = folder.join(manual(command).get_filename());
        std::fs::write(&path, page(command)?)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        n_pages += 1;
    }
    Ok(n_pages)
}

/// It names no day: the same version gives the same page.
fn manual(command: &Command) -> Man {
    let source = format!("speedfit {}", super::version());
    Man::new(command.clone()).source(source).manual("Commands of speedfit")
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    manual(command).render(&mut text).context("cannot make the manual page")?;
    Ok(text)
}
