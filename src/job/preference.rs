//! Which model the records prefer: every model compared is fitted to a part of the records of some
//! groups. The cost has a limit, however many records there are, and nothing that is published
//! depends on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::{GroupKey, ModelPreference};
use crate::fit::options::Intervals;
use crate::fit::{Columns, FitOptions, Model, Observations, fit};

use super::collect::{Collected, GroupRecords};
use super::plan::RunPlan;

/// Groups that are compared at the most, taken evenly over their order.
const MAX_GROUPS: usize = 50;
/// Records of a group that are compared at the most, taken evenly over their distances.
const MAX_RECORDS: usize = 500;
/// Difference of BIC from which on it is worth a word: very strong evidence (Kass and Raftery, 1995).
const WORTH_A_WORD: f64 = 10.0;

/// What a group gives: Bayes' criterion of every model, on so many of its records.
pub(super) struct Compared {
    bics: Vec<f64>,
    n_records: u64,
}

/// What is compared, in which groups.
#[derive(Default)]
pub(super) struct Comparison {
    models: Vec<Arc<dyn Model>>,
    options: FitOptions,
    groups: BTreeSet<GroupKey>,
}

impl Comparison {
    /// Of these models, simplest first, in some of the groups; they are ordered by key. Small groups
    /// have no say.
    pub(super) fn new(
        plan: &RunPlan,
        models: Vec<Arc<dyn Model>>,
        groups: &[GroupRecords],
    ) -> Self {
        if models.len() < 2 {
            return Self::default();
        }
        let is_large = |of: &&GroupRecords| of.samples.len() as u64 >= plan.pool.min_records;
        let large: Vec<&GroupKey> = groups.iter().filter(is_large).map(|of| &of.key).collect();
        let groups = evenly(large.len(), MAX_GROUPS).map(|at| large[at].clone()).collect();
        // Nobody reads the intervals.
        let options = FitOptions { intervals: Intervals::Wald, ..plan.fit_options.clone() };
        Self { models, options, groups }
    }

    /// Compares the models in one group; `None` where that is not wanted, or a fit has no likelihood.
    pub(super) fn compare(
        &self,
        key: &GroupKey,
        observations: &Observations,
        stopped: &dyn Fn() -> bool,
    ) -> Option<Compared> {
        if !self.groups.contains(key) {
            return None;
        }
        let part = part(observations);
        let bic = |model: &Arc<dyn Model>| {
            let bic = fit(&**model, &part, &self.options, stopped).bic;
            bic.filter(|bic| bic.is_finite())
        };
        let bics = self.models.iter().map(bic).collect::<Option<_>>()?;
        Some(Compared { bics, n_records: part.len() as u64 })
    }

    /// The model that the records prefer to `name`, from what the groups give.
    pub(super) fn preference<'a>(
        &self,
        name: &str,
        groups: impl Iterator<Item = &'a Compared>,
    ) -> Option<ModelPreference> {
        let mut totals = vec![0.0; self.models.len()];
        let (mut n_groups, mut n_records) = (0, 0);
        for Compared { bics, n_records: n } in groups {
            (n_groups, n_records) = (n_groups + 1, n_records + n);
            for (total, bic) in totals.iter_mut().zip(bics) {
                *total += bic;
            }
        }
        let own = self.models.iter().position(|model| model.name() == name)?;
        let better = self.models.iter().zip(&totals).filter_map(|(model, total)| {
            let difference = totals[own] - total;
            (difference > WORTH_A_WORD).then(|| (model.name().to_owned(), difference))
        });
        let mut better: Vec<(String, f64)> = better.collect();
        // Stable: of equals the simpler one is first.
        better.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut better = better.into_iter();
        let (preferred, bic_difference) = better.next()?;
        let (model, others) = (name.to_owned(), better.collect());
        Some(ModelPreference { model, preferred, bic_difference, others, n_groups, n_records })
    }
}

/// The model that records prefer to the one of the plan, where nothing else is fitted to them.
pub(super) fn preferred(
    plan: &RunPlan,
    collected: Collected,
    stopped: &dyn Fn() -> bool,
) -> Option<ModelPreference> {
    let comparison = Comparison::new(plan, plan.compared_models(&collected), &collected.groups);
    let compare = |group: GroupRecords| {
        let is_compared = comparison.groups.contains(&group.key) && !stopped();
        let records = is_compared.then(|| Observations::with_columns(group.samples, group.columns));
        comparison.compare(&group.key, &records?, stopped)
    };
    let compared: Vec<Compared> = collected.groups.into_iter().filter_map(compare).collect();
    comparison.preference(plan.model.name(), compared.iter())
}

