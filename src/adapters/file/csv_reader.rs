//! Records from CSV, one reused row at a time.

use std::path::PathBuf;
use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder};

use super::columns::Columns;
use super::error::FileError;
use super::input::{ByteStream, RowGuard, checked_text, open};
use super::options::{Field, FileOptions};
use super::values::{Fault, FieldColumn, number, timestamp_us};
use crate::domain::record::RecordRef;
use crate::domain::{IncidentId, RecordBatch};

/// Bytes of text after which a batch is handed on although it has room for rows: with rows of
/// ordinary length it never comes to that.
const MAX_BATCH_BYTES: usize = 4 << 20;
const BUFFER_BYTES: usize = 1 << 16;

/// Reads a CSV file as a stream.
pub(super) struct CsvReader {
    rows: Rows,
    parser: RowParser,
    record: ByteRecord,
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
        let path = options.path.clone();
        let stream = match checked_text(&path, stream) {
            Ok(stream) => stream?,
            Err(source) if gzip => return Err(FileError::Gzip { path, source }),
            Err(source) => return Err(FileError::Read { path, source }),
        };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(options.delimiter)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(RowGuard::new(stream));
        let mut rows = Rows { reader, path, gzip, has_crlf: false };
        let mut record = ByteRecord::new();
        if !rows.next_into(&mut record)? {
            return Err(FileError::Empty { path: rows.path });
        }
        rows.has_crlf = rows.reader.position().line() == 1;
        let header: Vec<String> =
            record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let delimiter = Some(options.delimiter);
        let there = header.iter().map(String::as_str);
        let lengths = options.lengths.wanted(there, options.distance_unit);
        let columns = Columns::find(&rows.path, &header, &options.columns, &lengths, delimiter)?;
        let classes = lengths.into_iter().map(|length| length.class).collect();
        let parser = RowParser { columns, n_columns: header.len(), options: options.clone() };
        Ok(Self { rows, parser, record, classes })
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
            if !self.rows.next_into(&mut self.record)? {
                break;
            }
            n_bytes += self.record.as_slice().len();
            let (row, mut fault) = self.parser.parse(&self.record);
            self.parser.lengths(&self.record, &mut lengths, &mut fault);
            let fault = fault.at(|| self.rows.place_of(&self.record));
            batch.push(RecordRef { fault: fault.get(), lengths_km: &lengths, ..row });
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

/// The rows of a file as bytes, and where they stand.
struct Rows {
    reader: csv::Reader<RowGuard>,
    path: PathBuf,
    gzip: bool,
    /// Whether lines end in CR LF: the reader counts a line at its LF, which it has not seen yet when
    /// it returns such a row.
    has_crlf: bool,
}

impl Rows {
    /// Reads the next row, and says whether there was one.
    fn next_into(&mut self, record: &mut ByteRecord) -> Result<bool, FileError> {
        self.reader.get_mut().row_done();
        let found = match self.reader.read_byte_record(record) {
            Ok(found) => found,
            Err(error) => return Err(self.explain(error, record)),
        };
        if found && self.reader.get_ref().is_at_end() {
            self.check_last(record)?;
        }
        Ok(found)
    }

    /// A last row that ends inside quotation marks has swallowed the rows after it.
    fn check_last(&self, record: &ByteRecord) -> Result<(), FileError> {
        let in_last_field = record.iter().next_back().is_some_and(|f| f.contains(&b'\n'));
        if in_last_field && self.reader.get_ref().has_odd_quotes() {
            let (line, _) = self.lines_of(record);
            return Err(FileError::UnclosedQuote { path: self.path.clone(), line });
        }
        Ok(())
    }

    fn explain(&self, error: csv::Error, record: &ByteRecord) -> FileError {
        let path = self.path.clone();
        if self.reader.get_ref().overran() {
            let before = record.position().map_or(1, csv::Position::line);
            let line = before + u64::from(self.has_crlf);
            let max_bytes = RowGuard::MAX_ROW_BYTES;
            return FileError::RowTooLong { path, line, max_bytes };
        }
        let source = error.into();
        if self.gzip {
            return FileError::Gzip { path, source };
        }
        FileError::Read { path, source }
    }

    /// First and last line of the row just read. Blank lines before it are no part of it.
    fn lines_of(&self, record: &ByteRecord) -> (u64, u64) {
        let n_inside = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let is_break_counted = !self.has_crlf && !self.reader.get_ref().is_at_end();
        let n_counted = n_inside + u64::from(is_break_counted);
        let first = self.reader.position().line().saturating_sub(n_counted);
        (first, first + n_inside)
    }

