//! Records from Parquet: only the columns that are needed, one page after the other.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch as ArrowBatch};
use arrow_schema::{ArrowError, DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::columns::Columns;
use super::error::FileError;
use super::options::{Field, FileOptions};
use super::parquet_columns::{Kind, Numbers, Texts, Timestamps, Value};
use super::values::Fault;
use crate::domain::record::RecordRef;
use crate::domain::{IncidentId, RecordBatch};

/// Reads a Parquet file as a stream.
pub(super) struct ParquetReader {
    batches: ParquetRecordBatchReader,
    n_rows: Option<u64>,
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
        let builder = guarded(path, || ParquetRecordBatchReaderBuilder::try_new(file))?;
        let schema = builder.schema();
        let header: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let there = header.iter().map(String::as_str);
        let lengths = options.lengths.wanted(there, options.distance_unit);
        let columns = Columns::find(path, &header, &options.columns, &lengths, None)?;
        let classes = lengths.into_iter().map(|length| length.class).collect();
        check_types(path, schema, &columns)?;
        let used = columns.used();
        let n_rows = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
        let mask = ProjectionMask::roots(builder.parquet_schema(), used.iter().copied());
        let batches = guarded(path, || {
            builder.with_projection(mask).with_batch_size(RecordBatch::MAX_ROWS).build()
        })?;
        let options = options.clone();
        Ok(Self { batches, n_rows, n_rows_read: 0, columns, used, classes, options })
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(super) fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(super) fn n_rows(&self) -> Option<u64> {
        self.n_rows
    }

    /// The next rows, or `None` at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, FileError> {
        let path = &self.options.path;
        loop {
            let batches = &mut self.batches;
            let Some(batch) = guarded(path, || Ok(batches.next().transpose()?))? else {
                return Ok(None);
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let arrays = guarded(path, || Ok(self.arrays(&batch)?))?;
            let rows = self.rows(&arrays, batch.num_rows());
            self.n_rows_read += batch.num_rows() as u64;
            return Ok(Some(rows));
        }
    }

    fn arrays(&self, batch: &ArrowBatch) -> Result<Arrays, ArrowError> {
        let array = |field| self.array(batch, field);
        Ok(Arrays {
            incident_id: array(Field::IncidentId).map(Texts::of).transpose()?,
            region: array(Field::Region).map(Texts::of).transpose()?,
            parent_region: array(Field::ParentRegion).map(Texts::of).transpose()?,
            priority: array(Field::Priority).map(Texts::of).transpose()?,
            occurred_at: array(Field::OccurredAt).map(Timestamps::of).transpose()?,
            distance: array(Field::Distance).map(Numbers::of).transpose()?,
            travel_time: array(Field::TravelTime).map(Numbers::of).transpose()?,
            weight: array(Field::Weight).map(Numbers::of).transpose()?,
            lengths: (self.columns.lengths().iter())
                .filter_map(|(_, at)| self.array_at(batch, *at))
                .map(Numbers::of)
                .collect::<Result<_, _>>()?,
        })
    }

    fn array<'a>(&self, batch: &'a ArrowBatch, field: Field) -> Option<&'a ArrayRef> {
        self.array_at(batch, self.columns.index(field)?)
    }

    /// The column of the batch that is the one at `index` in the file.
    fn array_at<'a>(&self, batch: &'a ArrowBatch, index: usize) -> Option<&'a ArrayRef> {
        batch.columns().get(self.used.binary_search(&index).ok()?)
    }

    fn rows(&self, arrays: &Arrays, n_rows: usize) -> RecordBatch {
        let mut rows = RecordBatch::of_classes(&self.classes);
        let mut lengths = vec![None; self.classes.len()];
        for row in 0..n_rows {
            let (record, mut fault) = self.row(arrays, row);
            self.lengths(arrays, row, &mut lengths, &mut fault);
            let fault = fault.at(|| format!("row {}", self.n_rows_read + row as u64 + 1));
            rows.push(RecordRef { fault: fault.as_deref(), lengths_km: &lengths, ..record });
        }
        rows
    }

    /// Lengths by class of road, km.
    fn lengths(&self, arrays: &Arrays, row: usize, lengths: &mut [Option<f64>], fault: &mut Fault) {
        let columns = self.columns.lengths().iter().zip(&arrays.lengths);
        for (length, ((column, _), numbers)) in lengths.iter_mut().zip(columns) {
            let value = known(numbers.get(row), &column.name, "a number", fault);
            *length = value.map(|x| column.unit.to_km(x));
        }
    }

    fn row<'a>(&self, arrays: &'a Arrays, row: usize) -> (RecordRef<'a>, Fault) {
        let mut fault = Fault::default();
        let text = |texts: &'a Option<Texts>| texts.as_ref().and_then(|texts| texts.get(row));
        let mut number = |field, numbers: &Option<Numbers>| {
            let value = numbers.as_ref().map_or(Value::Null, |numbers| numbers.get(row));
            known(value, self.columns.name(field), "a number", &mut fault)
        };
        let distance = number(Field::Distance, &arrays.distance);
        let travel_time = number(Field::TravelTime, &arrays.travel_time);
        let weight = number(Field::Weight, &arrays.weight);
        let at = arrays.occurred_at.as_ref();
        let at = at.map_or(Value::Null, |at| at.get(row, &self.options.time_zone));
        let record = RecordRef {
            incident_id: text(&arrays.incident_id).map(IncidentId::Text),
            region: text(&arrays.region),
            parent_region: text(&arrays.parent_region),
            priority: text(&arrays.priority),
            occurred_at_us: known(
                at,
                self.columns.name(Field::OccurredAt),
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
fn known<T>(value: Value<'_, T>, column: &str, what: &str, fault: &mut Fault) -> Option<T> {
    match value {
        Value::Null => None,
        Value::Known(value) => Some(value),
        Value::Unreadable(text) => {
            fault.value(&text, column, what);
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

fn check_types(path: &Path, schema: &Schema, columns: &Columns) -> Result<(), FileError> {
    let fields = Field::ALL.into_iter();
    let fields = fields
        .filter_map(|field| Some((columns.index(field)?, columns.name(field), kind_of(field))));
    let lengths = columns.lengths().iter().map(|(l, at)| (*at, l.name.as_str(), Kind::Number));
    for (index, name, kind) in fields.chain(lengths) {
        let found = schema.field(index).data_type();
        if !kind.takes(found) {
            return Err(FileError::ColumnType {
                path: path.to_owned(),
                column: name.to_owned(),
                found: type_name(found),
                wanted: kind.wanted(),
            });
        }
    }
    Ok(())
}

/// A type's name without what is inside it.
fn type_name(found: &DataType) -> String {
    match found {
        DataType::Struct(_) => "Struct".to_owned(),
        DataType::Map(_, _) => "Map".to_owned(),
        found if found.is_list() => "List".to_owned(),
        found => found.to_string(),
    }
}

/// Runs the decoder, which panics on some damaged files instead of returning an error.
fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, FileError> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(explained(path, error)),
        Err(_) => Err(FileError::ParquetBreakdown { path: path.to_owned() }),
    }
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
            Err(other) => FileError::Parquet { path, source: ParquetError::External(other) },
        },
        source => FileError::Parquet { path, source },
    }
}
