//! The imports that the file holds, and one of them taken out again, with its rows and nothing else.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Row;
use tokio_util::sync::CancellationToken;

use super::rows::{count, time};
use super::writer::Patience;
use super::{Embedded, blocking};
use crate::ports::PortResult;

/// An import, as the file tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Its number, never given again.
    pub id: i64,
    /// The file's name, as it was given.
    pub file_name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// When.
    pub imported_at: Timestamp,
    /// Rows added, those with faults included.
    pub n_rows: u64,
    /// Of these, rows that could not be read.
    pub n_faults: u64,
}

impl Embedded {
    /// Every import whose rows the file holds, oldest first.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn imports(&self) -> PortResult<Vec<ImportRow>> {
        self.read("list the imports", |transaction| {
            let mut statement = transaction.prepare(include_str!("sql/imports.sql"))?;
            let rows = statement.query_map([], import_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Takes out the rows of one import, all at once; `false` where there is no such import. Whoever
    /// reads meanwhile reads them still. Where this future is dropped before the end, nothing is taken
    /// out, unless that was done by then.
    ///
    /// # Errors
    /// Those of a write: `Full`, since what is taken out is written down until then, `Busy`, `Denied`.
    pub async fn undo_import(&self, import: &ImportRow) -> PortResult<bool> {
        let inner = Arc::clone(&self.inner);
        let (id, name) = (import.id, format!("--undo {}", import.file_name));
        let doing = format!("take out import {id}");
        let given_up = CancellationToken::new();
        let patience = Patience::of_import(given_up.clone());
        let _until_answered = given_up.drop_guard();
        blocking(move || {
            inner.under_import_lock(&name, doing, &patience, |transaction| {
                transaction.execute(include_str!("sql/delete_incidents_of_import.sql"), [id])?;
                transaction.execute(include_str!("sql/delete_classes_of_import.sql"), [id])?;
                Ok(transaction.execute(include_str!("sql/delete_import.sql"), [id])? > 0)
            })
        })
        .await
    }
}

fn import_row(row: &Row<'_>) -> rusqlite::Result<ImportRow> {
    Ok(ImportRow {
        id: row.get("id")?,
        file_name: row.get("file_name")?,
        sha256: row.get("sha256")?,
        imported_at: time(row, "imported_at")?,
        n_rows: count(row, "n_rows")?,
        n_faults: count(row, "n_faults")?,
    })
}
