//! Who stands above whom: groups, their regions, parent regions, everything. Knows no numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{GroupKey, SourceLevel};

/// The tree of a run's groups; node 0 is everything. A level that would tell nothing apart (regions
/// where groups are not split, parents where no region has one) is left out.
pub(super) struct Hierarchy {
    parents: Vec<Option<usize>>,
    levels: Vec<SourceLevel>,
    names: Vec<String>,
    leaves: Vec<usize>,
    n_groups: usize,
}

impl Hierarchy {
    /// Of these groups; `parents` says the parent of a region, where one is known.
    pub(super) fn of(keys: &[&GroupKey], parents: &BTreeMap<String, String>) -> Self {
        let mut tree = Self {
            parents: vec![None],
            levels: vec![SourceLevel::All],
            names: vec![String::new()],
            leaves: Vec::new(),
            n_groups: keys.len(),
        };
        let is_split = keys.iter().any(|key| !key.band.is_empty() || !key.priority.is_empty());
        let regions: BTreeSet<&str> = keys.iter().map(|key| key.region.as_str()).collect();
        let above = tree.add_parents(&regions, parents);
        let mut of_region = BTreeMap::new();
        if is_split {
            for region in regions {
                let node = tree.add(above[region], SourceLevel::Region, region);
                of_region.insert(region, node);
            }
        }
        for key in keys {
            let region = key.region.as_str();
            let parent = of_region.get(region).copied().unwrap_or(above[region]);
            let leaf = tree.add(parent, SourceLevel::Group, &key.to_string());
            tree.leaves.push(leaf);
        }
        tree
    }

    /// The node above each region. Where some regions have a parent, those without get one each.
    fn add_parents<'a>(
        &mut self,
        regions: &BTreeSet<&'a str>,
        parents: &BTreeMap<String, String>,
    ) -> BTreeMap<&'a str, usize> {
        let has_parents = regions.iter().any(|region| parents.contains_key(*region));
        let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
        let mut above = BTreeMap::new();
        for region in regions {
            let node = match parents.get(*region) {
                _ if !has_parents => 0,
                None => self.add(0, SourceLevel::Parent, region),
                Some(name) => {
                    *nodes.entry(name).or_insert_with(|| self.add(0, SourceLevel::Parent, name))
                }
            };
            above.insert(*region, node);
        }
        above
    }

    fn add(&mut self, parent: usize, level: SourceLevel, name: &str) -> usize {
        self.parents.push(Some(parent));
        self.levels.push(level);
        self.names.push(name.to_owned());
        self.parents.len() - 1
    }

    /// The parent of every node.
    pub(super) fn parents(&self) -> &[Option<usize>] {
        &self.parents
    }

    /// The node of a group, by its place among the keys.
    pub(super) fn leaf(&self, group: usize) -> usize {
        self.leaves[group]
    }

    /// What a node stands for.
    pub(super) fn level(&self, node: usize) -> SourceLevel {
        self.levels[node]
    }

    /// The node above a leaf that serves it: `served_by`, or the parent where that is the leaf.
    pub(super) fn above(&self, leaf: usize, served_by: usize) -> usize {
        if served_by == leaf { self.parents[leaf].unwrap_or(0) } else { served_by }
    }

    /// A node in words.
    pub(super) fn phrase(&self, node: usize) -> String {
        let name = &self.names[node];
        match self.levels[node] {
            SourceLevel::Region => format!("the groups of region `{name}`"),
            SourceLevel::Parent => format!("the regions of `{name}`"),
            _ => format!("all {} groups", self.n_groups),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(region: &str, band: &str) -> GroupKey {
        GroupKey { band: band.to_owned(), ..GroupKey::region(region) }
    }

    fn check(keys: &[GroupKey], parents: &[(&str, &str)], expected: &[(Option<usize>, &str)]) {
        let keys: Vec<&GroupKey> = keys.iter().collect();
        let parents = parents.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let tree = Hierarchy::of(&keys, &parents);
        let nodes: Vec<(Option<usize>, &str)> =
            tree.parents.iter().copied().zip(tree.names.iter().map(String::as_str)).collect();
        assert_eq!(nodes, expected);
        let named = |i: usize| tree.names[tree.leaf(i)].clone();
        let leaves: Vec<String> = (0..keys.len()).map(named).collect();
        assert_eq!(leaves, keys.iter().map(ToString::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn plain_regions_stand_under_everything() {
        let keys = [key("A", ""), key("B", "")];
        check(&keys, &[], &[(None, ""), (Some(0), "A"), (Some(0), "B")]);
    }

    #[test]
    fn split_regions_and_parents_make_levels() {
        let keys = [key("A", "night"), key("A", "other"), key("B", "other"), key("C", "other")];
        check(
            &keys,
            &[("A", "North"), ("B", "North")],
            &[
                (None, ""),
                (Some(0), "North"),
                (Some(0), "C"),
                (Some(1), "A"),
                (Some(1), "B"),
                (Some(2), "C"),
                (Some(3), "A / night"),
                (Some(3), "A / other"),
                (Some(4), "B / other"),
                (Some(5), "C / other"),
            ],
        );
    }

    #[test]
    fn nodes_are_told_in_words() {
        let keys = [key("A", "night"), key("B", "night")];
        let keys: Vec<&GroupKey> = keys.iter().collect();
        let parents = BTreeMap::from([("A".to_owned(), "North".to_owned())]);
        let tree = Hierarchy::of(&keys, &parents);
        let leaf = tree.leaf(0);
        let region = tree.above(leaf, leaf);
        assert_eq!(tree.phrase(region), "the groups of region `A`");
        let parent = tree.above(region, region);
        assert_eq!(tree.phrase(parent), "the regions of `North`");
        assert_eq!(tree.phrase(0), "all 2 groups");
        assert_eq!(tree.above(leaf, 0), 0);
    }
}
