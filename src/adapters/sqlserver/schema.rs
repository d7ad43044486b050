//! The store's schema: its name in statements, its migrations, and whether they were applied.
//!
//! A migration is one batch with one transaction, whose statements are executed as texts, since some
//! (`CREATE VIEW`) have to stand alone. The same batches are the script for a DBA.

use std::fmt::Write as _;

use async_trait::async_trait;
use tiberius::{Row, ToSql};

use super::connection::Connection;
use super::error::UnitError;
use super::examine::{cell, only_row};
use super::identifier::Identifier;
use super::locks;
use super::store::{Mode, SqlServerStore};
use super::unit::Unit;
use crate::adapters::migrate::{AppliedMigration, Migration, MigrationError, plan, version_of};
use crate::ports::{MigrationReport, PortResult, SchemaAdmin};

/// Every migration of the store, in order.
static MIGRATIONS: [Migration; 8] = [
    Migration {
        version: 1,
        name: "ledger",
        sql: include_str!("../../../migrations/sqlserver/V0001__ledger.sql"),
    },
    Migration {
        version: 2,
        name: "views",
        sql: include_str!("../../../migrations/sqlserver/V0002__views.sql"),
    },
    Migration {
        version: 3,
        name: "staging",
        sql: include_str!("../../../migrations/sqlserver/V0003__staging.sql"),
    },
    Migration {
        version: 4,
        name: "detail",
        sql: include_str!("../../../migrations/sqlserver/V0004__detail.sql"),
    },
    Migration {
        version: 5,
        name: "operations",
        sql: include_str!("../../../migrations/sqlserver/V0005__operations.sql"),
    },
    Migration {
        version: 6,
        name: "shards",
        sql: include_str!("../../../migrations/sqlserver/V0006__shards.sql"),
    },
    Migration {
        version: 7,
        name: "speed_view",
        sql: include_str!("../../../migrations/sqlserver/V0007__speed_view.sql"),
    },
    Migration {
        version: 8,
        name: "no_shards",
        sql: include_str!("../../../migrations/sqlserver/V0008__no_shards.sql"),
    },
];

/// Last version of this program.
pub(super) fn newest() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// The migrations that a schema still needs that went through these.
pub(super) fn missing(
    applied: &[AppliedMigration],
) -> Result<&'static [Migration], MigrationError> {
    plan(&MIGRATIONS, applied)
}

/// The schema's name, as statements need it.
pub(super) struct Schema {
    name: String,
    quoted: String,
}

impl Schema {
    pub(super) fn new(name: &Identifier) -> Self {
        Self { name: name.as_str().to_owned(), quoted: name.quoted() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The statement, with the schema's name for its placeholders: `{schema}` in brackets,
    /// `{schema_text}` bare inside a text, `{schema_in_text}` in brackets inside a text.
    pub(super) fn sql(&self, template: &str) -> String {
        template
            .replace("{schema}", &self.quoted)
            .replace("{schema_text}", &in_text(&self.name))
            .replace("{schema_in_text}", &in_text(&self.quoted))
    }

    /// The batch that applies a migration; a migration that was applied is left out by it.
    fn step(&self, migration: &Migration) -> String {
        let batches = batches(migration.sql).fold(String::new(), |mut text, batch| {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "    EXECUTE (N'{}');", in_text(&self.sql(&batch)));
            text
        });
        // Filled in last: a placeholder in the batches would have been filled in already.
        self.sql(include_str!("sql/migrate.sql")).replace("{batches}", &batches)
    }
}

/// The text as it stands between the quotation marks of a literal.
fn in_text(text: &str) -> String {
    text.replace('\'', "''")
}

/// The batches of a script: what stands between lines `GO`, which is a word of clients, not of SQL.
fn batches(sql: &str) -> impl Iterator<Item = String> {
    let mut batches = vec![String::new()];
    for line in sql.lines() {
        if line.trim().eq_ignore_ascii_case("GO") {
            batches.push(String::new());
        } else if let Some(batch) = batches.last_mut() {
            batch.push_str(line);
            batch.push('\n');
        }
    }
    batches.into_iter().map(|batch| batch.trim().to_owned()).filter(|batch| !batch.is_empty())
}

/// The migrations that the schema went through; none where it is not there.
pub(super) async fn applied(
    connection: &mut Connection,
    schema: &Schema,
) -> Result<Vec<AppliedMigration>, UnitError> {
    let found = connection.query(include_str!("sql/has_ledger.sql"), &[&schema.name()]).await?;
    if cell::<i32>(&only_row(found)?, "n_tables")? == 0 {
        return Ok(Vec::new());
    }
    let sql = schema.sql(include_str!("sql/applied_migrations.sql"));
    let results = connection.query(&sql, &[]).await?;
    results.iter().flatten().map(applied_migration).collect()
}

fn applied_migration(row: &Row) -> Result<AppliedMigration, UnitError> {
    let version: i32 = cell(row, "version")?;
    Ok(AppliedMigration {
        version: u32::try_from(version).unwrap_or_default(),
        name: cell::<&str>(row, "name")?.to_owned(),
        checksum: cell::<&str>(row, "checksum")?.to_owned(),
    })
}

/// Whether the schema may be used in that mode; the first look at it.
pub(super) struct Check<'a> {
    pub(super) schema: &'a Schema,
    pub(super) mode: Mode,
}

