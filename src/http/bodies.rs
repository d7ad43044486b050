//! What is answered: the rows of the ledger and of a set, in the form that clients may rely on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::schemas::{moment, optional_moment};
use crate::domain::results::RowCounts;
use crate::domain::{
    GateFinding, GroupDetail, GroupOutcome, GroupRow, ParameterRow, ParameterStatus, Publication,
    RefusalReason, RefusalRow, RequestDetail, RunResults, RunRow, RunStatus, SourceLevel, Trigger,
    Verdict,
};

/// A run as the ledger tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Run {
    /// Number.
    id: i64,
    /// Name of the job.
    scope: String,
    /// What made it start.
    trigger: Trigger,
    /// Who asked.
    requested_by: String,
    /// Why, in their words; may be empty.
    reason: String,
    /// Records of this span.
    window: Window,
    /// Model.
    model: String,
    /// SHA-256 of the settings that influence results.
    settings_hash: String,
    /// Version of speedfit.
    code_version: String,
    /// When it was asked for.
    #[schema(schema_with = moment)]
    requested_at: Timestamp,
    /// What it answers, where that is answered once only.
    slot: Option<String>,
    /// What else was asked for; only what was.
    #[schema(value_type = Object)]
    detail: RequestDetail,
    /// Where it stands.
    status: RunStatus,
    /// When it took the lock.
    #[schema(schema_with = optional_moment)]
    started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(schema_with = optional_moment)]
    finished_at: Option<Timestamp>,
    /// Rows read from the source.
    rows_read: u64,
    /// Of these, refused.
    rows_refused: u64,
    /// Of these, offered to a fit.
    rows_used: u64,
    /// Groups by outcome; every outcome is there.
    groups: BTreeMap<&'static str, u64>,
    /// Exit code that stands for its end; null until then.
    exit_code: Option<u8>,
    /// How it ended, in words.
    message: String,
}

/// `from <= occurred_at < to`; a missing end is open.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Window {
    /// First moment inside.
    #[schema(schema_with = optional_moment)]
    from: Option<Timestamp>,
    /// First moment after.
    #[schema(schema_with = optional_moment)]
    to: Option<Timestamp>,
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Self {
        let RunRow { id, request, status, started_at, finished_at, counts, exit_code, message } =
            row;
        let groups = counts.groups().into_iter();
        Self {
            id: id.0,
            scope: request.scope,
            trigger: request.trigger,
            requested_by: request.requested_by,
            reason: request.reason,
            window: Window { from: request.window.from, to: request.window.to },
            model: request.model,
            settings_hash: request.settings_hash,
            code_version: request.code_version,
            requested_at: request.requested_at,
            slot: request.slot,
            detail: request.detail,
            status,
            started_at,
            finished_at,
            rows_read: counts.rows_read,
            rows_refused: counts.rows_refused,
            rows_used: counts.rows_used,
            groups: groups.map(|(outcome, n)| (outcome.as_str(), n)).collect(),
            exit_code,
            message,
        }
    }
}

/// A group of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Group {
    /// Region.
    region: String,
    /// Band of the week; empty where groups are not split by bands.
    band: String,
    /// Priority class, likewise.
    priority: String,
    /// Model.
    model: String,
    /// What a residual costs.
    loss: String,
    /// How it ended.
    outcome: GroupOutcome,
    /// Which records its parameters stand on.
    source_level: SourceLevel,
    /// Rows that were read.
    n_read: u64,
    /// Of these, refused.
    n_refused: u64,
    /// Of these, fitted.
    n_used: u64,
    /// Why the solver stopped; empty where none ran.
    termination: String,
    /// Iterations of the solver.
    iterations: u64,
    /// Sum of squared residuals of ln T.
    ssr_log: Option<f64>,
    /// Root mean square residual of ln T.
    rmse_log: Option<f64>,
    /// Mean absolute error, s.
    mae_s: Option<f64>,
    /// Median of |error| / observed.
    median_ape: Option<f64>,
    /// Share of records at or under the predicted 90th percentile.
    share_under_p90: Option<f64>,
    /// Condition number.
    condition: Option<f64>,
    /// What the judge said.
    verdict: Verdict,
    /// Why, in words.
    message: String,
    /// What else the fit tells: correlations, criteria, scores on later records.
    #[schema(value_type = Object)]
    detail: GroupDetail,
}

impl From<GroupRow> for Group {
    fn from(row: GroupRow) -> Self {
        Self {
            region: row.key.region,
            band: row.key.band,
            priority: row.key.priority,
            model: row.model,
            loss: row.loss,
            outcome: row.outcome,
            source_level: row.source_level,
            n_read: row.n_read,
            n_refused: row.n_refused,
            n_used: row.n_used,
            termination: row.termination,
            iterations: row.iterations,
            ssr_log: row.ssr_log,
            rmse_log: row.rmse_log,
            mae_s: row.mae_s,
            median_ape: row.median_ape,
            share_under_p90: row.share_under_p90,
            condition: row.condition,
            verdict: row.verdict,
            message: row.message,
            detail: row.detail,
        }
    }
}

