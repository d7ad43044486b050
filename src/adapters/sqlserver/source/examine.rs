//! What `speedfit doctor` says of records on a SQL Server: whether they can be read, what each
//! column is and how it is read, which state is seen, which regions there are, and what the login
//! may do that it need not.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tiberius::ColumnData;

use super::describe::describe;
use super::isolation::{DatabaseIsolation, of_database};
use super::kinds::{Reading, Wanted, type_name};
use super::layout::{Layout, Mapped};
use super::statement::Statement;
use super::{Isolation, SqlServerSource};
use crate::adapters::file::{Field, listed};
use crate::adapters::sqlserver::connection::Connection;
use crate::adapters::sqlserver::error::UnitError;
use crate::adapters::sqlserver::examine::{failed, look, only_row, reach};
use crate::ports::{Examine, Finding, Grade, Lengths};

/// Records of which the regions are counted at the most, so that the size of the table does not
/// matter; chosen, not measured. Which ones they are is up to the server.
const MAX_COUNTED: u64 = 1_000_000;

#[async_trait]
impl Examine for SqlServerSource {
    async fn examine(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Some(mut connection) = reach(&self.connector, &mut findings).await else {
            return findings;
        };
        look(&mut connection, &self.connector, &mut findings).await;
        let described = match describe(&self.connector, &mut connection, &self.relation).await {
            Ok(described) => described,
            Err(error) => {
                findings.push(self.not_done("records", "look at", error));
                return findings;
            }
        };
        let text = format!("{} has {} columns, SELECT is allowed", self.relation, described.len());
        findings.push(Finding::new("records", Grade::Good, text));
        self.isolation(&mut connection, &mut findings).await;
        self.rights(&mut connection, &mut findings).await;
        match self.layout(&described, Lengths::IfAny) {
            Ok(layout) => {
                self.columns(&layout, &mut findings);
                self.regions(&mut connection, &layout, &mut findings).await;
            }
            Err(error) => findings.push(self.not_done("columns", "find the columns of", error)),
        }
        findings
    }
}

impl SqlServerSource {
    fn not_done(&self, check: &str, doing: &str, error: impl Into<UnitError>) -> Finding {
        failed(check, &self.connector, &format!("{doing} {}", self.relation), error)
    }

    async fn isolation(&self, connection: &mut Connection, findings: &mut Vec<Finding>) {
        findings.push(match of_database(connection, &self.relation).await {
            Ok(found) => judge_isolation(self.options.isolation, found),
            Err(error) => self.not_done("isolation", "ask for the isolation of", error),
        });
    }

    /// Rights that a reader does not need.
    async fn rights(&self, connection: &mut Connection, findings: &mut Vec<Finding>) {
        let Some(table) = self.relation.table() else { return };
        let sql = include_str!("../sql/table_rights.sql");
        let asked = connection.query(sql, &[&table.to_string()]).await;
        findings.push(match asked.map_err(UnitError::from).and_then(only_row) {
            Ok(row) => {
                let rights = ["INSERT", "UPDATE", "DELETE"].into_iter().zip(row);
                let held = rights.filter(|(_, may)| is_yes(may)).map(|(right, _)| right);
                judge_rights(&held.collect::<Vec<_>>())
            }
            Err(error) => self.not_done("rights on the records", "ask for the rights on", error),
        });
    }

    fn columns(&self, layout: &Layout, findings: &mut Vec<Finding>) {
        findings.extend(layout.columns.iter().map(|column| self.column(column)));
        let absent: Vec<&str> = (Field::ALL.into_iter())
            .filter(|field| layout.column(*field).is_none())
            .map(Field::as_str)
            .collect();
        if !layout.lengths.is_empty() {
            let names = listed(layout.lengths.iter().map(|length| length.class.as_str()));
            let text = format!("of {names}; read where the model needs them");
            findings.push(Finding::new("lengths by class of road", Grade::Good, text));
        }
        if !absent.is_empty() {
            let text = format!("none for {}, which may be missing", listed(absent.into_iter()));
            findings.push(Finding::new("columns", Grade::Note, text));
        }
    }

    fn column(&self, column: &Mapped) -> Finding {
        let wanted = Wanted::of(column.field);
        let (grade, how) = how_read(column.reading, wanted);
        let (name, found) = (column.name.as_str(), type_name(column.found));
        let mut text = format!("`{name}`, {found}: {how}");
        if wanted == Wanted::Time && column.reading != Reading::Offset {
            let zone = self.options.time_zone.iana_name().unwrap_or("that of the settings");
            text.push_str(&format!("; the time zone is {zone}"));
        }
        Finding::new(&format!("column of {}", column.field.as_str()), grade, text)
    }

