//! What a run is to do, decided before it starts.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::domain::{Limits, RunRequest, Selection, Splits};
use crate::fit::{FitOptions, Model};

use super::judge::JudgeRules;

/// What to do with a second record of the same incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedIds {
    /// Take it: several vehicles answer one incident.
    Keep,
    /// Refuse it. Costs about 16 bytes per record.
    Refuse,
}

/// Everything that decides the outcome of a run, apart from the records.
#[derive(Clone)]
pub struct RunPlan {
    /// Who asked for what; the window of the run stands here.
    pub request: RunRequest,
    /// Regions asked for.
    pub selection: Selection,
    /// Which records are accepted.
    pub limits: Limits,
    /// What groups are split by.
    pub splits: Splits,
    /// What to do with repeats.
    pub repeated_ids: RepeatedIds,
    /// What is fitted.
    pub model: Arc<dyn Model>,
    /// How hard.
    pub fit_options: FitOptions,
    /// Fits at once.
    pub workers: NonZeroUsize,
    /// What may be published.
    pub judge: JudgeRules,
    /// Read, fit and judge, but leave no trace in the store.
    pub dry_run: bool,
}
