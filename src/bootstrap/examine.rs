//! What `speedfit doctor` looks at: each half of the world, however broken.

use super::sqlserver;
use super::world::{WorldError, file_options, open_embedded};
use crate::adapters::embedded::Mode;
use crate::adapters::file::FileSource;
use crate::config::{Loaded, Settings, SourceKind, StoreKind};
use crate::ports::{Examine as _, FailureKind, Finding, Grade, PortError};

/// What is found of the source. Nothing is tried twice, so that the answer comes soon.
///
/// # Errors
/// [`WorldError::Settings`] where a secret is missing.
pub async fn examine_source(loaded: &Loaded) -> Result<Vec<Finding>, WorldError> {
    let settings = &loaded.settings;
    Ok(match settings.source.kind {
        SourceKind::Embedded => embedded(loaded, settings.store.kind).await,
        SourceKind::File => {
            FileSource::new(file_options(settings, &settings.file.path)).examine().await
        }
        SourceKind::SqlServer => match sqlserver::source_to_examine(loaded) {
            Ok(source) => source.examine().await,
            Err(WorldError::Source(error) | WorldError::Store(error)) => {
                vec![Finding::failed("settings", &error)]
            }
            Err(error @ WorldError::Settings(_)) => return Err(error),
        },
    })
}

/// What is found of the store, likewise.
///
/// # Errors
/// [`WorldError::Settings`] where a secret is missing.
pub async fn examine_store(loaded: &Loaded) -> Result<Vec<Finding>, WorldError> {
    match loaded.settings.store.kind {
        StoreKind::Embedded => match open_embedded(&loaded.settings, Mode::Existing).await {
            Ok(database) => Ok(database.examine().await),
            Err(error) if is_outdated(&error) => Ok(vec![left_to_run(&error)]),
            Err(error) if error.kind == FailureKind::Missing && has_folder(&loaded.settings) => {
                Ok(vec![left_to_run(&error)])
            }
            Err(error) => Ok(vec![Finding::failed("database", &error)]),
        },
        StoreKind::SqlServer => match sqlserver::store_to_examine(loaded).await {
            Ok(store) => Ok(store.examine().await),
            Err(WorldError::Source(error) | WorldError::Store(error)) => {
                Ok(vec![Finding::failed("connection", &error)])
            }
            Err(error @ WorldError::Settings(_)) => Err(error),
        },
    }
}

/// Whether the source can be read for a look: a pipe would be used up.
#[must_use]
pub fn can_sample(loaded: &Loaded) -> bool {
    let settings = &loaded.settings;
    settings.source.kind != SourceKind::File
        || settings.file.path.metadata().is_ok_and(|data| data.is_file())
}

async fn embedded(loaded: &Loaded, store: StoreKind) -> Vec<Finding> {
    match open_embedded(&loaded.settings, Mode::Existing).await {
        Ok(database) => database.examine_records().await,
        // A run brings the schema up to date where the same file is its store.
        Err(error) if is_outdated(&error) && store == StoreKind::Embedded => {
            vec![left_to_run(&error)]
        }
        Err(error) => vec![Finding::failed("database", &error)],
    }
}

fn is_outdated(error: &PortError) -> bool {
    error.kind == FailureKind::SchemaOutdated
}

/// Whether a run could make the file.
fn has_folder(settings: &Settings) -> bool {
    let folder = settings.embedded.path.parent();
    folder.is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir())
}

fn left_to_run(error: &PortError) -> Finding {
    Finding::new("database", Grade::Note, format!("{error}; a run sees to it"))
}
