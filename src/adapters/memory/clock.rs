//! Time that stands still until a test moves it.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::ports::Clock;

/// A clock that only [`advance`](Self::advance) moves.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
    n_sleepers: watch::Sender<usize>,
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self { now: watch::Sender::new(start), n_sleepers: watch::Sender::new(0) }
    }

    /// Moves time forward and wakes whoever slept until then. Stops at the end of time.
    pub fn advance(&self, duration: Duration) {
        self.now.send_modify(|now| *now = later(*now, duration));
    }

    /// Returns when at least `n` sleepers wait for time to pass, so that a test moves it only then.
    pub async fn until_sleeping(&self, n: usize) {
        // Fails only without a sender, which `self` holds.
        let _ = self.n_sleepers.subscribe().wait_for(|sleepers| *sleepers >= n).await;
    }
}

/// Counts a sleeper as long as it lives, however its sleep ends.
struct Sleeper<'a>(&'a watch::Sender<usize>);

impl<'a> Sleeper<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|n| *n += 1);
        Self(count)
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

fn later(now: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| now.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let mut time = self.now.subscribe();
        let until = later(*time.borrow(), duration);
        let _sleeper = Sleeper::new(&self.n_sleepers);
        // Fails only without a sender, which `self` holds.
        let _ = time.wait_for(|now| *now >= until).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_times() {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let sleep = |seconds| {
            let clock = Arc::clone(&clock);
            tokio::spawn(async move {
                clock.sleep(Duration::from_secs(seconds)).await;
                clock.now().as_second()
            })
        };
        let (short, long) = (sleep(10), sleep(60));
        clock.until_sleeping(2).await;
        clock.advance(Duration::from_secs(10));
        assert_eq!(short.await.unwrap(), 10);
        assert!(!long.is_finished());
        clock.advance(Duration::from_secs(50));
        assert_eq!(long.await.unwrap(), 60);
        clock.sleep(Duration::ZERO).await;
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[tokio::test]
    async fn a_sleeper_that_is_dropped_no_longer_counts() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        tokio::select! {
            () = clock.sleep(Duration::from_secs(1)) => panic!("time stood still"),
            () = clock.until_sleeping(1) => {}
        }
        assert_eq!(*clock.n_sleepers.borrow(), 0);
    }
}
