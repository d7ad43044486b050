//! From settings to what a run is to do.

use std::num::NonZeroUsize;

use jiff::Timestamp;

use super::BootstrapError;
use super::world::{distance_unit, time_unit};
use crate::config::{self, Factor, Loaded, Settings};
use crate::domain::{Limits, RequestDetail, RunRequest, Selection, Trigger, Window};
use crate::fit::FitOptions;
use crate::fit::options::{Bound, Covariance, Errors, Intervals, Loss, SpreadModel};
use crate::job::choose::{ChoicePer, Criterion};
use crate::job::gate::{GateRules, Units};
use crate::job::pool::{PoolMode, PoolPlan};
use crate::job::retention::RetentionRules;
use crate::job::{
    AutoPlan, FactorPlan, HoldoutPlan, JudgeRules, ModelRecipe, RepeatedIds, RunPlan,
};

/// Who asks for a run, and how it differs from the settings.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What made it start.
    pub trigger: Trigger,
    /// Who asked.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: String,
    /// What it answers, where that is to be answered once.
    pub slot: Option<String>,
    /// What else is asked for.
    pub detail: RequestDetail,
    /// The window, where it is not the settings'.
    pub window: Option<Window>,
    /// Leave no trace.
    pub dry_run: bool,
}

impl Ask {
    /// Everything that the settings say, for no particular reason.
    #[must_use]
    pub fn new(trigger: Trigger, requested_by: impl Into<String>) -> Self {
        Self {
            trigger,
            requested_by: requested_by.into(),
            reason: String::new(),
            slot: None,
            detail: RequestDetail::default(),
            window: None,
            dry_run: false,
        }
    }
}

/// What a run that starts `now` is to do; which groups it takes, the ledger may have to tell, see
/// [`Launch::prepare`](super::Launch::prepare).
///
/// # Errors
/// [`BootstrapError::ForceWithoutReason`]; others, which settings that were loaded do not cause.
pub fn plan(loaded: &Loaded, ask: Ask, now: Timestamp) -> Result<RunPlan, BootstrapError> {
    let settings = &loaded.settings;
    if ask.detail.force && ask.reason.trim().is_empty() {
        return Err(BootstrapError::ForceWithoutReason);
    }
    let window = match ask.window {
        Some(window) => window,
        None => settings.window(now).map_err(BootstrapError::Window)?,
    };
    let (simpler, model) = models(settings)?;
    let fit_options = fit_options(&settings.fit);
    check_options(&fit_options, simpler.iter().chain([&model]))?;
    let needs_lengths = simpler.iter().any(ModelRecipe::needs_lengths) || model.needs_lengths();
    Ok(RunPlan {
        request: RunRequest {
            scope: settings.scope.clone(),
            trigger: ask.trigger,
            requested_by: ask.requested_by,
            reason: ask.reason,
            window,
            model: settings.fit.model.as_str().to_owned(),
            settings_hash: loaded.hash.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            requested_at: now,
            slot: ask.slot,
            detail: ask.detail,
        },
        settings_document: loaded.document.clone(),
        selection: Selection::default(),
        limits: Limits { needs_lengths, ..settings.limits(window) },
        splits: settings.splits(),
        repeated_ids: match settings.accept.repeated_ids {
            config::RepeatedIds::Keep => RepeatedIds::Keep,
            config::RepeatedIds::Refuse => RepeatedIds::Refuse,
        },
        model,
        simpler,
        auto: auto_plan(settings),
        factors: FactorPlan {
            bands: settings.week_bands().filter(|_| settings.has_factor(Factor::Band)),
            by_priority: settings.has_factor(Factor::Priority),
        },
        holdout: HoldoutPlan {
            share: settings.holdout.share,
            min_records: usize::try_from(settings.holdout.min_records).unwrap_or(usize::MAX),
        },
        pool: pool_plan(settings),
        fit_options,
        imprecise_factor: settings.fit.imprecise_factor,
        rivals: rivals(settings),
        workers: workers(settings.fit.workers),
        judge: judge_rules(settings),
        gate: gate_rules(settings),
        dry_run: ask.dry_run,
    })
}

/// The simpler candidates, and the model itself.
fn models(settings: &Settings) -> Result<(Vec<ModelRecipe>, ModelRecipe), BootstrapError> {
    let (name, listed) = (settings.fit.model.as_str(), &settings.auto.models);
    let listed = listed.iter().map(config::ModelName::as_str);
    let mut names: Vec<&str> = if name == config::AUTO {
        listed.collect()
    } else if settings.fit.not_identified == config::NotIdentified::Simplify {
        listed.take_while(|simpler| *simpler != name).chain([name]).collect()
    } else {
        vec![name]
    };
    let last = names.pop().unwrap_or(name);
    let recipe = |name: &str| {
        ModelRecipe::by_name(name).ok_or_else(|| BootstrapError::UnknownModel(name.to_owned()))
    };
    Ok((names.into_iter().map(recipe).collect::<Result<_, _>>()?, recipe(last)?))
}

