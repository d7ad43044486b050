//! What the last published set says of the records that it was made of.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{GroupKey, GroupRow, Observed, ParameterSet};

/// The groups of the current set that say what their records looked like: of one that was carried over,
/// those that its parameters stand on, which the run that carried it over may not have read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Before<'a> {
    groups: BTreeMap<&'a GroupKey, (&'a GroupRow, &'a Observed)>,
}

impl<'a> Before<'a> {
    /// Those of the set that the run asks for.
    pub(crate) fn of(set: Option<&'a ParameterSet>, asks: impl Fn(&GroupKey) -> bool) -> Self {
        let groups = set.into_iter().flat_map(|set| &set.groups);
        let told = groups.filter(|row| asks(&row.key));
        let told = told.filter_map(|row| Some((&row.key, (row, row.detail.observed.as_ref()?))));
        Self { groups: told.collect() }
    }

    pub(crate) fn get(&self, key: &GroupKey) -> Option<&'a Observed> {
        self.groups.get(key).map(|(_, observed)| *observed)
    }

    /// Each group's row and what its records looked like.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'a GroupRow, &'a Observed)> + '_ {
        self.groups.values().copied()
    }

    /// Records that the set was made of.
    pub(crate) fn n_used(&self) -> u64 {
        self.rows().map(|(_, observed)| observed.n_used).sum()
    }

    /// The newest of them.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.rows().filter_map(|(_, observed)| observed.newest).max()
    }

    /// Where its records begin.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        usual_oldest(self.rows().map(|(_, observed)| (observed.oldest, observed.n_used)))
    }
}

/// Where the records of most groups begin: the median over the groups, by their records, which a date
/// gone wrong in one of them does not move.
pub(crate) fn usual_oldest(
    groups: impl Iterator<Item = (Option<Timestamp>, u64)>,
) -> Option<Timestamp> {
    let mut told: Vec<(Timestamp, u64)> = groups.filter_map(|(at, n)| Some((at?, n))).collect();
    told.sort_unstable();
    let half = told.iter().map(|(_, n)| n).sum::<u64>() / 2;
    let mut n_before = 0;
    let mut each = told.into_iter();
    each.find_map(|(at, n)| {
        n_before += n;
        (n_before >= half).then_some(at)
    })
}
