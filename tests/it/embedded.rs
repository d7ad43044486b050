//! The embedded database beyond the contract of stores: the file, its records, its views.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

mod file;
mod records;

use std::path::PathBuf;

use rusqlite::Connection;
use speedfit::adapters::embedded::{Embedded, Mode, Options};
use speedfit::ports::SchemaAdmin;
use tempfile::TempDir;

/// A folder with a place for a database.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("speedfit.db")
    }

    /// A migrated database.
    async fn database(&self) -> Embedded {
        self.database_with(Options::default()).await
    }

    async fn database_with(&self, options: Options) -> Embedded {
        let database = Embedded::open_with(&self.path(), Mode::Migrating, options).await.unwrap();
        database.migrate().await.unwrap();
        database
    }

    /// The file as any other program sees it.
    fn shell(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}
