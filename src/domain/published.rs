//! A group as it was published: all that whoever predicts from it needs.

use std::collections::BTreeMap;

use super::detail::GroupDetail;
use super::group::GroupKey;
use super::parameters::{ParameterRow, ParameterSet};

/// A group that has parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PublishedGroup {
    /// Which group.
    pub key: GroupKey,
    /// Its model; `None` where that is not told, and the names of the parameters tell it.
    pub model: Option<String>,
    /// Its parameters, in the model's order.
    pub parameters: Vec<ParameterRow>,
    /// What else was told of the fit, correlations among it.
    pub detail: GroupDetail,
}

impl PublishedGroup {
    /// The groups of rows, ordered by key; what `about` tells of each, in any order.
    #[must_use]
    pub fn gather(
        parameters: Vec<ParameterRow>,
        about: impl IntoIterator<Item = (GroupKey, Option<String>, GroupDetail)>,
    ) -> Vec<Self> {
        let mut groups: BTreeMap<GroupKey, Self> = BTreeMap::new();
        for row in parameters {
            let group = groups.entry(row.key.clone()).or_default();
            group.key = row.key.clone();
            group.parameters.push(row);
        }
        for (key, model, detail) in about {
            if let Some(group) = groups.get_mut(&key) {
                group.model = model;
                group.detail = detail;
            }
        }
        groups.into_values().collect()
    }

    /// The groups of a set that have parameters, ordered by key.
    #[must_use]
    pub fn of_set(set: ParameterSet) -> Vec<Self> {
        let about = set.groups.into_iter().map(|row| (row.key, Some(row.model), row.detail));
        Self::gather(set.parameters, about)
    }
}
