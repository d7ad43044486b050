//! `run_results.json`: the same story as the ledger, for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ModelPreference;
use super::finding::GateFinding;
use super::parameters::{GroupOutcome, GroupRow, ParameterRow};
use super::refusal::{RefusalReason, RefusalRow};
use super::run::RunRow;

/// Version of the document's form; a change of meaning raises it, with a note in CHANGELOG.
pub const SCHEMA_VERSION: u32 = 1;

/// Rows that a run met.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Read from the source.
    pub read: u64,
    /// Offered to a fit.
    pub used: u64,
    /// Refused, by the first reason that applied. `read = used + Σ refused`.
    pub refused: BTreeMap<RefusalReason, u64>,
}

/// One group with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupResult {
    /// The group's row.
    #[serde(flatten)]
    pub group: GroupRow,
    /// Its parameters; empty where it has none.
    pub parameters: Vec<ParameterRow>,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResults {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The ledger row; `None` for a dry run and for `fit`.
    pub run: Option<RunRow>,
    /// SHA-256 of the effective settings, hexadecimal.
    pub settings_hash: String,
    /// Milliseconds by phase: `read`, `fit`, `judge`, `publish`, `total`.
    pub timing_ms: BTreeMap<String, f64>,
    /// Rows by fate.
    pub rows: RowCounts,
    /// Groups by outcome.
    pub groups: BTreeMap<GroupOutcome, u64>,
    /// What the gate found, refusals first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<GateFinding>,
    /// Refusals per region and reason, with examples.
    pub refusals: Vec<RefusalRow>,
    /// The model that the records prefer to the one that is set; absent where that is the one, or
    /// where none were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_preference: Option<ModelPreference>,
    /// One entry per group.
    pub results: Vec<GroupResult>,
}
