//! Records from CSV: what the fields of its rows say.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::columns::Columns;
use super::csv_rows::{CsvRows, MAX_ROW_BYTES, RawRow, RowsError, Shape};
use super::error::FileError;
use super::input::{ByteStream, checked_text, open};
use super::options::{Field, FileOptions};
use super::values::{Fault, FieldColumn, clip, number, timestamp_us};
use crate::domain::record::RecordRef;
use crate::domain::row_fault::{NOT_A_NUMBER, NOTHING_BEYOND, RAGGED};
use crate::domain::{IncidentId, RecordBatch};

/// Bytes of text after which a batch is handed on although it has room for rows: with rows of
/// ordinary length it never comes to that.
const MAX_BATCH_BYTES: usize = 4 << 20;
/// Lines in which the header is looked for where the first is none, to say where it is.
const MAX_LINES_ABOVE_HEADER: usize = 20;

/// Reads a CSV file as a stream.
pub(super) struct CsvReader {
    rows: CsvRows,
    origin: Origin,
    parser: RowParser,
    /// Classes of road whose lengths are read.
    classes: Arc<[String]>,
}

impl CsvReader {
    /// Opens the file and finds its columns.
    pub(super) fn open(options: &FileOptions) -> Result<Self, FileError> {
        let (stream, gzip) = open(&options.path)?;
        Self::over(stream, gzip, options)
    }

    /// Reads a stream of bytes; `options.path` names it in messages.
    pub(super) fn over(
        stream: ByteStream,
        gzip: bool,
        options: &FileOptions,
    ) -> Result<Self, FileError> {
        let origin = Origin { path: options.path.clone(), gzip };
        let stream = checked_text(&origin.path, stream).map_err(|error| origin.broken(error))??;
        let rows = CsvRows::new(stream, options.delimiter);
        let mut rows = rows.map_err(|error| origin.explain(error))?;
        let Some(first) = rows.next_row().map_err(|error| origin.explain(error))? else {
            return Err(FileError::Empty { path: origin.path });
        };
        let (header, line) = (origin.header(first)?, first.lines.0);
        let lengths =
            options.lengths.wanted(header.iter().map(String::as_str), options.distance_unit);
        origin.check_width(header.len())?;
        let find = |header: &[String]| {
            let delimiter = Some(options.delimiter);
            Columns::find(&origin.path, header, &options.columns, &lengths, delimiter)
        };
        let columns = match find(&header) {
            Err(missing @ FileError::MissingColumns { .. }) => {
                let below = header_below(&mut rows, &origin, |header| find(header).is_ok());
                let above = clip(&header.join(&char::from(options.delimiter).to_string()));
                let path = origin.path.clone();
                return Err(below.map_or(missing, |header| FileError::HeaderBelow {
                    path,
                    line,
                    above,
                    header,
                }));
            }
            columns => columns?,
        };
        let numbers = [Field::Distance, Field::TravelTime].map(|field| columns.index(field));
        let numbers = numbers.into_iter().flatten().collect();
        rows.set_shape(Shape { n_columns: header.len(), numbers });
        let classes = lengths.into_iter().map(|length| length.class).collect();
        let parser = RowParser { columns, n_columns: header.len(), options: options.clone() };
        Ok(Self { rows, origin, parser, classes })
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.parser.columns
    }

