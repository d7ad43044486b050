//! Restricted maximum likelihood of the levels' covariances: EM, accelerated by extrapolation.
//!
//! With the child's step from its parent written L·w, Ω = L·Lᵀ, w standard normal, a step of EM
//! takes L to L·chol(W), W the mean of E[w·wᵀ] over the informed nodes that share Ω: covariances
//! stay positive definite, and W = 1 where the likelihood is stationary. Three points of EM are
//! extrapolated (SQUAREM) in the logarithms of L's diagonal and its scaled entries below; what
//! would lower the likelihood is thrown away for the step of EM, which cannot.
//!
//! Sources: Dempster, Laird and Rubin (1977); Varadhan and Roland, Simple and globally convergent
//! methods for accelerating the convergence of any EM algorithm (2008).

use super::PoolOptions;
use super::elimination::{add_scaled, semidefinite_factor};
use super::levels::{Plan, Shared};
use super::passes::Passes;
use super::spread_prior::SpreadPrior;

/// Least diagonal entry of L as a share of its row: correlations up to ±(1 − 5e-13).
const LEAST_SHARE: f64 = 1e-6;
/// Least diagonal entry of L as a share of its start, the deviation of a typical estimate: a
/// smaller variance between nodes shows in no digit.
const LEAST_OF_START: f64 = 1e-8;
/// Greatest change of a logarithm by one extrapolation.
const LONGEST_LEAP: f64 = 4.0;
/// Factor by which longer extrapolations are tried after each success (Varadhan and Roland).
const STRETCH: f64 = 4.0;
/// Change of the log-likelihood that is rounding, as a share of the number of its terms and of
/// itself.
const ROUNDING: f64 = 1e-14;
/// Cycles in a row without more gain than that after which it ends. They are not wasted: near its
/// maximum the likelihood shows half of the digits that EM still improves.
const IDLE_CYCLES: u32 = 12;

/// Why the estimation of covariances ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A step of EM would change no covariance by more than the tolerance.
    Converged,
    /// The likelihood no longer rises by more than rounding.
    LikelihoodConverged,
    /// Out of passes; the covariances are the best so far.
    IterationLimit,
    /// The stop signal was noticed; the covariances are the best so far.
    Cancelled,
    /// No covariance was to be estimated.
    NothingToEstimate,
}

impl Ending {
    /// The name in tables and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::LikelihoodConverged => "likelihood_converged",
            Self::IterationLimit => "iteration_limit",
            Self::Cancelled => "cancelled",
            Self::NothingToEstimate => "nothing_to_estimate",
        }
    }
}

/// Covariances as factors, one for each group of levels that share theirs.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) factors: Vec<Vec<f64>>,
    pub(super) ending: Ending,
    pub(super) n_iterations: u64,
    pub(super) path: Vec<f64>,
}

/// Factors of each group of levels, their likelihood, and where EM takes them.
#[derive(Debug, Clone)]
struct Point {
    factors: Vec<Vec<f64>>,
    log_likelihood: f64,
    next: Vec<Vec<f64>>,
    /// Greatest |W − 1|.
    change: f64,
}

/// Maximises from the plan's start, with a prior on the covariances where there is one.
pub(super) fn maximise(
    passes: &mut Passes<'_>,
    plan: &Plan,
    options: &PoolOptions,
    prior: Option<&SpreadPrior>,
    stopped: &dyn Fn() -> bool,
) -> Fitted {
    let start: Vec<Vec<f64>> = plan.shared.iter().map(|shared| shared.start.clone()).collect();
    let mut search = Search { passes, plan, prior, n_iterations: 0 };
    let mut at = search.visit(start);
    let mut path = vec![at.log_likelihood];
    let (mut longest, mut n_idle) = (1.0, 0);
    let is_all_fixed = plan.shared.iter().all(|shared| !shared.is_fixed.contains(&false));
    let ending = loop {
        if is_all_fixed {
            break Ending::NothingToEstimate;
        }
        if at.change <= options.tolerance {
            break Ending::Converged;
        }
        if n_idle >= IDLE_CYCLES {
            break Ending::LikelihoodConverged;
        }
        if stopped() {
            break Ending::Cancelled;
        }
        // A cycle takes up to three passes.
        if search.n_iterations + 3 > options.max_iterations {
            break Ending::IterationLimit;
        }
        let before = at.log_likelihood;
        at = search.cycle(at, &mut longest, &mut path);
        let is_idle = at.log_likelihood - before <= search.rounding(before);
        n_idle = if is_idle { n_idle + 1 } else { 0 };
    };
    let n_iterations = search.n_iterations;
    Fitted { factors: at.factors, ending, n_iterations, path }
}

