//! What the stop signal means to a call of the store: most end at once, those that tell the ledger
//! how the run ended get a short while more.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ports::{Clock, PortError, PortResult};

/// How long after the stop signal the ledger may still be told; a store that answers takes a few
/// milliseconds, and whoever stopped the run waits.
const GRACE: Duration = Duration::from_millis(1500);

/// The stop signal, and the moment after which nothing is waited for any more.
#[derive(Debug, Clone)]
pub(super) struct Grace {
    stop: CancellationToken,
    over: CancellationToken,
}

impl Grace {
    /// No stop signal yet.
    pub(super) fn new(stop: &CancellationToken) -> Self {
        Self { stop: stop.clone(), over: CancellationToken::new() }
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
}
