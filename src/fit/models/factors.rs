//! Any model times exp(Σ β_j x_j): what the time of the week or the priority does to a trip.
//!
//! Each record has a cell, a row of a small table of the x. Published is exp(β), the factor by
//! which times differ from the reference level's; that itself has no parameter.

use std::borrow::Cow;
use std::sync::Arc;

use nalgebra::{DMatrix, DVector, SVD};

use super::super::least_squares::BLOCK_ROWS;
use super::super::observations::{Distances, Observations};
use super::{LN_LIMIT, Model, ParameterSpec, Transform};

/// A column of the table of cells of which less than this share is left, once constant and earlier
/// columns are taken out, depends on them.
const DEPENDENCE: f64 = 1e-9;
/// Singular values below this share of the largest count as zero.
const RANK_TOLERANCE: f64 = 1e-12;
/// Sweeps of the singular-value iteration.
const MAX_SWEEPS: usize = 2000;

/// A model times the factors of a record's cell. Internal: those of the model, then the β.
pub struct WithFactors {
    inner: Arc<dyn Model>,
    specs: Vec<ParameterSpec>,
    n_inner: usize,
    /// x of every factor, cell by cell.
    table: DMatrix<f64>,
}

/// What the records of a group tell of a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    /// It is the same, zero, for every record.
    Absent,
    /// What it does another factor, or the curve, does as well.
    Confounded,
}

impl WithFactors {
    /// Start of the published name of a factor.
    pub const PREFIX: &str = "factor_";

    /// `cells` has a row for each cell, with an x for each of the `names`: 1 where the cell is of
    /// that level and 0 where it is not. `None` where a row is of another length, a number is not
    /// finite, or two names are one.
    #[must_use]
    pub fn new(
        inner: Arc<dyn Model>,
        names: &[impl AsRef<str>],
        cells: &[Vec<f64>],
    ) -> Option<Self> {
        let n = names.len();
        let is_row = |row: &Vec<f64>| row.len() == n && row.iter().all(|x| x.is_finite());
        if !cells.iter().all(is_row) {
            return None;
        }
        let mut specs = inner.parameters().to_vec();
        let n_inner = specs.len();
        for name in names {
            let name = Cow::Owned(format!("{}{}", Self::PREFIX, name.as_ref()));
            if specs.iter().any(|spec| spec.name == name) {
                return None;
            }
            let transform = Transform::Exponential { factor: 1.0 };
            specs.push(ParameterSpec { name, unit: "", transform });
        }
        let table = DMatrix::from_fn(cells.len(), n, |cell, j| cells[cell][j]);
        Some(Self { inner, specs, n_inner, table })
    }

    fn n_factors(&self) -> usize {
        self.specs.len() - self.n_inner
    }

    /// x of a factor in a cell; 0 for a cell beyond the table, which is the reference level's.
    fn x(&self, cell: u16, factor: usize) -> f64 {
        self.table.get((usize::from(cell), factor)).copied().unwrap_or(0.0)
    }

    /// Σ β_j x_j of a cell.
    fn shift(&self, cell: u16, beta: &[f64]) -> f64 {
        beta.iter().enumerate().map(|(j, beta)| beta * self.x(cell, j)).sum()
    }

    /// Total weight of the records of each cell, the reference's own beyond the table included.
    fn cell_sums(
        &self,
        observations: &Observations,
        value: impl Fn(usize) -> f64,
    ) -> Vec<(f64, f64)> {
        let mut sums = vec![(0.0, 0.0); self.table.nrows() + 1];
        for (i, sample) in observations.samples().iter().enumerate() {
            let at = usize::from(observations.cell(i)).min(self.table.nrows());
            let weight = f64::from(sample.weight);
            sums[at].0 += weight;
            sums[at].1 += weight * value(i);
        }
        sums
    }

    /// Looks at the cells that there are: a factor that depends on the constant and the factors
    /// before it cannot be told from the curve and those.
    fn told(&self, observations: &Observations) -> Vec<Told> {
        let sums = self.cell_sums(observations, |_| 0.0);
        let present: Vec<usize> = (0..sums.len()).filter(|&cell| sums[cell].0 > 0.0).collect();
        let column = |j: usize| {
            DVector::from_fn(present.len(), |row, _| {
                self.table.get((present[row], j)).copied().unwrap_or(0.0)
            })
        };
        let mut basis = vec![DVector::from_element(present.len(), 1.0).normalize()];
        let mut told = Vec::with_capacity(self.n_factors());
        for j in 0..self.n_factors() {
            let whole = column(j);
            let mut rest = whole.clone();
            // Twice, since once leaves rounding of the size of what was taken out.
            for direction in basis.iter().chain(&basis) {
                rest -= direction * direction.dot(&rest);
            }
            if whole.norm() == 0.0 {
                told.push(Told::Absent);
            } else if rest.norm() <= DEPENDENCE * whole.norm() {
                told.push(Told::Confounded);
            } else {
                basis.push(rest.normalize());
                told.push(Told::Yes);
            }
        }
        told
    }

