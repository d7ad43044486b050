//! The fit against an independent one: SciPy's least squares on ln T, region by region.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;

use speedfit::fit::{
    Estimate, FitOptions, FitReport, Identification, Observations, Sample, fit, models,
};

use crate::reference::trips::regions;
use crate::support::program::incidents;

/// One row of the reference by column name; an empty cell is `None`.
struct Reference(BTreeMap<String, String>);

impl Reference {
    fn text(&self, column: &str) -> &str {
        &self.0[column]
    }

    fn number(&self, column: &str) -> Option<f64> {
        let text = self.text(column);
        (!text.is_empty()).then(|| text.parse().unwrap())
    }
}

fn references(file: &Path) -> Vec<Reference> {
    csv::Reader::from_path(file).unwrap().deserialize().map(|row| Reference(row.unwrap())).collect()
}

fn fitted(model: &str, samples: &[Sample]) -> FitReport {
    let observations = Observations::new(samples.to_vec());
    let model = models::by_name(model).unwrap();
    fit(&*model, &observations, &FitOptions::default(), &|| false)
}

fn estimate<'a>(report: &'a FitReport, name: &str) -> &'a Estimate {
    report.estimates.iter().find(|e| e.name == name).unwrap()
}

fn acceleration(report: &FitReport) -> &Estimate {
    estimate(report, "acceleration_km_min2")
}

fn speed(report: &FitReport) -> &Estimate {
    estimate(report, "cruise_speed_kmh")
}

/// Runs `judge` on every region of every set that the reference has fitted; collects complaints.
fn check(model: &str, judge: impl Fn(&Reference, &FitReport, &mut Vec<String>)) {
    let Some(folder) = incidents() else { return };
    let mut complaints = Vec::new();
    let mut n_judged = 0;
    for set in ["lfb_incidents_2017", "sf_fire", "nyc_green_2023q1"] {
        let regions = regions(&folder.join(format!("{set}.clean.csv.gz"))).unwrap();
        for row in references(&folder.join(format!("{set}.scipy.csv"))) {
            let region = row.text("region");
            let samples = &regions[region];
            assert_eq!(samples.len() as f64, row.number("n").unwrap(), "{set} {region}");
            if row.text("status") == "too_few" {
                continue;
            }
            let mut found = Vec::new();
            judge(&row, &fitted(model, samples), &mut found);
            complaints.extend(found.into_iter().map(|text| format!("{set} {region}: {text}")));
            n_judged += 1;
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(n_judged, 34 + 11 + 218 - 52);
}

fn ssr(report: &FitReport) -> f64 {
    report.metrics.unwrap().ssr_log
}

#[test]
fn kwh_estimates_agree() {
    check("kwh", |row, report, complaints| {
        let (a, v) = (acceleration(report), speed(report));
        let a_reference = row.number("a_km_min2").unwrap();
        let v_reference = row.number("v_km_min").unwrap() * 60.0;
        let a_error = (a.value / a_reference).ln().abs();
        let v_error = (v.value / v_reference).ln().abs();
        let status = row.text("status");
        let agrees = match status {
            "ok" => {
                a_error <= 1e-5
                    && v_error <= 1e-5
                    && a.identification == Identification::Ok
                    && v.identification == Identification::Ok
            }
            "v_not_identified" => {
                a_error <= 1e-5
                    && a.identification == Identification::Ok
                    && v.identification == Identification::NotIdentified
                    && v.std_error.is_none()
                    && !v.reason.is_empty()
            }
            "a_at_upper_bound" => {
                v_error <= 1e-5
                    && a.identification == Identification::AtBound
                    && v.identification == Identification::Ok
            }
            other => panic!("status `{other}`"),
        };
        if !agrees {
            complaints
                .push(format!("{status}: ln a off {a_error:e}, ln v {v_error:e}; {a:?} {v:?}"));
        }
    });
}

#[test]
fn kwh_sums_of_squares_agree() {
    check("kwh", |row, report, complaints| {
        let reference = row.number("ssr_log").unwrap();
        let found = ssr(report);
        if (found / reference - 1.0).abs() > 1e-7 {
            complaints.push(format!("{found} and {reference}"));
        }
    });
}

#[test]
fn kwh_standard_errors_agree() {
    check("kwh", |row, report, complaints| {
        if row.text("status") != "ok" {
            return;
        }
        for (column, estimate) in [("se_log_a", acceleration(report)), ("se_log_v", speed(report))]
        {
            let reference = row.number(column).unwrap();
            let found = estimate.std_error.unwrap_or(f64::INFINITY) / estimate.value;
            if (found / reference - 1.0).abs() > 1e-3 {
                complaints.push(format!("{column} {found} and {reference}"));
            }
        }
    });
}

#[test]
fn kwh_intercept_is_never_worse() {
    check("kwh_intercept", |row, report, complaints| {
        let reference = row.number("ssr_log_t0").unwrap();
        let found = ssr(report);
        if found > reference * (1.0 + 1e-7) {
            let excess = found / reference - 1.0;
            complaints.push(format!("{found} and {reference}, {excess:e} above; {report:?}"));
        }
    });
}
