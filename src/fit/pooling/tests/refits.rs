//! Fits of few records with a prior, through the solver and the models of every other fit.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};

use super::super::super::least_squares::{BLOCK_ROWS, LeastSquares, Triangle};
use super::super::super::models::{self, Model};
use super::super::super::options::FitOptions;
use super::super::super::problem::TravelTimes;
use super::super::super::report::Termination;
use super::super::super::simulate::{Spread, TripLengths, draw, published};
use super::super::super::solver::minimize;
use super::super::super::{Observations, Sample, refit};
use super::super::with_prior::{Refit, WithPrior};
use super::*;

const SIGMA: f64 = 0.25;

fn kwh() -> Arc<dyn Model> {
    models::by_name("kwh").unwrap()
}

/// ln a and ln v of Calgary, and a prior as wide as `deviation` about values of one's own.
fn truth() -> [f64; 2] {
    let set = published::CALGARY;
    let kwh = kwh();
    let specs = kwh.parameters();
    [0, 1].map(|j| specs[j].internal(set.value(&specs[j].name).unwrap()).unwrap())
}

fn prior(deviation: f64) -> Evidence {
    let covariance = DMatrix::from_row_slice(2, 2, &[1.0, 0.3, 0.3, 0.8]) * deviation.powi(2);
    Evidence::of_normal(&[truth()[0] + 0.2, truth()[1] - 0.3], &covariance).unwrap()
}

fn records(n: usize, lengths: &TripLengths) -> Vec<Sample> {
    let spread = Spread::Normal { sigma_log: SIGMA };
    draw(&published::CALGARY.curve().unwrap(), &spread, lengths, n, 5)
}

fn fitted(samples: &[Sample], prior: &Evidence) -> Refit {
    let observations = Observations::new(samples.to_vec());
    refit(&*kwh(), &observations, prior, SIGMA, &FitOptions::default(), &|| false).unwrap()
}

#[test]
fn no_prior_is_the_plain_fit() {
    let observations = Observations::new(records(300, &TripLengths::default()));
    let kwh = kwh();
    let problem = TravelTimes::new(&*kwh, &observations);
    let start = &kwh.starts(&observations)[0];
    let plain = minimize(&problem, start, &FitOptions::default(), &|| false);
    let free = fitted(observations.samples(), &Evidence::none(2));
    for (a, b) in plain.parameters.iter().zip(&free.parameters) {
        close(*a, *b, 1e-9);
    }
    assert_eq!(free.pool_weights, [0.0, 0.0]);
    // And its evidence is the plain fit's: mean and σ²(JᵀJ)⁻¹.
    let own = Evidence::of_fit(&plain.triangle, &plain.parameters, SIGMA);
    let mean = own.mean().unwrap();
    close(mean[0], free.parameters[0], 1e-7);
    let covariance = free.covariance.unwrap();
    let jacobian = DMatrix::from_fn(2, 2, |i, j| plain.triangle.r(i, j));
    let direct = (jacobian.transpose() * jacobian).try_inverse().unwrap() * SIGMA.powi(2);
    assert!((&covariance - &direct).norm() <= 1e-8 * direct.norm(), "{covariance} {direct}");
    assert!((own.covariance().unwrap() - &direct).norm() <= 1e-9 * direct.norm());
}

#[test]
fn an_endlessly_sharp_prior_is_the_answer() {
    let samples = records(300, &TripLengths::default());
    for deviation in [1e-4, 1e-6, 1e-9] {
        let sharp = fitted(&samples, &prior(deviation));
        for (x, mean) in sharp.parameters.iter().zip(prior(deviation).mean().unwrap().iter()) {
            assert!(
                (x - mean).abs() < 1e4 * deviation * deviation + 1e-12,
                "{deviation}: {x} {mean}"
            );
        }
        assert!(sharp.pool_weights.iter().all(|w| *w > 0.99), "{:?}", sharp.pool_weights);
    }
}

