//! How many rows are there more than once, from a sample that is the same in whatever order they come:
//! all rows of certain hashes, so that a row and its repeats are in it together or not at all.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::domain::IncidentId;
use crate::domain::record::RecordRef;

/// Different rows in the sample at the most: about 2 MB.
const MAX_SAMPLED: usize = 1 << 16;

/// A sample of rows, counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repeats {
    /// A row is in the sample where its hash has none of these bits.
    mask: u64,
    /// By the hash of the whole row: the hash by which it was sampled, and how often it came.
    rows: HashMap<u64, (u64, u64)>,
}

impl Repeats {
    /// Counts an accepted row that an id or a time tells from others like it.
    pub(crate) fn add(&mut self, row: &RecordRef<'_>, region: &str, distance_km: f64, time_s: f64) {
        if row.incident_id.is_none() && row.occurred_at_us.is_none() {
            return;
        }
        let at = row.occurred_at_us.unwrap_or_default().cast_unsigned();
        let chosen = mixed(at ^ mixed(distance_km.to_bits() ^ mixed(time_s.to_bits())));
        if chosen & self.mask != 0 {
            return;
        }
        let mut hasher = DefaultHasher::new();
        (chosen, region, row.priority).hash(&mut hasher);
        match row.incident_id {
            Some(IncidentId::Text(text)) => text.hash(&mut hasher),
            Some(IncidentId::Number(number)) => number.hash(&mut hasher),
            None => {}
        }
        self.rows.entry(hasher.finish()).or_insert((chosen, 0)).1 += 1;
        while self.rows.len() > MAX_SAMPLED {
            self.mask = self.mask << 1 | 1;
            let mask = self.mask;
            self.rows.retain(|_, (chosen, _)| *chosen & mask == 0);
        }
    }

    /// Rows in the sample, and how many of them repeat another.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let n: u64 = self.rows.values().map(|(_, n)| n).sum();
        (n, n - self.rows.len() as u64)
    }
}

/// A permutation of the 64-bit numbers that spreads every bit (the finish of splitmix64, Steele and
/// others 2014).
fn mixed(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(n: u32, times: impl Fn(u32) -> u32) -> (u64, u64) {
        let mut repeats = Repeats::default();
        for i in 0..n {
            let row = RecordRef { occurred_at_us: Some(i64::from(i)), ..RecordRef::default() };
            for _ in 0..times(i) {
                repeats.add(&row, "A", 1.0 + f64::from(i % 7), 60.0);
            }
        }
        repeats.counts()
    }

    #[test]
    fn a_small_source_is_counted_whole() {
        assert_eq!(sampled(1000, |_| 1), (1000, 0));
        assert_eq!(sampled(1000, |i| 1 + i % 2), (1500, 500));
    }

    #[test]
    fn a_large_one_is_sampled_fairly() {
        let (n, n_repeats) = sampled(300_000, |_| 2);
        assert!((40_000..160_000).contains(&n), "{n}");
        assert_eq!(n_repeats * 2, n);
    }

    #[test]
    fn rows_that_nothing_tells_apart_are_no_repeats() {
        let mut repeats = Repeats::default();
        for _ in 0..3 {
            repeats.add(&RecordRef::default(), "A", 1.0, 60.0);
        }
        assert_eq!(repeats.counts(), (0, 0));
    }
}
