//! Two parameter sets side by side: what changed, by how many standard errors, and what it does to
//! the times that the application predicts. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::judge::change_in_std_errors;
use crate::domain::{
    GroupKey, GroupOutcome, GroupRow, ParameterRow, ParameterSet, ParameterStatus, RunId,
};
use crate::fit::Curve;
use crate::fit::predict::{Ask, Predictor, Published, Route};

/// Distances at which the effect is told, km: a short and a long trip of a city.
pub const DISTANCES_KM: [f64; 2] = [2.0, 5.0];

/// The share of trips whose longest time is compared.
const SHARE: f64 = 0.9;

/// Two sets, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetDiff {
    /// Scope of the later set.
    pub scope: String,
    /// The run of the earlier set.
    pub before: Option<RunId>,
    /// The run of the later set.
    pub after: Option<RunId>,
    /// Groups that are the same in both.
    pub n_same: usize,
    /// Groups that differ, what matters most first: those that are gone, those that are new, then by
    /// the largest effect in seconds.
    pub groups: Vec<GroupDiff>,
}

/// What became of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It has parameters no more.
    Gone,
    /// It had none before.
    New,
    /// It is of another model.
    Model,
    /// Values of its parameters.
    Values,
}

/// A group that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupDiff {
    /// Which group.
    #[serde(flatten)]
    pub key: GroupKey,
    /// What became of it.
    pub change: Change,
    /// Model before.
    pub model_before: Option<String>,
    /// Model after.
    pub model_after: Option<String>,
    /// How the group ended in the run of the earlier set.
    pub outcome_before: Option<GroupOutcome>,
    /// How it ended in that of the later one.
    pub outcome_after: Option<GroupOutcome>,
    /// The predicted 90th percentile at each of [`DISTANCES_KM`], in equal parts on every class of road
    /// where the model tells them apart, at the reference level of every factor.
    pub p90: Vec<Effect>,
    /// The largest change of a parameter, in standard errors of the change.
    pub max_std_errors: Option<f64>,
    /// Parameters of either set, in the order of the later one.
    pub parameters: Vec<ParameterDiff>,
}

/// A predicted time before and after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// Length of the trip, km.
    pub distance_km: f64,
    /// Before, s; `None` where the parameters make no distribution.
    pub before_s: Option<f64>,
    /// After, s.
    pub after_s: Option<f64>,
    /// The difference, s.
    pub change_s: Option<f64>,
    /// The difference as a share of the time before.
    pub change: Option<f64>,
}

/// A parameter before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterDiff {
    /// Name.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// Before.
    pub before: Option<Value>,
    /// After.
    pub after: Option<Value>,
    /// Change in standard errors of the change; `None` where one side has none, or the models differ.
    pub std_errors: Option<f64>,
}

/// A published value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Value {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub std_error: Option<f64>,
    /// What is known of it.
    pub status: ParameterStatus,
}

/// Compares two sets; groups without parameters are in neither.
#[must_use]
pub fn compare(before: &ParameterSet, after: &ParameterSet) -> SetDiff {
    let (old, new) = (Groups::of(before), Groups::of(after));
    let keys: BTreeSet<&GroupKey> = old.0.keys().chain(new.0.keys()).copied().collect();
    let n_keys = keys.len();
    let mut groups: Vec<GroupDiff> = keys
        .into_iter()
        .filter_map(|key| group_diff(key, old.0.get(key), new.0.get(key)))
        .collect();
    // Stable: groups that matter alike stay in the order of their names.
    groups.sort_by(|a, b| a.weight().total_cmp(&b.weight()).reverse());
    groups.sort_by_key(|group| match group.change {
        Change::Gone => 0,
        Change::New => 1,
        Change::Model | Change::Values => 2,
    });
    SetDiff {
        scope: after.scope.clone(),
        before: before.run_id,
        after: after.run_id,
        n_same: n_keys - groups.len(),
        groups,
    }
}

impl SetDiff {
    /// Groups of which that became.
    #[must_use]
    pub fn count(&self, change: Change) -> usize {
        self.groups.iter().filter(|group| group.change == change).count()
    }
}

impl GroupDiff {
    /// The largest effect, s; a change whose effect cannot be told is looked at first.
    fn weight(&self) -> f64 {
        let effects = self.p90.iter().map(|effect| effect.change_s.map_or(f64::INFINITY, f64::abs));
        effects.fold(0.0, f64::max)
    }
}

/// A group of one set.
struct Group<'a> {
    row: Option<&'a GroupRow>,
    parameters: Vec<&'a ParameterRow>,
}

/// The groups of a set that have parameters.
struct Groups<'a>(BTreeMap<&'a GroupKey, Group<'a>>);

impl<'a> Groups<'a> {
    fn of(set: &'a ParameterSet) -> Self {
        let mut groups: BTreeMap<&GroupKey, Group<'_>> = BTreeMap::new();
        for parameter in &set.parameters {
            let empty = || Group { row: None, parameters: Vec::new() };
            groups.entry(&parameter.key).or_insert_with(empty).parameters.push(parameter);
        }
        for row in &set.groups {
            if let Some(group) = groups.get_mut(&row.key) {
                group.row = Some(row);
            }
        }
        Self(groups)
    }
}

