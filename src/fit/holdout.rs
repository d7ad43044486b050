//! How well a model predicts records that come after those it was fitted to.
//!
//! One cut in time serves all groups of a run, so that nothing of the future reaches a fit. Knows
//! no clock: times are numbers that ascend.

use super::columns::Columns;
use super::errors::Law;
use super::fitting::fit;
use super::least_squares::BLOCK_ROWS;
use super::metrics::{metrics, weighted_median};
use super::models::{LN_LIMIT, Model};
use super::observations::{Observations, Sample};
use super::options::{FitOptions, Intervals};
use super::report::{Metrics, Termination};
use super::spread::Scatter;

/// Stands for the time of a record that has none: such a record is never held out.
pub const NO_TIME: u32 = u32::MAX;

/// Scores of predicted distributions on records, each counted by its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Mean absolute error of the predicted median, s.
    pub mae_s: f64,
    /// Median of |predicted median − observed| / observed.
    pub median_ape: f64,
    /// Share of records at or under the predicted 90th percentile.
    pub share_under_p90: f64,
    /// Mean logarithm of the predicted density of ln T at the observed ln T; larger is better.
    pub log_score: f64,
}

/// What holding out told of one group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOut {
    /// Records fitted, not weighted.
    pub n_train: usize,
    /// Records scored, not weighted.
    pub n: usize,
    /// Scores of the model, fitted to the records before the cut.
    pub new: Scores,
    /// Scores of the other parameters on the same records; `None` where there are none, or where
    /// they give a held-out record no density.
    pub other: Option<Scores>,
}

/// Why a group has no scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotHeldOut {
    /// Too few records before the cut.
    #[error("{n} records before the cut, {needed} needed")]
    TooFewBefore {
        /// Records there.
        n: usize,
        /// Records needed.
        needed: usize,
    },
    /// Too few records from the cut on.
    #[error("{n} records from the cut on, {needed} needed")]
    TooFewAfter {
        /// Records there.
        n: usize,
        /// Records needed.
        needed: usize,
    },
    /// The fit to the records before the cut tells no distribution.
    #[error("the records before the cut give no fit: {}", .0.as_str())]
    NoFit(Termination),
    /// The curve passes through every record before the cut: by rounding alone nothing is predicted.
    #[error("the records before the cut do not scatter")]
    NoScatter,
    /// A held-out record has no density: it is off a curve without spread.
    #[error("a held-out record lies where the fit expects none")]
    NoDensity,
    /// The stop signal was noticed.
    #[error("stopped before it was done")]
    Stopped,
}

/// The time from which on the latest `share` of the records that have a time lie: those at or after
/// it are held out, at most that share, and fewer where many records have one time. `None` where
/// that is none of the records, or all of them. Takes the times of every group, in any order.
#[must_use]
pub fn cut_time(groups: &[&[u32]], share: f64) -> Option<u32> {
    let times = || groups.iter().flat_map(|times| times.iter()).filter(|t| **t != NO_TIME);
    let n_from = |cut: u32| times().filter(|t| **t >= cut).count();
    let n_timed = times().count();
    let n_wanted = n_timed as f64 * share.clamp(0.0, 1.0);
    // By halves of the range of numbers: some passes over the times instead of a copy of them.
    let (mut low, mut high) = (0_u32, NO_TIME);
    while low < high {
        let middle = low + (high - low) / 2;
        if n_from(middle) as f64 <= n_wanted {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let n_held = n_from(low);
    (n_held > 0 && n_held < n_timed).then_some(low)
}

/// Rows of the records before the cut and from the cut on; a record without time is before it.
#[must_use]
pub fn split(times: &[u32], cut: u32) -> (Vec<usize>, Vec<usize>) {
    (0..times.len()).partition(|&row| times[row] == NO_TIME || times[row] < cut)
}

/// The records before the cut and those from it on, ready for [`hold_out`]: `times` are those of
/// `samples`, with what `columns` carry beside them.
#[must_use]
pub fn parts(
    samples: &[Sample],
    columns: &Columns,
    times: &[u32],
    cut: u32,
) -> (Observations, Observations) {
    let (before, after) = split(times, cut);
    let [before, after] = [before, after].map(|rows| {
        let chosen = rows.iter().filter_map(|&row| samples.get(row)).copied().collect();
        Observations::with_columns(chosen, columns.select(&rows))
    });
    (before, after)
}

/// What is fitted to the records before the cut.
pub struct Trial<'a> {
    /// The model.
    pub model: &'a dyn Model,
    /// How it is fitted; intervals are Wald's here, since nobody reads them.
    pub options: &'a FitOptions,
    /// Fewest records on either side, not weighted; to fit, at least one more than parameters.
    pub min_records: usize,
}

/// Fits a model to the records before the cut and scores it, and `other` parameters as well, on
/// those from the cut on.
///
/// # Errors
/// [`NotHeldOut`] says why there is no score.
pub fn hold_out(
    trial: &Trial<'_>,
    (before, after): &(Observations, Observations),
    other: Option<&Forecast<'_>>,
    stopped: &dyn Fn() -> bool,
) -> Result<HeldOut, NotHeldOut> {
    let Trial { model, options, min_records } = *trial;
    let (n_train, n) = (before.len(), after.len());
    let needed = min_records.max(model.parameters().len() + 1);
    if n_train < needed {
        return Err(NotHeldOut::TooFewBefore { n: n_train, needed });
    }
    let needed = min_records.max(1);
    if n < needed {
        return Err(NotHeldOut::TooFewAfter { n, needed });
    }
    let options = FitOptions { intervals: Intervals::Wald, ..options.clone() };
    let report = fit(model, before, &options, stopped);
    match report.termination {
        Termination::Cancelled => return Err(NotHeldOut::Stopped),
        Termination::ExactFit => return Err(NotHeldOut::NoScatter),
        _ => {}
    }
    let value = |name: &str| report.estimates.iter().find(|e| e.name == name).map(|e| e.value);
    let forecast = Forecast::new(model, value).ok_or(NotHeldOut::NoFit(report.termination))?;
    let new = forecast.scores(after).ok_or(NotHeldOut::NoDensity)?;
    Ok(HeldOut { n_train, n, new, other: other.and_then(|other| other.scores(after)) })
}

/// A model with published values: a distribution of the travel time for every record.
pub struct Forecast<'a> {
    model: &'a dyn Model,
    parameters: Vec<f64>,
    scatter: Scatter,
    law: Law,
}

