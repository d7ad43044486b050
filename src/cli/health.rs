//! `speedfit health`: whether a schedule that stays up is well, told by its file. A container without
//! a shell has this as its health check.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::context::Context;
use super::error::Hinted;
use super::exit::Exit;
use super::jobs::jobs;
use crate::bootstrap::{self, ContainerPurpose};
use crate::schedule::{ScheduleStatus, ScopeState};

/// Tell whether the schedule is well, by its health file: exit 0 where it is.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The file: the setting `schedule.health_file`.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Longest time that the schedule may have been silent, s.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    max_age: u32,

    /// As the check of a container: ask what its first process is for. `schedule` is told by its file,
    /// `serve` by whether the API answers at `http.bind`; whatever runs once is well.
    #[arg(long, conflicts_with = "file")]
    container: bool,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    if options.container {
        match bootstrap::container_purpose() {
            ContainerPurpose::Schedule => {}
            ContainerPurpose::Serve => return api(context).await,
            ContainerPurpose::Once => return Ok(Exit::Done),
        }
    }
    let file = match options.file {
        Some(file) => file,
        None => file_of_settings(context)?,
    };
    if file.as_os_str().is_empty() {
        let hint = "set `schedule.health_file`, for the schedule too, or give `--file`";
        return Err(Hinted::new(hint, anyhow!("no health file is set")).into());
    }
    let status = bootstrap::read_health(&file)
        .with_context(|| format!("cannot read the health file `{}`", file.display()))?;
    let complaint = status.complaint(bootstrap::clock().now(), options.max_age);
    let exit = if complaint.is_some() { Exit::Unexpected } else { Exit::Done };
    if context.json() {
        context.print_json(&status)?;
    } else {
        context.print(&format!("{}\n", complaint.unwrap_or_else(|| line(&status))))?;
    }
    Ok(exit)
}

/// The file that the settings name, of any scope: each tells of the whole schedule.
fn file_of_settings(context: &Context) -> anyhow::Result<PathBuf> {
    let files = jobs(context)?.into_iter().map(|job| job.loaded.settings.schedule.health_file);
    Ok(files.into_iter().find(|file| !file.as_os_str().is_empty()).unwrap_or_default())
}

/// Asks our own API, at the address of the settings, whether it lives.
async fn api(context: &Context) -> anyhow::Result<Exit> {
    let bind = context.load(Vec::new())?.settings.http.bind;
    let address = bind.parse().with_context(|| format!("`{bind}` is no address with a port"))?;
    bootstrap::probe_api(address).await.with_context(|| format!("no answer from `{bind}`"))?;
    context.print("well: the API answers\n")?;
    Ok(Exit::Done)
}

/// How well it is, in a line.
fn line(status: &ScheduleStatus) -> String {
    let running = status.scopes.iter().filter(|scope| scope.state == ScopeState::Running);
    let running: Vec<_> = running.map(|scope| scope.scope.as_str()).collect();
    let mut line = match status.scopes.len() {
        1 => "well: 1 scope".to_owned(),
        n_scopes => format!("well: {n_scopes} scopes"),
    };
    if !running.is_empty() {
        line.push_str(&format!(", running: {}", running.join(", ")));
    }
    if let Some(next) = status.scopes.iter().filter_map(|scope| scope.next_at).min() {
        line.push_str(&format!(", next run {next}"));
    }
    let wrong = status.scopes.iter().filter(|scope| scope.last_error.is_some());
    let wrong: Vec<_> = wrong.map(|scope| scope.scope.as_str()).collect();
    if !wrong.is_empty() {
        line.push_str(&format!("; the last run went wrong: {}", wrong.join(", ")));
    }
    line
}
