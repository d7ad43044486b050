//! Tables in Parquet: flat columns of texts and numbers, read and written a batch at a time.
//!
//! On the column readers and writers of the library `parquet` and not on its Arrow interface, which
//! would make the program a third larger for types that no record has. Knows no names of columns and
//! no units.

mod reader;
mod stored_type;
mod values;
mod writer;

pub(super) use parquet::basic::Compression;
pub(super) use parquet::basic::ZstdLevel;
pub(super) use parquet::errors::ParquetError;
pub(super) use reader::{StoredColumn, TableReader};
pub(super) use stored_type::{CountUnit, StoredType};
pub(super) use values::Values;
pub(super) use writer::{Cells, ColumnKind, ColumnSpec, TableWriter};
