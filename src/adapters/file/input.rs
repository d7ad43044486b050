//! The bytes of a text file: gzip unpacked, the byte-order mark taken off, runaway rows stopped.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::error::FileError;
use super::format::is_gzip_name;

/// Bytes read from the disk at a time.
const BUFFER_BYTES: usize = 1 << 16;
/// Enough of the beginning to tell other kinds of file.
const PREFIX_BYTES: usize = 512;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A file's bytes, unpacked.
pub(super) type ByteStream = Box<dyn Read + Send>;

/// Opens a text file. It is unpacked where its name or its first bytes say gzip.
pub(super) fn open(path: &Path) -> Result<(ByteStream, bool), FileError> {
    let file =
        File::open(path).map_err(|source| FileError::Open { path: path.to_owned(), source })?;
    let (prefix, file) =
        peek(file).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    if is_gzip_name(path) || prefix.starts_with(&GZIP_MAGIC) {
        let packed = BufReader::with_capacity(BUFFER_BYTES, file);
        return Ok((Box::new(MultiGzDecoder::new(packed)), true));
    }
    Ok((Box::new(file), false))
}

/// A stream whose first bytes were read and put back.
type Peeked<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// Reads the first bytes and puts them back.
fn peek<R: Read>(mut stream: R) -> io::Result<(Vec<u8>, Peeked<R>)> {
    let mut prefix = Vec::with_capacity(PREFIX_BYTES);
    stream.by_ref().take(PREFIX_BYTES as u64).read_to_end(&mut prefix)?;
    Ok((prefix.clone(), Cursor::new(prefix).chain(stream)))
}

/// Takes the byte-order mark off and refuses what is plainly no CSV in UTF-8. The outer error is the
/// stream's.
pub(super) fn checked_text(
    path: &Path,
    stream: ByteStream,
) -> io::Result<Result<ByteStream, FileError>> {
    let (prefix, mut stream) = peek(stream)?;
    let (looks_like, remedy) = match prefix.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => {
            io::copy(&mut stream.by_ref().take(3), &mut io::sink())?;
            return Ok(Ok(Box::new(stream)));
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("UTF-16", "save it as UTF-8"),
        [b'P', b'A', b'R', b'1', ..] => {
            ("Parquet", "let its name end in `.parquet`, or name the format")
        }
        [b'P', b'K', 3, 4, ..] => {
            ("a spreadsheet or a zip file", "save the sheet as CSV, or unpack it")
        }
        bytes if bytes.contains(&0) => ("a binary file", "name a file with text"),
        _ => return Ok(Ok(Box::new(stream))),
    };
    Ok(Err(FileError::NotCsv { path: path.to_owned(), looks_like, remedy }))
}

/// Counts what it hands out: the bytes since the last row, so that a quotation mark that is never
/// closed cannot fill the memory, and the quotation marks, whose number is even in a whole file.
pub(super) struct RowGuard {
    stream: ByteStream,
    n_since_row: usize,
    n_quotes: u64,
    is_at_end: bool,
    overran: bool,
}

impl RowGuard {
    /// Longest row. Rows of this kind have some hundred bytes.
    pub(super) const MAX_ROW_BYTES: usize = 1 << 20;

    pub(super) fn new(stream: ByteStream) -> Self {
        Self { stream, n_since_row: 0, n_quotes: 0, is_at_end: false, overran: false }
    }

    /// Tells that a row is complete.
    pub(super) fn row_done(&mut self) {
        self.n_since_row = 0;
    }

    /// Whether reading was stopped for a row that is too long.
    pub(super) fn overran(&self) -> bool {
        self.overran
    }

    /// Whether the end was met. A row that is complete only then has no line break behind it.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Whether a quotation mark lacks its partner, so far.
    pub(super) fn has_odd_quotes(&self) -> bool {
        self.n_quotes % 2 == 1
    }
}

impl Read for RowGuard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.n_since_row > Self::MAX_ROW_BYTES {
            self.overran = true;
            return Err(io::ErrorKind::InvalidData.into());
        }
        let n_bytes = self.stream.read(buffer)?;
        self.n_since_row += n_bytes;
        self.is_at_end = n_bytes == 0;
        // In runs so short that their count fits a byte, which the compiler turns into wide adds.
        for run in buffer[..n_bytes].chunks(255) {
            let n_quotes = run.iter().fold(0_u8, |n, byte| n + u8::from(*byte == b'"'));
            self.n_quotes += u64::from(n_quotes);
        }
        Ok(n_bytes)
    }
}
