//! Losses and likelihoods against SciPy, on forty records that bend at a knot.
//!
//! The numbers come from SciPy 1.17, with `d = 0.2*1.12**arange(40)`, `lnm` the logarithm of `kwh` in
//! minutes of p = (ln a, ln v in km/min) and `y = log(T/60)`:
//! `least_squares(lambda p: lnm(p) - y, start, loss=name, f_scale=C*0.2, xtol=1e-15, ftol=1e-15,
//! gtol=1e-15)`, from it `H = A.T@(dpsi*A)`, `B = A.T@(psi**2*A)` and
//! `sqrt(diag(inv(H)@B@inv(H)*40/38))`; and the least of
//! `-sum(stats.t.logpdf((y - lnm)/c, dof) - log(c) - log(T))` (or `stats.norm`) by Nelder and Mead's
//! method with `xatol=1e-13`, started twelve times.

use super::options::{Errors, Loss, SpreadModel};
use super::{FitOptions, FitReport, Observations, Sample, fit, models};

const TIMES_S: [u16; 40] = [
    84, 97, 77, 39, 100, 300, 98, 88, 151, 150, 95, 142, 202, 140, 141, 199, 213, 187, 430, 250,
    147, 195, 235, 408, 297, 251, 421, 461, 375, 413, 549, 1629, 532, 545, 971, 898, 632, 533,
    1443, 1020,
];

fn fitted(options: &FitOptions) -> FitReport {
    let records = TIMES_S.iter().enumerate().map(|(i, &time_s)| Sample {
        distance_km: 0.2 * 1.12_f64.powi(i as i32),
        travel_time_s: f32::from(time_s),
        weight: 1.0,
    });
    let model = models::by_name("kwh").unwrap();
    fit(&*model, &Observations::new(records.collect()), options, &|| false)
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{found} and {expected}");
}

#[test]
fn robust_losses_agree() {
    for (loss, values, relative_errors) in [
        (
            Loss::Huber,
            [0.48877954409061247, 57.65325240995635],
            [0.11174579126541456, 0.18262267330195814],
        ),
        (
            Loss::SoftL1,
            [0.48431586342569494, 58.096220643375695],
            [0.12031156105828227, 0.17162548620348414],
        ),
        (
            Loss::Cauchy,
            [0.48974375675562193, 58.51084793664369],
            [0.11451392191221536, 0.16566598282686992],
        ),
    ] {
        let report = fitted(&FitOptions { loss, scale: Some(0.2), ..FitOptions::default() });
        for j in 0..2 {
            let row = &report.estimates[j];
            close(row.value, values[j], 1e-7);
            // The reference differences its Jacobian.
            close(row.std_error.unwrap() / row.value, relative_errors[j], 1e-5);
        }
    }
}

#[test]
fn likelihoods_agree() {
    let check = |dof: Option<Option<f64>>, spread, expected: &[f64], log_likelihood: f64| {
        let errors = dof.map_or(Errors::Normal, |dof| Errors::StudentT { dof });
        let report = fitted(&FitOptions { errors, spread, ..FitOptions::default() });
        close(report.log_likelihood.unwrap(), log_likelihood, 1e-12);
        for (row, expected) in report.estimates.iter().zip(expected) {
            close(row.value, *expected, 2e-6);
        }
    };
    let (constant, budge) = (SpreadModel::Constant, SpreadModel::Budge);
    check(
        None,
        budge,
        &[
            0.4657833731622322,
            55.19100486349034,
            1.3104117969847273,
            -0.8332009240564926,
            0.23610184629314426,
        ],
        -237.97856748742262,
    );
    check(
        Some(Some(4.0)),
        constant,
        &[0.48954467733165985, 58.41837843352069, 0.2511958806877157, 4.0],
        -236.03575754064957,
    );
    check(
        Some(None),
        constant,
        &[0.48991538271132223, 59.02050349015222, 0.22873860518545694, 2.7579786196090037],
        -235.7928247791561,
    );
    check(
        Some(Some(4.0)),
        budge,
        &[
            0.4944695704381872,
            58.07889675958022,
            0.4142808628825629,
            -0.26814482295127146,
            0.09459364332538525,
            4.0,
        ],
        -235.86343398424137,
    );
}
