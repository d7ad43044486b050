//! One group: every candidate model fitted to its records and scored on the latest of them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::{GroupKey, Observed};
use crate::fit::holdout::{self, HeldOut, NotHeldOut, Trial};
use crate::fit::options::Intervals;
use crate::fit::summary::{DistanceBin, distance_bins};
use crate::fit::{FitOptions, FitReport, Identification, Metrics, Model, Observations, fit};

use super::choose::Criterion;
use super::collect::GroupRecords;
use super::current::CurrentParameters;
use super::fitting::FittedGroup;
use super::gate;
use super::judge::no_fit;
use super::plan::RunPlan;
use super::pool::PoolPlan;
use super::preference::{Compared, Comparison};

/// Points of a group's plot: more would not be told apart.
const N_PLOT_BINS: usize = 20;

/// What is done to every group.
pub(super) struct Task {
    /// The candidates, simplest first; the last is the one asked for unless one is to be chosen.
    pub(super) models: Vec<Arc<dyn Model>>,
    options: FitOptions,
    /// Where the latest records begin, and the fewest on either side.
    cut: Option<(u32, usize)>,
    current: CurrentParameters,
    pool: PoolPlan,
    pub(super) comparison: Comparison,
}

impl Task {
    pub(super) fn new(
        plan: &RunPlan,
        models: Vec<Arc<dyn Model>>,
        cut: Option<u32>,
        current: CurrentParameters,
        comparison: Comparison,
    ) -> Self {
        let cut = cut.map(|cut| (cut, plan.holdout.min_records));
        let (options, pool) = (plan.fit_options.clone(), plan.pool);
        Self { models, options, cut, current, pool, comparison }
    }

    /// How well what is current for a group describes its records: what is published of it where the
    /// judge objects to the new fit.
    fn current_metrics(&self, key: &GroupKey, observations: &Observations) -> Option<Metrics> {
        // Of the run's own model where it is the same: that one knows its factors and classes.
        let own = self.models.iter().find(|model| self.current.is_of(key, model.name()));
        let model = own.or(self.models.last())?;
        self.current.with_forecast(key, &**model, |current| current?.metrics(observations))
    }
}

/// One candidate's fit.
struct ModelFit {
    report: Result<FitReport, String>,
    held_out: Option<Result<HeldOut, NotHeldOut>>,
}

/// A group with the fits of all candidates.
pub(super) struct GroupFits {
    pub(super) key: GroupKey,
    pub(super) n_used: u64,
    n_refused: u64,
    shortest_km: f64,
    longest_km: f64,
    class_shares: Vec<f64>,
    bins: Vec<DistanceBin>,
    current_metrics: Option<Metrics>,
    pub(super) compared: Option<Compared>,
    held_out_from: Option<Timestamp>,
    observed: Observed,
    earlier: Observed,
    shape: gate::Shape,
    n_old: u64,
    fits: Vec<ModelFit>,
    /// The records, where they may be fitted again with a prior.
    pub(super) observations: Option<Observations>,
}

/// Fits one group; a panic anywhere in that work is the group's failure.
pub(super) fn fit_group(group: GroupRecords, task: &Task, stopped: &dyn Fn() -> bool) -> GroupFits {
    let (key, n_refused, n_used) = (group.key.clone(), group.n_refused, group.samples.len() as u64);
    let n_old = group.watch.n_old;
    let done = caught(|| fitted(group, task, stopped));
    let is_refitted = done.as_ref().is_ok_and(|work| {
        work.fits.iter().any(|of| task.pool.takes(n_used, of.report.as_ref().ok()))
    });
    let work = done.unwrap_or_else(|why| Work::failed(&task.models, &why));
    GroupFits {
        key,
        n_used,
        n_refused,
        shortest_km: work.shortest_km,
        longest_km: work.longest_km,
        class_shares: work.class_shares,
        bins: work.bins,
        current_metrics: work.current_metrics,
        compared: work.compared,
        held_out_from: task.cut.and_then(|(cut, _)| Timestamp::from_second(cut.into()).ok()),
        fits: work.fits,
        observed: work.observed,
        earlier: work.earlier,
        shape: work.shape,
        n_old,
        observations: is_refitted.then_some(work.observations),
    }
}

/// The outcome of some work for one group, or that it panicked.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let work = std::panic::AssertUnwindSafe(work);
    std::panic::catch_unwind(work).map_err(|_| "the fit panicked: a mistake in speedfit".to_owned())
}

/// What comes of a group's records.
struct Work {
    shortest_km: f64,
    observed: Observed,
    earlier: Observed,
    shape: gate::Shape,
    longest_km: f64,
    class_shares: Vec<f64>,
    bins: Vec<DistanceBin>,
    current_metrics: Option<Metrics>,
    compared: Option<Compared>,
    fits: Vec<ModelFit>,
    observations: Observations,
}

impl Work {
    /// No candidate fits.
    fn failed(models: &[Arc<dyn Model>], why: &str) -> Self {
        let fit = |_: &Arc<dyn Model>| ModelFit { report: Err(why.to_owned()), held_out: None };
        Self {
            shortest_km: 0.0,
            observed: Observed::default(),
            earlier: Observed::default(),
            shape: gate::Shape::default(),
            longest_km: 0.0,
            class_shares: Vec::new(),
            bins: Vec::new(),
            current_metrics: None,
            compared: None,
            fits: models.iter().map(fit).collect(),
            observations: Observations::new(Vec::new()),
        }
    }
}

