//! What the uncertainty of the levels' covariances adds to that of the nodes.
//!
//! The posterior density of the covariances is followed from its maximum along its principal axes, in
//! the coordinates in which the prior is given (`spread_prior`), times each deviation: near zero flat in
//! the variance, as the intervals of empirical Bayes need it (Morris, 1983). What the nodes' means scatter over each
//! axis, and their covariances exceed on average those at the maximum, is their error beyond (Kass and
//! Steffey, 1989); the axes are added.

use nalgebra::{DMatrix, SymmetricEigen};

use super::elimination::add_scaled;
use super::levels::{Plan, Shared};
use super::passes::Passes;
use super::reml::spread;
use super::spread_prior::SpreadPrior;

/// Points over the range of one axis.
const N_POINTS: usize = 9;
/// Fall of the logarithm of the posterior density at which the range ends.
const LONGEST_FALL: f64 = 4.0;
/// Distance of differences for the curvature at the maximum: a tenth of a standard deviation or more.
const DIFFERENCE: f64 = 0.1;
/// Coordinates beyond which each is an axis of its own: curvatures between all pairs would take more
/// passes than everything else.
const MOST_ROTATED: usize = 6;
/// Least curvature along an axis: with less a deviation would be unknown to a factor of e².
const LEAST_CURVATURE: f64 = 0.25;
/// Steps by which the end of a range is sought, in standard deviations, and how many.
const STEP: f64 = 0.75;
const MAX_STEPS: usize = 12;

/// One row-major matrix a node, flat, to be added to its covariance. `factors` are those of the plan's
/// groups of levels.
pub(super) fn excess(
    passes: &mut Passes<'_>,
    plan: &Plan,
    factors: &[Vec<f64>],
    prior: &SpreadPrior,
    n_nodes: usize,
) -> Vec<DMatrix<f64>> {
    let p = passes.p;
    let mut density = Density { passes, plan, prior, at: factors };
    let maximum = density.state(&vec![0.0; n_coordinates(plan)], n_nodes);
    let mut excess = vec![0.0; n_nodes * p * p];
    for axis in axes(&mut density) {
        let along = |t: f64| axis.iter().map(|x| t * x).collect::<Vec<f64>>();
        let top = density.ln(&along(0.0));
        let [low, high] = [-1.0, 1.0].map(|side| {
            let falls = |n: usize| top - density.ln(&along(side * STEP * n as f64));
            side * STEP * end_of_range(falls) as f64
        });
        let mut share = Share::none(n_nodes * p * p);
        for point in 0..N_POINTS {
            let t = low + (point as f64 + 0.5) / N_POINTS as f64 * (high - low);
            let weight = (density.ln(&along(t)) - top).exp();
            share.add(weight, &density.state(&along(t), n_nodes), &maximum, p);
        }
        share.add_to(&mut excess, p);
    }
    excess.chunks_exact(p * p).map(|entries| DMatrix::from_row_slice(p, p, entries)).collect()
}

/// The first step at which the density has fallen enough.
fn end_of_range(mut falls: impl FnMut(usize) -> f64) -> usize {
    let ends = |fall: f64| fall.is_nan() || fall >= LONGEST_FALL;
    (1..MAX_STEPS).find(|&n| ends(falls(n))).unwrap_or(MAX_STEPS)
}

/// Coordinates of all factors that are free.
fn n_coordinates(plan: &Plan) -> usize {
    let of = |shared: &Shared| {
        let n = shared.is_fixed.iter().filter(|fixed| !**fixed).count();
        if shared.is_full { n * (n + 1) / 2 } else { n }
    };
    plan.shared.iter().map(of).sum()
}

/// The posterior density of the covariances about its maximum.
struct Density<'a, 'b> {
    passes: &'a mut Passes<'b>,
    plan: &'a Plan,
    prior: &'a SpreadPrior,
    /// The maximum.
    at: &'a [Vec<f64>],
}

impl Density<'_, '_> {
    /// Factors where the coordinates have moved: logarithms of the diagonal, and entries left of it
    /// as shares of it.
    fn moved(&self, by: &[f64]) -> Vec<Vec<f64>> {
        let (p, mut by) = (self.passes.p, by.iter());
        let mut next = || by.next().copied().unwrap_or(0.0);
        let mut factors = self.at.to_vec();
        for (shared, factor) in self.plan.shared.iter().zip(&mut factors) {
            for j in (0..p).filter(|&j| !shared.is_fixed[j]) {
                let (before, after) = (factor[j * p + j], factor[j * p + j] * next().exp());
                factor[j * p + j] = after;
                for k in (0..j).filter(|_| shared.is_full) {
                    factor[j * p + k] = (factor[j * p + k] / before + next()) * after;
                }
            }
        }
        factors
    }

