//! `speedfit import`: records from a file into the embedded database.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::context::Context;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::numbers::count;
use super::run::world_failure;
use super::signals::stop_token;
use crate::bootstrap::{self, ImportOutcome, WorldError};
use crate::config::SourceKind;
use crate::ports::FailureKind;

/// Add the records of a CSV or Parquet file to the embedded database, dirt included.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The file; names and units of its columns are settings.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Add it even if the same file was imported before.
    #[arg(long)]
    again: bool,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    if loaded.settings.source.kind == SourceKind::SqlServer {
        return Err(not_ours());
    }
    let cancel = stop_token()?;
    let path = &options.file;
    let imported = bootstrap::import_file(&loaded.settings, path, options.again, &cancel).await;
    match imported.map_err(import_failure)? {
        ImportOutcome::Imported(summary) => {
            if summary.n_rows == 0 {
                tracing::warn!("`{}` has a header and no record", path.display());
            }
            if context.json() {
                context.print_json(&json!({
                    "import_id": summary.import_id,
                    "rows": summary.n_rows,
                    "unreadable": summary.n_faults,
                }))?;
            } else {
                let database = loaded.settings.embedded.path.display();
                let unreadable = match summary.n_faults {
                    0 => String::new(),
                    n => format!(", {} of them unreadable: a run will refuse these", count(n)),
                };
                let rows = count(summary.n_rows);
                context.print(&format!("{rows} records into {database}{unreadable}\n"))?;
            }
            Ok(Exit::Done)
        }
        ImportOutcome::AlreadyImported { imported_at, .. } => {
            let what = anyhow!("`{}` was imported before, on {imported_at:.0}", path.display());
            let failure = Failure::new(Exit::Refused, what);
            Err(Hinted::new("`--again` adds its records once more", failure).into())
        }
    }
}

/// The exit of an import that added nothing.
fn import_failure(error: WorldError) -> anyhow::Error {
    match error {
        WorldError::Source(cause) | WorldError::Store(cause)
            if cause.kind == FailureKind::Cancelled =>
        {
            let failure = Failure::new(Exit::Stopped, anyhow!("stopped; nothing was imported"));
            Hinted::new("import it again when it suits", failure).into()
        }
        error => world_failure(error),
    }
}

/// Runs would not read what is imported; and the client's own tables are never written to.
fn not_ours() -> anyhow::Error {
    let what =
        anyhow!("`source.kind` is `sqlserver`, and `import` writes to the embedded database only");
    let failure = Failure::new(Exit::Settings, what);
    Hinted::new(
        "`--set source.kind=embedded`, or load the table with the server's own tools",
        failure,
    )
    .into()
}
