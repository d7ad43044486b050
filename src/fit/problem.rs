//! A model and the records of a group as a least-squares problem on ln T.

use super::least_squares::LeastSquares;
use super::models::Model;
use super::observations::Observations;

/// Residuals are ln T(model) − ln T(record), times the square root of the record's weight.
pub(super) struct TravelTimes<'a> {
    model: &'a dyn Model,
    observations: &'a Observations,
    bounds: Vec<(f64, f64)>,
}

impl<'a> TravelTimes<'a> {
    pub(super) fn new(model: &'a dyn Model, observations: &'a Observations) -> Self {
        Self { model, observations, bounds: model.bounds(observations) }
    }
}

impl LeastSquares for TravelTimes<'_> {
    fn n_parameters(&self) -> usize {
        self.bounds.len()
    }

    fn n_rows(&self) -> usize {
        self.observations.len()
    }

    fn bounds(&self) -> &[(f64, f64)] {
        &self.bounds
    }

    fn residual_noise(&self) -> f64 {
        self.observations.residual_noise()
    }

    fn fill(&self, parameters: &[f64], first: usize, jacobian: &mut [f64], residuals: &mut [f64]) {
        let n = residuals.len();
        let distances = self.observations.distances().slice(first, n);
        self.model.evaluate(parameters, distances, residuals, jacobian);
        for (r, observed) in residuals.iter_mut().zip(&self.observations.ln_time()[first..]) {
            *r -= observed;
        }
        if let Some(roots) = self.observations.sqrt_weight().get(first..first + n) {
            for column in jacobian.chunks_exact_mut(n).chain(std::iter::once(residuals)) {
                for (entry, root) in column.iter_mut().zip(roots) {
                    *entry *= root;
                }
            }
        }
    }
}
