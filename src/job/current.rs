//! The parameters that the application reads now, as forecasts for the records held out.

use std::collections::BTreeMap;

use crate::domain::{GroupKey, ParameterSet};
use crate::fit::holdout::Forecast;
use crate::fit::{Model, models};

/// Model, and name and value of every parameter, by group.
#[derive(Debug, Clone, Default)]
pub(super) struct CurrentParameters(BTreeMap<GroupKey, (String, Vec<(String, f64)>)>);

impl CurrentParameters {
    /// Of a set; of none, nothing.
    pub(super) fn of(set: Option<&ParameterSet>) -> Self {
        let Some(set) = set else { return Self::default() };
        let mut groups: BTreeMap<GroupKey, (String, Vec<(String, f64)>)> =
            set.groups.iter().map(|g| (g.key.clone(), (g.model.clone(), Vec::new()))).collect();
        for row in &set.parameters {
            if let Some((_, values)) = groups.get_mut(&row.key) {
                values.push((row.name.clone(), row.estimate));
            }
        }
        Self(groups)
    }

    /// Whether the group's current parameters are those of that model.
    pub(super) fn is_of(&self, key: &GroupKey, model: &str) -> bool {
        self.0.get(key).is_some_and(|(name, _)| name == model)
    }

    /// Hands on the group's forecast, where its current parameters make one: of the run's own model
    /// where it is the same, else of a model by distance.
    pub(super) fn with_forecast<R>(
        &self,
        key: &GroupKey,
        model: &dyn Model,
        take: impl FnOnce(Option<&Forecast<'_>>) -> R,
    ) -> R {
        let Some((name, values)) = self.0.get(key) else { return take(None) };
        let value = |name: &str| values.iter().find(|(known, _)| known == name).map(|(_, x)| *x);
        if name == model.name() {
            return take(Forecast::new(model, value).as_ref());
        }
        match models::by_name(name) {
            Some(before) => take(Forecast::new(&*before, value).as_ref()),
            None => take(None),
        }
    }
}
