//! The rows of a CSV file as fields of bytes, none of its lines lost.
//!
//! A row is one line; a field in quotation marks may hold line breaks and makes it several (RFC
//! 4180). A quotation mark that opens a field and is not closed properly is a fault of its own line,
//! and the lines after it are rows again: whoever reads on to the next quotation mark loses all
//! records between. Knows the number of columns, and which of them hold numbers in every record.

use std::io;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use super::input::ByteStream;
use super::values::number;

/// Longest row. Rows of this kind have some hundred bytes.
pub(super) const MAX_ROW_BYTES: usize = 1 << 20;
/// Bytes asked of the stream at a time.
const CHUNK_BYTES: usize = 1 << 16;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why there is no next row.
#[derive(Debug)]
pub(super) enum RowsError {
    Io(io::Error),
    /// A line, or what is blank before it, is longer than [`MAX_ROW_BYTES`].
    TooLong {
        line: u64,
    },
    /// The stream had so many line breaks, the rows so many lines: a mistake in this program.
    LinesLost {
        n_read: u64,
        n_told: u64,
    },
}

/// What is wrong with the quotation marks of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuoteFault {
    /// One is opened, and what follows up to the next one cannot belong to it.
    Open,
    /// Text follows the closing one.
    Late,
}

impl QuoteFault {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Open => "a quotation mark is opened and not closed",
            Self::Late => "text follows a closing quotation mark",
        }
    }
}

/// The columns of a file, as far as they tell a record from other text.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    /// Columns of the header; 0 while it is not known.
    pub(super) n_columns: usize,
    /// Places of columns with numbers.
    pub(super) numbers: Vec<usize>,
}

impl Shape {
    /// Whether one of those columns holds a number in that line, taken by itself.
    fn holds_number(&self, line: &[u8], delimiter: u8) -> bool {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == delimiter).collect();
        let is_number = |at: &usize| {
            let text = fields.get(*at).and_then(|field| str::from_utf8(field).ok());
            text.is_some_and(|text| number(text.trim().trim_matches('"')).is_some())
        };
        self.numbers.is_empty() || self.numbers.iter().any(is_number)
    }
}

/// One row, as long as nothing more is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawRow<'a> {
    bytes: &'a [u8],
    fields: &'a [Range<usize>],
    /// First and last line, counted from 1.
    pub(super) lines: (u64, u64),
    /// Where it is there, there are no fields.
    pub(super) fault: Option<QuoteFault>,
}

impl<'a> RawRow<'a> {
    /// Number of fields.
    pub(super) fn len(self) -> usize {
        self.fields.len()
    }

    /// The bytes of a field; nothing beyond the last.
    pub(super) fn get(self, index: usize) -> Option<&'a [u8]> {
        self.bytes.get(self.fields.get(index)?.clone())
    }

    /// The fields in their order.
    pub(super) fn fields(self) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().map(move |field| &self.bytes[field.clone()])
    }

    /// All fields, with or without what stands between them.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Where a field lies in [`bytes`](Self::bytes).
    pub(super) fn range(self, index: usize) -> Option<Range<usize>> {
        self.fields.get(index).cloned()
    }

    pub(super) fn place(self) -> String {
        match self.lines {
            (first, last) if first == last => format!("line {first}"),
            (first, last) => format!("lines {first} to {last}"),
        }
    }
}

/// Reads the rows of a stream.
pub(super) struct CsvRows {
    stream: ByteStream,
    delimiter: u8,
    /// Ends a line; a CR before it is no part of the line.
    line_break: u8,
    shape: Shape,
    buffer: Vec<u8>,
    /// What lies before it in the buffer is done with.
    at: usize,
    is_at_end: bool,
    /// The next line.
    line: u64,
    n_breaks_read: u64,
    last_byte: Option<u8>,
    fields: Vec<Range<usize>>,
    /// Fields without their quotation marks, where a row has some.
    unquoted: Vec<u8>,
}

/// Where a line lies in the buffer: its first byte, the first after it, and where the next begins.
#[derive(Debug, Clone, Copy)]
struct Line {
    from: usize,
    to: usize,
    next: usize,
}

impl CsvRows {
    /// Rows of a stream without a byte-order mark at its head.
    pub(super) fn new(stream: ByteStream, delimiter: u8) -> Result<Self, RowsError> {
        let mut rows = Self {
            stream,
            delimiter,
            line_break: b'\n',
            shape: Shape::default(),
            buffer: Vec::new(),
            at: 0,
            is_at_end: false,
            line: 1,
            n_breaks_read: 0,
            last_byte: None,
            fields: Vec::new(),
            unquoted: Vec::new(),
        };
        rows.line_break = rows.find_line_break()?;
        rows.n_breaks_read = memchr_iter(rows.line_break, &rows.buffer).count() as u64;
        Ok(rows)
    }