struct Search<'a, 'b> {
    passes: &'a mut Passes<'b>,
    plan: &'a Plan,
    prior: Option<&'a SpreadPrior>,
    n_iterations: u64,
}

impl Search<'_, '_> {
    /// One step of EM and one extrapolation, or a second step; the likelihood does not fall.
    fn cycle(&mut self, at: Point, longest: &mut f64, path: &mut Vec<f64>) -> Point {
        let first = self.visit(at.next.clone());
        path.push(first.log_likelihood);
        let (leap, length) = extrapolated(self.plan, &at, &first, *longest);
        if length >= *longest {
            *longest *= STRETCH;
        }
        if length > 1.0 {
            let far = self.visit(leap);
            if far.log_likelihood >= first.log_likelihood - self.rounding(first.log_likelihood) {
                path.push(far.log_likelihood);
                return far;
            }
            *longest = (length / STRETCH).max(1.0);
        }
        let second = self.visit(first.next);
        path.push(second.log_likelihood);
        second
    }

    fn rounding(&self, log_likelihood: f64) -> f64 {
        ROUNDING * (self.passes.is_informed.len() as f64 + log_likelihood.abs())
    }

    /// Both passes with these factors.
    fn visit(&mut self, factors: Vec<Vec<f64>>) -> Point {
        self.n_iterations += 1;
        let by_level = spread(self.plan, &factors, self.passes.p);
        let shared = || self.plan.shared.iter().zip(&factors);
        let of_prior = |prior: &SpreadPrior| shared().map(|(s, f)| prior.ln_density(s, f)).sum();
        let log_likelihood = self.passes.up(&by_level) + self.prior.map_or(0.0, of_prior);
        let log_likelihood =
            if log_likelihood.is_finite() { log_likelihood } else { f64::NEG_INFINITY };
        let moments = self.passes.down(&by_level, false);
        let p = self.passes.p;
        let (mut next, mut change) = (Vec::new(), 0.0);
        for (shared, factor) in self.plan.shared.iter().zip(&factors) {
            let mut mean = vec![0.0; p * p];
            let n: usize = shared.levels.iter().map(|&level| self.plan.n_informed[level]).sum();
            for &level in &shared.levels {
                add_scaled(&mut mean, 1.0 / n.max(1) as f64, &moments[level]);
            }
            if let Some(prior) = self.prior {
                prior.add_to(shared, factor, &mut mean, n);
            }
            let (moved, by) = moved(shared, factor, &mean, p);
            change = f64::max(change, by);
            next.push(moved);
        }
        Point { factors, log_likelihood, next, change }
    }
}

/// One factor a level, zero for levels that have none.
pub(super) fn spread(plan: &Plan, factors: &[Vec<f64>], p: usize) -> Vec<Vec<f64>> {
    let mut by_level = vec![vec![0.0; p * p]; plan.n_informed.len()];
    for (shared, factor) in plan.shared.iter().zip(factors) {
        for &level in &shared.levels {
            by_level[level].clone_from(factor);
        }
    }
    by_level
}

