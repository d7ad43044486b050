//! Our fit beside a reference fit, in digits.

use speedfit::fit::options::{Errors, Loss, SpreadModel};
use speedfit::fit::{
    Curve, Estimate, FitOptions, FitReport, Identification, Observations, Sample, fit, models,
};

use super::golden::{Golden, Parameter};
use crate::digits::digits;

/// What double precision can show.
const MOST_DIGITS: f64 = 16.0;

/// Digits of the objective from which on two fits are of the same minimum; below, they are of two
/// that differ by less than records can tell, such as those where the speed hangs on a single trip.
const SAME_MINIMUM: f64 = 12.0;

/// How far a fit agrees; of several parameters the worst counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Agreement {
    /// Of the objective.
    pub(crate) objective: f64,
    /// Of the parameters that the records tell.
    pub(crate) values: f64,
    /// Of their standard errors.
    pub(crate) errors: f64,
    /// Parameters of which one side says `ok`, the other not: a row for each.
    pub(crate) contradictions: Vec<String>,
}

/// Fits what the reference fitted.
pub(crate) fn fitted(golden: &Golden, samples: &[Sample]) -> Result<FitReport, String> {
    let model = models::by_name(&golden.model).ok_or(format!("no model `{}`", golden.model))?;
    if samples.len() != golden.n {
        return Err(format!("{}: {} records, not {}", golden.region, samples.len(), golden.n));
    }
    let observations = Observations::new(samples.to_vec());
    Ok(fit(&*model, &observations, &options(golden)?, &|| false))
}

fn options(golden: &Golden) -> Result<FitOptions, String> {
    let loss = loss(golden)?;
    let spread = SpreadModel::by_name(&golden.spread);
    Ok(FitOptions {
        loss,
        scale: golden.c.map(|c| c / loss.tuning()),
        errors: match golden.errors.as_str() {
            "" | "normal" => Errors::Normal,
            "student_t" => Errors::StudentT { dof: None },
            "student_t_4" => Errors::StudentT { dof: Some(4.0) },
            other => return Err(format!("no law `{other}`")),
        },
        spread: spread.ok_or_else(|| format!("no spread `{}`", golden.spread))?,
        ..FitOptions::default()
    })
}

/// The loss; a likelihood has none of its own.
fn loss(golden: &Golden) -> Result<Loss, String> {
    if golden.loss.is_empty() {
        return Ok(Loss::LeastSquares);
    }
    Loss::by_name(&golden.loss).ok_or_else(|| format!("no loss `{}`", golden.loss))
}

/// Ours and the reference's: the log-likelihood of T in seconds, the sum of losses, or that of
/// squares.
fn objectives(golden: &Golden, samples: &[Sample], report: &FitReport) -> (f64, f64) {
    if let Some(expected) = golden.log_likelihood_s {
        return (report.log_likelihood.unwrap_or(f64::NAN), expected);
    }
    let found = match (golden.c, report.curve()) {
        (Some(c), Some(curve)) => sum_of_losses(&golden.loss, c, samples, &curve),
        _ => report.metrics.map_or(f64::NAN, |metrics| metrics.ssr_log),
    };
    (found, golden.objective)
}

/// `c²·Σ ρ(r²/c²)` over the residuals of ln T, with SciPy's ρ.
fn sum_of_losses(loss: &str, c: f64, samples: &[Sample], curve: &Curve) -> f64 {
    let rho = |z: f64| match loss {
        "huber" if z > 1.0 => 2.0 * z.sqrt() - 1.0,
        "huber" => z,
        "soft_l1" => 2.0 * ((1.0 + z).sqrt() - 1.0),
        "cauchy" => z.ln_1p(),
        _ => (1.0 - (1.0 - z.min(1.0)).powi(3)) / 3.0,
    };
    let residual =
        |s: &Sample| (f64::from(s.travel_time_s) / curve.median_s(s.distance_km)).ln() / c;
    c * c * samples.iter().map(|s| rho(residual(s).powi(2))).sum::<f64>()
}

/// Compares a fit with its reference.
pub(crate) fn agreement(golden: &Golden, samples: &[Sample], report: &FitReport) -> Agreement {
    let (objective, expected) = objectives(golden, samples, report);
    let mut agreement = Agreement {
        objective: digits(objective, expected, MOST_DIGITS),
        values: MOST_DIGITS,
        errors: MOST_DIGITS,
        contradictions: Vec::new(),
    };
    for parameter in &golden.parameters {
        match report.estimates.iter().find(|estimate| estimate.name == parameter.name) {
            Some(estimate) => agreement.add(parameter, estimate),
            None => agreement.contradictions.push(format!("{}: no estimate", parameter.name)),
        }
    }
    agreement
}

impl Agreement {
    /// Whether both have found the same minimum.
    pub(crate) fn is_same_minimum(&self) -> bool {
        self.objective >= SAME_MINIMUM
    }

    fn add(&mut self, parameter: &Parameter, estimate: &Estimate) {
        let found = match estimate.identification {
            Identification::Ok => "ok",
            Identification::AtBound => "at_bound",
            _ => "not_identified",
        };
        if found != parameter.status {
            let (name, status) = (&parameter.name, &parameter.status);
            self.contradictions.push(format!("{name}: {found} and {status}, {estimate:?}"));
        } else if found != "not_identified" {
            // What the records do not tell may stand anywhere.
            self.values = self.values.min(digits(estimate.value, parameter.value, MOST_DIGITS));
        }
        if let (Some(found), Some(expected)) = (estimate.std_error, parameter.std_error) {
            self.errors = self.errors.min(digits(found, expected, MOST_DIGITS));
        } else if estimate.std_error.is_some() != parameter.std_error.is_some() {
            self.contradictions.push(format!("{}: a standard error on one side", parameter.name));
        }
    }
}
