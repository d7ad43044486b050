//! The checksum by which a repeated import is recognised.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::FileError;

/// SHA-256 of the file's bytes as they stand (gzip is not unpacked), in lower-case hexadecimal.
/// Reads the file as a stream; blocks.
///
/// # Errors
/// [`FileError::IsFolder`], [`FileError::Open`] and [`FileError::Read`].
pub fn sha256_of(path: &Path) -> Result<String, FileError> {
    if path.is_dir() {
        return Err(FileError::IsFolder { path: path.to_owned() });
    }
    let mut file =
        File::open(path).map_err(|source| FileError::Open { path: path.to_owned(), source })?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n_bytes = file
            .read(&mut buffer)
            .map_err(|source| FileError::Read { path: path.to_owned(), source })?;
        if n_bytes == 0 {
            break;
        }
        hasher.update(&buffer[..n_bytes]);
    }
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
