//! Why a record is refused, and how refusals are counted.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a record does not enter a fit. The order is the order of the checks: a row is counted
/// under the first reason that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// Time stamp outside the run's window, whatever else is wrong with the row: a database is not
    /// even asked for it.
    OutsideWindow,
    /// A value could not be read as its type, or the line is ragged.
    Unreadable,
    /// The travel time could not be read as a number. Which times that befalls depends on how long
    /// they are, so what is left may be biased; so it is for distances.
    UnreadableTime,
    /// The distance, or a length by class of road, could not be read as a number.
    UnreadableDistance,
    /// Region, distance or travel time is null or blank; or the time stamp is, where it is needed.
    NullField,
    /// Distance, travel time or weight is not a finite number.
    NonFinite,
    /// Travel time at or below zero.
    TimeNotPositive,
    /// Travel time below the setting.
    TimeTooShort,
    /// Travel time above the setting.
    TimeTooLong,
    /// Distance below the setting.
    DistanceTooShort,
    /// Distance above the setting.
    DistanceTooLong,
    /// Distance over time outside the settings.
    SpeedImplausible,
    /// Region not in the settings' list, or its name holds control characters or is too long.
    UnknownRegion,
    /// Weight at or below zero.
    WeightNotPositive,
    /// Weight above 3.4e38 or below 1.2e-38, beyond which numbers of single precision end.
    WeightOutOfRange,
    /// A length by class of road is null, negative or not finite, or all are zero; only where the
    /// model reads them.
    LengthInvalid,
    /// Another record of the incident arrived earlier, and the settings refuse repeats.
    RepeatedId,
}

impl RefusalReason {
    /// Every reason, in the order of the checks.
    pub const ALL: [Self; 17] = [
        Self::OutsideWindow,
        Self::Unreadable,
        Self::UnreadableTime,
        Self::UnreadableDistance,
        Self::NullField,
        Self::NonFinite,
        Self::TimeNotPositive,
        Self::TimeTooShort,
        Self::TimeTooLong,
        Self::DistanceTooShort,
        Self::DistanceTooLong,
        Self::SpeedImplausible,
        Self::UnknownRegion,
        Self::WeightNotPositive,
        Self::WeightOutOfRange,
        Self::LengthInvalid,
        Self::RepeatedId,
    ];

    /// The name in tables, files and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::UnreadableTime => "unreadable_time",
            Self::UnreadableDistance => "unreadable_distance",
            Self::NullField => "null_field",
            Self::NonFinite => "non_finite",
            Self::TimeNotPositive => "time_not_positive",
            Self::TimeTooShort => "time_too_short",
            Self::TimeTooLong => "time_too_long",
            Self::DistanceTooShort => "distance_too_short",
            Self::DistanceTooLong => "distance_too_long",
            Self::SpeedImplausible => "speed_implausible",
            Self::OutsideWindow => "outside_window",
            Self::UnknownRegion => "unknown_region",
            Self::WeightNotPositive => "weight_not_positive",
            Self::WeightOutOfRange => "weight_out_of_range",
            Self::LengthInvalid => "length_invalid",
            Self::RepeatedId => "repeated_id",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }

    /// Whether the row could not be read, wholly or in one of its values.
    #[must_use]
    pub fn is_unreadable(self) -> bool {
        matches!(self, Self::Unreadable | Self::UnreadableTime | Self::UnreadableDistance)
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Refusals of one run for one region and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalRow {
    /// Region as it stands in the records; empty where it is null or blank, and for all regions beyond
    /// the first [`RefusalTally::MAX_REGIONS`].
    pub region: String,
    /// The first check that the rows failed.
    pub reason: RefusalReason,
    /// Rows.
    pub count: u64,
    /// A few of the rows: the incident's id, or what could not be read.
    pub examples: Vec<String>,
}

impl RefusalRow {
    /// The commonest reason, of equals the first check, with its rows and an example.
    #[must_use]
    pub fn commonest(rows: &[Self]) -> Option<(RefusalReason, u64, &str)> {
        let mut sums: BTreeMap<RefusalReason, u64> = BTreeMap::new();
        for row in rows {
            *sums.entry(row.reason).or_insert(0) += row.count;
        }
        let (reason, count) = sums.into_iter().rev().max_by_key(|(_, count)| *count)?;
        let of_reason = rows.iter().filter(|row| row.reason == reason);
        let example = of_reason.flat_map(|row| &row.examples).next();
        Some((reason, count, example.map_or("", String::as_str)))
    }

    /// That in words: `200 as unreadable: line 2: …`.
    #[must_use]
    pub fn commonest_in_words(rows: &[Self]) -> String {
        match Self::commonest(rows) {
            None => String::new(),
            Some((reason, count, "")) => format!("{count} as {reason}"),
            Some((reason, count, what)) if reason.is_unreadable() => {
                format!("{count} as {reason}: {what}")
            }
            Some((reason, count, id)) => format!("{count} as {reason}: such as incident `{id}`"),
        }
    }
}

/// Counts refusals per region and reason, with a few examples each.
#[derive(Debug, Clone, Default)]
pub struct RefusalTally {
    rows: BTreeMap<String, BTreeMap<RefusalReason, (u64, Vec<String>)>>,
    n_examples: usize,
}

impl RefusalTally {
    /// Examples kept per region and reason: enough to look a few rows up, few enough to store.
    pub const MAX_EXAMPLES: usize = 3;
    /// Regions that are told apart: as many as a run may have groups; what is beyond is counted all the
    /// same.
    pub const MAX_REGIONS: usize = 20_000;
    /// Examples kept of all regions together.
    const MAX_ALL_EXAMPLES: usize = 10_000;
    /// Characters kept of a region's name or an example, which come from dirty data.
    const MAX_CHARS: usize = 200;

    /// Counts one refusal.
    pub fn add(&mut self, region: &str, reason: RefusalReason, example: &str) {
        let mut region = clip(region);
        if !self.rows.contains_key(region) {
            if self.rows.len() >= Self::MAX_REGIONS {
                region = "";
            }
            self.rows.entry(region.to_owned()).or_default();
        }
        let Some(reasons) = self.rows.get_mut(region) else {
            return;
        };
        let (count, examples) = reasons.entry(reason).or_default();
        *count += 1;
        let has_room =
            examples.len() < Self::MAX_EXAMPLES && self.n_examples < Self::MAX_ALL_EXAMPLES;
        if has_room && !example.is_empty() {
            self.n_examples += 1;
            examples.push(clip(example).to_owned());
        }
    }

    /// Forgets the refusals of a region; returns how many there were.
    pub fn forget(&mut self, region: &str) -> u64 {
        let reasons = self.rows.remove(clip(region)).unwrap_or_default();
        reasons.values().map(|(count, _)| count).sum()
    }

    /// All refusals.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rows.values().flat_map(BTreeMap::values).map(|(count, _)| count).sum()
    }

    /// Refusals per reason, only reasons that occurred.
    #[must_use]
    pub fn by_reason(&self) -> BTreeMap<RefusalReason, u64> {
        let mut sums = BTreeMap::new();
        for (&reason, (count, _)) in self.rows.values().flatten() {
            *sums.entry(reason).or_insert(0) += count;
        }
        sums
    }

    /// One row per region and reason, ordered by both.
    #[must_use]
    pub fn into_rows(self) -> Vec<RefusalRow> {
        let mut rows = Vec::new();
        for (region, reasons) in self.rows {
            for (reason, (count, examples)) in reasons {
                rows.push(RefusalRow { region: region.clone(), reason, count, examples });
            }
        }
        rows
    }
}

