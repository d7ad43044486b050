//! Finds the columns of a file by their names, and guesses what is meant where they are not there.

use std::path::Path;

use super::error::FileError;
use super::options::{ColumnMap, Field, LengthColumn};
use super::values::{FieldColumn, clip};

/// Names that an error lists at the most: a wide export has hundreds.
const MAX_LISTED: usize = 30;

/// Where each field stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    index: [Option<usize>; Field::COUNT],
    names: [String; Field::COUNT],
    /// Columns with lengths by class of road, and where they stand.
    lengths: Vec<(LengthColumn, usize)>,
}

impl Columns {
    /// Finds the fields among the trimmed names of a header, and the columns with `lengths`.
    /// `delimiter` is that of a text file: a wrong one is the first thing to guess.
    pub(super) fn find(
        path: &Path,
        header: &[String],
        map: &ColumnMap,
        lengths: &[LengthColumn],
        delimiter: Option<u8>,
    ) -> Result<Self, FileError> {
        let mut columns = Self {
            index: [None; Field::COUNT],
            names: Field::ALL.map(|_| String::new()),
            lengths: Vec::new(),
        };
        let mut missing = Vec::new();
        for field in Field::ALL {
            let name = map.column(field);
            let is_left_out = name.is_empty();
            let found = if is_left_out { None } else { place(path, header, name)? };
            if found.is_none() && map.is_needed(field) {
                missing.push(name);
            }
            columns.index[field as usize] = found;
            columns.names[field as usize] = name.to_owned();
        }
        for length in lengths {
            match place(path, header, &length.name)? {
                Some(at) => columns.lengths.push((length.clone(), at)),
                None => missing.push(&length.name),
            }
        }
        if missing.is_empty() {
            return Ok(columns);
        }
        Err(FileError::MissingColumns {
            path: path.to_owned(),
            missing: listed(missing.iter().copied()),
            found: listed(header.iter().map(String::as_str)),
            guess: guess_delimiter(header, &missing, delimiter)
                .or_else(|| guess_names(header, &missing)),
        })
    }

    /// The column in which the field stands, counted from 0.
    pub(super) fn index(&self, field: Field) -> Option<usize> {
        self.index[field as usize]
    }

    /// The column's name, for messages.
    pub(super) fn name(&self, field: Field) -> &str {
        &self.names[field as usize]
    }

    /// The field's column, for what is said of its values.
    pub(super) fn of(&self, field: Field) -> FieldColumn<'_> {
        FieldColumn { field, name: self.name(field) }
    }

    /// The columns with lengths, and where they stand, counted from 0.
    pub(super) fn lengths(&self) -> &[(LengthColumn, usize)] {
        &self.lengths
    }

    /// The fields that the file has, with the names of their columns.
    pub(super) fn found(&self) -> impl Iterator<Item = (Field, &str)> {
        let fields = Field::ALL.into_iter().filter(|field| self.index(*field).is_some());
        fields.map(|field| (field, self.name(field)))
    }

    /// Every column that is used, ascending, each once.
    pub(super) fn used(&self) -> Vec<usize> {
        let lengths = self.lengths.iter().map(|(_, at)| *at);
        let mut used: Vec<usize> = self.index.iter().copied().flatten().chain(lengths).collect();
        used.sort_unstable();
        used.dedup();
        used
    }
}

/// Where the column of that name stands; an error where there are two.
fn place(path: &Path, header: &[String], name: &str) -> Result<Option<usize>, FileError> {
    let mut places = header.iter().enumerate().filter(|(_, n)| *n == name);
    let found = places.next();
    if places.next().is_some() {
        let column = name.to_owned();
        return Err(FileError::DuplicateColumn { path: path.to_owned(), column });
    }
    Ok(found.map(|(at, _)| at))
}

/// Names in backticks, as many as a message can take.
pub(in crate::adapters) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let n_more = names.len().saturating_sub(MAX_LISTED);
    let mut shown: Vec<String> =
        names.take(MAX_LISTED).map(|name| format!("`{}`", clip(name))).collect();
    if n_more > 0 {
        shown.push(format!("and {n_more} more"));
    }
    shown.join(", ")
}

