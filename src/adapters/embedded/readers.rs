//! Connections that read, kept open between calls: opening one takes twenty times as long as asking
//! which set is current.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::Options;
use super::connection::{Identity, Reader, open_reader};
use super::error::EmbeddedError;

/// Idle connections at the most; more are in use only while many ask at once.
const MAX_IDLE: usize = 4;

/// The idle connections of one file.
#[derive(Debug, Default)]
pub(super) struct Readers {
    idle: Mutex<Vec<Reader>>,
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
}
