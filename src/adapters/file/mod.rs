//! Files on the analyst's desk: records come from CSV and Parquet, parameters go to CSV, Parquet and
//! JSON.
//!
//! A file is read as a stream and in constant memory by [`RecordReader`], which is synchronous; the
//! port [`FileSource`] runs it on a blocking thread. Everything is written through
//! [`write_atomically`], so that a reader of the folder never meets half a file. Nothing here judges
//! a record: what cannot be read is handed on with its fault.

mod atomic;
mod checksum;
mod columns;
mod csv_reader;
mod csv_rows;
mod error;
mod examine;
mod export;
mod format;
mod input;
mod options;
mod parquet_columns;
mod parquet_reader;
mod published;
mod reader;
mod records;
mod source;
mod table;
mod values;

pub use atomic::{check_folder, remove_leftovers, write_atomically};
pub use checksum::sha256_of;
pub(in crate::adapters) use columns::{listed, near_names};
pub use error::FileError;
pub use export::{check_table_path, parameters_csv, write_groups, write_parameters};
pub use format::Format;
pub(in crate::adapters) use options::LengthColumn;
pub use options::{ColumnMap, DistanceUnit, Field, FileOptions, LengthColumns, TimeUnit};
pub use published::read_published;
pub use reader::RecordReader;
pub use records::write_records;
pub use source::FileSource;
pub(in crate::adapters) use values::{Fault, FieldColumn, local_us, number, timestamp_us};
