//! What can go wrong with a file, which kind of failure that is, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::adapters::columnar::{Oversized, ParquetError};
use crate::domain::record::road;
use crate::ports::{FailureKind, PortError};

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is there under that name is a folder.
    #[error("`{}` is a folder, not a file", path.display())]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// It broke off while it was read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is truncated, damaged, or no gzip file.
    #[error("`{}` is not a whole gzip file", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: io::Error,
    },
    /// Neither its name nor the settings tell its format.
    #[error("cannot tell the format of `{}` from its name", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The endings that are understood here.
        known: &'static str,
    },
    /// Parquet compresses its own pages; gzip around it would have to be unpacked first.
    #[error("`{}` is Parquet inside gzip, which is not supported", path.display())]
    GzippedParquet {
        /// The file.
        path: PathBuf,
    },
    /// It has not even a header.
    #[error("`{}` is empty: it has no header", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Its first bytes are those of another kind of file.
    #[error("`{}` is not CSV in UTF-8: it looks like {looks_like}", path.display())]
    NotCsv {
        /// The file.
        path: PathBuf,
        /// What the first bytes say.
        looks_like: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Columns that are needed, or that the settings name, are not there.
    #[error("`{}` has no column {missing}; it has {found}", path.display())]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// Names that are missing, each in backticks.
        missing: String,
        /// Names that are there, each in backticks.
        found: String,
        /// A guess at the cause.
        guess: Option<String>,
    },
    /// Lengths by class of road are needed, and no column holds one.
    #[error("`{}` has no column `length_<class>_km`", path.display())]
    NoLengths {
        /// The file.
        path: PathBuf,
    },
    /// More columns with lengths than a run may have classes of road.
    #[error(
        "`{}` has {n_classes} columns with lengths by class of road, more than {}",
        path.display(),
        road::MAX_CLASSES
    )]
    TooManyClasses {
        /// The file.
        path: PathBuf,
        /// Columns that were found.
        n_classes: usize,
    },
    /// A column that is needed is there more than once.
    #[error("`{}` has more than one column `{column}`", path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// A row is so long that it must be a mistake.
    #[error("`{}`, line {line}: the row is longer than {max_bytes} bytes", path.display())]
    RowTooLong {
        /// The file.
        path: PathBuf,
        /// Line on which the row begins.
        line: u64,
        /// The limit.
        max_bytes: usize,
    },
    /// The quotation marks of the header are none.
    #[error("`{}`, line {line}: in the header {what}", path.display())]
    HeaderQuote {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// What is wrong with them.
        what: &'static str,
    },
    /// The header is not where the columns begin.
    #[error("`{}`: line {line} is `{above}`, and the header is on line {header}", path.display())]
    HeaderBelow {
        /// The file.
        path: PathBuf,
        /// The first line that is not blank.
        line: u64,
        /// Its text.
        above: String,
        /// Line of the header.
        header: u64,
    },
    /// Another header follows, as in files that were joined, and its columns stand elsewhere.
    #[error("`{}`, line {line}: another header begins, and its columns stand elsewhere", path.display())]
    OtherHeader {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: u64,
    },
    /// So many columns are no table of records.
    #[error("`{}` has {n_columns} columns; {max} are the most that are read", path.display())]
    TooManyColumns {
        /// The file.
        path: PathBuf,
        /// Those of its header.
        n_columns: usize,
        /// The limit.
        max: usize,
    },
    /// The rows have not as many lines as the file: a mistake in this program.
    #[error("`{}` has {n_read} lines, and {n_told} of them were read", path.display())]
    LinesLost {
        /// The file.
        path: PathBuf,
        /// Lines of the file.
        n_read: u64,
        /// Lines of its rows, and blank ones.
        n_told: u64,
    },
    /// It is damaged, or no Parquet file.
    #[error("`{}` cannot be read as Parquet", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: ParquetError,
    },
    /// It is so damaged that the decoder gave up.
    #[error("`{}` cannot be read as Parquet: the decoder broke down on it", path.display())]
    ParquetBreakdown {
        /// The file.
        path: PathBuf,
    },
    /// What it holds would fill the memory.
    #[error("`{}` is too large to be read", path.display())]
    ParquetOversized {
        /// The file.
        path: PathBuf,
        /// What of it, and how large.
        source: Oversized,
    },
    /// It can be read with a key only.
    #[error("`{}` is encrypted Parquet, which is not supported", path.display())]
    ParquetEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// Its pages are compressed in a way that this program does not know.
    #[error("`{}` is Parquet compressed by {codec}, which is not supported", path.display())]
    ParquetCodec {
        /// The file.
        path: PathBuf,
        /// The compression.
        codec: &'static str,
    },
    /// A column of a type that cannot serve.
    #[error("`{}`: column `{column}` is of type {found}, wanted is {wanted}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What would serve.
        wanted: &'static str,
        /// The field, where the file may be without it.
        optional: Option<&'static str>,
    },
    /// It is no JSON.
    #[error("`{}` cannot be read as JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// It is JSON, but holds no rows of parameters.
    #[error("`{}` holds no table of parameters or groups", path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
    },
    /// It is longer than any table of parameters.
    #[error("`{}` is longer than {max_bytes} bytes", path.display())]
    TableTooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        max_bytes: u64,
    },
    /// A value in a row of parameters or groups that cannot be read.
    #[error("`{}`, row {row}: `{column}` {what}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The row, from 1, without the header.
        row: u64,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What is there under that name is a folder or a device.
    #[error("cannot write `{}`: it is there and is no ordinary file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written; nothing was left behind, and an older file of that name is untouched.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } | Self::Write { source, .. } => {
                kind_of_io(source)
            }
            Self::LinesLost { .. } => FailureKind::Internal,
            Self::IsFolder { .. }
            | Self::Gzip { .. }
            | Self::UnknownFormat { .. }
            | Self::GzippedParquet { .. }
            | Self::Empty { .. }
            | Self::NotCsv { .. }
            | Self::MissingColumns { .. }
            | Self::NoLengths { .. }
            | Self::DuplicateColumn { .. }
            | Self::RowTooLong { .. }
            | Self::HeaderQuote { .. }
            | Self::HeaderBelow { .. }
            | Self::OtherHeader { .. }
            | Self::TooManyColumns { .. }
            | Self::TooManyClasses { .. }
            | Self::Parquet { .. }
            | Self::ParquetBreakdown { .. }
            | Self::ParquetOversized { .. }
            | Self::ParquetEncrypted { .. }
            | Self::ParquetCodec { .. }
            | Self::ColumnType { .. }
            | Self::Json { .. }
            | Self::NoTable { .. }
            | Self::TableTooLong { .. }
            | Self::Cell { .. }
            | Self::NotAFile { .. } => FailureKind::Malformed,
        }
    }

    /// A remedy more precise than that of its kind.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::MissingColumns { guess, .. } => {
                let general = "name the file's columns in the settings, or rename them in the file";
                return Some(guess.clone().unwrap_or_else(|| general.to_owned()));
            }
            Self::UnknownFormat { known, .. } => {
                return Some(format!("let the name end in {known}{}", or_name_the_format(known)));
            }
            Self::ColumnType { optional: Some(field), .. } => {
                return Some(format!(
                    "write the column in that type, name another one, or leave it out: \
                     `columns.{field} = \"\"`"
                ));
            }
            Self::NotCsv { remedy, .. } => remedy,
            Self::NoLengths { .. } => {
                "name the columns with lengths by class of road under `columns.lengths`, or fit \
                 another model"
            }
            Self::TooManyClasses { .. } => "name those that count under `columns.lengths`",
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the path; a relative one starts at the working directory"
            }
            Self::Open { source, .. } | Self::Read { source, .. }
                if kind_of_io(source) == FailureKind::Denied =>
            {
                "check that this user may read the file and enter its folders"
            }
            Self::Write { source, .. } => return hint_for_write(source).map(str::to_owned),
            Self::IsFolder { .. } => "name a file in it",
            Self::Parquet { .. } | Self::ParquetBreakdown { .. } => {
                "copy the file again; if it is CSV, let its name end in `.csv`"
            }
            Self::ParquetOversized { .. } => {
                "check that it is a file of records; if so, write it with smaller pages"
            }
            Self::ParquetEncrypted { .. } => "write it again without encryption",
            Self::ParquetCodec { .. } => "write it again with Snappy, gzip, Zstandard or none",
            Self::ColumnType { .. } => {
                "write the column in that type, or name another one: `columns`"
            }
            Self::Gzip { .. } => "copy the file again; `gzip -t` tells whether it is whole",
            Self::GzippedParquet { .. } => "leave off `.gz`: Parquet is compressed already",
            Self::Empty { .. } => "check that whatever writes the file has finished",
            Self::DuplicateColumn { .. } => "rename one of them, or name another in the settings",
            Self::RowTooLong { .. } => {
                "check that it is CSV, and that its lines end in line breaks"
            }
            Self::HeaderQuote { .. } => "correct the header",
            Self::HeaderBelow { .. } => "remove what stands above the header",
            Self::OtherHeader { .. } => "read the files one by one instead of joining them",
            Self::TooManyColumns { .. } => "check the delimiter: `file.delimiter`",
            Self::NotAFile { .. } => "name an ordinary file",
            Self::Json { .. } => "check that whatever writes the file has finished",
            Self::NoTable { .. } | Self::TableTooLong { .. } => {
                "name a file that `speedfit fit` or `speedfit export` has written"
            }
            Self::Cell { .. } => "correct the row, or export the file again",
            _ => return None,
        };
        Some(fixed.to_owned())
    }
}

