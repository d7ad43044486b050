//! `speedfit schedule`: stays up and runs by the calendar of the settings.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::exit::Exit;
use super::jobs::{Job, jobs};
use super::signals::stop_token;
use super::table;
use crate::bootstrap::{self, ScopeNight};
use crate::ports::Clock;
use crate::schedule::{Calendar, Night, Schedule};

/// Stay up and run by the calendar of the settings, until a stop signal.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Show the next moments of the calendar and run nothing.
    #[arg(long)]
    dry_run: bool,

    /// Moments that `--dry-run` shows for each scope.
    #[arg(long, value_name = "N", default_value_t = 10, requires = "dry_run")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    moments: u16,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let jobs = jobs(context)?;
    let clock = bootstrap::clock();
    if options.dry_run {
        return show(&moments(&jobs, clock.now(), options.moments.into()), context);
    }
    stay_up(jobs, clock).await
}

async fn stay_up(jobs: Vec<Job>, clock: Arc<dyn Clock>) -> anyhow::Result<Exit> {
    let cancel = stop_token()?;
    let files = health_files(&jobs)?;
    let schedule = schedule_of(jobs, clock)?;
    let health = bootstrap::keep_health(files, schedule.status());
    // The health ends with the schedule that it tells of.
    let (stopped, ()) = tokio::join!(schedule.run(&cancel), health);
    if stopped.n_broken > 0 {
        let text = format!("the schedules of {} scopes broke off", stopped.n_broken);
        return Err(Failure::new(Exit::Unexpected, anyhow!(text)).into());
    }
    Ok(if stopped.n_interrupted > 0 { Exit::Stopped } else { Exit::Done })
}

/// The schedule of these jobs, none of which lacks a secret.
pub(super) fn schedule_of(jobs: Vec<Job>, clock: Arc<dyn Clock>) -> anyhow::Result<Schedule> {
    let mut nights: Vec<Arc<dyn Night>> = Vec::new();
    for job in jobs {
        let settings = &job.loaded.settings;
        for (secret, key) in settings.needed_secrets() {
            job.loaded.secrets.require(secret, key)?;
        }
        let scope = settings.scope.clone();
        tracing::info!(scope, cron = %settings.schedule.cron, "the schedule starts");
        nights.push(Arc::new(ScopeNight::new(scope, job.sources, Arc::clone(&clock))));
    }
    Ok(Schedule::new(nights, clock))
}

/// The files that tell the health, each of which can be written.
pub(super) fn health_files(jobs: &[Job]) -> anyhow::Result<BTreeSet<PathBuf>> {
    let files = jobs.iter().map(|job| job.loaded.settings.schedule.health_file.clone());
    let files: BTreeSet<_> = files.filter(|path| !path.as_os_str().is_empty()).collect();
    files.iter().try_for_each(|path| bootstrap::check_output(path))?;
    Ok(files)
}

/// A moment of a scope.
#[derive(Serialize)]
struct MomentOf {
    scope: String,
    /// RFC 3339, with the offset of the settings' zone.
    local: String,
    utc: Timestamp,
}

fn moments(jobs: &[Job], now: Timestamp, n_moments: usize) -> Vec<MomentOf> {
    let of_job = |job: &Job| {
        let settings = &job.loaded.settings;
        let calendar = bootstrap::rules(settings).calendar;
        let next = |moment: &Timestamp| calendar.next_after(*moment);
        let found: Vec<_> =
            std::iter::successors(calendar.next_after(now), next).take(n_moments).collect();
        found.into_iter().map(|utc| moment_of(&settings.scope, &calendar, utc)).collect::<Vec<_>>()
    };
    jobs.iter().flat_map(of_job).collect()
}

fn moment_of(scope: &str, calendar: &Calendar, utc: Timestamp) -> MomentOf {
    let zone = calendar.time_zone().clone();
    let local = utc.to_zoned(zone).strftime("%a %Y-%m-%dT%H:%M:%S%:z").to_string();
    MomentOf { scope: scope.to_owned(), local, utc }
}

fn show(moments: &[MomentOf], context: &Context) -> anyhow::Result<Exit> {
    if context.json() {
        context.print_json(&moments)?;
    } else {
        let row = |m: &MomentOf| vec![m.scope.clone(), m.local.clone(), m.utc.to_string()];
        let rows: Vec<_> = moments.iter().map(row).collect();
        context.print(&table::render(&["scope", "local", "UTC"], &rows, &[], context.width()))?;
    }
    Ok(Exit::Done)
}