impl Group<'_> {
    fn model(&self) -> Option<&str> {
        self.row.map(|row| row.model.as_str())
    }

    /// The predicted percentile, s; `None` where the parameters make no distribution.
    fn p90_s(&self, distance_km: f64) -> Option<f64> {
        let published = self.parameters.iter().map(|row| Published {
            name: row.name.clone(),
            value: row.estimate,
            // What is compared are the values themselves.
            std_error: None,
        });
        let predictor = Predictor::new(self.model(), published.collect(), &[], SHARE).ok()?;
        let ask = Ask {
            route: self.route(predictor.model(), distance_km)?,
            factors: Vec::new(),
            quantiles: vec![SHARE],
            targets_s: Vec::new(),
        };
        let (_, time) = predictor.predict(&ask).ok()?.quantiles_s.into_iter().next()?;
        Some(time.value).filter(|time_s| time_s.is_finite())
    }

    fn route(&self, model: &str, distance_km: f64) -> Option<Route> {
        let values = self.parameters.iter().map(|row| (row.name.as_str(), row.estimate));
        let curve = Curve::from_rows(model, values)?;
        let classes = curve.classes();
        if classes.is_empty() {
            return Some(Route::Distance(distance_km));
        }
        let each_km = distance_km / classes.len() as f64;
        Some(Route::Classes(classes.iter().map(|class| (class.clone(), each_km)).collect()))
    }
}

/// What differs; `None` where nothing does.
fn group_diff(
    key: &GroupKey,
    before: Option<&Group<'_>>,
    after: Option<&Group<'_>>,
) -> Option<GroupDiff> {
    let (model_before, model_after) = (before.and_then(Group::model), after.and_then(Group::model));
    let parameters = parameter_diffs(before, after, model_before == model_after);
    let change = match (before, after) {
        (Some(_), None) => Change::Gone,
        (None, _) => Change::New,
        _ if model_before != model_after => Change::Model,
        _ if parameters.iter().any(ParameterDiff::differs) => Change::Values,
        _ => return None,
    };
    let outcome = |group: Option<&Group<'_>>| group.and_then(|g| g.row).map(|row| row.outcome);
    let sizes = parameters.iter().filter_map(|parameter| parameter.std_errors.map(f64::abs));
    Some(GroupDiff {
        key: key.clone(),
        change,
        model_before: model_before.map(str::to_owned),
        model_after: model_after.map(str::to_owned),
        outcome_before: outcome(before),
        outcome_after: outcome(after),
        p90: DISTANCES_KM.into_iter().map(|km| effect(km, before, after)).collect(),
        max_std_errors: sizes.max_by(f64::total_cmp),
        parameters,
    })
}

fn effect(distance_km: f64, before: Option<&Group<'_>>, after: Option<&Group<'_>>) -> Effect {
    let before_s = before.and_then(|group| group.p90_s(distance_km));
    let after_s = after.and_then(|group| group.p90_s(distance_km));
    let change_s = before_s.zip(after_s).map(|(before, after)| after - before);
    let change = before_s.zip(change_s).map(|(before, change)| change / before);
    Effect { distance_km, before_s, after_s, change_s, change }
}

fn parameter_diffs(
    before: Option<&Group<'_>>,
    after: Option<&Group<'_>>,
    same_model: bool,
) -> Vec<ParameterDiff> {
    let (old, new) = (rows(before), rows(after));
    let is_new = |row: &&&ParameterRow| new.iter().all(|other| other.name != row.name);
    let gone = old.iter().filter(is_new);
    let find = |rows: &[&ParameterRow], name: &str| {
        rows.iter().find(|row| row.name == name).map(|row| Value::of(row))
    };
    new.iter()
        .chain(gone)
        .map(|row| {
            let (before, after) = (find(&old, &row.name), find(&new, &row.name));
            let told = before.zip(after).filter(|_| same_model);
            ParameterDiff {
                name: row.name.clone(),
                unit: row.unit.clone(),
                before,
                after,
                std_errors: told.and_then(|(before, after)| {
                    let pair = |value: Value| (value.estimate, value.std_error);
                    change_in_std_errors(pair(before), pair(after))
                }),
            }
        })
        .collect()
}

fn rows<'a>(group: Option<&Group<'a>>) -> Vec<&'a ParameterRow> {
    group.map(|group| group.parameters.clone()).unwrap_or_default()
}

impl ParameterDiff {
    /// Whether the value is another one.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.before.map(|value| value.estimate) != self.after.map(|value| value.estimate)
    }
}

impl Value {
    fn of(row: &ParameterRow) -> Self {
        Self { estimate: row.estimate, std_error: row.std_error, status: row.status }
    }
}

#[cfg(test)]
mod tests;
