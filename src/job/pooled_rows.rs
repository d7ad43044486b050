//! From a normal distribution on the scale of the fit to rows in published units.

use std::borrow::Cow;

use nalgebra::{DMatrix, DVector};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::domain::ParameterStatus;
use crate::fit::models::{ParameterSpec, Transform};
use crate::fit::{Estimate, FitReport, Identification};

use super::pool::PooledEstimate;

/// How one internal parameter is published.
pub(super) struct Scale(ParameterSpec);

impl Scale {
    pub(super) fn of(spec: &ParameterSpec) -> Self {
        Self(spec.clone())
    }

    /// Of ln of the standard deviation of ln T.
    pub(super) fn sigma() -> Self {
        Self(ParameterSpec {
            name: Cow::Borrowed("sigma_log"),
            unit: "",
            transform: Transform::Exponential { factor: 1.0 },
        })
    }
}

/// One row per parameter, marked as pooled.
pub(super) fn rows(
    scales: &[Scale],
    mean: &DVector<f64>,
    covariance: &DMatrix<f64>,
    weights: &[f64],
    confidence: f64,
) -> Vec<PooledEstimate> {
    let quantile = Normal::standard().inverse_cdf(0.5 + 0.5 * confidence);
    let row = |(j, (Scale(spec), weight)): (usize, (&Scale, &f64))| {
        let deviation = covariance[(j, j)].max(0.0).sqrt();
        let half_width = quantile * deviation;
        let std_error = deviation * spec.slope(mean[j]).abs();
        let is_told = deviation > 0.0 && std_error.is_finite();
        let (a, b) = (spec.published(mean[j] - half_width), spec.published(mean[j] + half_width));
        let end = |end: f64| (is_told && end.is_finite()).then_some(end);
        PooledEstimate {
            estimate: Estimate {
                name: spec.name.clone(),
                unit: spec.unit,
                value: spec.published(mean[j]),
                std_error: is_told.then_some(std_error),
                interval: (end(a.min(b)), end(a.max(b))),
                identification: Identification::Ok,
                reason: String::new(),
            },
            raw: None,
            weight: weight.clamp(0.0, 1.0),
            status: ParameterStatus::Pooled,
        }
    };
    scales.iter().zip(weights).enumerate().map(row).collect()
}

/// Row-major correlations of the first parameters, as many as the covariance has; unknown beyond.
pub(super) fn correlations(covariance: &DMatrix<f64>, n_rows: usize) -> Vec<Option<f64>> {
    let p = covariance.nrows();
    let entry = |j: usize, k: usize| {
        if j == k {
            return Some(1.0);
        }
        if j >= p || k >= p {
            return None;
        }
        let value = covariance[(j, k)] / (covariance[(j, j)] * covariance[(k, k)]).sqrt();
        value.is_finite().then(|| value.clamp(-1.0, 1.0))
    };
    (0..n_rows * n_rows).map(|at| entry(at / n_rows, at % n_rows)).collect()
}

/// A group's own estimates.
pub(super) struct Raw<'a>(pub(super) Option<&'a FitReport>);

impl Raw<'_> {
    pub(super) fn put_into(&self, rows: &mut [PooledEstimate]) {
        let Some(report) = self.0 else { return };
        for row in rows {
            row.raw = report.value(&row.estimate.name).filter(|value| value.is_finite());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_published_units() {
        let scales = [
            Scale(ParameterSpec {
                name: Cow::Borrowed("cruise_speed_kmh"),
                unit: "km/h",
                transform: Transform::Exponential { factor: 60.0 },
            }),
            Scale(ParameterSpec {
                name: Cow::Borrowed("class_speed_a_kmh"),
                unit: "km/h",
                transform: Transform::Reciprocal,
            }),
        ];
        let mean = DVector::from_vec(vec![0.0, 0.5]);
        let covariance = DMatrix::from_row_slice(2, 2, &[0.01, 0.005, 0.005, 0.0025]);
        let rows = rows(&scales, &mean, &covariance, &[0.25, 1.5], 0.95);
        let speed = &rows[0].estimate;
        assert!((speed.value - 60.0).abs() < 1e-12);
        assert!((speed.std_error.unwrap() - 6.0).abs() < 1e-12);
        let (low, high) = (speed.interval.0.unwrap(), speed.interval.1.unwrap());
        assert!((low * high - 3600.0).abs() < 1e-9 && (high / 60.0).ln() - 0.196 < 1e-4);
        let class = &rows[1].estimate;
        assert_eq!((class.value, rows[1].weight), (2.0, 1.0));
        let (low, high) = (class.interval.0.unwrap(), class.interval.1.unwrap());
        assert!((1.0 / low - 0.598).abs() < 1e-3 && (1.0 / high - 0.402).abs() < 1e-3);
        let square = correlations(&covariance, 3);
        assert_eq!(square[1], Some(1.0));
        assert_eq!((square[0], square[2], square[8]), (Some(1.0), None, Some(1.0)));
    }
}
