//! What a fit reports: estimates with their uncertainty, and a truthful reason for stopping.

use std::borrow::Cow;
use std::fmt;

/// Why a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// The sum of squares no longer changes by more than rounding.
    CostConverged,
    /// The step is below the tolerance.
    StepConverged,
    /// The gradient vanishes: residuals are orthogonal to every column of the Jacobian.
    GradientConverged,
    /// The curve passes through every record.
    ExactFit,
    /// Out of iterations; the estimates are the best seen.
    IterationLimit,
    /// No step reduces the sum of squares although the gradient does not vanish.
    NoProgress,
    /// The stop signal was noticed.
    Cancelled,
    /// Fewer records than the model has parameters.
    TooFewRecords,
    /// No start gave a finite sum of squares.
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
    /// The sum of squares does not depend on it near the estimate.
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
    /// Interval in the same unit; for positive parameters computed on the logarithm.
    pub interval: Option<(f64, f64)>,
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
    /// The model's parameters in its order, then `sigma_log`; empty where no fit was possible.
    pub estimates: Vec<Estimate>,
    /// Correlations of the estimates on the scale of the fit, row-major over the model's
    /// parameters (without `sigma_log`); `None` where a parameter is not `Ok`.
    pub correlations: Vec<Option<f64>>,
    /// Condition number of the column-scaled Jacobian; `None` where it is singular.
    pub condition: Option<f64>,
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