fn clip(text: &str) -> &str {
    text.char_indices().nth(RefusalTally::MAX_CHARS).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_examples_stay_few() {
        let mut tally = RefusalTally::default();
        for n in 0..10 {
            tally.add("A", RefusalReason::NullField, &format!("id{n}"));
        }
        tally.add("", RefusalReason::NonFinite, "");
        assert_eq!(tally.total(), 11);
        assert_eq!(tally.by_reason()[&RefusalReason::NullField], 10);
        let rows = tally.into_rows();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].examples, ["id0", "id1", "id2"]);
    }

    #[test]
    fn regions_without_number_are_counted_together() {
        let mut tally = RefusalTally::default();
        let n_rows = RefusalTally::MAX_REGIONS + 10;
        for n in 0..n_rows {
            tally.add(&format!("R{n}"), RefusalReason::NonFinite, &format!("id{n}"));
        }
        assert_eq!(tally.total(), n_rows as u64);
        let rows = tally.into_rows();
        assert_eq!((rows.len(), rows[0].region.as_str()), (RefusalTally::MAX_REGIONS + 1, ""));
        assert_eq!(rows[0].count, 10);
        let n_examples: usize = rows.iter().map(|row| row.examples.len()).sum();
        assert_eq!(n_examples, RefusalTally::MAX_ALL_EXAMPLES);
    }

    #[test]
    fn the_commonest_reason_is_told_with_an_example() {
        let row = |region: &str, reason, count, example: &str| RefusalRow {
            region: region.to_owned(),
            reason,
            count,
            examples: vec![example.to_owned()],
        };
        let what = "line 2: `1,234` in column `t` is not a number";
        let rows = [
            row("A", RefusalReason::TimeTooLong, 5, "i7"),
            row("A", RefusalReason::UnreadableTime, 3, what),
            row("B", RefusalReason::UnreadableTime, 3, "line 9: `2,345`"),
        ];
        let all = RefusalRow::commonest_in_words(&rows);
        assert_eq!(all, format!("6 as unreadable_time: {what}"));
        let first = RefusalRow::commonest_in_words(&rows[..1]);
        assert_eq!(first, "5 as time_too_long: such as incident `i7`");
        assert_eq!(RefusalRow::commonest_in_words(&[]), "");
    }

    #[test]
    fn names_round_trip() {
        for reason in RefusalReason::ALL {
            assert_eq!(RefusalReason::from_name(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
