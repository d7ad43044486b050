//! Tables in Parquet: flat columns of texts and numbers, read and written a batch at a time.
//!
//! On the column readers and writers of the library `parquet` and not on its Arrow interface, which
//! would make the program a third larger for types that no record has. Knows no names of columns and
//! no units.

mod pages;
mod reader;
mod stored_type;
mod thrift;
mod values;
mod writer;

pub(super) use pages::Oversized;
pub(super) use parquet::basic::Compression;
pub(super) use parquet::errors::ParquetError;
pub(super) use reader::{StoredColumn, TableReader, is_encrypted};
pub(super) use stored_type::{CountUnit, StoredType};
pub(super) use values::{TextValues, Values};
pub(super) use writer::{Cells, ColumnKind, ColumnSpec, TableWriter};

/// Bytes of unpacked pages that are held at once, of all columns. A page is a megabyte or a few.
const MAX_HELD_BYTES: usize = 256 << 20;
