//! What a run is to do, decided before it starts.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::domain::{Limits, RunRequest, Selection, Splits};
use crate::fit::models::{self, RoadClass, WithFactors};
use crate::fit::{FitOptions, Model};
use crate::ports::{Lengths, ReadQuery};

use super::collect::{Collected, Collector};
use super::covariates::FactorPlan;
use super::judge::JudgeRules;

/// What to do with a second record of the same incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedIds {
    /// Take it: several vehicles answer one incident.
    Keep,
    /// Refuse it. Costs about 16 bytes per record.
    Refuse,
}

/// How the model comes about: that of some depends on what the records hold.
#[derive(Clone)]
pub enum ModelRecipe {
    /// This one.
    Plain(Arc<dyn Model>),
    /// [`RoadClass`], of the classes that the records have.
    RoadClass,
}

impl ModelRecipe {
    /// The recipe of that name in settings.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        if name == models::ROAD_CLASS {
            return Some(Self::RoadClass);
        }
        models::by_name(name).map(Self::Plain)
    }

    /// Name in settings and results.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain(model) => model.name(),
            Self::RoadClass => models::ROAD_CLASS,
        }
    }

    /// Whether it reads lengths by class of road.
    #[must_use]
    pub fn needs_lengths(&self) -> bool {
        matches!(self, Self::RoadClass)
    }

    /// The model for these records; `None` where they carry no lengths and it needs them.
    #[must_use]
    pub fn build(&self, collected: &Collected) -> Option<Arc<dyn Model>> {
        let model: Arc<dyn Model> = match self {
            Self::Plain(model) => Arc::clone(model),
            Self::RoadClass => Arc::new(RoadClass::new(&collected.classes)?),
        };
        let covariates = &collected.covariates;
        if covariates.names.is_empty() {
            return Some(model);
        }
        Some(Arc::new(WithFactors::new(model, &covariates.names, &covariates.cells)?))
    }
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
    pub model: ModelRecipe,
    /// What multiplies it.
    pub factors: FactorPlan,
    /// Share of the records, the latest, that is kept out of the fit to score it; 0 keeps none, and
    /// the times of records are not held then.
    pub holdout_share: f64,
    /// How hard.
    pub fit_options: FitOptions,
    /// Fits at once.
    pub workers: NonZeroUsize,
    /// What may be published.
    pub judge: JudgeRules,
    /// Read, fit and judge, but leave no trace in the store.
    pub dry_run: bool,
}

impl RunPlan {
    /// What is asked of the source.
    #[must_use]
    pub fn query(&self) -> ReadQuery {
        ReadQuery {
            window: self.request.window,
            selection: self.selection.clone(),
            lengths: if self.model.needs_lengths() { Lengths::Needed } else { Lengths::No },
        }
    }

    /// What sorts the records.
    #[must_use]
    pub fn collector(&self) -> Collector<'_> {
        let collector = Collector::new(&self.limits, &self.splits, self.repeated_ids);
        collector.keeping(&self.factors, self.holdout_share > 0.0)
    }
}
