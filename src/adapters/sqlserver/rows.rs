//! Rows of the server as the domain's rows.

use tiberius::Row;

use super::error::UnitError;
use super::examine::cell;
use super::moment::Moment;
use crate::adapters::detail_text::{detail_from, request_from};
use crate::domain::{
    GroupDetail, GroupKey, GroupOutcome, GroupRow, ParameterRow, ParameterStatus, Publication,
    RefusalReason, RefusalRow, RequestDetail, RunCounts, RunId, RunRequest, RunRow, RunStatus,
    SourceLevel, Trigger, Verdict, Window,
};

/// A count as the server keeps it: its integers have a sign, which no count reaches.
pub(super) fn count_stored(count: u64) -> i64 {
    count.cast_signed()
}

/// A limit as the server takes it: every row where there is none.
pub(super) fn limit_stored(limit: u32) -> i64 {
    if limit == 0 { i64::MAX } else { i64::from(limit) }
}

fn count(row: &Row, column: &str) -> Result<u64, UnitError> {
    cell(row, column).map(i64::cast_unsigned)
}

fn text(row: &Row, column: &str) -> Result<String, UnitError> {
    cell::<&str>(row, column).map(str::to_owned)
}

fn number(row: &Row, column: &str) -> Result<Option<f64>, UnitError> {
    Ok(row.try_get(column)?)
}

fn unreadable(column: &str, what: impl Into<String>) -> UnitError {
    UnitError::Value { column: column.to_owned(), what: what.into() }
}

pub(super) fn time_or_none(row: &Row, column: &str) -> Result<Option<jiff::Timestamp>, UnitError> {
    cell::<Moment>(row, column)?.timestamp(column)
}

pub(super) fn time(row: &Row, column: &str) -> Result<jiff::Timestamp, UnitError> {
    time_or_none(row, column)?.ok_or_else(|| unreadable(column, "is null"))
}

fn named<T>(
    row: &Row,
    column: &str,
    from_name: impl FnOnce(&str) -> Option<T>,
) -> Result<T, UnitError> {
    let name: &str = cell(row, column)?;
    from_name(name)
        .ok_or_else(|| unreadable(column, format!("`{name}` is not known to this program")))
}

pub(super) fn id(row: &Row) -> Result<RunId, UnitError> {
    cell(row, "id").map(RunId)
}

/// What is known of a run before it moves.
pub(super) struct Standing {
    pub(super) scope: String,
    pub(super) status: RunStatus,
    pub(super) started_at: Option<jiff::Timestamp>,
    pub(super) finished_at: Option<jiff::Timestamp>,
}

pub(super) fn standing(row: &Row) -> Result<Standing, UnitError> {
    Ok(Standing {
        scope: text(row, "scope")?,
        status: named(row, "status", RunStatus::from_name)?,
        started_at: time_or_none(row, "started_at")?,
        finished_at: time_or_none(row, "finished_at")?,
    })
}

pub(super) fn run(row: &Row) -> Result<RunRow, UnitError> {
    let request = RunRequest {
        scope: text(row, "scope")?,
        trigger: named(row, "trigger", Trigger::from_name)?,
        requested_by: text(row, "requested_by")?,
        reason: text(row, "reason")?,
        window: Window {
            from: time_or_none(row, "window_from")?,
            to: time_or_none(row, "window_to")?,
        },
        model: text(row, "model")?,
        settings_hash: text(row, "settings_hash")?,
        code_version: text(row, "code_version")?,
        requested_at: time(row, "requested_at")?,
        slot: row.try_get::<&str, _>("slot")?.map(str::to_owned),
        detail: request_detail(row)?,
    };
    let exit_code: Option<i32> = row.try_get("exit_code")?;
    let exit_code = exit_code
        .map(u8::try_from)
        .transpose()
        .map_err(|_| unreadable("exit_code", "is no exit code"))?;
    Ok(RunRow {
        id: id(row)?,
        request,
        status: named(row, "status", RunStatus::from_name)?,
        started_at: time_or_none(row, "started_at")?,
        finished_at: time_or_none(row, "finished_at")?,
        counts: counts(row)?,
        exit_code,
        message: text(row, "message")?,
    })
}

