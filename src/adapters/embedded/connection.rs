//! Opening the file: what is looked at, and how a connection is set up.

use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::error::EmbeddedError;
use super::{Mode, Options, schema};

/// Opens the connection that writes, after a look at the file and its schema.
pub(super) fn open_writer(
    path: &Path,
    mode: Mode,
    options: Options,
) -> Result<Connection, EmbeddedError> {
    look_at(path, mode)?;
    let create = match mode {
        Mode::Existing => OpenFlags::empty(),
        Mode::Migrating => OpenFlags::SQLITE_OPEN_CREATE,
    };
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | create, options)?;
    set_up_writer(&connection, options).map_err(|source| open_error(path, source))?;
    schema::check(&connection, path, mode)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(super) fn open_reader(path: &Path, options: Options) -> Result<Connection, EmbeddedError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, options)
}

fn connect(path: &Path, flags: OpenFlags, options: Options) -> Result<Connection, EmbeddedError> {
    // Without `SQLITE_OPEN_URI` a path is a path, whatever characters it is made of.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|source| open_error(path, source))?;
    connection.busy_timeout(options.busy_timeout).map_err(|source| open_error(path, source))?;
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

/// Tells apart what SQLite would report as "unable to open database file".
fn look_at(path: &Path, mode: Mode) -> Result<(), EmbeddedError> {
    let shown = path.display().to_string();
    match path.metadata() {
        Ok(data) if data.is_dir() => Err(EmbeddedError::IsFolder { path: shown }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(EmbeddedError::File { path: shown, source: error })
        }
        Err(_) if mode == Mode::Existing => Err(EmbeddedError::FileMissing { path: shown }),
        Err(_) => match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                let folder = folder.display().to_string();
                Err(EmbeddedError::FolderMissing { path: shown, folder })
            }
            _ => Ok(()),
        },
    }
}

pub(super) fn open_error(path: &Path, source: rusqlite::Error) -> EmbeddedError {
    EmbeddedError::Open { path: path.display().to_string(), source: source.into() }
}
