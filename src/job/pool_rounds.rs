//! Pooling in turns: what a group of few records tells depends on where its parameters lie, and that on
//! what all tell.
//!
//! Each round makes the records of every group linear about its shrunk estimate and pools anew, until no
//! estimate moves by more than a small share of its own error. Knows no models by name.

use nalgebra::{DMatrix, DVector};

use crate::fit::options::Loss;
use crate::fit::pooling::with_prior::Refit;
use crate::fit::pooling::{self, Evidence, NodeEstimate};
use crate::fit::{FitOptions, Model, Observations, evidence_about, refit};

use super::group_fit::caught;

/// Rounds at the most; ten are usual.
const MAX_ROUNDS: usize = 40;
/// Move of an estimate, in its own deviations, under which it has settled.
const SETTLED: f64 = 0.01;
/// Passes over the tree of one round, and how exactly: the next one begins elsewhere.
pub(super) const PASSES_OF_A_ROUND: (u64, f64) = (60, 1e-4);

/// A group whose records are made linear anew in each round.
pub(super) struct Turn<'a> {
    /// Its place among the members.
    pub(super) member: usize,
    pub(super) observations: &'a Observations,
    /// Pooled standard deviation of ln T.
    pub(super) sigma: f64,
}

/// A group's parameters and their covariance on the scale of the fit.
pub(super) type Estimate = (DVector<f64>, DMatrix<f64>);

/// The evidence of every turn once it has settled; an error of a group names its panic.
///
/// `pooled` gives the posterior and the prior of each member for some evidence, or says why there is
/// none; it is called once before the first round.
pub(super) fn settled(
    model: &dyn Model,
    options: &FitOptions,
    turns: &[Turn<'_>],
    evidence: &mut [Evidence],
    stopped: &dyn Fn() -> bool,
    mut pooled: impl FnMut(&[Evidence]) -> Result<Vec<(Estimate, Evidence)>, String>,
) -> Result<Vec<(usize, String)>, String> {
    let mut panicked = Vec::new();
    let mut nodes = pooled(evidence)?;
    // From the most likely parameters of each group, by Lindstrom and Bates: nearer to the end than
    // the pool of fits of few records.
    for turn in turns {
        let (at, prior) = &mut nodes[turn.member];
        let fitted = || refit(model, turn.observations, prior, turn.sigma, options, stopped);
        if let Ok(Ok(fit)) = caught(fitted) {
            at.0 = DVector::from_vec(fit.parameters);
            if let Some(covariance) = fit.covariance.filter(|c| c.diagonal().min() > 0.0) {
                at.1 = covariance;
            }
        }
    }
    for _ in 0..MAX_ROUNDS {
        if stopped() {
            break;
        }
        for turn in turns {
            let (mean, covariance) = &nodes[turn.member].0;
            let about = (mean.as_slice(), covariance);
            let told = || evidence_about(model, turn.observations, about, turn.sigma, options);
            evidence[turn.member] = caught(told).unwrap_or_else(|why| {
                panicked.push((turn.member, why));
                Evidence::none(mean.len())
            });
        }
        let next = pooled(evidence)?;
        let is_settled = turns.iter().all(|turn| {
            let (before, after) = (&nodes[turn.member].0, &next[turn.member].0);
            (0..after.0.len()).all(|j| {
                let moved = (after.0[j] - before.0[j]).abs();
                moved <= SETTLED * after.1[(j, j)].sqrt()
            })
        });
        nodes = next;
        if is_settled {
            break;
        }
    }
    Ok(panicked)
}

/// Whether groups tell of their parameters by least squares alone: only then does a round, which knows
/// nothing else, give the evidence of their own fits.
pub(super) fn is_plain(options: &FitOptions) -> bool {
    options.loss == Loss::LeastSquares && !options.is_likelihood()
}

/// The covariance of a fit with a prior, and the share in it of what the uncertainty of the spread
/// between groups adds to the prior.
pub(super) fn with_error_of_prior(node: &NodeEstimate, fit: &Refit) -> DMatrix<f64> {
    let Some(covariance) = &fit.covariance else {
        return &node.covariance + &node.spread_error;
    };
    let share = pooling::pool_matrix(&fit.evidence, &node.prior);
    let mut error = &share * &node.spread_error * share.transpose();
    for j in (0..fit.at_bound.len()).filter(|&j| fit.at_bound[j]) {
        error.row_mut(j).fill(0.0);
        error.column_mut(j).fill(0.0);
    }
    covariance + error
}

#[cfg(test)]
mod tests;
