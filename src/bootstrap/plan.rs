//! From settings to what a run is to do.

use std::num::NonZeroUsize;

use jiff::Timestamp;

use super::BootstrapError;
use crate::config::{self, Factor, Loaded, Settings};
use crate::domain::{RunRequest, Selection, Trigger};
use crate::fit::FitOptions;
use crate::fit::options::{Bound, Covariance, Errors, Intervals, Loss, SpreadModel};
use crate::job::{FactorPlan, JudgeRules, ModelRecipe, RepeatedIds, RunPlan};

/// Who asks for a run, and how it differs from the settings.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What made it start.
    pub trigger: Trigger,
    /// Who asked.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: String,
    /// Regions asked for.
    pub selection: Selection,
    /// Leave no trace.
    pub dry_run: bool,
}

/// What a run that starts `now` is to do.
///
/// # Errors
/// [`BootstrapError`], which settings that were loaded do not cause.
pub fn plan(loaded: &Loaded, ask: Ask, now: Timestamp) -> Result<RunPlan, BootstrapError> {
    let settings = &loaded.settings;
    let window = settings.window(now).map_err(BootstrapError::Window)?;
    let model = model(settings)?;
    Ok(RunPlan {
        request: RunRequest {
            scope: settings.scope.clone(),
            trigger: ask.trigger,
            requested_by: ask.requested_by,
            reason: ask.reason,
            window,
            model: model.name().to_owned(),
            settings_hash: loaded.hash.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            requested_at: now,
        },
        selection: ask.selection,
        limits: settings.limits(window),
        splits: settings.splits(),
        repeated_ids: match settings.accept.repeated_ids {
            config::RepeatedIds::Keep => RepeatedIds::Keep,
            config::RepeatedIds::Refuse => RepeatedIds::Refuse,
        },
        model,
        factors: FactorPlan {
            bands: settings.week_bands().filter(|_| settings.has_factor(Factor::Band)),
            by_priority: settings.has_factor(Factor::Priority),
        },
        holdout_share: settings.holdout.share,
        fit_options: fit_options(&settings.fit),
        workers: workers(settings.fit.workers),
        judge: judge_rules(settings),
        dry_run: ask.dry_run,
    })
}

fn model(settings: &Settings) -> Result<ModelRecipe, BootstrapError> {
    let name = settings.fit.model.as_str();
    ModelRecipe::by_name(name).ok_or_else(|| BootstrapError::UnknownModel(name.to_owned()))
}

fn fit_options(fit: &config::Fit) -> FitOptions {
    let defaults = FitOptions::default();
    // The settings take the same names as the fit, which a test holds.
    FitOptions {
        max_iterations: fit.max_iterations,
        confidence: fit.confidence,
        loss: Loss::by_name(fit.loss.as_str()).unwrap_or(defaults.loss),
        errors: match fit.errors {
            config::Errors::Normal => Errors::Normal,
            config::Errors::StudentT => {
                Errors::StudentT { dof: (fit.tail_dof > 0.0).then_some(fit.tail_dof) }
            }
        },
        spread: SpreadModel::by_name(fit.spread.as_str()).unwrap_or(defaults.spread),
        covariance: Covariance::by_name(fit.covariance.as_str()).unwrap_or(defaults.covariance),
        intervals: Intervals::by_name(fit.intervals.as_str()).unwrap_or(defaults.intervals),
        bounds: fit.bounds.iter().map(bound).collect(),
        ..defaults
    }
}

fn bound(setting: &config::BoundSetting) -> Bound {
    Bound { name: setting.name.clone(), min: setting.min, max: setting.max }
}

fn workers(asked: usize) -> NonZeroUsize {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    NonZeroUsize::new(asked).unwrap_or(cores)
}

fn judge_rules(settings: &Settings) -> JudgeRules {
    let judge = &settings.judge;
    JudgeRules {
        min_records: judge.min_records,
        min_cruise_speed_kmh: judge.min_cruise_speed_kmh,
        max_cruise_speed_kmh: judge.max_cruise_speed_kmh,
        max_time_change: judge.max_time_change,
        reference_distances_km: judge.reference_distances_km.clone(),
        min_share_published: judge.min_share_published,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::models;

    #[test]
    fn settings_name_the_models_that_there_are() {
        let all = models::NAMES.into_iter().chain([models::ROAD_CLASS]);
        assert_eq!(config::MODELS, all.collect::<Vec<_>>());
        for name in config::MODELS {
            assert_eq!(ModelRecipe::by_name(name).map(|recipe| recipe.name()), Some(*name));
        }
    }

    #[test]
    fn settings_name_the_choices_that_there_are() {
        assert_eq!(config::Loss::NAMES, Loss::NAMES);
        assert_eq!(config::Spread::NAMES, SpreadModel::NAMES);
        assert_eq!(config::Covariance::NAMES, Covariance::NAMES);
        assert_eq!(config::Intervals::NAMES, Intervals::NAMES);
    }
}
