//! Balanced designs, for which restricted maximum likelihood is the analysis of variance.

use super::*;

const VALUES: [f64; 6] = [0.4, 1.9, -0.7, 1.1, 2.2, 0.3];

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

fn with_root(leaves: impl IntoIterator<Item = Evidence>, p: usize) -> Vec<Evidence> {
    std::iter::once(Evidence::none(p)).chain(leaves).collect()
}

/// One-way: Ω = max(0, variance between estimates − their sampling variance), the mean is the
/// plain one, and the weight of the pool V/(V + Ω)'s complement of the leave-one-out prior.
#[test]
fn one_way_layout_is_the_analysis_of_variance() {
    for deviation in [1e-6, 0.01, 0.3, 0.8, 1.0] {
        let evidence = with_root(VALUES.map(|x| told(&[(x, deviation)])), 1);
        let pooled = pooled(&star(6), &evidence, &strict(1));
        let omega = variance(&VALUES) - deviation * deviation;
        close(pooled.levels[0].covariance[(0, 0)], omega, 1e-9);
        assert_eq!(pooled.levels[0].source, CovarianceSource::Full);
        close(pooled.nodes[0].mean[0], mean(&VALUES), 1e-12);
        close(pooled.nodes[0].covariance[(0, 0)], (omega + deviation * deviation) / 6.0, 1e-9);
        assert_eq!(pooled.nodes[0].pool_weights, [0.0]);
        for (i, x) in VALUES.iter().enumerate() {
            let node = &pooled.nodes[i + 1];
            let others = (6.0 * mean(&VALUES) - x) / 5.0;
            let prior_variance = omega + (omega + deviation * deviation) / 5.0;
            close(node.prior.mean().unwrap()[0], others, 1e-11);
            close(node.prior.covariance().unwrap()[(0, 0)], prior_variance, 1e-9);
            let weight = deviation.powi(2) / (deviation.powi(2) + prior_variance);
            close(node.pool_weights[0], weight, 1e-9);
            close(node.mean[0], (1.0 - weight) * x + weight * others, 1e-9);
        }
    }
}

/// Where estimates scatter less than their errors, the variance between nodes is zero: everyone
/// gets the mean.
#[test]
fn no_scatter_beyond_the_errors_pools_completely() {
    let evidence = with_root(VALUES.map(|x| told(&[(x, 3.0)])), 1);
    let pooled = pooled(&star(6), &evidence, &PoolOptions::new(vec![0.2]));
    assert!(pooled.levels[0].covariance[(0, 0)] < 1e-6, "{:?}", pooled.levels);
    assert!(pooled.n_iterations < 100, "{}", pooled.n_iterations);
    for node in &pooled.nodes {
        close(node.mean[0], mean(&VALUES), 1e-5);
    }
}

/// With the prior the same groups keep a spread: the density of ln τ has its maximum inside, where its
/// slope, by differences of the dense restricted likelihood of means of variance V + τ², is zero.
#[test]
fn a_prior_keeps_the_spread_from_zero() {
    let evidence = with_root(VALUES.map(|x| told(&[(x, 3.0)])), 1);
    let options = PoolOptions { with_spread_prior: true, with_spread_error: true, ..strict(1) };
    let pooled = pooled(&star(6), &evidence, &options);
    let deviation = pooled.levels[0].covariance[(0, 0)].sqrt();
    let ln_density = |ln_deviation: f64| {
        let square = (2.0 * ln_deviation).exp();
        let (of_mean, n) = (9.0 + square, VALUES.len() as f64);
        let restricted = -0.5 * (n - 1.0) * (of_mean.ln() + variance(&VALUES) / of_mean);
        // Half Student's t of 3 degrees of freedom and scale 0.4, on ln τ.
        restricted + ln_deviation - 2.0 * (square / (3.0 * 0.16)).ln_1p()
    };
    let at = deviation.ln();
    let slope = (ln_density(at + 1e-4) - ln_density(at - 1e-4)) / 2e-4;
    assert!(slope.abs() < 1e-5, "{deviation}: {slope}");
    // The plain intervals are those of the mean of 18 values; a spread of 0.4 adds its variance.
    for node in &pooled.nodes[1..] {
        assert!(node.spread_error[(0, 0)] > 0.05 && node.spread_error[(0, 0)] < 1.0, "{node:?}");
    }
}

