//! What a source delivered, once every row was looked at.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{GroupRecords, Watch};
use crate::domain::{GroupKey, RefusalReason, RefusalTally, Selection};
use crate::job::covariates::Covariates;

/// Everything that a source delivered.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Groups, ordered by key; one with refused rows only has no samples.
    pub groups: Vec<GroupRecords>,
    /// Refusals by region and reason.
    pub refusals: RefusalTally,
    /// Rows read: accepted and refused; those of groups that are not selected are not among them.
    pub n_read: u64,
    /// Classes of road of the lengths; empty where none were read.
    pub classes: Arc<[String]>,
    /// Factors of the model, and their cells.
    pub covariates: Covariates,
    /// What the gate wants to know of all rows.
    pub watch: Watch,
}

impl Collected {
    /// Rows accepted.
    #[must_use]
    pub fn n_used(&self) -> u64 {
        self.groups.iter().map(|g| g.samples.len() as u64).sum()
    }

    /// The parent of every region that has one; where its groups disagree, the first by name.
    #[must_use]
    pub fn parents(&self) -> BTreeMap<String, String> {
        let mut parents: BTreeMap<String, String> = BTreeMap::new();
        for group in &self.groups {
            let Some(parent) = &group.parent else { continue };
            let known = parents.entry(group.key.region.clone()).or_insert_with(|| parent.clone());
            if parent < known {
                known.clone_from(parent);
            }
        }
        parents
    }

    /// Forgets regions that are not selected now that their parents are known, as if no row of them
    /// had been read. A region's parent is one, so that no group is left with some of its records.
    pub(super) fn keep_selected(&mut self, selection: &Selection) {
        let parents = self.parents();
        let takes = |group: &GroupRecords| {
            selection.takes(&group.key, parents.get(&group.key.region).map(String::as_str))
        };
        let kept: HashSet<String> =
            self.groups.iter().filter(|g| takes(g)).map(|g| g.key.region.clone()).collect();
        for group in self.groups.extract_if(.., |group| !takes(group)) {
            self.n_read -= group.samples.len() as u64;
            if !kept.contains(&group.key.region) {
                self.n_read -= self.refusals.forget(&group.key.region);
            }
        }
        self.watch
            .forget_others(self.groups.iter().map(|group| (group.samples.len(), &group.watch)));
    }

    /// Adds a group without records for a region, unless it has one.
    pub fn add_region(&mut self, region: &str) {
        let key = GroupKey::region(region);
        if let Err(at) = self.groups.binary_search_by(|group| group.key.cmp(&key)) {
            self.groups.insert(at, GroupRecords { key, ..GroupRecords::default() });
        }
    }

    /// Refusals per reason.
    #[must_use]
    pub fn refused_by_reason(&self) -> BTreeMap<RefusalReason, u64> {
        self.refusals.by_reason()
    }
}
