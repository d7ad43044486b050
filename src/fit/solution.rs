//! A fit on its own scale: what pooling and prediction start from. Knows no records.

use super::models::ParameterSpec;

/// Internal parameters with the curvature of the objective there: near the estimate, −ln likelihood
/// is `gradient·δ + ½·δᵀ·information·δ` for a change δ of the parameters.
///
/// Evidence for the parameters in the form `h = P·θ − g` comes from `information` (P), `parameters`
/// (θ) and `gradient` (g): it is right also where a bound keeps the fit from its optimum.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// Names, units and scales, in the order of the report's estimates.
    pub specs: Vec<ParameterSpec>,
    /// Internal values: the model's, the spread's, the tail's.
    pub parameters: Vec<f64>,
    /// How many of them are the model's.
    pub n_model: usize,
    /// Information about the internal parameters, row-major and square: second derivatives of
    /// −ln likelihood (per unit: divided by σ² after least squares).
    pub information: Vec<f64>,
    /// First derivatives of −ln likelihood; nearly zero but at bounds.
    pub gradient: Vec<f64>,
    /// Covariance of the internal parameters, row-major, behind the standard errors; zero in the
    /// rows of parameters that are fixed, at a bound or not identified.
    pub covariance: Vec<f64>,
    /// Σ weights less the directions that the records determine; intervals use Student's t with it.
    pub n_dof: f64,
}
