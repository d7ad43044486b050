//! Locks of scopes: files beside the database, locked by the operating system, which lets go of
//! them when the process ends, however that dies.
//!
//! The files stay: removing one while another process opens it would give two locks.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::error::EmbeddedError;
use super::{Embedded, blocking};
use crate::ports::{PortError, PortResult, ScopeLock, ScopeLocks};

/// Characters of the scope that the file's name shows; the hash behind them tells scopes apart.
const MAX_SHOWN_CHARS: usize = 32;

#[async_trait]
impl ScopeLocks for Embedded {
    async fn try_lock(&self, scope: &str) -> PortResult<Option<Box<dyn ScopeLock>>> {
        let (inner, scope) = (Arc::clone(&self.inner), scope.to_owned());
        let file = blocking(move || {
            let path = lock_path(&inner.path, &scope);
            lock_file(&path).map_err(|source| EmbeddedError::Lock {
                scope,
                path: path.display().to_string(),
                source,
            })
        })
        .await?;
        Ok(file.map(|file| Box::new(FileLock { _file: file }) as Box<dyn ScopeLock>))
    }
}

/// Held as long as the file is open.
struct FileLock {
    _file: File,
}

#[async_trait]
impl ScopeLock for FileLock {
    async fn lost(&self) -> PortError {
        // The operating system takes no lock away from a living process.
        pending().await
    }

    async fn release(self: Box<Self>) -> PortResult<()> {
        Ok(())
    }
}

fn lock_file(path: &Path) -> std::io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn lock_path(database: &Path, scope: &str) -> PathBuf {
    let shown: String = scope
        .chars()
        .take(MAX_SHOWN_CHARS)
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let mut name = database.as_os_str().to_owned();
    name.push(format!(".{shown}-"));
    let mut hash = String::new();
    for byte in &Sha256::digest(scope)[..8] {
        // Writing to a `String` cannot fail.
        let _ = write!(hash, "{byte:02x}");
    }
    name.push(hash);
    name.push(".lock");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_a_file_of_its_own_in_the_same_folder() {
        let database = Path::new("/data/x.db");
        let names: Vec<PathBuf> = ["", "a/b", "a_b", "../../etc/x", "København", "A", "a"]
            .iter()
            .map(|scope| lock_path(database, scope))
            .collect();
        for (n, name) in names.iter().enumerate() {
            assert_eq!(name.parent(), database.parent(), "{name:?}");
            assert!(!names[..n].contains(name), "{name:?}");
        }
        let long = lock_path(database, &"x".repeat(500));
        assert!(long.file_name().is_some_and(|name| name.len() < 100), "{long:?}");
    }
}
