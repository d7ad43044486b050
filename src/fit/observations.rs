//! The records of one group in the form in which the solver reads them.
//!
//! Beside distance and time a record may carry columns that only some models read: the cell of its
//! covariates and the lengths of its way by class of road. What no model reads costs nothing.

use std::sync::Arc;

use super::columns::{Columns, Lengths};

/// One accepted record, 16 bytes: millions of them are held at once.
///
/// The distance is f64: rounded to f32 it would move the sum of squares of a small group by more
/// than the 1e-7 to which fits are compared. Times are whole seconds in practice, exact in f32.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Distance, km; positive and finite.
    pub distance_km: f64,
    /// Travel time, s; positive and finite.
    pub travel_time_s: f32,
    /// Like records that it stands for; positive and finite.
    pub weight: f32,
}

impl Sample {
    fn is_valid(&self) -> bool {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        positive(self.distance_km)
            && positive(f64::from(self.travel_time_s))
            && positive(f64::from(self.weight))
    }

    /// The bits of positive numbers are ordered as the numbers are, and compare faster.
    fn key(&self) -> (u64, u32, u32) {
        (self.distance_km.to_bits(), self.travel_time_s.to_bits(), self.weight.to_bits())
    }
}

/// Samples in canonical order, so that a fit does not depend on the order in which they came, with
/// the columns that every evaluation needs: 16 bytes a record more, 24 with weights, and 2 for a
/// cell and 8 for each class of road where there are any.
#[derive(Debug, Clone)]
pub struct Observations {
    records: Arc<Records>,
    ln_time: Vec<f64>,
    noise: f64,
}

/// What does not change where times are shifted.
#[derive(Debug)]
struct Records {
    samples: Vec<Sample>,
    ln_distance: Vec<f64>,
    /// Square roots of the weights; empty where every weight is one.
    sqrt_weight: Vec<f64>,
    weight_sum: f64,
    /// Covariate cell of each record; empty where every record is of cell 0.
    cells: Vec<u16>,
    lengths: Lengths,
}

/// Distances of some consecutive records, ascending, with the columns that belong to them.
#[derive(Debug, Clone, Copy)]
pub struct Distances<'a> {
    samples: &'a [Sample],
    /// Natural logarithms of the kilometres.
    pub ln_km: &'a [f64],
    cells: &'a [u16],
    lengths: &'a Lengths,
    first: usize,
}

impl Observations {
    /// Orders the samples by distance, then time, then weight. Samples that break the contract of
    /// [`Sample`] (zero, negative, not finite) are left out.
    #[must_use]
    pub fn new(mut samples: Vec<Sample>) -> Self {
        samples.retain(Sample::is_valid);
        // The room to grow is not needed any more, and the columns are about to need it.
        samples.shrink_to_fit();
        samples.sort_unstable_by_key(Sample::key);
        Self::ordered(samples, Vec::new(), Lengths::default())
    }

    /// The same with columns, in the order of the samples; records that are equal in all else are
    /// ordered by cell, then by lengths. A sample without its entry in a column that is there, or
    /// with a length that is negative or not finite, is left out too.
    #[must_use]
    pub fn with_columns(samples: Vec<Sample>, columns: Columns) -> Self {
        if columns.is_empty() {
            return Self::new(samples);
        }
        let mut rows: Vec<usize> = (0..samples.len())
            .filter(|&row| samples[row].is_valid() && columns.is_valid(row))
            .collect();
        rows.sort_unstable_by(|&a, &b| {
            (samples[a].key().cmp(&samples[b].key())).then_with(|| columns.compare(a, b))
        });
        let cells = columns.cells_in(&rows);
        let lengths = Lengths::in_order(&columns, &rows);
        drop(columns);
        let samples = rows.iter().map(|&row| samples[row]).collect();
        Self::ordered(samples, cells, lengths)
    }

    fn ordered(samples: Vec<Sample>, cells: Vec<u16>, lengths: Lengths) -> Self {
        let ln_distance = samples.iter().map(|s| s.distance_km.ln()).collect();
        let ln_time: Vec<f64> =
            samples.iter().map(|s| (f64::from(s.travel_time_s) / 60.0).ln()).collect();
        let is_weighted = samples.iter().any(|s| s.weight != 1.0);
        let sqrt_weight = if is_weighted {
            samples.iter().map(|s| f64::from(s.weight).sqrt()).collect()
        } else {
            Vec::new()
        };
        let weight_sum = samples.iter().map(|s| f64::from(s.weight)).sum();
        let noise = noise(&samples, &ln_time);
        let records = Records { samples, ln_distance, sqrt_weight, weight_sum, cells, lengths };
        Self { records: Arc::new(records), ln_time, noise }
    }

    /// The same records with ln T less by `shift` of their cell: what a model without covariates
    /// is to describe once theirs are known. Only [`ln_time`](Self::ln_time) tells of it.
    #[must_use]
    pub(super) fn shifted(&self, shift: impl Fn(u16) -> f64) -> Self {
        let times = self.ln_time.iter().enumerate();
        let ln_time: Vec<f64> = times.map(|(i, t)| t - shift(self.cell(i))).collect();
        let noise = noise(&self.records.samples, &ln_time);
        Self { records: Arc::clone(&self.records), ln_time, noise }
    }

