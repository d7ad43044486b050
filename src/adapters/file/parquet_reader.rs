//! Records from Parquet: only the columns that are needed, one page after the other.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::columns::Columns;
use super::error::FileError;
use super::options::{Field, FileOptions};
use super::parquet_columns::{Kind, Numbers, Texts, Timestamps, Value};
use super::values::{Fault, FieldColumn};
use crate::adapters::columnar::{
    Oversized, ParquetError, StoredColumn, TableReader, Values, is_encrypted,
};
use crate::domain::record::RecordRef;
use crate::domain::row_fault::{NOT_A_NUMBER, NOT_UTF8};
use crate::domain::{IncidentId, RecordBatch};

/// Reads a Parquet file as a stream.
pub(super) struct ParquetReader {
    table: TableReader<File>,
    n_rows_read: u64,
    columns: Columns,
    /// The file's columns that are read, ascending.
    used: Vec<usize>,
    /// Classes of road whose lengths are read.
    classes: Arc<[String]>,
    options: FileOptions,
}

impl ParquetReader {
    /// Opens the file and finds its columns.
    pub(super) fn open(options: &FileOptions) -> Result<Self, FileError> {
        let path = &options.path;
        let file =
            File::open(path).map_err(|source| FileError::Open { path: path.to_owned(), source })?;
        let table = guarded(path, || TableReader::open(file))?;
        let header: Vec<String> = table.columns().iter().map(|c| c.name.clone()).collect();
        let there = header.iter().map(String::as_str);
        let lengths = options.lengths.wanted(there, options.distance_unit);
        let columns = Columns::find(path, &header, &options.columns, &lengths, None)?;
        let classes = lengths.into_iter().map(|length| length.class).collect();
        check_types(path, table.columns(), &columns)?;
        let used = columns.used();
        let table = choose(path, table, used.clone())?;
        Ok(Self { table, n_rows_read: 0, columns, used, classes, options: options.clone() })
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(super) fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(super) fn n_rows(&self) -> Option<u64> {
        self.table.n_rows()
    }

    /// The next rows, or `None` at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, FileError> {
        let path = &self.options.path;
        let table = &mut self.table;
        let Some((n_rows, values)) = guarded(path, || table.next_batch(RecordBatch::MAX_ROWS))?
        else {
            return Ok(None);
        };
        let arrays = self.arrays(&values);
        let rows = self.rows(&arrays, n_rows);
        self.n_rows_read += n_rows as u64;
        Ok(Some(rows))
    }

    /// Copies, since a column may serve two fields.
    fn arrays(&self, values: &[Values]) -> Arrays {
        let at = |index| {
            let values = values.get(self.used.binary_search(&index).ok()?)?;
            Some((self.table.columns().get(index)?.stored, values.clone()))
        };
        let array = |field| at(self.columns.index(field)?);
        let text = |(stored, values)| Texts::of(stored, values);
        let number = |(stored, values)| Numbers::of(stored, values);
        Arrays {
            incident_id: array(Field::IncidentId).map(text),
            region: array(Field::Region).map(text),
            parent_region: array(Field::ParentRegion).map(text),
            priority: array(Field::Priority).map(text),
            occurred_at: array(Field::OccurredAt)
                .map(|(stored, values)| Timestamps::of(stored, values)),
            distance: array(Field::Distance).map(number),
            travel_time: array(Field::TravelTime).map(number),
            weight: array(Field::Weight).map(number),
            lengths: (self.columns.lengths().iter())
                .filter_map(|(_, index)| at(*index))
                .map(number)
                .collect(),
        }
    }

    fn rows(&self, arrays: &Arrays, n_rows: usize) -> RecordBatch {
        let mut rows = RecordBatch::of_classes(&self.classes);
        let mut lengths = vec![None; self.classes.len()];
        for row in 0..n_rows {
            let (record, mut fault) = self.row(arrays, row);
            self.lengths(arrays, row, &mut lengths, &mut fault);
            let fault = fault.at(|| format!("row {}", self.n_rows_read + row as u64 + 1));
            rows.push(RecordRef { fault: fault.get(), lengths_km: &lengths, ..record });
        }
        rows
    }

    /// Lengths by class of road, km.
    fn lengths(&self, arrays: &Arrays, row: usize, lengths: &mut [Option<f64>], fault: &mut Fault) {
        let columns = self.columns.lengths().iter().zip(&arrays.lengths);
        for (length, ((column, _), numbers)) in lengths.iter_mut().zip(columns) {
            let of = FieldColumn::length(&column.name);
            let value = known(numbers.get(row), of, NOT_A_NUMBER, fault);
            *length = value.map(|x| column.unit.to_km(x));
        }
    }

