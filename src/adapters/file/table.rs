//! A table of named columns, and how it is written as CSV, JSON and Parquet.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::atomic::write_atomically;
use super::error::FileError;
use super::format::TableFormat;
use crate::adapters::columnar::{
    Cells, ColumnKind, ColumnSpec, Compression as PageCompression, ParquetError, TableWriter,
};
use crate::domain::GroupDetail;

/// One column's values. A number that is not finite is written as null, in every format alike.
pub(super) enum Column<'a> {
    Text(Vec<&'a str>),
    OptionalText(Vec<Option<Cow<'a, str>>>),
    Whole(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
    /// Microseconds since 1970-01-01 UTC.
    Time(Vec<Option<i64>>),
    /// An object in JSON; CSV and Parquet, whose columns are a contract, do without.
    Nested(Vec<&'a GroupDetail>),
}

/// Some rows of a table: names and columns of one length.
pub(super) struct Table<'a> {
    pub(super) columns: Vec<(&'static str, Column<'a>)>,
    pub(super) n_rows: usize,
}

/// Writes a file, whole or not at all, from the parts of one table; the first gives the header.
pub(super) fn write_tables<'a>(
    path: &Path,
    (format, gzip): (TableFormat, bool),
    parts: impl Iterator<Item = Table<'a>>,
) -> Result<(), FileError> {
    write_atomically(path, |out| {
        if !gzip {
            return write_parts(format, out, parts);
        }
        // The encoder's header holds neither name nor time: the same table gives the same bytes.
        let mut packed = GzEncoder::new(out, Compression::default());
        write_parts(format, &mut packed, parts)?;
        packed.finish().map(drop)
    })
}

/// A table as CSV, as a file of it would be.
pub(super) fn csv_bytes(table: Table<'_>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_csv(&mut bytes, std::iter::once(table))?;
    Ok(bytes)
}

fn write_parts<'a>(
    format: TableFormat,
    out: &mut (dyn Write + Send),
    parts: impl Iterator<Item = Table<'a>>,
) -> io::Result<()> {
    match format {
        TableFormat::Csv => write_csv(out, parts),
        TableFormat::Json => write_json(out, parts),
        TableFormat::Parquet => write_parquet(out, parts).map_err(io_error),
    }
}

/// The system's own error where there is one inside.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

/// One value of a row.
#[derive(Serialize)]
#[serde(untagged)]
enum Cell<'a> {
    Null,
    Text(&'a str),
    Whole(i64),
    Number(f64),
    Time(Timestamp),
    Nested(&'a GroupDetail),
}

impl Column<'_> {
    fn cell(&self, row: usize) -> Cell<'_> {
        let cell = match self {
            Self::Text(values) => values.get(row).map(|text| Cell::Text(text)),
            Self::OptionalText(values) => {
                values.get(row).and_then(Option::as_deref).map(Cell::Text)
            }
            Self::Whole(values) => values.get(row).copied().flatten().map(Cell::Whole),
            Self::Number(values) => {
                let value = values.get(row).copied().flatten();
                value.filter(|value| value.is_finite()).map(Cell::Number)
            }
            Self::Time(values) => {
                let value = values.get(row).copied().flatten();
                value.and_then(|us| Timestamp::from_microsecond(us).ok()).map(Cell::Time)
            }
            Self::Nested(values) => values.get(row).map(|detail| Cell::Nested(detail)),
        };
        cell.unwrap_or(Cell::Null)
    }

    /// `None` for what has no column in Parquet.
    fn kind(&self) -> Option<ColumnKind> {
        match self {
            Self::Text(_) | Self::OptionalText(_) => Some(ColumnKind::Text),
            Self::Whole(_) => Some(ColumnKind::Whole),
            Self::Number(_) => Some(ColumnKind::Number),
            Self::Time(_) => Some(ColumnKind::Time),
            Self::Nested(_) => None,
        }
    }

    /// `None` for what has no column in Parquet.
    fn cells(&self) -> Option<Cells<'_>> {
        Some(match self {
            Self::Text(values) => Cells::Text(values.iter().copied().map(Some).collect()),
            Self::OptionalText(values) => {
                Cells::Text(values.iter().map(Option::as_deref).collect())
            }
            Self::Whole(values) | Self::Time(values) => Cells::Whole(values.clone()),
            Self::Number(values) => {
                let finite = values.iter().map(|value| value.filter(|value| value.is_finite()));
                Cells::Number(finite.collect())
            }
            Self::Nested(_) => return None,
        })
    }
}

fn write_csv<'a>(
    out: &mut (dyn Write + Send),
    parts: impl Iterator<Item = Table<'a>>,
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    for (part_idx, part) in parts.enumerate() {
        if part_idx == 0 {
            writer.write_record(part.flat().map(|(name, _)| name))?;
        }
        for row in 0..part.n_rows {
            for (_, column) in part.flat() {
                match column.cell(row) {
                    Cell::Null | Cell::Nested(_) => writer.write_field("")?,
                    Cell::Text(text) => writer.write_field(text)?,
                    Cell::Whole(value) => writer.write_field(value.to_string())?,
                    // The shortest text that reads back as the same number.
                    Cell::Number(value) => writer.write_field(format!("{value:?}"))?,
                    Cell::Time(at) => writer.write_field(at.to_string())?,
                }
            }
            writer.write_record(None::<&[u8]>)?;
        }
    }
    writer.flush()
}

/// A row as a JSON object with its keys in the order of the columns.
struct RowObject<'t, 'a>(&'t Table<'a>, usize);

impl Serialize for RowObject<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(table, row) = self;
        let mut object = serializer.serialize_map(Some(table.columns.len()))?;
        for (name, column) in &table.columns {
            object.serialize_entry(name, &column.cell(*row))?;
        }
        object.end()
    }
}

fn write_json<'a>(
    out: &mut (dyn Write + Send),
    parts: impl Iterator<Item = Table<'a>>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    let mut separator: &[u8] = b"\n";
    for part in parts {
        for row in 0..part.n_rows {
            out.write_all(separator)?;
            serde_json::to_writer(&mut *out, &RowObject(&part, row))?;
            separator = b",\n";
        }
    }
    out.write_all(b"\n]\n")
}

fn write_parquet<'a>(
    out: &mut (dyn Write + Send),
    parts: impl Iterator<Item = Table<'a>>,
) -> Result<(), ParquetError> {
    let mut parts = parts.peekable();
    let Some(first) = parts.peek() else {
        return Ok(());
    };
    let columns = first.columns.iter().filter_map(|(name, column)| {
        let is_required = matches!(column, Column::Text(_));
        Some(ColumnSpec { name, kind: column.kind()?, is_required })
    });
    let columns: Vec<_> = columns.collect();
    let mut writer = TableWriter::begin(out, &columns, PageCompression::SNAPPY)?;
    for part in parts {
        let cells: Vec<_> = part.columns.iter().filter_map(|(_, column)| column.cells()).collect();
        writer.write(part.n_rows, &cells)?;
    }
    writer.close()
}

impl<'a> Table<'a> {
    /// The columns of formats that nest nothing.
    fn flat(&self) -> impl Iterator<Item = &(&'static str, Column<'a>)> {
        self.columns.iter().filter(|(_, column)| !matches!(column, Column::Nested(_)))
    }
}
