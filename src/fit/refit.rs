//! The records of a small group fitted again, with what all other groups tell as prior.

use nalgebra::DMatrix;

use super::bounds::Ranges;
use super::models::Model;
use super::observations::Observations;
use super::options::FitOptions;
use super::pooling::with_prior::{self, Refit};
use super::pooling::{self, Evidence};
use super::problem::TravelTimes;
use super::report::Termination;

/// Fits a model to the records, any number of them, with a prior on its internal parameters.
///
/// `prior` is that of the group's node after pooling, `sigma_log` the pooled standard deviation of
/// ln T. Without records, or where no record lies where a parameter shows, the prior decides.
///
/// # Errors
///
/// [`Termination::Cancelled`] or [`Termination::NoFiniteStart`], see [`with_prior::refit`].
pub fn refit(
    model: &dyn Model,
    observations: &Observations,
    prior: &Evidence,
    sigma_log: f64,
    options: &FitOptions,
    stopped: &dyn Fn() -> bool,
) -> Result<Refit, Termination> {
    let problem = problem(model, observations, options);
    let starts = if observations.is_empty() { Vec::new() } else { model.starts(observations) };
    with_prior::refit(&problem, &starts, prior, sigma_log, options, stopped)
}

/// What the records tell of a model's parameters that are known to be about `mean`, as exactly as
/// `covariance` says: see [`pooling::averaged`].
#[must_use]
pub fn evidence_about(
    model: &dyn Model,
    observations: &Observations,
    (mean, covariance): (&[f64], &DMatrix<f64>),
    sigma_log: f64,
    options: &FitOptions,
) -> Evidence {
    pooling::averaged(&problem(model, observations, options), mean, covariance, sigma_log)
}

/// Least squares of the model within its bounds.
fn problem<'a>(
    model: &'a dyn Model,
    observations: &'a Observations,
    options: &FitOptions,
) -> TravelTimes<'a> {
    let mut bounds = Ranges::of(model, observations, options).0.bounds;
    bounds.truncate(model.parameters().len());
    TravelTimes::within(model, observations, bounds)
}