    pub(super) fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The next rows, or `None` at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, FileError> {
        let mut batch = RecordBatch::of_classes(&self.classes);
        let mut lengths = vec![None; self.classes.len()];
        batch.occurred_at_us.reserve_exact(RecordBatch::MAX_ROWS);
        batch.distance_km.reserve_exact(RecordBatch::MAX_ROWS);
        batch.travel_time_s.reserve_exact(RecordBatch::MAX_ROWS);
        batch.weight.reserve_exact(RecordBatch::MAX_ROWS);
        let mut n_bytes = 0;
        while !batch.is_full() && n_bytes < MAX_BATCH_BYTES {
            let Some(row) = self.rows.next_row().map_err(|error| self.origin.explain(error))?
            else {
                break;
            };
            n_bytes += row.bytes().len();
            let (record, mut fault) = self.parser.parse(row);
            self.parser.lengths(row, &mut lengths, &mut fault);
            if fault.get().is_some() {
                self.parser.look_for_header(row, &self.origin, &mut fault)?;
            }
            let fault = fault.at(|| row.place());
            batch.push(RecordRef { fault: fault.get(), lengths_km: &lengths, ..record });
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

/// The first line from here on that is a header, in words.
fn header_below(
    rows: &mut CsvRows,
    origin: &Origin,
    is_header: impl Fn(&[String]) -> bool,
) -> Option<u64> {
    for _ in 0..MAX_LINES_ABOVE_HEADER {
        let row = rows.next_row().ok().flatten()?;
        if origin.header(row).is_ok_and(|header| is_header(&header)) {
            return Some(row.lines.0);
        }
    }
    None
}

/// Where the rows come from, for what is said of them.
struct Origin {
    path: PathBuf,
    gzip: bool,
}

impl Origin {
    /// Most columns of a file; exports have some hundred.
    const MAX_COLUMNS: usize = 10_000;

    /// The trimmed names in a header.
    fn header(&self, row: RawRow<'_>) -> Result<Vec<String>, FileError> {
        if let Some(fault) = row.fault {
            let (path, line) = (self.path.clone(), row.lines.0);
            return Err(FileError::HeaderQuote { path, line, what: fault.text() });
        }
        Ok(row.fields().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect())
    }

    fn check_width(&self, n_columns: usize) -> Result<(), FileError> {
        let (path, max) = (self.path.clone(), Self::MAX_COLUMNS);
        if n_columns > max {
            return Err(FileError::TooManyColumns { path, n_columns, max });
        }
        Ok(())
    }

    fn broken(&self, source: io::Error) -> FileError {
        let path = self.path.clone();
        if self.gzip { FileError::Gzip { path, source } } else { FileError::Read { path, source } }
    }

    fn explain(&self, error: RowsError) -> FileError {
        let path = self.path.clone();
        match error {
            RowsError::Io(source) => self.broken(source),
            RowsError::TooLong { line } => {
                FileError::RowTooLong { path, line, max_bytes: MAX_ROW_BYTES }
            }
            RowsError::LinesLost { n_read, n_told } => {
                FileError::LinesLost { path, n_read, n_told }
            }
        }
    }
}

/// Turns rows of bytes into records.
struct RowParser {
    columns: Columns,
    n_columns: usize,
    options: FileOptions,
}

impl RowParser {
    /// A record whose texts lie in the row; what cannot be read is null and noted. Where the number of
    /// fields is wrong nobody knows in which column a field stands, so that only a time stamp, which
    /// looks like nothing else, is kept: it tells the window in which the row is refused.
    fn parse<'a>(&self, row: RawRow<'a>) -> (RecordRef<'a>, Fault) {
        let fields = Fields { row, text: str::from_utf8(row.bytes()).ok() };
        let mut fault = Fault::default();
        if let Some(wrong) = row.fault {
            fault.note(|| wrong.text().to_owned());
            return (RecordRef::default(), fault);
        }
        if row.len() != self.n_columns {
            fault.note(|| self.ragged(row));
            let occurred_at_us = self.timestamp_us(fields, &mut Fault::default());
            return (RecordRef { occurred_at_us, ..RecordRef::default() }, fault);
        }
        let distance = self.number(fields, Field::Distance, &mut fault);
        let travel_time = self.number(fields, Field::TravelTime, &mut fault);
        let record = RecordRef {
            distance_km: distance.map(|x| self.options.distance_unit.to_km(x)),
            travel_time_s: travel_time.map(|x| self.options.time_unit.to_s(x)),
            occurred_at_us: self.timestamp_us(fields, &mut fault),
            weight: self.number(fields, Field::Weight, &mut fault),
            incident_id: self.text(fields, Field::IncidentId, &mut fault).map(IncidentId::Text),
            region: self.text(fields, Field::Region, &mut fault),
            parent_region: self.text(fields, Field::ParentRegion, &mut fault),
            priority: self.text(fields, Field::Priority, &mut fault),
            lengths_km: &[],
            fault: None,
        };
        (record, fault)
    }

    fn ragged(&self, row: RawRow<'_>) -> String {
        let (n_fields, n_columns) = (row.len(), self.n_columns);
        let mut text = format!("{n_fields} {RAGGED} {n_columns}");
        let mut beyond = row.fields().skip(n_columns).peekable();
        if beyond.peek().is_some() && beyond.all(|field| field.trim_ascii().is_empty()) {
            text.push_str(", and ");
            text.push_str(NOTHING_BEYOND);
        }
        text
    }

    /// Lengths by class of road, km.
    fn lengths(&self, row: RawRow<'_>, lengths: &mut [Option<f64>], fault: &mut Fault) {
        if lengths.is_empty() {
            return;
        }
        lengths.fill(None);
        if row.len() != self.n_columns {
            return;
        }
        let fields = Fields { row, text: str::from_utf8(row.bytes()).ok() };
        for (length, (column, at)) in lengths.iter_mut().zip(self.columns.lengths()) {
            let of = FieldColumn::length(&column.name);
            let text = fields.trimmed(*at, of, fault);
            let value = text.and_then(|text| read_number(text, of, fault));
            *length = value.map(|x| column.unit.to_km(x));
        }
    }

    /// Whether a row that cannot be read is a header, as in files that were joined. One of another
    /// order would give the rows below it other meanings.
    #[cold]
    fn look_for_header(
        &self,
        row: RawRow<'_>,
        origin: &Origin,
        fault: &mut Fault,
    ) -> Result<(), FileError> {
        let is_name = |at: usize, name: &str| {
            row.get(at).is_some_and(|field| field.trim_ascii() == name.as_bytes())
        };
        let needed = [Field::Region, Field::Distance, Field::TravelTime];
        let is_there =
            |field: &Field| (0..row.len()).any(|at| is_name(at, self.columns.name(*field)));
        if row.len() != self.n_columns || !needed.iter().all(is_there) {
            return Ok(());
        }
        let is_same = self
            .columns
            .found()
            .all(|(field, name)| self.columns.index(field).is_some_and(|at| is_name(at, name)));
        if !is_same {
            let (path, line) = (origin.path.clone(), row.lines.0);
            return Err(FileError::OtherHeader { path, line });
        }
        *fault = Fault::default();
        fault.note(|| "the header stands here again".to_owned());
        Ok(())
    }

    /// The trimmed text of a field, or `None` where it is blank, absent or not UTF-8.
    fn text<'a>(&self, fields: Fields<'a>, field: Field, fault: &mut Fault) -> Option<&'a str> {
        fields.trimmed(self.columns.index(field)?, self.columns.of(field), fault)
    }

