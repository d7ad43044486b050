//! What stands after `FROM`: a table's name, quoted, or the user's query in parentheses.

use std::fmt;

use super::scan::{QueryFault, single_select};
use crate::adapters::sqlserver::error::UnitError;
use crate::adapters::sqlserver::identifier::{Identifier, ObjectName};
use crate::adapters::sqlserver::source::RecordsFrom;
use crate::ports::FailureKind;

/// Where the records stand, ready to be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    from: String,
    table: Option<ObjectName>,
    /// What the user wrote, for messages.
    shown: String,
}

impl Relation {
    /// Quotes a name, or looks a query over.
    pub(super) fn new(records: &RecordsFrom) -> Result<Self, UnitError> {
        match records {
            RecordsFrom::Table(name) => {
                let table = ObjectName::parse(name)?;
                let (from, shown) = (table.to_string(), format!("`{}`", name.trim()));
                Ok(Self { from, table: Some(table), shown })
            }
            RecordsFrom::Query(query) => {
                let query = single_select(query).map_err(bad_query)?;
                // A line of its own, lest a comment at the end swallow the parenthesis.
                let from = format!("(\n{query}\n) AS [records]");
                Ok(Self { from, table: None, shown: "the query of the settings".to_owned() })
            }
        }
    }

    /// The text to stand after `FROM`.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// The table's name, unless it is a query.
    pub(super) fn table(&self) -> Option<&ObjectName> {
        self.table.as_ref()
    }

    /// The database, where it is not that of the connection.
    pub(super) fn database(&self) -> Option<&Identifier> {
        self.table.as_ref()?.database.as_ref()
    }
}

/// As the user wrote it.
impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn bad_query(fault: QueryFault) -> UnitError {
    UnitError::Mapping {
        kind: FailureKind::Malformed,
        what: format!("the query of the settings {fault}"),
        hint: Some(fault.remedy().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_stands_in_parentheses() {
        let query = RecordsFrom::Query("SELECT 1 AS a -- one\n ; ".to_owned());
        assert_eq!(
            Relation::new(&query).unwrap().from(),
            "(\nSELECT 1 AS a -- one\n) AS [records]"
        );
    }
}
