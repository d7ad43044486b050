//! Asks the server which columns there are, without a row.

use tiberius::Column;

use super::layout::Described;
use super::relation::Relation;
use crate::adapters::sqlserver::connection::{Connection, Connector, bounded};
use crate::adapters::sqlserver::error::{ServerError, UnitError};
use crate::adapters::sqlserver::retry::RetryClass;
use crate::ports::FailureKind;

/// The columns of the records, in the server's order.
pub(super) async fn describe(
    connector: &Connector,
    connection: &mut Connection,
    relation: &Relation,
) -> Result<Vec<Described>, UnitError> {
    let sql = format!("-- describe_records\nSELECT TOP (0) *\nFROM {}", relation.from());
    let mut client = connection.take()?;
    let work = async {
        let mut answer = client.simple_query(sql).await?;
        let columns = answer.columns().await?.map(<[Column]>::to_vec);
        answer.into_results().await?;
        Ok::<_, tiberius::error::Error>(columns.unwrap_or_default())
    };
    let outcome = bounded(&**connector.clock(), connector.options().command_timeout, work).await;
    let columns = connection.settle(client, outcome).map_err(|error| explained(relation, error))?;
    let described = columns
        .iter()
        .map(|column| Described { name: column.name().to_owned(), found: column.column_type() });
    Ok(described.collect())
}

/// A query that the server cannot make sense of is a mistake in the settings.
fn explained(relation: &Relation, error: ServerError) -> UnitError {
    let is_final = error.retry_class() == RetryClass::Never;
    match error {
        ServerError::Answer { message, number, .. }
            if relation.table().is_none() && is_final && !is_clear(number) =>
        {
            UnitError::Mapping {
                kind: FailureKind::Malformed,
                what: format!("{relation} cannot be read from: {message} (error {number})"),
                hint: Some(
                    "write one `SELECT` statement, every column named and each name once, without \
                     `WITH`, and without `ORDER BY` unless with `TOP`; or make it a view and name \
                     that in `sqlserver.table`"
                        .to_owned(),
                ),
            }
        }
        other => other.into(),
    }
}

/// Names and permissions, of which the server's own words say enough.
fn is_clear(number: u32) -> bool {
    matches!(number, 207 | 208 | 229 | 230 | 911 | 916 | 4104)
}
