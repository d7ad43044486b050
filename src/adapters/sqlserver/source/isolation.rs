//! Which state of the database the readers see.

use tiberius::{ColumnData, IsolationLevel};
use tracing::{info, warn};

use super::options::Isolation;
use super::relation::Relation;
use crate::adapters::sqlserver::connection::Connection;
use crate::adapters::sqlserver::error::{ServerError, UnitError};
use crate::adapters::sqlserver::identifier::Identifier;
use crate::adapters::sqlserver::retry::RetryClass;

/// The server's number for: this database allows no snapshots.
const NO_SNAPSHOTS: u32 = 3952;

/// What a database says of itself; `None` where it does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DatabaseIsolation {
    /// `ALLOW_SNAPSHOT_ISOLATION` is on.
    pub(super) allows_snapshot: bool,
    /// `READ_COMMITTED_SNAPSHOT` is on.
    pub(super) is_rcsi: bool,
}

/// Asks the database in which the records stand.
pub(super) async fn of_database(
    connection: &mut Connection,
    relation: &Relation,
) -> Result<Option<DatabaseIsolation>, UnitError> {
    let database = relation.database().map_or("", Identifier::as_str);
    let sql = include_str!("../sql/database_isolation.sql");
    let rows = connection.query(sql, &[&database]).await?;
    let Some(row) = rows.into_iter().flatten().next() else { return Ok(None) };
    let cells: Vec<ColumnData<'static>> = row.into_iter().collect();
    Ok(match cells.as_slice() {
        [state, rcsi] => Some(DatabaseIsolation {
            // 2 and 3 are the ways off and on, on which no transaction may begin.
            allows_snapshot: whole(state) == Some(1),
            is_rcsi: whole(rcsi) == Some(1),
        }),
        _ => None,
    })
}

fn whole(value: &ColumnData<'_>) -> Option<i64> {
    match *value {
        ColumnData::Bit(bit) => bit.map(i64::from),
        ColumnData::U8(number) => number.map(i64::from),
        ColumnData::I16(number) => number.map(i64::from),
        ColumnData::I32(number) => number.map(i64::from),
        ColumnData::I64(number) => number,
        _ => None,
    }
}

/// Whether the readers read in snapshots, as asked for and as far as the database allows.
pub(super) async fn reads_snapshot(
    connection: &mut Connection,
    relation: &Relation,
    wanted: Isolation,
) -> Result<bool, UnitError> {
    if wanted == Isolation::Snapshot {
        return Ok(true);
    }
    let found = match of_database(connection, relation).await {
        Ok(found) => found,
        // Not to be told is no reason not to read.
        Err(failure) if failure.retry_class() == RetryClass::Never => None,
        Err(failure) => return Err(failure),
    };
    match found {
        Some(found) if wanted == Isolation::Auto && found.allows_snapshot => {
            info!("reading one state of the database (SNAPSHOT)");
            return Ok(true);
        }
        Some(found) if found.is_rcsi => {
            info!("reading what is committed when each statement begins (READ_COMMITTED_SNAPSHOT)");
        }
        Some(_) => warn!(
            "reading under locks (READ COMMITTED): readers and writers wait for each other, and \
             rows that change meanwhile may be missed or come twice; with \
             ALLOW_SNAPSHOT_ISOLATION they would not"
        ),
        None => warn!(
            "reading what is committed (READ COMMITTED); the database does not say how it isolates"
        ),
    }
    Ok(false)
}

/// Whether the failure says that there are no snapshots to be had.
pub(super) fn is_snapshot_refused(failure: &UnitError) -> bool {
    matches!(
        failure,
        UnitError::Server(ServerError::Answer { number, .. }) if *number == NO_SNAPSHOTS
    )
}

/// Begins a transaction that sees the database as it is now: its state is that of the first look.
pub(super) async fn begin_snapshot(
    connection: &mut Connection,
    relation: &Relation,
) -> Result<(), UnitError> {
    connection.begin(IsolationLevel::Snapshot).await?;
    let sql = format!("-- touch_records\nSELECT TOP (1) 1 AS [one]\nFROM {}", relation.from());
    connection.batch(&sql).await?;
    Ok(())
}
