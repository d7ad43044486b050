//! A Parquet file as a stream of batches, of the columns that are asked for.

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::reader::ColumnReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, FileReader as _, Length};
use parquet::file::serialized_reader::SerializedFileReader;

use super::MAX_HELD_BYTES;
use super::pages::{ChunkPages, Oversized};
use super::stored_type::StoredType;
use super::thrift::Fields;
use super::values::{MAX_TEXT_BYTES, Values, read};

/// A column of the topmost level.
pub(in crate::adapters) struct StoredColumn {
    pub(in crate::adapters) name: String,
    pub(in crate::adapters) stored: StoredType,
    pub(super) is_optional: bool,
    /// Its place among all columns, those inside of others included.
    leaf: usize,
}

impl StoredColumn {
    /// Whether [`TableReader`] reads values of this type.
    pub(in crate::adapters) fn is_readable(&self) -> bool {
        self.stored.is_readable()
    }
}

/// Reads a file, or what is like one. Panics on some damaged files, inside the library.
pub(in crate::adapters) struct TableReader<R: ChunkReader> {
    input: Shared<R>,
    file: SerializedFileReader<Shared<R>>,
    columns: Vec<StoredColumn>,
    /// Places in `columns`.
    chosen: Vec<usize>,
    next_group: usize,
    /// Rows of the row group at hand that are not read yet.
    n_left: usize,
    /// Of the row group at hand, one for each chosen column.
    readers: Vec<ColumnReader>,
    /// Of the row group at hand, one for each chosen column.
    pages: Vec<ChunkPages>,
}

/// What is read, by the library and here.
struct Shared<R>(Arc<R>);

impl<R: ChunkReader> Length for Shared<R> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<R: ChunkReader> ChunkReader for Shared<R> {
    type T = R::T;

    fn get_read(&self, start: u64) -> Result<R::T> {
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.0.get_bytes(start, length)
    }
}

