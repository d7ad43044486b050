//! Exact inference on the tree for given covariances: one pass up, one down.
//!
//! Up: every node gathers what its subtree tells and hands it to its parent through the covariance
//! of its level. Down: every node learns its mean and covariance given all evidence, and its step
//! from the parent. Flat arrays, allocated once; knows no estimation.
//!
//! Source: Dyer and McReynolds' square-root information smoother (1969), on a tree.

use super::elimination::{add_scaled, carry, fold, solve_upper};
use super::evidence::Evidence;
use super::tree::Tree;

/// State of both passes; matrices of each node are row-major, one after the other.
#[derive(Debug)]
pub(super) struct Passes<'a> {
    tree: &'a Tree,
    evidence: &'a [Evidence],
    pub(super) p: usize,
    /// What each subtree tells: `(p + 1)²` a node, the last entry what it leaves unexplained.
    sums: Vec<f64>,
    /// The step given the parent, `[T, S, s]`: `p × (2p + 1)` a node.
    steps: Vec<f64>,
    /// What each subtree tells of the parent: `p × (p + 1)` a node.
    messages: Vec<f64>,
    /// Posterior means and covariances: `p` and `p²` a node.
    means: Vec<f64>,
    covariances: Vec<f64>,
    block: Vec<f64>,
    /// Whether the subtree of a node has any evidence.
    pub(super) is_informed: Vec<bool>,
}

impl<'a> Passes<'a> {
    pub(super) fn new(tree: &'a Tree, evidence: &'a [Evidence], p: usize) -> Self {
        let n = tree.n_nodes();
        let mut is_informed: Vec<bool> = evidence.iter().map(|e| !e.is_none()).collect();
        for (node, parent) in tree.edges().rev() {
            is_informed[parent] |= is_informed[node];
        }
        Self {
            tree,
            evidence,
            p,
            sums: vec![0.0; n * (p + 1) * (p + 1)],
            steps: vec![0.0; n * p * (2 * p + 1)],
            messages: vec![0.0; n * p * (p + 1)],
            means: vec![0.0; n * p],
            covariances: vec![0.0; n * p * p],
            block: vec![0.0; p * (2 * p + 1)],
            is_informed,
        }
    }

    /// What a subtree tells of its node, `[R, z]`.
    pub(super) fn inside(&self, node: usize) -> &[f64] {
        let (p, size) = (self.p, (self.p + 1) * (self.p + 1));
        &self.sums[node * size..node * size + p * (p + 1)]
    }

    /// What a subtree tells of its node's parent, `[R, z]`.
    pub(super) fn message(&self, node: usize) -> &[f64] {
        let size = self.p * (self.p + 1);
        &self.messages[node * size..(node + 1) * size]
    }

    /// Posterior mean of a node, after [`Self::down`].
    pub(super) fn mean(&self, node: usize) -> &[f64] {
        &self.means[node * self.p..(node + 1) * self.p]
    }

    /// Posterior covariance of a node, after [`Self::down`].
    pub(super) fn covariance(&self, node: usize) -> &[f64] {
        let size = self.p * self.p;
        &self.covariances[node * size..(node + 1) * size]
    }

    /// Gathers the evidence; `factors` are the roots L of Ω = L·Lᵀ, one a level. Returns the
    /// restricted log-likelihood of the factors, up to a constant of the evidence.
    pub(super) fn up(&mut self, factors: &[Vec<f64>]) -> f64 {
        let (p, square, rows) = (self.p, (self.p + 1) * (self.p + 1), self.p * (self.p + 1));
        for (sum, evidence) in self.sums.chunks_exact_mut(square).zip(self.evidence) {
            sum[..rows].copy_from_slice(evidence.rows());
            sum[rows..].fill(0.0);
        }
        let (mut log_det, mut unexplained) = (0.0, 0.0);
        for (node, parent) in self.tree.edges().rev() {
            let steps = &mut self.steps[node * p * (2 * p + 1)..(node + 1) * p * (2 * p + 1)];
            let message = &mut self.messages[node * rows..(node + 1) * rows];
            let inside = &self.sums[node * square..(node + 1) * square];
            let factor = &factors[self.tree.depth(node) - 1];
            carry(&inside[..rows], factor, steps, &mut self.block, message);
            if self.is_informed[node] {
                log_det += log_determinant(steps, 2 * p + 1);
                unexplained += inside[square - 1].powi(2);
                let block = &mut self.block[..rows];
                block.copy_from_slice(message);
                fold(&mut self.sums[parent * square..(parent + 1) * square], block, p + 1, p + 1);
            }
        }
        let root = self.tree.root() * square;
        let top = &self.sums[root..root + square];
        log_det += log_determinant(&top[..rows], p + 1);
        -log_det - 0.5 * (unexplained + top[square - 1].powi(2))
    }

