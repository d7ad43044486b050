//! The report of a run from the store alone, long after it: with published curves, and without the
//! observed times, which are kept nowhere.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::outputs::{html, points};
use crate::domain::results::{RowCounts, SCHEMA_VERSION};
use crate::domain::{ParameterSet, RefusalReason, RefusalRow, RunResults, RunRow};
use crate::job::judge::PublishedCurves;
use crate::job::outcome::group_results;
use crate::report::{GroupPlot, ReportError};

/// How far curves are drawn, km: no record says how long a group's trips are, and most trips in a
/// city are shorter.
const END_KM: f64 = 10.0;

/// The report of a run that is in the store; `before` is the set that was current before it.
///
/// # Errors
/// [`ReportError`] where a plot cannot be drawn.
pub fn stored_report(
    run: RunRow,
    set: &ParameterSet,
    refusals: Vec<RefusalRow>,
    before: Option<&ParameterSet>,
    now: Timestamp,
) -> Result<String, ReportError> {
    let (curves, curves_before) = (PublishedCurves::of(Some(set)), PublishedCurves::of(before));
    let plots: Vec<GroupPlot> = (set.groups.iter())
        .filter_map(|group| {
            let curve = curves.get(&group.key)?;
            Some(GroupPlot {
                key: group.key.clone(),
                bins: Vec::new(),
                curve: points(curve, END_KM),
                previous: curves_before.get(&group.key).map(|curve| points(curve, END_KM)),
            })
        })
        .collect();
    html(&results(run, set, refusals), &plots, now)
}

/// What `run_results.json` told, but for the time that it took.
fn results(run: RunRow, set: &ParameterSet, refusals: Vec<RefusalRow>) -> RunResults {
    let mut refused: BTreeMap<RefusalReason, u64> = BTreeMap::new();
    for row in &refusals {
        *refused.entry(row.reason).or_default() += row.count;
    }
    RunResults {
        schema_version: SCHEMA_VERSION,
        settings_hash: run.request.settings_hash.clone(),
        timing_ms: BTreeMap::new(),
        rows: RowCounts { read: run.counts.rows_read, used: run.counts.rows_used, refused },
        groups: run.counts.groups().into_iter().collect(),
        model_preference: None,
        findings: Vec::new(),
        refusals,
        results: group_results(set),
        run: Some(run),
    }
}