    fn ln(&mut self, by: &[f64]) -> f64 {
        let factors = self.moved(by);
        let prior = |(shared, factor): (&Shared, &Vec<f64>)| self.prior.ln_density(shared, factor);
        let prior: f64 = self.plan.shared.iter().zip(&factors).map(prior).sum();
        let p = self.passes.p;
        let ln_deviations = |(shared, factor): (&Shared, &Vec<f64>)| {
            let free = (0..p).filter(|&j| !shared.is_fixed[j]);
            free.map(|j| factor[j * p + j].ln()).sum::<f64>()
        };
        let flat: f64 = self.plan.shared.iter().zip(&factors).map(ln_deviations).sum();
        self.passes.up(&spread(self.plan, &factors, p)) + prior + flat
    }

    fn state(&mut self, by: &[f64], n_nodes: usize) -> State {
        let factors = spread(self.plan, &self.moved(by), self.passes.p);
        self.passes.up(&factors);
        State::of(self.passes, &factors, n_nodes)
    }
}

/// Principal axes, each one standard deviation long.
fn axes(density: &mut Density<'_, '_>) -> Vec<Vec<f64>> {
    let d = n_coordinates(density.plan);
    if d == 0 {
        return Vec::new();
    }
    let mut at = |moves: &[(usize, f64)]| {
        let mut by = vec![0.0; d];
        for (j, x) in moves {
            by[*j] += x * DIFFERENCE;
        }
        density.ln(&by)
    };
    let top = at(&[]);
    let ends: Vec<[f64; 2]> = (0..d).map(|j| [at(&[(j, 1.0)]), at(&[(j, -1.0)])]).collect();
    let mut curvature = DMatrix::zeros(d, d);
    for j in 0..d {
        curvature[(j, j)] = 2.0 * top - ends[j][0] - ends[j][1];
        for k in (0..j).filter(|_| d <= MOST_ROTATED) {
            // From ends of the same sign alone: half of the passes.
            let both = at(&[(j, 1.0), (k, 1.0)]) + at(&[(j, -1.0), (k, -1.0)]);
            let singly: f64 = ends[j].iter().chain(&ends[k]).sum();
            curvature[(j, k)] = 0.5 * (singly - both - 2.0 * top);
            curvature[(k, j)] = curvature[(j, k)];
        }
    }
    curvature /= DIFFERENCE * DIFFERENCE;
    if !curvature.iter().all(|x: &f64| x.is_finite()) {
        return Vec::new();
    }
    let eigen = SymmetricEigen::new(curvature);
    let axis = |i: usize| {
        let length = eigen.eigenvalues[i].max(LEAST_CURVATURE).sqrt().recip();
        eigen.eigenvectors.column(i).iter().map(|x| x * length).collect()
    };
    (0..d).map(axis).collect()
}

/// Means and covariances of all nodes for some covariances of the levels.
struct State {
    means: Vec<f64>,
    covariances: Vec<f64>,
}

impl State {
    /// After the pass up with these factors.
    fn of(passes: &mut Passes<'_>, factors: &[Vec<f64>], n_nodes: usize) -> Self {
        passes.down(factors, true);
        Self {
            means: (0..n_nodes).flat_map(|node| passes.mean(node).to_vec()).collect(),
            covariances: (0..n_nodes).flat_map(|node| passes.covariance(node).to_vec()).collect(),
        }
    }
}

/// Weighted sums over the range of one deviation.
struct Share {
    weight: f64,
    /// Of the squared moves of the means, and of the changes of the covariances.
    moves: Vec<f64>,
    changes: Vec<f64>,
}

impl Share {
    fn none(n_entries: usize) -> Self {
        Self { weight: 0.0, moves: vec![0.0; n_entries], changes: vec![0.0; n_entries] }
    }

    fn add(&mut self, weight: f64, state: &State, maximum: &State, p: usize) {
        if !(weight > 0.0 && weight.is_finite()) {
            return;
        }
        self.weight += weight;
        add_scaled(&mut self.changes, weight, &state.covariances);
        add_scaled(&mut self.changes, -weight, &maximum.covariances);
        let means = state.means.chunks_exact(p).zip(maximum.means.chunks_exact(p));
        for (out, (mean, before)) in self.moves.chunks_exact_mut(p * p).zip(means) {
            for (row, j) in out.chunks_exact_mut(p).zip(0..p) {
                for (entry, k) in row.iter_mut().zip(0..p) {
                    *entry += weight * (mean[j] - before[j]) * (mean[k] - before[k]);
                }
            }
        }
    }

    /// The changes only of parameters for which they are a loss: what a wider range of one deviation
    /// tells of another parameter is no reason to narrow that one's error.
    fn add_to(&self, excess: &mut [f64], p: usize) {
        if self.weight <= 0.0 {
            return;
        }
        let parts = self.moves.chunks_exact(p * p).zip(self.changes.chunks_exact(p * p));
        for (out, (moves, changes)) in excess.chunks_exact_mut(p * p).zip(parts) {
            add_scaled(out, 1.0 / self.weight, moves);
            let is_loss = |j: usize| changes[j * p + j] >= 0.0;
            for (entry, change) in changes.iter().enumerate() {
                if is_loss(entry / p) && is_loss(entry % p) {
                    out[entry] += change / self.weight;
                }
            }
        }
    }
}