impl<R: ChunkReader + 'static> TableReader<R> {
    /// Reads what the file says about itself; all columns are chosen.
    ///
    /// # Errors
    /// [`ParquetError`] where it is no Parquet file or a damaged one.
    pub(in crate::adapters) fn open(input: R) -> Result<Self> {
        let input = Shared(Arc::new(input));
        let file = SerializedFileReader::new(Shared(Arc::clone(&input.0)))?;
        let schema = file.metadata().file_metadata().schema_descr();
        let mut columns: Vec<StoredColumn> = Vec::new();
        let mut last_root = None;
        for leaf in 0..schema.num_columns() {
            // A column with others inside has several leaves; the first one stands for it.
            let root_idx = schema.get_column_root_idx(leaf);
            if last_root.replace(root_idx) == Some(root_idx) {
                continue;
            }
            let root = schema.get_column_root(leaf);
            let stored = StoredType::of(root);
            let is_optional = root.is_optional();
            columns.push(StoredColumn { name: root.name().into(), stored, is_optional, leaf });
        }
        let chosen = (0..columns.len()).collect();
        let (readers, pages) = (Vec::new(), Vec::new());
        Ok(Self { input, file, columns, chosen, next_group: 0, n_left: 0, readers, pages })
    }

    /// The file's columns, those of nested types included.
    pub(in crate::adapters) fn columns(&self) -> &[StoredColumn] {
        &self.columns
    }

    /// A compression of the chosen columns that this program has not got.
    pub(in crate::adapters) fn unknown_codec(&self) -> Option<&'static str> {
        let groups = self.file.metadata().row_groups().iter();
        let mut chunks = groups.flat_map(|group| {
            self.chosen.iter().filter_map(|at| group.columns().get(self.columns[*at].leaf))
        });
        chunks.find_map(|chunk| match chunk.compression() {
            Compression::UNCOMPRESSED
            | Compression::SNAPPY
            | Compression::GZIP(_)
            | Compression::ZSTD(_) => None,
            Compression::BROTLI(_) => Some("Brotli"),
            Compression::LZ4 | Compression::LZ4_RAW => Some("LZ4"),
            Compression::LZO => Some("LZO"),
        })
    }

    /// Rows, as the file says.
    pub(in crate::adapters) fn n_rows(&self) -> Option<u64> {
        u64::try_from(self.file.metadata().file_metadata().num_rows()).ok()
    }

    /// Chooses the columns to read, by their places in [`columns`](Self::columns), before the first
    /// batch. All of them must be readable.
    #[must_use]
    pub(in crate::adapters) fn choose(mut self, chosen: Vec<usize>) -> Self {
        self.chosen = chosen;
        self
    }

    /// The next rows, at most `max_rows` and at least one, with their number; values are in the order
    /// of the chosen columns. `None` at the end.
    ///
    /// # Errors
    /// [`ParquetError`] where the file is damaged.
    pub(in crate::adapters) fn next_batch(
        &mut self,
        max_rows: usize,
    ) -> Result<Option<(usize, Vec<Values>)>> {
        while self.n_left == 0 {
            if self.next_group >= self.file.num_row_groups() {
                return Ok(None);
            }
            self.enter_next_group()?;
        }
        let n_rows = self.n_left.min(max_rows).min(self.n_rows_in_room());
        self.n_left -= n_rows;
        let columns = self.chosen.iter().map(|at| &self.columns[*at]);
        let values = columns.zip(&mut self.readers).zip(&mut self.pages);
        let values = values.map(|((column, reader), pages)| {
            pages.pass(n_rows as u64);
            read(reader, column, pages.repeats_prefixes, n_rows)
        });
        Ok(Some((n_rows, values.collect::<Result<_>>()?)))
    }

    /// Rows whose pages may be held together.
    fn n_rows_in_room(&self) -> usize {
        let room = (MAX_HELD_BYTES / self.chosen.len().max(1)).min(MAX_TEXT_BYTES / 2) as u64;
        let n_rows = self.pages.iter().map(|pages| pages.n_rows_within(room)).min();
        n_rows.map_or(usize::MAX, |n_rows| usize::try_from(n_rows).unwrap_or(usize::MAX)).max(1)
    }

    fn enter_next_group(&mut self) -> Result<()> {
        let group = self.file.get_row_group(self.next_group)?;
        self.next_group += 1;
        self.n_left = usize::try_from(group.metadata().num_rows())
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        let leaves = self.chosen.iter().map(|at| self.columns[*at].leaf);
        let pages =
            leaves.clone().map(|leaf| ChunkPages::of(&self.input, group.metadata().column(leaf)));
        self.pages = pages.collect::<Result<_>>()?;
        let n_bytes =
            self.pages.iter().fold(0, |n: u64, pages| n.saturating_add(pages.held_bytes()));
        if n_bytes > MAX_HELD_BYTES as u64 {
            let held = self.pages.iter().map(ChunkPages::held_bytes);
            let most = held.zip(&self.chosen).max_by_key(|(n_bytes, _)| *n_bytes);
            let column = most.map_or("", |(_, at)| &self.columns[*at].name).to_owned();
            return Err(Oversized::Pages { column, n_bytes }.into());
        }
        let readers = leaves.map(|leaf| group.get_column_reader(leaf));
        self.readers = readers.collect::<Result<_>>()?;
        Ok(())
    }
}

/// Whether columns of the file are encrypted: its footer is, or it says how they are.
pub(in crate::adapters) fn is_encrypted<R: ChunkReader>(input: &R) -> bool {
    const ENCRYPTED_FOOTER: &[u8] = b"PARE";
    const ENCRYPTION_ALGORITHM: i64 = 8;
    let told = || -> Result<bool> {
        let Some(tail) = input.len().checked_sub(8) else { return Ok(false) };
        let bytes = input.get_bytes(tail, 8)?;
        if bytes.ends_with(ENCRYPTED_FOOTER) {
            return Ok(true);
        }
        let n_bytes = u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let mut footer = input.get_read(tail.saturating_sub(n_bytes))?.take(n_bytes);
        let mut fields = Fields::new(&mut footer);
        while let Some(field) = fields.next_field()? {
            if field.id == ENCRYPTION_ALGORITHM {
                return Ok(true);
            }
            fields.skip(field)?;
        }
        Ok(false)
    };
    told().unwrap_or(false)
}