/// A parameter of a group; every number in its unit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Parameter {
    /// Region.
    region: String,
    /// Band of the week; empty where groups are not split by bands.
    band: String,
    /// Priority class, likewise.
    priority: String,
    /// Name, for example `cruise_speed_kmh`.
    #[schema(examples("cruise_speed_kmh"))]
    name: String,
    /// Unit; empty for pure numbers.
    #[schema(examples("km/h"))]
    unit: String,
    /// The value to use.
    estimate: f64,
    /// Standard error.
    std_error: Option<f64>,
    /// Lower end of the interval.
    ci_low: Option<f64>,
    /// Upper end of the interval.
    ci_high: Option<f64>,
    /// The group's own estimate, whatever pooling or the judge made of it.
    raw_estimate: Option<f64>,
    /// Weight of the pool in the estimate, 0 to 1.
    pool_weight: Option<f64>,
    /// What is known of it.
    status: ParameterStatus,
}

impl From<ParameterRow> for Parameter {
    fn from(row: ParameterRow) -> Self {
        Self {
            region: row.key.region,
            band: row.key.band,
            priority: row.key.priority,
            name: row.name,
            unit: row.unit,
            estimate: row.estimate,
            std_error: row.std_error,
            ci_low: row.ci_low,
            ci_high: row.ci_high,
            raw_estimate: row.raw_estimate,
            pool_weight: row.pool_weight,
            status: row.status,
        }
    }
}

/// Rows that were refused, of one region and for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refusal {
    /// Region as it stands in the records; may be empty.
    region: String,
    /// The first check that the rows failed.
    reason: RefusalReason,
    /// Rows.
    count: u64,
    /// A few of the rows.
    examples: Vec<String>,
}

impl From<RefusalRow> for Refusal {
    fn from(row: RefusalRow) -> Self {
        Self { region: row.region, reason: row.reason, count: row.count, examples: row.examples }
    }
}

/// A move of the mark.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Move {
    /// Name of the job.
    scope: String,
    /// The run whose set is current from then on.
    run_id: i64,
    /// When.
    #[schema(schema_with = moment)]
    published_at: Timestamp,
    /// By whom.
    published_by: String,
    /// Why: `run`, `publish` or `rollback`.
    reason: String,
    /// What the one who did it had to say; may be empty.
    comment: String,
}

impl From<Publication> for Move {
    fn from(publication: Publication) -> Self {
        Self {
            scope: publication.scope,
            run_id: publication.run_id.0,
            published_at: publication.published_at,
            published_by: publication.published_by,
            reason: publication.reason,
            comment: publication.comment,
        }
    }
}

/// Rows of a fit by what became of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rows {
    /// Read from the source.
    read: u64,
    /// Offered to a fit.
    used: u64,
    /// Refused, by the first reason that applied.
    refused: BTreeMap<&'static str, u64>,
}

impl From<RowCounts> for Rows {
    fn from(rows: RowCounts) -> Self {
        let refused = rows.refused.into_iter();
        Self {
            read: rows.read,
            used: rows.used,
            refused: refused.map(|(reason, n)| (reason.as_str(), n)).collect(),
        }
    }
}

/// What a fit found; nothing of it is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FitResults {
    /// SHA-256 of the settings that influence results.
    settings_hash: String,
    /// Milliseconds by phase.
    timing_ms: BTreeMap<String, f64>,
    /// Rows by fate.
    rows: Rows,
    /// Groups by outcome.
    groups: BTreeMap<&'static str, u64>,
    /// What the gate found, refusals first.
    findings: Vec<Finding>,
    /// Refusals by region and reason.
    refusals: Vec<Refusal>,
    /// One entry per group.
    results: Vec<FitGroup>,
}

/// What a rule of the gate found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Finding {
    /// The rule's name.
    #[schema(examples("refused_values"))]
    rule: &'static str,
    /// `refuse` or `warn`.
    severity: &'static str,
    /// What is wrong.
    message: String,
    /// What to do.
    remedy: String,
}

impl From<GateFinding> for Finding {
    fn from(finding: GateFinding) -> Self {
        Self {
            rule: finding.rule.as_str(),
            severity: finding.severity.as_str(),
            message: finding.message,
            remedy: finding.remedy,
        }
    }
}

/// A group with its parameters.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FitGroup {
    /// The group.
    group: Group,
    /// Its parameters; empty where it has none.
    parameters: Vec<Parameter>,
}

impl From<RunResults> for FitResults {
    fn from(results: RunResults) -> Self {
        let groups = results.groups.into_iter();
        let of_groups = results.results.into_iter();
        Self {
            settings_hash: results.settings_hash,
            timing_ms: results.timing_ms,
            rows: results.rows.into(),
            groups: groups.map(|(outcome, n)| (outcome.as_str(), n)).collect(),
            findings: results.findings.into_iter().map(Finding::from).collect(),
            refusals: results.refusals.into_iter().map(Refusal::from).collect(),
            results: of_groups
                .map(|of| FitGroup {
                    group: of.group.into(),
                    parameters: of.parameters.into_iter().map(Parameter::from).collect(),
                })
                .collect(),
        }
    }
}
