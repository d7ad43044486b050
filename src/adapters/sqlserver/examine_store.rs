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
    use super::*;

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