    fn number(&self, fields: Fields<'_>, field: Field, fault: &mut Fault) -> Option<f64> {
        let text = self.text(fields, field, fault)?;
        read_number(text, self.columns.of(field), fault)
    }

    fn timestamp_us(&self, fields: Fields<'_>, fault: &mut Fault) -> Option<i64> {
        let text = self.text(fields, Field::OccurredAt, fault)?;
        let at = timestamp_us(text, &self.options.time_zone);
        if at.is_none() {
            fault.value(text, self.columns.of(Field::OccurredAt), "a time stamp");
        }
        at
    }
}

/// A row's fields.
#[derive(Clone, Copy)]
struct Fields<'a> {
    row: RawRow<'a>,
    /// All of them as one text, where they are one: to check them at once is far cheaper.
    text: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// The text of a field, or `None` where it is absent or not UTF-8.
    fn text(self, index: usize) -> Option<&'a str> {
        match self.text {
            // Bytes of two fields may make up one character between them: then there is no boundary.
            Some(text) => text.get(self.row.range(index)?),
            None => str::from_utf8(self.row.get(index)?).ok(),
        }
    }

    /// The trimmed text of a column, or `None` where it is blank, absent or not UTF-8.
    fn trimmed(self, index: usize, of: FieldColumn<'_>, fault: &mut Fault) -> Option<&'a str> {
        if let Some(text) = self.text(index) {
            return Some(trimmed(text)).filter(|text| !text.is_empty());
        }
        fault.bytes(self.row.get(index)?, of);
        None
    }
}

fn read_number(text: &str, of: FieldColumn<'_>, fault: &mut Fault) -> Option<f64> {
    let value = number(text);
    if value.is_none() {
        fault.value(text, of, NOT_A_NUMBER);
    }
    value
}

/// The text without blanks around it; most have none, which a look at both ends tells.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}
