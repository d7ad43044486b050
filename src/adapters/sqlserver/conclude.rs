//! The end of a run: its rows in one bulk load, then one short transaction that keeps them, ends the
//! run and moves the mark.

use async_trait::async_trait;
use tiberius::{ColumnData, ToSql, TokenRow};

use super::connection::Connection;
use super::error::UnitError;
use super::examine::{cell, only_row};
use super::journal::{moved_meanwhile, standing};
use super::locks::check_held;
use super::moment::{Moment, is_kept};
use super::rows::{Standing, count_stored, examples_text};
use super::schema::Schema;
use super::store::SqlServerStore;
use super::unit::Unit;
use crate::adapters::detail_text::detail_text;
use crate::adapters::ledger_rules::{
    LedgerError, check_end, check_move, check_publication, check_rows,
};
use crate::domain::{GroupKey, GroupRow, ParameterRow, RefusalRow, RunStatus};
use crate::ports::Conclusion;

/// UTF-16 units of the columns whose texts come from the records.
const MAX_REGION_UNITS: usize = 400;
const MAX_BAND_UNITS: usize = 100;
const MAX_PRIORITY_UNITS: usize = 100;
const MAX_NAME_UNITS: usize = 200;

pub(super) struct Conclude<'a> {
    pub(super) store: &'a SqlServerStore,
    pub(super) conclusion: &'a Conclusion,
}

#[async_trait]
impl Unit for Conclude<'_> {
    type Output = ();

    fn doing(&self) -> String {
        format!("conclude run {}", self.conclusion.run_id)
    }

    async fn attempt(&self, connection: &mut Connection, attempt: u32) -> Result<(), UnitError> {
        let (end, schema) = (self.conclusion, &self.store.schema);
        let known = standing(connection, schema, end.run_id).await?;
        let known = known.ok_or(LedgerError::NoSuchRun(end.run_id))?;
        if attempt > 1 && has_landed(&known, end) {
            return Ok(());
        }
        check(connection, schema, &known, end).await?;
        let load = Load::new(end, self.store.fresh_key().as_u64_pair().0.cast_signed());
        if load.n_rows > 0 {
            load.stage(connection, schema).await?;
        }
        load.keep(connection, schema, known.status).await
    }
}

/// Whether a former try of the same end took place: no other writes the same status and time.
fn has_landed(known: &Standing, end: &Conclusion) -> bool {
    known.status == end.status && is_kept(known.finished_at, end.finished_at)
}

/// Holds the end against the rules, before anything is written.
async fn check(
    connection: &mut Connection,
    schema: &Schema,
    known: &Standing,
    end: &Conclusion,
) -> Result<(), UnitError> {
    check_end(end.run_id, end.status)?;
    check_move(end.run_id, known.status, end.status)?;
    check_rows(end)?;
    check_lengths(end)?;
    if let Some(publication) = &end.publication {
        let of = standing(connection, schema, publication.run_id).await?.map(|run| run.scope);
        check_publication(publication, &known.scope, of)?;
    }
    Ok(())
}

fn check_lengths(end: &Conclusion) -> Result<(), UnitError> {
    for group in &end.set.groups {
        check_key(&group.key)?;
    }
    for parameter in &end.set.parameters {
        check_key(&parameter.key)?;
        check_length("the parameter's name", &parameter.name, MAX_NAME_UNITS)?;
    }
    for refusal in &end.refusals {
        check_length("the region's name", &refusal.region, MAX_REGION_UNITS)?;
    }
    Ok(())
}

fn check_key(key: &GroupKey) -> Result<(), UnitError> {
    check_length("the region's name", &key.region, MAX_REGION_UNITS)?;
    check_length("the band's name", &key.band, MAX_BAND_UNITS)?;
    check_length("the priority", &key.priority, MAX_PRIORITY_UNITS)
}

fn check_length(what: &'static str, text: &str, limit: usize) -> Result<(), UnitError> {
    // A text has at most as many UTF-16 units as bytes.
    if text.len() > limit && text.encode_utf16().count() > limit {
        return Err(UnitError::TooLong { what, limit, text: text.to_owned() });
    }
    Ok(())
}

/// The rows of one try.
struct Load<'a> {
    end: &'a Conclusion,
    /// Tells this try's rows from another's, which may still be on their way.
    key: i64,
    n_rows: i64,
}

impl<'a> Load<'a> {
    fn new(end: &'a Conclusion, key: i64) -> Self {
        let n_rows = end.set.groups.len() + end.set.parameters.len() + end.refusals.len();
        Self { end, key, n_rows: i64::try_from(n_rows).unwrap_or(i64::MAX) }
    }

