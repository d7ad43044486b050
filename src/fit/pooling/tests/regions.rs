//! The whole way that a run goes, on regions drawn with known truth: fits, spread, pooling, refits.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::super::super::models::{self, Model};
use super::super::super::options::FitOptions;
use super::super::super::problem::TravelTimes;
use super::super::super::simulate::{Spread, TripLengths, draw, published};
use super::super::super::solver::{Minimum, minimize};
use super::super::super::{Curve, Observations, refit};
use super::*;

const SIGMA: f64 = 0.3;
/// Standard deviations of ln a and ln v between regions.
const DEVIATIONS: [f64; 2] = [0.25, 0.15];
const SIZES: [usize; 30] = [
    0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 39, 0, 1, 2, 4, 7, 9, 15, 25, 35, 300, 400,
    500, 600, 800, 1000,
];

fn kwh() -> Arc<dyn Model> {
    models::by_name("kwh").unwrap()
}

fn curve(internal: &[f64]) -> Curve {
    let kwh = kwh();
    let specs = kwh.parameters();
    let at = |name: &str| specs.iter().position(|spec| spec.name == name);
    let value = |name: &str| at(name).map(|j| specs[j].published(internal[j]));
    Curve::from_parameters("kwh", value).unwrap()
}

/// Regions about Calgary's parameters, and their records.
fn regions() -> Vec<([f64; 2], Observations)> {
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let set = published::CALGARY;
    let kwh = kwh();
    let specs = kwh.parameters();
    let region = |(i, &n): (usize, &usize)| {
        let truth = [0, 1].map(|j| {
            let normal: f64 = StandardNormal.sample(&mut rng);
            let middle = specs[j].internal(set.value(&specs[j].name).unwrap()).unwrap();
            middle + DEVIATIONS[j] * normal
        });
        let (spread, lengths) = (Spread::Normal { sigma_log: SIGMA }, TripLengths::default());
        (truth, Observations::new(draw(&curve(&truth), &spread, &lengths, n, i as u64)))
    };
    SIZES.iter().enumerate().map(region).collect()
}

fn plain(observations: &Observations) -> Option<Minimum> {
    let kwh = kwh();
    let problem = TravelTimes::new(&*kwh, observations);
    let starts = (observations.len() >= 2).then(|| kwh.starts(observations))?;
    let fits = starts.iter().map(|s| minimize(&problem, s, &FitOptions::default(), &|| false));
    fits.min_by(|a, b| a.triangle.ssr().total_cmp(&b.triangle.ssr()))
}

/// Mean of squared errors of ln T at 1, 2 and 5 km.
fn error(internal: &[f64], truth: &[f64]) -> f64 {
    let at = |d: f64| (kwh().ln_time(internal, d) - kwh().ln_time(truth, d)).powi(2);
    (at(1.0) + at(2.0) + at(5.0)) / 3.0
}

#[test]
fn small_regions_gain_from_the_others() {
    let regions = regions();
    let fits: Vec<Option<Minimum>> = regions.iter().map(|(_, o)| plain(o)).collect();
    let tree = star(regions.len());
    // The spread first: one's own would be zero for two records.
    let mut spreads = vec![Evidence::none(1)];
    spreads.extend(regions.iter().zip(&fits).map(|((_, records), fit)| {
        let dof = records.weight_sum() - 2.0;
        let ssr = fit.as_ref().map_or(0.0, |fit| fit.triangle.ssr());
        Evidence::of_sigma((ssr / dof.max(1.0)).sqrt(), dof)
    }));
    let spreads = pooled(&tree, &spreads, &PoolOptions::new(vec![0.1]));
    let sigma = |i: usize| spreads.nodes[i + 1].mean[0].exp();
    assert!((0..regions.len()).all(|i| (sigma(i) / SIGMA).ln().abs() < 0.1));
    let mut evidence = vec![Evidence::none(2)];
    evidence.extend(fits.iter().enumerate().map(|(i, fit)| {
        let of = |fit: &Minimum| Evidence::of_fit(&fit.triangle, &fit.parameters, sigma(i));
        fit.as_ref().map_or(Evidence::none(2), of)
    }));
    let first = pooled(&tree, &evidence, &PoolOptions::new(vec![0.2; 2]));
    // Again with the records' evidence where the prior has taken them.
    for (i, (_, records)) in regions.iter().enumerate() {
        let prior = &first.nodes[i + 1].prior;
        let fit = refit(&*kwh(), records, prior, sigma(i), &FitOptions::default(), &|| false);
        evidence[i + 1] = fit.unwrap().evidence;
    }
    let second = pooled(&tree, &evidence, &PoolOptions::new(vec![0.2; 2]));
    let (mut raw, mut shrunk, mut everything) = (0.0, 0.0, 0.0);
    for (i, (truth, records)) in regions.iter().enumerate() {
        let prior = &second.nodes[i + 1].prior;
        let fit =
            refit(&*kwh(), records, prior, sigma(i), &FitOptions::default(), &|| false).unwrap();
        assert_eq!(fit.pool_weights == [1.0, 1.0], records.is_empty());
        if let (Some(own), true) = (&fits[i], records.len() < 40) {
            raw += error(&own.parameters, truth);
            shrunk += error(&fit.parameters, truth);
            everything += error(second.nodes[0].mean.as_slice(), truth);
        }
    }
    assert!(shrunk < 0.5 * raw && shrunk < 0.7 * everything, "{shrunk} {raw} {everything}");
    for (j, deviation) in DEVIATIONS.into_iter().enumerate() {
        let found = second.levels[0].covariance[(j, j)].sqrt();
        assert!((0.5..2.0).contains(&(found / deviation)), "{j}: {found}");
    }
}
