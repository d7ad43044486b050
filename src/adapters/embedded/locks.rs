//! Locks of scopes: files beside the database, locked by the operating system, which lets go of
//! them when the process ends, however that dies.
//!
//! The files stay: removing one while another process opens it would give two locks.

use std::fmt::Write as _;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::future::pending;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::error::EmbeddedError;
use super::{Embedded, blocking};
use crate::adapters::ledger_rules::LedgerError;
use crate::ports::{LockKey, PortError, PortResult, ScopeLock, ScopeLocks};

/// Characters of the scope that the file's name shows; the hash behind them tells scopes apart.
const MAX_SHOWN_CHARS: usize = 32;

#[async_trait]
impl ScopeLocks for Embedded {
    async fn try_lock(&self, scope: &str) -> PortResult<Option<Box<dyn ScopeLock>>> {
        let (inner, scope) = (Arc::clone(&self.inner), scope.to_owned());
        let file = blocking(move || {
            let path = lock_path(&inner.path, &scope);
            lock_file(&path).and_then(|file| file.map(FileLock::new).transpose()).map_err(
                |source| EmbeddedError::Lock { scope, path: path.display().to_string(), source },
            )
        })
        .await?;
        Ok(file.map(|lock| Box::new(lock) as Box<dyn ScopeLock>))
    }

    async fn is_locked(&self, scope: &str) -> PortResult<bool> {
        let (inner, scope) = (Arc::clone(&self.inner), scope.to_owned());
        blocking(move || {
            let path = lock_path(&inner.path, &scope);
            is_held(&path).map_err(|source| EmbeddedError::Lock {
                scope,
                path: path.display().to_string(),
                source,
            })
        })
        .await
    }
}

/// Held as long as the file is open.
struct FileLock {
    _file: File,
    key: LockKey,
}

impl FileLock {
    fn new(file: File) -> std::io::Result<Self> {
        let key = file_key(&file.metadata()?);
        Ok(Self { _file: file, key })
    }
}

/// Which file it is, whatever its name is by now.
fn file_key(data: &Metadata) -> LockKey {
    LockKey(format!("{}:{}", data.dev(), data.ino()))
}

/// Whether the holding of that key is still the one that a new run would meet: not where the lock's
/// file was removed or replaced, since another may hold the new one.
pub(super) fn check_held(
    database: &Path,
    scope: &str,
    key: Option<&LockKey>,
) -> Result<(), LedgerError> {
    let Some(key) = key else { return Ok(()) };
    let now = lock_path(database, scope).metadata().map(|data| file_key(&data));
    match now {
        Ok(now) if now == *key => Ok(()),
        _ => Err(LedgerError::LockLost(scope.to_owned())),
    }
}

#[async_trait]
impl ScopeLock for FileLock {
    fn key(&self) -> LockKey {
        self.key.clone()
    }

    async fn lost(&self) -> PortError {
        // The operating system takes no lock away from a living process.
        pending().await
    }

    async fn release(self: Box<Self>) -> PortResult<()> {
        Ok(())
    }
}

/// Who asks whether a file is locked holds it for a few microseconds, shared. So nobody is refused
/// before a second and a third look some time later.
const LOOKS: u32 = 5;
/// Time between two of them: short, so that nobody waits for a run to end without seeing what it did.
const PAUSE: Duration = Duration::from_millis(1);

/// The file, made where it is not there, and locked; `None` where another holds it. Blocks.
pub(super) fn lock_file(path: &Path) -> std::io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    for nth in 1..=LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if nth < LOOKS => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether anybody holds the lock of the file; nobody does where it is not there. Blocks for no time.
pub(super) fn is_held(path: &Path) -> std::io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The lock of imports, which lasts as long as an import; its file holds what is imported.
#[derive(Debug)]
pub(super) struct ImportLock {
    _file: File,
}

impl ImportLock {
    /// Takes it, for an import of that name; `None` where another holds it. Blocks.
    pub(super) fn take(database: &Path, name: &str) -> Result<Option<Self>, EmbeddedError> {
        let path = import_lock_path(database);
        let taken = lock_file(&path).and_then(|file| {
            let Some(mut file) = file else { return Ok(None) };
            file.set_len(0)?;
            file.write_all(name.as_bytes())?;
            Ok(Some(Self { _file: file }))
        });
        taken.map_err(|source| EmbeddedError::ImportLock {
            path: path.display().to_string(),
            source,
        })
    }
}

/// What is imported now, if anything is, and that can be seen. Blocks for no time.
pub(super) fn import_at_work(database: &Path) -> Option<String> {
    let path = import_lock_path(database);
    if !is_held(&path).unwrap_or(false) {
        return None;
    }
    Some(std::fs::read_to_string(&path).unwrap_or_default())
}

/// Scopes have a hash in the names of theirs.
fn import_lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".import.lock");
    PathBuf::from(name)
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
