//! One of several parts into which the records of a run are split, so that several processes read them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Part `index` of `count`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Parts of one run at the most: more readers than any database wants at once.
    pub const MAX_COUNT: u32 = 1024;

    /// Part `index` of `count`; `None` where there is no such part.
    #[must_use]
    pub fn new(index: u32, count: u32) -> Option<Self> {
        ((1..=Self::MAX_COUNT).contains(&count) && (1..=count).contains(&index))
            .then_some(Self { index, count })
    }

    /// Which part, from 1.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many parts there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether the records of that region belong to this part. Blanks around the name do not count;
    /// records without a region belong together.
    #[must_use]
    pub fn holds(self, region: Option<&str>) -> bool {
        let hash = fnv1a(region.unwrap_or_default().trim().as_bytes());
        hash % u64::from(self.count) == u64::from(self.index - 1)
    }
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo; draft-eastlake-fnv): the same on every machine and in every
/// version, which the standard library's hashes do not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            Some((index.trim().parse().ok()?, count.trim().parse().ok()?))
        });
        numbers.and_then(|(index, count)| Self::new(index, count)).ok_or_else(|| {
            let max = Self::MAX_COUNT;
            format!(
                "`{text}` is no shard: write `3/8` for the third of eight, of {max} at the most"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_belongs_to_one_part() {
        let regions = ["", "A", "B", " B ", "København", "東京 🚒", "A/B", "case", "CASE"];
        for count in [1, 2, 3, 8, 1024] {
            for region in regions {
                let holders = (1..=count)
                    .filter(|&index| Shard::new(index, count).unwrap().holds(Some(region)));
                assert_eq!(holders.count(), 1, "{region} of {count}");
            }
            let first = Shard::new(1, count).unwrap();
            assert_eq!(first.holds(None), first.holds(Some(" ")));
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn regions_spread_evenly() {
        let mut counts = [0_u32; 8];
        for n in 0..8000 {
            let region = format!("Region {n}");
            let holder = (1..=8).find(|&i| Shard::new(i, 8).unwrap().holds(Some(&region)));
            counts[holder.unwrap() as usize - 1] += 1;
        }
        assert!(counts.iter().all(|&n| (850..1150).contains(&n)), "{counts:?}");
    }

    #[test]
    fn shards_are_written_as_i_of_n() {
        assert_eq!("3/8".parse(), Ok(Shard { index: 3, count: 8 }));
        assert_eq!(Shard { index: 3, count: 8 }.to_string(), "3/8");
        for wrong in ["", "3", "0/8", "9/8", "1/0", "1/1025", "-1/8", "a/b", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
