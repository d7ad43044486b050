//! Multivariate empirical Bayes over a hierarchy: small groups lean on their likes.
//!
//! A tree of nodes (group → region → parent → all), each with a vector of parameters. The root's
//! is unknown; a child's is normal about its parent's, with one covariance a level. Nodes carry
//! [`Evidence`], what their own records tell of their parameters, as a Gaussian likelihood that
//! may be flat. [`pool`] estimates the covariances by restricted maximum likelihood and gives every
//! node its posterior, the prior that all others make for it, and the weight of that prior.
//! [`with_prior`] fits a small group again with that prior and its true likelihood.
//!
//! Pure mathematics: knows no travel times, jobs or settings. Parameters are on the scale of the
//! fit (logarithms of positive ones), on which normal distributions are sensible.
//!
//! Source: the hierarchical normal model in Efron and Morris (1975), Laird and Ware (1982).

mod averaged;
mod elimination;
mod evidence;
mod gamma;
mod levels;
mod passes;
mod posterior;
mod reml;
mod spread_error;
mod spread_prior;
mod tree;
pub mod with_prior;

use nalgebra::DMatrix;

pub use averaged::averaged;
pub use evidence::{Evidence, pool_matrix, pool_weights};
pub use levels::{CovarianceSource, LevelCovariance};
pub use posterior::NodeEstimate;
pub use reml::Ending;
pub use tree::Tree;

use elimination::{MAX_PARAMETERS, semidefinite_factor};
use passes::Passes;
use spread_prior::SpreadPrior;

/// Why nothing was pooled: the caller's mistake, or evidence that tells too little.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PoolError {
    /// There must be exactly one node without a parent.
    #[error("a tree has one root, not {n_roots}")]
    Roots {
        /// Nodes without a parent.
        n_roots: usize,
    },
    /// An index out of range, or a cycle.
    #[error("node {node} does not descend from the root")]
    NotATree {
        /// The first such node.
        node: usize,
    },
    /// As many pieces of evidence as nodes, all with the same number of parameters, 1 to 8.
    #[error("evidence of node {node} does not match the tree, the other evidence or the options")]
    Shape {
        /// The first such node; the number of nodes where there are too few pieces.
        node: usize,
    },
    /// Evidence that is not finite, or so large that it overflows.
    #[error("evidence of node {node} is not finite")]
    NotFinite {
        /// The first such node.
        node: usize,
    },
    /// A given covariance that is not symmetric positive semidefinite or of another order.
    #[error("the covariance of level {level} is not positive semidefinite")]
    Covariance {
        /// Depth of the children.
        level: usize,
    },
    /// No node tells some parameters, and the root has no evidence of its own (a prior).
    #[error("no node tells parameters {parameters:?}; give the root a prior as its evidence")]
    NotTold {
        /// Their indices.
        parameters: Vec<usize>,
    },
}

/// How to estimate the covariances.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolOptions {
    /// Standard deviation of each parameter between children, to assume where no level can tell it
    /// (one region, say); for logarithms of speeds some 0.2 is sensible.
    pub assumed_deviations: Vec<f64>,
    /// Passes over the tree.
    pub max_iterations: u64,
    /// Share by which the covariances would still change in a step of EM at which it ends.
    pub tolerance: f64,
    /// Whether each standard deviation is known beforehand to be of the order of the assumed one, so
    /// that none is estimated as zero.
    pub with_spread_prior: bool,
    /// Whether to work out what the uncertainty of the covariances, with that prior, adds to that of
    /// the nodes.
    pub with_spread_error: bool,
}

impl PoolOptions {
    /// With 500 passes and a tolerance of 1e-8.
    #[must_use]
    pub fn new(assumed_deviations: Vec<f64>) -> Self {
        Self {
            assumed_deviations,
            max_iterations: 500,
            tolerance: 1e-8,
            with_spread_prior: false,
            with_spread_error: false,
        }
    }
}

