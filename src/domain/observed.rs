//! What the records of a group looked like: kept beside its parameters, so that a later run can ask
//! whether its own records look alike.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The 10th, 50th and 90th percentile of a positive quantity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// One value in ten is smaller.
    pub p10: f64,
    /// Half of the values are smaller.
    pub p50: f64,
    /// Nine values in ten are smaller.
    pub p90: f64,
}

impl Percentiles {
    /// Each over that of the other.
    #[must_use]
    pub fn ratios(&self, before: &Self) -> [f64; 3] {
        [self.p10 / before.p10, self.p50 / before.p50, self.p90 / before.p90]
    }
}

/// The rows of a group, counted and measured before any fit. Distances, times and speeds are those of
/// every row that has both values above zero: accepted, or refused for one of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// Earliest accepted record.
    pub oldest: Option<Timestamp>,
    /// Latest accepted record up to the run's start.
    pub newest: Option<Timestamp>,
    /// Rows accepted.
    pub n_used: u64,
    /// Rows refused for their distance, time or speed.
    pub n_refused_values: u64,
    /// Rows refused since their distance or time is exactly zero.
    pub n_refused_zeros: u64,
    /// Rows refused for anything else.
    pub n_refused_others: u64,
    /// Distances, km.
    pub distance_km: Option<Percentiles>,
    /// Travel times, s.
    pub travel_time_s: Option<Percentiles>,
    /// Distance over time, km/h.
    pub speed_kmh: Option<Percentiles>,
    /// The newest record of the last set that a person accepted although the gate refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_until: Option<Timestamp>,
}

impl Observed {
    /// Rows that named the group.
    #[must_use]
    pub fn n_rows(&self) -> u64 {
        self.n_used + self.n_refused_values + self.n_refused_zeros + self.n_refused_others
    }
}