#[test]
fn no_records_give_the_prior() {
    let alone = fitted(&[], &prior(0.3));
    assert_eq!(alone.pool_weights, [1.0, 1.0]);
    let expected = prior(0.3);
    let mean = DVector::from_column_slice(&alone.parameters);
    assert!((mean - expected.mean().unwrap()).norm() < 1e-12);
    let covariance = alone.covariance.unwrap();
    assert!((covariance - expected.covariance().unwrap()).norm() < 1e-12);
    assert!(alone.evidence.is_none());
}

/// A slow trip makes the region slower, a fast one faster, and neither by as much as the record
/// says; what a short trip cannot tell, the speed, moves with the acceleration only.
#[test]
fn one_record_moves_the_curve_towards_it() {
    let prior = prior(0.3);
    let mean = prior.mean().unwrap();
    for distance_km in [0.5, 2.0, 12.0] {
        let expected = kwh().ln_time(mean.as_slice(), distance_km);
        for shift in [-0.5, 0.5] {
            let travel_time_s = (60.0 * f64::exp(expected + shift)) as f32;
            let fit = fitted(&[Sample { distance_km, travel_time_s, weight: 1.0 }], &prior);
            let moved = (kwh().ln_time(&fit.parameters, distance_km) - expected) / shift;
            assert!((0.05..0.95).contains(&moved), "{distance_km} km: {moved}");
            let (spread, before) = (fit.covariance.unwrap(), prior.covariance().unwrap());
            assert!((0..2).all(|j| spread[(j, j)] <= before[(j, j)] * (1.0 + 1e-12)));
            assert!(fit.pool_weights.iter().all(|w| (0.0..=1.0).contains(w)));
        }
    }
}

/// The cases that break a plain fit: one distance, all before the knot (4.13 km), all beyond it.
#[test]
fn awkward_records_have_a_finite_answer_between_prior_and_truth() {
    let near = TripLengths { median_km: 0.8, sigma_log: 0.3, min_km: 0.1, max_km: 1.5 };
    let far = TripLengths { median_km: 15.0, sigma_log: 0.3, min_km: 9.0, max_km: 40.0 };
    let one = TripLengths { median_km: 3.0, sigma_log: 0.0, min_km: 3.0, max_km: 3.0 };
    for (name, lengths) in [("near", near), ("far", far), ("one", one)] {
        let mut last = f64::INFINITY;
        for n in [1, 5, 39] {
            let fit = fitted(&records(n, &lengths), &prior(0.3));
            let covariance = fit.covariance.as_ref().unwrap();
            let size = covariance.determinant();
            assert!(size > 0.0 && size <= last, "{name} {n}: {size}");
            last = size;
            for j in 0..2 {
                assert!((fit.parameters[j] - truth()[j]).abs() < 1.2, "{name} {n}: {fit:?}");
            }
        }
        let fit = fitted(&records(39, &lengths), &prior(0.3));
        if name == "near" {
            assert_eq!(fit.pool_weights[1], 1.0, "short trips tell no cruise speed");
            assert!(fit.pool_weights[0] < 0.1, "{:?}", fit.pool_weights);
        }
    }
}

/// Rows of the prior follow those of the records wherever the blocks are cut.
#[test]
fn blocks_may_be_cut_between_records_and_prior() {
    for n in [1, BLOCK_ROWS - 3, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1] {
        let observations = Observations::new(records(n, &TripLengths::default()));
        let kwh = kwh();
        let problem = TravelTimes::new(&*kwh, &observations);
        let (prior, at) = (prior(0.3), [-0.5, 0.4]);
        let joint =
            Triangle::reduce(&WithPrior::new(&problem, &prior, SIGMA), &at, &mut Vec::new());
        let records = Triangle::reduce(&problem, &at, &mut Vec::new());
        let missed = prior.root() * DVector::from_column_slice(&at) - prior.target();
        close(joint.ssr(), records.ssr() + SIGMA.powi(2) * missed.norm_squared(), 1e-11);
        let slope = prior.root().transpose() * missed * SIGMA.powi(2);
        for j in 0..2 {
            close(joint.gradient(j), records.gradient(j) + slope[j], 1e-9);
        }
    }
}