/// The records, or as many of them as are compared. They are in canonical order, so that the part
/// does not depend on the order in which they came.
fn part(observations: &Observations) -> Observations {
    let distances = observations.distances();
    let n_classes = distances.n_classes();
    let (mut samples, mut columns) = (Vec::new(), Columns { n_classes, ..Columns::default() });
    for row in evenly(observations.len(), MAX_RECORDS) {
        samples.push(observations.samples()[row]);
        columns.cells.extend(distances.cells().get(row));
        columns.lengths_km.extend((0..n_classes).map(|class| distances.lengths_km(class)[row]));
    }
    Observations::with_columns(samples, columns)
}

/// At most `n_most` of `n` places, evenly.
fn evenly(n: usize, n_most: usize) -> impl Iterator<Item = usize> {
    let n_taken = n.min(n_most);
    (0..n_taken).map(move |nth| (2 * nth + 1) * n / (2 * n_taken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::{Sample, models};

    /// Records of `T = t0 + 2·√(d/a)` or its cruise, off by a factor that alternates.
    fn observations(n: usize, intercept_min: f64) -> Observations {
        let sample = |i: usize| {
            let distance_km = 0.3 + 9.0 * (i as f64 + 0.5) / n as f64;
            let moving = if distance_km <= 2.5 {
                2.0 * (distance_km / 0.4).sqrt()
            } else {
                2.5 + distance_km
            };
            let off = if (i / 3).is_multiple_of(2) { 1.1 } else { 1.0 / 1.1 };
            #[expect(clippy::cast_possible_truncation, reason = "samples hold seconds in f32")]
            let travel_time_s = (60.0 * (intercept_min + moving) * off) as f32;
            Sample { distance_km, travel_time_s, weight: 1.0 }
        };
        Observations::new((0..n).map(sample).collect())
    }

    fn comparison(keys: &[GroupKey]) -> Comparison {
        let models = ["linear", "kwh", "kwh_intercept"].map(|name| models::by_name(name).unwrap());
        Comparison {
            models: models.to_vec(),
            options: FitOptions::default(),
            groups: keys.iter().cloned().collect(),
        }
    }

    fn preferred(own: &str, all: &[Observations]) -> Option<ModelPreference> {
        let keys: Vec<GroupKey> =
            (0..all.len()).map(|nth| GroupKey::region(&nth.to_string())).collect();
        let comparison = comparison(&keys);
        let compared: Vec<Compared> = keys
            .iter()
            .zip(all)
            .filter_map(|(key, records)| comparison.compare(key, records, &|| false))
            .collect();
        assert_eq!(compared.len(), all.len());
        comparison.preference(own, compared.iter())
    }

    #[test]
    fn a_turnout_in_the_times_wants_an_intercept() {
        // Of the last one a part is compared.
        let groups = [observations(300, 2.0), observations(1500, 2.0)];
        let found = preferred("kwh", &groups).unwrap();
        assert_eq!((found.preferred.as_str(), found.n_groups), ("kwh_intercept", 2));
        assert_eq!(found.n_records, 800);
        assert!(found.bic_difference > 100.0, "{found}");
        assert_eq!(preferred("kwh_intercept", &groups), None);
    }

    #[test]
    fn the_simpler_model_is_preferred_where_both_do() {
        assert_eq!(preferred("kwh", &[observations(400, 0.0)]), None);
    }

    #[test]
    fn a_part_keeps_what_its_records_carry() {
        let samples: Vec<Sample> = observations(5_000, 2.0).samples().to_vec();
        let cells = (0..samples.len()).map(|row| (row % 3) as u16).collect();
        let lengths_km = samples.iter().flat_map(|s| [0.25 * s.distance_km, 0.75 * s.distance_km]);
        let columns = Columns { cells, n_classes: 2, lengths_km: lengths_km.collect() };
        let part = part(&Observations::with_columns(samples, columns));
        assert_eq!((part.len(), part.n_classes()), (MAX_RECORDS, 2));
        let longest = part.samples().last().unwrap().distance_km;
        assert_eq!(part.distances().lengths_km(0).last(), Some(&(0.25 * longest)));
        assert!([0, 1, 2].iter().all(|cell| part.distances().cells().contains(cell)));
    }

    #[test]
    fn groups_and_records_are_taken_evenly() {
        assert_eq!(evenly(3, 5).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(evenly(10, 5).collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
        assert_eq!(evenly(0, 5).count(), 0);
        let many: Vec<usize> = evenly(20_000, MAX_GROUPS).collect();
        assert_eq!((many.len(), many[0], many[49]), (MAX_GROUPS, 200, 19_800));
    }

    #[test]
    fn what_is_not_compared_costs_nothing() {
        let key = GroupKey::region("A");
        let records = observations(100, 2.0);
        assert!(comparison(&[]).compare(&key, &records, &|| false).is_none());
        assert_eq!(Comparison::default().preference("kwh", [].into_iter()), None);
    }
}
