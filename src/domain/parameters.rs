//! What a run produces: parameter rows, group rows, the set of both.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::detail::GroupDetail;
use super::group::GroupKey;
use super::run::RunId;

macro_rules! named_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in tables, files and logs.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use named_enum;

named_enum! {
    /// What is known of one published parameter.
    ParameterStatus {
        /// Estimated from the group's records, with an interval.
        Ok = "ok",
        /// On the edge of its permitted range; the interval is missing.
        AtBound = "at_bound",
        /// The records cannot tell it; the value serves inside the range of the data only.
        NotIdentified = "not_identified",
        /// Estimated, but with an interval wider than the factor of the settings.
        Imprecise = "imprecise",
        /// Shrunk toward the parent.
        Pooled = "pooled",
        /// Set by the settings.
        Fixed = "fixed",
        /// Taken from the set that was current before.
        CarriedOver = "carried_over",
        /// Taken from a level above the group.
        Fallback = "fallback",
    }
}

/// Whether an interval says little of its estimate: an end is missing, above the estimate times
/// `factor`, or below the estimate over `factor`. A factor of 0 lets every interval pass.
#[must_use]
pub fn is_wide(estimate: f64, ends: [Option<f64>; 2], factor: f64) -> bool {
    let is_near = |end: Option<f64>| {
        end.is_some_and(|end| {
            let ratio = end / estimate;
            end == estimate || (ratio <= factor && ratio * factor >= 1.0)
        })
    };
    factor > 0.0 && !ends.into_iter().all(is_near)
}

named_enum! {
    /// How a group ended.
    GroupOutcome {
        /// Its own records were fitted.
        Fitted = "fitted",
        /// Shrunk toward its parent.
        Pooled = "pooled",
        /// Served by a level above it.
        Fallback = "fallback",
        /// Keeps the parameters of the current set.
        CarriedOver = "carried_over",
        /// No parameters, and the message says why.
        Failed = "failed",
        /// The run was stopped before the group was done.
        Cancelled = "cancelled",
    }
}

named_enum! {
    /// Which records an estimate stands on.
    SourceLevel {
        /// The group's own.
        Group = "group",
        /// All of the region.
        Region = "region",
        /// The parent region's.
        Parent = "parent",
        /// All records of the run.
        All = "all",
        /// No record: the RAND/ISO line.
        Standard = "standard",
        /// A previous run's.
        Previous = "previous",
        /// None, since the group has no parameters.
        None = "none",
    }
}

named_enum! {
    /// What the judge said of a group's new estimates.
    Verdict {
        /// Fit to be published.
        Publish = "publish",
        /// Not published; what was current stays.
        Keep = "keep",
        /// Nothing to judge.
        None = "none",
    }
}

/// One row of the parameters table. Numbers are finite; what cannot be told is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterRow {
    /// Group.
    #[serde(flatten)]
    pub key: GroupKey,
    /// Parameter, for example `cruise_speed_kmh`.
    pub name: String,
    /// Unit of every number in the row, for example `km/h`; empty for pure numbers.
    pub unit: String,
    /// The value to use.
    pub estimate: f64,
    /// Standard error of the estimate.
    pub std_error: Option<f64>,
    /// Lower end of the 95 % interval.
    pub ci_low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub ci_high: Option<f64>,
    /// The group's own estimate, whatever pooling or the judge made of it.
    pub raw_estimate: Option<f64>,
    /// Weight of the pool in the estimate, 0 (own records only) to 1.
    pub pool_weight: Option<f64>,
    /// What is known of it.
    pub status: ParameterStatus,
}

/// One row per group of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Group.
    #[serde(flatten)]
    pub key: GroupKey,
    /// Model, for example `kwh`.
    pub model: String,
    /// Loss, for example `least_squares`.
    pub loss: String,
    /// How the group ended.
    pub outcome: GroupOutcome,
    /// Which records the estimates stand on.
    pub source_level: SourceLevel,
    /// Rows of the group that were read.
    pub n_read: u64,
    /// Of these, refused.
    pub n_refused: u64,
    /// Of these, fitted.
    pub n_used: u64,
    /// Why the solver stopped; empty where none ran.
    pub termination: String,
    /// Iterations of the solver, all starts together.
    pub iterations: u64,
    /// Sum of squared residuals of ln T.
    pub ssr_log: Option<f64>,
    /// Root mean square residual of ln T.
    pub rmse_log: Option<f64>,
    /// Mean absolute error, s.
    pub mae_s: Option<f64>,
    /// Median of |error| / observed.
    pub median_ape: Option<f64>,
    /// Share of records at or under the predicted 90th percentile.
    pub share_under_p90: Option<f64>,
    /// Condition number of the scaled Jacobian.
    pub condition: Option<f64>,
    /// What the judge said.
    pub verdict: Verdict,
    /// Why, in words: of the failure, of the verdict, of what the records cannot tell.
    pub message: String,
    /// What else the fit tells; no column of CSV and Parquet files.
    #[serde(default)]
    pub detail: GroupDetail,
}

/// What one run produced for all its groups, ordered by group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ParameterSet {
    /// The run, or `None` for a fit outside any ledger.
    pub run_id: Option<RunId>,
    /// The scope that it belongs to.
    pub scope: String,
    /// One row per group.
    pub groups: Vec<GroupRow>,
    /// Some rows per group that has parameters; within a group in the model's order.
    pub parameters: Vec<ParameterRow>,
}

impl ParameterSet {
    /// The parameter rows of one group, in the model's order.
    pub fn parameters_of<'a>(
        &'a self,
        key: &'a GroupKey,
    ) -> impl Iterator<Item = &'a ParameterRow> {
        self.parameters.iter().filter(move |row| row.key == *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_wide_beyond_the_factor_on_either_side() {
        let check = |estimate: f64, low: Option<f64>, high: Option<f64>, expected: bool| {
            assert_eq!(
                is_wide(estimate, [low, high], 3.0),
                expected,
                "{estimate} {low:?} {high:?}"
            );
        };
        check(60.0, Some(20.0), Some(180.0), false);
        check(60.0, Some(19.9), Some(180.0), true);
        check(60.0, Some(20.0), Some(180.1), true);
        check(60.0, Some(50.0), None, true);
        check(60.0, None, Some(70.0), true);
        check(60.0, None, None, true);
        // Zero and below lie beyond every factor of a positive value.
        check(0.4, Some(0.0), Some(0.8), true);
        check(0.4, Some(-0.1), Some(0.8), true);
        // Spread parameters may be negative.
        check(-2.0, Some(-5.0), Some(-1.0), false);
        check(-2.0, Some(-7.0), Some(-1.0), true);
        check(0.0, Some(0.0), Some(0.0), false);
        assert!(!is_wide(60.0, [None, Some(1e9)], 0.0));
    }
}
