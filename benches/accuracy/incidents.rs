//! Incident files as the job reads them, and a plan that fits them, for the tables on real data.

use std::num::NonZeroUsize;
use std::sync::Arc;

use speedfit::adapters::file::{FileOptions, FileSource};
use speedfit::domain::{Limits, RequestDetail, RunRequest, Selection, Splits, Trigger, Window};
use speedfit::fit::FitOptions;
use speedfit::job::pool::{PoolMode, PoolPlan};
use speedfit::job::{
    FactorPlan, FittedSource, GateRules, HoldoutPlan, JudgeRules, ModelRecipe, RepeatedIds,
    RunPlan, Silent, fit_source,
};
use speedfit::ports::{Clock as _, RecordSource, SystemClock};
use tokio_util::sync::CancellationToken;

/// A plan that fits one model to every group and scores it on the latest fifth.
pub(crate) fn plan(model: &str, options: FitOptions, pool: PoolMode) -> Result<RunPlan, String> {
    let name = ModelRecipe::by_name(model).ok_or_else(|| format!("no model `{model}`"))?;
    Ok(RunPlan {
        request: RunRequest {
            scope: "accuracy".into(),
            trigger: Trigger::Operator,
            requested_by: "accuracy".into(),
            reason: String::new(),
            window: Window::ALL,
            model: model.to_owned(),
            settings_hash: String::new(),
            code_version: String::new(),
            requested_at: SystemClock.now(),
            slot: None,
            detail: RequestDetail::default(),
        },
        settings_document: String::new(),
        selection: Selection::default(),
        limits: Limits::default(),
        splits: Splits::default(),
        repeated_ids: RepeatedIds::Keep,
        model: name,
        simpler: Vec::new(),
        auto: None,
        factors: FactorPlan::default(),
        holdout: HoldoutPlan { share: 0.2, min_records: 1 },
        pool: PoolPlan { mode: pool, min_records: 40, open_too: false },
        fit_options: options,
        imprecise_factor: 3.0,
        rivals: Vec::new(),
        workers: NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN),
        judge: JudgeRules::default(),
        gate: GateRules::default(),
        dry_run: true,
    })
}

/// A file of the record form.
pub(crate) fn source(path: &str) -> Arc<dyn RecordSource> {
    Arc::new(FileSource::new(FileOptions::new(path)))
}

/// The groups of a source, fitted.
pub(crate) fn fitted(
    plan: &RunPlan,
    source: &Arc<dyn RecordSource>,
) -> Result<FittedSource, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|why| why.to_string())?;
    let cancel = CancellationToken::new();
    let fitting = fit_source(plan, source, None, &SystemClock, &Silent, &cancel);
    runtime.block_on(fitting).map_err(|why| why.to_string())
}
