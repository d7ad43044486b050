//! A table written as Parquet: batches are gathered to row groups.

use std::io::Write;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

/// Rows of a row group. Those of one are held in memory until it is written.
const ROWS_PER_GROUP: usize = 1 << 18;

/// What a column is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapters) enum ColumnKind {
    Text,
    Whole,
    Number,
    /// Microseconds since 1970-01-01 UTC.
    Time,
}

/// A column of the table.
pub(in crate::adapters) struct ColumnSpec<'a> {
    pub(in crate::adapters) name: &'a str,
    pub(in crate::adapters) kind: ColumnKind,
    /// Whether no row may be null.
    pub(in crate::adapters) is_required: bool,
}

/// Some rows of a column; `None` is null. Time stamps are whole numbers.
pub(in crate::adapters) enum Cells<'a> {
    Text(Vec<Option<&'a str>>),
    Whole(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
}

/// Writes a table; nothing is whole before [`close`](Self::close).
pub(in crate::adapters) struct TableWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    gathered: Vec<Gathered>,
    n_gathered: usize,
}

/// Rows of a column that are not written yet: what is not null, and a level per row that tells where.
struct Gathered {
    values: GatheredValues,
    levels: Vec<i16>,
    is_required: bool,
}

enum GatheredValues {
    Text(Vec<ByteArray>),
    Whole(Vec<i64>),
    Number(Vec<f64>),
}

impl<W: Write + Send> TableWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`ParquetError`] where it cannot be written.
    pub(in crate::adapters) fn begin(
        out: W,
        columns: &[ColumnSpec<'_>],
        compression: Compression,
    ) -> Result<Self> {
        let fields = columns.iter().map(|column| field(column).map(Arc::new));
        let schema = Type::group_type_builder("table")
            .with_fields(fields.collect::<Result<_>>()?)
            .build()?;
        let properties = WriterProperties::builder().set_compression(compression).build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        let gathered = columns.iter().map(Gathered::of).collect();
        Ok(Self { file, gathered, n_gathered: 0 })
    }

    /// Adds `n_rows` rows; `cells` are those of the columns, in their order.
    ///
    /// # Errors
    /// [`ParquetError`] where they do not fit the columns, or the file cannot be written.
    pub(in crate::adapters) fn write(&mut self, n_rows: usize, cells: &[Cells<'_>]) -> Result<()> {
        let unfit = || ParquetError::General("the rows do not fit the columns".to_owned());
        if cells.len() != self.gathered.len() {
            return Err(unfit());
        }
        for (gathered, cells) in self.gathered.iter_mut().zip(cells) {
            if cells.len() != n_rows || !gathered.add(cells) {
                return Err(unfit());
            }
        }
        self.n_gathered += n_rows;
        if self.n_gathered >= ROWS_PER_GROUP { self.write_group() } else { Ok(()) }
    }

    /// Writes what is left, and the end of the file.
    ///
    /// # Errors
    /// [`ParquetError`] where the file cannot be written.
    pub(in crate::adapters) fn close(mut self) -> Result<()> {
        if self.n_gathered > 0 {
            self.write_group()?;
        }
        self.file.close().map(drop)
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        for gathered in &mut self.gathered {
            let column = group.next_column()?.ok_or_else(|| {
                ParquetError::General("a row group has fewer columns than its table".to_owned())
            })?;
            gathered.write(column)?;
        }
        self.n_gathered = 0;
        group.close().map(drop)
    }
}

fn field(column: &ColumnSpec<'_>) -> Result<Type> {
    let (physical, logical) = match column.kind {
        ColumnKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnKind::Whole => (Physical::INT64, None),
        ColumnKind::Number => (Physical::DOUBLE, None),
        ColumnKind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    let repetition = if column.is_required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    Type::primitive_type_builder(column.name, physical)
        .with_logical_type(logical)
        .with_repetition(repetition)
        .build()
}

impl Cells<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(cells) => cells.len(),
            Self::Whole(cells) => cells.len(),
            Self::Number(cells) => cells.len(),
        }
    }
}

impl Gathered {
    fn of(column: &ColumnSpec<'_>) -> Self {
        let values = match column.kind {
            ColumnKind::Text => GatheredValues::Text(Vec::new()),
            ColumnKind::Whole | ColumnKind::Time => GatheredValues::Whole(Vec::new()),
            ColumnKind::Number => GatheredValues::Number(Vec::new()),
        };
        Self { values, levels: Vec::new(), is_required: column.is_required }
    }

    /// Whether they are of the column's kind, and none is null where none may be.
    fn add(&mut self, cells: &Cells<'_>) -> bool {
        let n_before = self.levels.len();
        match (&mut self.values, cells) {
            (GatheredValues::Text(values), Cells::Text(cells)) => {
                self.levels.extend(cells.iter().map(|cell| i16::from(cell.is_some())));
                values.extend(in_one_piece(cells));
            }
            (GatheredValues::Whole(values), Cells::Whole(cells)) => {
                self.levels.extend(cells.iter().map(|cell| i16::from(cell.is_some())));
                values.extend(cells.iter().flatten());
            }
            (GatheredValues::Number(values), Cells::Number(cells)) => {
                self.levels.extend(cells.iter().map(|cell| i16::from(cell.is_some())));
                values.extend(cells.iter().flatten());
            }
            _ => return false,
        }
        !self.is_required || self.levels[n_before..].iter().all(|level| *level > 0)
    }

    fn write(&mut self, column: SerializedColumnWriter<'_>) -> Result<()> {
        let levels = mem::take(&mut self.levels);
        let levels = (!self.is_required).then_some(levels);
        match &mut self.values {
            GatheredValues::Text(values) => {
                write_column::<ByteArrayType>(column, &mem::take(values), levels.as_deref())
            }
            GatheredValues::Whole(values) => {
                write_column::<Int64Type>(column, &mem::take(values), levels.as_deref())
            }
            GatheredValues::Number(values) => {
                write_column::<DoubleType>(column, &mem::take(values), levels.as_deref())
            }
        }
    }
}

/// The texts as parts of one allocation.
fn in_one_piece(cells: &[Option<&str>]) -> Vec<ByteArray> {
    let mut all = String::with_capacity(cells.iter().flatten().map(|text| text.len()).sum());
    cells.iter().flatten().for_each(|text| all.push_str(text));
    let all = Bytes::from(all);
    let mut start = 0;
    let texts = cells.iter().flatten().map(|text| {
        let end = start + text.len();
        let text = ByteArray::from(all.slice(start..end));
        start = end;
        text
    });
    texts.collect()
}

fn write_column<T: DataType>(
    mut column: SerializedColumnWriter<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
