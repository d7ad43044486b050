//! From settings to source, store and clock.

use std::path::Path;
use std::sync::Arc;

use crate::adapters::embedded::{Embedded, Mode, Options};
use crate::adapters::file::{self, ColumnMap, Field, FileOptions, FileSource, Format};
use crate::adapters::memory::MemoryStore;
use crate::config::{self, Settings, SourceKind, StoreKind};
use crate::job::World;
use crate::ports::{
    Clock, FailureKind, MigrationReport, PortError, PortResult, RecordSource, SchemaAdmin as _,
    Store, SystemClock,
};

/// The clock of the machine.
#[must_use]
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The store of the settings, its schema up to date.
///
/// The embedded database is made, or brought up to date, where `create` is set: it belongs to the
/// one who runs the command.
///
/// # Errors
/// [`PortError`] of the store.
pub async fn store(settings: &Settings, create: bool) -> PortResult<Arc<dyn Store>> {
    match settings.store.kind {
        StoreKind::Embedded => Ok(Arc::new(embedded(settings, create).await?)),
    }
}

pub(super) async fn embedded(settings: &Settings, create: bool) -> PortResult<Embedded> {
    if !create {
        return open(settings, Mode::Existing).await;
    }
    let database = open(settings, Mode::Migrating).await?;
    database.migrate().await?;
    Ok(database)
}

async fn open(settings: &Settings, mode: Mode) -> PortResult<Embedded> {
    let pages_per_mb = (1 << 20) / Options::PAGE_BYTES;
    let quota = settings.embedded.max_size_mb;
    let max_pages = (quota > 0).then(|| quota.saturating_mul(pages_per_mb));
    let options = Options { max_pages, ..Options::default() };
    Embedded::open_with(&settings.embedded.path, mode, options).await
}

/// Brings the store's schema up to date, or prints the SQL that would.
///
/// # Errors
/// [`PortError`] of the store.
pub async fn migrate(settings: &Settings) -> PortResult<MigrationReport> {
    match settings.store.kind {
        StoreKind::Embedded => open(settings, Mode::Migrating).await?.migrate().await,
    }
}

/// The SQL of the migrations that the store misses.
///
/// # Errors
/// [`PortError`] of the store.
pub async fn migration_script(settings: &Settings) -> PortResult<String> {
    match settings.store.kind {
        StoreKind::Embedded => open(settings, Mode::Migrating).await?.script().await,
    }
}

/// The source of the settings.
///
/// # Errors
/// [`PortError`] where it cannot be opened.
pub async fn source(settings: &Settings) -> PortResult<Arc<dyn RecordSource>> {
    match settings.source.kind {
        SourceKind::Embedded => Ok(Arc::new(embedded(settings, false).await?)),
        SourceKind::File => Ok(file_source(settings, &settings.file.path)),
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
pub async fn world(settings: &Settings, dry_run: bool) -> Result<World, WorldError> {
    // The store first: where both are one file, its schema must be there before records are read.
    let store = match store(settings, !dry_run).await {
        // Nothing is current in a store that is not there yet.
        Err(error) if dry_run && error.kind == FailureKind::Missing => {
            Arc::new(MemoryStore::default())
        }
        opened => opened.map_err(WorldError::Store)?,
    };
    let source = source(settings).await.map_err(WorldError::Source)?;
    Ok(World { source, store, clock: clock() })
}

/// Which half of the world is not there.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The source.
    #[error("cannot open the source")]
    Source(#[source] PortError),
    /// The store.
    #[error("cannot open the store")]
    Store(#[source] PortError),
}

fn file_options(settings: &Settings, path: &Path) -> FileOptions {
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
    let map = (named.iter().filter(|(_, column)| is_named(column)))
        .fold(ColumnMap::default(), |map, (field, column)| map.with(*field, column));
    FileOptions {
        format: match settings.file.format {
            config::FileFormat::Auto => None,
            config::FileFormat::Csv => Some(Format::Csv),
            config::FileFormat::Parquet => Some(Format::Parquet),
        },
        columns: map,
        distance_unit: match columns.distance_unit {
            config::DistanceUnit::Kilometre => file::DistanceUnit::Km,
            config::DistanceUnit::Metre => file::DistanceUnit::M,
            config::DistanceUnit::Mile => file::DistanceUnit::Mi,
        },
        time_unit: match columns.time_unit {
            config::TimeUnit::Second => file::TimeUnit::S,
            config::TimeUnit::Minute => file::TimeUnit::Min,
            config::TimeUnit::Hour => file::TimeUnit::H,
        },
        time_zone: settings.time_zone.clone(),
        delimiter: settings.file.delimiter.byte(),
        ..FileOptions::new(path)
    }
}
