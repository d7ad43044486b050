//! What the pages of a column chunk take in memory, told from their headers before any is unpacked.
//!
//! A small file can hold pages that unpack to any size. The library unpacks a page whole, keeps it for
//! as long as a text of it is used, and makes room for as many values of a dictionary as its header
//! says. Headers are those of apache/parquet-format (`PageHeader` in parquet.thrift, in Thrift's
//! compact protocol).

use std::collections::VecDeque;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;

use super::thrift::Fields;

/// Bytes that a value of a dictionary takes beside its own.
const DICTIONARY_VALUE_BYTES: u64 = 40;
/// Neighbours below that size count as one page, so that millions of tiny ones take no room.
const MERGED_BYTES: u64 = 1 << 20;
/// Packed bytes that gzip can make at most 1,032 times as many of.
const HARMLESS_GZIP_BYTES: u64 = (super::MAX_HELD_BYTES as u64) / 1032;

/// The pages of a column chunk.
#[derive(Debug, Default)]
pub(super) struct ChunkPages {
    /// Rows and bytes of its pages of data, in order.
    data: VecDeque<(u64, u64)>,
    /// The largest of them.
    largest_bytes: u64,
    dictionary_bytes: u64,
    /// Whether a text may repeat the beginning of the one before it, without taking room in the page.
    pub(super) repeats_prefixes: bool,
}

/// What a header says.
#[derive(Debug, Default)]
struct PageHeader {
    kind: i64,
    unpacked_bytes: u64,
    packed_bytes: u64,
    n_values: u64,
    encoding: i64,
}

const DATA_PAGE: i64 = 0;
const DICTIONARY_PAGE: i64 = 2;
const DATA_PAGE_V2: i64 = 3;
const DELTA_BYTE_ARRAY: i64 = 7;

impl ChunkPages {
    /// Looks at the header of every page.
    ///
    /// # Errors
    /// [`ParquetError`] where a header cannot be read, or a page does not unpack to what it says.
    pub(super) fn of<R: ChunkReader>(input: &R, chunk: &ColumnChunkMetaData) -> Result<Self> {
        let mut pages = Self::default();
        let (mut at, n_bytes) = chunk.byte_range();
        let end = at.saturating_add(n_bytes);
        while at < end {
            let mut read = Counted { inner: input.get_read(at)?, n_bytes: 0 };
            let header = PageHeader::read(&mut read)?;
            at += read.n_bytes;
            if header.packed_bytes > end.saturating_sub(at) {
                return Err(damaged("a page is longer than its column"));
            }
            if matches!(chunk.compression(), Compression::GZIP(_)) {
                check_gzip(input, at, &header)?;
            }
            at += header.packed_bytes;
            pages.add(&header);
        }
        Ok(pages)
    }

    fn add(&mut self, header: &PageHeader) {
        let n_bytes = header.unpacked_bytes.saturating_add(header.packed_bytes);
        match header.kind {
            DICTIONARY_PAGE => {
                let values = header.n_values.saturating_mul(DICTIONARY_VALUE_BYTES);
                self.dictionary_bytes = n_bytes.saturating_add(values);
            }
            DATA_PAGE | DATA_PAGE_V2 => {
                self.repeats_prefixes |= header.encoding == DELTA_BYTE_ARRAY;
                self.largest_bytes = self.largest_bytes.max(n_bytes);
                match self.data.back_mut() {
                    Some((rows, bytes)) if *bytes + n_bytes <= MERGED_BYTES => {
                        *rows += header.n_values;
                        *bytes += n_bytes;
                    }
                    _ => self.data.push_back((header.n_values, n_bytes)),
                }
            }
            _ => {}
        }
    }

    /// Bytes that are held while the column is read, one page at a time.
    pub(super) fn held_bytes(&self) -> u64 {
        self.largest_bytes.saturating_add(self.dictionary_bytes)
    }

    /// Rows from here on whose pages have at most so many bytes; those of the page at hand in any case.
    pub(super) fn n_rows_within(&self, max_bytes: u64) -> u64 {
        let (mut n_rows, mut n_bytes) = (0_u64, 0_u64);
        for (rows, bytes) in &self.data {
            n_bytes = n_bytes.saturating_add(*bytes);
            if n_rows > 0 && n_bytes > max_bytes {
                break;
            }
            n_rows = n_rows.saturating_add(*rows);
        }
        n_rows
    }

    /// Rows that were read.
    pub(super) fn pass(&mut self, mut n_rows: u64) {
        while let Some((rows, _)) = self.data.front_mut() {
            if *rows > n_rows {
                *rows -= n_rows;
                return;
            }
            n_rows -= *rows;
            self.data.pop_front();
        }
    }
}

impl PageHeader {
    fn read(input: &mut impl Read) -> Result<Self> {
        let mut header = Self::default();
        let size =
            |value: i64| u64::try_from(value).map_err(|_| damaged("a page has a negative size"));
        let mut fields = Fields::new(input);
        while let Some(field) = fields.next_field()? {
            match field.id {
                1 => header.kind = fields.integer(field)?,
                2 => header.unpacked_bytes = size(fields.integer(field)?)?,
                3 => header.packed_bytes = size(fields.integer(field)?)?,
                // What is told of data, of a dictionary, and of data in the second version.
                5 | 7 | 8 => {
                    let encoding = if field.id == 8 { 4 } else { 2 };
                    fields.enter(field)?;
                    while let Some(inner) = fields.next_field()? {
                        match inner.id {
                            1 => header.n_values = size(fields.integer(inner)?)?,
                            id if id == encoding => header.encoding = fields.integer(inner)?,
                            _ => fields.skip(inner)?,
                        }
                    }
                    fields.leave();
                }
                _ => fields.skip(field)?,
            }
        }
        Ok(header)
    }
}

/// The library unpacks gzip to its end, whatever the header says.
fn check_gzip<R: ChunkReader>(input: &R, at: u64, header: &PageHeader) -> Result<()> {
    if header.packed_bytes <= HARMLESS_GZIP_BYTES {
        return Ok(());
    }
    let packed = input.get_read(at)?.take(header.packed_bytes);
    let mut unpacked = MultiGzDecoder::new(packed).take(header.unpacked_bytes + 1);
    // Levels of the second version stand unpacked before the rest, which then is no gzip.
    match io::copy(&mut unpacked, &mut io::sink()) {
        Ok(n_bytes) if n_bytes > header.unpacked_bytes => {
            Err(damaged("a page unpacks to more than its header says"))
        }
        _ => Ok(()),
    }
}

/// What a file holds is more than may be held.
#[derive(Debug, thiserror::Error)]
pub enum Oversized {
    /// Its pages.
    #[error(
        "the pages of its columns take {} MB at once, most of them those of `{column}`; {} MB is the most",
        n_bytes >> 20, super::MAX_HELD_BYTES >> 20
    )]
    Pages {
        /// The column with the largest.
        column: String,
        /// Of all columns.
        n_bytes: u64,
    },
    /// Its texts.
    #[error(
        "{n_rows} rows of column `{column}` hold {} MB of text; {} MB is the most",
        n_bytes >> 20, max_bytes >> 20
    )]
    Text {
        /// The column.
        column: String,
        /// Rows one after the other.
        n_rows: usize,
        /// Bytes of their texts.
        n_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
}

impl From<Oversized> for ParquetError {
    fn from(oversized: Oversized) -> Self {
        Self::External(Box::new(oversized))
    }
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// Counts what was read.
struct Counted<R> {
    inner: R,
    n_bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.inner.read(buffer)?;
        self.n_bytes += n_bytes as u64;
        Ok(n_bytes)
    }
}
