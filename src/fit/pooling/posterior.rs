//! What every node is given once the covariances stand: posterior, prior and weights.

use nalgebra::{DMatrix, DVector};

use super::elimination::{carry, fold};
use super::evidence::{Evidence, pool_matrix, pool_weights};
use super::passes::Passes;
use super::tree::Tree;

/// One node after pooling; vectors and matrices are on the scale of the fit.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeEstimate {
    /// Posterior mean given all evidence: the shrunk estimate.
    pub mean: DVector<f64>,
    /// Posterior covariance, for the estimated Ω taken as known.
    pub covariance: DMatrix<f64>,
    /// What the uncertainty of Ω adds to that; zero unless [`super::PoolOptions::with_spread_error`].
    pub spread_error: DMatrix<f64>,
    /// What all evidence but that of the node and its descendants tells of the node: for a leaf,
    /// the prior for fitting its records again. May leave parameters untold, where no other node
    /// tells them; of the root, nothing.
    pub prior: Evidence,
    /// B = (P + Λ)⁻¹Λ, P the precision of the node's subtree (of a leaf: its own records), Λ that
    /// of the prior: the posterior mean is (I − B)·own + B·prior.
    pub pool_matrix: DMatrix<f64>,
    /// Its diagonal, in [0, 1]: 1 where nothing of a parameter is the node's own.
    pub pool_weights: Vec<f64>,
    /// The nearest node, itself or an ancestor, whose subtree has evidence: the level that serves.
    pub served_by: usize,
}

/// Runs both passes for the last time and adds the priors.
pub(super) fn estimates(
    tree: &Tree,
    evidence: &[Evidence],
    passes: &mut Passes<'_>,
    factors: &[Vec<f64>],
) -> Vec<NodeEstimate> {
    passes.up(factors);
    passes.down(factors, true);
    let priors = priors(tree, evidence, passes, factors);
    let p = passes.p;
    let estimate = |(node, prior): (usize, Evidence)| {
        let own = Evidence::of_rows(passes.inside(node).to_vec(), p);
        let pool_matrix = pool_matrix(&own, &prior);
        NodeEstimate {
            mean: DVector::from_column_slice(passes.mean(node)),
            covariance: DMatrix::from_row_slice(p, p, passes.covariance(node)),
            spread_error: DMatrix::zeros(p, p),
            prior,
            pool_weights: pool_weights(&pool_matrix),
            pool_matrix,
            served_by: served_by(tree, passes, node),
        }
    };
    priors.into_iter().enumerate().map(estimate).collect()
}

fn served_by(tree: &Tree, passes: &Passes<'_>, node: usize) -> usize {
    let mut at = node;
    while let (false, Some(parent)) = (passes.is_informed[at], tree.parent(at)) {
        at = parent;
    }
    at
}

/// What all but its own subtree tells of each node. For the children of a parent, sums from the
/// left and from the right are joined: taking one's own message out of the whole would cancel.
fn priors(
    tree: &Tree,
    evidence: &[Evidence],
    passes: &Passes<'_>,
    factors: &[Vec<f64>],
) -> Vec<Evidence> {
    let p = passes.p;
    let (mut top, mut block) = (vec![0.0; p * (2 * p + 1)], vec![0.0; p * (2 * p + 1)]);
    let mut priors = vec![Evidence::none(p); tree.n_nodes()];
    for &parent in tree.order() {
        let children = tree.children(parent);
        let mut later = vec![vec![0.0; p * (p + 1)]];
        for &child in children.iter().rev() {
            let sum = joined(&later[later.len() - 1], passes.message(child), p);
            later.push(sum);
        }
        let mut before = joined(evidence[parent].rows(), priors[parent].rows(), p);
        for (i, &child) in children.iter().enumerate() {
            let others = joined(&before, &later[children.len() - 1 - i], p);
            let mut rows = vec![0.0; p * (p + 1)];
            carry(&others, &factors[tree.depth(parent)], &mut top, &mut block, &mut rows);
            priors[child] = Evidence::of_rows(rows, p);
            before = joined(&before, passes.message(child), p);
        }
    }
    priors
}

/// The sum of a triangle of rows and of more rows.
fn joined(triangle: &[f64], rows: &[f64], p: usize) -> Vec<f64> {
    let (mut sum, mut block) = (triangle.to_vec(), rows.to_vec());
    fold(&mut sum, &mut block, p + 1, p);
    sum
}