    /// Brings the rows into the staging table, in the order of its key.
    async fn stage(&self, connection: &mut Connection, schema: &Schema) -> Result<(), UnitError> {
        let sql = schema.sql(include_str!("sql/clear_staging.sql"));
        connection.query(&sql, &[&self.end.run_id.0]).await?;
        let examples: Vec<String> =
            self.end.refusals.iter().map(|row| examples_text(&row.examples)).collect();
        let Conclusion { set, refusals, .. } = self.end;
        let details: Vec<Option<String>> =
            set.groups.iter().map(|row| detail_text(&row.detail)).collect();
        let groups = set.groups.iter().zip(&details);
        let groups = groups.map(|(row, detail)| Staged::Group(row, detail.as_deref()));
        let parameters = set.parameters.iter().map(Staged::Parameter);
        let refusals =
            refusals.iter().zip(&examples).map(|(row, examples)| Staged::Refusal(row, examples));
        let rows = (0..)
            .zip(groups)
            .chain((0..).zip(parameters))
            .chain((0..).zip(refusals))
            .map(|(ordinal, row)| self.row(ordinal, row));
        connection.bulk_load(&schema.sql("{schema}.[staged_row]"), rows).await?;
        Ok(())
    }

    /// One row of the staging table: every column, in the table's order.
    fn row<'r>(&self, ordinal: i64, row: Staged<'r>) -> TokenRow<'r> {
        let mut cells = TokenRow::with_capacity(36);
        let head = [
            count_cell(self.end.run_id.0),
            count_cell(self.key),
            text(row.kind()),
            count_cell(ordinal),
        ];
        let (group, parameter, refusal, detail) = match row {
            Staged::Group(row, detail) => (Some(row), None, None, detail),
            Staged::Parameter(row) => (None, Some(row), None, None),
            Staged::Refusal(row, examples) => (None, None, Some((row, examples)), None),
        };
        head.into_iter()
            .chain(row.key())
            .chain(group_cells(group))
            .chain(parameter_cells(parameter))
            .chain(refusal_cells(refusal))
            .chain([text_or_null(detail)])
            .for_each(|cell| cells.push(cell));
        cells
    }

    /// The transaction.
    async fn keep(
        &self,
        connection: &mut Connection,
        schema: &Schema,
        from: RunStatus,
    ) -> Result<(), UnitError> {
        let end = self.end;
        let counts = &end.counts;
        let mark = end.publication.as_ref();
        let holder = end.lock.as_ref().map_or("", |key| key.0.as_str());
        let parameters: [&dyn ToSql; 24] = [
            &end.run_id.0,
            &from.as_str(),
            &end.status.as_str(),
            &Moment::new(end.finished_at),
            &count_stored(counts.rows_read),
            &count_stored(counts.rows_refused),
            &count_stored(counts.rows_used),
            &count_stored(counts.groups_fitted),
            &count_stored(counts.groups_pooled),
            &count_stored(counts.groups_fallback),
            &count_stored(counts.groups_carried_over),
            &count_stored(counts.groups_failed),
            &count_stored(counts.groups_cancelled),
            &i32::from(end.exit_code),
            &end.message,
            &self.key,
            &self.n_rows,
            &mark.map(|mark| mark.run_id.0),
            &mark.map_or("", |mark| mark.scope.as_str()),
            &Moment::new(mark.map_or(end.finished_at, |mark| mark.published_at)),
            &mark.map_or("", |mark| mark.published_by.as_str()),
            &mark.map_or("", |mark| mark.reason.as_str()),
            &mark.map_or("", |mark| mark.comment.as_str()),
            &holder,
        ];
        let sql = schema.sql(include_str!("sql/conclude_run.sql"));
        let row = only_row(connection.query(&sql, &parameters).await?)?;
        let n_kept: i64 = cell(&row, "n_kept")?;
        if cell::<i64>(&row, "n_moved")? != 1 {
            return Err(moved_meanwhile(connection, schema, end.run_id, end.status).await);
        }
        if n_kept != self.n_rows {
            return Err(UnitError::LostRows { n_sent: self.n_rows, n_kept });
        }
        match mark {
            Some(mark) => check_held(&row, &mark.scope),
            None => Ok(()),
        }
    }
}

/// A row on its way to the staging table.
#[derive(Clone, Copy)]
enum Staged<'a> {
    Group(&'a GroupRow, Option<&'a str>),
    Parameter(&'a ParameterRow),
    Refusal(&'a RefusalRow, &'a str),
}

impl<'a> Staged<'a> {
    fn kind(self) -> &'static str {
        match self {
            Self::Group(..) => "group",
            Self::Parameter(_) => "parameter",
            Self::Refusal(..) => "refusal",
        }
    }

    fn key(self) -> [ColumnData<'a>; 3] {
        let key = match self {
            Self::Group(row, _) => &row.key,
            Self::Parameter(row) => &row.key,
            Self::Refusal(row, _) => {
                return [text(&row.region), text_or_null(None), text_or_null(None)];
            }
        };
        [text(&key.region), text(&key.band), text(&key.priority)]
    }
}

