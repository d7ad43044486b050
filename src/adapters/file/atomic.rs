//! Writes a file whole or not at all, and removes what writers left that died.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::FileError;

/// Writes a file whole or not at all: what `write` produces goes to a temporary file in the same
/// folder, to the disk, and then to its name. A reader sees the old file or the new one, and after an
/// error no trace is left. A process that dies leaves its temporary file, which the next one to write
/// that file removes. Blocks.
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
    remove_leftovers(path);
    let temporary = Temporary::beside(path)?;
    let mut writer = BufWriter::new(&temporary.file);
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    temporary.file.sync_all()?;
    temporary.rename_to(path)?;
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

/// What stands before and behind the part of a temporary file's name that is its own.
fn affixes(path: &Path) -> (OsString, &'static str) {
    let mut before = OsString::from(".");
    before.push(path.file_name().unwrap_or_default());
    before.push(".");
    (before, ".tmp")
}

/// A file that is removed when it goes out of scope. As long as it is open the operating system holds
/// a lock on it for this process, by which others know that it is no leftover; a number of the process
/// would not do, since containers that share a folder have the same ones.
struct Temporary {
    path: PathBuf,
    file: File,
}

/// Names that are tried: each is another's once in 2^64, or is removed before it is locked.
const MAX_NAMES: u32 = 8;

impl Temporary {
    fn beside(path: &Path) -> io::Result<Self> {
        let (before, behind) = affixes(path);
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for nth in 0..MAX_NAMES {
            // The operating system's chance, by which the standard library keys its hashes.
            let own = RandomState::new().hash_one(nth);
            let mut name = before.clone();
            name.push(format!("{own:016x}{behind}"));
            match Self::locked(folder_of(path).join(name)) {
                Ok(Some(temporary)) => return Ok(temporary),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// A new file of that name, locked; `None` where another process took it for a leftover before
    /// the lock was there.
    fn locked(path: PathBuf) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        match file.try_lock() {
            Ok(()) if path.exists() => Ok(Some(Self { path, file })),
            Ok(()) | Err(fs::TryLockError::WouldBlock) => Ok(None),
            // A file system without locks: there nobody removes what another left.
            Err(fs::TryLockError::Error(_)) => Ok(Some(Self { path, file })),
        }
    }

    fn rename_to(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.path = PathBuf::new();
        Ok(())
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

/// Removes the temporary files of that file which no living process writes. What cannot be removed
/// stays: it is in nobody's way.
pub fn remove_leftovers(path: &Path) {
    let (before, behind) = affixes(path);
    let Ok(entries) = fs::read_dir(folder_of(path)) else { return };
    for entry in entries.flatten() {
        let is_one = own_part(&entry.file_name(), &before, behind).is_some_and(|own| is_ours(&own));
        if is_one && entry.file_type().is_ok_and(|found| found.is_file()) {
            remove_if_left(&entry.path());
        }
    }
}

/// The part of the name between the two others.
fn own_part(name: &OsStr, before: &OsStr, behind: &str) -> Option<String> {
    let own = name.as_encoded_bytes().strip_prefix(before.as_encoded_bytes())?;
    let own = own.strip_suffix(behind.as_bytes())?;
    String::from_utf8(own.to_vec()).ok()
}

/// Whether this program gives such names: 16 hexadecimal digits; or, as it once did, the number of the
/// process and a counter.
fn is_ours(own: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (own.len() == 16 && own.bytes().all(is_hex))
        || own.split_once('-').is_some_and(|(id, nth)| is_number(id) && is_number(nth))
}

fn remove_if_left(path: &Path) {
    // Opened to write, since some file systems lock no other.
    let Ok(file) = OpenOptions::new().write(true).open(path) else { return };
    // Held until the name is gone, so that no writer takes the file meanwhile.
    if file.try_lock().is_ok() && fs::remove_file(path).is_ok() {
        tracing::info!("removed `{}`, left by a process that died", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write(path: &Path, text: &str) {
        write_atomically(path, |writer| writer.write_all(text.as_bytes())).unwrap();
    }

    #[test]
    fn what_dead_writers_of_the_file_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let others = [
            ".a.json.0123456789abcde.tmp",
            ".a.json.0123456789ABCDEF.tmp",
            ".a.json.1-.tmp",
            ".a.json.mine.tmp",
            ".b.json.1-0.tmp",
            "a.json.1-0.tmp",
        ];
        for name in others.iter().chain(&[".a.json.1-0.tmp", ".a.json.0123456789abcdef.tmp"]) {
            fs::write(folder.path().join(name), "left").unwrap();
        }
        write(&path, "whole");
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        let mut expected: Vec<&str> = others.to_vec();
        expected.push("a.json");
        expected.sort_unstable();
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn what_a_living_writer_writes_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomically(&path, |writer| {
            writer.write_all(b"outer")?;
            // Another writer of the same file, from begin to end.
            write(&path, "inner");
            assert_eq!(fs::read_to_string(&path)?, "inner");
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "outer");
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn after_an_error_no_trace_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, "before");
        write_atomically(&path, |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(names(folder.path()), ["a.json"]);
    }
}
