//! A Parquet file as a stream of batches, of the columns that are asked for.

use parquet::basic::Compression;
use parquet::column::reader::ColumnReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, FileReader as _};
use parquet::file::serialized_reader::SerializedFileReader;

use super::stored_type::StoredType;
use super::values::{Values, read};

/// A column of the topmost level.
pub(in crate::adapters) struct StoredColumn {
    pub(in crate::adapters) name: String,
    pub(in crate::adapters) stored: StoredType,
    is_optional: bool,
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
    file: SerializedFileReader<R>,
    columns: Vec<StoredColumn>,
    /// Places in `columns`.
    chosen: Vec<usize>,
    next_group: usize,
    /// Rows of the row group at hand that are not read yet.
    n_left: usize,
    /// Of the row group at hand, one for each chosen column.
    readers: Vec<ColumnReader>,
}

impl<R: ChunkReader + 'static> TableReader<R> {
    /// Reads what the file says about itself; all columns are chosen.
    ///
    /// # Errors
    /// [`ParquetError`] where it is no Parquet file or a damaged one.
    pub(in crate::adapters) fn open(input: R) -> Result<Self> {
        let file = SerializedFileReader::new(input)?;
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
        Ok(Self { file, columns, chosen, next_group: 0, n_left: 0, readers: Vec::new() })
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
        let n_rows = self.n_left.min(max_rows);
        self.n_left -= n_rows;
        let columns = self.chosen.iter().map(|at| &self.columns[*at]);
        let values = columns
            .zip(&mut self.readers)
            .map(|(column, reader)| read(reader, column.stored, column.is_optional, n_rows));
        Ok(Some((n_rows, values.collect::<Result<_>>()?)))
    }

    fn enter_next_group(&mut self) -> Result<()> {
        let group = self.file.get_row_group(self.next_group)?;
        self.next_group += 1;
        self.n_left = usize::try_from(group.metadata().num_rows())
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        let readers = self.chosen.iter().map(|at| group.get_column_reader(self.columns[*at].leaf));
        self.readers = readers.collect::<Result<_>>()?;
        Ok(())
    }
}