    /// How many records and regions there are, among as many records as do not take long.
    async fn regions(
        &self,
        connection: &mut Connection,
        layout: &Layout,
        findings: &mut Vec<Finding>,
    ) {
        let Some(region) = layout.column(Field::Region) else { return };
        // Code point by code point, as regions are told apart here.
        let name = "CAST([region] AS nvarchar(4000)) COLLATE Latin1_General_100_BIN2";
        let (column, from) = (region.name.quoted(), self.relation.from());
        let mut statement = Statement::named("regions_of_records");
        statement.push(&format!(
            "SELECT {name}, COUNT_BIG(*)\n\
             FROM (\nSELECT TOP ({MAX_COUNTED}) {column} AS [region]\nFROM {from}\n) AS [counted]\n\
             GROUP BY {name}"
        ));
        let counted = match connection.batch(&statement.sql).await {
            Ok(results) => results.into_iter().flatten().map(|row| {
                let mut cells = row.into_iter();
                let name = match cells.next() {
                    Some(ColumnData::String(name)) => name.map(|name| name.trim().to_owned()),
                    _ => None,
                };
                let n = match cells.next() {
                    Some(ColumnData::I64(n)) => n.and_then(|n| u64::try_from(n).ok()),
                    Some(ColumnData::I32(n)) => n.and_then(|n| u64::try_from(n).ok()),
                    _ => None,
                };
                (name.unwrap_or_default(), n.unwrap_or_default())
            }),
            Err(error) => {
                findings.push(self.not_done("regions", "count the regions of", error));
                return;
            }
        };
        findings.extend(judge_regions(counted));
    }
}

fn is_yes(value: &ColumnData<'_>) -> bool {
    matches!(value, ColumnData::I32(Some(1)) | ColumnData::Bit(Some(true)))
}

/// How a column is read, and whether that is worth a note.
fn how_read(reading: Reading, wanted: Wanted) -> (Grade, &'static str) {
    match (reading, wanted) {
        (Reading::Text, Wanted::Text) => (Grade::Good, "read as text, blanks around it left out"),
        (Reading::Text, Wanted::Number) => (
            Grade::Note,
            "texts are read as numbers one by one, which is slow; what is no number is refused",
        ),
        (Reading::Text, Wanted::Time) => (
            Grade::Note,
            "texts are read as times one by one, and the server cannot leave out what is outside \
             the window, which is slow; what is no time is refused",
        ),
        (Reading::Guid | Reading::Whole | Reading::Decimal | Reading::Money, Wanted::Text) => {
            (Grade::Good, "read as text")
        }
        (Reading::Decimal | Reading::Money, _) => {
            (Grade::Note, "read as float(53), which keeps 15 digits")
        }
        (Reading::DateTime, _) => {
            (Grade::Note, "read to the millisecond; the server rounds it to 1/300 s or a minute")
        }
        (Reading::Date, _) => (Grade::Note, "has no time of the day: midnight is taken"),
        (Reading::Offset, _) => (Grade::Good, "read with its own offset"),
        (Reading::Whole | Reading::Guid | Reading::Float | Reading::DateTime2, _) => {
            (Grade::Good, "read as it is")
        }
    }
}

fn judge_rights(held: &[&str]) -> Finding {
    let check = "rights on the records";
    if held.is_empty() {
        return Finding::new(check, Grade::Good, "reading only");
    }
    Finding::new(check, Grade::Warning, format!("{} are allowed too", held.join(", "))).with_remedy(
        "give the reader a login of its own with SELECT on the records, as `scripts/grants.sql` \
         does, and no more",
    )
}

