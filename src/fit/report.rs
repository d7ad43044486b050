//! What a fit reports: estimates with their uncertainty, and a truthful reason for stopping.

use std::borrow::Cow;
use std::fmt;

use super::solution::Solution;

/// Why a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// The objective (sum of squares or losses, likelihood) no longer changes by more than rounding.
    CostConverged,
    /// The step is below the tolerance.
    StepConverged,
    /// The gradient vanishes: residuals are orthogonal to every column of the Jacobian, or the
    /// scores add up to nothing.
    GradientConverged,
    /// The curve passes through every record.
    ExactFit,
    /// Out of iterations; the estimates are the best seen.
    IterationLimit,
    /// No step improves the objective although the gradient does not vanish.
    NoProgress,
    /// The stop signal was noticed.
    Cancelled,
    /// Fewer records than the model has parameters.
    TooFewRecords,
    /// No start gave a finite objective.
    NoFiniteStart,
}

impl Termination {
    /// The name in tables and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CostConverged => "cost_converged",
            Self::StepConverged => "step_converged",
            Self::GradientConverged => "gradient_converged",
            Self::ExactFit => "exact_fit",
            Self::IterationLimit => "iteration_limit",
            Self::NoProgress => "no_progress",
            Self::Cancelled => "cancelled",
            Self::TooFewRecords => "too_few_records",
            Self::NoFiniteStart => "no_finite_start",
        }
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the records tell of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identification {
    /// Estimated, with an interval.
    Ok,
    /// On the edge of its permitted range.
    AtBound,
    /// Set beforehand: its range is a single value.
    Fixed,
    /// The objective does not depend on it near the estimate.
    NotIdentified,
}

/// One parameter in its published unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Published name, for example `cruise_speed_kmh`.
    pub name: Cow<'static, str>,
    /// Published unit; empty for a pure number.
    pub unit: &'static str,
    /// The estimate; always finite.
    pub value: f64,
    /// Standard error in the same unit (delta method).
    pub std_error: Option<f64>,
    /// Lower and upper end of the interval in the same unit, computed on the scale of the fit. An
    /// end is `None` where the records leave the parameter open to that side (`reason` says why),
    /// or where there is no interval at all.
    pub interval: (Option<f64>, Option<f64>),
    /// What the records tell of it.
    pub identification: Identification,
    /// Why, where it is not `Ok`; empty otherwise.
    pub reason: String,
}

/// How well the curve describes the records, on both scales.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Weighted sum of squared residuals of ln T.
    pub ssr_log: f64,
    /// `sqrt(ssr_log / n)`.
    pub rmse_log: f64,
    /// Mean absolute error of the median curve, s.
    pub mae_s: f64,
    /// Median of |predicted − observed| / observed.
    pub median_ape: f64,
    /// Share of records at or under the predicted 90th percentile.
    pub share_under_p90: f64,
}

/// The outcome of a fit; there is always one.
#[derive(Debug, Clone, PartialEq)]
pub struct FitReport {
    /// Model's name.
    pub model: &'static str,
    /// Why it ended.
    pub termination: Termination,
    /// Name of the loss ([`super::options::Loss`]).
    pub loss: &'static str,
    /// Name of the law of the errors ([`super::options::Errors`]).
    pub errors: &'static str,
    /// Name of the model of the spread ([`super::options::SpreadModel`]).
    pub spread: &'static str,
    /// Where the standard errors come from: `information` or `sandwich`.
    pub covariance: &'static str,
    /// The model's parameters in its order, then those of the spread (`sigma_log`, or `spread_b0`,
    /// `spread_b1` and `spread_b2`), then with Student's t `tail_dof`; empty where no fit was
    /// possible. With a robust loss `sigma_log` is its scale, 1.4826 times the median of the
    /// absolute residuals of ln T, which equals the standard deviation for normal errors.
    pub estimates: Vec<Estimate>,
    /// Correlations of the estimates on the scale of the fit, row-major over all of them; `None`
    /// where a parameter is not `Ok`.
    pub correlations: Vec<Option<f64>>,
    /// Condition number of the column-scaled Jacobian, or the root of that of the scaled
    /// information; `None` where it is singular.
    pub condition: Option<f64>,
    /// Sum of the weighted logarithms of the density of T in seconds; after least squares that of
    /// normal errors of ln T whose variance is the mean of squares. `None` with a robust loss, which
    /// is no law, and where every record is met exactly.
    pub log_likelihood: Option<f64>,
    /// `2k − 2·log_likelihood`, k counting all parameters that were not fixed, the spread's too.
    pub aic: Option<f64>,
    /// `k·ln(n) − 2·log_likelihood`, n the sum of the weights.
    pub bic: Option<f64>,
    /// The fit on its own scale, for pooling and prediction; `None` where there are no estimates.
    pub solution: Option<Solution>,
    /// Quality; `None` where no fit was possible.
    pub metrics: Option<Metrics>,
    /// Records, not weighted.
    pub n_records: usize,
    /// Iterations, all starts together.
    pub n_iterations: u64,
    /// Evaluations of residuals, all starts together.
    pub n_evaluations: u64,
    /// Starts tried.
    pub n_starts: u32,
    /// In words, what is worth knowing; empty for an ordinary fit.
    pub message: String,
}
