//! `speedfit migrate`: brings the store's schema up to date.

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::exit::Exit;
use super::run::world_failure;
use crate::bootstrap;

/// Bring the store's schema up to date. Doing it twice is harmless.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Print the SQL of what is missing instead of running it.
    #[arg(long)]
    script: bool,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    if options.script {
        let script = bootstrap::migration_script(&loaded).await;
        context.print(&script.map_err(world_failure)?)?;
        return Ok(Exit::Done);
    }
    let report = bootstrap::migrate(&loaded).await.map_err(world_failure)?;
    if context.json() {
        context.print_json(&json!({
            "from_version": report.from_version,
            "to_version": report.to_version,
            "applied": report.applied,
        }))?;
    } else if report.applied.is_empty() {
        context.print(&format!("up to date at version {}\n", report.to_version))?;
    } else {
        let (from, to) = (report.from_version, report.to_version);
        let applied = report.applied.join(", ");
        context.print(&format!("version {from} to {to}: {applied}\n"))?;
    }
    Ok(Exit::Done)
}
