//! A model and the records of a group as a least-squares problem on ln T, plain or robust.

use super::least_squares::{BLOCK_ROWS, LeastSquares, dot};
use super::models::Model;
use super::observations::Observations;
use super::options::Loss;

/// Residuals are ln T(model) − ln T(record), with a robust loss the signed root of it, times the
/// square root of the record's weight.
pub(super) struct TravelTimes<'a> {
    model: &'a dyn Model,
    observations: &'a Observations,
    bounds: Vec<(f64, f64)>,
    loss: Loss,
    /// Tuning constant times scale.
    width: f64,
}

impl<'a> TravelTimes<'a> {
    /// Plain least squares within the model's own bounds.
    #[cfg(test)]
    pub(super) fn new(model: &'a dyn Model, observations: &'a Observations) -> Self {
        Self::within(model, observations, model.bounds(observations))
    }

    /// Plain least squares within these bounds.
    pub(super) fn within(
        model: &'a dyn Model,
        observations: &'a Observations,
        bounds: Vec<(f64, f64)>,
    ) -> Self {
        Self { model, observations, bounds, loss: Loss::LeastSquares, width: 1.0 }
    }

    /// The same with a loss; `width` is its tuning constant times the scale.
    pub(super) fn with_loss(&self, loss: Loss, width: f64) -> Self {
        Self { loss, width, bounds: self.bounds.clone(), ..*self }
    }

    /// The same with one parameter held.
    pub(super) fn holding(&self, parameter: usize, at: f64) -> Self {
        let mut held = Self { bounds: self.bounds.clone(), ..*self };
        held.bounds[parameter] = (at, at);
        held
    }

    pub(super) fn model(&self) -> &'a dyn Model {
        self.model
    }

    pub(super) fn observations(&self) -> &'a Observations {
        self.observations
    }

    /// Residuals of ln T without loss and weight, by block: calls `take` with the number of the
    /// first record, the residuals, and the derivatives column by column.
    pub(super) fn for_each_block(
        &self,
        parameters: &[f64],
        mut take: impl FnMut(usize, &[f64], &[f64]),
    ) {
        let n = parameters.len();
        let mut residuals = [0.0; BLOCK_ROWS];
        let mut jacobian = vec![0.0; n * BLOCK_ROWS];
        let mut first = 0;
        while first < self.observations.len() {
            let rows = BLOCK_ROWS.min(self.observations.len() - first);
            let (residuals, jacobian) = (&mut residuals[..rows], &mut jacobian[..n * rows]);
            let distances = self.observations.distances().slice(first, rows);
            self.model.evaluate(parameters, distances, residuals, jacobian);
            for (r, observed) in residuals.iter_mut().zip(&self.observations.ln_time()[first..]) {
                *r -= observed;
            }
            take(first, residuals, jacobian);
            first += rows;
        }
    }

    /// Σ weight · `factor(residual)` · JᵀJ, row-major.
    pub(super) fn products(&self, parameters: &[f64], factor: impl Fn(f64) -> f64) -> Vec<f64> {
        let n = parameters.len();
        let mut sums = vec![0.0; n * n];
        let mut scaled = [0.0; BLOCK_ROWS];
        self.for_each_block(parameters, |first, residuals, jacobian| {
            let rows = residuals.len();
            let samples = &self.observations.samples()[first..first + rows];
            for j in 0..n {
                let column = &jacobian[j * rows..(j + 1) * rows];
                for i in 0..rows {
                    scaled[i] = f64::from(samples[i].weight) * factor(residuals[i]) * column[i];
                }
                for k in 0..n {
                    sums[j * n + k] += dot(&scaled[..rows], &jacobian[k * rows..(k + 1) * rows]);
                }
            }
        });
        sums
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
        self.observations.subtract_from(first, residuals);
        if self.loss != Loss::LeastSquares {
            for i in 0..n {
                let (root, slope) = self.loss.root(residuals[i] / self.width);
                residuals[i] = self.width * root;
                for entry in jacobian[i..].iter_mut().step_by(n) {
                    *entry *= slope;
                }
            }
        }
        self.observations.weigh(first, jacobian, residuals);
    }
}