#[async_trait]
impl Unit for Check<'_> {
    type Output = ();

    fn doing(&self) -> String {
        format!("use the schema `{}`", self.schema.name)
    }

    async fn attempt(&self, connection: &mut Connection, _: u32) -> Result<(), UnitError> {
        let applied = applied(connection, self.schema).await?;
        let missing = missing(&applied)?;
        if self.mode == Mode::Existing && !missing.is_empty() {
            return Err(UnitError::SchemaOutdated {
                schema: self.schema.name.clone(),
                found: version_of(&applied),
                needed: newest(),
            });
        }
        Ok(())
    }
}

/// Brings the schema up to date, alone.
struct Migrate<'a> {
    schema: &'a Schema,
    lock_timeout_ms: i32,
}

#[async_trait]
impl Unit for Migrate<'_> {
    type Output = MigrationReport;

    fn doing(&self) -> String {
        format!("migrate the schema `{}`", self.schema.name)
    }

    async fn attempt(
        &self,
        connection: &mut Connection,
        _: u32,
    ) -> Result<MigrationReport, UnitError> {
        let before = applied(connection, self.schema).await?;
        if missing(&before)?.is_empty() {
            return Ok(report(&before, &[]));
        }
        let resource = locks::resource("speedfit migration", self.schema.name(), "");
        if !locks::take(connection, &resource, self.lock_timeout_ms).await? {
            return Err(UnitError::Lock { resource, code: -1 });
        }
        // Again, since another process may have migrated while this one waited for the lock.
        let before = applied(connection, self.schema).await?;
        let missing = missing(&before)?;
        for template in
            [include_str!("sql/create_schema.sql"), include_str!("sql/create_schema_migration.sql")]
        {
            connection.batch(&self.schema.sql(template)).await?;
        }
        for migration in missing {
            let version = i32::try_from(migration.version).unwrap_or_default();
            let parameters: [&dyn ToSql; 3] = [&version, &migration.name, &migration.checksum()];
            connection.query(&self.schema.step(migration), &parameters).await?;
        }
        // After a failure the connection is dropped instead, which ends the lock as well.
        locks::release(connection, &resource).await?;
        Ok(report(&before, missing))
    }
}

fn report(before: &[AppliedMigration], applied: &[Migration]) -> MigrationReport {
    let from_version = version_of(before);
    MigrationReport {
        from_version,
        to_version: applied.last().map_or(from_version, |migration| migration.version),
        applied: applied.iter().map(Migration::to_string).collect(),
    }
}

/// What the schema went through.
struct Applied<'a>(&'a Schema);

#[async_trait]
impl Unit for Applied<'_> {
    type Output = Vec<AppliedMigration>;

    fn doing(&self) -> String {
        format!("read the version of the schema `{}`", self.0.name)
    }

    async fn attempt(
        &self,
        connection: &mut Connection,
        _: u32,
    ) -> Result<Vec<AppliedMigration>, UnitError> {
        applied(connection, self.0).await
    }
}

