//! Connections that read, kept open between calls: opening one takes twenty times as long as asking
//! which set is current. One of them only counts what is committed.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Options;
use super::connection::{Identity, Reader, open_reader};
use super::error::EmbeddedError;

/// Idle connections at the most; more are in use only while many ask at once.
const MAX_IDLE: usize = 4;

/// The idle connections of one file.
#[derive(Debug, Default)]
pub(super) struct Readers {
    idle: Mutex<Vec<Reader>>,
    watch: Mutex<Watch>,
}

/// Counts commits on a connection that commits nothing itself.
#[derive(Debug, Default)]
struct Watch {
    reader: Option<Reader>,
    /// Connections so far: each begins to count anew.
    n_readers: u32,
}

impl Readers {
    /// A connection to the file that has this name now: one of a file that was deleted or replaced
    /// would tell what nobody else reads.
    pub(super) fn take(&self, path: &Path, options: Options) -> Result<Reader, EmbeddedError> {
        let file = Identity::of(path).ok().flatten();
        let kept = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|reader| reader.file == file);
            idle.pop()
        };
        match kept {
            Some(reader) => Ok(reader),
            None => open_reader(path, options),
        }
    }

    /// Keeps a connection whose work ended well, unless no lock keeps others from changing its file.
    pub(super) fn give_back(&self, reader: Reader) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.is_shared() && idle.len() < MAX_IDLE {
            idle.push(reader);
        }
    }

    /// A number that changes with every commit to the file that has this name now, and with the file;
    /// `None` where no connection watches it. Takes some microseconds and waits for nobody: the count
    /// stands in the memory that readers and writers share.
    pub(super) fn version(&self, path: &Path) -> Option<u64> {
        let file = Identity::of(path).ok().flatten()?;
        let mut watch = self.watching();
        let version = watch.version(file);
        if version.is_none() {
            watch.reader = None;
        }
        version
    }

    /// Watches the file of a connection, unless no lock keeps others from changing it: then nothing
    /// counts what is committed.
    pub(super) fn watch(&self, reader: Reader) -> Option<u64> {
        let file = reader.file.filter(|_| reader.is_shared())?;
        // Whoever asks for the version is on a thread that must not wait.
        reader.connection.busy_timeout(Duration::ZERO).ok()?;
        let mut watch = self.watching();
        watch.n_readers = watch.n_readers.wrapping_add(1);
        watch.reader = Some(reader);
        watch.version(file)
    }

    fn watching(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    fn version(&self, file: Identity) -> Option<u64> {
        let reader = self.reader.as_ref().filter(|reader| reader.file == Some(file))?;
        // https://www.sqlite.org/pragma.html#pragma_data_version: 32 bits.
        let mut statement = reader.connection.prepare_cached("PRAGMA data_version").ok()?;
        let n_commits: u32 = statement.query_row([], |row| row.get(0)).ok()?;
        Some(u64::from(self.n_readers) << 32 | u64::from(n_commits))
    }
}
