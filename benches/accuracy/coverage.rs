//! How often intervals hold the truth, and how far estimates lie from it, over many draws from the
//! Calgary set: `cargo bench --bench accuracy -- coverage [REPETITIONS] [RECORDS] [wald|profile]
//! [information|sandwich]`.

use std::fmt::Write as _;

use speedfit::fit::options::{Covariance, Errors, Intervals, SpreadModel};
use speedfit::fit::simulate::{Spread, TripLengths, draw, published};
use speedfit::fit::{FitOptions, FitReport, Observations, Termination, fit, models};

/// Published names with the truth that records are drawn from.
fn truth() -> Vec<(&'static str, f64)> {
    let mut truth = published::CALGARY.parameters.to_vec();
    if let Spread::Budge { b0, b1, b2, tail_dof } = Spread::CALGARY {
        truth.extend([("spread_b0", b0), ("spread_b1", b1), ("spread_b2", b2)]);
        truth.push(("tail_dof", tail_dof));
    }
    truth
}

/// What the repetitions say of one parameter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    n_covered: usize,
    n_intervals: usize,
    /// Distances from the truth on the scale of the fit, and in the published unit.
    internal: Vec<f64>,
    published: Vec<f64>,
    std_errors: Vec<f64>,
}

impl Tally {
    fn add(&mut self, report: &FitReport, name: &str, truth: f64) {
        let Some(j) = report.estimates.iter().position(|e| e.name == name) else {
            return;
        };
        let row = &report.estimates[j];
        self.published.push(row.value - truth);
        if let Some(solution) = &report.solution {
            let spec = &solution.specs[j];
            let n = solution.parameters.len();
            self.internal.extend(spec.internal(truth).map(|t| solution.parameters[j] - t));
            self.std_errors.push(solution.covariance[j * n + j].sqrt());
        }
        let (low, high) = row.interval;
        if row.std_error.is_some() {
            self.n_intervals += 1;
            let is_in = low.is_none_or(|low| low <= truth) && high.is_none_or(|high| truth <= high);
            self.n_covered += usize::from(is_in);
        }
    }

    /// Share of intervals that hold the truth.
    pub(crate) fn coverage(&self) -> f64 {
        self.n_covered as f64 / self.n_intervals.max(1) as f64
    }

    /// Bias over the standard deviation of the estimates, on the scale of the fit.
    pub(crate) fn relative_bias(&self) -> f64 {
        mean(&self.internal) / deviation(&self.internal)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    mean(&values.iter().map(|x| (x - centre).powi(2)).collect::<Vec<_>>()).sqrt()
}

/// The study: one tally per parameter, and how many fits did not converge.
pub(crate) fn study(
    n_repetitions: u64,
    n_records: usize,
    options: &FitOptions,
) -> Result<(Vec<Tally>, usize), String> {
    let curve = published::CALGARY.curve().ok_or("no curve")?;
    let model = models::by_name("kwh").ok_or("no model")?;
    let truth = truth();
    let mut tallies = vec![Tally::default(); truth.len()];
    let mut n_unconverged = 0;
    for seed in 0..n_repetitions {
        let samples = draw(&curve, &Spread::CALGARY, &TripLengths::default(), n_records, seed);
        let report = fit(&*model, &Observations::new(samples), options, &|| false);
        let is_done = matches!(
            report.termination,
            Termination::GradientConverged | Termination::CostConverged
        );
        n_unconverged += usize::from(!is_done);
        for (tally, (name, truth)) in tallies.iter_mut().zip(&truth) {
            tally.add(&report, name, *truth);
        }
    }
    Ok((tallies, n_unconverged))
}

/// The table.
pub(crate) fn run(arguments: &[String]) -> Result<String, String> {
    let number = |at: usize, default: u64| {
        let given = arguments.get(at).map(|text| text.parse().map_err(|_| format!("`{text}`?")));
        given.unwrap_or(Ok(default))
    };
    let (n_repetitions, n_records) = (number(0, 1000)?, number(1, 2000)?);
    let name = |at: usize, default: &str| arguments.get(at).map_or(default, |text| text).to_owned();
    let (intervals, covariance) = (name(2, "wald"), name(3, "information"));
    let options = FitOptions {
        errors: Errors::StudentT { dof: None },
        spread: SpreadModel::Budge,
        intervals: Intervals::by_name(&intervals).ok_or(format!("no intervals `{intervals}`"))?,
        covariance: Covariance::by_name(&covariance)
            .ok_or(format!("no covariance `{covariance}`"))?,
        ..FitOptions::default()
    };
    let (tallies, n_unconverged) = study(n_repetitions, n_records as usize, &options)?;
    let mut text = format!(
        "{n_repetitions} draws of {n_records} records, {intervals} intervals, {covariance}; \
         {n_unconverged} fits did not converge.\n\n\
         | parameter | truth | intervals | coverage, % | bias / standard deviation (scale of the fit) \
         | bias / standard deviation (published) | standard error / standard deviation |\n\
         |---|--:|--:|--:|--:|--:|--:|\n"
    );
    for ((name, truth), tally) in truth().iter().zip(&tallies) {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {name} | {truth:.6} | {} | {:.1} | {:+.3} | {:+.3} | {:.3} |",
            tally.n_intervals,
            100.0 * tally.coverage(),
            tally.relative_bias(),
            mean(&tally.published) / deviation(&tally.published),
            mean(&tally.std_errors) / deviation(&tally.internal),
        );
    }
    Ok(text)
}