/// The missing migrations as one script, which may be run twice.
fn script(schema: &Schema, missing: &[Migration], database: &str) -> String {
    if missing.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "-- speedfit {}: brings schema {} to version {}.\n\
         -- Run it in database `{}` with a tool that knows GO, for example `sqlcmd -b -i FILE`, as a\n\
         -- login that may create schemas and tables. Each migration is one transaction; running it\n\
         -- twice is harmless.\n\
         SET NOCOUNT ON;\nSET XACT_ABORT ON;\nGO\n",
        env!("CARGO_PKG_VERSION"),
        schema.quoted,
        missing.last().map_or(0, |migration| migration.version),
        database.escape_debug(),
    );
    for template in
        [include_str!("sql/create_schema.sql"), include_str!("sql/create_schema_migration.sql")]
    {
        let _ = writeln!(text, "{}GO\n", schema.sql(template));
    }
    for migration in missing {
        let _ = writeln!(
            text,
            "-- {migration}\nDECLARE @P1 int = {}, @P2 nvarchar(100) = N'{}',\n    @P3 nvarchar(64) \
             = N'{}';\n{}GO\n",
            migration.version,
            migration.name,
            migration.checksum(),
            schema.step(migration),
        );
    }
    text
}

#[async_trait]
impl SchemaAdmin for SqlServerStore {
    async fn migrate(&self) -> PortResult<MigrationReport> {
        let lock_timeout_ms = locks::timeout_ms(self.options.server.lock_timeout);
        self.run(&Migrate { schema: &self.schema, lock_timeout_ms }).await
    }

    async fn script(&self) -> PortResult<String> {
        let unit = Applied(&self.schema);
        let applied = self.run(&unit).await?;
        let missing = missing(&applied).map_err(|error| self.error(unit.doing(), error.into()))?;
        Ok(script(&self.schema, missing, &self.options.server.database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(name: &str) -> Schema {
        Schema::new(&Identifier::new(name).unwrap())
    }

    #[test]
    fn scripts_are_cut_at_go() {
        let check = |sql: &str, expected: &[&str]| {
            assert_eq!(batches(sql).collect::<Vec<_>>(), expected, "{sql:?}");
        };
        check("A;\nGO\nB\nC;\n", &["A;", "B\nC;"]);
        check("go\r\nA\r\n  Go  \r\n\r\nGO\r\nB GO", &["A", "B GO"]);
        check("", &[]);
        check("SELECT 'GO';\nGOTO x;", &["SELECT 'GO';\nGOTO x;"]);
    }

    #[test]
    fn odd_names_of_schemas_stay_names() {
        let odd = schema("O'Hara [x]");
        assert_eq!(
            odd.sql("{schema}.t N'{schema_text}' N'{schema_in_text}'"),
            "[O'Hara [x]]].t N'O''Hara [x]' N'[O''Hara [x]]]'"
        );
        let migration = Migration {
            version: 7,
            name: "x",
            sql: "CREATE VIEW {schema}.v AS SELECT 'a' AS a;\nGO\nCREATE TABLE {schema}.t (a int);",
        };
        let step = odd.step(&migration);
        let expected = "    EXECUTE (N'CREATE VIEW [O''Hara [x]]].v AS SELECT ''a'' AS a;');\n    \
                        EXECUTE (N'CREATE TABLE [O''Hara [x]]].t (a int);');\n";
        assert!(step.contains(expected), "{step}");
        assert!(step.starts_with("-- migrate: "), "{step}");
    }

    #[test]
    fn the_script_holds_every_migration_once() {
        let text = script(&schema("speedfit"), &MIGRATIONS, "planning");
        for migration in &MIGRATIONS {
            assert_eq!(text.matches(&migration.checksum()).count(), 1, "{migration}");
        }
        assert!(!text.contains('{'), "a placeholder is left:\n{text}");
        assert_eq!(script(&schema("speedfit"), &[], "planning"), "");
        assert!(text.contains("database `planning`"));
    }

    #[test]
    fn every_statement_names_itself_as_its_file_does() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/adapters/sqlserver/sql");
        let mut n_files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let sql = std::fs::read_to_string(&path).unwrap();
            assert!(sql.starts_with(&format!("-- {name}: ")), "{name}");
            n_files += 1;
        }
        assert!(n_files > 20, "{n_files}");
    }
}