fn judge_isolation(wanted: Isolation, found: Option<DatabaseIsolation>) -> Finding {
    let remedy = "ask for ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON";
    let finding = |grade, text: &str| Finding::new("isolation", grade, text);
    match (wanted, found) {
        (_, None) => finding(Grade::Note, "the database does not say how it isolates"),
        (Isolation::Auto | Isolation::Snapshot, Some(found)) if found.allows_snapshot => {
            finding(Grade::Good, "one state of the database is read (SNAPSHOT)")
        }
        (Isolation::Snapshot, Some(_)) => {
            finding(Grade::Failure, "the database does not allow snapshots")
                .with_remedy(format!("{remedy}, or set `sqlserver.isolation = \"auto\"`"))
        }
        (_, Some(found)) if found.is_rcsi => finding(
            Grade::Note,
            "each statement reads what is committed when it begins (READ_COMMITTED_SNAPSHOT)",
        ),
        (Isolation::ReadCommitted, Some(_)) => finding(
            Grade::Warning,
            "reads under locks (READ COMMITTED): readers and writers wait for each other",
        )
        .with_remedy(format!("{remedy}, and set `sqlserver.isolation = \"auto\"`")),
        (Isolation::Auto, Some(_)) => finding(
            Grade::Warning,
            "the database allows no snapshots: reads under locks (READ COMMITTED), and readers and \
             writers wait for each other",
        )
        .with_remedy(remedy),
    }
}

/// Findings on names and how many records each has; the empty name stands for none.
fn judge_regions(counted: impl Iterator<Item = (String, u64)>) -> Vec<Finding> {
    let mut regions: BTreeMap<String, u64> = BTreeMap::new();
    for (name, n) in counted {
        *regions.entry(name).or_default() += n;
    }
    let n_nameless = regions.remove("").unwrap_or_default();
    let n_records = regions.values().sum::<u64>() + n_nameless;
    if n_records == 0 {
        let finding = Finding::new("regions", Grade::Warning, "there are no records");
        return vec![finding.with_remedy("check `sqlserver.table` and who fills it")];
    }
    let n_regions = regions.len();
    let text = if n_records < MAX_COUNTED {
        format!("{n_records} records of {n_regions} regions")
    } else {
        format!(
            "the first {n_records} records are of {n_regions} regions; there may be more of both"
        )
    };
    let mut findings = vec![Finding::new("regions", Grade::Good, text)];
    if n_nameless > 0 {
        let text = format!("{n_nameless} records name no region and are refused");
        findings.push(Finding::new("regions", Grade::Note, text));
    }
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in regions.keys() {
        alike.entry(name.to_lowercase()).or_default().push(name);
    }
    let alike: Vec<&str> = alike.into_values().filter(|names| names.len() > 1).flatten().collect();
    if !alike.is_empty() {
        let names = listed(alike.into_iter());
        let text = format!("names that differ only in case are regions of their own: {names}");
        findings.push(Finding::new("regions", Grade::Note, text));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_counted_by_their_trimmed_names() {
        let check = |counted: &[(&str, u64)], expected: &[(Grade, &str)]| {
            let counted = counted.iter().map(|(name, n)| ((*name).to_owned(), *n));
            let findings = judge_regions(counted);
            let told: Vec<_> = findings.iter().map(|f| (f.grade, f.text.as_str())).collect();
            assert_eq!(told, expected);
        };
        check(&[], &[(Grade::Warning, "there are no records")]);
        check(&[("a", 2), ("a", 1), ("b", 4)], &[(Grade::Good, "7 records of 2 regions")]);
        check(
            &[("a", MAX_COUNTED - 1), ("b", 1)],
            &[(
                Grade::Good,
                "the first 1000000 records are of 2 regions; there may be more of both",
            )],
        );
        check(
            &[("A", 2), ("a", 1), ("", 4)],
            &[
                (Grade::Good, "7 records of 2 regions"),
                (Grade::Note, "4 records name no region and are refused"),
                (Grade::Note, "names that differ only in case are regions of their own: `A`, `a`"),
            ],
        );
    }

    #[test]
    fn isolation_is_judged_by_what_is_wanted() {
        let check = |wanted, allows_snapshot, is_rcsi, expected| {
            let found = Some(DatabaseIsolation { allows_snapshot, is_rcsi });
            let finding = judge_isolation(wanted, found);
            assert_eq!(finding.grade, expected, "{finding:?}");
            assert_eq!(finding.remedy.is_some(), expected > Grade::Note);
        };
        check(Isolation::Auto, true, false, Grade::Good);
        check(Isolation::Snapshot, true, false, Grade::Good);
        check(Isolation::Snapshot, false, true, Grade::Failure);
        check(Isolation::Auto, false, true, Grade::Note);
        check(Isolation::Auto, false, false, Grade::Warning);
        check(Isolation::ReadCommitted, true, false, Grade::Warning);
        check(Isolation::ReadCommitted, true, true, Grade::Note);
        assert_eq!(judge_isolation(Isolation::Auto, None).grade, Grade::Note);
    }
}