    /// Means and covariances from the root down, and the sums over the informed nodes of each
    /// level of E[w·wᵀ], w the step from the parent in units of the level's factor. Leaves'
    /// means and covariances only where `for_all`.
    pub(super) fn down(&mut self, factors: &[Vec<f64>], for_all: bool) -> Vec<Vec<f64>> {
        let p = self.p;
        let mut moments = vec![vec![0.0; p * p]; factors.len()];
        self.start_at_root();
        let mut step = Step::new(p);
        for (node, parent) in self.tree.edges() {
            let level = self.tree.depth(node) - 1;
            let is_leaf = self.tree.children(node).is_empty();
            if !for_all && (is_leaf && !self.is_informed[node]) {
                continue;
            }
            let rows = &self.steps[node * p * (2 * p + 1)..(node + 1) * p * (2 * p + 1)];
            step.given(rows, self.mean(parent), self.covariance(parent));
            if self.is_informed[node] {
                step.add_moment(&mut moments[level]);
            }
            if for_all || !is_leaf {
                let (mean, covariance) = step.child(&factors[level], self.mean(parent));
                self.means[node * p..(node + 1) * p].copy_from_slice(mean);
                self.covariances[node * p * p..(node + 1) * p * p].copy_from_slice(covariance);
            }
        }
        moments
    }

    fn start_at_root(&mut self) {
        let (p, root) = (self.p, self.tree.root());
        let inside = self.inside(root).to_vec();
        let mean = &mut self.means[root * p..(root + 1) * p];
        for (m, row) in mean.iter_mut().zip(inside.chunks_exact(p + 1)) {
            *m = row[p];
        }
        solve_upper(&inside, p + 1, mean, 1);
        let inverse = inverse_upper(&inside, p + 1, p);
        let covariance = &mut self.covariances[root * p * p..(root + 1) * p * p];
        covariance.fill(0.0);
        add_product_with_transpose(covariance, &inverse, &inverse, p);
    }
}

/// Σ ln |diagonal| of a triangle of `width` columns; its rows are the step's, or the root's.
fn log_determinant(rows: &[f64], width: usize) -> f64 {
    let diagonal = rows.chunks_exact(width).enumerate().map(|(j, row)| row[j].abs());
    diagonal.map(f64::ln).sum()
}

fn inverse_upper(upper: &[f64], width: usize, p: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; p * p];
    for j in 0..p {
        inverse[j * p + j] = 1.0;
    }
    solve_upper(upper, width, &mut inverse, p);
    inverse
}

/// `target += a·bᵀ`, all square of order `p`.
fn add_product_with_transpose(target: &mut [f64], a: &[f64], b: &[f64], p: usize) {
    for (out, row) in target.chunks_exact_mut(p).zip(a.chunks_exact(p)) {
        for (entry, other) in out.iter_mut().zip(b.chunks_exact(p)) {
            *entry += row.iter().zip(other).map(|(x, y)| x * y).sum::<f64>();
        }
    }
}

/// `target = a·b`, all square of order `p`.
fn product(target: &mut [f64], a: &[f64], b: &[f64], p: usize) {
    for (out, row) in target.chunks_exact_mut(p).zip(a.chunks_exact(p)) {
        out.fill(0.0);
        for (x, other) in row.iter().zip(b.chunks_exact(p)) {
            add_scaled(out, *x, other);
        }
    }
}

