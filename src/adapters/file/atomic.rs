//! Writes a file whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::error::FileError;

/// Writes a file whole or not at all: what `write` produces goes to a temporary file in the same
/// folder, to the disk, and then to its name. A reader sees the old file or the new one, and after an
/// error no trace is left. Blocks.
///
/// # Errors
/// [`FileError::NotAFile`] where something else than a file has that name, else
/// [`FileError::Write`] with what the system or `write` said.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), FileError> {
    check_folder(path)?;
    replace(path, write).map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// Whether a file of that name may be there, and its folder is.
///
/// # Errors
/// [`FileError::NotAFile`], [`FileError::Write`].
pub fn check_folder(path: &Path) -> Result<(), FileError> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) || path.file_name().is_none() {
        return Err(FileError::NotAFile { path: path.to_owned() });
    }
    let write = |source| FileError::Write { path: path.to_owned(), source };
    match fs::metadata(folder_of(path)) {
        Ok(folder) if folder.is_dir() => Ok(()),
        Ok(_) => Err(write(io::ErrorKind::NotADirectory.into())),
        Err(source) => Err(write(source)),
    }
}

fn replace(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let (temporary, file) = Temporary::beside(path)?;
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    writer.into_inner()?.sync_all()?;
    fs::rename(&temporary.path, path)?;
    temporary.keep();
    // The name is on the disk once its folder is. Where a folder cannot be opened (Windows) the
    // system sees to it.
    if let Ok(folder) = File::open(folder_of(path)) {
        folder.sync_all()?;
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that is removed when it goes out of scope.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn beside(path: &Path) -> io::Result<(Self, File)> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}-{number}.tmp", std::process::id()));
        let path = folder_of(path).join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok((Self { path }, file))
    }

    /// Leaves the file to its new name.
    fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What cannot be removed cannot be helped here; the error that led here is told.
            let _ = fs::remove_file(&self.path);
        }
    }
}
