//! Parameter rows and group rows read back from the files that `fit` and `export` write.
//!
//! Such a file is small: it is read whole, up to a limit. Columns that are not needed may be missing,
//! so that a file written by hand serves as well.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::columns::listed;
use super::error::FileError;
use super::format::{TableFormat, table_format};
use super::input::{checked_text, open};
use super::parquet_columns::{Kind, Texts};
use super::parquet_reader::{choose, guarded};
use crate::adapters::columnar::TableReader;
use crate::domain::{
    GroupDetail, GroupKey, ParameterRow, ParameterStatus, PublishedGroup, RecordBatch,
};

/// Bytes of text up to which a file is read: some 200,000 groups.
const MAX_BYTES: u64 = 256 << 20;

/// A row by column. Text formats have texts and JSON its own types.
type Row = Map<String, Value>;

/// Reads the groups of a file of parameters, with models and correlations where `groups`, a file of
/// groups, tells them. Formats are told by the names: CSV, JSON, Parquet. A JSON file may also be a
/// document of `show --json`, `export --json` or `run_results.json`, which tells both. Blocks.
///
/// # Errors
/// [`FileError`] where a file cannot be read, lacks a column, or has a row without a number.
pub fn read_published(
    parameters: &Path,
    groups: Option<&Path>,
) -> Result<Vec<PublishedGroup>, FileError> {
    let Tables { parameters: rows, groups: mut about } = tables(parameters, Tables::of_parameters)?;
    let rows = (1..).zip(&rows);
    let rows = rows.map(|(n, row)| parameter(&Place { path: parameters, n, row }));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let path = groups.unwrap_or(parameters);
    if let Some(path) = groups {
        about = tables(path, Tables::of_groups)?.groups;
    }
    let about = (1..).zip(&about).map(|(n, row)| group(&Place { path, n, row }));
    Ok(PublishedGroup::gather(rows, about.collect::<Result<Vec<_>, _>>()?))
}

/// What a file holds.
#[derive(Default)]
struct Tables {
    parameters: Vec<Row>,
    groups: Vec<Row>,
}

impl Tables {
    fn of_parameters(rows: Vec<Row>) -> Self {
        Self { parameters: rows, groups: Vec::new() }
    }

    fn of_groups(rows: Vec<Row>) -> Self {
        Self { parameters: Vec::new(), groups: rows }
    }

    /// From a document with both: `groups` and `parameters` side by side, or `results` with the
    /// parameters inside each group.
    fn of_document(mut document: Row) -> Option<Self> {
        if let Some(Value::Array(results)) = document.remove("results") {
            let mut tables = Self::default();
            for mut group in objects(results)? {
                if let Some(Value::Array(rows)) = group.remove("parameters") {
                    tables.parameters.extend(objects(rows)?);
                }
                tables.groups.push(group);
            }
            return Some(tables);
        }
        let mut rows = |name: &str| match document.remove(name) {
            Some(Value::Array(rows)) => objects(rows),
            _ => None,
        };
        Some(Self { parameters: rows("parameters")?, groups: rows("groups")? })
    }
}

fn objects(values: Vec<Value>) -> Option<Vec<Row>> {
    let rows = values.into_iter().map(|value| match value {
        Value::Object(row) => Some(row),
        _ => None,
    });
    rows.collect()
}

fn tables(path: &Path, of_rows: fn(Vec<Row>) -> Tables) -> Result<Tables, FileError> {
    if path.is_dir() {
        return Err(FileError::IsFolder { path: path.to_owned() });
    }
    match table_format(path)?.0 {
        TableFormat::Csv => csv_rows(path).map(of_rows),
        TableFormat::Parquet => parquet_rows(path).map(of_rows),
        TableFormat::Json => {
            let json = |source| FileError::Json { path: path.to_owned(), source };
            let found = match serde_json::from_str(&text(path)?).map_err(json)? {
                Value::Array(rows) => objects(rows).map(of_rows),
                Value::Object(document) => Tables::of_document(document),
                _ => None,
            };
            found.ok_or_else(|| FileError::NoTable { path: path.to_owned() })
        }
    }
}

/// A text file's content, unpacked.
fn text(path: &Path) -> Result<String, FileError> {
    let (stream, gzip) = open(path)?;
    let read = |source| match gzip {
        true => FileError::Gzip { path: path.to_owned(), source },
        false => FileError::Read { path: path.to_owned(), source },
    };
    let stream = checked_text(path, stream).map_err(read)??;
    let mut text = String::new();
    let n_bytes = stream.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(read)?;
    if n_bytes as u64 > MAX_BYTES {
        return Err(FileError::TableTooLong { path: path.to_owned(), max_bytes: MAX_BYTES });
    }
    Ok(text)
}