/// What pooling tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Pooled {
    /// One per node of the tree, by index.
    pub nodes: Vec<NodeEstimate>,
    /// One per level below the root, by depth; the first is that of the root's children.
    pub levels: Vec<LevelCovariance>,
    /// Restricted log-likelihood of the covariances, with the logarithm of their prior where there is
    /// one, up to a constant of the evidence.
    pub log_likelihood: f64,
    /// Why the estimation of the covariances ended.
    pub ending: Ending,
    /// Passes over the tree.
    pub n_iterations: u64,
    /// The restricted log-likelihood after each accepted step; it never falls by more than rounding.
    pub path: Vec<f64>,
}

/// Estimates the covariances of all levels from the evidence and pools.
///
/// `evidence` has one entry per node; the root's, if any, is its prior, otherwise it is unknown.
/// Nodes are visited in a fixed order: the same input gives the same bits. `stopped` is asked
/// before every pass; where it says yes, the result is that of the covariances so far.
///
/// # Errors
///
/// See [`PoolError`]; a tree with sound evidence that tells every parameter somewhere pools.
pub fn pool(
    tree: &Tree,
    evidence: &[Evidence],
    options: &PoolOptions,
    stopped: &dyn Fn() -> bool,
) -> Result<Pooled, PoolError> {
    let p = checked(tree, evidence)?;
    let is_sensible = options.assumed_deviations.iter().all(|d| d.is_finite() && *d >= 0.0);
    if options.assumed_deviations.len() != p || !is_sensible {
        return Err(PoolError::Shape { node: tree.root() });
    }
    let mut passes = Passes::new(tree, evidence, p);
    let plan = levels::plan(tree, evidence, &mut passes, &options.assumed_deviations)?;
    let prior = SpreadPrior::new(&options.assumed_deviations);
    let used = options.with_spread_prior.then_some(&prior);
    let fitted = reml::maximise(&mut passes, &plan, options, used, stopped);
    let factors = reml::spread(&plan, &fitted.factors, p);
    let levels = levels::describe(&plan, &factors, p);
    let mut nodes = posterior::estimates(tree, evidence, &mut passes, &factors);
    if options.with_spread_error {
        let n = tree.n_nodes();
        let excess = spread_error::excess(&mut passes, &plan, &fitted.factors, &prior, n);
        for (node, excess) in nodes.iter_mut().zip(excess) {
            node.spread_error = excess;
        }
    }
    Ok(Pooled {
        nodes,
        levels,
        log_likelihood: fitted.path.last().copied().unwrap_or(0.0),
        ending: fitted.ending,
        n_iterations: fitted.n_iterations,
        path: fitted.path,
    })
}

/// Pools with given covariances, one per level below the root, by depth.
///
/// # Errors
///
/// See [`PoolError`].
pub fn pool_with(
    tree: &Tree,
    evidence: &[Evidence],
    covariances: &[DMatrix<f64>],
) -> Result<Vec<NodeEstimate>, PoolError> {
    let p = checked(tree, evidence)?;
    let mut factors = Vec::new();
    for level in 1..=tree.n_levels() {
        let refused = PoolError::Covariance { level };
        let matrix = covariances.get(level - 1).filter(|m| m.shape() == (p, p));
        let matrix = matrix.filter(|m| (*m - m.transpose()).amax() <= 1e-9 * m.amax());
        // Symmetric, so that column-major is row-major.
        let factor = matrix.and_then(|m| semidefinite_factor(m.as_slice(), p));
        factors.push(factor.ok_or(refused)?);
    }
    let mut passes = Passes::new(tree, evidence, p);
    passes.up(&factors);
    levels::check_told(tree, &passes)?;
    Ok(posterior::estimates(tree, evidence, &mut passes, &factors))
}

/// The number of parameters.
fn checked(tree: &Tree, evidence: &[Evidence]) -> Result<usize, PoolError> {
    let p = evidence.first().map_or(0, Evidence::n_parameters);
    if evidence.len() != tree.n_nodes() || !(1..=MAX_PARAMETERS).contains(&p) {
        return Err(PoolError::Shape { node: evidence.len().min(tree.n_nodes()) });
    }
    for (node, evidence) in evidence.iter().enumerate() {
        if evidence.n_parameters() != p {
            return Err(PoolError::Shape { node });
        }
        if !evidence.is_sound() {
            return Err(PoolError::NotFinite { node });
        }
    }
    Ok(p)
}

#[cfg(test)]
mod tests;
