//! Which migrations a database still needs: one list, one rule, for every store.
//!
//! A store keeps the version, name and checksum of each migration that it went through; what it
//! lacks is the rest of this program's list. Only the plan is made here: knows nothing of any
//! database, which executes it in its own way.

use std::fmt;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::ports::{FailureKind, PortError};

/// One step of a schema, embedded in the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Place in the list, from 1 without gaps.
    pub version: u32,
    /// Name, as in the file's name.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

impl Migration {
    /// SHA-256 of the statements, hexadecimal; line ends of either kind give the same.
    #[must_use]
    pub fn checksum(&self) -> String {
        let digest = Sha256::digest(self.sql.replace("\r\n", "\n"));
        digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The row that a store keeps of it.
    #[must_use]
    pub fn as_applied(&self) -> AppliedMigration {
        let Self { version, name, .. } = *self;
        AppliedMigration { version, name: name.to_owned(), checksum: self.checksum() }
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{:04}__{}", self.version, self.name)
    }
}

/// What a store tells of a migration that it went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// See [`Migration::version`].
    pub version: u32,
    /// See [`Migration::name`].
    pub name: String,
    /// See [`Migration::checksum`].
    pub checksum: String,
}

/// Why a store's schema is not one that this program can bring up to date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// The store went through migrations that come after the last of this program.
    #[error("the schema has version {found}, this program knows versions up to {known}")]
    Newer {
        /// Version of the store.
        found: u32,
        /// Last version of this program.
        known: u32,
    },
    /// A migration in the store is not the one of that place in this program.
    #[error("migration {version} of the schema, `{name}`, is not the one that this program knows")]
    Diverged {
        /// Its version in the store.
        version: u32,
        /// Its name in the store.
        name: String,
    },
}

impl From<MigrationError> for PortError {
    fn from(error: MigrationError) -> Self {
        Self::new(FailureKind::SchemaForeign, error)
    }
}

/// The migrations that are missing, in order, given those that were applied, ascending by version.
///
/// # Errors
/// [`MigrationError`] where what was applied is not the beginning of `known`.
pub fn plan<'a>(
    known: &'a [Migration],
    applied: &[AppliedMigration],
) -> Result<&'a [Migration], MigrationError> {
    for (ours, theirs) in known.iter().zip(applied) {
        if ours.as_applied() != *theirs {
            return Err(MigrationError::Diverged {
                version: theirs.version,
                name: theirs.name.clone(),
            });
        }
    }
    known.get(applied.len()..).ok_or_else(|| MigrationError::Newer {
        found: version_of(applied),
        known: known.last().map_or(0, |migration| migration.version),
    })
}

/// Version of a store that went through these migrations; 0 for none.
#[must_use]
pub fn version_of(applied: &[AppliedMigration]) -> u32 {
    applied.last().map_or(0, |migration| migration.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Migration; 3] = [
        Migration { version: 1, name: "a", sql: "CREATE TABLE a (x);\n" },
        Migration { version: 2, name: "b", sql: "CREATE TABLE b (x);\n" },
        Migration { version: 3, name: "c", sql: "CREATE TABLE c (x);\n" },
    ];

    fn applied(migrations: &[Migration]) -> Vec<AppliedMigration> {
        migrations.iter().map(Migration::as_applied).collect()
    }

    #[test]
    fn what_is_missing_is_the_rest_of_the_list() {
        for n in 0..=KNOWN.len() {
            assert_eq!(plan(&KNOWN, &applied(&KNOWN[..n])), Ok(&KNOWN[n..]));
        }
    }

    #[test]
    fn a_newer_store_is_refused() {
        assert_eq!(
            plan(&KNOWN[..2], &applied(&KNOWN)),
            Err(MigrationError::Newer { found: 3, known: 2 })
        );
        assert_eq!(
            plan(&[], &applied(&KNOWN[..1])),
            Err(MigrationError::Newer { found: 1, known: 0 })
        );
    }

    #[test]
    fn another_history_is_refused() {
        let check = |change: &dyn Fn(&mut Vec<AppliedMigration>), version: u32| {
            let mut rows = applied(&KNOWN);
            change(&mut rows);
            let error = plan(&KNOWN, &rows).unwrap_err();
            assert!(
                matches!(error, MigrationError::Diverged { version: v, .. } if v == version),
                "{error}"
            );
        };
        check(&|rows| rows[1].checksum.replace_range(..1, "x"), 2);
        check(&|rows| rows[2].name.push('x'), 3);
        check(&|rows| drop(rows.remove(1)), 3);
    }

    #[test]
    fn the_checksum_does_not_depend_on_line_ends() {
        let unix = Migration { version: 1, name: "a", sql: "SELECT 1;\nSELECT 2;\n" };
        let dos = Migration { sql: "SELECT 1;\r\nSELECT 2;\r\n", ..unix };
        assert_eq!(unix.checksum(), dos.checksum());
        let empty = Migration { sql: "", ..unix };
        assert_eq!(
            empty.checksum(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(unix.to_string(), "V0001__a");
    }
}
