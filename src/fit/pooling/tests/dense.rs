//! Random trees with evidence that is singular here and there, against dense algebra and laws.

use nalgebra::DVector;
use proptest::prelude::*;

use super::*;

/// Mean and covariance of all unknowns, and what of them each node is made of.
type Dense = (DVector<f64>, DMatrix<f64>, Vec<DMatrix<f64>>);

/// A tree, rows `[R, z]` per node (some of them none), and a factor per level.
#[derive(Debug, Clone)]
struct Case {
    parents: Vec<Option<usize>>,
    p: usize,
    rows: Vec<Vec<f64>>,
    factors: Vec<DMatrix<f64>>,
}

fn case() -> impl Strategy<Value = Case> {
    (1usize..4, 2usize..14).prop_flat_map(|(p, n)| {
        let parents = prop::collection::vec(any::<prop::sample::Index>(), n - 1);
        let rows =
            prop::collection::vec((0usize..4, prop::collection::vec(-3.0..3.0f64, 4 * (p + 1))), n);
        let factors = prop::collection::vec(prop::collection::vec(-1.0..1.0f64, p * p), n);
        (parents, rows, factors).prop_map(move |(indices, rows, factors)| {
            let mut parents = vec![None];
            parents.extend(indices.iter().enumerate().map(|(i, index)| Some(index.index(i + 1))));
            let rows = rows.into_iter().enumerate().map(|(node, (k, mut rows))| {
                // Most nodes, the root too, have some rows; the last has enough to tell everything.
                let k = if node == n - 1 { p + 1 } else { k };
                rows.truncate(k.min(4) * (p + 1));
                rows
            });
            let factors = factors.iter().map(|f| DMatrix::from_row_slice(p, p, f));
            Case { parents, p, rows: rows.collect(), factors: factors.collect() }
        })
    })
}

impl Case {
    fn tree(&self) -> Tree {
        Tree::new(&self.parents).unwrap()
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.rows.iter().map(|rows| Evidence::of_rows(rows.clone(), self.p)).collect()
    }

    fn covariances(&self) -> Vec<DMatrix<f64>> {
        self.factors.iter().map(|f| f * f.transpose()).collect()
    }

    /// Mean and covariance of every node from one linear model: the unknowns are the root's value
    /// and every other node's step in units of its factor.
    fn dense(&self, only: impl Fn(usize) -> bool) -> Option<Dense> {
        let (n, p, tree) = (self.parents.len(), self.p, self.tree());
        let mut paths = vec![DMatrix::zeros(p, n * p); n];
        for &node in tree.order() {
            if let Some(parent) = tree.parent(node) {
                paths[node] = paths[parent].clone();
                paths[node]
                    .view_mut((0, node * p), (p, p))
                    .copy_from(&self.factors[tree.depth(node) - 1]);
            } else {
                paths[node].view_mut((0, node * p), (p, p)).fill_with_identity();
            }
        }
        let mut precision = DMatrix::identity(n * p, n * p);
        precision.view_mut((0, 0), (p, p)).fill(0.0);
        let mut information = DVector::zeros(n * p);
        for node in (0..n).filter(|&node| only(node)) {
            let rows =
                DMatrix::from_row_slice(self.rows[node].len() / (p + 1), p + 1, &self.rows[node]);
            let root = rows.columns(0, p) * &paths[node];
            precision += root.tr_mul(&root);
            information += root.tr_mul(&rows.column(p));
        }
        let scale = precision.clone().symmetric_eigen().eigenvalues;
        if scale.min() < 1e-5 * scale.max() {
            return None;
        }
        let covariance = precision.try_inverse()?;
        Some((&covariance * information, covariance, paths))
    }
}

fn assert_near(
    found: &DMatrix<f64>,
    expected: &DMatrix<f64>,
    what: &str,
) -> Result<(), TestCaseError> {
    let distance = (found - expected).norm();
    prop_assert!(distance <= 1e-7 * (1.0 + expected.norm()), "{what}: {found} {expected}");
    Ok(())
}

