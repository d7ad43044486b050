//! The one place that names adapters and wires everything: settings in, a plan and a world out.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::adapters::embedded::{Embedded, ImportFile, Mode};
use crate::adapters::file::{
    self, ColumnMap, Field, FileError, FileOptions, FileSource, Format, sha256_of,
};
use crate::config::{self, Loaded, Settings, SourceKind, StoreKind};
use crate::domain::{ParameterSet, RecordBatch, RunRequest, Selection, Trigger};
use crate::fit::{FitOptions, Model, models};
use crate::job::{JudgeRules, RepeatedIds, RunPlan, RunReport, World};
use crate::ports::{
    Clock, MigrationReport, PortError, PortResult, RecordSource, SchemaAdmin as _, Store,
    SystemClock,
};
use crate::report::{self, GroupPlot, ReportInput};

pub use crate::adapters::embedded::{ImportOutcome, ImportSummary};

/// What cannot be wired.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The settings name a model that is not there; the settings' own check should have said so.
    #[error("there is no model `{0}`")]
    UnknownModel(String),
    /// The window of the settings cannot be told.
    #[error("the window of the settings cannot be told")]
    Window(#[source] jiff::Error),
    /// A result could not be written.
    #[error("cannot write `{path}`")]
    Output {
        /// Where to.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Who asks for a run, and how it differs from the settings.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What made it start.
    pub trigger: Trigger,
    /// Who asked.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: String,
    /// Regions asked for.
    pub selection: Selection,
    /// Leave no trace.
    pub dry_run: bool,
}

/// The clock of the machine.
#[must_use]
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// What a run that starts `now` is to do.
///
/// # Errors
/// [`BootstrapError`], which settings that were loaded do not cause.
pub fn plan(loaded: &Loaded, ask: Ask, now: Timestamp) -> Result<RunPlan, BootstrapError> {
    let settings = &loaded.settings;
    let window = settings.window(now).map_err(BootstrapError::Window)?;
    let model = model(settings)?;
    Ok(RunPlan {
        request: RunRequest {
            scope: settings.scope.clone(),
            trigger: ask.trigger,
            requested_by: ask.requested_by,
            reason: ask.reason,
            window,
            model: model.name().to_owned(),
            settings_hash: loaded.hash.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            requested_at: now,
        },
        selection: ask.selection,
        limits: settings.limits(window),
        splits: settings.splits(),
        repeated_ids: match settings.accept.repeated_ids {
            config::RepeatedIds::Keep => RepeatedIds::Keep,
            config::RepeatedIds::Refuse => RepeatedIds::Refuse,
        },
        model,
        fit_options: FitOptions {
            max_iterations: settings.fit.max_iterations,
            confidence: settings.fit.confidence,
            ..FitOptions::default()
        },
        workers: workers(settings.fit.workers),
        judge: judge_rules(settings),
        dry_run: ask.dry_run,
    })
}

fn model(settings: &Settings) -> Result<&'static dyn Model, BootstrapError> {
    let name = settings.fit.model.as_str();
    models::by_name(name).ok_or_else(|| BootstrapError::UnknownModel(name.to_owned()))
}

fn workers(asked: usize) -> NonZeroUsize {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    NonZeroUsize::new(asked).unwrap_or(cores)
}

fn judge_rules(settings: &Settings) -> JudgeRules {
    let judge = &settings.judge;
    JudgeRules {
        min_records: judge.min_records,
        min_cruise_speed_kmh: judge.min_cruise_speed_kmh,
        max_cruise_speed_kmh: judge.max_cruise_speed_kmh,
        max_time_change: judge.max_time_change,
        reference_distances_km: judge.reference_distances_km.clone(),
        min_share_published: judge.min_share_published,
    }
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
        StoreKind::Embedded => Ok(Arc::new(embedded(&settings.embedded.path, create).await?)),
    }
}

async fn embedded(path: &Path, create: bool) -> PortResult<Embedded> {
    if create {
        let database = Embedded::open(path, Mode::Migrating).await?;
        database.migrate().await?;
        return Ok(database);
    }
    let hint = "`speedfit import FILE` makes it; `embedded.path` in the settings names it";
    Embedded::open(path, Mode::Existing).await.map_err(|error| match error.kind {
        crate::ports::FailureKind::Missing if error.hint.is_none() => error.with_hint(hint),
        _ => error,
    })
}

/// Brings the store's schema up to date, or prints the SQL that would.
///
/// # Errors
/// [`PortError`] of the store.
pub async fn migrate(settings: &Settings) -> PortResult<MigrationReport> {
    match settings.store.kind {
        StoreKind::Embedded => {
            Embedded::open(&settings.embedded.path, Mode::Migrating).await?.migrate().await
        }
    }
}

/// The SQL of the migrations that the store misses.
///
/// # Errors
/// [`PortError`] of the store.
pub async fn migration_script(settings: &Settings) -> PortResult<String> {
    match settings.store.kind {
        StoreKind::Embedded => {
            Embedded::open(&settings.embedded.path, Mode::Migrating).await?.script().await
        }
    }
}

/// The source of the settings.
///
/// # Errors
/// [`PortError`] where it cannot be opened.
pub async fn source(settings: &Settings) -> PortResult<Arc<dyn RecordSource>> {
    match settings.source.kind {
        SourceKind::Embedded => Ok(Arc::new(embedded(&settings.embedded.path, false).await?)),
        SourceKind::File => Ok(file_source(settings, &settings.file.path)),
    }
}

