//! Connections that read, kept open between calls: opening one takes twenty times as long as asking
//! which set is current.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::Options;
use super::connection::open_reader;
use super::error::EmbeddedError;

/// Idle connections at the most; more are in use only while many ask at once.
const MAX_IDLE: usize = 4;

/// The idle connections of one file.
#[derive(Debug, Default)]
pub(super) struct Readers {
    idle: Mutex<Vec<Reader>>,
}

/// A connection that cannot write, and the file that it has open.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    file: Option<FileId>,
}

impl Readers {
    /// A connection to the file that has this name now: one of a file that was deleted or replaced
    /// would tell what nobody else reads.
    pub(super) fn take(&self, path: &Path, options: Options) -> Result<Reader, EmbeddedError> {
        let file = file_id(path);
        let kept = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|reader| reader.file == file);
            idle.pop()
        };
        match kept {
            Some(reader) => Ok(reader),
            None => Ok(Reader { connection: open_reader(path, options)?, file }),
        }
    }

    /// Keeps a connection whose work ended well.
    pub(super) fn give_back(&self, reader: Reader) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.file.is_some() && idle.len() < MAX_IDLE {
            idle.push(reader);
        }
    }
}

/// Device and number of a file.
type FileId = (u64, u64);

/// Which file has the name; nothing where that cannot be told, so that no connection is kept.
#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    path.metadata().ok().map(|data| (data.dev(), data.ino()))
}

/// Which file has the name, which is not told here: no connection is kept.
#[cfg(not(unix))]
fn file_id(_: &Path) -> Option<FileId> {
    None
}