/// The models that are compared with the one that is set, which is among them; none where one is
/// chosen anyway, and with a robust loss, which is no law and so has no likelihood.
fn rivals(settings: &Settings) -> Vec<ModelRecipe> {
    let name = settings.fit.model.as_str();
    if name == config::AUTO || settings.fit.loss != config::Loss::LeastSquares {
        return Vec::new();
    }
    let listed = settings.auto.models.iter().map(config::ModelName::as_str);
    let own = Some(name).filter(|name| listed.clone().all(|listed| listed != *name));
    listed.chain(own).filter_map(ModelRecipe::by_name).collect()
}

/// Bounds must be on parameters of the models; those of roads are known with the records only.
fn check_options<'a>(
    options: &FitOptions,
    recipes: impl Iterator<Item = &'a ModelRecipe>,
) -> Result<(), BootstrapError> {
    for recipe in recipes {
        if let ModelRecipe::Plain(model) = recipe {
            options.check(&**model)?;
        }
    }
    Ok(())
}

fn auto_plan(settings: &Settings) -> Option<AutoPlan> {
    (settings.fit.model.as_str() == config::AUTO).then(|| AutoPlan {
        criterion: match settings.auto.criterion {
            config::Criterion::Bic => Criterion::Bic,
            config::Criterion::Aic => Criterion::Aic,
            config::Criterion::Holdout => Criterion::Holdout,
        },
        per: match settings.auto.per {
            config::ChoicePer::Scope => ChoicePer::Scope,
            config::ChoicePer::Group => ChoicePer::Group,
        },
        simplifies: settings.fit.not_identified == config::NotIdentified::Simplify,
    })
}

fn pool_plan(settings: &Settings) -> PoolPlan {
    PoolPlan {
        mode: match settings.pooling.mode {
            config::PoolingMode::Off => PoolMode::Off,
            config::PoolingMode::Small => PoolMode::Small,
            config::PoolingMode::All => PoolMode::All,
        },
        min_records: settings.pooling.min_records,
        open_too: settings.fit.not_identified == config::NotIdentified::Pool,
    }
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
        bounds: judge.bounds.iter().map(bound).collect(),
        max_interval_ratio: judge.max_interval_ratio,
        max_time_change: judge.max_time_change,
        reference_distances_km: judge.reference_distances_km.clone(),
        max_change_std_errors: judge.max_change_std_errors,
        max_score_drop: judge.max_score_drop,
        min_share_published: judge.min_share_published,
        min_share_groups: judge.min_share_groups,
    }
}

/// Days of `window.days` up to which records are to be new: ten years. Who reads more of them reads
/// everything that there is.
const MAX_LIVE_DAYS: u32 = 3660;

fn gate_rules(settings: &Settings) -> GateRules {
    let gate = &settings.gate;
    GateRules {
        skip: gate.skip.iter().map(|name| name.0).collect(),
        min_rows: gate.min_rows,
        max_unreadable: gate.max_unreadable,
        max_refused_values: gate.max_refused_values,
        max_refused_values_rise: gate.max_refused_values_rise,
        max_zero_values: gate.max_zero_values,
        max_refused_others: gate.max_refused_others,
        max_refused_others_rise: gate.max_refused_others_rise,
        max_groups_without_fit: gate.max_groups_without_fit,
        max_row_factor: gate.max_row_factor,
        max_regions_changed: gate.max_regions_changed,
        max_distribution_factor: gate.max_distribution_factor,
        max_repeated_rows: gate.max_repeated_rows,
        warn_age_days: gate.warn_age_days,
        max_age_days: gate.max_age_days,
        is_live: (1..=MAX_LIVE_DAYS).contains(&settings.window.days),
        units: Units {
            distance_km: distance_unit(settings).to_km(1.0),
            time_s: time_unit(settings).to_s(1.0),
        },
        is_imported: false,
    }
}

/// How long what a run leaves is kept.
#[must_use]
pub fn retention_rules(settings: &Settings) -> RetentionRules {
    let config::Retention { sets, sets_days, runs, runs_days, current_days } = settings.retention;
    RetentionRules { sets, sets_days, runs, runs_days, current_days }
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
    fn the_judge_is_as_strict_as_the_settings_say() {
        let loaded = Settings::load(&config::Sources::default()).unwrap();
        assert_eq!(judge_rules(&loaded.settings), JudgeRules::default());
        assert_eq!(gate_rules(&loaded.settings), GateRules::default());
    }

    #[test]
    fn settings_name_the_choices_that_there_are() {
        assert_eq!(config::Loss::NAMES, Loss::NAMES);
        assert_eq!(config::Spread::NAMES, SpreadModel::NAMES);
        assert_eq!(config::Covariance::NAMES, Covariance::NAMES);
        assert_eq!(config::Intervals::NAMES, Intervals::NAMES);
    }
}
