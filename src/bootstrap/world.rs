//! From settings to source, store and clock.

use std::path::Path;
use std::sync::Arc;

use super::sqlserver;
use crate::adapters::embedded::{Embedded, Mode, Options};
use crate::adapters::file::{
    self, ColumnMap, Field, FileOptions, FileSource, Format, LengthColumns,
};
use crate::adapters::memory::MemoryStore;
use crate::config::{self, ConfigError, Loaded, Settings, SourceKind, StoreKind};
use crate::job::World;
use crate::ports::{
    Clock, FailureKind, MigrationReport, PortError, PortResult, RecordSource, SchemaAdmin, Store,
    SystemClock,
};

/// The clock of the machine.
#[must_use]
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// What of the world is not there.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The source.
    #[error("cannot open the source")]
    Source(#[source] PortError),
    /// The store.
    #[error("cannot open the store")]
    Store(#[source] PortError),
    /// A secret that the settings need.
    #[error(transparent)]
    Settings(#[from] ConfigError),
}

/// The store of the settings, its schema up to date.
///
/// The embedded database is made, or brought up to date, where `create` is set: it belongs to the
/// one who runs the command. A schema on a server is changed by [`migrate`] alone.
///
/// # Errors
/// [`WorldError::Store`]; [`WorldError::Settings`] where a secret is missing.
pub async fn store(loaded: &Loaded, create: bool) -> Result<Arc<dyn Store>, WorldError> {
    match loaded.settings.store.kind {
        StoreKind::Embedded => {
            let database = embedded(&loaded.settings, create).await.map_err(WorldError::Store)?;
            Ok(Arc::new(database))
        }
        StoreKind::SqlServer => Ok(Arc::new(sqlserver::store(loaded).await?)),
    }
}

/// The same, for a process that stays up, and that reads whatever database is there by then.
///
/// # Errors
/// Those of [`store`].
pub(super) async fn store_to_serve(loaded: &Loaded) -> Result<Arc<dyn Store>, WorldError> {
    match loaded.settings.store.kind {
        StoreKind::Embedded => {
            let options = Options { follows: true, ..embedded_options(&loaded.settings) };
            let path = &loaded.settings.embedded.path;
            let database = Embedded::open_with(path, Mode::Migrating, options).await;
            let database = database.map_err(WorldError::Store)?;
            database.migrate().await.map_err(WorldError::Store)?;
            Ok(Arc::new(database))
        }
        StoreKind::SqlServer => store(loaded, true).await,
    }
}

pub(super) async fn embedded(settings: &Settings, create: bool) -> PortResult<Embedded> {
    if !create {
        return open_embedded(settings, Mode::Existing).await;
    }
    let database = open_embedded(settings, Mode::Migrating).await?;
    database.migrate().await?;
    Ok(database)
}

pub(super) async fn open_embedded(settings: &Settings, mode: Mode) -> PortResult<Embedded> {
    Embedded::open_with(&settings.embedded.path, mode, embedded_options(settings)).await
}

fn embedded_options(settings: &Settings) -> Options {
    let pages_per_mb = (1 << 20) / Options::PAGE_BYTES;
    let quota = settings.embedded.max_size_mb;
    let max_pages = (quota > 0).then(|| quota.saturating_mul(pages_per_mb));
    Options { max_pages, ..Options::default() }
}

/// Brings the store's schema up to date.
///
/// # Errors
/// Those of [`store`].
pub async fn migrate(loaded: &Loaded) -> Result<MigrationReport, WorldError> {
    schema_admin(loaded).await?.migrate().await.map_err(WorldError::Store)
}

/// The SQL of the migrations that the store misses.
///
/// # Errors
/// Those of [`store`].
pub async fn migration_script(loaded: &Loaded) -> Result<String, WorldError> {
    schema_admin(loaded).await?.script().await.map_err(WorldError::Store)
}

/// The store, whatever the version of its schema.
async fn schema_admin(loaded: &Loaded) -> Result<Arc<dyn SchemaAdmin>, WorldError> {
    match loaded.settings.store.kind {
        StoreKind::Embedded => {
            let database = open_embedded(&loaded.settings, Mode::Migrating).await;
            Ok(Arc::new(database.map_err(WorldError::Store)?))
        }
        StoreKind::SqlServer => Ok(Arc::new(sqlserver::store_to_migrate(loaded).await?)),
    }
}

/// The source of the settings.
///
/// # Errors
/// [`WorldError::Source`]; [`WorldError::Settings`] where a secret is missing.
pub async fn source(loaded: &Loaded) -> Result<Arc<dyn RecordSource>, WorldError> {
    let settings = &loaded.settings;
    match settings.source.kind {
        SourceKind::Embedded => {
            let database = embedded(settings, false).await.map_err(WorldError::Source)?;
            Ok(Arc::new(database))
        }
        SourceKind::File => Ok(file_source(settings, &settings.file.path)),
        SourceKind::SqlServer => Ok(Arc::new(sqlserver::source(loaded)?)),
    }
}

/// A file as a source, with the names and units of the settings.
#[must_use]
pub fn file_source(settings: &Settings, path: &Path) -> Arc<dyn RecordSource> {
    Arc::new(FileSource::new(file_options(settings, path)))
}

/// Source, store and clock of the settings, for a run that leaves a trace and makes the embedded
/// database where there is none, or for a dry run.
///
/// # Errors
/// Those of [`source`] and [`store`]; which of them, the first part says.
pub async fn world(
    loaded: &Loaded,
    dry_run: bool,
    clock: Arc<dyn Clock>,
) -> Result<World, WorldError> {
    // Before anything is made: a run that lacks one was not started.
    for (secret, key) in loaded.settings.needed_secrets() {
        loaded.secrets.require(secret, key)?;
    }
    // The store first: where both are one file, its schema must be there before records are read.
    let store = match store(loaded, !dry_run).await {
        // Nothing is current in a file that is not there yet.
        Err(WorldError::Store(error))
            if dry_run
                && error.kind == FailureKind::Missing
                && loaded.settings.store.kind == StoreKind::Embedded =>
        {
            Arc::new(MemoryStore::default())
        }
        opened => opened?,
    };
    let source = source(loaded).await?;
    Ok(World { source, store, clock })
}

pub(super) fn file_options(settings: &Settings, path: &Path) -> FileOptions {
    FileOptions {
        format: match settings.file.format {
            config::FileFormat::Auto => None,
            config::FileFormat::Csv => Some(Format::Csv),
            config::FileFormat::Parquet => Some(Format::Parquet),
        },
        columns: column_map(settings),
        lengths: length_columns(settings),
        distance_unit: distance_unit(settings),
        time_unit: time_unit(settings),
        time_zone: settings.time_zone.clone(),
        delimiter: settings.file.delimiter.byte(),
        ..FileOptions::new(path)
    }
}

/// The columns that the user named; of the others the contract's names hold.
pub(super) fn column_map(settings: &Settings) -> ColumnMap {
    let columns = &settings.columns;
    let named = [
        (Field::IncidentId, &columns.incident_id),
        (Field::Region, &columns.region),
        (Field::ParentRegion, &columns.parent_region),
        (Field::OccurredAt, &columns.occurred_at),
        (Field::Priority, &columns.priority),
        (Field::Distance, &columns.distance),
        (Field::TravelTime, &columns.travel_time),
        (Field::Weight, &columns.weight),
    ];
    let is_named = |column: &str| columns.user_set().any(|(_, named)| named == column);
    (named.iter().filter(|(_, column)| is_named(column)))
        .fold(ColumnMap::default(), |map, (field, column)| map.with(*field, column))
}

/// The columns with lengths that the user named, or else those of the contract.
pub(super) fn length_columns(settings: &Settings) -> LengthColumns {
    let named = settings.columns.lengths.iter();
    let named: Vec<_> = named.map(|l| (l.class().to_owned(), l.column().to_owned())).collect();
    if named.is_empty() { LengthColumns::Contract } else { LengthColumns::Named(named) }
}

pub(super) fn distance_unit(settings: &Settings) -> file::DistanceUnit {
    match settings.columns.distance_unit {
        config::DistanceUnit::Kilometre => file::DistanceUnit::Km,
        config::DistanceUnit::Metre => file::DistanceUnit::M,
        config::DistanceUnit::Mile => file::DistanceUnit::Mi,
    }
}

pub(super) fn time_unit(settings: &Settings) -> file::TimeUnit {
    match settings.columns.time_unit {
        config::TimeUnit::Second => file::TimeUnit::S,
        config::TimeUnit::Minute => file::TimeUnit::Min,
        config::TimeUnit::Hour => file::TimeUnit::H,
    }
}
