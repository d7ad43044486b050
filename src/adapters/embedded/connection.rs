//! Opening the file: what is looked at, how a connection is set up, and how it is read where it cannot
//! be shared.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{Connection, OpenFlags, ffi};

use super::error::EmbeddedError;
use super::{Mode, Options};

/// Opens the connection that writes. The file is made where `create` is set and it is not there.
pub(super) fn open_writer(
    path: &Path,
    create: bool,
    options: Options,
) -> Result<Connection, EmbeddedError> {
    let create = if create { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | create, options)
        .map_err(|source| open_error(path, source))?;
    set_up_writer(&connection, options).map_err(|source| open_error(path, source))?;
    Ok(connection)
}

/// A connection that cannot write.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    /// The file that it has open, where that can be told.
    pub(super) file: Option<Identity>,
    /// The files as they were found, where no lock keeps a writer from changing them meanwhile.
    found: Option<Stamp>,
}

impl Reader {
    /// Whether locks keep it and writers apart.
    pub(super) fn is_shared(&self) -> bool {
        self.file.is_some() && self.found.is_none()
    }

    /// Whether what was read may be of two states of the file.
    pub(super) fn is_torn(&self, path: &Path) -> bool {
        self.found.as_ref().is_some_and(|found| *found != Stamp::of(path))
    }
}

/// Opens a connection that cannot write, and sees that it can read.
///
/// Readers of a file with a write-ahead log share memory with its writers, in a file beside it. Where
/// that is not there and cannot be made, in a folder that may only be read or on a disk that is full,
/// nobody writes either: whoever did would have made it.
pub(super) fn open_reader(path: &Path, options: Options) -> Result<Reader, EmbeddedError> {
    // Before it is opened: where it is replaced just then, nobody keeps the connection.
    let file = Identity::of(path).ok().flatten();
    match shared(path, options) {
        Ok(connection) => Ok(Reader { connection, file, found: None }),
        Err(error) if lacks_shared_memory(&error) => {
            let found = Some(Stamp::of(path));
            let alone = alone(path, options).map_err(|_| open_error(path, error))?;
            Ok(Reader { connection: alone, file, found })
        }
        Err(error) => Err(open_error(path, error)),
    }
}

fn shared(path: &Path, options: Options) -> rusqlite::Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, options)?;
    look_into(&connection)?;
    Ok(connection)
}

/// The first look into the file, which finds out whether it can be read.
fn look_into(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0)).map(|_| ())
}

fn lacks_shared_memory(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(
            ffi::SQLITE_CANTOPEN
                | ffi::SQLITE_READONLY_CANTINIT
                | ffi::SQLITE_READONLY_RECOVERY
                | ffi::SQLITE_READONLY_DIRECTORY
                | ffi::SQLITE_IOERR_SHMOPEN
                | ffi::SQLITE_IOERR_SHMSIZE
                | ffi::SQLITE_IOERR_SHMMAP
        )
    )
}

/// A connection to files that nobody writes, without locks and without shared memory.
fn alone(path: &Path, options: Options) -> rusqlite::Result<Connection> {
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let has_log = log_of(path).metadata().is_ok_and(|log| log.len() > 0);
    let connection = if has_log {
        // What was committed stands partly in the log, which SQLite then indexes in its own memory.
        let flags = read_only | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(path, flags, c"unix-none")?;
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        connection
    } else {
        connect(Path::new(&immutable_uri(path)), read_only | OpenFlags::SQLITE_OPEN_URI, options)?
    };
    look_into(&connection)?;
    Ok(connection)
}

/// The file's name as SQLite takes it with an option behind; every byte but the plainest is escaped.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.push_str("?immutable=1");
    uri
}

fn connect(path: &Path, flags: OpenFlags, options: Options) -> rusqlite::Result<Connection> {
    // Without `SQLITE_OPEN_URI` a path is a path, whatever characters it is made of.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(options.busy_timeout)?;
    Ok(connection)
}

fn set_up_writer(connection: &Connection, options: Options) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", true)?;
    // What was told to be written survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    if let Some(max_pages) = options.max_pages {
        connection.pragma_update_and_check(None, "max_page_count", max_pages, |_| Ok(()))?;
    }
    Ok(())
}

/// Whether there is something to read. Tells apart what SQLite would report as "unable to open
/// database file".
pub(super) fn look_at(path: &Path, mode: Mode) -> Result<bool, EmbeddedError> {
    let shown = path.display().to_string();
    match path.metadata() {
        Ok(data) if data.is_dir() => Err(EmbeddedError::IsFolder { path: shown }),
        Ok(data) if data.len() > 0 => Ok(true),
        Ok(_) if mode == Mode::Existing => Err(EmbeddedError::Empty { path: shown }),
        Ok(_) => {
            tracing::warn!("`{shown}` is a file of 0 bytes: it becomes a new database");
            Ok(false)
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(EmbeddedError::File { path: shown, source: error })
        }
        Err(_) if mode == Mode::Existing => Err(EmbeddedError::FileMissing { path: shown }),
        Err(_) => match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                let folder = folder.display().to_string();
                Err(EmbeddedError::FolderMissing { path: shown, folder })
            }
            _ => Ok(false),
        },
    }
}

pub(super) fn open_error(path: &Path, source: rusqlite::Error) -> EmbeddedError {
    EmbeddedError::Open { path: path.display().to_string(), source: source.into() }
}

/// Whether the file says that it is written through a write-ahead log.
pub(super) fn keeps_log(path: &Path) -> bool {
    // Bytes 18 and 19 of the header are 2 then: https://www.sqlite.org/fileformat2.html
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[18..] == [2, 2]
}

/// The write-ahead log of a database.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Size and last change of the file and its log.
#[derive(Debug, PartialEq, Eq)]
struct Stamp([Option<(u64, Option<SystemTime>)>; 2]);

impl Stamp {
    fn of(path: &Path) -> Self {
        let stamp = |data: Metadata| (data.len(), data.modified().ok());
        Self([path.to_owned(), log_of(path)].map(|path| path.metadata().ok().map(stamp)))
    }
}

/// Which file a path leads to, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    /// `None` where there is no such file.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        match path.metadata() {
            Ok(data) => Ok(Some(Self::of_data(&data))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[cfg(unix)]
    fn of_data(data: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self(data.dev(), data.ino())
    }

    /// Where a file that is open cannot be deleted, one is the same as long as it is there.
    #[cfg(not(unix))]
    fn of_data(_: &Metadata) -> Self {
        Self(0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_can_be_written_as_a_uri() {
        let check = |path: &str, expected: &str| {
            assert_eq!(immutable_uri(Path::new(path)), expected);
        };
        check("/data/a.db", "file:/data/a.db?immutable=1");
        check("/a b/x?mode=rw#%41.db", "file:/a%20b/x%3Fmode%3Drw%23%2541.db?immutable=1");
        check("/København.db", "file:/K%C3%B8benhavn.db?immutable=1");
    }
}
