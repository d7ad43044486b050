//! Columns beside the samples: covariate cells, and lengths by class of road.
//!
//! They come row by row as the records do, and are turned into the order in which models read them.
//! Knows no model.

use std::cmp::Ordering;

/// What records carry beside distance and time, one entry per record and in their order.
///
/// Lengths are f64 like distances, and for the same reason: with one class the fit is that on the
/// distance, to the last digits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns {
    /// Row of the table of covariates; empty where no model reads it.
    pub cells: Vec<u16>,
    /// Classes of road; 0 where no model reads their lengths.
    pub n_classes: usize,
    /// km, not negative and finite; `n_classes` of them per record.
    pub lengths_km: Vec<f64>,
}

impl Columns {
    /// Whether there is no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.n_classes == 0
    }

    /// Lengths of one record, km; empty where there are none.
    #[must_use]
    pub fn lengths_of(&self, row: usize) -> &[f64] {
        let first = row.saturating_mul(self.n_classes);
        self.lengths_km.get(first..first.saturating_add(self.n_classes)).unwrap_or_default()
    }

    /// The entries of these records only, in this order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let lengths = rows.iter().flat_map(|&row| self.lengths_of(row)).copied();
        Self {
            cells: rows.iter().filter_map(|&row| self.cells.get(row)).copied().collect(),
            n_classes: self.n_classes,
            lengths_km: lengths.collect(),
        }
    }

    /// Adds the entries of other records, which carry the same columns.
    pub fn append(&mut self, other: &Self) {
        self.cells.extend_from_slice(&other.cells);
        self.n_classes = self.n_classes.max(other.n_classes);
        self.lengths_km.extend_from_slice(&other.lengths_km);
    }

    /// Whether the record has an entry, and a proper one, in every column that there is.
    pub(super) fn is_valid(&self, row: usize) -> bool {
        let lengths = self.lengths_of(row);
        (self.cells.is_empty() || row < self.cells.len())
            && lengths.len() == self.n_classes
            && lengths.iter().all(|km| *km >= 0.0 && km.is_finite())
    }

    /// By cell, then by lengths.
    pub(super) fn compare(&self, a: usize, b: usize) -> Ordering {
        let lengths = || self.lengths_of(a).iter().zip(self.lengths_of(b));
        (self.cells.get(a).cmp(&self.cells.get(b))).then_with(|| {
            // Zero has two forms, which are one length.
            lengths()
                .map(|(a, b)| (a + 0.0).total_cmp(&(b + 0.0)))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        })
    }

    /// The cells of these rows; empty where all are 0.
    pub(super) fn cells_in(&self, rows: &[usize]) -> Vec<u16> {
        let cells = rows.iter().filter_map(|&row| self.cells.get(row)).copied();
        if cells.clone().all(|cell| cell == 0) { Vec::new() } else { cells.collect() }
    }
}

/// Lengths column by column, as models read them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lengths {
    n_rows: usize,
    n_classes: usize,
    km: Vec<f64>,
}

impl Lengths {
    pub(super) fn in_order(columns: &Columns, rows: &[usize]) -> Self {
        let n_classes = columns.n_classes;
        let mut km = Vec::with_capacity(n_classes * rows.len());
        for class in 0..n_classes {
            km.extend(rows.iter().map(|row| columns.lengths_km[row * n_classes + class] + 0.0));
        }
        Self { n_rows: rows.len(), n_classes, km }
    }

    pub(super) fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// All records' lengths of a class, km; empty for a class that there is not.
    pub(super) fn column(&self, class: usize) -> &[f64] {
        let first = class.saturating_mul(self.n_rows);
        self.km.get(first..first.saturating_add(self.n_rows)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::observations::{Observations, Sample};
    use super::*;

    fn sample(distance_km: f64, travel_time_s: f32) -> Sample {
        Sample { distance_km, travel_time_s, weight: 1.0 }
    }

    /// Distance, cell and lengths, in the order of the observations.
    fn told(observations: &Observations) -> Vec<(f64, u16, Vec<f64>)> {
        let distances = observations.distances();
        let lengths =
            |i| (0..distances.n_classes()).map(|class| distances.lengths_km(class)[i]).collect();
        let rows = distances.km().enumerate();
        rows.map(|(i, km)| (km, observations.cell(i), lengths(i))).collect()
    }

    #[test]
    fn columns_follow_their_records_whatever_the_order() {
        let samples = vec![sample(2.0, 90.0), sample(1.0, 60.0), sample(2.0, 90.0)];
        let columns = Columns {
            cells: vec![1, 0, 0],
            n_classes: 2,
            lengths_km: vec![2., 0., 0., 1., 1., 1.],
        };
        let ordered = Observations::with_columns(samples.clone(), columns.clone());
        let expected = [(1.0, 0, vec![0., 1.]), (2.0, 0, vec![1., 1.]), (2.0, 1, vec![2., 0.])];
        assert_eq!(told(&ordered), expected);
        for rows in [[2, 1, 0], [1, 0, 2], [0, 2, 1]] {
            let turned = rows.iter().map(|&row| samples[row]).collect();
            let other = Observations::with_columns(turned, columns.select(&rows));
            assert_eq!(told(&other), expected, "{rows:?}");
        }
        let end = ordered.distances().slice(1, 2);
        assert_eq!((end.cells(), end.lengths_km(0)), (&[0, 1][..], &[1.0, 2.0][..]));
        assert_eq!(end.slice(1, 1).lengths_km(1), [0.0]);
        assert!(end.lengths_km(2).is_empty());
        assert_eq!(ordered.class_shares(), [0.6, 0.4]);
    }

    #[test]
    fn records_with_improper_entries_are_left_out() {
        let columns = Columns {
            cells: vec![3, 3, 3, 3],
            n_classes: 1,
            lengths_km: vec![1.0, -1.0, f64::NAN, 0.0],
        };
        let samples = (1..=5).map(|i| sample(f64::from(i), 60.0)).collect();
        let observations = Observations::with_columns(samples, columns);
        assert_eq!(told(&observations), [(1.0, 3, vec![1.0]), (4.0, 3, vec![0.0])]);
    }

    #[test]
    fn columns_that_say_nothing_cost_nothing() {
        let samples = vec![sample(2.0, 90.0), sample(1.0, 60.0)];
        let plain = Observations::with_columns(samples.clone(), Columns::default());
        let cells = Columns { cells: vec![0, 0], ..Columns::default() };
        let zeros = Observations::with_columns(samples, cells);
        assert_eq!(plain.samples(), zeros.samples());
        assert!(zeros.distances().cells().is_empty() && zeros.n_classes() == 0);
        assert_eq!(size_of::<Sample>(), 16);
    }

    #[test]
    fn a_shift_changes_times_of_its_cell_only() {
        let columns = Columns { cells: vec![1, 0], ..Columns::default() };
        let samples = vec![sample(2.0, 90.0), sample(1.0, 60.0)];
        let observations = Observations::with_columns(samples, columns);
        let shifted = observations.shifted(|cell| if cell == 1 { 0.5 } else { 0.0 });
        assert_eq!(shifted.ln_time()[0], observations.ln_time()[0]);
        assert_eq!(shifted.ln_time()[1], observations.ln_time()[1] - 0.5);
        assert_eq!(shifted.samples(), observations.samples());
    }
}
