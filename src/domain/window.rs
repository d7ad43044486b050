//! The half-open span of time that a run reads.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `from <= occurred_at < to`; a missing end is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First moment inside.
    pub from: Option<Timestamp>,
    /// First moment after.
    pub to: Option<Timestamp>,
}

impl Window {
    /// Every moment.
    pub const ALL: Self = Self { from: None, to: None };

    /// The bounds in microseconds since 1970-01-01 UTC, an open end at the type's limit.
    #[must_use]
    pub fn bounds_us(&self) -> (i64, i64) {
        (
            self.from.map_or(i64::MIN, Timestamp::as_microsecond),
            self.to.map_or(i64::MAX, Timestamp::as_microsecond),
        )
    }

    /// Whether no moment lies inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if from >= to)
    }

    /// Whether both ends are open.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        *self == Self::ALL
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (None, None) => f.write_str("all time"),
            (Some(from), None) => write!(f, "from {from}"),
            (None, Some(to)) => write!(f, "before {to}"),
            (Some(from), Some(to)) => write!(f, "{from} .. {to}"),
        }
    }
}
