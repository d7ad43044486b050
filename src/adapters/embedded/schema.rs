//! The file's schema: its migrations, and whether they were applied.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;

use super::connection::{self, open_error};
use super::error::{EmbeddedError, StatementError};
use super::writer::Patience;
use super::{Embedded, Inner, Mode, blocking};
use crate::adapters::migrate::{AppliedMigration, Migration, plan, version_of};
use crate::ports::{MigrationReport, PortResult, SchemaAdmin};

/// Every migration of the embedded database, in order.
static MIGRATIONS: [Migration; 9] = [
    Migration {
        version: 1,
        name: "ledger",
        sql: include_str!("../../../migrations/embedded/V0001__ledger.sql"),
    },
    Migration {
        version: 2,
        name: "views",
        sql: include_str!("../../../migrations/embedded/V0002__views.sql"),
    },
    Migration {
        version: 3,
        name: "records",
        sql: include_str!("../../../migrations/embedded/V0003__records.sql"),
    },
    Migration {
        version: 4,
        name: "lengths",
        sql: include_str!("../../../migrations/embedded/V0004__lengths.sql"),
    },
    Migration {
        version: 5,
        name: "detail",
        sql: include_str!("../../../migrations/embedded/V0005__detail.sql"),
    },
    Migration {
        version: 6,
        name: "operations",
        sql: include_str!("../../../migrations/embedded/V0006__operations.sql"),
    },
    Migration {
        version: 7,
        name: "shards",
        sql: include_str!("../../../migrations/embedded/V0007__shards.sql"),
    },
    Migration {
        version: 8,
        name: "speed_view",
        sql: include_str!("../../../migrations/embedded/V0008__speed_view.sql"),
    },
    Migration {
        version: 9,
        name: "no_shards",
        sql: include_str!("../../../migrations/embedded/V0009__no_shards.sql"),
    },
];

/// Whether the file may be used in that mode; the first look into it.
pub(super) fn check(connection: &Connection, path: &Path, mode: Mode) -> Result<(), EmbeddedError> {
    let shown = || path.display().to_string();
    let (n_tables, has_ledger) = tables(connection).map_err(|source| open_error(path, source))?;
    if n_tables > 0 && !has_ledger {
        return Err(EmbeddedError::NotOurs { path: shown() });
    }
    let applied = applied(connection).map_err(|source| open_error(path, source))?;
    let missing = plan(&MIGRATIONS, &applied)
        .map_err(|source| EmbeddedError::Foreign { path: shown(), source })?;
    if mode == Mode::Existing && !missing.is_empty() {
        return Err(EmbeddedError::Outdated {
            path: shown(),
            found: version_of(&applied),
            needed: newest(),
        });
    }
    Ok(())
}

fn newest() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// How many tables there are, and whether ours of migrations is among them.
fn tables(connection: &Connection) -> rusqlite::Result<(i64, bool)> {
    connection.query_row(include_str!("sql/has_tables.sql"), [], |row| {
        Ok((row.get("n_tables")?, row.get("n_ledgers")?))
    })
}

/// The version of the file's schema; 0 for an empty file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    Ok(version_of(&applied(connection)?))
}

/// The migrations that the file went through; none in an empty file.
fn applied(connection: &Connection) -> rusqlite::Result<Vec<AppliedMigration>> {
    let (_, has_ledger) = tables(connection)?;
    if !has_ledger {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(include_str!("sql/applied_migrations.sql"))?;
    let rows = statement.query_map([], |row| {
        Ok(AppliedMigration {
            version: row.get("version")?,
            name: row.get("name")?,
            checksum: row.get("checksum")?,
        })
    })?;
    rows.collect()
}

/// Applies the first migration that is missing and returns it, or `None` where none is.
fn apply_next(
    inner: &Inner,
    connection: &Connection,
) -> Result<Option<&'static Migration>, StatementError> {
    inner.in_transaction(connection, &Patience::little(), |transaction| {
        // Read inside the transaction: another process may migrate at the same time.
        let Some(next) = plan(&MIGRATIONS, &applied(transaction)?)?.first() else {
            return Ok(None);
        };
        transaction.execute(include_str!("sql/create_schema_migration.sql"), [])?;
        transaction.execute_batch(next.sql)?;
        transaction.execute(
            include_str!("sql/insert_migration.sql"),
            (next.version, next.name, next.checksum()),
        )?;
        Ok(Some(next))
    })
}

fn migrate(inner: &Inner, connection: &Connection) -> Result<MigrationReport, StatementError> {
    let from_version = version_of(&applied(connection)?);
    plan(&MIGRATIONS, &applied(connection)?)?;
    // Readers and the writer do not wait for each other; the file remembers it.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let mut report = MigrationReport { from_version, to_version: from_version, applied: vec![] };
    while let Some(migration) = apply_next(inner, connection)? {
        report.applied.push(migration.to_string());
        report.to_version = migration.version;
    }
    Ok(report)
}

/// The missing migrations as one script for the `sqlite3` shell.
fn script(connection: &Connection) -> Result<String, StatementError> {
    let missing = plan(&MIGRATIONS, &applied(connection)?)?;
    if missing.is_empty() {
        return Ok(String::new());
    }
    let mut text = String::from("PRAGMA journal_mode = WAL;\nBEGIN IMMEDIATE;\n");
    text.push_str(include_str!("sql/create_schema_migration.sql"));
    for migration in missing {
        text.push_str(&format!(
            "\n-- {migration}\n{}\nINSERT INTO schema_migration (version, name, checksum)\n\
             VALUES ({}, '{}', '{}');\n",
            migration.sql,
            migration.version,
            migration.name,
            migration.checksum()
        ));
    }
    text.push_str("COMMIT;\n");
    Ok(text)
}

#[async_trait]
impl SchemaAdmin for Embedded {
    async fn migrate(&self) -> PortResult<MigrationReport> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let failed = |source| EmbeddedError::ledger(MIGRATE.to_owned(), &inner.shown, source);
            // What is up to date takes no lock: an import may hold it, and the file may be one that
            // can only be read.
            let reader = inner.reader()?;
            let found = applied(&reader.connection).map_err(|error| failed(error.into()))?;
            let missing = plan(&MIGRATIONS, &found).map_err(|error| failed(error.into()))?;
            if missing.is_empty() && connection::keeps_log(&inner.path) {
                let version = version_of(&found);
                let applied = Vec::new();
                return Ok(MigrationReport { from_version: version, to_version: version, applied });
            }
            drop(reader);
            inner.on_writer(|connection| migrate(&inner, connection).map_err(failed))
        })
        .await
    }

    async fn script(&self) -> PortResult<String> {
        self.read("read the schema", |transaction| script(transaction)).await
    }
}

const MIGRATE: &str = "migrate the schema";