fn text(text: &str) -> ColumnData<'_> {
    text_or_null(Some(text))
}

fn text_or_null(text: Option<&str>) -> ColumnData<'_> {
    ColumnData::String(text.map(Into::into))
}

fn count_cell(count: i64) -> ColumnData<'static> {
    ColumnData::I64(Some(count))
}

fn count_or_null(count: Option<u64>) -> ColumnData<'static> {
    ColumnData::I64(count.map(count_stored))
}

fn group_cells(row: Option<&GroupRow>) -> [ColumnData<'_>; 17] {
    let number = |value: fn(&GroupRow) -> Option<f64>| ColumnData::F64(row.and_then(value));
    [
        text_or_null(row.map(|row| row.model.as_str())),
        text_or_null(row.map(|row| row.loss.as_str())),
        text_or_null(row.map(|row| row.outcome.as_str())),
        text_or_null(row.map(|row| row.source_level.as_str())),
        count_or_null(row.map(|row| row.n_read)),
        count_or_null(row.map(|row| row.n_refused)),
        count_or_null(row.map(|row| row.n_used)),
        text_or_null(row.map(|row| row.termination.as_str())),
        count_or_null(row.map(|row| row.iterations)),
        number(|row| row.ssr_log),
        number(|row| row.rmse_log),
        number(|row| row.mae_s),
        number(|row| row.median_ape),
        number(|row| row.share_under_p90),
        number(|row| row.condition),
        text_or_null(row.map(|row| row.verdict.as_str())),
        text_or_null(row.map(|row| row.message.as_str())),
    ]
}

fn parameter_cells(row: Option<&ParameterRow>) -> [ColumnData<'_>; 9] {
    let number = |value: fn(&ParameterRow) -> Option<f64>| ColumnData::F64(row.and_then(value));
    [
        text_or_null(row.map(|row| row.name.as_str())),
        text_or_null(row.map(|row| row.unit.as_str())),
        number(|row| Some(row.estimate)),
        number(|row| row.std_error),
        number(|row| row.ci_low),
        number(|row| row.ci_high),
        number(|row| row.raw_estimate),
        number(|row| row.pool_weight),
        text_or_null(row.map(|row| row.status.as_str())),
    ]
}

fn refusal_cells<'a>(row: Option<(&RefusalRow, &'a str)>) -> [ColumnData<'a>; 3] {
    [
        text_or_null(row.map(|(row, _)| row.reason.as_str())),
        count_or_null(row.map(|(row, _)| row.count)),
        text_or_null(row.map(|(_, examples)| examples)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of the staging table, in order, as the migrations make them.
    fn columns() -> Vec<String> {
        let later = include_str!("../../../migrations/sqlserver/V0004__detail.sql");
        let later = later.lines().filter_map(|line| {
            line.strip_prefix("ALTER TABLE {schema}.staged_row ADD ")?.split_once(' ')
        });
        let sql = include_str!("../../../migrations/sqlserver/V0003__staging.sql");
        let body = sql.split_once("(\n").unwrap().1;
        body.lines()
            .filter_map(|line| line.trim().split_once(' '))
            .take_while(|(name, _)| *name != "CONSTRAINT")
            .chain(later)
            .map(|(name, kind)| format!("{name} {}", kind.split(['(', ' ']).next().unwrap()))
            .collect()
    }

    #[test]
    fn a_row_has_every_column_of_the_staging_table_in_its_type() {
        let refusal = RefusalRow {
            region: "A".to_owned(),
            reason: crate::domain::RefusalReason::NullField,
            count: 1,
            examples: vec![],
        };
        let rows = [(None, None, Some((&refusal, "[]"))), (None, None, None)];
        for (group, parameter, refusal) in rows {
            let cells: Vec<_> = group_cells(group)
                .into_iter()
                .chain(parameter_cells(parameter))
                .chain(refusal_cells(refusal))
                .chain([text_or_null(None)])
                .map(|cell| match cell {
                    ColumnData::I64(_) => "bigint",
                    ColumnData::F64(_) => "float",
                    ColumnData::String(_) => "nvarchar",
                    other => panic!("{other:?}"),
                })
                .collect();
            let kinds: Vec<_> =
                columns().iter().map(|c| c.split(' ').nth(1).unwrap().to_owned()).collect();
            assert_eq!(kinds[7..], cells);
            assert_eq!(
                kinds[..7],
                ["bigint", "bigint", "nvarchar", "bigint", "nvarchar", "nvarchar", "nvarchar"]
            );
        }
    }

    #[test]
    fn lengths_count_as_the_server_counts() {
        assert!(check_length("it", &"ü".repeat(100), 100).is_ok());
        assert!(check_length("it", &"🚒".repeat(50), 100).is_ok());
        let error = check_length("the priority", &"🚒".repeat(51), 100).unwrap_err();
        assert!(error.to_string().starts_with("the priority is longer than 100 characters"));
    }
}