    /// The β that make the residuals of the inner model least, together with a constant.
    fn start(&self, inner: &[f64], told: &[Told], observations: &Observations) -> Vec<f64> {
        let residuals = self.residuals(inner, observations);
        let sums = self.cell_sums(observations, |i| residuals[i]);
        let free: Vec<usize> = (0..told.len()).filter(|&j| told[j] == Told::Yes).collect();
        let x = |cell: usize, j: usize| self.table.get((cell, j)).copied().unwrap_or(0.0);
        let matrix = DMatrix::from_fn(sums.len(), free.len() + 1, |cell, k| {
            let root = sums[cell].0.sqrt();
            if k == 0 { root } else { root * x(cell, free[k - 1]) }
        });
        let target = DVector::from_fn(sums.len(), |cell, _| {
            if sums[cell].0 > 0.0 { sums[cell].1 / sums[cell].0.sqrt() } else { 0.0 }
        });
        let mut beta = vec![0.0; told.len()];
        let solved = SVD::try_new(matrix, true, true, f64::EPSILON, MAX_SWEEPS)
            .and_then(|svd| svd.solve(&target, RANK_TOLERANCE * svd.singular_values.max()).ok());
        if let Some(solution) = solved.filter(|s| s.iter().all(|x| x.is_finite())) {
            for (&j, value) in free.iter().zip(solution.iter().skip(1)) {
                beta[j] = value.clamp(-LN_LIMIT, LN_LIMIT);
            }
        }
        beta
    }

    /// ln T of the records less that of the inner model.
    fn residuals(&self, inner: &[f64], observations: &Observations) -> Vec<f64> {
        let n = observations.len();
        let mut residuals = vec![0.0; n];
        let mut gradient = vec![0.0; self.n_inner * BLOCK_ROWS];
        for (block, out) in residuals.chunks_mut(BLOCK_ROWS).enumerate() {
            let (first, rows) = (block * BLOCK_ROWS, out.len());
            let distances = observations.distances().slice(first, rows);
            self.inner.evaluate(inner, distances, out, &mut gradient[..self.n_inner * rows]);
            for (r, observed) in out.iter_mut().zip(&observations.ln_time()[first..]) {
                *r = (observed - *r).clamp(-LN_LIMIT, LN_LIMIT);
            }
        }
        residuals
    }
}

impl Model for WithFactors {
    /// The inner model's: factors are told by the names of parameters.
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn parameters(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// What the records cannot tell of a factor is pinned at the reference's.
    fn bounds(&self, observations: &Observations) -> Vec<(f64, f64)> {
        let mut bounds = self.inner.bounds(observations);
        let factors = self.told(observations).into_iter();
        bounds.extend(factors.map(|told| match told {
            Told::Yes => (-LN_LIMIT, LN_LIMIT),
            Told::Absent | Told::Confounded => (0.0, 0.0),
        }));
        bounds
    }

    fn evaluate(
        &self,
        p: &[f64],
        distances: Distances<'_>,
        ln_time: &mut [f64],
        gradient: &mut [f64],
    ) {
        let n = ln_time.len();
        let (inner, beta) = p.split_at(self.n_inner);
        let (by_inner, by_factor) = gradient.split_at_mut(self.n_inner * n);
        self.inner.evaluate(inner, distances, ln_time, by_inner);
        if n == 0 {
            return;
        }
        let cells = distances.cells();
        for (j, (column, beta)) in by_factor.chunks_exact_mut(n).zip(beta).enumerate() {
            if cells.is_empty() {
                column.fill(self.x(0, j));
            }
            for (x, &cell) in column.iter_mut().zip(cells) {
                *x = self.x(cell, j);
            }
            for (out, x) in ln_time.iter_mut().zip(column.iter()) {
                *out += beta * x;
            }
        }
    }

    /// At the reference level.
    fn ln_time(&self, p: &[f64], distance_km: f64) -> f64 {
        self.inner.ln_time(&p[..self.n_inner], distance_km)
    }

    fn ln_time_of_lengths(&self, p: &[f64], lengths_km: &[f64]) -> f64 {
        self.inner.ln_time_of_lengths(&p[..self.n_inner], lengths_km)
    }

    /// Starts of the inner model on times from which the factors were taken, as they show about
    /// its best start on the times as they are.
    fn starts(&self, observations: &Observations) -> Vec<Vec<f64>> {
        let told = self.told(observations);
        let rough = self.inner.starts(observations);
        let beta = match rough.first() {
            Some(first) => self.start(first, &told, observations),
            None => vec![0.0; told.len()],
        };
        let shifted = observations.shifted(|cell| self.shift(cell, &beta));
        let mut starts = self.inner.starts(&shifted);
        for start in &mut starts {
            start.extend_from_slice(&beta);
        }
        starts
    }

    fn settle(&self, p: &mut [f64], observations: &Observations) -> Vec<Option<String>> {
        let (inner, _) = p.split_at_mut(self.n_inner);
        let mut reasons = self.inner.settle(inner, observations);
        reasons.extend(self.told(observations).into_iter().map(|told| match told {
            Told::Yes => None,
            Told::Absent => Some(ABSENT.to_owned()),
            Told::Confounded => Some(CONFOUNDED.to_owned()),
        }));
        reasons
    }
}

const ABSENT: &str = "no record of the group is of this level: taken as the reference's";
const CONFOUNDED: &str = "the records cannot tell it from the curve and the other factors: taken \
                          as the reference's";