    /// From now on rows are looked at with this in mind.
    pub(super) fn set_shape(&mut self, shape: Shape) {
        self.shape = shape;
    }

    /// What ends the first line: CR where no LF follows it, as on old machines.
    fn find_line_break(&mut self) -> Result<u8, RowsError> {
        loop {
            if let Some(at) = memchr2(b'\n', b'\r', &self.buffer) {
                let after = self.buffer[at..].iter().find(|byte| **byte != b'\r');
                match after {
                    Some(b'\n') => return Ok(b'\n'),
                    Some(_) => return Ok(b'\r'),
                    None if self.is_at_end => return Ok(b'\r'),
                    None => {}
                }
            }
            if self.is_at_end || self.buffer.len() > MAX_ROW_BYTES {
                return Ok(b'\n');
            }
            self.fill()?;
        }
    }

    /// Reads a chunk more. What is in the buffer stays where it is.
    fn fill(&mut self) -> Result<(), RowsError> {
        let n_before = self.buffer.len();
        self.buffer.resize(n_before + CHUNK_BYTES, 0);
        let read = loop {
            match self.stream.read(&mut self.buffer[n_before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        self.buffer.truncate(n_before + *read.as_ref().unwrap_or(&0));
        self.is_at_end = read.map_err(RowsError::Io)? == 0;
        let read = &self.buffer[n_before..];
        self.last_byte = read.last().copied().or(self.last_byte);
        self.n_breaks_read += memchr_iter(self.line_break, read).count() as u64;
        Ok(())
    }

    /// The next row, blank lines passed over.
    pub(super) fn next_row(&mut self) -> Result<Option<RawRow<'_>>, RowsError> {
        let mut n_blank_bytes = 0;
        loop {
            if self.at >= CHUNK_BYTES {
                self.buffer.drain(..self.at);
                self.at = 0;
            }
            let first = self.line;
            let Some(line) = self.line_at(self.at)? else {
                return self.check_lines().map(|()| None);
            };
            if line.from == line.to {
                n_blank_bytes += line.next - self.at;
                // Unpacked, a small file may hold billions.
                if n_blank_bytes > MAX_ROW_BYTES {
                    return Err(RowsError::TooLong { line: first });
                }
                self.take(line.next, 1);
                continue;
            }
            if memchr(b'"', &self.buffer[line.from..line.to]).is_none() {
                let (to, n_lines) = self.split_plain(line);
                self.take(if n_lines == 0 { to } else { line.next }, n_lines);
                let bytes = &self.buffer[line.from..to];
                let (fields, lines) = (&self.fields[..], (first, first));
                return Ok(Some(RawRow { bytes, fields, lines, fault: None }));
            }
            return match self.split_quoted(line)? {
                Ok((next, n_lines)) => {
                    self.take(next, n_lines);
                    let (fields, lines) = (&self.fields[..], (first, first + n_lines - 1));
                    Ok(Some(RawRow { bytes: &self.unquoted, fields, lines, fault: None }))
                }
                Err(fault) => {
                    self.take(line.next, 1);
                    let (fault, lines) = (Some(fault), (first, first));
                    Ok(Some(RawRow { bytes: &[], fields: &[], lines, fault }))
                }
            };
        }
    }

    fn take(&mut self, next: usize, n_lines: u64) {
        self.at = next;
        self.line += n_lines;
    }

    /// The line that begins there, or `None` at the end.
    fn line_at(&mut self, from: usize) -> Result<Option<Line>, RowsError> {
        let mut searched = from;
        loop {
            if let Some(n) = memchr(self.line_break, &self.buffer[searched..]) {
                let to = searched + n;
                return Ok(Some(self.trimmed(Line { from, to, next: to + 1 })));
            }
            searched = self.buffer.len();
            if self.is_at_end {
                let line = Line { from, to: searched, next: searched };
                return Ok((from < searched).then(|| self.trimmed(line)));
            }
            if searched - from > MAX_ROW_BYTES {
                return Err(RowsError::TooLong { line: self.line });
            }
            self.fill()?;
        }
    }

    /// Without the other half of a line break, and without the byte-order mark of a file that was
    /// appended to another.
    fn trimmed(&self, mut line: Line) -> Line {
        if self.line_break == b'\n' {
            while self.buffer[line.from..line.to].ends_with(b"\r") {
                line.to -= 1;
            }
        }
        while self.line_break == b'\r' && self.buffer[line.from..line.to].starts_with(b"\n") {
            line.from += 1;
        }
        if self.buffer[line.from..line.to].starts_with(BYTE_ORDER_MARK) {
            line.from += BYTE_ORDER_MARK.len();
        }
        line
    }

    /// Splits a line without quotation marks; gives its end, and the number of lines that are done
    /// with. A CR inside is text, unless it explains why there are not as many fields as columns: then
    /// the row ends there, and the line goes on.
    fn split_plain(&mut self, line: Line) -> (usize, u64) {
        let whole = &self.buffer[line.from..line.to];
        split(whole, self.delimiter, &mut self.fields);
        let is_ragged = self.shape.n_columns > 0 && self.fields.len() != self.shape.n_columns;
        let Some(at) = memchr(b'\r', whole).filter(|_| is_ragged) else {
            return (line.to, 1);
        };
        split(&whole[..at], self.delimiter, &mut self.fields);
        (line.from + at + 1, 0)
    }

    /// Splits a row with quotation marks, which may have more lines than its first one; gives the
    /// beginning of the next and the number of lines.
    fn split_quoted(&mut self, first: Line) -> Result<Result<(usize, u64), QuoteFault>, RowsError> {
        self.fields.clear();
        self.unquoted.clear();
        let (mut line, mut n_lines, mut at) = (first, 1, first.from);
        loop {
            let start = self.unquoted.len();
            if self.buffer[at..line.to].first() == Some(&b'"') {
                at += 1;
                while !self.copy_quoted(&mut at, line) {
                    let next = self.line_after(line)?;
                    let Some(next) = next.filter(|next| next.next - first.from <= MAX_ROW_BYTES)
                    else {
                        return Ok(Err(QuoteFault::Open));
                    };
                    (line, n_lines, at) = (next, n_lines + 1, next.from);
                }
                if at < line.to && self.buffer[at] != self.delimiter {
                    let is_one_line = n_lines == 1;
                    return Ok(Err(if is_one_line { QuoteFault::Late } else { QuoteFault::Open }));
                }
            } else {
                let rest = &self.buffer[at..line.to];
                let field = &rest[..memchr(self.delimiter, rest).unwrap_or(rest.len())];
                self.unquoted.extend_from_slice(field);
                at += field.len();
            }
            self.fields.push(start..self.unquoted.len());
            if at >= line.to {
                break;
            }
            at += 1;
        }
        if n_lines > 1 && self.holds_records(first, line.next) {
            return Ok(Err(QuoteFault::Open));
        }
        Ok(Ok((line.next, n_lines)))
    }

    /// Copies what stands in quotation marks from `at` on, and says whether they are closed in that
    /// line: `at` is behind them then.
    fn copy_quoted(&mut self, at: &mut usize, line: Line) -> bool {
        loop {
            let rest = &self.buffer[*at..line.to];
            let Some(n_bytes) = memchr(b'"', rest) else {
                self.unquoted.extend_from_slice(&self.buffer[*at..line.next]);
                return false;
            };
            self.unquoted.extend_from_slice(&rest[..n_bytes]);
            *at += n_bytes + 1;
            if self.buffer[*at..line.to].first() != Some(&b'"') {
                return true;
            }
            self.unquoted.push(b'"');
            *at += 1;
        }
    }

    /// The line after that one; none at the end, and none that is too long.
    fn line_after(&mut self, line: Line) -> Result<Option<Line>, RowsError> {
        match self.line_at(line.next) {
            Err(RowsError::TooLong { .. }) => Ok(None),
            line => line,
        }
    }

    /// Whether a row of several lines is none: its lines are records by themselves, or it has not as
    /// many fields as there are columns.
    fn holds_records(&self, first: Line, end: usize) -> bool {
        let n_columns = match self.shape.n_columns {
            0 => self.fields.len(),
            n_columns => n_columns,
        };
        if self.fields.len() != n_columns {
            return true;
        }
        let mut lines = self.buffer[first.from..end].split(|byte| *byte == self.line_break);
        let n_fields = |line: &[u8]| memchr_iter(self.delimiter, line).count() + 1;
        lines.next().is_some_and(|line| n_fields(line) == n_columns)
            && lines.any(|line| {
                n_fields(line) == n_columns && self.shape.holds_number(line, self.delimiter)
            })
    }

    /// Every line of the stream was passed over as blank or handed out.
    fn check_lines(&self) -> Result<(), RowsError> {
        let is_last_open = self.last_byte.is_some_and(|byte| byte != self.line_break);
        let (n_read, n_told) = (self.n_breaks_read + u64::from(is_last_open), self.line - 1);
        if n_read == n_told { Ok(()) } else { Err(RowsError::LinesLost { n_read, n_told }) }
    }
}

fn split(line: &[u8], delimiter: u8, fields: &mut Vec<Range<usize>>) {
    fields.clear();
    let mut from = 0;
    for at in memchr_iter(delimiter, line) {
        fields.push(from..at);
        from = at + 1;
    }
    fields.push(from..line.len());
}