/// Whether another delimiter would bring out every missing name.
fn guess_delimiter(header: &[String], missing: &[&str], delimiter: Option<u8>) -> Option<String> {
    let line = header.join(&char::from(delimiter?).to_string());
    let (_, shown) = [(',', "`,`"), (';', "`;`"), ('\t', "tabs"), ('|', "`|`")]
        .into_iter()
        .filter(|(candidate, _)| delimiter.map(char::from) != Some(*candidate))
        .find(|(candidate, _)| {
            let pieces: Vec<&str> = line.split(*candidate).map(plain).collect();
            missing.iter().all(|name| pieces.contains(name))
        })?;
    Some(format!("the fields seem to be separated by {shown}: set the delimiter"))
}

/// A name without the blanks and quotation marks around it.
fn plain(name: &str) -> &str {
    name.trim_matches(|c: char| c.is_whitespace() || c == '"')
}

/// Names that differ from a missing one in case, blanks or punctuation only, or in the unit.
fn guess_names(header: &[String], missing: &[&str]) -> Option<String> {
    let guesses = near_names(header, missing)?;
    Some(format!(
        "did you mean {guesses}? names are compared exactly: name the file's columns in the settings"
    ))
}

/// The nearest name for each missing one that has one, as a piece of a sentence.
pub(in crate::adapters) fn near_names(header: &[String], missing: &[&str]) -> Option<String> {
    let guesses: Vec<String> = missing
        .iter()
        .filter_map(|name| {
            let wanted = letters(name);
            let without_unit = name.rsplit_once('_').map_or(wanted.clone(), |(n, _)| letters(n));
            let near = header
                .iter()
                .find(|n| letters(n) == wanted)
                .or_else(|| header.iter().find(|n| letters(n).starts_with(&without_unit)))?;
            Some(format!("`{}` for `{name}`", clip(near)))
        })
        .collect();
    (!guesses.is_empty()).then(|| guesses.join(", "))
}

fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(header: &str, map: &ColumnMap) -> Result<Columns, FileError> {
        let names: Vec<String> = header.split(',').map(str::to_owned).collect();
        Columns::find(Path::new("x.csv"), &names, map, &[], Some(b','))
    }

    #[test]
    fn optional_columns_may_be_absent_unless_they_are_chosen() {
        let columns = find("travel_time_s,x,region,distance_km", &ColumnMap::default()).unwrap();
        assert_eq!(columns.index(Field::Region), Some(2));
        assert_eq!(columns.index(Field::Weight), None);
        assert_eq!(columns.used(), [0, 2, 3]);
        let map = ColumnMap::default().with(Field::Weight, "n");
        assert!(find("travel_time_s,x,region,distance_km", &map).is_err());
        assert!(find("travel_time_s,n,region,distance_km", &map).is_ok());
    }

    #[test]
    fn mistakes_in_a_header_are_explained() {
        let check = |header: &str, text: &str, hint: &str| {
            let error = find(header, &ColumnMap::default()).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.hint().unwrap().as_str()), (text, hint));
        };
        check(
            "Region,Distance KM,travel_time_s",
            "`x.csv` has no column `region`, `distance_km`; \
             it has `Region`, `Distance KM`, `travel_time_s`",
            "did you mean `Region` for `region`, `Distance KM` for `distance_km`? \
             names are compared exactly: name the file's columns in the settings",
        );
        check(
            "region,distance_m,seconds",
            "`x.csv` has no column `distance_km`, `travel_time_s`; \
             it has `region`, `distance_m`, `seconds`",
            "did you mean `distance_m` for `distance_km`? \
             names are compared exactly: name the file's columns in the settings",
        );
        check(
            "region;distance_km;\"travel_time_s\"",
            "`x.csv` has no column `region`, `distance_km`, `travel_time_s`; \
             it has `region;distance_km;\"travel_time_s\"`",
            "the fields seem to be separated by `;`: set the delimiter",
        );
        check(
            "a,b",
            "`x.csv` has no column `region`, `distance_km`, `travel_time_s`; it has `a`, `b`",
            "name the file's columns in the settings, or rename them in the file",
        );
        check(
            "region,distance_km,travel_time_s,region",
            "`x.csv` has more than one column `region`",
            "rename one of them, or name another in the settings",
        );
    }
}