/// Nested: with R regions of G groups, s²(groups) = Ω2 + V and G·s²(regions) = G·Ω1 + Ω2 + V.
#[test]
fn nested_layout_is_the_analysis_of_variance() {
    let (n_regions, n_groups, deviation) = (5, 4, 0.25);
    let value =
        |r: usize, g: usize| (7.3 * r as f64).sin() + 0.5 * (5.1 * (10 * r + g) as f64).cos();
    let regions: Vec<Vec<f64>> =
        (0..n_regions).map(|r| (0..n_groups).map(|g| value(r, g)).collect()).collect();
    let mut parents = vec![None];
    parents.extend((0..n_regions).map(|_| Some(0)));
    let mut evidence = vec![Evidence::none(1); 1 + n_regions];
    for (r, groups) in regions.iter().enumerate() {
        for x in groups {
            parents.push(Some(1 + r));
            evidence.push(told(&[(*x, deviation)]));
        }
    }
    let pooled = pooled(&Tree::new(&parents).unwrap(), &evidence, &strict(1));
    let within = mean(&regions.iter().map(|r| variance(r)).collect::<Vec<f64>>());
    let between = variance(&regions.iter().map(|r| mean(r)).collect::<Vec<f64>>());
    close(pooled.levels[1].covariance[(0, 0)], within - deviation * deviation, 1e-8);
    close(pooled.levels[0].covariance[(0, 0)], between - within / n_groups as f64, 1e-8);
}

/// Several parameters with one error matrix: Ω is the covariance of the estimates less V.
#[test]
fn several_parameters_give_the_covariance_of_the_estimates() {
    let n = 9;
    let at = |i: usize| [(3.7 * i as f64).sin(), (3.7 * i as f64).sin() + (9.1 * i as f64).cos()];
    let error = DMatrix::from_row_slice(2, 2, &[0.02, 0.01, 0.01, 0.03]);
    let leaves = (0..n).map(|i| Evidence::of_normal(&at(i), &error).unwrap());
    let pooled = pooled(&star(n), &with_root(leaves, 2), &strict(2));
    for (j, k) in [(0, 0), (0, 1), (1, 1)] {
        let means = [0, 1].map(|j| mean(&(0..n).map(|i| at(i)[j]).collect::<Vec<f64>>()));
        let product = |i: usize| (at(i)[j] - means[j]) * (at(i)[k] - means[k]);
        let expected = (0..n).map(product).sum::<f64>() / (n - 1) as f64 - error[(j, k)];
        close(pooled.levels[0].covariance[(j, k)], expected, 1e-8);
    }
}

#[test]
fn a_node_without_records_is_served_by_its_nearest_ancestor() {
    // all → two regions → groups; the second region has no record at all.
    let parents = [None, Some(0), Some(0), Some(0), Some(1), Some(1), Some(2), Some(3), Some(3)];
    let tree = Tree::new(&parents).unwrap();
    let none = || Evidence::none(1);
    let leaf = |x| told(&[(x, 0.1)]);
    let evidence =
        [none(), none(), none(), none(), leaf(1.0), none(), none(), leaf(2.0), leaf(2.6)];
    let pooled = pooled(&tree, &evidence, &PoolOptions::new(vec![0.2]));
    let served: Vec<usize> = pooled.nodes.iter().map(|node| node.served_by).collect();
    assert_eq!(served, [0, 1, 0, 3, 4, 1, 0, 7, 8]);
    for (node, empty) in [(5, true), (6, true), (2, true), (4, false), (7, false)] {
        let weight = pooled.nodes[node].pool_weights[0];
        assert_eq!(weight == 1.0, empty, "node {node}: {weight}");
    }
    close(pooled.nodes[5].mean[0], pooled.nodes[1].mean[0], 1e-12);
    close(pooled.nodes[6].mean[0], pooled.nodes[0].mean[0], 1e-12);
    assert!(pooled.nodes[6].covariance[(0, 0)] > pooled.nodes[5].covariance[(0, 0)]);
}

