//! What the gate before publication found: its rules by name, and one finding of one of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::parameters::named_enum;

named_enum! {
    /// A rule that a run's records and its set as a whole are held to. `docs/gate.md` has them as a
    /// table.
    GateRule {
        /// Rows whose numbers or time stamps cannot be read.
        Unreadable = "unreadable",
        /// Rows refused for their distance, time or speed.
        RefusedValues = "refused_values",
        /// Rows refused since their distance or time is exactly zero.
        ZeroValues = "zero_values",
        /// Rows refused for anything else.
        RefusedOthers = "refused_others",
        /// Groups that no records of this run stand behind.
        GroupsWithoutFit = "groups_without_fit",
        /// Fewer or more records than the last published set's.
        RowCount = "row_count",
        /// Regions vanished, new, or of another size.
        Regions = "regions",
        /// Distances, times or speeds moved as a whole.
        Distribution = "distribution",
        /// Most distances or times are one value.
        Constant = "constant",
        /// Rows that are there more than once.
        RepeatedRows = "repeated_rows",
        /// The newest record is old.
        Stale = "stale",
        /// Records of the future.
        Future = "future",
        /// The rows behind the last published set are not what they were.
        History = "history",
        /// The rows that came since the last published set.
        NewRows = "new_rows",
        /// Times that do not follow the distance.
        Unrelated = "unrelated",
        /// Minutes and seconds without a separator.
        ClockTimes = "clock_times",
        /// Records that outweigh all others of their group.
        Weights = "weights",
        /// The newest rows beside the rest of the window.
        Drift = "drift",
    }
}

impl GateRule {
    /// What an operator does about it, where the finding itself is no longer at hand.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Unreadable => {
                "write plain numbers in a view, a query or the export; or raise \
                 `gate.max_unreadable`"
            }
            Self::RefusedValues => {
                "check `columns.distance_unit`, `columns.time_unit` and the names under `columns`; \
                 where the values are right, widen the bounds under `accept` or raise \
                 `gate.max_refused_values`"
            }
            Self::ZeroValues => {
                "leave distance and time empty where they were not measured; or raise \
                 `gate.max_zero_values`"
            }
            Self::RefusedOthers => {
                "check the names under `columns` and `accept.known_regions`; or raise \
                 `gate.max_refused_others`"
            }
            Self::GroupsWithoutFit => {
                "`speedfit show` says which groups and why; or raise `gate.max_groups_without_fit`"
            }
            Self::RowCount => "check that the feed is complete and was loaded once",
            Self::Regions => "check `columns.region` and whether regions were renamed or merged",
            Self::Distribution => {
                "check `columns.distance_unit`, `columns.time_unit` and the names under `columns`"
            }
            Self::Constant => "check `columns.distance` and `columns.travel_time`",
            Self::RepeatedRows => {
                "load the records once, or set `accept.repeated_ids` to \"refuse\""
            }
            Self::Stale => {
                "check that the feed still delivers; `gate.warn_age_days` and `gate.max_age_days` are \
                 the limits"
            }
            Self::Future => "check `time_zone` and the clocks of the dispatch system",
            Self::History => {
                "check what the export changed in old records; a correction that is meant is \
                 accepted once"
            }
            Self::NewRows => {
                "mend the newest records at their source: the older ones are as they were"
            }
            Self::Unrelated => {
                "check that `columns.distance` and `columns.travel_time` are of the same trip"
            }
            Self::ClockTimes => "convert them to seconds in a view, a query or the export",
            Self::Weights => "check `columns.weight`",
            Self::Drift => {
                "check what changed at the source of the newest records; a change that is real is \
                 accepted once"
            }
        }
    }

    /// Whether what is wrong may be in the records as they were read: in a file, its units or its columns.
    #[must_use]
    pub fn is_of_records(self) -> bool {
        match self {
            Self::Unreadable
            | Self::RefusedValues
            | Self::ZeroValues
            | Self::RefusedOthers
            | Self::RowCount
            | Self::Regions
            | Self::Distribution
            | Self::Constant
            | Self::RepeatedRows
            | Self::Future
            | Self::Unrelated
            | Self::ClockTimes
            | Self::Weights
            | Self::NewRows
            | Self::Drift => true,
            Self::GroupsWithoutFit | Self::Stale | Self::History => false,
        }
    }

    /// The rules that a run's message names, in its order.
    #[must_use]
    pub fn named_in(message: &str) -> Vec<Self> {
        let place = |rule: &Self| message.find(&format!("[{rule}]"));
        let mut named: Vec<(usize, Self)> =
            Self::ALL.iter().filter_map(|rule| Some((place(rule)?, *rule))).collect();
        named.sort_unstable();
        named.into_iter().map(|(_, rule)| rule).collect()
    }
}

named_enum! {
    /// What becomes of a run with such a finding.
    Severity {
        /// It publishes, and says so.
        Warn = "warn",
        /// It publishes nothing, unless it is forced.
        Refuse = "refuse",
    }
}

/// One finding of the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateFinding {
    /// The rule.
    pub rule: GateRule,
    /// What becomes of the run.
    pub severity: Severity,
    /// What is wrong, with its figures and its limit.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for GateFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.rule, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_rules() {
        let finding = |rule| GateFinding {
            rule,
            severity: Severity::Warn,
            message: "so".to_owned(),
            remedy: String::new(),
        };
        let text = format!("{}; {}", finding(GateRule::Stale), finding(GateRule::Regions));
        assert_eq!(GateRule::named_in(&text), [GateRule::Stale, GateRule::Regions]);
        assert_eq!(GateRule::named_in("2 of 2 groups published"), []);
    }
}