    /// The same records, each with the share of its weight that stands in `shares`; columns are kept.
    /// The order is kept too, so that it is no longer canonical among records of one distance.
    #[must_use]
    pub(super) fn reweighted(&self, shares: &[f64]) -> Self {
        let records = &*self.records;
        let pairs = records.samples.iter().zip(shares);
        let samples: Vec<Sample> = pairs
            .map(|(s, share)| Sample { weight: (f64::from(s.weight) * share) as f32, ..*s })
            .collect();
        let mut reweighted = Self::ordered(samples, records.cells.clone(), records.lengths.clone());
        reweighted.ln_time.clone_from(&self.ln_time);
        reweighted
    }

    /// The samples, ordered.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.records.samples
    }

    /// Number of samples, not weighted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ln_time.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ln_time.is_empty()
    }

    /// Sum of the weights: the number of records for which the samples stand.
    #[must_use]
    pub fn weight_sum(&self) -> f64 {
        self.records.weight_sum
    }

    /// Shortest and longest distance, km.
    #[must_use]
    pub fn distance_range(&self) -> Option<(f64, f64)> {
        Some((self.samples().first()?.distance_km, self.samples().last()?.distance_km))
    }

    /// All distances, with the columns.
    #[must_use]
    pub fn distances(&self) -> Distances<'_> {
        Distances {
            samples: &self.records.samples,
            ln_km: &self.records.ln_distance,
            cells: &self.records.cells,
            lengths: &self.records.lengths,
            first: 0,
        }
    }

    /// Natural logarithms of the travel times in minutes.
    #[must_use]
    pub fn ln_time(&self) -> &[f64] {
        &self.ln_time
    }

    /// Covariate cell of one of the records.
    #[must_use]
    pub fn cell(&self, row: usize) -> u16 {
        self.records.cells.get(row).copied().unwrap_or(0)
    }

    /// Classes of road whose lengths the records carry.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.records.lengths.n_classes()
    }

    /// Share of each class of road in the length of all ways, weighted; empty without lengths.
    #[must_use]
    pub fn class_shares(&self) -> Vec<f64> {
        let weighted = |class: usize| {
            let lengths = self.records.lengths.column(class).iter();
            let sum: f64 =
                lengths.zip(self.samples()).map(|(km, s)| km * f64::from(s.weight)).sum();
            sum.min(1e300)
        };
        let sums: Vec<f64> = (0..self.n_classes()).map(weighted).collect();
        let all: f64 = sums.iter().sum::<f64>().min(f64::MAX);
        sums.iter().map(|sum| if all > 0.0 { sum / all } else { 0.0 }).collect()
    }

    /// Square roots of the weights; empty where every weight is one.
    #[must_use]
    pub(super) fn sqrt_weight(&self) -> &[f64] {
        &self.records.sqrt_weight
    }

    /// Makes ln T of a model into residuals of the records from `first` on.
    pub(super) fn subtract_from(&self, first: usize, ln_time: &mut [f64]) {
        for (r, observed) in ln_time.iter_mut().zip(&self.ln_time[first..]) {
            *r -= observed;
        }
    }

    /// Weighs the residuals of the records from `first` on, and every column of their Jacobian, with
    /// the root of the record's weight.
    pub(super) fn weigh(&self, first: usize, jacobian: &mut [f64], residuals: &mut [f64]) {
        let n = residuals.len();
        if let Some(roots) = self.records.sqrt_weight.get(first..first + n) {
            for column in jacobian.chunks_exact_mut(n).chain(std::iter::once(residuals)) {
                for (entry, root) in column.iter_mut().zip(roots) {
                    *entry *= root;
                }
            }
        }
    }

    /// Norm of the rounding error of the weighted residuals of ln T.
    #[must_use]
    pub(super) fn residual_noise(&self) -> f64 {
        self.noise
    }
}

fn noise(samples: &[Sample], ln_time: &[f64]) -> f64 {
    let sizes = samples.iter().zip(ln_time);
    let squares: f64 = sizes.map(|(s, t)| f64::from(s.weight) * (1.0 + t * t)).sum();
    f64::EPSILON * squares.sqrt()
}

impl<'a> Distances<'a> {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The distances, km.
    pub fn km(&self) -> impl ExactSizeIterator<Item = f64> + 'a {
        self.samples.iter().map(|sample| sample.distance_km)
    }

    /// Covariate cells of the records; empty where every record is of cell 0.
    #[must_use]
    pub fn cells(&self) -> &'a [u16] {
        self.cells
    }

    /// Classes of road whose lengths the records carry.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.lengths.n_classes()
    }

    /// Lengths on the roads of one class, km; empty for a class that there is not.
    #[must_use]
    pub fn lengths_km(&self, class: usize) -> &'a [f64] {
        self.lengths.column(class).get(self.first..self.first + self.len()).unwrap_or_default()
    }

    /// One of them, km.
    #[must_use]
    pub(super) fn km_at(&self, at: usize) -> f64 {
        self.samples[at].distance_km
    }

    /// The records from `first` on, `n` of them.
    #[must_use]
    pub(super) fn slice(&self, first: usize, n: usize) -> Distances<'a> {
        Distances {
            samples: &self.samples[first..first + n],
            ln_km: &self.ln_km[first..first + n],
            cells: self.cells.get(first..first + n).unwrap_or_default(),
            lengths: self.lengths,
            first: self.first + first,
        }
    }

    /// How many of the records are not longer than `ln_limit` (ln km).
    #[must_use]
    pub(super) fn count_up_to(&self, ln_limit: f64) -> usize {
        self.ln_km.partition_point(|&ln_d| ln_d <= ln_limit)
    }
}
