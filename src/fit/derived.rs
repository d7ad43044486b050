//! Figures that follow from a fit, with intervals by the delta method and the full covariance.

use super::models::Model;
use super::observations::{Observations, Sample};
use super::products::quadratic;
use super::report::{FitReport, Identification};
use super::solution::Solution;
use super::uncertainty::Spread;

/// A share of a parameter in a figure (derivative times its own size) below this is none.
const NO_SHARE: f64 = 1e-12;

/// A figure with its uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Median travel time, s.
    pub median_s: f64,
    /// Standard error, s; `None` where the figure rests on what the records do not tell.
    pub std_error_s: Option<f64>,
    /// Lower and upper end, s, computed on the logarithm.
    pub interval_s: Option<(f64, f64)>,
}

impl FitReport {
    /// Median travel times at these distances (km) with intervals of probability `confidence`;
    /// `None` where there are no estimates or a distance is not positive. For a model that reads
    /// more of a record than its distance see [`FitReport::medians_of`].
    #[must_use]
    pub fn medians_at(
        &self,
        model: &dyn Model,
        distances_km: &[f64],
        confidence: f64,
    ) -> Option<Vec<Figure>> {
        let one = |distance_km: &f64| {
            let sample = Sample { distance_km: *distance_km, travel_time_s: 60.0, weight: 1.0 };
            let record = Observations::new(vec![sample]);
            self.medians_of(model, &record, confidence)?.pop()
        };
        distances_km.iter().map(one).collect()
    }

    /// Median travel times of these records, whose own times do not matter, in their order.
    ///
    /// Parameters on a bound or fixed count as known. Where a parameter that is not identified
    /// takes part in a figure there is a value, but no interval.
    #[must_use]
    pub fn medians_of(
        &self,
        model: &dyn Model,
        records: &Observations,
        confidence: f64,
    ) -> Option<Vec<Figure>> {
        let solution = self.solution.as_ref()?;
        let (n, n_model) = (records.len(), solution.n_model);
        if model.parameters().len() != n_model || solution.n_dof < 1.0 {
            return None;
        }
        let (mut ln_time, mut gradient) = (vec![0.0; n], vec![0.0; n * n_model]);
        let parameters = &solution.parameters[..n_model];
        model.evaluate(parameters, records.distances(), &mut ln_time, &mut gradient);
        let quantile = Spread::unit(solution.n_dof, 0, confidence).t_quantile();
        let figure = |i: usize| {
            let slopes: Vec<f64> = (0..n_model).map(|j| gradient[j * n + i]).collect();
            self.figure(solution, ln_time[i], &slopes, quantile)
        };
        Some((0..n).map(figure).collect())
    }

    fn figure(&self, solution: &Solution, ln_min: f64, slopes: &[f64], quantile: f64) -> Figure {
        let seconds = |ln_min: f64| (60.0 * ln_min.clamp(-690.0, 690.0).exp()).min(f64::MAX);
        let is_open = slopes.iter().zip(&self.estimates).any(|(slope, row)| {
            row.identification == Identification::NotIdentified && slope.abs() > NO_SHARE
        });
        let (n, n_model) = (solution.parameters.len(), slopes.len());
        let covariance: Vec<f64> = (0..n_model)
            .flat_map(|j| solution.covariance[j * n..j * n + n_model].iter().copied())
            .collect();
        let deviation = quadratic(&covariance, slopes).max(0.0).sqrt();
        let half_width = quantile * deviation;
        let is_told = !is_open && half_width < 50.0;
        Figure {
            median_s: seconds(ln_min),
            std_error_s: is_told.then(|| seconds(ln_min) * deviation),
            interval_s: is_told
                .then(|| (seconds(ln_min - half_width), seconds(ln_min + half_width))),
        }
    }
}
