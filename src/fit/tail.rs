//! The tail of the errors as a parameter: degrees of freedom of Student's t.
//!
//! On the scale of the fit it is 1/dof: the likelihood is smooth there up to the normal law at
//! zero, while over dof or its logarithm it runs flat towards it.

use std::borrow::Cow;

use super::errors::TAIL_DOF;
use super::models::{ParameterSpec, Transform};

/// Between these the degrees of freedom are estimated: from Cauchy's law to one that is normal for
/// all that records can tell.
pub(super) const ESTIMATED: (f64, f64) = (1.0, 200.0);

pub(super) fn spec() -> ParameterSpec {
    ParameterSpec { name: Cow::Borrowed(TAIL_DOF), unit: "", transform: Transform::Reciprocal }
}

/// Bounds of 1/dof; a single value where `dof` is fixed, which is drawn between 0.1 and 1e9.
pub(super) fn bounds(dof: Option<f64>) -> (f64, f64) {
    match dof.filter(|dof| *dof > 0.0) {
        Some(dof) => {
            let at = 1.0 / dof.clamp(0.1, 1e9);
            (at, at)
        }
        None => (1.0 / ESTIMATED.1, 1.0 / ESTIMATED.0),
    }
}
