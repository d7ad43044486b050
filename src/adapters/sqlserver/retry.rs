//! Which errors are worth another try, and how long to wait before it.
//!
//! The classes are pure functions of SQL Server's numbers; the lists are the union of those of EF
//! Core's `SqlServerTransientExceptionDetector` and of Microsoft.Data.SqlClient's
//! `SqlConfigurableRetryFactory`, split by what is safe, and what a server says of itself while it
//! starts, recovers or fails over.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// What may be done after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// A: the transaction is rolled back; repeat the whole of it.
    Transaction,
    /// B: connect again, then repeat the unit, which is idempotent.
    Reconnect,
    /// B, seldom: connect again, but a mistake in the settings looks the same, so only a few times.
    ReconnectBriefly,
    /// B, slowly: the service asks to be left alone for at least ten seconds.
    ReconnectLater,
    /// C: it would fail again.
    Never,
    /// D: whether it took place is not known. Repeat reads; before repeating a write ask the ledger.
    Unknown,
}

impl RetryClass {
    /// The class of one of SQL Server's error numbers of that severity.
    #[must_use]
    pub fn of_number(number: u32, severity: u8) -> Self {
        match number {
            1204 | 1205 | 1222 | 3960 | 41301 | 41302 | 41305 | 41325 | 41839 => Self::Transaction,
            20 | 64 | 121 | 233 | 997 | 10053 | 10054 | 10060 | 40143 | 40197 | 40540 | 40613
            | 42108 | 42109 | 49918 | 49919 | 49920 | 10928 | 10929 => Self::Reconnect,
            // Starting, stopping, recovering, or a replica that is not the primary yet.
            904 | 922 | 976 | 978 | 983 | 6005 | 17142 | 17187 | 17197 | 18401 => Self::Reconnect,
            40501 => Self::ReconnectLater,
            4060 | 4221 => Self::ReconnectBriefly,
            // The login, permissions, names, keys, lengths and conversions.
            18456 | 18486 | 18487 | 18488 | 229 | 230 | 262 | 207 | 208 | 911 | 2601 | 2627
            | 2628 | 8152 | 547 | 245 | 8114 => Self::Never,
            // From 20 on the server closes the connection.
            _ if severity >= 20 => Self::Reconnect,
            _ => Self::Never,
        }
    }

    /// Most tries of a unit in all, where the policy allows `attempts`.
    #[must_use]
    pub fn max_attempts(self, attempts: u32) -> u32 {
        match self {
            Self::Never => 1,
            Self::ReconnectBriefly => attempts.min(3),
            Self::Transaction | Self::Reconnect | Self::ReconnectLater | Self::Unknown => attempts,
        }
    }

    /// Shortest wait before the next try.
    #[must_use]
    pub fn floor(self) -> Duration {
        match self {
            Self::ReconnectLater => Duration::from_secs(10),
            _ => Duration::ZERO,
        }
    }
}

/// How often a unit is tried, and the bounds of the waits between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most tries, the first included; at least 1.
    pub attempts: u32,
    /// Bound of the first wait; it doubles from try to try.
    pub base: Duration,
    /// Largest bound.
    pub cap: Duration,
    /// What the chance of the waits starts from; different on every machine, so that they part.
    pub seed: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 6, base: Duration::from_secs(1), cap: Duration::from_secs(30), seed: 0 }
    }
}

impl RetryPolicy {
    /// Bound of the wait after that many failed tries.
    #[must_use]
    pub fn bound(&self, n_failed: u32) -> Duration {
        let doubled = 1_u32.checked_shl(n_failed.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(doubled).min(self.cap)
    }
}

/// The waits of one store or source: "full jitter", a random share of the bound.
#[derive(Debug)]
pub(super) struct BackOff {
    policy: RetryPolicy,
    chance: Mutex<ChaCha8Rng>,
}

impl BackOff {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        let chance = Mutex::new(ChaCha8Rng::seed_from_u64(policy.seed));
        Self { policy, chance }
    }

    /// How long to wait after the `n_failed`th failed try, or `None` where that was the last.
    pub(super) fn wait(&self, class: RetryClass, n_failed: u32) -> Option<Duration> {
        if n_failed >= class.max_attempts(self.policy.attempts) {
            return None;
        }
        let share: f64 = self.chance.lock().unwrap_or_else(PoisonError::into_inner).random();
        Some(self.policy.bound(n_failed).mul_f64(share).max(class.floor()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lists as they stand in SQL Server's documentation and in the two clients, by class.
    #[test]
    fn every_listed_number_has_its_class() {
        let check = |class: RetryClass, numbers: &[u32]| {
            for &number in numbers {
                assert_eq!(RetryClass::of_number(number, 16), class, "{number}");
            }
        };
        check(
            RetryClass::Transaction,
            &[1205, 1204, 1222, 3960, 41301, 41302, 41305, 41325, 41839],
        );
        check(
            RetryClass::Reconnect,
            &[
                20, 64, 121, 233, 997, 10053, 10054, 10060, 40143, 40197, 40540, 40613, 42108,
                42109, 49918, 49919, 49920, 10928, 10929,
            ],
        );
        check(RetryClass::Reconnect, &[904, 922, 976, 978, 983, 6005, 17142, 17187, 17197, 18401]);
        check(RetryClass::ReconnectLater, &[40501]);
        check(RetryClass::ReconnectBriefly, &[4060, 4221]);
        check(
            RetryClass::Never,
            &[
                18456, 18486, 18487, 18488, 229, 230, 262, 207, 208, 2601, 2627, 2628, 8152, 547,
                245, 8114, 911,
            ],
        );
    }

    #[test]
    fn a_severe_error_closes_the_connection_and_another_is_final() {
        assert_eq!(RetryClass::of_number(50_000, 16), RetryClass::Never);
        assert_eq!(RetryClass::of_number(823, 24), RetryClass::Reconnect);
        // The number speaks before the severity.
        assert_eq!(RetryClass::of_number(208, 20), RetryClass::Never);
    }

    #[test]
    fn waits_are_bounded_and_come_to_an_end() {
        let back_off = BackOff::new(RetryPolicy::default());
        for n_failed in 1..6 {
            let wait = back_off.wait(RetryClass::Reconnect, n_failed).unwrap();
            assert!(wait <= RetryPolicy::default().bound(n_failed), "{n_failed}: {wait:?}");
            let slow = back_off.wait(RetryClass::ReconnectLater, n_failed).unwrap();
            assert!(slow >= Duration::from_secs(10), "{n_failed}: {slow:?}");
        }
        assert_eq!(back_off.wait(RetryClass::Reconnect, 6), None);
        assert_eq!(back_off.wait(RetryClass::ReconnectBriefly, 3), None);
        assert_eq!(back_off.wait(RetryClass::Never, 1), None);
        let bounds: Vec<u64> =
            (1..=40).map(|n| RetryPolicy::default().bound(n).as_secs()).collect();
        assert_eq!(bounds[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(bounds[39], 30);
    }

    #[test]
    fn waits_differ_by_seed_and_repeat_with_it() {
        let waits = |seed| {
            let back_off = BackOff::new(RetryPolicy { seed, ..RetryPolicy::default() });
            (1..6).map(|n| back_off.wait(RetryClass::Reconnect, n)).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }
}
