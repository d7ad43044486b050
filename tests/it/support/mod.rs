//! Builders of what runs ask for and leave behind.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

pub(crate) mod clock;
pub(crate) mod program;
pub(crate) mod sqlserver;

use jiff::Timestamp;
use speedfit::domain::{
    GroupDetail, GroupKey, GroupOutcome, GroupRow, ParameterRow, ParameterSet, ParameterStatus,
    Publication, RequestDetail, RunCounts, RunId, RunRequest, RunStatus, SourceLevel, Trigger,
    Verdict, Window,
};
use speedfit::ports::{Conclusion, PortResult, Store};

/// The rows of a Markdown table, cell by cell, below its head; code marks are left out.
pub(crate) fn table_after(document: &str, head: &str) -> Vec<Vec<String>> {
    let lines = document.lines().skip_while(|line| *line != head).skip(2);
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    };
    let rows: Vec<Vec<String>> =
        lines.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "there is no table `{head}`");
    rows
}

/// A moment, from RFC 3339.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A request of the scope, every field filled.
pub(crate) fn request(scope: &str) -> RunRequest {
    RunRequest {
        scope: scope.to_owned(),
        trigger: Trigger::Operator,
        requested_by: "O'Hara".to_owned(),
        reason: "new depot".to_owned(),
        window: Window { from: Some(at("2026-01-01T00:00:00Z")), to: None },
        model: "kwh".to_owned(),
        settings_hash: "5e1f".to_owned(),
        code_version: "0.1.0".to_owned(),
        requested_at: at("2026-01-31T02:00:00.000001Z"),
        slot: None,
        detail: RequestDetail::default(),
    }
}

/// A fitted group of a whole region.
pub(crate) fn group(region: &str) -> GroupRow {
    GroupRow {
        key: GroupKey::region(region),
        model: "kwh".to_owned(),
        loss: "least_squares".to_owned(),
        outcome: GroupOutcome::Fitted,
        source_level: SourceLevel::Group,
        n_read: 120,
        n_refused: 20,
        n_used: 100,
        termination: "cost_converged".to_owned(),
        iterations: 9,
        ssr_log: Some(12.5),
        rmse_log: Some(0.353),
        mae_s: Some(61.0),
        median_ape: Some(0.21),
        share_under_p90: Some(0.9),
        condition: Some(14.0),
        verdict: Verdict::Publish,
        message: String::new(),
        detail: GroupDetail::default(),
    }
}

/// A parameter of a whole region.
pub(crate) fn parameter(region: &str, name: &str, estimate: f64) -> ParameterRow {
    ParameterRow {
        key: GroupKey::region(region),
        name: name.to_owned(),
        unit: "km/h".to_owned(),
        estimate,
        std_error: Some(0.5),
        ci_low: Some(estimate - 1.0),
        ci_high: Some(estimate + 1.0),
        raw_estimate: Some(estimate),
        pool_weight: None,
        status: ParameterStatus::Ok,
    }
}

/// A set of regions whose parameters all have the same estimate.
pub(crate) fn set(regions: &[&str], estimate: f64) -> ParameterSet {
    let names = ["cruise_speed_kmh", "acceleration_km_min2"];
    let rows = regions.iter().flat_map(|r| names.map(|name| parameter(r, name, estimate)));
    ParameterSet {
        groups: regions.iter().map(|region| group(region)).collect(),
        parameters: rows.collect(),
        ..ParameterSet::default()
    }
}

/// The end of a run that leaves no parameters.
pub(crate) fn ending(run_id: RunId, status: RunStatus) -> Conclusion {
    Conclusion {
        run_id,
        status,
        finished_at: at("2026-01-31T02:10:00.123456Z"),
        counts: RunCounts::default(),
        exit_code: 0,
        message: "as ordered".to_owned(),
        set: ParameterSet::default(),
        refusals: Vec::new(),
        publication: None,
        lock: None,
    }
}

/// The move of the scope's mark to a run.
pub(crate) fn publication(scope: &str, run_id: RunId, reason: &str) -> Publication {
    Publication {
        scope: scope.to_owned(),
        run_id,
        published_at: at("2026-01-31T02:10:00.5Z"),
        published_by: "timer".to_owned(),
        reason: reason.to_owned(),
        comment: String::new(),
    }
}

/// The end of a run that publishes its set.
pub(crate) fn publishing(scope: &str, run_id: RunId, set: ParameterSet) -> Conclusion {
    let counts =
        RunCounts { rows_read: 120, rows_refused: 20, rows_used: 100, ..Default::default() };
    Conclusion {
        counts: counts.with_groups(&set.groups),
        set,
        publication: Some(publication(scope, run_id, "run")),
        ..ending(run_id, RunStatus::Done)
    }
}

/// A run of the scope that works.
pub(crate) async fn running(store: &dyn Store, scope: &str) -> PortResult<RunId> {
    let run_id = store.request(&request(scope)).await?;
    store.start(run_id, at("2026-01-31T02:00:01Z")).await?;
    Ok(run_id)
}

/// A run of the scope, from request to publication.
pub(crate) async fn published(
    store: &dyn Store,
    scope: &str,
    set: ParameterSet,
) -> PortResult<RunId> {
    let run_id = running(store, scope).await?;
    store.conclude(&publishing(scope, run_id, set)).await?;
    Ok(run_id)
}