fn counts(row: &Row) -> Result<RunCounts, UnitError> {
    Ok(RunCounts {
        rows_read: count(row, "rows_read")?,
        rows_refused: count(row, "rows_refused")?,
        rows_used: count(row, "rows_used")?,
        groups_fitted: count(row, "groups_fitted")?,
        groups_pooled: count(row, "groups_pooled")?,
        groups_fallback: count(row, "groups_fallback")?,
        groups_carried_over: count(row, "groups_carried_over")?,
        groups_failed: count(row, "groups_failed")?,
        groups_cancelled: count(row, "groups_cancelled")?,
    })
}

fn key(row: &Row) -> Result<GroupKey, UnitError> {
    Ok(GroupKey {
        region: text(row, "region")?,
        band: text(row, "band")?,
        priority: text(row, "priority")?,
    })
}

pub(super) fn group(row: &Row) -> Result<GroupRow, UnitError> {
    Ok(GroupRow {
        key: key(row)?,
        model: text(row, "model")?,
        loss: text(row, "loss")?,
        outcome: named(row, "outcome", GroupOutcome::from_name)?,
        source_level: named(row, "source_level", SourceLevel::from_name)?,
        n_read: count(row, "n_read")?,
        n_refused: count(row, "n_refused")?,
        n_used: count(row, "n_used")?,
        termination: text(row, "termination")?,
        iterations: count(row, "iterations")?,
        ssr_log: number(row, "ssr_log")?,
        rmse_log: number(row, "rmse_log")?,
        mae_s: number(row, "mae_s")?,
        median_ape: number(row, "median_ape")?,
        share_under_p90: number(row, "share_under_p90")?,
        condition: number(row, "condition")?,
        verdict: named(row, "verdict", Verdict::from_name)?,
        message: text(row, "message")?,
        detail: detail(row)?,
    })
}

fn detail(row: &Row) -> Result<GroupDetail, UnitError> {
    detail_from(row.try_get("detail")?).map_err(|error| unreadable("detail", error.to_string()))
}

fn request_detail(row: &Row) -> Result<RequestDetail, UnitError> {
    request_from(row.try_get("detail")?).map_err(|error| unreadable("detail", error.to_string()))
}

pub(super) fn parameter(row: &Row) -> Result<ParameterRow, UnitError> {
    Ok(ParameterRow {
        key: key(row)?,
        name: text(row, "name")?,
        unit: text(row, "unit")?,
        estimate: cell(row, "estimate")?,
        std_error: number(row, "std_error")?,
        ci_low: number(row, "ci_low")?,
        ci_high: number(row, "ci_high")?,
        raw_estimate: number(row, "raw_estimate")?,
        pool_weight: number(row, "pool_weight")?,
        status: named(row, "status", ParameterStatus::from_name)?,
    })
}

pub(super) fn refusal(row: &Row) -> Result<RefusalRow, UnitError> {
    let examples: &str = cell(row, "examples")?;
    Ok(RefusalRow {
        region: text(row, "region")?,
        reason: named(row, "reason", RefusalReason::from_name)?,
        count: count(row, "count")?,
        examples: serde_json::from_str(examples)
            .map_err(|error| unreadable("examples", error.to_string()))?,
    })
}

pub(super) fn publication(row: &Row) -> Result<Publication, UnitError> {
    Ok(Publication {
        scope: text(row, "scope")?,
        run_id: RunId(cell(row, "run_id")?),
        published_at: time(row, "published_at")?,
        published_by: text(row, "published_by")?,
        reason: text(row, "reason")?,
        comment: text(row, "comment")?,
    })
}

/// The examples of a refusal as the server keeps them.
pub(super) fn examples_text(examples: &[String]) -> String {
    serde_json::Value::from(examples).to_string()
}
