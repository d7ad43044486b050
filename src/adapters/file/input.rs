//! The bytes of a text file: gzip unpacked, the byte-order mark taken off.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

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
        return Ok((Box::new(Members::new(file)), true));
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

/// The members of a gzip file, one after the other. Zeros after one are the padding of tapes and
/// block copies, which gzip allows; anything else there is damage.
struct Members<R> {
    /// Only while a member is read, or its end is not looked at.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Members<R> {
    fn new(packed: R) -> Self {
        let packed = BufReader::with_capacity(BUFFER_BYTES, packed);
        Self { member: Some(GzDecoder::new(packed)) }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            let n_bytes = member.read(buffer)?;
            if n_bytes > 0 || buffer.is_empty() {
                return Ok(n_bytes);
            }
            let packed = self.member.take().map(GzDecoder::into_inner);
            self.member = packed.map(next_member).transpose()?.flatten();
        }
    }
}

/// The member behind the zeros, or `None` at the end.
fn next_member<R: BufRead>(mut packed: R) -> io::Result<Option<GzDecoder<R>>> {
    loop {
        let bytes = packed.fill_buf()?;
        let (n_bytes, n_zeros) = (bytes.len(), bytes.iter().take_while(|byte| **byte == 0).count());
        packed.consume(n_zeros);
        if n_bytes == 0 {
            return Ok(None);
        }
        if n_zeros < n_bytes {
            // Its header is checked, so that it is no member that begins with other bytes.
            return Ok(Some(GzDecoder::new(packed)));
        }
    }
}