impl<'a> Forecast<'a> {
    /// From published values, asked for by name; `None` where one is missing or out of its domain.
    pub fn new(model: &'a dyn Model, value: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        let specs = model.parameters().iter();
        let parameters = specs.map(|spec| spec.internal(value(&spec.name)?));
        Some(Self {
            model,
            parameters: parameters.collect::<Option<_>>()?,
            scatter: Scatter::from_parameters(&value)?,
            law: Law::from_parameters(&value)?,
        })
    }

    /// How well the published values describe these records; `None` without records.
    #[must_use]
    pub fn metrics(&self, observations: &Observations) -> Option<Metrics> {
        metrics(self.model, &self.parameters, &self.scatter, &self.law, None, observations)
    }

    /// Scores on these records; `None` without records, or where one of them has no density.
    #[must_use]
    pub fn scores(&self, observations: &Observations) -> Option<Scores> {
        let total = observations.weight_sum();
        let z_p90 = self.law.quantile(0.9);
        let mut errors = Vec::with_capacity(observations.len());
        let (mut mae_s, mut under, mut log_score) = (0.0, 0.0, 0.0);
        self.for_each(observations, |ln_median, ln_time, weight, time_s| {
            let scale = self.scatter.scale(ln_median);
            let z = (ln_time - ln_median) / scale;
            let error = (ln_median - ln_time).clamp(-LN_LIMIT, LN_LIMIT).exp_m1().abs();
            mae_s += weight * error * time_s / total;
            under += if ln_time <= ln_median + scale * z_p90 { weight } else { 0.0 };
            log_score += weight / total * (self.law.ln_density(z) - scale.ln());
            errors.push((error, weight));
        });
        let scores = Scores {
            mae_s,
            median_ape: weighted_median(errors, total),
            share_under_p90: (under / total).min(1.0),
            log_score,
        };
        let is_told = [scores.mae_s, scores.median_ape, scores.share_under_p90, scores.log_score];
        is_told.iter().all(|x| x.is_finite()).then_some(scores)
    }

    /// Hands on ln of the predicted median (min), ln of the observed time (min), weight and observed
    /// time (s), per record, in order.
    fn for_each(&self, observations: &Observations, mut take: impl FnMut(f64, f64, f64, f64)) {
        let n_parameters = self.parameters.len();
        let mut ln_median = [0.0; BLOCK_ROWS];
        let mut gradient = vec![0.0; n_parameters * BLOCK_ROWS];
        for (block, samples) in observations.samples().chunks(BLOCK_ROWS).enumerate() {
            let (first, n) = (block * BLOCK_ROWS, samples.len());
            let distances = observations.distances().slice(first, n);
            let gradient = &mut gradient[..n_parameters * n];
            self.model.evaluate(&self.parameters, distances, &mut ln_median[..n], gradient);
            let ln_time = &observations.ln_time()[first..];
            for ((ln_median, ln_time), sample) in ln_median.iter().zip(ln_time).zip(samples) {
                let ln_median = ln_median.clamp(-LN_LIMIT, LN_LIMIT);
                take(
                    ln_median,
                    *ln_time,
                    f64::from(sample.weight),
                    f64::from(sample.travel_time_s),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
