//! Sorts the rows of a source into groups, and counts those that it refuses.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::domain::record::RecordRef;
use crate::domain::{
    GroupKey, IncidentId, Limits, RecordBatch, RefusalReason, RefusalTally, Splits,
};
use crate::fit::Sample;

use super::plan::RepeatedIds;

/// Samples up to which a group's room doubles; beyond, it grows by a quarter, so that a large group
/// leaves little of it unused.
const MAX_DOUBLED: usize = 1024;

/// The records of one group.
#[derive(Debug, Clone, Default)]
pub struct GroupRecords {
    /// Which group.
    pub key: GroupKey,
    /// Accepted records, in the order of the source.
    pub samples: Vec<Sample>,
    /// Rows refused that named this group.
    pub n_refused: u64,
}

impl GroupRecords {
    fn push(&mut self, sample: Sample) {
        let n = self.samples.len();
        if n == self.samples.capacity() && n >= MAX_DOUBLED {
            self.samples.reserve_exact(n / 4);
        }
        self.samples.push(sample);
    }
}

/// Everything that a source delivered.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Groups, ordered by key; one with refused rows only has no samples.
    pub groups: Vec<GroupRecords>,
    /// Refusals by region and reason.
    pub refusals: RefusalTally,
    /// Rows read: accepted and refused.
    pub n_read: u64,
}

/// Takes batches, gives groups.
pub struct Collector<'a> {
    limits: &'a Limits,
    splits: &'a Splits,
    seen_ids: Option<HashSet<u64>>,
    /// Region → band → priority → index in `groups`. Nested, so that a look-up allocates nothing;
    /// a region has few bands and priorities, which are compared faster than they are hashed.
    index: HashMap<String, BTreeMap<String, BTreeMap<String, usize>>>,
    groups: Vec<GroupRecords>,
    refusals: RefusalTally,
    n_read: u64,
}

impl<'a> Collector<'a> {
    /// A collector without rows.
    #[must_use]
    pub fn new(limits: &'a Limits, splits: &'a Splits, repeated_ids: RepeatedIds) -> Self {
        Self {
            limits,
            splits,
            seen_ids: (repeated_ids == RepeatedIds::Refuse).then(HashSet::new),
            index: HashMap::new(),
            groups: Vec::new(),
            refusals: RefusalTally::default(),
            n_read: 0,
        }
    }

    /// Rows so far.
    #[must_use]
    pub fn n_read(&self) -> u64 {
        self.n_read
    }

    /// Takes every row of a batch.
    pub fn take(&mut self, batch: &RecordBatch) {
        for row in batch.rows() {
            self.n_read += 1;
            match self.limits.check(&row) {
                Ok(_) if self.is_repeat(&row) => self.refuse(&row, RefusalReason::RepeatedId),
                Ok(accepted) => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "f32 is the precision in which samples are held"
                    )]
                    let sample = Sample {
                        distance_km: accepted.distance_km,
                        travel_time_s: accepted.travel_time_s as f32,
                        weight: accepted.weight as f32,
                    };
                    self.group_of(&row, accepted.region).push(sample);
                }
                Err(reason) => self.refuse(&row, reason),
            }
        }
    }

    /// Whether the incident was there before, where that matters. Told by a 64-bit hash: among a
    /// million incidents a false alarm has a chance of 3 in 100 million.
    fn is_repeat(&mut self, row: &RecordRef<'_>) -> bool {
        let (Some(seen), Some(id)) = (&mut self.seen_ids, row.incident_id) else { return false };
        let mut hasher = DefaultHasher::new();
        match id {
            IncidentId::Text(text) => text.hash(&mut hasher),
            IncidentId::Number(number) => number.hash(&mut hasher),
        }
        !seen.insert(hasher.finish())
    }

    fn refuse(&mut self, row: &RecordRef<'_>, reason: RefusalReason) {
        let region = row.region.map_or("", str::trim);
        let id = || row.incident_id.map(IncidentId::text);
        let example = row.fault.map(Cow::Borrowed).or_else(id).unwrap_or_default();
        self.refusals.add(region, reason, &example);
        // Rows that name no proper region belong to no group.
        if !region.is_empty() && self.limits.knows(region) {
            self.group_of(row, region).n_refused += 1;
        }
    }

    fn group_of(&mut self, row: &RecordRef<'_>, region: &str) -> &mut GroupRecords {
        let band = match (&self.splits.bands, row.occurred_at_us) {
            (Some(bands), Some(at_us)) => bands.band_at(at_us),
            _ => "",
        };
        let priority =
            if self.splits.by_priority { row.priority.map_or("", priority_name) } else { "" };
        let found = (self.index.get(region))
            .and_then(|bands| bands.get(band))
            .and_then(|priorities| priorities.get(priority));
        let at = match found {
            Some(&at) => at,
            None => {
                let at = self.groups.len();
                let key = GroupKey {
                    region: region.to_owned(),
                    band: band.to_owned(),
                    priority: priority.to_owned(),
                };
                let bands = self.index.entry(region.to_owned()).or_default();
                let priorities = bands.entry(band.to_owned()).or_default();
                priorities.insert(priority.to_owned(), at);
                self.groups.push(GroupRecords { key, ..GroupRecords::default() });
                at
            }
        };
        &mut self.groups[at]
    }

    /// The groups, ordered by key.
    #[must_use]
    pub fn finish(self) -> Collected {
        let mut groups = self.groups;
        groups.sort_by(|a, b| a.key.cmp(&b.key));
        Collected { groups, refusals: self.refusals, n_read: self.n_read }
    }
}