fn csv_rows(path: &Path) -> Result<Vec<Row>, FileError> {
    let text = text(path)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let failed =
        |error: csv::Error| FileError::Read { path: path.to_owned(), source: error.into() };
    let names: Vec<String> =
        reader.headers().map_err(failed)?.iter().map(|name| name.trim().to_owned()).collect();
    if names.is_empty() {
        return Err(FileError::Empty { path: path.to_owned() });
    }
    let row = |fields: csv::StringRecord| {
        let fields = fields.iter().map(|field| Value::from(field.trim()));
        names.iter().cloned().zip(fields).collect()
    };
    reader.into_records().map(|fields| Ok(row(fields.map_err(failed)?))).collect()
}

fn parquet_rows(path: &Path) -> Result<Vec<Row>, FileError> {
    let file =
        File::open(path).map_err(|source| FileError::Open { path: path.to_owned(), source })?;
    let table = guarded(path, || TableReader::open(file))?;
    let columns = table.columns().iter().enumerate();
    let serves = columns.filter(|(_, c)| Kind::Text.takes(c.stored) && c.is_readable());
    let (chosen, columns): (Vec<_>, Vec<_>) =
        serves.map(|(at, column)| (at, (column.name.clone(), column.stored))).unzip();
    let mut table = choose(path, table, chosen)?;
    let mut rows = Vec::new();
    while let Some((n_rows, values)) = guarded(path, || table.next_batch(RecordBatch::MAX_ROWS))? {
        let first = rows.len();
        rows.resize(first + n_rows, Row::new());
        for ((name, stored), values) in columns.iter().zip(values) {
            // The shortest text of a number reads back as that number.
            let texts = Texts::of(*stored, values);
            for (at, row) in rows[first..].iter_mut().enumerate() {
                row.insert(name.clone(), texts.get(at).map_or(Value::Null, Value::from));
            }
        }
    }
    Ok(rows)
}

/// A row, and where it stands.
struct Place<'a> {
    path: &'a Path,
    /// Its number, from 1; a header does not count.
    n: u64,
    row: &'a Row,
}

impl Place<'_> {
    /// A text; empty where it is null or there is no such column.
    fn text(&self, column: &str) -> String {
        match self.row.get(column) {
            Some(Value::String(text)) => text.clone(),
            // A region that is a number, in JSON or in a Parquet file by another hand.
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    fn needed(&self, column: &'static str) -> Result<String, FileError> {
        let text = self.text(column);
        if !text.is_empty() {
            return Ok(text);
        }
        if self.row.contains_key(column) {
            return Err(self.wrong(column, "is empty"));
        }
        Err(FileError::MissingColumns {
            path: self.path.to_owned(),
            missing: format!("`{column}`"),
            found: listed(self.row.keys().map(String::as_str)),
            guess: Some("name a file that `speedfit fit` or `speedfit export` has written".into()),
        })
    }

    fn number(&self, column: &'static str) -> Result<Option<f64>, FileError> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        let value = text.parse().ok().filter(|value: &f64| value.is_finite());
        value.map(Some).ok_or_else(|| self.wrong(column, "is no number"))
    }

    fn wrong(&self, column: &'static str, what: &'static str) -> FileError {
        FileError::Cell { path: self.path.to_owned(), row: self.n, column, what }
    }

    fn key(&self) -> Result<GroupKey, FileError> {
        Ok(GroupKey {
            region: self.needed("region")?,
            band: self.text("band"),
            priority: self.text("priority"),
        })
    }
}

fn parameter(place: &Place<'_>) -> Result<ParameterRow, FileError> {
    let status = match place.text("status").as_str() {
        "" => Some(ParameterStatus::Ok),
        name => ParameterStatus::from_name(name),
    };
    Ok(ParameterRow {
        key: place.key()?,
        name: place.needed("name")?,
        unit: place.text("unit"),
        estimate: place.number("estimate")?.ok_or_else(|| place.wrong("estimate", "is empty"))?,
        std_error: place.number("std_error")?,
        ci_low: place.number("ci_low")?,
        ci_high: place.number("ci_high")?,
        raw_estimate: place.number("raw_estimate")?,
        pool_weight: place.number("pool_weight")?,
        status: status.ok_or_else(|| place.wrong("status", "is not known"))?,
    })
}

fn group(place: &Place<'_>) -> Result<(GroupKey, Option<String>, GroupDetail), FileError> {
    let model = Some(place.text("model")).filter(|model| !model.is_empty());
    let detail = match place.row.get("detail") {
        None | Some(Value::Null) => GroupDetail::default(),
        Some(detail) => serde_json::from_value(detail.clone())
            .map_err(|_| place.wrong("detail", "is not one of speedfit's"))?,
    };
    Ok((place.key()?, model, detail))
}
