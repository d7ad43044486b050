//! What the current set publishes, by group, as the judge looks at it.

use std::collections::BTreeMap;

use crate::domain::{GroupKey, GroupOutcome, Observed, ParameterRow, ParameterSet};
use crate::fit::Curve;

/// The curves that a set publishes, by group: told once, since a look through the set for every
/// group would cost the square of their number.
#[derive(Clone, Default)]
pub struct PublishedCurves<'a>(BTreeMap<&'a GroupKey, Published<'a>>);

/// A group's curve and rows, and whether records of its own stand behind them.
#[derive(Clone)]
struct Published<'a> {
    model: &'a str,
    curve: Curve,
    rows: Vec<&'a ParameterRow>,
    is_learned: bool,
    observed: Option<&'a Observed>,
}

impl<'a> PublishedCurves<'a> {
    /// The curves of a set; none where there is no set.
    #[must_use]
    pub fn of(set: Option<&'a ParameterSet>) -> Self {
        let Some(set) = set else { return Self::default() };
        let mut rows: BTreeMap<&GroupKey, Vec<&ParameterRow>> = BTreeMap::new();
        for row in &set.parameters {
            rows.entry(&row.key).or_default().push(row);
        }
        let curves = set.groups.iter().filter_map(|group| {
            let rows = rows.remove(&group.key)?;
            let values = rows.iter().map(|p| (p.name.as_str(), p.estimate));
            let curve = Curve::from_rows(&group.model, values)?;
            let observed = group.detail.observed.as_ref();
            // What was carried over says of which records it was learned.
            let is_learned = group.outcome != GroupOutcome::Fallback
                && observed.is_none_or(|observed| observed.n_used > 0);
            let published = Published { model: &group.model, curve, rows, is_learned, observed };
            Some((&group.key, published))
        });
        Self(curves.collect())
    }

    /// The curve of a group, where the set publishes one.
    #[must_use]
    pub fn get(&self, key: &GroupKey) -> Option<&Curve> {
        self.0.get(key).map(|published| &published.curve)
    }

    /// Whether what the set publishes for a group was learned from records of its own.
    #[must_use]
    pub fn is_learned(&self, key: &GroupKey) -> bool {
        self.0.get(key).is_some_and(|published| published.is_learned)
    }

    /// What the records looked like that it was learned from, where the set says so.
    #[must_use]
    pub fn observed(&self, key: &GroupKey) -> Option<&Observed> {
        self.0.get(key).and_then(|published| published.observed)
    }

    /// A parameter of a group, where the set publishes one of that name and model.
    #[must_use]
    pub fn parameter(&self, key: &GroupKey, model: &str, name: &str) -> Option<&ParameterRow> {
        let published = self.0.get(key).filter(|published| published.model == model)?;
        published.rows.iter().find(|row| row.name == name).copied()
    }
}
