//! Which format a file has, told from its name.

use std::path::Path;

use super::error::FileError;

/// A format in which records are read and written. CSV may be inside gzip, Parquet may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// A format in which a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableFormat {
    /// Text with a header.
    Csv,
    /// An array of objects.
    Json,
    /// Apache Parquet.
    Parquet,
}

/// Splits a file's name into its format's ending, in lower case, and whether `.gz` follows it.
fn ending(path: &Path) -> (String, bool) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let (name, gzip) = name.strip_suffix(".gz").map_or((name.as_str(), false), |n| (n, true));
    (name.rsplit_once('.').map_or("", |(_, ending)| ending).to_owned(), gzip)
}

/// Whether the file's name ends in `.gz`.
pub(super) fn is_gzip_name(path: &Path) -> bool {
    ending(path).1
}

/// The format of a record file: the one given, or that of its name.
pub(super) fn record_format(path: &Path, given: Option<Format>) -> Result<Format, FileError> {
    let (ending, gzip) = ending(path);
    let format = match (given, ending.as_str()) {
        (Some(format), _) => format,
        (None, "csv") => Format::Csv,
        (None, "parquet") => Format::Parquet,
        (None, _) => {
            let known = "`.csv`, `.csv.gz` or `.parquet`";
            return Err(FileError::UnknownFormat { path: path.to_owned(), known });
        }
    };
    if format == Format::Parquet && gzip {
        return Err(FileError::GzippedParquet { path: path.to_owned() });
    }
    Ok(format)
}

/// The format of a table that is to be written, and whether it goes through gzip.
pub(super) fn table_format(path: &Path) -> Result<(TableFormat, bool), FileError> {
    match ending(path) {
        (ending, gzip) if ending == "csv" => Ok((TableFormat::Csv, gzip)),
        (ending, gzip) if ending == "json" => Ok((TableFormat::Json, gzip)),
        (ending, false) if ending == "parquet" => Ok((TableFormat::Parquet, false)),
        (ending, true) if ending == "parquet" => {
            Err(FileError::GzippedParquet { path: path.to_owned() })
        }
        _ => {
            let known = "`.csv`, `.json`, `.csv.gz`, `.json.gz` or `.parquet`";
            Err(FileError::UnknownFormat { path: path.to_owned(), known })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format() {
        let check = |name: &str, expected: Option<Format>| {
            assert_eq!(record_format(Path::new(name), None).ok(), expected, "{name}");
        };
        check("a.csv", Some(Format::Csv));
        check("dir.x/A.CSV.Gz", Some(Format::Csv));
        check("a.b.parquet", Some(Format::Parquet));
        check("a.parquet.gz", None);
        check("a.json", None);
        check("csv", None);
        check("a.csv.zip", None);
        let given = record_format(Path::new("a.txt.gz"), Some(Format::Csv));
        assert_eq!(given.ok(), Some(Format::Csv));
    }

    #[test]
    fn tables_have_one_more() {
        let check = |name: &str, expected: Option<(TableFormat, bool)>| {
            assert_eq!(table_format(Path::new(name)).ok(), expected, "{name}");
        };
        check("a.csv", Some((TableFormat::Csv, false)));
        check("a.JSON.gz", Some((TableFormat::Json, true)));
        check("a.parquet", Some((TableFormat::Parquet, false)));
        check("a.parquet.gz", None);
        check("a.html", None);
    }
}