/// One node's step w from its parent: T·w + S·x = s + ε, x the parent with mean and covariance.
struct Step {
    p: usize,
    /// T⁻¹, T⁻¹S and T⁻¹S·Σ.
    inverse: Vec<f64>,
    slope: Vec<f64>,
    slope_sigma: Vec<f64>,
    /// E[w] and Cov[w].
    mean: Vec<f64>,
    covariance: Vec<f64>,
    /// Of the parent.
    sigma: Vec<f64>,
    /// Of the child.
    child_mean: Vec<f64>,
    child_covariance: Vec<f64>,
    scratch: [Vec<f64>; 2],
}

impl Step {
    fn new(p: usize) -> Self {
        let square = || vec![0.0; p * p];
        Self {
            p,
            inverse: square(),
            slope: square(),
            slope_sigma: square(),
            mean: vec![0.0; p],
            covariance: square(),
            sigma: square(),
            child_mean: vec![0.0; p],
            child_covariance: square(),
            scratch: [square(), square()],
        }
    }

    /// Cov[w] is a sum of squares, T⁻¹T⁻ᵀ + (T⁻¹S)Σ(T⁻¹S)ᵀ: semidefinite whatever the rounding.
    fn given(&mut self, rows: &[f64], mean: &[f64], sigma: &[f64]) {
        let (p, width) = (self.p, 2 * self.p + 1);
        self.inverse.fill(0.0);
        for (j, row) in rows.chunks_exact(width).enumerate() {
            self.inverse[j * p + j] = 1.0;
            self.slope[j * p..(j + 1) * p].copy_from_slice(&row[p..2 * p]);
            let at_parent: f64 = row[p..2 * p].iter().zip(mean).map(|(s, x)| s * x).sum();
            self.mean[j] = row[2 * p] - at_parent;
        }
        solve_upper(rows, width, &mut self.inverse, p);
        solve_upper(rows, width, &mut self.slope, p);
        solve_upper(rows, width, &mut self.mean, 1);
        self.sigma.copy_from_slice(sigma);
        product(&mut self.slope_sigma, &self.slope, &self.sigma, p);
        self.covariance.fill(0.0);
        add_product_with_transpose(&mut self.covariance, &self.inverse, &self.inverse, p);
        add_product_with_transpose(&mut self.covariance, &self.slope_sigma, &self.slope, p);
    }

    fn add_moment(&self, moment: &mut [f64]) {
        add_scaled(moment, 1.0, &self.covariance);
        for (row, m) in moment.chunks_exact_mut(self.p).zip(&self.mean) {
            add_scaled(row, *m, &self.mean);
        }
    }

    /// The child is x + L·w: mean μ + L·E[w], covariance AΣAᵀ + KKᵀ with A = I − L·T⁻¹S and
    /// K = L·T⁻¹.
    fn child(&mut self, factor: &[f64], parent_mean: &[f64]) -> (&[f64], &[f64]) {
        let p = self.p;
        self.child_mean.copy_from_slice(parent_mean);
        for (out, line) in self.child_mean.iter_mut().zip(factor.chunks_exact(p)) {
            *out += line.iter().zip(&self.mean).map(|(l, w)| l * w).sum::<f64>();
        }
        let [follow, spread] = &mut self.scratch;
        product(follow, factor, &self.slope, p);
        follow.iter_mut().for_each(|x| *x = -*x);
        for j in 0..p {
            follow[j * p + j] += 1.0;
        }
        product(spread, follow, &self.sigma, p);
        self.child_covariance.fill(0.0);
        add_product_with_transpose(&mut self.child_covariance, spread, follow, p);
        product(spread, factor, &self.inverse, p);
        add_product_with_transpose(&mut self.child_covariance, spread, spread, p);
        (&self.child_mean, &self.child_covariance)
    }
}
