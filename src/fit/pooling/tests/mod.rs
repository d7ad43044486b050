//! Pooling against closed forms, dense algebra, another program, and data with known truth.

mod closed_forms;
mod dense;
mod golden;
mod recovery;
mod refits;
mod regions;

use super::*;

/// Evidence of independent parameters: estimates with their standard errors.
fn told(estimates: &[(f64, f64)]) -> Evidence {
    let p = estimates.len();
    let mean: Vec<f64> = estimates.iter().map(|e| e.0).collect();
    let covariance =
        DMatrix::from_fn(p, p, |i, j| if i == j { estimates[i].1.powi(2) } else { 0.0 });
    Evidence::of_normal(&mean, &covariance).unwrap()
}

fn strict(p: usize) -> PoolOptions {
    PoolOptions { max_iterations: 5000, tolerance: 1e-11, ..PoolOptions::new(vec![0.2; p]) }
}

fn pooled(tree: &Tree, evidence: &[Evidence], options: &PoolOptions) -> Pooled {
    let pooled = pool(tree, evidence, options, &|| false).unwrap();
    assert!(never_falls(&pooled, evidence.len()), "{:?}", pooled.path);
    pooled
}

/// Whether the restricted likelihood rose with every step, up to the rounding of its terms.
fn never_falls(pooled: &Pooled, n_nodes: usize) -> bool {
    let rounding = |at: f64| 1e-13 * (n_nodes as f64 + at.abs());
    pooled.path.windows(2).all(|pair| pair[1] >= pair[0] - rounding(pair[0]))
}

/// A root with `n` children.
fn star(n: usize) -> Tree {
    let parents: Vec<Option<usize>> = (0..=n).map(|node| (node > 0).then_some(0)).collect();
    Tree::new(&parents).unwrap()
}

fn close(found: f64, expected: f64, tolerance: f64) {
    let allowed = tolerance * expected.abs().max(1e-3);
    assert!((found - expected).abs() <= allowed, "{found} but {expected} expected");
}

#[test]
fn mistakes_are_told_apart() {
    let (tree, options) = (star(2), PoolOptions::new(vec![0.2]));
    let check = |evidence: &[Evidence], options: &PoolOptions, expected: PoolError| {
        assert_eq!(pool(&tree, evidence, options, &|| false).unwrap_err(), expected);
    };
    let none = || Evidence::none(1);
    check(&[none(), none()], &options, PoolError::Shape { node: 2 });
    check(&[none(), none(), Evidence::none(2)], &options, PoolError::Shape { node: 2 });
    check(&[none(), none(), none()], &options, PoolError::NotTold { parameters: vec![0] });
    let wild = Evidence::of_sigma(1.0, 1.0);
    let wild = Evidence::of_rows(wild.rows().iter().map(|x| x * 1e200).collect(), 1);
    check(&[none(), wild, none()], &options, PoolError::NotFinite { node: 1 });
    let short = PoolOptions::new(Vec::new());
    check(&[none(), none(), told(&[(1.0, 1.0)])], &short, PoolError::Shape { node: 0 });
    let negative = [DMatrix::from_element(1, 1, -1.0)];
    let evidence = [none(), none(), told(&[(1.0, 1.0)])];
    let found = pool_with(&tree, &evidence, &negative).unwrap_err();
    assert_eq!(found, PoolError::Covariance { level: 1 });
    assert_eq!(pool_with(&tree, &evidence, &[]).unwrap_err(), found);
}

#[test]
fn stopping_is_noticed_before_the_first_cycle() {
    let evidence: Vec<Evidence> = (0..=5)
        .map(|i| if i == 0 { Evidence::none(1) } else { told(&[(f64::from(i), 0.1)]) })
        .collect();
    let stopped = pool(&star(5), &evidence, &PoolOptions::new(vec![0.2]), &|| true).unwrap();
    assert_eq!((stopped.ending, stopped.n_iterations), (Ending::Cancelled, 1));
    let limited = PoolOptions { max_iterations: 3, ..PoolOptions::new(vec![0.2]) };
    let limited = pool(&star(5), &evidence, &limited, &|| false).unwrap();
    assert_eq!(limited.ending, Ending::IterationLimit);
}
