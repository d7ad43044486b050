//! What metrics tell of one scope: pure data, whoever renders, pushes or serves it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::refusal::{RefusalReason, RefusalRow};
use super::run::{Publication, RunRow};

/// Name of the phase that is the whole run.
pub const PHASE_TOTAL: &str = "total";

/// One scope as its ledger tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScopeMetrics {
    /// Name of the job.
    pub scope: String,
    /// The run that ended last; `None` before the first.
    pub last: Option<RunRow>,
    /// When a run last ended well, whatever came after it.
    pub last_success_at: Option<Timestamp>,
    /// Rows that the last run refused, by reason.
    pub refused: BTreeMap<RefusalReason, u64>,
    /// Seconds by phase of the last run; `total` at least, where the run had started.
    pub phases_s: BTreeMap<String, f64>,
    /// The mark; `None` before the first publication.
    pub current: Option<Publication>,
}

impl ScopeMetrics {
    /// What the ledger alone tells; of the phases that is the total.
    #[must_use]
    pub fn new(
        scope: &str,
        last: Option<RunRow>,
        refusals: &[RefusalRow],
        last_success_at: Option<Timestamp>,
        current: Option<Publication>,
    ) -> Self {
        let mut refused: BTreeMap<RefusalReason, u64> = BTreeMap::new();
        for row in refusals {
            *refused.entry(row.reason).or_default() += row.count;
        }
        let took_s = last.as_ref().and_then(|run| {
            let took = run.finished_at?.duration_since(run.started_at?);
            Some(took.as_secs_f64().max(0.0))
        });
        let phases_s = took_s.map(|took_s| (PHASE_TOTAL.to_owned(), took_s)).into_iter().collect();
        Self { scope: scope.to_owned(), last, last_success_at, refused, phases_s, current }
    }

    /// Adds what only the process that ran knows: its phases, in milliseconds.
    #[must_use]
    pub fn with_phases(mut self, timing_ms: &BTreeMap<String, f64>) -> Self {
        self.phases_s.extend(timing_ms.iter().map(|(phase, ms)| {
            // To the microsecond, as it was measured.
            (phase.clone(), (ms * 1e3).round() / 1e6)
        }));
        self
    }
}
