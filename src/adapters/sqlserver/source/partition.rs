//! How the records are shared out: half-open ranges that leave no value out, and the nulls.
//!
//! Counts and bounds that the server tells beforehand only make the shares alike; a row that comes
//! in between still stands in exactly one of them.

use tiberius::ColumnData;
use tracing::{debug, info};

use super::cuts::cut;
use super::kinds::{Reading, as_float, type_name};
use super::layout::{Described, column_named, missing_columns};
use super::selecting::Selecting;
use super::statement::Statement;
use crate::adapters::file::Field;
use crate::adapters::sqlserver::connection::Connection;
use crate::adapters::sqlserver::error::UnitError;
use crate::adapters::sqlserver::identifier::Identifier;
use crate::adapters::sqlserver::source::Partition;

/// Shares for each connection, so that none has long to wait for another's last one.
const SHARES_PER_CONNECTION: usize = 4;

/// The shares of one reading.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shares {
    /// What is compared; empty where there is but one share.
    expression: String,
    /// Where one range ends and the next begins, ascending.
    cuts: Vec<ColumnData<'static>>,
}

/// One share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// Everything.
    All,
    /// The values before the cut of that number and from the one before it on.
    Range(usize),
    /// The rows without a value.
    Null,
}

impl Shares {
    /// One share: everything.
    pub(super) const ONE: Self = Self { expression: String::new(), cuts: Vec::new() };

    /// Every share; together they hold every row once.
    pub(super) fn all(&self) -> Vec<Share> {
        if self.cuts.is_empty() {
            return vec![Share::All];
        }
        let ranges = (0..=self.cuts.len()).map(Share::Range);
        ranges.chain([Share::Null]).collect()
    }

    /// What a row of the share fulfils.
    pub(super) fn condition(&self, share: Share, statement: &mut Statement) -> Option<String> {
        let expression = &self.expression;
        let at = match share {
            Share::All => return None,
            Share::Null => return Some(format!("{expression} IS NULL")),
            Share::Range(at) => at,
        };
        let low = at.checked_sub(1).and_then(|before| self.cuts.get(before));
        let mut sides = Vec::new();
        for (cut, sign) in [(low, ">="), (self.cuts.get(at), "<")] {
            if let Some(cut) = cut {
                sides.push(format!("{expression} {sign} {}", statement.bind(cut.clone())));
            }
        }
        Some(sides.join(" AND "))
    }
}

/// Asks the server how the records lie, and shares them out among the connections.
pub(super) async fn share_out(
    connection: &mut Connection,
    selecting: &Selecting<'_>,
    described: &[Described],
    n_connections: usize,
) -> Result<Shares, UnitError> {
    if n_connections < 2 {
        return Ok(Shares::ONE);
    }
    let n_shares = n_connections * SHARES_PER_CONNECTION;
    match &selecting.options.partition {
        Partition::Off => Ok(Shares::ONE),
        Partition::Region => by_region(connection, selecting, n_shares).await,
        Partition::Range { column } => {
            match range_column(selecting, described, column.as_deref())? {
                Some(column) => by_range(connection, selecting, column, n_shares).await,
                None => Ok(Shares::ONE),
            }
        }
    }
}

/// The column by whose ranges the records are read, where there is one that can be cut.
fn range_column<'a>(
    selecting: &Selecting<'_>,
    described: &'a [Described],
    chosen: Option<&str>,
) -> Result<Option<&'a Described>, UnitError> {
    let name = match (chosen, selecting.layout.column(Field::OccurredAt)) {
        (Some(name), _) => name,
        (None, Some(column)) => column.name.as_str(),
        (None, None) => {
            info!("one connection reads everything: there is no column of the time to cut by");
            return Ok(None);
        }
    };
    let relation = selecting.relation;
    let Some(column) = column_named(relation, described, name)? else {
        return Err(missing_columns(relation, described, &[name]));
    };
    if Reading::for_cuts(column.found).is_none() {
        let found = type_name(column.found);
        info!("one connection reads everything: column `{name}` is {found} and cannot be cut");
        return Ok(None);
    }
    Ok(Some(column))
}

async fn by_range(
    connection: &mut Connection,
    selecting: &Selecting<'_>,
    column: &Described,
    n_shares: usize,
) -> Result<Shares, UnitError> {
    let name = Identifier::new(&column.name)?.quoted();
    // Exact numbers are compared as floats, which can be bound whatever their precision.
    let expression = match Reading::for_cuts(column.found) {
        Some(Reading::Decimal | Reading::Money) => as_float(&name),
        _ => name,
    };
    let mut statement = Statement::named("span_of_records");
    let mut conditions = Vec::new();
    if selecting.layout.column(Field::OccurredAt).is_some_and(|at| at.name.as_str() == column.name)
    {
        conditions.extend(selecting.window(&mut statement));
    }
    let from = selecting.relation.from();
    statement.push(&format!("SELECT MIN({expression}), MAX({expression})\nFROM {from}"));
    statement.push_where(&conditions);
    let rows = connection.query(&statement.sql, &statement.bound()).await?;
    let row = rows.into_iter().flatten().next();
    let cells: Vec<ColumnData<'static>> = row.into_iter().flatten().collect();
    let cuts = match cells.as_slice() {
        [low, high] => cut(low, high, n_shares),
        _ => Vec::new(),
    };
    debug!(column = column.name, n_ranges = cuts.len() + 1, "shared the records out");
    Ok(Shares { expression, cuts })
}

