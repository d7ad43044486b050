//! What the stop signal means to a call of the store: most end at once, the transaction that ends the
//! run gets a short while more, and so do after it the calls that settle how the run ended.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ports::{Clock, PortError, PortResult};

/// How long after the stop signal the transaction that ends the run is waited for, and how long after
/// that the ledger may still be asked and told; a store that answers takes a few milliseconds, and
/// whoever stopped the run waits.
const GRACE: Duration = Duration::from_millis(1500);

/// The stop signal, and the moments after which nothing is waited for any more.
#[derive(Debug, Clone)]
pub(super) struct Grace {
    stop: CancellationToken,
    over: CancellationToken,
    settled: CancellationToken,
}

impl Grace {
    /// No stop signal yet.
    pub(super) fn new(stop: &CancellationToken) -> Self {
        let (over, settled) = (CancellationToken::new(), CancellationToken::new());
        Self { stop: stop.clone(), over, settled }
    }

    /// Does the work, and sees to it meanwhile that the grace ends when it must. Every entrance to a run,
    /// and whatever else asks the store with this grace, goes through here.
    pub(super) async fn around<T>(&self, clock: &dyn Clock, work: impl Future<Output = T>) -> T {
        tokio::select! {
            outcome = work => outcome,
            never = self.watch(clock) => match never {},
        }
    }

    /// Never returns.
    async fn watch(&self, clock: &dyn Clock) -> std::convert::Infallible {
        self.stop.cancelled().await;
        clock.sleep(GRACE).await;
        self.over.cancel();
        clock.sleep(GRACE).await;
        self.settled.cancel();
        std::future::pending().await
    }

    /// The call's result, or [`FailureKind::Cancelled`](crate::ports::FailureKind::Cancelled) as
    /// soon as the run is to stop.
    pub(super) async fn unless_stopped<T>(
        &self,
        call: impl Future<Output = PortResult<T>>,
    ) -> PortResult<T> {
        tokio::select! {
            biased;
            result = call => result,
            () = self.stop.cancelled() => Err(PortError::cancelled()),
        }
    }

    /// The call's result, or that kind of failure when the grace is over.
    pub(super) async fn unless_over<T>(
        &self,
        call: impl Future<Output = PortResult<T>>,
    ) -> PortResult<T> {
        tokio::select! {
            biased;
            result = call => result,
            () = self.over.cancelled() => Err(PortError::cancelled()),
        }
    }

    /// The same for a call that settles how the run ended: it may be needed because the grace of the
    /// call before it is over, and has as long again.
    pub(super) async fn unless_settled<T>(
        &self,
        call: impl Future<Output = PortResult<T>>,
    ) -> PortResult<T> {
        tokio::select! {
            biased;
            result = call => result,
            () = self.settled.cancelled() => Err(PortError::cancelled()),
        }
    }
}
