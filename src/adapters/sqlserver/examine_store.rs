//! What `speedfit doctor` asks of the store: what it asks of any server, and whether the schema is
//! up to date and the login may do there what a run does.

use async_trait::async_trait;
use tiberius::Row;

use super::connection::Connection;
use super::error::UnitError;
use super::examine::{self, cell};
use super::locks;
use super::schema;
use super::store::SqlServerStore;
use crate::adapters::migrate::version_of;
use crate::ports::{Examine, Finding, Grade};

/// How long the trial of a lock waits; nobody else asks for its name.
const TRIAL_TIMEOUT_MS: i32 = 1000;

#[async_trait]
impl Examine for SqlServerStore {
    async fn examine(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let connector = self.connector();
        let Some(mut connection) = examine::reach(connector, &mut findings).await else {
            return findings;
        };
        examine::look(&mut connection, connector, &mut findings).await;
        let failed = |check: &str, doing: &str, error: UnitError| {
            examine::failed(check, connector, doing, error)
        };
        match self.schema_version(&mut connection).await {
            Ok((finding, there)) => {
                findings.push(finding);
                // Without tables there is nothing to have a right to.
                if there {
                    findings.push(match self.rights(&mut connection).await {
                        Ok(finding) => finding,
                        Err(error) => failed("rights needed", "ask for the rights", error),
                    });
                }
            }
            Err(error) => findings.push(failed("schema version", "read the schema", error)),
        }
        findings.push(match self.lock(&mut connection).await {
            Ok(finding) => finding,
            Err(error) => failed("lock", "try a lock", error),
        });
        findings
    }
}

impl SqlServerStore {
    /// What became of the schema, and whether its newest tables are there.
    async fn schema_version(
        &self,
        connection: &mut Connection,
    ) -> Result<(Finding, bool), UnitError> {
        let applied = schema::applied(connection, &self.schema).await?;
        let (name, found) = (self.schema.name(), version_of(&applied));
        let finding = |grade, text: String| Finding::new("schema version", grade, text);
        Ok(match schema::missing(&applied) {
            Ok([]) => (finding(Grade::Good, format!("schema `{name}` has version {found}")), true),
            Ok(_) => {
                let needed = schema::newest();
                let text =
                    format!("schema `{name}` has version {found}, this program needs {needed}");
                (finding(Grade::Failure, text).with_remedy("run `speedfit migrate`"), false)
            }
            Err(error) => {
                let remedy = "use the version of speedfit that migrated it, or a newer one";
                (finding(Grade::Failure, error.to_string()).with_remedy(remedy), true)
            }
        })
    }

    async fn rights(&self, connection: &mut Connection) -> Result<Finding, UnitError> {
        let sql = self.schema.sql(include_str!("sql/store_rights.sql"));
        let results = connection.query(&sql, &[]).await?;
        let missing: Vec<String> =
            results.iter().flatten().map(missing_right).collect::<Result<_, UnitError>>()?;
        Ok(judge_rights(self.schema.name(), &missing))
    }

    /// Takes a lock that nobody else asks for, and gives it back.
    async fn lock(&self, connection: &mut Connection) -> Result<Finding, UnitError> {
        let trial = format!("{:032x}", self.fresh_key().as_u128());
        let resource = locks::resource("speedfit trial", self.schema.name(), &trial);
        if !locks::take(connection, &resource, TRIAL_TIMEOUT_MS).await? {
            return Err(UnitError::Lock { resource, code: -1 });
        }
        locks::release(connection, &resource).await?;
        Ok(Finding::new("lock", Grade::Good, "application locks are granted"))
    }
}

fn missing_right(row: &Row) -> Result<String, UnitError> {
    let (table, permission): (&str, &str) = (cell(row, "table_name")?, cell(row, "permission")?);
    Ok(format!("{permission} on `{table}`"))
}

fn judge_rights(schema: &str, missing: &[String]) -> Finding {
    if missing.is_empty() {
        let text = format!("the login may read and write the tables of schema `{schema}`");
        return Finding::new("rights needed", Grade::Good, text);
    }
    let text = format!("missing in schema `{schema}`: {}", missing.join(", "));
    Finding::new("rights needed", Grade::Failure, text)
        .with_remedy("grant what `scripts/grants.sql` lists for the writer")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    type Rights = BTreeSet<(String, String)>;

    fn right(table: &str, permission: &str) -> (String, String) {
        (table.to_owned(), permission.to_owned())
    }

    /// What a statement does to the tables of the schema.
    fn rights_of(sql: &str) -> Rights {
        let mut rights = Rights::new();
        let words: Vec<&str> = sql.split_whitespace().collect();
        for (nth, word) in words.iter().enumerate() {
            let Some(name) = word.strip_prefix("{schema}.") else { continue };
            let table = name.trim_end_matches([';', ')', ',']);
            let before = |n: usize| nth.checked_sub(n).map_or("", |nth| words[nth]);
            match (before(2), before(1)) {
                ("INSERT", "INTO") => rights.insert(right(table, "INSERT")),
                ("DELETE", "FROM") => {
                    rights.insert(right(table, "DELETE"));
                    rights.insert(right(table, "SELECT"))
                }
                (_, "UPDATE") => {
                    rights.insert(right(table, "UPDATE"));
                    rights.insert(right(table, "SELECT"))
                }
                (_, "FROM" | "JOIN") => rights.insert(right(table, "SELECT")),
                other => panic!("{other:?} {word}"),
            };
        }
        rights
    }

    /// What every statement needs, but for those that a run does without: they make the schema or
    /// delete old runs.
    fn needed() -> Rights {
        const NOT_OF_A_RUN: [&str; 4] =
            ["migrate", "create_schema_migration", "prune_run", "create_schema"];
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/adapters/sqlserver/sql");
        let mut rights = Rights::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if !NOT_OF_A_RUN.contains(&name) && name != "store_rights" {
                rights.append(&mut rights_of(&fs::read_to_string(&path).unwrap()));
            }
        }
        // The bulk load, which has no file.
        rights.insert(right("staged_row", "INSERT"));
        rights
    }

    #[test]
    fn every_right_that_a_statement_needs_is_asked_for_and_granted() {
        let needed = needed();
        let (values, _) = include_str!("sql/store_rights.sql").split_once(") AS n").unwrap();
        let asked: Rights = (values.split("(N'").skip(1))
            .map(|pair| {
                let mut texts = pair.split('\'');
                let table = texts.next().unwrap();
                right(table, texts.nth(1).unwrap())
            })
            .collect();
        assert_eq!(asked, needed);

        let grants = include_str!("../../../scripts/grants.sql");
        let of_schema = "\nGRANT SELECT, INSERT, UPDATE ON SCHEMA::speedfit TO speedfit_writer;";
        assert!(grants.contains(of_schema));
        for (table, _) in needed.iter().filter(|(_, permission)| permission == "DELETE") {
            let line = format!("    GRANT DELETE ON OBJECT::speedfit.{table} TO speedfit_writer;");
            assert!(grants.contains(&line), "{line}");
        }
    }

    #[test]
    fn missing_rights_are_listed() {
        assert_eq!(judge_rights("speedfit", &[]).grade, Grade::Good);
        let missing = ["INSERT on `run`".to_owned(), "SELECT on `parameter`".to_owned()];
        let finding = judge_rights("speedfit", &missing);
        assert_eq!(
            finding.text,
            "missing in schema `speedfit`: INSERT on `run`, SELECT on `parameter`"
        );
        assert!(finding.grade == Grade::Failure && finding.remedy.is_some());
    }
}
