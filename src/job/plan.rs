//! What a run is to do, decided before it starts.

use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::{GroupKey, Limits, ParameterSet, RunRequest, Selection, Splits};
use crate::fit::models::{self, RoadClass, WithFactors};
use crate::fit::{FitOptions, Model};
use crate::ports::{Lengths, ReadQuery};

use super::choose::{ChoicePer, Criterion};
use super::collect::{Collected, Collector};
use super::covariates::FactorPlan;
use super::gate::{self, GateRules, Watch};
use super::judge::JudgeRules;
use super::pool::{PoolMode, PoolPlan};

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

/// How a model is chosen among candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoPlan {
    /// What decides.
    pub criterion: Criterion,
    /// For whom one choice is made.
    pub per: ChoicePer,
    /// Whether a simpler candidate than the chosen one serves a group whose records do not tell
    /// every parameter.
    pub simplifies: bool,
}

/// How fits are scored on records later than theirs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoldoutPlan {
    /// Share of the records, the latest, that is kept out; 0 keeps none, and the times of records
    /// are not held then.
    pub share: f64,
    /// Fewest records of a group on either side.
    pub min_records: usize,
}

/// Everything that decides the outcome of a run, apart from the records.
#[derive(Clone)]
pub struct RunPlan {
    /// Who asked for what; the window of the run stands here.
    pub request: RunRequest,
    /// The settings behind the request's hash, as one text, for whoever does it again.
    pub settings_document: String,
    /// Groups asked for.
    pub selection: Selection,
    /// Which records are accepted.
    pub limits: Limits,
    /// What groups are split by.
    pub splits: Splits,
    /// What to do with repeats.
    pub repeated_ids: RepeatedIds,
    /// What is fitted; where a model is to be chosen, the last of the candidates.
    pub model: ModelRecipe,
    /// Simpler models than that, simplest first: candidates where one is to be chosen, or where the
    /// records do not tell every parameter.
    pub simpler: Vec<ModelRecipe>,
    /// How one of the candidates is chosen; `model` is it where nothing is said.
    pub auto: Option<AutoPlan>,
    /// What multiplies it.
    pub factors: FactorPlan,
    /// How fits are scored on records later than theirs.
    pub holdout: HoldoutPlan,
    /// Which groups lean on others.
    pub pool: PoolPlan,
    /// How hard.
    pub fit_options: FitOptions,
    /// An interval that reaches above the estimate times this, or below the estimate over it, makes a
    /// parameter imprecise; 0 makes none so.
    pub imprecise_factor: f64,
    /// Other models, simplest first, that a part of the records is fitted to, so that the run can say
    /// which one they prefer; none where nothing is compared.
    pub rivals: Vec<ModelRecipe>,
    /// Fits at once.
    pub workers: NonZeroUsize,
    /// What may be published, group by group.
    pub judge: JudgeRules,
    /// What the records and the set as a whole must be like.
    pub gate: GateRules,
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
            lengths: if self.limits.needs_lengths { Lengths::Needed } else { Lengths::No },
        }
    }

    /// What sorts the records.
    #[must_use]
    pub fn collector(&self) -> Collector<'_> {
        let collector = Collector::new(&self.limits, &self.splits, self.repeated_ids);
        let collector = collector.selecting(&self.selection);
        collector.keeping(&self.factors, self.holdout.share > 0.0)
    }

    /// What notes for the gate what the rows of a run look like that starts `now`, beside the records
    /// of the published set.
    #[must_use]
    pub fn watch(&self, now: Timestamp, current: Option<&ParameterSet>) -> Watch {
        let as_of = gate::as_of(now, self.request.window);
        Watch::new(gate::moments(now, as_of, current), self.gate.units)
    }

    /// The candidates for these records, simplest first; `None` where they carry no lengths and one
    /// of them needs them.
    #[must_use]
    pub fn candidates(&self, collected: &Collected) -> Option<Vec<Arc<dyn Model>>> {
        self.simpler.iter().chain([&self.model]).map(|recipe| recipe.build(collected)).collect()
    }

    /// The models that are compared, the run's own among them, simplest first; none where nothing is.
    #[must_use]
    pub fn compared_models(&self, collected: &Collected) -> Vec<Arc<dyn Model>> {
        self.rivals.iter().filter_map(|recipe| recipe.build(collected)).collect()
    }

    /// Whether a simpler model serves where the records do not tell every parameter.
    #[must_use]
    pub fn simplifies(&self) -> bool {
        self.auto.as_ref().map_or(!self.simpler.is_empty(), |auto| auto.simplifies)
    }

    /// Adds the known regions of which no row came, so that they are served too. A selection of
    /// regions asks for those only, and split groups cannot be known before their records.
    pub fn add_silent_regions(&self, collected: &mut Collected) {
        let is_split = self.splits.bands.is_some() || self.splits.by_priority;
        if is_split || self.pool.mode == PoolMode::Off {
            return;
        }
        let known = self.limits.known_regions.iter().flatten();
        for region in known {
            if self.asks_for(&GroupKey::region(region)) {
                collected.add_region(region);
            }
        }
    }

    /// Whether a group of which the run saw no row was asked for. Where parents have a say it was
    /// not, as far as anyone can tell.
    #[must_use]
    pub fn asks_for(&self, key: &GroupKey) -> bool {
        !self.selection.reads_parents() && self.selection.takes(key, None)
    }
}