fn fitted(group: GroupRecords, task: &Task, stopped: &dyn Fn() -> bool) -> Work {
    let distances = || group.samples.iter().map(|s| s.distance_km);
    let shortest_km = distances().reduce(f64::min).unwrap_or_default();
    let longest_km = distances().fold(0.0, f64::max);
    let (observed, earlier, shape) = gate::observed(&group.watch, &group.samples);
    // The parts first: they copy, and what is left is then moved.
    let parts = (task.cut)
        .map(|(cut, _)| holdout::parts(&group.samples, &group.columns, &group.times, cut));
    let observations = Observations::with_columns(group.samples, group.columns);
    // Of a group that is pooled nobody reads the intervals of its own fit.
    let is_pooled = task.pool.takes(observations.len() as u64, None);
    let intervals = if is_pooled { Intervals::Wald } else { task.options.intervals };
    let options = FitOptions { intervals, ..task.options.clone() };
    let fit = |model: &Arc<dyn Model>| {
        let report = fit(&**model, &observations, &options, stopped);
        let held_out = held_out(&**model, &group.key, parts.as_ref(), task, stopped);
        ModelFit { report: Ok(report), held_out }
    };
    let fits = task.models.iter().map(fit).collect();
    Work {
        shortest_km,
        longest_km,
        class_shares: observations.class_shares(),
        bins: distance_bins(&observations, N_PLOT_BINS),
        current_metrics: task.current_metrics(&group.key, &observations),
        compared: task.comparison.compare(&group.key, &observations, stopped),
        observed,
        earlier,
        shape,
        fits,
        observations,
    }
}

/// The score on the latest records, beside that of what is current.
fn held_out(
    model: &dyn Model,
    key: &GroupKey,
    parts: Option<&(Observations, Observations)>,
    task: &Task,
    stopped: &dyn Fn() -> bool,
) -> Option<Result<HeldOut, NotHeldOut>> {
    let (parts, (_, min_records)) = parts.zip(task.cut)?;
    let trial = Trial { model, options: &task.options, min_records };
    let current = &task.current;
    Some(
        current.with_forecast(key, model, |current| {
            holdout::hold_out(&trial, parts, current, stopped)
        }),
    )
}

impl GroupFits {
    /// Each candidate's score: the lower, the better.
    pub(super) fn scores(&self, criterion: Criterion) -> Vec<Option<f64>> {
        let score = |of: &ModelFit| {
            let report = of.report.as_ref().ok()?;
            match criterion {
                Criterion::Bic => report.bic,
                Criterion::Aic => report.aic,
                Criterion::Holdout => {
                    let held_out = of.held_out.as_ref()?.as_ref().ok()?;
                    Some(-held_out.new.log_score * held_out.n as f64)
                }
            }
        };
        self.fits.iter().map(score).collect()
    }

    /// The candidate itself, or the next simpler one all of whose parameters the records tell; the
    /// candidate where there is none.
    pub(super) fn told(&self, candidate: usize) -> usize {
        let is_told = |j: usize| {
            self.fits.get(j).and_then(|of| of.report.as_ref().ok()).is_some_and(|report| {
                let mut rows = report.estimates.iter();
                !report.estimates.is_empty()
                    && rows.all(|row| row.identification != Identification::NotIdentified)
            })
        };
        (0..=candidate).rev().find(|&j| is_told(j)).unwrap_or(candidate)
    }

    /// Why nothing can come of the group: no candidate fits, or there are too few records, and no
    /// other group lends a hand.
    pub(super) fn is_lost(&self, min_records: u64) -> Option<String> {
        if self.observations.is_some() {
            return None;
        }
        if self.n_used < min_records {
            return Some(format!("{} records, {min_records} needed", self.n_used));
        }
        let why = |of: &ModelFit| match &of.report {
            Ok(report) => no_fit(report),
            Err(why) => Some(why.clone()),
        };
        let all: Option<Vec<String>> = self.fits.iter().map(why).collect();
        all?.pop()
    }

    /// The group with the fit of one candidate.
    pub(super) fn into_group(mut self, candidate: usize, choice: String) -> FittedGroup {
        let fit = self.fits.swap_remove(candidate);
        FittedGroup {
            key: self.key,
            n_used: self.n_used,
            n_refused: self.n_refused,
            shortest_km: self.shortest_km,
            longest_km: self.longest_km,
            class_shares: self.class_shares,
            bins: self.bins,
            fit: fit.report,
            pooled: None,
            current_metrics: self.current_metrics,
            held_out: fit.held_out,
            held_out_from: self.held_out_from,
            choice,
            observed: self.observed,
            earlier: self.earlier,
            shape: self.shape,
            n_old: self.n_old,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names the place, so that the panic hook's line shows it was meant.
    #[test]
    fn a_panic_is_a_failure_in_words() {
        assert_eq!(caught(|| 7), Ok(7));
        let why = caught(|| -> u8 { panic!("a test panics here on purpose") }).unwrap_err();
        assert_eq!(why, "the fit panicked: a mistake in speedfit");
    }
}