    fn place_of(&self, record: &ByteRecord) -> String {
        match self.lines_of(record) {
            (first, last) if first == last => format!("line {first}"),
            (first, last) => format!("lines {first} to {last}"),
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
    /// A row whose texts lie in `record`; what cannot be read is null and noted.
    fn parse<'a>(&self, record: &'a ByteRecord) -> (RecordRef<'a>, Fault) {
        let row = Row { record, text: str::from_utf8(record.as_slice()).ok() };
        let mut fault = Fault::default();
        if record.len() != self.n_columns {
            let (n_fields, n_columns) = (record.len(), self.n_columns);
            fault.note(|| format!("{n_fields} fields where the header has {n_columns}"));
        }
        let distance = self.number(row, Field::Distance, &mut fault);
        let travel_time = self.number(row, Field::TravelTime, &mut fault);
        let record = RecordRef {
            distance_km: distance.map(|x| self.options.distance_unit.to_km(x)),
            travel_time_s: travel_time.map(|x| self.options.time_unit.to_s(x)),
            occurred_at_us: self.timestamp_us(row, &mut fault),
            weight: self.number(row, Field::Weight, &mut fault),
            incident_id: self.text(row, Field::IncidentId, &mut fault).map(IncidentId::Text),
            region: self.text(row, Field::Region, &mut fault),
            parent_region: self.text(row, Field::ParentRegion, &mut fault),
            priority: self.text(row, Field::Priority, &mut fault),
            lengths_km: &[],
            fault: None,
        };
        (record, fault)
    }

    /// Lengths by class of road, km.
    fn lengths(&self, record: &ByteRecord, lengths: &mut [Option<f64>], fault: &mut Fault) {
        if lengths.is_empty() {
            return;
        }
        let row = Row { record, text: str::from_utf8(record.as_slice()).ok() };
        for (length, (column, at)) in lengths.iter_mut().zip(self.columns.lengths()) {
            let of = FieldColumn::length(&column.name);
            let text = row.trimmed(*at, of, fault);
            let value = text.and_then(|text| read_number(text, of, fault));
            *length = value.map(|x| column.unit.to_km(x));
        }
    }

    /// The trimmed text of a field, or `None` where it is blank, absent or not UTF-8.
    fn text<'a>(&self, row: Row<'a>, field: Field, fault: &mut Fault) -> Option<&'a str> {
        row.trimmed(self.columns.index(field)?, self.columns.of(field), fault)
    }

    fn number(&self, row: Row<'_>, field: Field, fault: &mut Fault) -> Option<f64> {
        let text = self.text(row, field, fault)?;
        read_number(text, self.columns.of(field), fault)
    }

    fn timestamp_us(&self, row: Row<'_>, fault: &mut Fault) -> Option<i64> {
        let text = self.text(row, Field::OccurredAt, fault)?;
        let at = timestamp_us(text, &self.options.time_zone);
        if at.is_none() {
            fault.value(text, self.columns.of(Field::OccurredAt), "a time stamp");
        }
        at
    }
}

/// A row's fields, which lie side by side without their delimiters.
#[derive(Clone, Copy)]
struct Row<'a> {
    record: &'a ByteRecord,
    /// All fields as one text, where they are one: to check them at once is far cheaper.
    text: Option<&'a str>,
}

impl<'a> Row<'a> {
    /// The text of a field, or `None` where it is absent or not UTF-8.
    fn text(self, index: usize) -> Option<&'a str> {
        match self.text {
            // Bytes of two fields may make up one character between them: then there is no boundary.
            Some(text) => text.get(self.record.range(index)?),
            None => str::from_utf8(self.record.get(index)?).ok(),
        }
    }

    /// The trimmed text of a column, or `None` where it is blank, absent or not UTF-8.
    fn trimmed(self, index: usize, of: FieldColumn<'_>, fault: &mut Fault) -> Option<&'a str> {
        if let Some(text) = self.text(index) {
            return Some(trimmed(text)).filter(|text| !text.is_empty());
        }
        let shown = String::from_utf8_lossy(self.record.get(index)?);
        fault.value(&shown, of, "text in UTF-8");
        None
    }
}

fn read_number(text: &str, of: FieldColumn<'_>, fault: &mut Fault) -> Option<f64> {
    let value = number(text);
    if value.is_none() {
        fault.value(text, of, "a number");
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
