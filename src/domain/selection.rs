//! Which groups a run is asked for: pure matching, of patterns and of names taken literally.
//!
//! A source applies what it can tell by regions ([`Selection::contains`]), the job the rest
//! ([`Selection::may_take`], [`Selection::takes`]). Knows nothing of how an operator writes it: that
//! is `selector.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::group::GroupKey;

/// One thing by which groups are told apart. In a pattern `*` stands for any text; `?` has no special
/// meaning: real region names contain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criterion {
    /// Pattern on the region's name.
    Region(String),
    /// Pattern on the name of the region's parent.
    Parent(String),
    /// Pattern on the band's name.
    Band(String),
    /// Pattern on the priority class.
    Priority(String),
    /// These groups, their names taken literally.
    Groups(GroupNames),
}

/// Groups by their names, looked up without an allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupNames(BTreeMap<String, BTreeSet<(String, String)>>);

impl GroupNames {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn contains(&self, group: Named<'_>) -> bool {
        let own =
            |(band, priority): &(String, String)| band == group.band && priority == group.priority;
        self.0.get(group.region).is_some_and(|groups| groups.iter().any(own))
    }

    fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
}

impl FromIterator<GroupKey> for GroupNames {
    fn from_iter<T: IntoIterator<Item = GroupKey>>(keys: T) -> Self {
        let mut names = Self::default();
        for key in keys {
            names.0.entry(key.region).or_default().insert((key.band, key.priority));
        }
        names
    }
}

/// A group's names, borrowed.
#[derive(Clone, Copy)]
struct Named<'a> {
    region: &'a str,
    band: &'a str,
    priority: &'a str,
}

/// What a source can tell of a region's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionTerm<'a> {
    /// It matches this pattern.
    Pattern(&'a str),
    /// It is this name.
    Name(&'a str),
}

/// The groups that any of the criteria selects and none excludes. No criterion selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    select: Vec<Criterion>,
    exclude: Vec<Criterion>,
}

impl Selection {
    /// Selects the regions that match any of the patterns; surrounding blanks do not count.
    #[must_use]
    pub fn new(patterns: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let patterns = patterns.into_iter().map(|p| p.as_ref().trim().to_owned());
        let patterns = patterns.filter(|p| !p.is_empty());
        Self { select: patterns.map(Criterion::Region).collect(), exclude: Vec::new() }
    }

    /// Selects what any of `select` tells, or everything where there is none, but for what any of
    /// `exclude` tells.
    #[must_use]
    pub fn of(select: Vec<Criterion>, exclude: Vec<Criterion>) -> Self {
        Self { select, exclude }
    }

    /// Selects these groups and no others.
    #[must_use]
    pub fn of_groups(keys: impl IntoIterator<Item = GroupKey>) -> Self {
        Self { select: vec![Criterion::Groups(keys.into_iter().collect())], exclude: Vec::new() }
    }

    /// Whether everything is selected, nameless regions included.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.select.is_empty() && self.exclude.is_empty()
    }

    /// Whether it is known without a record that nothing is selected: it asks for certain groups, of
    /// which there are none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let is_empty = |c: &Criterion| matches!(c, Criterion::Groups(names) if names.is_empty());
        !self.select.is_empty() && self.select.iter().all(is_empty)
    }

    /// Whether records of the region may be of a selected group: what a source is to deliver.
    /// Compares trimmed names, as groups do.
    #[must_use]
    pub fn contains(&self, region: &str) -> bool {
        let region = region.trim();
        let may_select = |c: &Criterion| match c {
            Criterion::Region(pattern) => matches(pattern, region),
            Criterion::Groups(names) => names.0.contains_key(region),
            Criterion::Parent(_) | Criterion::Band(_) | Criterion::Priority(_) => true,
        };
        let excludes =
            |c: &Criterion| matches!(c, Criterion::Region(pattern) if matches(pattern, region));
        (self.select.is_empty() || self.select.iter().any(may_select))
            && !self.exclude.iter().any(excludes)
    }

    /// Whether a record of the group may be of a selected one, while the region's parent is not
    /// known yet.
    #[must_use]
    pub fn may_take(&self, region: &str, band: &str, priority: &str) -> bool {
        let group = Named { region, band, priority };
        (self.select.is_empty() || self.select.iter().any(|c| tells(c, group, None) != Some(false)))
            && !self.exclude.iter().any(|c| tells(c, group, None) == Some(true))
    }

    /// Whether the group of a region with this parent is selected; `None` is a region without one.
    #[must_use]
    pub fn takes(&self, key: &GroupKey, parent: Option<&str>) -> bool {
        let group = Named { region: &key.region, band: &key.band, priority: &key.priority };
        let told = |c: &Criterion| tells(c, group, Some(parent.unwrap_or(""))) == Some(true);
        (self.select.is_empty() || self.select.iter().any(told)) && !self.exclude.iter().any(told)
    }

    /// Whether parents of regions have a say, which are known once all records are read.
    #[must_use]
    pub fn reads_parents(&self) -> bool {
        self.criteria().any(|c| matches!(c, Criterion::Parent(_)))
    }

    /// Every criterion, those that exclude last.
    pub fn criteria(&self) -> impl Iterator<Item = &Criterion> {
        self.select.iter().chain(&self.exclude)
    }

    /// What a source may ask of the names of regions: any of these holds for every selected one.
    /// `None` where nothing can be told.
    #[must_use]
    pub fn region_terms(&self) -> Option<Vec<RegionTerm<'_>>> {
        if self.select.is_empty() {
            return None;
        }
        let mut terms = Vec::new();
        for criterion in &self.select {
            match criterion {
                Criterion::Region(pattern) => terms.push(RegionTerm::Pattern(pattern)),
                Criterion::Groups(names) => {
                    terms.extend(names.0.keys().map(|name| RegionTerm::Name(name)));
                }
                Criterion::Parent(_) | Criterion::Band(_) | Criterion::Priority(_) => return None,
            }
        }
        Some(terms)
    }
}

