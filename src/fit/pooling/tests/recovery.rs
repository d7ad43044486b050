//! Covariances that are known because the data were drawn with them.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::*;

fn normals(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| StandardNormal.sample(rng)).collect()
}

/// Regions of groups whose records tell one, two or all three of the parameters, and now and then
/// nothing; sums rather than parameters where they tell fewer.
fn drawn(
    n_regions: usize,
    n_groups: usize,
    factors: &[DMatrix<f64>; 2],
    seed: u64,
) -> (Tree, Vec<Evidence>, Vec<Vec<f64>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut parents, mut values) = (vec![None], vec![vec![0.5, -1.0, 2.0]]);
    let step = |from: &[f64], factor: &DMatrix<f64>, rng: &mut ChaCha8Rng| -> Vec<f64> {
        let by = factor * nalgebra::DVector::from_vec(normals(rng, 3));
        from.iter().zip(by.iter()).map(|(x, b)| x + b).collect()
    };
    for _ in 0..n_regions {
        parents.push(Some(0));
        values.push(step(&values[0], &factors[0], &mut rng));
    }
    for group in 0..n_regions * n_groups {
        let region = 1 + group % n_regions;
        parents.push(Some(region));
        values.push(step(&values[region], &factors[1], &mut rng));
    }
    let mut evidence = vec![Evidence::none(3); values.len()];
    for node in 1 + n_regions..values.len() {
        let rows = (0..node % 5).flat_map(|_| {
            let row: Vec<f64> = normals(&mut rng, 3).iter().map(|x| 4.0 * x).collect();
            let at: f64 = row.iter().zip(&values[node]).map(|(r, x)| r * x).sum();
            [row[0], row[1], row[2], at + normals(&mut rng, 1)[0]]
        });
        evidence[node] = Evidence::of_rows(rows.collect(), 3);
    }
    (Tree::new(&parents).unwrap(), evidence, values)
}

fn factors() -> [DMatrix<f64>; 2] {
    [
        DMatrix::from_row_slice(3, 3, &[0.5, 0.0, 0.0, 0.3, 0.4, 0.0, 0.0, -0.2, 0.3]),
        DMatrix::from_row_slice(3, 3, &[0.3, 0.0, 0.0, -0.1, 0.2, 0.0, 0.1, 0.1, 0.25]),
    ]
}

/// Five standard errors of a variance of a normal sample of that size, widened for the errors of
/// the evidence.
#[test]
fn known_covariances_are_recovered() {
    let (tree, evidence, values) = drawn(150, 12, &factors(), 7);
    let pooled = pooled(&tree, &evidence, &PoolOptions::new(vec![0.2; 3]));
    assert_eq!(pooled.ending, Ending::Converged, "{} passes", pooled.n_iterations);
    for (level, (factor, n)) in factors().iter().zip([150.0, 1300.0]).enumerate() {
        let (found, truth) = (&pooled.levels[level].covariance, factor * factor.transpose());
        for (j, k) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)] {
            let size = (truth[(j, j)] * truth[(k, k)]).sqrt();
            let allowed = 5.0 * size * f64::sqrt(2.0 / n) * 1.3;
            let distance = (found[(j, k)] - truth[(j, k)]).abs();
            assert!(distance < allowed, "level {level} {j},{k}: {found} {truth}");
        }
    }
    covers(&pooled, &values);
}

/// Shrunk values lie within 1.96 posterior deviations of the truth 95 times in a hundred, also of
/// groups without records, and nearer to it than the root.
fn covers(pooled: &Pooled, values: &[Vec<f64>]) {
    let (mut n_inside, mut n, mut error, mut spread) = (0, 0, 0.0, 0.0);
    for (node, truth) in pooled.nodes.iter().zip(values).skip(151) {
        for j in 0..3 {
            let distance = node.mean[j] - truth[j];
            n += 1;
            n_inside += usize::from(distance.abs() <= 1.96 * node.covariance[(j, j)].sqrt());
            error += distance * distance;
            spread += (values[0][j] - truth[j]).powi(2);
        }
    }
    let share = n_inside as f64 / n as f64;
    assert!((0.93..0.97).contains(&share), "{share}");
    assert!(error < 0.5 * spread, "{error} {spread}");
}

#[test]
fn the_same_input_gives_the_same_bits() {
    let run = || {
        let (tree, evidence, _) = drawn(20, 4, &factors(), 3);
        pooled(&tree, &evidence, &PoolOptions::new(vec![0.2; 3]))
    };
    assert_eq!(run(), run());
}
