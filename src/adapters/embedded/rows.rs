//! Rows of the file as the domain's rows, and the texts in which it keeps times and names.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use crate::adapters::detail_text::{detail_from, request_from};
use crate::domain::{
    GroupDetail, GroupKey, GroupOutcome, GroupRow, ParameterRow, ParameterStatus, Publication,
    RefusalReason, RefusalRow, RequestDetail, RunCounts, RunId, RunRequest, RunRow, RunStatus,
    SourceLevel, Trigger, Verdict, Window,
};

/// A text in the file that names no value of its kind.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` in column `{column}` is not known to this program")]
struct UnknownName {
    column: &'static str,
    text: String,
}

/// A time as the file keeps it: RFC 3339, UTC, six digits of a second, so that texts order as
/// times do.
pub(super) fn time_text(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// A count as the file keeps it: SQLite's integers have a sign, which no count reaches.
pub(super) fn count_stored(count: u64) -> i64 {
    count.cast_signed()
}

/// A limit as SQLite knows it: negative is none.
pub(super) fn limit_stored(limit: u32) -> i64 {
    if limit == 0 { -1 } else { i64::from(limit) }
}

pub(super) fn count(row: &Row<'_>, column: &'static str) -> rusqlite::Result<u64> {
    row.get(column).map(i64::cast_unsigned)
}

fn unreadable(
    row: &Row<'_>,
    column: &'static str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}

pub(super) fn time(row: &Row<'_>, column: &'static str) -> rusqlite::Result<Timestamp> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: jiff::Error| unreadable(row, column, error))
}

fn time_or_none(row: &Row<'_>, column: &'static str) -> rusqlite::Result<Option<Timestamp>> {
    match row.get::<_, Option<String>>(column)? {
        Some(_) => time(row, column).map(Some),
        None => Ok(None),
    }
}

fn named<T>(
    row: &Row<'_>,
    column: &'static str,
    from_name: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    from_name(&text).ok_or_else(|| unreadable(row, column, UnknownName { column, text }))
}

pub(super) fn status(row: &Row<'_>) -> rusqlite::Result<RunStatus> {
    named(row, "status", RunStatus::from_name)
}

pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let request = RunRequest {
        scope: row.get("scope")?,
        trigger: named(row, "trigger", Trigger::from_name)?,
        requested_by: row.get("requested_by")?,
        reason: row.get("reason")?,
        window: Window {
            from: time_or_none(row, "window_from")?,
            to: time_or_none(row, "window_to")?,
        },
        model: row.get("model")?,
        settings_hash: row.get("settings_hash")?,
        code_version: row.get("code_version")?,
        requested_at: time(row, "requested_at")?,
        slot: row.get("slot")?,
        detail: request_detail(row)?,
    };
    Ok(RunRow {
        id: RunId(row.get("id")?),
        request,
        status: status(row)?,
        started_at: time_or_none(row, "started_at")?,
        finished_at: time_or_none(row, "finished_at")?,
        counts: counts(row)?,
        exit_code: row.get("exit_code")?,
        message: row.get("message")?,
    })
}

fn counts(row: &Row<'_>) -> rusqlite::Result<RunCounts> {
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

fn key(row: &Row<'_>) -> rusqlite::Result<GroupKey> {
    Ok(GroupKey {
        region: row.get("region")?,
        band: row.get("band")?,
        priority: row.get("priority")?,
    })
}

pub(super) fn group(row: &Row<'_>) -> rusqlite::Result<GroupRow> {
    Ok(GroupRow {
        key: key(row)?,
        model: row.get("model")?,
        loss: row.get("loss")?,
        outcome: named(row, "outcome", GroupOutcome::from_name)?,
        source_level: named(row, "source_level", SourceLevel::from_name)?,
        n_read: count(row, "n_read")?,
        n_refused: count(row, "n_refused")?,
        n_used: count(row, "n_used")?,
        termination: row.get("termination")?,
        iterations: count(row, "iterations")?,
        ssr_log: row.get("ssr_log")?,
        rmse_log: row.get("rmse_log")?,
        mae_s: row.get("mae_s")?,
        median_ape: row.get("median_ape")?,
        share_under_p90: row.get("share_under_p90")?,
        condition: row.get("condition")?,
        verdict: named(row, "verdict", Verdict::from_name)?,
        message: row.get("message")?,
        detail: detail(row)?,
    })
}

fn detail(row: &Row<'_>) -> rusqlite::Result<GroupDetail> {
    let text: Option<String> = row.get("detail")?;
    detail_from(text.as_deref()).map_err(|error| unreadable(row, "detail", error))
}

fn request_detail(row: &Row<'_>) -> rusqlite::Result<RequestDetail> {
    let text: Option<String> = row.get("detail")?;
    request_from(text.as_deref()).map_err(|error| unreadable(row, "detail", error))
}

pub(super) fn parameter(row: &Row<'_>) -> rusqlite::Result<ParameterRow> {
    Ok(ParameterRow {
        key: key(row)?,
        name: row.get("name")?,
        unit: row.get("unit")?,
        estimate: row.get("estimate")?,
        std_error: row.get("std_error")?,
        ci_low: row.get("ci_low")?,
        ci_high: row.get("ci_high")?,
        raw_estimate: row.get("raw_estimate")?,
        pool_weight: row.get("pool_weight")?,
        status: named(row, "status", ParameterStatus::from_name)?,
    })
}

pub(super) fn refusal(row: &Row<'_>) -> rusqlite::Result<RefusalRow> {
    let examples: String = row.get("examples")?;
    Ok(RefusalRow {
        region: row.get("region")?,
        reason: named(row, "reason", RefusalReason::from_name)?,
        count: count(row, "count")?,
        examples: serde_json::from_str(&examples)
            .map_err(|error| unreadable(row, "examples", error))?,
    })
}

pub(super) fn publication(row: &Row<'_>) -> rusqlite::Result<Publication> {
    Ok(Publication {
        scope: row.get("scope")?,
        run_id: RunId(row.get("run_id")?),
        published_at: time(row, "published_at")?,
        published_by: row.get("published_by")?,
        reason: row.get("reason")?,
        comment: row.get("comment")?,
    })
}

/// The examples of a refusal as the file keeps them.
pub(super) fn examples_text(examples: &[String]) -> String {
    serde_json::Value::from(examples).to_string()
}