#[test]
fn levels_that_cannot_tell_say_so() {
    use CovarianceSource::{Assumed, Collapsed, Diagonal, Full};
    let leaf = |x| told(&[(x, 0.1)]);
    let none = || Evidence::none(1);
    let check =
        |parents: &[Option<usize>], evidence: &[Evidence], expected: &[CovarianceSource]| {
            let tree = Tree::new(parents).unwrap();
            let pooled = pooled(&tree, evidence, &PoolOptions::new(vec![0.2]));
            let sources: Vec<CovarianceSource> = pooled.levels.iter().map(|l| l.source).collect();
            assert_eq!(sources, expected, "{:?}", pooled.levels);
            for level in &pooled.levels {
                let is_own = level.source == Full && level.n_contrasts > 0;
                assert!(is_own || !level.reason.is_empty(), "{level:?}");
            }
            pooled
        };
    // One group alone: nothing tells how groups differ.
    let alone = check(&[None, Some(0), Some(0)], &[none(), leaf(1.0), none()], &[Assumed]);
    close(alone.levels[0].covariance[(0, 0)], 0.04, 1e-12);
    assert_eq!(alone.ending, Ending::NothingToEstimate);
    assert_eq!(alone.nodes[1].pool_weights, [0.0]);
    close(alone.nodes[2].mean[0], 1.0, 1e-12);
    close(alone.nodes[2].covariance[(0, 0)], 0.01 + 0.04 + 0.04, 1e-12);
    // Every region has one group: they are the same.
    let parents = [None, Some(0), Some(0), Some(0), Some(1), Some(2), Some(3)];
    let evidence = [none(), none(), none(), none(), leaf(1.0), leaf(2.0), leaf(4.0)];
    let same = check(&parents, &evidence, &[Full, Collapsed]);
    assert_eq!(same.nodes[1].mean, same.nodes[4].mean);
    close(same.levels[0].covariance[(0, 0)], variance(&[1.0, 2.0, 4.0]) - 0.01, 1e-6);
    // One region of three groups: what regions differ by is taken from the groups.
    let parents = [None, Some(0), Some(0), Some(1), Some(1), Some(1), Some(2)];
    let evidence = [none(), none(), none(), leaf(1.0), leaf(2.0), leaf(4.0), none()];
    let borrowed = check(&parents, &evidence, &[Full, Full]);
    assert_eq!(borrowed.levels[0].covariance, borrowed.levels[1].covariance);
    // Three children do not tell a correlation.
    let pair = |x: f64| told(&[(x, 0.1), (-x, 0.1)]);
    let evidence = with_root([1.0, 2.0, 4.0].map(pair), 2);
    let pooled = pooled(&star(3), &evidence, &PoolOptions::new(vec![0.2; 2]));
    assert_eq!(pooled.levels[0].source, Diagonal);
    assert_eq!(pooled.levels[0].covariance[(0, 1)], 0.0);
    close(pooled.levels[0].covariance[(1, 1)], variance(&[1.0, 2.0, 4.0]) - 0.01, 1e-6);
}

/// A proper prior is evidence of the root.
#[test]
fn the_roots_own_evidence_is_its_prior() {
    let evidence = [told(&[(5.0, 2.0)]), Evidence::none(1), Evidence::none(1)];
    let pooled = pooled(&star(2), &evidence, &PoolOptions::new(vec![0.5]));
    assert_eq!(pooled.levels[0].source, CovarianceSource::Assumed);
    for node in &pooled.nodes[1..] {
        close(node.mean[0], 5.0, 1e-12);
        close(node.covariance[(0, 0)], 4.25, 1e-12);
        assert_eq!((node.pool_weights[0], node.served_by), (1.0, 0));
    }
}

#[test]
fn the_weight_of_the_pool_falls_with_the_number_of_records() {
    let mut last = 1.0;
    for n in [0u32, 1, 5, 39, 1000, 1_000_000] {
        let own =
            if n == 0 { Evidence::none(1) } else { told(&[(3.0, 0.4 / f64::from(n).sqrt())]) };
        let others = [1.0, 2.0, 1.5, 0.8].map(|x| told(&[(x, 0.05)]));
        let pooled = pooled(&star(5), &with_root(others.into_iter().chain([own]), 1), &strict(1));
        let weight = pooled.nodes[5].pool_weights[0];
        assert!(weight <= last && (n > 0 || weight == 1.0), "{n}: {weight}");
        last = weight;
    }
    assert!(last < 1e-6, "{last}");
}

/// ln s of normal residuals: its evidence is unbiased and as wide as ln s scatters.
#[test]
fn evidence_of_a_spread_has_its_known_moments() {
    let one = Evidence::of_sigma(0.5, 1.0);
    close(one.covariance().unwrap()[(0, 0)], std::f64::consts::PI.powi(2) / 8.0, 1e-12);
    let many = Evidence::of_sigma(0.5, 1e6);
    close(many.covariance().unwrap()[(0, 0)] * 2e6, 1.0, 1e-5);
    close(many.mean().unwrap()[0], 0.5f64.ln(), 1e-5);
    assert!(one.mean().unwrap()[0] > 0.5f64.ln());
    for nothing in [(0.0, 5.0), (0.3, 0.0), (f64::NAN, 5.0), (0.3, -1.0)] {
        assert!(Evidence::of_sigma(nothing.0, nothing.1).is_none());
    }
}
