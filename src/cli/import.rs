//! `speedfit import`: records from a file into the embedded database, and out of it again.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::context::Context;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::numbers::count;
use super::run::world_failure;
use super::signals::stop_token;
use super::table::{self, Align};
use crate::bootstrap::{self, ImportOutcome, ImportRow, WorldError};
use crate::config::{Loaded, SourceKind};
use crate::ports::FailureKind;

/// Add the records of a CSV or Parquet file to the embedded database, dirt included; list the imports, or
/// take one out again.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The file; names and units of its columns are settings.
    #[arg(value_name = "FILE", required_unless_present_any = ["list", "undo"])]
    file: Option<PathBuf>,

    /// Add it even if the same file was imported before.
    #[arg(long, requires = "file")]
    again: bool,

    /// List the imports whose records are in the database.
    #[arg(long, conflicts_with_all = ["file", "undo"])]
    list: bool,

    /// Take the records of one import out again: its file, or its number in `--list`.
    #[arg(long, value_name = "FILE|NUMBER", conflicts_with = "file")]
    undo: Option<String>,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    if loaded.settings.source.kind == SourceKind::SqlServer {
        return Err(not_ours());
    }
    match (&options.file, &options.undo) {
        (Some(file), _) => add(file, options.again, &loaded, context).await,
        (None, Some(which)) => undo(which, &loaded, context).await,
        (None, None) => list(&loaded, context).await,
    }
}

async fn add(path: &Path, again: bool, loaded: &Loaded, context: &Context) -> anyhow::Result<Exit> {
    let cancel = stop_token()?;
    let imported = bootstrap::import_file(&loaded.settings, path, again, &cancel).await;
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
                context.print_sentences(&format!("{rows} records into {database}{unreadable}"))?;
            }
            Ok(Exit::Done)
        }
        ImportOutcome::AlreadyImported { import_id, imported_at } => {
            let what = anyhow!("`{}` was imported before, on {imported_at:.0}", path.display());
            let failure = Failure::new(Exit::Refused, what);
            let hint = format!(
                "to import it with other settings, `speedfit import --undo {import_id}` first; \
                 `--again` adds its records once more"
            );
            Err(Hinted::new(hint, failure).into())
        }
    }
}

async fn list(loaded: &Loaded, context: &Context) -> anyhow::Result<Exit> {
    let imports = bootstrap::imports(&loaded.settings).await.map_err(world_failure)?;
    if context.json() {
        let told = imports.iter().map(|import| {
            json!({
                "import_id": import.id,
                "file": import.file_name,
                "imported_at": import.imported_at,
                "rows": import.n_rows,
                "unreadable": import.n_faults,
            })
        });
        context.print_json(&told.collect::<Vec<_>>())?;
    } else if imports.is_empty() {
        context.print_sentences("no import; `speedfit import FILE` makes one")?;
    } else {
        let row = |import: &ImportRow| {
            let at = format!("{:.0}", import.imported_at);
            let (n, n_faults) = (count(import.n_rows), count(import.n_faults));
            vec![import.id.to_string(), at, n, n_faults, import.file_name.clone()]
        };
        let rows: Vec<Vec<String>> = imports.iter().map(row).collect();
        let headers = ["number", "imported", "rows", "unreadable", "file"];
        let alignments = [Align::Right, Align::Left, Align::Right, Align::Right, Align::Left];
        context.print(&table::render(&headers, &rows, &alignments, context.width()))?;
    }
    Ok(Exit::Done)
}

async fn undo(which: &str, loaded: &Loaded, context: &Context) -> anyhow::Result<Exit> {
    let settings = &loaded.settings;
    let cancel = stop_token()?;
    let found = bootstrap::imports_of(settings, which, &cancel).await.map_err(undo_failure)?;
    let import = match found.as_slice() {
        [import] => import,
        [] => return Err(no_import(which)),
        several => return Err(several_imports(which, several)),
    };
    if !bootstrap::undo_import(settings, import, &cancel).await.map_err(undo_failure)? {
        return Err(no_import(which));
    }
    if context.json() {
        context.print_json(&json!({
            "import_id": import.id,
            "file": import.file_name,
            "rows": import.n_rows,
        }))?;
    } else {
        let (n, id, name) = (count(import.n_rows), import.id, &import.file_name);
        let database = settings.embedded.path.display();
        let text = format!(
            "{n} records of import {id}, `{name}`, out of {database}; what is published stays as it is \
             until the next run"
        );
        context.print_sentences(&text)?;
    }
    Ok(Exit::Done)
}

fn no_import(which: &str) -> anyhow::Error {
    let failure = Failure::new(Exit::Refused, anyhow!("no import `{which}` is in the database"));
    Hinted::new("`speedfit import --list` shows all of them", failure).into()
}

fn several_imports(which: &str, several: &[ImportRow]) -> anyhow::Error {
    let numbers: Vec<String> = several.iter().map(|import| import.id.to_string()).collect();
    let (n, last) = (several.len(), numbers.last().map_or("", String::as_str));
    let hint = format!(
        "name one by its number: `speedfit import --undo {last}`; `speedfit import --list` shows them"
    );
    let what = anyhow!("`{which}` was imported {n} times: {}", numbers.join(", "));
    Hinted::new(hint, Failure::new(Exit::Refused, what)).into()
}

/// The exit of an import that was not taken out.
fn undo_failure(error: WorldError) -> anyhow::Error {
    match error {
        WorldError::Source(cause) | WorldError::Store(cause)
            if cause.kind == FailureKind::Cancelled =>
        {
            let failure = Failure::new(Exit::Stopped, anyhow!("stopped before the import was out"));
            Hinted::new("`speedfit import --list` shows whether it is still there", failure).into()
        }
        error => world_failure(error),
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