proptest! {
    #[test]
    fn posterior_and_prior_equal_dense_conditioning(case in case()) {
        let Some((mean, covariance, paths)) = case.dense(|_| true) else {
            return Ok(());
        };
        let levels = case.covariances();
        let nodes = pool_with(&case.tree(), &case.evidence(), &levels).unwrap();
        for (node, estimate) in nodes.iter().enumerate() {
            let path = &paths[node];
            let expected = DMatrix::from_column_slice(case.p, 1, (path * &mean).as_slice());
            assert_near(&DMatrix::from_column_slice(case.p, 1, estimate.mean.as_slice()), &expected, "mean")?;
            assert_near(&estimate.covariance, &(path * &covariance * path.transpose()), "covariance")?;
            prop_assert!(estimate.pool_weights.iter().all(|w| (0.0..=1.0).contains(w)));
            let is_leaf = !case.parents.contains(&Some(node));
            if let (true, Some((mean, covariance, _))) = (is_leaf, case.dense(|other| other != node)) {
                let prior = estimate.prior.mean().map(|m| DMatrix::from_column_slice(case.p, 1, m.as_slice()));
                let expected = DMatrix::from_column_slice(case.p, 1, (path * &mean).as_slice());
                let spread = path * &covariance * path.transpose();
                if let (Some(found), true) = (prior, spread.clone().symmetric_eigen().eigenvalues.min() > 1e-4) {
                    assert_near(&found, &expected, "prior mean")?;
                    assert_near(&estimate.prior.covariance().unwrap(), &spread, "prior covariance")?;
                    // The posterior is the weighted mean of the two, where both have one.
                    if let Some(own) = case.evidence()[node].mean() {
                        let weight = &estimate.pool_matrix;
                        let identity = DMatrix::identity(case.p, case.p);
                        let mixed = (identity - weight) * own + weight * estimate.prior.mean().unwrap();
                        let scale = 1.0 + mixed.norm() * (1.0 + weight.norm());
                        prop_assert!((mixed - &estimate.mean).norm() <= 1e-5 * scale);
                    }
                }
            }
        }
    }

    /// The likelihood itself, up to its constant, by determinants of the same model.
    #[test]
    fn restricted_likelihood_equals_the_dense_one(case in case(), factor in 0.3..3.0f64) {
        let at = |case: &Case| {
            let factors: Vec<Vec<f64>> = case.covariances().iter()
                .map(|c| semidefinite_factor(c.as_slice(), case.p).unwrap()).collect();
            let (tree, evidence) = (case.tree(), case.evidence());
            let found = Passes::new(&tree, &evidence, case.p).up(&factors);
            let (mean, covariance, _) = case.dense(|_| true)?;
            let quadratic: f64 = (mean.transpose() * covariance.clone().try_inverse()? * &mean)[(0, 0)];
            Some((found, 0.5 * covariance.determinant().ln() + 0.5 * quadratic))
        };
        let mut other = case.clone();
        other.factors.iter_mut().for_each(|f| *f *= factor);
        if let (Some(first), Some(second)) = (at(&case), at(&other)) {
            let (found, expected) = (second.0 - first.0, second.1 - first.1);
            prop_assert!((found - expected).abs() <= 1e-6 * (1.0 + first.1.abs()), "{found} {expected}");
        }
    }

    /// EM and its extrapolation never lower the likelihood, and nothing that is not finite leaves.
    #[test]
    fn any_evidence_pools_or_says_why(case in case()) {
        let options = PoolOptions::new(vec![0.2; case.p]);
        match pool(&case.tree(), &case.evidence(), &options, &|| false) {
            Ok(pooled) => {
                prop_assert!(never_falls(&pooled, case.parents.len()), "{:?}", pooled.path);
                for level in &pooled.levels {
                    prop_assert!(level.covariance.iter().all(|x| x.is_finite()));
                    let eigen = level.covariance.clone().symmetric_eigen().eigenvalues;
                    prop_assert!(eigen.min() >= -1e-12 * eigen.max(), "{eigen}");
                }
                for node in &pooled.nodes {
                    prop_assert!(node.mean.iter().chain(node.covariance.iter()).all(|x| x.is_finite()));
                    prop_assert!(node.pool_weights.iter().all(|w| (0.0..=1.0).contains(w)));
                }
            }
            Err(error) => prop_assert!(matches!(error, PoolError::NotTold { .. }), "{error}"),
        }
    }

    /// Units: x → D·x maps means by D and covariances by D·D.
    #[test]
    fn pooling_follows_the_units(case in case(), scale in prop::collection::vec(-3i32..4, 3)) {
        let scale: Vec<f64> = scale.iter().map(|s| 10f64.powi(*s)).collect();
        let mut scaled = case.clone();
        for row in scaled.rows.iter_mut().flat_map(|rows| rows.chunks_exact_mut(case.p + 1)) {
            row[..case.p].iter_mut().zip(&scale).for_each(|(r, s)| *r /= s);
        }
        let options = |s: &[f64]| PoolOptions {
            with_spread_prior: false,
            with_spread_error: false,
            assumed_deviations: s[..case.p].iter().map(|s| 0.2 * s).collect(),
            max_iterations: 12, tolerance: 0.0,
        };
        let first = pool(&case.tree(), &case.evidence(), &options(&[1.0; 3]), &|| false);
        let second = pool(&case.tree(), &scaled.evidence(), &options(&scale), &|| false);
        if let (Ok(first), Ok(second)) = (first, second) {
            for (a, b) in first.levels.iter().zip(&second.levels) {
                for (j, k) in [(0, 0), (0, case.p - 1)] {
                    let back = b.covariance[(j, k)] / scale[j] / scale[k];
                    let size = (a.covariance[(j, j)] * a.covariance[(k, k)]).sqrt();
                    prop_assert!((back - a.covariance[(j, k)]).abs() <= 1e-5 * size, "{a:?} {b:?}");
                }
            }
        }
    }

    /// The order of the nodes is a matter of rounding only.
    #[test]
    fn pooling_does_not_depend_on_the_order_of_nodes(case in case()) {
        let n = case.parents.len();
        let at = |node: usize| n - 1 - node;
        let parents: Vec<Option<usize>> = (0..n).map(|i| case.parents[at(i)].map(at)).collect();
        let evidence: Vec<Evidence> = (0..n).map(|i| case.evidence()[at(i)].clone()).collect();
        let levels = case.covariances();
        let first = pool_with(&case.tree(), &case.evidence(), &levels);
        let second = pool_with(&Tree::new(&parents).unwrap(), &evidence, &levels);
        prop_assert_eq!(first.is_ok(), second.is_ok());
        if case.dense(|_| true).is_some() && let (Ok(first), Ok(second)) = (first, second) {
            for node in 0..n {
                let (a, b) = (&first[node], &second[at(node)]);
                prop_assert!((&a.mean - &b.mean).norm() <= 1e-8 * (1.0 + a.mean.norm()));
                prop_assert_eq!(a.served_by, at(b.served_by));
            }
        }
    }
}
