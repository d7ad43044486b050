//! What a run leaves in the file system, each file whole or not at all.

use std::error::Error;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::BootstrapError;
use super::telling::Upload;
use crate::adapters::file;
use crate::config::Settings;
use crate::domain::text::json_readable;
use crate::domain::{ParameterSet, PublishedGroup, RunResults};
use crate::fit::Curve;
use crate::job::{FittedGroup, RunReport};
use crate::ports::{PortError, PortResult};
use crate::report::{self, GroupPlot, ReportError, ReportInput};

/// Where a run's results went.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// The results for programs.
    pub results: Option<PathBuf>,
    /// The report.
    pub report: Option<PathBuf>,
    /// What became of their copies in object storage.
    pub upload: Upload,
}

/// Writes `run_results.json` and `report.html` into `output.dir`, as far as the settings want them,
/// each whole or not at all. The report of a run that published nothing has a name of its own, so that
/// the one of the current set stays; the results say what became of the last run of the ledger, and
/// those of a dry run, which has no row there, have a name of their own.
///
/// # Errors
/// [`BootstrapError::Output`] names the file.
pub fn write_outputs(
    settings: &Settings,
    run: &RunReport,
    has_published: bool,
    now: Timestamp,
) -> Result<Outputs, BootstrapError> {
    let dir = &settings.output.dir;
    let mut outputs = Outputs::default();
    if settings.output.results || settings.output.report {
        std::fs::create_dir_all(dir).map_err(|cause| failed(dir, cause))?;
    }
    let path = |names: [&str; 2], is_first: bool| {
        // What a process left that died over the other one, nobody else would remove for long.
        names.iter().for_each(|name| file::remove_leftovers(&dir.join(name)));
        dir.join(names[usize::from(!is_first)])
    };
    if settings.output.results {
        let path = path(["run_results.json", "run_results-dry-run.json"], run.set.run_id.is_some());
        let text = serde_json::to_string_pretty(&run.results).map_err(|e| failed(&path, e))?;
        write_file(&path, json_readable(text).as_bytes())?;
        outputs.results = Some(path);
    }
    if settings.output.report {
        let path = path(["report.html", "report-unpublished.html"], has_published);
        let html = run_report(run, now).map_err(|e| failed(&path, e))?;
        write_file(&path, html.as_bytes())?;
        outputs.report = Some(path);
    }
    Ok(outputs)
}

fn failed(path: &Path, cause: impl Into<Box<dyn Error + Send + Sync>>) -> BootstrapError {
    BootstrapError::Output { path: path.to_owned(), cause: cause.into() }
}

/// Writes a file, whole or not at all.
///
/// # Errors
/// [`BootstrapError::Output`] names it.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), BootstrapError> {
    file::write_atomically(path, |writer| writer.write_all(bytes))
        .map_err(|error| failed(path, PortError::from(error)))
}

/// The parameters of a set, in a file of the form that its name tells.
///
/// # Errors
/// [`PortError`] names the file.
pub fn export_parameters(path: &Path, set: &ParameterSet) -> PortResult<()> {
    Ok(file::write_parameters(path, set)?)
}

/// The parameters of a set as CSV, the same bytes as in a file.
///
/// # Errors
/// [`PortError`] where they have no form in CSV.
pub(super) fn parameters_csv(set: &ParameterSet) -> PortResult<Vec<u8>> {
    Ok(file::parameters_csv(set)?)
}

/// The groups of a set, likewise.
///
/// # Errors
/// [`PortError`] names the file.
pub fn export_groups(path: &Path, set: &ParameterSet) -> PortResult<()> {
    Ok(file::write_groups(path, set)?)
}

/// The groups of a file of parameters that was exported, with what a file of groups tells of them.
///
/// # Errors
/// [`PortError`] names the file.
pub fn read_published(parameters: &Path, groups: Option<&Path>) -> PortResult<Vec<PublishedGroup>> {
    Ok(file::read_published(parameters, groups)?)
}

/// Tells before the work what would keep a table from being exported to that file.
///
/// # Errors
/// [`PortError`] names the file; `Malformed` where its name tells no format.
pub fn check_export(path: &Path) -> PortResult<()> {
    Ok(file::check_table_path(path)?)
}

/// Tells before the work what would keep any file from being written there.
///
/// # Errors
/// [`PortError`] names the file.
pub fn check_output(path: &Path) -> PortResult<()> {
    Ok(file::check_folder(path)?)
}

/// Points of a curve in a plot: enough to look smooth.
const N_CURVE_POINTS: usize = 48;

fn run_report(run: &RunReport, now: Timestamp) -> Result<String, ReportError> {
    let before = run.curves_before.iter().map(Option::as_ref);
    let plots: Vec<_> = run.groups.iter().zip(before).map(|(g, before)| plot(g, before)).collect();
    html(&run.results, &plots, now)
}

/// The report of a fit that no ledger knows.
///
/// # Errors
/// [`ReportError`] where a plot cannot be drawn.
pub fn fit_report(
    results: &RunResults,
    groups: &[FittedGroup],
    now: Timestamp,
) -> Result<String, ReportError> {
    let plots: Vec<_> = groups.iter().map(|group| plot(group, None)).collect();
    html(results, &plots, now)
}

pub(super) fn html(
    results: &RunResults,
    plots: &[GroupPlot],
    now: Timestamp,
) -> Result<String, ReportError> {
    report::html(&ReportInput {
        title: "speedfit",
        results,
        plots,
        generated_at: now,
        code_version: env!("CARGO_PKG_VERSION"),
    })
}

fn plot(group: &FittedGroup, before: Option<&Curve>) -> GroupPlot {
    let curve = group.curve();
    // The few longest trips would squeeze all others into a corner.
    let last_bin_km = group.bins.last().map_or(0.0, |bin| bin.distance_km);
    let end_km = group.longest_km.min(1.25 * last_bin_km);
    GroupPlot {
        key: group.key.clone(),
        bins: group.bins.clone(),
        curve: curve.map(|curve| points(&curve, end_km)).unwrap_or_default(),
        previous: before.map(|curve| points(&group.at_own_mix(curve.clone()), end_km)),
    }
}

/// The curve from near the origin to `end_km`, closer together where it bends.
pub(super) fn points(curve: &Curve, end_km: f64) -> Vec<(f64, f64)> {
    let steps = (1..=N_CURVE_POINTS).map(|step| step as f64 / N_CURVE_POINTS as f64);
    let distances = steps.map(|share| end_km * share * share);
    distances.map(|distance_km| (distance_km, curve.median_s(distance_km))).collect()
}
