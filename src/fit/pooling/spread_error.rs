//! What the uncertainty of the levels' covariances adds to that of the nodes.
//!
//! Each standard deviation between the children of a level is moved in turn over what the restricted
//! likelihood allows, with a prior that is flat in the variance, as the intervals of empirical Bayes
//! need it (Morris, 1983). What the nodes' means scatter over that range, and their covariances exceed
//! on average those at the maximum, is their error beyond.

use nalgebra::DMatrix;

use super::elimination::add_scaled;
use super::levels::Plan;
use super::passes::Passes;

/// Points over the range of one deviation.
const N_POINTS: usize = 9;
/// Fall of the logarithm of the posterior density at which the range ends.
const LONGEST_FALL: f64 = 4.0;
/// Steps by which the end is sought: a factor, and a share of the assumed deviation.
const STEP: (f64, f64) = (1.3, 0.05);
/// The range ends at the latest where the deviation is so many times itself and the assumed one.
const FARTHEST: f64 = 3.0;

/// One row-major matrix a node, flat, to be added to its covariance.
pub(super) fn excess(
    passes: &mut Passes<'_>,
    plan: &Plan,
    factors: &[Vec<f64>],
    assumed: &[f64],
    n_nodes: usize,
) -> Vec<DMatrix<f64>> {
    let p = passes.p;
    let log_likelihood = passes.up(factors);
    let maximum = State::of(passes, factors, n_nodes);
    let mut excess = vec![0.0; n_nodes * p * p];
    for shared in &plan.shared {
        for j in (0..p).filter(|&j| !shared.is_fixed[j]) {
            let row = |factor: &Vec<f64>| {
                factor[j * p..(j + 1) * p].iter().map(|l| l * l).sum::<f64>().sqrt()
            };
            let deviation = shared.levels.first().map_or(0.0, |&level| row(&factors[level]));
            if deviation.is_nan() || deviation <= 0.0 {
                continue;
            }
            let moved = |to: f64| {
                let mut moved = factors.to_vec();
                for &level in &shared.levels {
                    let row = &mut moved[level][j * p..(j + 1) * p];
                    row.iter_mut().for_each(|l| *l *= to / deviation);
                }
                moved
            };
            let mut density = |to: f64| passes.up(&moved(to)) - log_likelihood + to.ln();
            let end = end_of_range(&mut density, deviation, assumed[j]);
            let mut share = Share::none(n_nodes * p * p);
            for point in 0..N_POINTS {
                let to = (point as f64 + 0.5) / N_POINTS as f64 * end;
                let weight = (passes.up(&moved(to)) - log_likelihood).exp() * to;
                share.add(weight, &State::of(passes, &moved(to), n_nodes), &maximum, p);
            }
            share.add_to(&mut excess, p);
        }
    }
    excess.chunks_exact(p * p).map(|entries| DMatrix::from_row_slice(p, p, entries)).collect()
}

fn end_of_range(density: &mut impl FnMut(f64) -> f64, deviation: f64, assumed: f64) -> f64 {
    let farthest = FARTHEST * (deviation + assumed);
    let (mut end, mut top) = (deviation, density(deviation));
    while end < farthest {
        end = (STEP.0 * end + STEP.1 * assumed).min(farthest);
        let at = density(end);
        top = top.max(at);
        if at.is_nan() || at < top - LONGEST_FALL {
            break;
        }
    }
    end
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
