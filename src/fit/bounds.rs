//! Ranges that the settings give to published parameters, on the scale of the fit.

use thiserror::Error;

use super::models::{Model, ParameterSpec};
use super::observations::Observations;
use super::options::{Bound, Errors, FitOptions, Loss, SpreadModel};
use super::tail;

/// What is wrong with what a fit is asked to do.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum OptionsError {
    /// A bound on what this fit does not estimate as a parameter.
    #[error("no parameter `{name}` can be bounded here; there are {known}")]
    UnknownParameter {
        /// Name in the settings.
        name: String,
        /// Names that can be bounded, in words.
        known: String,
    },
    /// Two ranges for one parameter.
    #[error("parameter `{name}` is bounded twice")]
    Twice {
        /// Published name.
        name: String,
    },
    /// No number lies in the range, or an end is none.
    #[error("the range of `{name}`, {min} to {max}, is empty")]
    EmptyRange {
        /// Published name.
        name: String,
        /// Lower end, in the published unit.
        min: f64,
        /// Upper end, in the published unit.
        max: f64,
    },
    /// The range lies outside what the parameter can be.
    #[error("the range of `{name}`, {min} to {max}, is outside what it can be")]
    Outside {
        /// Published name.
        name: String,
        /// Lower end, in the published unit.
        min: f64,
        /// Upper end, in the published unit.
        max: f64,
    },
    /// A robust loss beside a law of errors or of the spread.
    #[error("loss `{loss}` goes with normal errors and constant spread only")]
    LossNeedsNormal {
        /// Name of the loss.
        loss: &'static str,
    },
    /// Fixed degrees of freedom or a fixed scale that are no positive number.
    #[error("`{what}` must be a positive number, not {value}")]
    NotPositive {
        /// Which.
        what: &'static str,
        /// Its value.
        value: f64,
    },
}

impl FitOptions {
    /// Whether a fit of `model` can do what is asked.
    ///
    /// # Errors
    ///
    /// The first of the options that cannot be met. [`super::fit`] leaves out bounds that this
    /// refuses and says so in its message.
    pub fn check(&self, model: &dyn Model) -> Result<(), OptionsError> {
        let positive = |what, value: f64| {
            let is_positive = value > 0.0 && value.is_finite();
            if is_positive { Ok(()) } else { Err(OptionsError::NotPositive { what, value }) }
        };
        if let Errors::StudentT { dof: Some(dof) } = self.errors {
            positive("tail_dof", dof)?;
        }
        if let Some(scale) = self.scale {
            positive("scale", scale)?;
        }
        if self.loss != Loss::LeastSquares && self.is_likelihood() {
            return Err(OptionsError::LossNeedsNormal { loss: self.loss.as_str() });
        }
        let nothing = Observations::new(Vec::new());
        let (_, complaints) = Ranges::of(model, &nothing, self);
        complaints.into_iter().next().map_or(Ok(()), Err)
    }

    /// Whether the fit maximises a likelihood, instead of minimising a loss of the residuals.
    #[must_use]
    pub fn is_likelihood(&self) -> bool {
        self.errors != Errors::Normal || self.spread != SpreadModel::Constant
    }
}

/// All parameters of a fit with their ranges on its scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranges {
    pub(super) specs: Vec<ParameterSpec>,
    pub(super) bounds: Vec<(f64, f64)>,
    /// Whether the settings leave a single value. A model may pin a parameter too, for want of
    /// records that tell of it.
    pub(super) fixed: Vec<bool>,
}

impl Ranges {
    /// The ranges of the model's parameters and, where the fit estimates them as such, those of
    /// spread and tail; and what cannot be met of the settings.
    pub(super) fn of(
        model: &dyn Model,
        observations: &Observations,
        options: &FitOptions,
    ) -> (Self, Vec<OptionsError>) {
        let mut specs = model.parameters().to_vec();
        let mut bounds = model.bounds(observations);
        if options.is_likelihood() {
            specs.extend(options.spread.specs());
            bounds.extend(options.spread.bounds());
            if let Errors::StudentT { dof } = options.errors {
                specs.push(tail::spec());
                bounds.push(tail::bounds(dof));
            }
        }
        let mut fixed = vec![false; specs.len()];
        if let (Errors::StudentT { dof: Some(_) }, Some(last)) = (options.errors, fixed.last_mut())
        {
            *last = true;
        }
        let mut ranges = Self { specs, bounds, fixed };
        let mut complaints = Vec::new();
        for (i, bound) in options.bounds.iter().enumerate() {
            let is_repeated = options.bounds[..i].iter().any(|b| b.name == bound.name);
            let narrowed = if is_repeated {
                Err(OptionsError::Twice { name: bound.name.clone() })
            } else {
                ranges.narrow(bound)
            };
            complaints.extend(narrowed.err());
        }
        (ranges, complaints)
    }

    fn narrow(&mut self, bound: &Bound) -> Result<(), OptionsError> {
        let Bound { name, min, max } = bound;
        let Some(at) = self.specs.iter().position(|spec| spec.name == *name) else {
            let names: Vec<String> = self.specs.iter().map(|s| format!("`{}`", s.name)).collect();
            let (name, known) = (name.clone(), names.join(", "));
            return Err(OptionsError::UnknownParameter { name, known });
        };
        let (name, min, max) = (name.clone(), *min, *max);
        if min.is_nan() || max.is_nan() || min > max || !min.is_finite() && !max.is_finite() {
            return Err(OptionsError::EmptyRange { name, min, max });
        }
        let (low, high) = self.bounds[at];
        let end = |published: f64, open: f64| {
            let outside = || OptionsError::Outside { name: name.clone(), min, max };
            if published.is_finite() {
                self.specs[at].internal(published).ok_or_else(outside)
            } else {
                Ok(open)
            }
        };
        // What can only be positive is not bounded by a least value of zero.
        let is_open = min == 0.0 && max > 0.0 && self.specs[at].internal(0.0).is_none();
        let is_falling = self.specs[at].slope(1.0) < 0.0;
        let (min_open, max_open) = if is_falling { (high, low) } else { (low, high) };
        let ends = (if is_open { min_open } else { end(min, min_open)? }, end(max, max_open)?);
        let ends = if is_falling { (ends.1, ends.0) } else { ends };
        let narrowed = (ends.0.max(low), ends.1.min(high));
        if narrowed.0 > narrowed.1 {
            return Err(OptionsError::Outside { name, min, max });
        }
        self.bounds[at] = narrowed;
        self.fixed[at] = min >= max;
        Ok(())
    }
}
