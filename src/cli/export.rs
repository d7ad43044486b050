//! `speedfit export`: a run's parameters and groups as files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::context::Context;
use super::error::Failure;
use super::exit::Exit;
use super::pick::{RunChoice, open_store, pick_run, store_failure};
use crate::bootstrap::{check_export, export_groups, export_parameters};
use crate::domain::ParameterSet;
use crate::ports::FailureKind;

/// Write a run's parameters and groups to files: CSV, Parquet or JSON by their names.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Number of the run, `current` or `last`.
    #[arg(value_name = "RUN", default_value = "current")]
    run: RunChoice,

    #[command(flatten)]
    files: FileFlags,
}

/// Where rows go.
#[derive(Debug, Args)]
pub(super) struct FileFlags {
    /// File for the parameter rows: .csv, .json (also .gz) or .parquet.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// File for the group rows, likewise.
    #[arg(short, long, value_name = "FILE")]
    groups: Option<PathBuf>,
}

impl FileFlags {
    /// Whether there is no file to write.
    pub(super) fn is_empty(&self) -> bool {
        self.output.is_none() && self.groups.is_none()
    }

    /// Tells before the work what would keep the files from being written.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for path in [&self.output, &self.groups].into_iter().flatten() {
            check_export(path).map_err(|error| match error.kind {
                FailureKind::Malformed => Failure::new(Exit::Usage, error),
                _ => Failure::new(Exit::Unexpected, error),
            })?;
        }
        Ok(())
    }

    /// Writes what is asked for and returns where.
    pub(super) fn write(&self, set: &ParameterSet) -> anyhow::Result<Vec<&Path>> {
        let mut written = Vec::new();
        if let Some(path) = &self.output {
            export_parameters(path, set)?;
            written.push(path.as_path());
        }
        if let Some(path) = &self.groups {
            export_groups(path, set)?;
            written.push(path.as_path());
        }
        Ok(written)
    }
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    options.files.check()?;
    let store = open_store(&loaded).await?;
    let run = pick_run(&*store, &loaded.settings.scope, options.run).await?;
    let set = store.parameter_set(run.id).await.map_err(store_failure)?;
    let set = set.with_context(|| format!("run {} is gone from the store", run.id))?;
    if options.files.is_empty() || context.json() {
        context.print_json(&set)?;
    }
    for path in options.files.write(&set)? {
        tracing::info!("wrote {}", path.display());
    }
    Ok(Exit::Done)
}
