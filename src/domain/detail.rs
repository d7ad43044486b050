//! What a fit tells of a group beyond the columns of its row: one nested document per group, so that
//! more can be told without another column in every table.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::observed::Observed;

/// The nested part of a group's row. Whatever is missing in a stored document is empty here, so that
/// rows of an older version read as they are. Numbers are finite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupDetail {
    /// Correlations of the estimates: the lower triangle without its diagonal, row by row, over the
    /// group's parameter rows in their order: (1,0), (2,0), (2,1), (3,0) … On the scale on which
    /// intervals are made. `None` where one of the two has no standard error; empty where unknown.
    pub correlations: Vec<Option<f64>>,
    /// Log-likelihood of the travel times in seconds at the estimates, natural logarithm.
    pub log_likelihood: Option<f64>,
    /// Akaike's criterion; smaller is better.
    pub aic: Option<f64>,
    /// Bayes' criterion (Schwarz); smaller is better.
    pub bic: Option<f64>,
    /// How the model does on records that it was not fitted to.
    pub holdout: Option<Holdout>,
    /// Shortest trip of the group's own records that the parameters stand on, km; `None` where none
    /// do. The view `current_speed` reads it under this name.
    pub distance_min_km: Option<f64>,
    /// Longest of these trips, km.
    pub distance_max_km: Option<f64>,
    /// What the records looked like that the parameters were learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
}

impl GroupDetail {
    /// Whether nothing is told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The form of [`correlations`](Self::correlations) for `n_rows` parameter rows, of a square
    /// row-major matrix over the first of them, as many as it has rows; unknown beyond it.
    #[must_use]
    pub fn packed(square: &[Option<f64>], n_rows: usize) -> Vec<Option<f64>> {
        let n_square = square.len().isqrt();
        let pairs = (0..n_rows).flat_map(|row| (0..row).map(move |column| (row, column)));
        let entry = |(row, column): (usize, usize)| {
            let is_inside = row < n_square;
            let found = is_inside.then(|| square[row * n_square + column]).flatten();
            found.filter(|r| r.is_finite())
        };
        if square.is_empty() { Vec::new() } else { pairs.map(entry).collect() }
    }

    /// What goes along with parameters that a later set takes over: that set's run has held nothing
    /// out for them.
    #[must_use]
    pub fn carried_over(&self) -> Self {
        Self { holdout: None, ..self.clone() }
    }
}

/// Scores on the latest records of a group, by a model fitted to those before them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holdout {
    /// Records fitted.
    pub n_train: u64,
    /// Records scored.
    pub n: u64,
    /// Time from which on records were held out.
    pub from: Option<Timestamp>,
    /// Scores of the model, fitted anew to the records before that time.
    pub new: Scores,
    /// Scores, on the same records, of the parameters that were current. They may have been fitted
    /// to some of these records.
    pub current: Option<Scores>,
}

/// How well a predicted distribution of travel times meets records.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean absolute error of the predicted median, s.
    pub mae_s: f64,
    /// Median of |predicted median − observed| / observed.
    pub median_ape: f64,
    /// Share of records at or under the predicted 90th percentile.
    pub share_under_p90: f64,
    /// Mean, over the held-out records, of the logarithm of the predicted density of ln T at the
    /// observed ln T; larger is better. The unit of T does not matter to it.
    pub log_score: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_without_a_key_reads_as_empty() {
        let detail: GroupDetail = serde_json::from_str(r#"{"aic":2.5,"later":[1]}"#).unwrap();
        assert_eq!(detail, GroupDetail { aic: Some(2.5), ..GroupDetail::default() });
        assert!(!detail.is_empty());
        assert!(serde_json::from_str::<GroupDetail>("{}").unwrap().is_empty());
    }

    #[test]
    fn correlations_are_packed_row_by_row() {
        let square = [1.0, 0.1, 0.2, 0.1, 1.0, f64::NAN, 0.2, f64::NAN, 1.0].map(Some);
        let check = |n_rows: usize, expected: &[Option<f64>]| {
            assert_eq!(GroupDetail::packed(&square, n_rows), expected, "{n_rows}");
        };
        check(0, &[]);
        check(1, &[]);
        check(2, &[Some(0.1)]);
        check(3, &[Some(0.1), Some(0.2), None]);
        check(4, &[Some(0.1), Some(0.2), None, None, None, None]);
        assert_eq!(GroupDetail::packed(&[], 4), []);
    }

    #[test]
    fn what_is_carried_over_was_not_held_out() {
        let scores = Scores { mae_s: 1.0, median_ape: 0.1, share_under_p90: 0.9, log_score: -0.3 };
        let holdout = Holdout { n_train: 8, n: 2, from: None, new: scores, current: None };
        let detail = GroupDetail {
            correlations: vec![Some(0.5), None],
            holdout: Some(holdout),
            ..GroupDetail::default()
        };
        let expected = GroupDetail { holdout: None, ..detail.clone() };
        assert_eq!(detail.carried_over(), expected);
    }
}
