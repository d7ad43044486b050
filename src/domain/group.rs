//! The unit of fitting: region × band × priority, as far as the settings split.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names a group. `band` and `priority` are empty where the settings do not split by them.
/// Ordered by region, then band, then priority: the order of every table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct GroupKey {
    /// The region's name, trimmed.
    pub region: String,
    /// The band's name, or empty.
    pub band: String,
    /// The priority class, or empty.
    pub priority: String,
}

impl GroupKey {
    /// Characters of a priority class at the most: the width of its column in the stores.
    pub const MAX_PRIORITY_CHARS: usize = 50;

    /// The group of a whole region.
    #[must_use]
    pub fn region(name: &str) -> Self {
        Self { region: name.to_owned(), ..Self::default() }
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.region)?;
        for part in [&self.band, &self.priority] {
            if !part.is_empty() {
                write!(f, " / {part}")?;
            }
        }
        Ok(())
    }
}

/// What groups are split by, beside the region.
#[derive(Debug, Clone, Default)]
pub struct Splits {
    /// Split by these bands of the week.
    pub bands: Option<super::WeekBands>,
    /// Split by priority class.
    pub by_priority: bool,
}

impl Splits {
    /// Whether a run with these splits could make such a group: one made under other settings is
    /// not carried into a new set, where the application would find the region twice.
    #[must_use]
    pub fn could_make(&self, key: &GroupKey) -> bool {
        self.bands.is_some() != key.band.is_empty() && self.by_priority != key.priority.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_other_splits_are_told_apart() {
        let region = GroupKey::region("A");
        let priority = GroupKey { priority: "1".into(), ..region.clone() };
        let band = GroupKey { band: "night".into(), ..region.clone() };
        let whole = Splits::default();
        let by_priority = Splits { by_priority: true, ..Splits::default() };
        assert!(whole.could_make(&region) && !whole.could_make(&priority));
        assert!(!whole.could_make(&band));
        assert!(!by_priority.could_make(&region) && by_priority.could_make(&priority));
        assert_eq!(priority.to_string(), "A / 1");
    }
}