impl From<FileError> for PortError {
    fn from(error: FileError) -> Self {
        let hint = error.hint();
        let port_error = Self::new(error.kind(), error);
        match hint {
            Some(hint) => port_error.with_hint(hint),
            None => port_error,
        }
    }
}

fn hint_for_write(source: &io::Error) -> Option<&'static str> {
    match kind_of_io(source) {
        FailureKind::Missing => Some("make the folder first"),
        FailureKind::Denied => Some("check that this user may write to the folder"),
        FailureKind::Full => {
            Some("free some room on the disk; an older file of that name is whole")
        }
        _ => None,
    }
}

/// Only the format of record files may be named: that of tables is always told by their names.
fn or_name_the_format(known: &str) -> &'static str {
    if known.contains("json") { "" } else { ", or name the format: `--set file.format=csv`" }
}

/// What the system said, also where the CSV library has wrapped it in an error of no kind.
fn system_kind(error: &io::Error) -> io::ErrorKind {
    let wrapped = error.get_ref().and_then(|inner| inner.downcast_ref::<csv::Error>());
    match wrapped.map(csv::Error::kind) {
        Some(csv::ErrorKind::Io(said)) => said.kind(),
        _ => error.kind(),
    }
}

fn kind_of_io(error: &io::Error) -> FailureKind {
    use io::ErrorKind as E;
    match system_kind(error) {
        E::NotFound | E::NotADirectory => FailureKind::Missing,
        E::PermissionDenied | E::ReadOnlyFilesystem => FailureKind::Denied,
        E::StorageFull | E::QuotaExceeded | E::FileTooLarge => FailureKind::Full,
        E::IsADirectory | E::InvalidData | E::InvalidInput | E::UnexpectedEof => {
            FailureKind::Malformed
        }
        E::TimedOut => FailureKind::TimedOut,
        E::ResourceBusy | E::WouldBlock => FailureKind::Busy,
        _ => FailureKind::Unreachable,
    }
}
