//! Which model the records prefer, where it is not the one that is set.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A model that describes the records better than the one that is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelPreference {
    /// The model that is set.
    pub model: String,
    /// The one that the records prefer.
    pub preferred: String,
    /// By how much Bayes' criterion of the preferred model is lower on the records compared; more than
    /// 10 is very strong evidence.
    pub bic_difference: f64,
    /// The other models that are that much better, the best first, each with its difference.
    pub others: Vec<(String, f64)>,
    /// Groups compared.
    pub n_groups: u64,
    /// Records compared: a part of those of large groups.
    pub n_records: u64,
}

impl fmt::Display for ModelPreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, preferred, bic_difference, others, n_groups, n_records } = self;
        let groups = if *n_groups == 1 { "group" } else { "groups" };
        write!(
            f,
            "the records prefer `{preferred}` to `{model}`: BIC lower by {bic_difference:.0}"
        )?;
        for (nth, (other, difference)) in others.iter().enumerate() {
            let before = if nth == 0 { " (" } else { ", " };
            write!(f, "{before}`{other}` by {difference:.0}")?;
        }
        let after = if others.is_empty() { "" } else { ")" };
        write!(f, "{after} on {n_records} records of {n_groups} {groups}")
    }
}
