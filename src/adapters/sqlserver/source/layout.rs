//! Which column of the server holds which field, and what is wrong where one does not.

use tiberius::ColumnType;

use super::kinds::{Reading, Wanted, type_name};
use super::relation::Relation;
use crate::adapters::file::{ColumnMap, DistanceUnit, Field, LengthColumn, listed, near_names};
use crate::adapters::sqlserver::error::UnitError;
use crate::adapters::sqlserver::identifier::Identifier;
use crate::ports::FailureKind;

/// A column as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) found: ColumnType,
}

/// A column that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapped {
    pub(super) field: Field,
    pub(super) name: Identifier,
    pub(super) found: ColumnType,
    pub(super) reading: Reading,
}

/// A column with lengths by class of road that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MappedLength {
    pub(super) class: String,
    pub(super) name: Identifier,
    pub(super) unit: DistanceUnit,
    found: ColumnType,
    reading: Reading,
}

/// The columns that are read, in the order in which they are selected: the lengths come last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) columns: Vec<Mapped>,
    pub(super) lengths: Vec<MappedLength>,
}

impl Layout {
    /// Finds every field that is needed, and the optional ones that are there.
    pub(super) fn find(
        relation: &Relation,
        described: &[Described],
        map: &ColumnMap,
    ) -> Result<Self, UnitError> {
        let mut columns = Vec::new();
        let (mut missing, mut unfit) = (Vec::new(), Vec::new());
        for field in Field::ALL {
            let name = map.column(field);
            if name.is_empty() {
                continue;
            }
            let Some(column) = column_named(relation, described, name)? else {
                if map.is_needed(field) {
                    missing.push(name);
                }
                continue;
            };
            let wanted = Wanted::of(field);
            match wanted.reading(column.found) {
                Some(reading) => columns.push(Mapped {
                    field,
                    name: Identifier::new(&column.name)?,
                    found: column.found,
                    reading,
                }),
                None => unfit.push((column, wanted, Some(field))),
            }
        }
        if !missing.is_empty() {
            return Err(missing_columns(relation, described, &missing));
        }
        if !unfit.is_empty() {
            return Err(unfit_columns(relation, &unfit));
        }
        Ok(Self { columns, lengths: Vec::new() })
    }

    /// Adds the columns with lengths, all of which must be there.
    pub(super) fn with_lengths(
        mut self,
        relation: &Relation,
        described: &[Described],
        lengths: &[LengthColumn],
    ) -> Result<Self, UnitError> {
        let (mut missing, mut unfit) = (Vec::new(), Vec::new());
        for length in lengths {
            let Some(column) = column_named(relation, described, &length.name)? else {
                missing.push(length.name.as_str());
                continue;
            };
            match Wanted::Number.reading(column.found) {
                Some(reading) => self.lengths.push(MappedLength {
                    class: length.class.clone(),
                    name: Identifier::new(&column.name)?,
                    unit: length.unit,
                    found: column.found,
                    reading,
                }),
                None => unfit.push((column, Wanted::Number, None)),
            }
        }
        if !missing.is_empty() {
            return Err(missing_columns(relation, described, &missing));
        }
        if !unfit.is_empty() {
            return Err(unfit_columns(relation, &unfit));
        }
        Ok(self)
    }

    /// The column of a field.
    pub(super) fn column(&self, field: Field) -> Option<&Mapped> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// What stands between `SELECT` and `FROM`.
    pub(super) fn select_list(&self) -> String {
        let fields = self.columns.iter().map(|column| {
            let wanted = Wanted::of(column.field);
            column.reading.selected(wanted, column.found, &column.name.quoted())
        });
        let lengths = self.lengths.iter().map(|length| {
            length.reading.selected(Wanted::Number, length.found, &length.name.quoted())
        });
        fields.chain(lengths).collect::<Vec<_>>().join(", ")
    }
}

/// The column of that name: as it is written, or else as a database compares that does not look at
/// the case.
pub(super) fn column_named<'a>(
    relation: &Relation,
    described: &'a [Described],
    name: &str,
) -> Result<Option<&'a Described>, UnitError> {
    if let Some(column) = described.iter().find(|column| column.name == name) {
        return Ok(Some(column));
    }
    let wanted = name.to_lowercase();
    let mut like: Vec<&Described> =
        described.iter().filter(|column| column.name.to_lowercase() == wanted).collect();
    if like.len() > 1 {
        return Err(UnitError::Mapping {
            kind: FailureKind::Malformed,
            what: format!(
                "{relation} has no column `{name}` but {}, which differ only in case",
                listed(like.iter().map(|column| column.name.as_str()))
            ),
            hint: Some("write the name in the settings as the database has it".to_owned()),
        });
    }
    Ok(like.pop())
}

/// A name of the settings that no column has.
pub(super) fn missing_columns(
    relation: &Relation,
    described: &[Described],
    missing: &[&str],
) -> UnitError {
    let names: Vec<String> = described.iter().map(|column| column.name.clone()).collect();
    let settings = "name the columns in the settings, section `[columns]`";
    let hint = near_names(&names, missing)
        .map_or_else(|| settings.to_owned(), |near| format!("did you mean {near}? {settings}"));
    UnitError::Mapping {
        kind: FailureKind::Missing,
        what: format!(
            "{relation} has no column {}; it has {}",
            listed(missing.iter().copied()),
            listed(names.iter().map(String::as_str))
        ),
        hint: Some(hint),
    }
}

/// Lengths are needed, and no column holds one.
pub(super) fn no_lengths(relation: &Relation) -> UnitError {
    UnitError::Mapping {
        kind: FailureKind::Missing,
        what: format!("{relation} has no column `length_<class>_km`"),
        hint: Some(
            "name the columns with lengths by class of road under `columns.lengths`, or fit \
             another model"
                .to_owned(),
        ),
    }
}

fn unfit_columns(relation: &Relation, unfit: &[(&Described, Wanted, Option<Field>)]) -> UnitError {
    let all: Vec<String> = unfit
        .iter()
        .map(|(column, wanted, _)| {
            let (name, found) = (&column.name, type_name(column.found));
            format!("column `{name}` is {found}, accepted is {}", wanted.accepted())
        })
        .collect();
    UnitError::Mapping {
        kind: FailureKind::Malformed,
        what: format!("{relation}: {}", all.join("; ")),
        hint: Some(match unfit.iter().find_map(|(.., field)| field.filter(|f| !f.is_required())) {
            Some(field) => format!(
                "name another column in the settings, leave it out (`columns.{} = \"\"`), or convert \
                 it in a view or in `sqlserver.query`",
                field.as_str()
            ),
            None => "name another column in the settings, or convert it in a view or in \
                     `sqlserver.query`"
                .to_owned(),
        }),
    }
}
