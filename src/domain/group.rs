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
    /// The group of a whole region.
    #[must_use]
    pub fn region(name: &str) -> Self {
        Self {
            region: name.to_owned(),
            ..Self::default()
        }
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