/// Whether the criterion holds for the group; `None` where the parent decides, which is not known.
fn tells(criterion: &Criterion, group: Named<'_>, parent: Option<&str>) -> Option<bool> {
    match criterion {
        Criterion::Region(pattern) => Some(matches(pattern, group.region)),
        // A region without a parent has none that matches.
        Criterion::Parent(pattern) => parent.map(|name| !name.is_empty() && matches(pattern, name)),
        Criterion::Band(pattern) => Some(matches(pattern, group.band)),
        Criterion::Priority(pattern) => Some(matches(pattern, group.priority)),
        Criterion::Groups(names) => Some(names.contains(group)),
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(pattern) => write!(f, "`{pattern}`"),
            Self::Parent(pattern) => write!(f, "`parent:{pattern}`"),
            Self::Band(pattern) => write!(f, "`band:{pattern}`"),
            Self::Priority(pattern) => write!(f, "`priority:{pattern}`"),
            Self::Groups(names) => match names.len() {
                1 => f.write_str("1 group"),
                n => write!(f, "{n} groups"),
            },
        }
    }
}

/// For messages: `` `B0*`, `band:peak` without `B05` ``.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |criteria: &[Criterion]| {
            criteria.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        if self.select.is_empty() {
            f.write_str("everything")?;
        }
        f.write_str(&list(&self.select))?;
        if self.exclude.is_empty() {
            return Ok(());
        }
        write!(f, " without {}", list(&self.exclude))
    }
}

/// Whether `text` matches `pattern`: the first piece is a prefix, the last a suffix, and the
/// pieces between are found in order, each as early as possible.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(prefix) else {
        return false;
    };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return text.ends_with(piece);
        }
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(Selection::new([pattern]).contains(text), expected, "{pattern} {text}");
        };
        check("B01", "B01", true);
        check("B01", "B011", false);
        check("Z0*", "Z024 Bloomingdale", true);
        check("*Park*", "Sunset Park West", true);
        check("*Park", "Sunset Park West", false);
        check("a*b*c", "aXbYbZc", true);
        check("a*a", "a", false);
        check("What?", "What?", true);
        check("What?", "Whats", false);
        check("*", "", true);
        check(" B01 ", "B01 ", true);
        assert!(Selection::default().contains("anything"));
        assert!(Selection::new(["", " "]).is_all());
    }

    fn key(region: &str, band: &str) -> GroupKey {
        GroupKey { region: region.into(), band: band.into(), priority: String::new() }
    }

    #[test]
    fn names_are_taken_literally() {
        let selection = Selection::of_groups([key("B0*", ""), key("C", "peak")]);
        let check = |region: &str, band: &str, expected: (bool, bool)| {
            let told = (selection.contains(region), selection.takes(&key(region, band), None));
            assert_eq!(told, expected, "{region} {band}");
        };
        check("B0*", "", (true, true));
        check("B01", "", (false, false));
        check("C", "peak", (true, true));
        check("C", "night", (true, false));
        let terms = selection.region_terms().unwrap();
        assert_eq!(terms, [RegionTerm::Name("B0*"), RegionTerm::Name("C")]);
        assert!(!selection.is_none());
        let none = Selection::of_groups([]);
        assert!(none.is_none() && !none.is_all() && !none.contains("C"));
    }

    #[test]
    fn several_are_a_union_and_exclusion_wins() {
        let of = |select: &[Criterion], exclude: &[Criterion]| {
            Selection::of(select.to_vec(), exclude.to_vec())
        };
        let region = |pattern: &str| Criterion::Region(pattern.into());
        let parent = |pattern: &str| Criterion::Parent(pattern.into());
        let check = |s: &Selection, region, of: Option<&str>, expected: (bool, bool, bool)| {
            let may = (s.contains(region), s.may_take(region, "", ""));
            assert_eq!((may.0, may.1, s.takes(&key(region, ""), of)), expected, "{s} {region}");
        };
        let both = of(&[region("A"), region("B*")], &[region("B1")]);
        check(&both, "A", None, (true, true, true));
        check(&both, "B1", None, (false, false, false));
        check(&both, "B2", None, (true, true, true));
        check(&both, "C", None, (false, false, false));
        let children = of(&[parent("P*"), region("A")], &[parent("Px")]);
        check(&children, "A", None, (true, true, true));
        check(&children, "A", Some("Px"), (true, true, false));
        check(&children, "B", Some("P1"), (true, true, true));
        check(&children, "B", Some("Q"), (true, true, false));
        check(&children, "B", None, (true, true, false));
        assert_eq!(children.region_terms(), None);
        assert!(children.reads_parents() && !both.reads_parents());
        let without = of(&[], &[region("A")]);
        check(&without, "A", None, (false, false, false));
        check(&without, "B", None, (true, true, true));
        assert_eq!(without.region_terms(), None);
        assert_eq!(without.to_string(), "everything without `A`");
        assert_eq!(children.to_string(), "`parent:P*`, `A` without `parent:Px`");
    }
}
