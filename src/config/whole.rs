//! Whole numbers of settings that lie between two bounds.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A whole number from `MIN` to `MAX`, both included; `MIN` is at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Whole<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Whole<MIN, MAX> {
    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// So many seconds.
    #[must_use]
    pub fn seconds(self) -> Duration {
        Duration::from_secs(self.0.into())
    }

    /// As a number of things, of which there is at least one.
    #[must_use]
    pub fn count(self) -> NonZeroUsize {
        NonZeroUsize::new(self.0 as usize).unwrap_or(NonZeroUsize::MIN)
    }
}

impl<const MIN: u32> Whole<MIN, 65_535> {
    /// As a port.
    #[must_use]
    pub fn port(self) -> u16 {
        // The upper bound is that of the type.
        u16::try_from(self.0).unwrap_or(u16::MAX)
    }
}

impl<const MIN: u32, const MAX: u32> TryFrom<u64> for Whole<MIN, MAX> {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        let fits = u32::try_from(number).ok().filter(|n| (MIN..=MAX).contains(n));
        fits.map(Self).ok_or_else(|| format!("must be {MIN} to {MAX}, not {number}"))
    }
}

impl<const MIN: u32, const MAX: u32> From<Whole<MIN, MAX>> for u64 {
    fn from(number: Whole<MIN, MAX>) -> Self {
        number.0.into()
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for Whole<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inside_and_named() {
        type Packet = Whole<512, 32_767>;
        for inside in [512, 32_767] {
            assert_eq!(Packet::try_from(inside).map(u64::from), Ok(inside));
        }
        for outside in [0, 511, 32_768, u64::from(u32::MAX) + 513] {
            let expected = format!("must be 512 to 32767, not {outside}");
            assert_eq!(Packet::try_from(outside), Err(expected));
        }
        assert_eq!(Whole::<1, 65_535>::try_from(65_535).map(Whole::port), Ok(65_535));
    }
}
