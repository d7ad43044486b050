//! Which record of an incident is kept, where repeats are refused: the first to arrive, in whatever
//! order a source delivers. Knows no groups but by their numbers.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::domain::IncidentId;
use crate::domain::record::RecordRef;

/// Incidents that are kept in mind at the most, some 50 bytes each: beyond, the database is the place
/// to leave repeats out.
const MAX_INCIDENTS: usize = 40_000_000;

/// Where a sample lies: its group, and its place there.
pub(super) type Place = (u32, u32);

/// Incidents so far, each with the record that is kept.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    kept: HashMap<u64, Kept>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    /// The record that is less is kept.
    rank: (i64, u64),
    place: Place,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is kept, the first of its incident so far.
    First,
    /// It is kept, and the one there is the repeat.
    Replaces(Place),
    /// It is the repeat.
    Repeat,
}

impl Repeats {
    /// Decides on an accepted record; one that is kept lies at `place`. Told by a 64-bit hash: among a
    /// million incidents a false alarm has a chance of 3 in 100 million.
    pub(super) fn decide(&mut self, id: IncidentId<'_>, row: &RecordRef<'_>, place: Place) -> Fate {
        let new = Kept { rank: rank(row), place };
        match self.kept.insert(hash(id), new) {
            None => Fate::First,
            Some(old) if new.rank < old.rank => Fate::Replaces(old.place),
            Some(old) => {
                self.kept.insert(hash(id), old);
                Fate::Repeat
            }
        }
    }

    /// Whether there are more incidents than can be kept in mind.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() > MAX_INCIDENTS
    }
}

/// When the vehicle arrived, and then anything that tells two records apart. Where nobody knows when
/// the incident occurred, the shorter travel time arrives first.
fn rank(row: &RecordRef<'_>) -> (i64, u64) {
    /// Later than any date.
    const UNKNOWN_US: i64 = i64::MAX / 2;
    #[expect(clippy::cast_possible_truncation, reason = "an accepted time is far shorter")]
    let travel_us = (row.travel_time_s.unwrap_or_default() * 1e6) as i64;
    let arrived_us = row.occurred_at_us.unwrap_or(UNKNOWN_US).saturating_add(travel_us);
    let mut hasher = DefaultHasher::new();
    (row.region, row.parent_region, row.priority, row.occurred_at_us).hash(&mut hasher);
    let numbers = [row.distance_km, row.travel_time_s, row.weight].into_iter();
    for number in numbers.chain(row.lengths_km.iter().copied()) {
        number.map(f64::to_bits).hash(&mut hasher);
    }
    (arrived_us, hasher.finish())
}

fn hash(id: IncidentId<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match id {
        IncidentId::Text(text) => text.hash(&mut hasher),
        IncidentId::Number(number) => number.hash(&mut hasher),
    }
    hasher.finish()
}
