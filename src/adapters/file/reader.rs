//! Records from a file of either format, one batch after the other.

use std::io::Read;

use super::csv_reader::CsvReader;
use super::error::FileError;
use super::format::{Format, record_format};
use super::options::{Field, FileOptions};
use super::parquet_reader::ParquetReader;
use crate::domain::RecordBatch;

/// Reads a record file as a stream. Blocks; in asynchronous code it belongs on a blocking thread.
///
/// Iterates over batches of at most [`RecordBatch::MAX_ROWS`] rows, none of them empty, in the
/// file's order. After an error there is nothing more.
pub struct RecordReader {
    reader: Reader,
    is_over: bool,
}

enum Reader {
    Csv(Box<CsvReader>),
    Parquet(Box<ParquetReader>),
}

impl RecordReader {
    /// Opens the file and finds its columns.
    ///
    /// # Errors
    /// [`FileError`] where it cannot be opened, is not of its format or lacks columns.
    pub fn open(options: &FileOptions) -> Result<Self, FileError> {
        if options.path.is_dir() {
            return Err(FileError::IsFolder { path: options.path.clone() });
        }
        let reader = match record_format(&options.path, options.format)? {
            Format::Csv => Reader::Csv(Box::new(CsvReader::open(options)?)),
            Format::Parquet => Reader::Parquet(Box::new(ParquetReader::open(options)?)),
        };
        Ok(Self { reader, is_over: false })
    }

    /// Reads CSV from a stream of bytes that is not packed; `options.path` only names it in messages.
    ///
    /// # Errors
    /// [`FileError`] where it cannot be read or lacks columns.
    pub fn csv_from(
        stream: impl Read + Send + 'static,
        options: &FileOptions,
    ) -> Result<Self, FileError> {
        let reader = CsvReader::over(Box::new(stream), false, options)?;
        Ok(Self { reader: Reader::Csv(Box::new(reader)), is_over: false })
    }

    /// The fields that the file has, with the names of their columns.
    pub fn columns(&self) -> impl Iterator<Item = (Field, &str)> {
        match &self.reader {
            Reader::Csv(reader) => reader.columns(),
            Reader::Parquet(reader) => reader.columns(),
        }
        .found()
    }

    /// Classes of road whose lengths are read, as the batches have them.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        match &self.reader {
            Reader::Csv(reader) => reader.classes(),
            Reader::Parquet(reader) => reader.classes(),
        }
    }

    /// Rows of the whole file, where the format tells.
    #[must_use]
    pub fn n_rows(&self) -> Option<u64> {
        match &self.reader {
            Reader::Csv(_) => None,
            Reader::Parquet(reader) => reader.n_rows(),
        }
    }
}

impl Iterator for RecordReader {
    type Item = Result<RecordBatch, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let batch = match &mut self.reader {
            Reader::Csv(reader) => reader.next_batch(),
            Reader::Parquet(reader) => reader.next_batch(),
        };
        self.is_over = !matches!(batch, Ok(Some(_)));
        batch.transpose()
    }
}