/// A file as a source, with the names and units of the settings.
#[must_use]
pub fn file_source(settings: &Settings, path: &Path) -> Arc<dyn RecordSource> {
    Arc::new(FileSource::new(file_options(settings, path)))
}

/// Source, store and clock of the settings.
///
/// # Errors
/// Those of [`source`] and [`store`]; which of them, the first part says.
pub async fn world(settings: &Settings) -> Result<World, WorldError> {
    // The store first: where both are one file, its schema must be there before records are read.
    let store = store(settings, true).await.map_err(WorldError::Store)?;
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
            config::DistanceUnit::Km => file::DistanceUnit::Km,
            config::DistanceUnit::M => file::DistanceUnit::M,
            config::DistanceUnit::Mi => file::DistanceUnit::Mi,
        },
        time_unit: match columns.time_unit {
            config::TimeUnit::S => file::TimeUnit::S,
            config::TimeUnit::Min => file::TimeUnit::Min,
            config::TimeUnit::H => file::TimeUnit::H,
        },
        time_zone: settings.time_zone.clone(),
        delimiter: settings.file.delimiter.byte(),
        ..FileOptions::new(path)
    }
}

/// Adds a file's records to the embedded source.
///
/// # Errors
/// [`WorldError::Source`] of the file, [`WorldError::Store`] of the database.
pub async fn import_file(
    settings: &Settings,
    path: &Path,
    allow_repeat: bool,
    cancel: &CancellationToken,
) -> Result<ImportOutcome, WorldError> {
    let hashed = path.to_owned();
    let sha256 = tokio::task::spawn_blocking(move || sha256_of(&hashed)).await;
    let sha256 = sha256.unwrap_or_else(|_| Err(PortError::cancelled()));
    let file = ImportFile {
        name: path.display().to_string(),
        sha256: sha256.map_err(WorldError::Source)?,
        allow_repeat,
    };
    import(settings, &file, &*file_source(settings, path), cancel).await
}

/// Adds records that were made to the embedded source, once per `checksum`.
///
/// # Errors
/// [`WorldError::Store`] of the database.
pub async fn import_batches(
    settings: &Settings,
    name: &str,
    checksum: &str,
    batches: Vec<RecordBatch>,
    cancel: &CancellationToken,
) -> Result<ImportOutcome, WorldError> {
    let file =
        ImportFile { name: name.to_owned(), sha256: checksum.to_owned(), allow_repeat: false };
    let source = crate::adapters::memory::MemorySource::new(batches);
    import(settings, &file, &source, cancel).await
}

async fn import(
    settings: &Settings,
    file: &ImportFile,
    source: &dyn RecordSource,
    cancel: &CancellationToken,
) -> Result<ImportOutcome, WorldError> {
    let database = embedded(&settings.embedded.path, true).await.map_err(WorldError::Store)?;
    let imported = database.import(file, source, clock().now(), cancel).await;
    imported.map_err(WorldError::Store)
}

/// Where a run's results went.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// `run_results.json`.
    pub results: Option<PathBuf>,
    /// The report.
    pub report: Option<PathBuf>,
}

/// Writes `run_results.json` and the report into `output.dir`, as far as the settings want them,
/// each whole or not at all.
///
/// # Errors
/// [`BootstrapError::Output`] names the file.
pub fn write_outputs(
    settings: &Settings,
    run: &RunReport,
    now: Timestamp,
) -> Result<Outputs, BootstrapError> {
    let dir = &settings.output.dir;
    let mut outputs = Outputs::default();
    if settings.output.results || settings.output.report {
        std::fs::create_dir_all(dir).map_err(|cause| failed(dir, cause))?;
    }
    if settings.output.results {
        let path = dir.join("run_results.json");
        let text = serde_json::to_vec_pretty(&run.results).map_err(|e| failed(&path, e))?;
        write(&path, &text)?;
        outputs.results = Some(path);
    }
    if settings.output.report {
        let path = dir.join("report.html");
        let html = report_html(run, now).map_err(|e| failed(&path, e))?;
        write(&path, html.as_bytes())?;
        outputs.report = Some(path);
    }
    Ok(outputs)
}

fn failed(
    path: &Path,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> BootstrapError {
    BootstrapError::Output { path: path.to_owned(), cause: cause.into() }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BootstrapError> {
    file::write_atomically(path, |writer| writer.write_all(bytes)).map_err(|e| failed(path, e))
}

/// The parameters of a set, in a file of the form that its name tells.
///
/// # Errors
/// [`FileError`] names the file.
pub fn export_parameters(path: &Path, set: &ParameterSet) -> Result<(), FileError> {
    file::write_parameters(path, set)
}

/// The groups of a set, likewise.
///
/// # Errors
/// [`FileError`] names the file.
pub fn export_groups(path: &Path, set: &ParameterSet) -> Result<(), FileError> {
    file::write_groups(path, set)
}

/// The report of a run.
///
/// # Errors
/// [`report::ReportError`] where a plot cannot be drawn.
pub fn report_html(run: &RunReport, now: Timestamp) -> Result<String, report::ReportError> {
    let plots: Vec<GroupPlot> = run.plots();
    report::html(&ReportInput {
        title: "speedfit",
        results: &run.results,
        plots: &plots,
        generated_at: now,
        code_version: env!("CARGO_PKG_VERSION"),
    })
}