    fn row<'a>(&self, arrays: &'a Arrays, row: usize) -> (RecordRef<'a>, Fault) {
        let mut fault = Fault::default();
        let mut number = |field, numbers: &Option<Numbers>| {
            let value = numbers.as_ref().map_or(Value::Null, |numbers| numbers.get(row));
            known(value, self.columns.of(field), NOT_A_NUMBER, &mut fault)
        };
        let distance = number(Field::Distance, &arrays.distance);
        let travel_time = number(Field::TravelTime, &arrays.travel_time);
        let weight = number(Field::Weight, &arrays.weight);
        let mut text = |field, texts: &'a Option<Texts>| {
            let value = texts.as_ref().map_or(Value::Null, |texts| texts.value(row));
            known(value, self.columns.of(field), NOT_UTF8, &mut fault)
        };
        let incident_id = text(Field::IncidentId, &arrays.incident_id);
        let region = text(Field::Region, &arrays.region);
        let parent_region = text(Field::ParentRegion, &arrays.parent_region);
        let priority = text(Field::Priority, &arrays.priority);
        let at = arrays.occurred_at.as_ref();
        let at = at.map_or(Value::Null, |at| at.get(row, &self.options.time_zone));
        let record = RecordRef {
            incident_id: incident_id.map(IncidentId::Text),
            region,
            parent_region,
            priority,
            occurred_at_us: known(
                at,
                self.columns.of(Field::OccurredAt),
                "a time stamp",
                &mut fault,
            ),
            distance_km: distance.map(|x| self.options.distance_unit.to_km(x)),
            travel_time_s: travel_time.map(|x| self.options.time_unit.to_s(x)),
            weight,
            lengths_km: &[],
            fault: None,
        };
        (record, fault)
    }
}

/// What a row of a column holds; noted where it cannot be read.
fn known<T>(value: Value<'_, T>, of: FieldColumn<'_>, what: &str, fault: &mut Fault) -> Option<T> {
    match value {
        Value::Null => None,
        Value::Known(value) => Some(value),
        Value::Unreadable(text) => {
            fault.value(&text, of, what);
            None
        }
    }
}

/// The columns of one batch; absent ones are null in every row.
struct Arrays {
    incident_id: Option<Texts>,
    region: Option<Texts>,
    parent_region: Option<Texts>,
    priority: Option<Texts>,
    occurred_at: Option<Timestamps>,
    distance: Option<Numbers>,
    travel_time: Option<Numbers>,
    weight: Option<Numbers>,
    /// By class of road.
    lengths: Vec<Numbers>,
}

fn kind_of(field: Field) -> Kind {
    match field {
        Field::IncidentId | Field::Region | Field::ParentRegion | Field::Priority => Kind::Text,
        Field::OccurredAt => Kind::Timestamp,
        Field::Distance | Field::TravelTime | Field::Weight => Kind::Number,
    }
}

fn check_types(path: &Path, stored: &[StoredColumn], columns: &Columns) -> Result<(), FileError> {
    let fields = Field::ALL.into_iter();
    let fields =
        fields.filter_map(|field| Some((columns.index(field)?, columns.name(field), Some(field))));
    let lengths = columns.lengths().iter().map(|(l, at)| (*at, l.name.as_str(), None));
    for (index, name, field) in fields.chain(lengths) {
        let kind = field.map_or(Kind::Number, kind_of);
        let Some(found) = stored.get(index) else { continue };
        if !kind.takes(found.stored) || !found.is_readable() {
            return Err(FileError::ColumnType {
                path: path.to_owned(),
                column: name.to_owned(),
                found: found.stored.to_string(),
                wanted: kind.wanted(),
                optional: field.filter(|field| !field.is_required()).map(Field::as_str),
            });
        }
    }
    Ok(())
}

/// The table with the columns that are to be read, all of which can be unpacked.
pub(super) fn choose(
    path: &Path,
    table: TableReader<File>,
    chosen: Vec<usize>,
) -> Result<TableReader<File>, FileError> {
    let table = table.choose(chosen);
    match table.unknown_codec() {
        None => Ok(table),
        Some(codec) => Err(FileError::ParquetCodec { path: path.to_owned(), codec }),
    }
}

/// Runs the decoder, which panics on some damaged files instead of returning an error.
pub(super) fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, FileError> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => match explained(path, error) {
            FileError::Parquet { .. } if is_encrypted_file(path) => {
                Err(FileError::ParquetEncrypted { path: path.to_owned() })
            }
            error => Err(error),
        },
        Err(_) => Err(FileError::ParquetBreakdown { path: path.to_owned() }),
    }
}

/// Whether that is why it could not be read.
fn is_encrypted_file(path: &Path) -> bool {
    File::open(path)
        .is_ok_and(|file| catch_unwind(AssertUnwindSafe(|| is_encrypted(&file))).unwrap_or(false))
}

/// The system's errors are told as those of any file; decoders have errors without a number.
fn explained(path: &Path, error: ParquetError) -> FileError {
    let path = path.to_owned();
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(source) if source.raw_os_error().is_some() => {
                FileError::Read { path, source: *source }
            }
            Ok(other) => FileError::Parquet { path, source: ParquetError::External(other) },
            Err(other) => match other.downcast::<Oversized>() {
                Ok(source) => FileError::ParquetOversized { path, source: *source },
                Err(other) => FileError::Parquet { path, source: ParquetError::External(other) },
            },
        },
        source => FileError::Parquet { path, source },
    }
}
