//! A clock for runs over a network, so that no test waits and none hurries a slow machine.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use speedfit::ports::Clock;
use tokio::sync::watch;

/// Waits of a minute and less pass at once and move the time; longer ones are limits, which pass
/// only when the test says so, and those of more than a day never do.
pub(crate) struct HastyClock {
    now: watch::Sender<Timestamp>,
    n_expired: watch::Sender<usize>,
}

impl HastyClock {
    /// Longest wait that passes by itself.
    const HASTY: Duration = Duration::from_secs(60);
    /// Longest wait that [`expire`](Self::expire) ends.
    const PATIENT: Duration = Duration::from_secs(86_400);

    /// A clock that shows `start`.
    pub(crate) fn new(start: Timestamp) -> Self {
        Self { now: watch::Sender::new(start), n_expired: watch::Sender::new(0) }
    }

    /// Ends one limit: one that is waited for now, or else the next.
    pub(crate) fn expire(&self) {
        self.n_expired.send_modify(|n| *n += 1);
    }
}

#[async_trait]
impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        if duration <= Self::HASTY {
            let duration_us = duration.as_micros().try_into().unwrap_or(u64::MAX);
            self.now.send_modify(|now| *now += Duration::from_micros(duration_us));
            return tokio::task::yield_now().await;
        }
        if duration > Self::PATIENT {
            return std::future::pending().await;
        }
        let mut expired = self.n_expired.subscribe();
        let take = |n: &mut usize| {
            let is_mine = *n > 0;
            *n = n.saturating_sub(1);
            is_mine
        };
        while !self.n_expired.send_if_modified(take) {
            // The sender lives in `self`, so that the wait ends by the number alone.
            let _ = expired.wait_for(|n| *n > 0).await;
        }
    }
}