/// Ranges of names in the server's own order, so that names which its collation holds for the same
/// are never parted, and each name is in one range by that order.
async fn by_region(
    connection: &mut Connection,
    selecting: &Selecting<'_>,
    n_shares: usize,
) -> Result<Shares, UnitError> {
    let Some(region) = selecting.layout.column(Field::Region) else { return Ok(Shares::ONE) };
    let expression = match region.reading {
        // A varchar is compared with a bound text as nvarchar, whose order may be another.
        Reading::Text => format!("CAST({} AS nvarchar(4000))", region.name.quoted()),
        Reading::Decimal => as_float(&region.name.quoted()),
        _ => region.name.quoted(),
    };
    let mut statement = Statement::named("count_by_region");
    let from = selecting.relation.from();
    statement.push(&format!("SELECT {expression}, COUNT_BIG(*)\nFROM {from}"));
    let mut conditions = selecting.conditions(&mut statement);
    conditions.push(format!("{expression} IS NOT NULL"));
    statement.push_where(&conditions);
    statement.push(&format!("\nGROUP BY {expression}\nORDER BY {expression}"));
    let rows = connection.query(&statement.sql, &statement.bound()).await?;
    let counted = rows.into_iter().flatten().filter_map(|row| {
        let mut cells = row.into_iter();
        let region = cells.next()?;
        match cells.next()? {
            ColumnData::I64(Some(n)) => Some((region, u64::try_from(n).ok()?)),
            ColumnData::I32(Some(n)) => Some((region, u64::try_from(n).ok()?)),
            _ => None,
        }
    });
    let cuts = balanced(counted.collect(), n_shares);
    debug!(column = region.name.as_str(), n_ranges = cuts.len() + 1, "shared the records out");
    Ok(Shares { expression, cuts })
}

/// First names of the shares but the first, so that about as many records are in each.
fn balanced(counted: Vec<(ColumnData<'static>, u64)>, n_shares: usize) -> Vec<ColumnData<'static>> {
    let total: u64 = counted.iter().map(|(_, n)| n).sum();
    let per_share = total.div_ceil(n_shares.max(1) as u64).max(1);
    let mut cuts = Vec::new();
    let mut n_in_share = 0;
    for (region, n) in counted {
        // A name that would fill the share beyond its measure by more than half of itself begins
        // the next.
        if n_in_share > 0 && n_in_share + n / 2 >= per_share {
            cuts.push(region);
            n_in_share = 0;
        }
        n_in_share += n;
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(counts: &[u64]) -> Vec<(ColumnData<'static>, u64)> {
        let numbered = counts.iter().zip(1..);
        numbered.map(|(&n, region)| (ColumnData::I32(Some(region)), n)).collect()
    }

    #[test]
    fn shares_are_about_alike() {
        let check = |counts: &[u64], n_shares: usize, expected: &[i32]| {
            let expected: Vec<_> = expected.iter().map(|&n| ColumnData::I32(Some(n))).collect();
            assert_eq!(balanced(regions(counts), n_shares), expected, "{counts:?}");
        };
        check(&[10, 10, 10, 10], 4, &[2, 3, 4]);
        check(&[10, 10, 10, 10], 2, &[3]);
        check(&[1, 1, 1, 97], 4, &[4]);
        check(&[97, 1, 1, 1], 4, &[2]);
        check(&[], 4, &[]);
        check(&[5], 4, &[]);
        check(&[0, 0], 4, &[]);
    }

    #[test]
    fn every_value_is_in_one_share() {
        let cuts = vec![ColumnData::I32(Some(3)), ColumnData::I32(Some(7))];
        let shares = Shares { expression: "[a]".to_owned(), cuts };
        let told: Vec<String> = (shares.all().into_iter())
            .map(|share| {
                let mut statement = Statement::default();
                let condition = shares.condition(share, &mut statement);
                format!("{} {:?}", condition.unwrap_or_default(), statement.parameters)
            })
            .collect();
        assert_eq!(
            told,
            [
                "[a] < @P1 [I32(Some(3))]",
                "[a] >= @P1 AND [a] < @P2 [I32(Some(3)), I32(Some(7))]",
                "[a] >= @P1 [I32(Some(7))]",
                "[a] IS NULL []"
            ]
        );
        assert_eq!(Shares::ONE.all(), [Share::All]);
    }
}
