//! Parameter rows and group rows as files, column by column as the contract has them.

use std::path::Path;

use super::atomic::check_folder;
use super::error::FileError;
use super::format::table_format;
use super::table::{Column, Table, csv_bytes, write_tables};
use crate::domain::{GroupKey, GroupRow, ParameterRow, ParameterSet};

/// Tells, before any work is done, what would keep a table from being written there.
///
/// # Errors
/// [`FileError`] where the name tells no format, names a folder, or its folder is not there.
pub fn check_table_path(path: &Path) -> Result<(), FileError> {
    table_format(path)?;
    check_folder(path)
}

/// Writes the parameter rows of a set as CSV, JSON or Parquet, as the file's name says. Blocks.
///
/// # Errors
/// [`FileError`] where the name tells no format or the file cannot be written; nothing is left then.
pub fn write_parameters(path: &Path, set: &ParameterSet) -> Result<(), FileError> {
    let format = table_format(path)?;
    write_tables(path, format, std::iter::once(parameter_table(set)))
}

/// The parameter rows of a set as CSV, as [`write_parameters`] writes them.
///
/// # Errors
/// [`FileError::Write`], which memory does not cause.
pub fn parameters_csv(set: &ParameterSet) -> Result<Vec<u8>, FileError> {
    let bytes = csv_bytes(parameter_table(set));
    bytes.map_err(|source| FileError::Write { path: "parameters.csv".into(), source })
}

/// Writes the group rows of a set as CSV, JSON or Parquet, as the file's name says. Blocks.
///
/// # Errors
/// [`FileError`] where the name tells no format or the file cannot be written; nothing is left then.
pub fn write_groups(path: &Path, set: &ParameterSet) -> Result<(), FileError> {
    let format = table_format(path)?;
    write_tables(path, format, std::iter::once(group_table(set)))
}

fn parameter_table(set: &ParameterSet) -> Table<'_> {
    let rows = &set.parameters;
    let text = |get: fn(&ParameterRow) -> &str| Column::Text(rows.iter().map(get).collect());
    let number =
        |get: fn(&ParameterRow) -> Option<f64>| Column::Number(rows.iter().map(get).collect());
    let mut columns = first_columns(set, rows.iter().map(|row| &row.key));
    columns.extend([
        ("name", text(|row| &row.name)),
        ("unit", text(|row| &row.unit)),
        ("estimate", number(|row| Some(row.estimate))),
        ("std_error", number(|row| row.std_error)),
        ("ci_low", number(|row| row.ci_low)),
        ("ci_high", number(|row| row.ci_high)),
        ("raw_estimate", number(|row| row.raw_estimate)),
        ("pool_weight", number(|row| row.pool_weight)),
        ("status", text(|row| row.status.as_str())),
    ]);
    Table { columns, n_rows: rows.len() }
}

fn group_table(set: &ParameterSet) -> Table<'_> {
    let rows = &set.groups;
    let text = |get: fn(&GroupRow) -> &str| Column::Text(rows.iter().map(get).collect());
    let number = |get: fn(&GroupRow) -> Option<f64>| Column::Number(rows.iter().map(get).collect());
    let count = |get: fn(&GroupRow) -> u64| {
        // Beyond the type's end nothing is ever counted.
        let counts = rows.iter().map(|row| Some(i64::try_from(get(row)).unwrap_or(i64::MAX)));
        Column::Whole(counts.collect())
    };
    let mut columns = first_columns(set, rows.iter().map(|row| &row.key));
    columns.extend([
        ("model", text(|row| &row.model)),
        ("loss", text(|row| &row.loss)),
        ("outcome", text(|row| row.outcome.as_str())),
        ("source_level", text(|row| row.source_level.as_str())),
        ("n_read", count(|row| row.n_read)),
        ("n_refused", count(|row| row.n_refused)),
        ("n_used", count(|row| row.n_used)),
        ("termination", text(|row| &row.termination)),
        ("iterations", count(|row| row.iterations)),
        ("ssr_log", number(|row| row.ssr_log)),
        ("rmse_log", number(|row| row.rmse_log)),
        ("mae_s", number(|row| row.mae_s)),
        ("median_ape", number(|row| row.median_ape)),
        ("share_under_p90", number(|row| row.share_under_p90)),
        ("condition", number(|row| row.condition)),
        ("verdict", text(|row| row.verdict.as_str())),
        ("message", text(|row| &row.message)),
        ("detail", Column::Nested(rows.iter().map(|row| &row.detail).collect())),
    ]);
    Table { columns, n_rows: rows.len() }
}

/// The columns with which both tables begin.
fn first_columns<'a>(
    set: &'a ParameterSet,
    keys: impl Iterator<Item = &'a GroupKey> + Clone,
) -> Vec<(&'static str, Column<'a>)> {
    let run_id = set.run_id.map(|run_id| run_id.0);
    vec![
        ("scope", Column::Text(keys.clone().map(|_| set.scope.as_str()).collect())),
        ("run_id", Column::Whole(keys.clone().map(|_| run_id).collect())),
        ("region", Column::Text(keys.clone().map(|key| key.region.as_str()).collect())),
        ("band", Column::Text(keys.clone().map(|key| key.band.as_str()).collect())),
        ("priority", Column::Text(keys.map(|key| key.priority.as_str()).collect())),
    ]
}
