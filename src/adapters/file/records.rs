//! Records as a file that this program reads back, in the contract's names and units.

use std::borrow::Cow;
use std::iter::once;
use std::path::Path;

use super::error::FileError;
use super::format::{Format, TableFormat, is_gzip_name, record_format};
use super::options::Field;
use super::table::{Column, Table, write_tables};
use crate::domain::{IdColumn, IncidentId, RecordBatch, TextColumn};

/// Writes records as CSV or Parquet, as the file's name says, one batch after the other. What was
/// wrong with a row is not written, only what is left of it. Blocks.
///
/// # Errors
/// [`FileError`] where the name tells no format or the file cannot be written; nothing is left then.
pub fn write_records<'a>(
    path: &Path,
    batches: impl IntoIterator<Item = &'a RecordBatch>,
) -> Result<(), FileError> {
    let format = match record_format(path, None)? {
        Format::Csv => TableFormat::Csv,
        Format::Parquet => TableFormat::Parquet,
    };
    // A part without rows comes first: it gives the header to a file without records.
    let empty = RecordBatch::default();
    let parts = once(table(&empty)).chain(batches.into_iter().map(|batch| table(batch)));
    write_tables(path, (format, is_gzip_name(path)), parts)
}

fn table(batch: &RecordBatch) -> Table<'_> {
    let columns = Field::ALL.map(|field| (field.default_column(), column(batch, field)));
    Table { columns: columns.into(), n_rows: batch.len() }
}

fn column(batch: &RecordBatch, field: Field) -> Column<'_> {
    match field {
        Field::IncidentId => ids(&batch.incident_id),
        Field::Region => texts(&batch.region),
        Field::ParentRegion => texts(&batch.parent_region),
        Field::Priority => texts(&batch.priority),
        Field::OccurredAt => Column::Time(batch.occurred_at_us.clone()),
        Field::Distance => Column::Number(batch.distance_km.clone()),
        Field::TravelTime => Column::Number(batch.travel_time_s.clone()),
        Field::Weight => Column::Number(batch.weight.clone()),
    }
}

fn texts(column: &TextColumn) -> Column<'_> {
    let texts = (0..column.len()).map(|row| column.get(row).map(Cow::Borrowed));
    Column::OptionalText(texts.collect())
}

fn ids(column: &IdColumn) -> Column<'_> {
    let ids = (0..column.len()).map(|row| column.get(row).map(IncidentId::text));
    Column::OptionalText(ids.collect())
}