/// L·chol(W), of the diagonal alone where there are no correlations, and the greatest |W − 1| of
/// what is free to move.
fn moved(shared: &Shared, factor: &[f64], mean: &[f64], p: usize) -> (Vec<f64>, f64) {
    let mut moved = factor.to_vec();
    let is_low: Vec<bool> = (0..p).map(|j| is_at_floor(shared, factor, j, p)).collect();
    let is_free = |j: usize| !(shared.is_fixed[j] || is_low[j] && mean[j * p + j] < 1.0);
    let mut change: f64 = 0.0;
    for j in 0..p {
        for k in 0..=j {
            let is_used = is_free(j) && is_free(k) && (j == k || shared.is_full);
            let distance = (mean[j * p + k] - f64::from(u8::from(j == k))).abs();
            change = if is_used { change.max(distance) } else { change };
        }
    }
    if let (true, Some(root)) = (shared.is_full, semidefinite_factor(mean, p)) {
        for (out, line) in moved.chunks_exact_mut(p).zip(factor.chunks_exact(p)) {
            out.fill(0.0);
            for (l, row) in line.iter().zip(root.chunks_exact(p)) {
                add_scaled(out, *l, row);
            }
        }
    } else {
        for j in (0..p).filter(|&j| !shared.is_fixed[j]) {
            moved[j * p + j] *= mean[j * p + j].max(0.0).sqrt();
        }
    }
    raise_to_floor(shared, &mut moved, p);
    (moved, change)
}

fn row_length(factor: &[f64], j: usize, p: usize) -> f64 {
    factor[j * p..(j + 1) * p].iter().map(|l| l * l).sum::<f64>().sqrt()
}

fn floor(shared: &Shared, factor: &[f64], j: usize, p: usize) -> f64 {
    let of_start = LEAST_OF_START * shared.start[j * p + j];
    of_start.max(LEAST_SHARE * row_length(factor, j, p))
}

fn is_at_floor(shared: &Shared, factor: &[f64], j: usize, p: usize) -> bool {
    factor[j * p + j] <= 1.001 * floor(shared, factor, j, p)
}

fn raise_to_floor(shared: &Shared, factor: &mut [f64], p: usize) {
    for j in (0..p).filter(|&j| !shared.is_fixed[j]) {
        factor[j * p + j] = factor[j * p + j].max(floor(shared, factor, j, p));
    }
}

/// Coordinates of all factors: ln of the diagonal, entries below it in units of `scale`'s rows.
fn coordinates(plan: &Plan, factors: &[Vec<f64>], scale: &[Vec<f64>]) -> Vec<f64> {
    let mut all = Vec::new();
    for ((shared, factor), scale) in plan.shared.iter().zip(factors).zip(scale) {
        let p = shared.is_fixed.len();
        for j in (0..p).filter(|&j| !shared.is_fixed[j]) {
            let length = row_length(scale, j, p);
            all.push(factor[j * p + j].ln());
            all.extend((0..j).map(|k| factor[j * p + k] / length));
        }
    }
    all
}

/// The factors at the end of the leap from two steps of EM, and the length of the leap in steps;
/// a length of one is the second step of EM.
fn extrapolated(plan: &Plan, at: &Point, first: &Point, longest: f64) -> (Vec<Vec<f64>>, f64) {
    let scale = &at.factors;
    let x0 = coordinates(plan, scale, scale);
    let x1 = coordinates(plan, &first.factors, scale);
    let x2 = coordinates(plan, &first.next, scale);
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let step: Vec<f64> = x1.iter().zip(&x0).map(|(b, a)| b - a).collect();
    let bend: Vec<f64> = (0..x0.len()).map(|i| x2[i] - x1[i] - step[i]).collect();
    let length = (norm(&step) / norm(&bend)).clamp(1.0, longest);
    if !length.is_finite() {
        return (first.next.clone(), 1.0);
    }
    let mut leap = (0..x0.len()).map(|i| {
        let by = 2.0 * length * step[i] + length * length * bend[i];
        x0[i] + by.clamp(-LONGEST_LEAP, LONGEST_LEAP)
    });
    let mut factors = scale.clone();
    for (shared, factor) in plan.shared.iter().zip(&mut factors) {
        let p = shared.is_fixed.len();
        for j in (0..p).filter(|&j| !shared.is_fixed[j]) {
            let length = row_length(factor, j, p);
            factor[j * p + j] = leap.next().unwrap_or(0.0).exp();
            for k in 0..j {
                factor[j * p + k] = leap.next().unwrap_or(0.0) * length;
            }
        }
        raise_to_floor(shared, factor, p);
    }
    (factors, length)
}
