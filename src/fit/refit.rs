//! The records of a small group fitted again, with what all other groups tell as prior.

use super::bounds::Ranges;
use super::models::Model;
use super::observations::Observations;
use super::options::FitOptions;
use super::pooling::Evidence;
use super::pooling::with_prior::{self, Refit};
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
    let mut bounds = Ranges::of(model, observations, options).0.bounds;
    bounds.truncate(model.parameters().len());
    let problem = TravelTimes::within(model, observations, bounds);
    let starts = if observations.is_empty() { Vec::new() } else { model.starts(observations) };
    with_prior::refit(&problem, &starts, prior, sigma_log, options, stopped)
}