/// With the evidence of the refit, linearised at its end, pooling arrives at the refit: the
/// gradient of records and prior together vanishes there.
#[test]
fn pooling_with_the_refits_evidence_stays_where_it_is() {
    let tree = Tree::new(&[None, Some(0)]).unwrap();
    for n in [1, 5, 39, 4000] {
        let fit = fitted(&records(n, &TripLengths::default()), &prior(0.2));
        let evidence = [prior(0.2), fit.evidence];
        let nodes = pool_with(&tree, &evidence, &[DMatrix::zeros(2, 2)]).unwrap();
        let covariance = fit.covariance.unwrap();
        for j in 0..2 {
            close(nodes[1].mean[j], fit.parameters[j], 1e-8);
            close(nodes[1].pool_weights[j], fit.pool_weights[j], 1e-8);
            close(nodes[1].covariance[(j, j)], covariance[(j, j)], 1e-8);
        }
    }
}

/// A parameter held by its bound pulls beyond it: the gradient is part of the evidence.
#[test]
fn evidence_off_the_minimum_keeps_its_pull() {
    struct Line;
    impl LeastSquares for Line {
        fn n_parameters(&self) -> usize {
            1
        }
        fn n_rows(&self) -> usize {
            4
        }
        fn bounds(&self) -> &[(f64, f64)] {
            &[(0.0, 1.0)]
        }
        fn residual_noise(&self) -> f64 {
            1e-16
        }
        fn fill(&self, p: &[f64], first: usize, jacobian: &mut [f64], residuals: &mut [f64]) {
            for (i, r) in residuals.iter_mut().enumerate() {
                jacobian[i] = 1.0;
                *r = p[0] - 3.0 - 0.1 * (first + i) as f64;
            }
        }
    }
    let minimum = minimize(&Line, &[0.5], &FitOptions::default(), &|| false);
    assert_eq!(minimum.parameters, [1.0]);
    let evidence = Evidence::of_fit(&minimum.triangle, &minimum.parameters, 0.5);
    close(evidence.mean().unwrap()[0], 3.15, 1e-12);
    close(evidence.covariance().unwrap()[(0, 0)], 0.25 / 4.0, 1e-12);
    let held =
        with_prior::refit(&Line, &[], &told(&[(0.4, 0.5)]), 0.5, &FitOptions::default(), &|| false);
    let held = held.unwrap();
    assert_eq!((held.parameters[0], held.at_bound[0]), (1.0, true));
    assert_eq!(held.covariance.unwrap()[(0, 0)], 0.0);
    close(held.pool_weights[0], 0.2, 1e-12);
    let matrix = DMatrix::from_element(1, 1, 16.0);
    let same = Evidence::of_information(&matrix, &[1.0], &[4.0 * -2.15 / 0.25]);
    close(same.mean().unwrap()[0], 3.15, 1e-12);
}

/// Directions of no or negative curvature tell nothing.
#[test]
fn indefinite_information_is_cut() {
    let matrix = DMatrix::from_row_slice(2, 2, &[2.0, 0.0, 0.0, -1.0]);
    let evidence = Evidence::of_information(&matrix, &[0.7, 5.0], &[0.0, 0.0]);
    assert_eq!(evidence.told(), [true, false]);
    let sum = DMatrix::from_element(2, 2, 3.0);
    let sum = Evidence::of_information(&sum, &[0.5, 0.25], &[0.0, 0.0]);
    assert_eq!((sum.told(), sum.mean()), (vec![false, false], None));
    assert!((sum.target().norm() - 0.75 * 3f64.sqrt()).abs() < 1e-12);
    assert!(
        Evidence::of_information(&DMatrix::from_element(1, 1, f64::NAN), &[0.0], &[0.0]).is_none()
    );
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let observations = Observations::new(records(5, &TripLengths::default()));
    let with = |sigma: f64, stop: bool| {
        refit(&*kwh(), &observations, &prior(0.3), sigma, &FitOptions::default(), &|| stop)
    };
    assert_eq!(with(0.0, false).unwrap_err(), Termination::NoFiniteStart);
    assert_eq!(with(f64::NAN, false).unwrap_err(), Termination::NoFiniteStart);
    assert_eq!(with(SIGMA, true).unwrap_err(), Termination::Cancelled);
    assert!(with(SIGMA, false).is_ok());
}
