//! The tables that `scripts/reference_fits.py` wrote: one reference fit per group of rows.

use std::collections::BTreeMap;
use std::path::Path;

/// A fit by SciPy or statsmodels, polished in 80-bit numbers.
#[derive(Debug, Clone)]
pub(crate) struct Golden {
    /// Region, or [`super::trips::ALL`].
    pub(crate) region: String,
    /// Records that were fitted.
    pub(crate) n: usize,
    /// Model's name.
    pub(crate) model: String,
    /// Loss; empty for a likelihood.
    pub(crate) loss: String,
    /// Law of the errors: `normal`, `student_t`, or `student_t_4` with fixed degrees of freedom;
    /// empty for a robust loss.
    pub(crate) errors: String,
    /// Model of the spread.
    pub(crate) spread: String,
    /// What a robust loss divides residuals by.
    pub(crate) c: Option<f64>,
    /// Sum of squares, of losses, or log-likelihood of ln T (min).
    pub(crate) objective: f64,
    /// Log-likelihood of T in seconds.
    pub(crate) log_likelihood_s: Option<f64>,
    /// The parameters in order, then those of the spread.
    pub(crate) parameters: Vec<Parameter>,
}

/// One parameter, published.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// Published name.
    pub(crate) name: String,
    /// Published value.
    pub(crate) value: f64,
    /// Standard error in the published unit.
    pub(crate) std_error: Option<f64>,
    /// `ok`, `at_bound` or `not_identified`.
    pub(crate) status: String,
}

/// All reference fits of a table.
pub(crate) fn read(file: &Path) -> Result<Vec<Golden>, String> {
    let told = |what: &dyn std::fmt::Display| format!("{}: {what}", file.display());
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).from_path(file).map_err(|e| told(&e))?;
    let mut fits: Vec<Golden> = Vec::new();
    for row in reader.deserialize() {
        let row = Row(row.map_err(|e| told(&e))?);
        let fit = row.fit().map_err(|what| told(&what))?;
        let parameter = row.parameter().map_err(|what| told(&what))?;
        match fits.last_mut().filter(|last| last.is_same(&fit)) {
            Some(last) => last.parameters.push(parameter),
            None => fits.push(Golden { parameters: vec![parameter], ..fit }),
        }
    }
    Ok(fits)
}

impl Golden {
    /// What was fitted, in words.
    pub(crate) fn title(&self) -> String {
        let parts = [&self.model, &self.loss, &self.errors, &self.spread];
        let parts: Vec<&str> = parts.iter().map(|s| s.as_str()).filter(|s| !s.is_empty()).collect();
        parts.join(" ")
    }

    fn is_same(&self, other: &Self) -> bool {
        self.region == other.region && self.title() == other.title()
    }
}

/// A row by column name.
struct Row(BTreeMap<String, String>);

impl Row {
    fn text(&self, column: &str) -> Result<String, String> {
        self.0.get(column).cloned().ok_or_else(|| format!("no column `{column}`"))
    }

    /// A cell; `None` where it is empty.
    fn number(&self, column: &str) -> Result<Option<f64>, String> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| format!("`{text}` in `{column}` is no number"))
    }

    fn filled(&self, column: &str) -> Result<f64, String> {
        self.number(column)?.ok_or_else(|| format!("nothing in `{column}`"))
    }

    fn fit(&self) -> Result<Golden, String> {
        Ok(Golden {
            region: self.text("region")?,
            n: self.filled("n")? as usize,
            model: self.text("model")?,
            loss: self.text("loss")?,
            errors: self.text("errors")?,
            spread: self.text("spread")?,
            c: self.number("c")?,
            objective: self.filled("objective")?,
            log_likelihood_s: self.number("log_likelihood_s")?,
            parameters: Vec::new(),
        })
    }

    fn parameter(&self) -> Result<Parameter, String> {
        Ok(Parameter {
            name: self.text("name")?,
            value: self.filled("value")?,
            std_error: self.number("std_error")?,
            status: self.text("status")?,
        })
    }
}