/// Trimmed, and cut where it is longer than a store has room for: text of that length is no class.
fn priority_name(text: &str) -> &str {
    let text = text.trim();
    let end = text.char_indices().nth(GroupKey::MAX_PRIORITY_CHARS);
    end.map_or(text, |(end, _)| text[..end].trim_end())
}

impl Collected {
    /// Rows accepted.
    #[must_use]
    pub fn n_used(&self) -> u64 {
        self.groups.iter().map(|g| g.samples.len() as u64).sum()
    }

    /// Refusals per reason.
    #[must_use]
    pub fn refused_by_reason(&self) -> BTreeMap<RefusalReason, u64> {
        self.refusals.by_reason()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: &[(&str, &str, f64, f64)]) -> RecordBatch {
        let mut batch = RecordBatch::default();
        for &(id, region, distance_km, travel_time_s) in rows {
            batch.push(RecordRef {
                incident_id: Some(IncidentId::Text(id)),
                region: Some(region),
                priority: Some("1"),
                distance_km: Some(distance_km),
                travel_time_s: Some(travel_time_s),
                ..RecordRef::default()
            });
        }
        batch
    }

    #[test]
    fn every_row_is_in_a_group_or_refused() {
        let (limits, splits) = (Limits::default(), Splits::default());
        let mut collector = Collector::new(&limits, &splits, RepeatedIds::Refuse);
        collector.take(&batch(&[
            ("1", "B", 1.0, 120.0),
            ("2", " A ", 1.0, 120.0),
            ("2", "A", 1.0, 120.0),
            ("3", "A", 1.0, 0.0),
            ("4", "", 1.0, 120.0),
            ("5", "C", 1.0, -1.0),
        ]));
        let collected = collector.finish();
        let told: Vec<_> = (collected.groups.iter())
            .map(|g| (g.key.region.as_str(), g.samples.len(), g.n_refused))
            .collect();
        assert_eq!(told, [("A", 1, 2), ("B", 1, 0), ("C", 0, 1)]);
        assert_eq!(collected.n_read, collected.n_used() + collected.refusals.total());
        assert_eq!(collected.refused_by_reason()[&RefusalReason::RepeatedId], 1);
    }

    #[test]
    fn a_numbered_incident_repeats_and_is_shown_by_its_number() {
        let (limits, splits) = (Limits::default(), Splits::default());
        let mut collector = Collector::new(&limits, &splits, RepeatedIds::Refuse);
        let alike = batch(&[("", "A", 1.0, 120.0); 3]);
        let mut rows = RecordBatch::default();
        for (number, row) in [10_000_000_000, -1, 10_000_000_000].into_iter().zip(alike.rows()) {
            rows.push(RecordRef { incident_id: Some(IncidentId::Number(number)), ..row });
        }
        collector.take(&rows);
        let collected = collector.finish();
        assert_eq!(collected.n_used(), 2);
        let told = collected.refusals.into_rows();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].reason, RefusalReason::RepeatedId);
        assert_eq!(told[0].examples, ["10000000000"]);
    }

    #[test]
    fn repeats_are_kept_by_default_and_priority_splits() {
        let limits = Limits::default();
        let splits = Splits { by_priority: true, ..Splits::default() };
        let mut collector = Collector::new(&limits, &splits, RepeatedIds::Keep);
        collector.take(&batch(&[("1", "A", 1.0, 120.0), ("1", "A", 2.0, 150.0)]));
        let groups = collector.finish().groups;
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].key.priority, "1");
        assert_eq!(groups[0].samples.len(), 2);
    }

    #[test]
    fn a_priority_that_is_a_text_is_cut() {
        let long = "é".repeat(GroupKey::MAX_PRIORITY_CHARS + 1);
        assert_eq!(priority_name(&long).chars().count(), GroupKey::MAX_PRIORITY_CHARS);
        assert_eq!(priority_name(" 1A "), "1A");
    }

    /// The 16 bytes of a sample may not become more than 20 by the room kept for more.
    #[test]
    fn a_large_group_keeps_little_room_to_spare() {
        let (limits, splits) = (Limits::default(), Splits::default());
        let mut collector = Collector::new(&limits, &splits, RepeatedIds::Keep);
        let rows = batch(&[("1", "A", 1.0, 120.0); 1000]);
        for n_taken in 1..=300 {
            collector.take(&rows);
            let samples = &collector.groups[0].samples;
            assert_eq!(samples.len(), n_taken * 1000);
            let most = if n_taken == 1 { MAX_DOUBLED } else { samples.len() * 5 / 4 };
            assert!(samples.capacity() <= most, "{} of {}", samples.len(), samples.capacity());
        }
    }
}
