//! Units of work: each is done whole, and again where that is worth it.
//!
//! A unit is what is repeated: a whole transaction, a whole read. It is repeated on a connection
//! that is known to be sound, never on one that may be out of step, and a write asks the ledger
//! first whether the try before has landed.

use async_trait::async_trait;
use tokio::sync::Mutex;
use tracing::warn;

use super::connection::{Connection, Connector};
use super::error::{SqlServerError, UnitError};
use super::retry::{BackOff, RetryPolicy};
use crate::ports::{PortResult, with_causes};

/// Work on one connection that may be tried again after a transient failure.
#[async_trait]
pub(super) trait Unit: Sync {
    /// What it gives.
    type Output: Send;

    /// What it does, to stand after "cannot": `start run 7`.
    fn doing(&self) -> String;

    /// Does it once. `attempt` counts from 1: from the second on, the one before may have landed
    /// although its reply was lost, so a write looks first.
    async fn attempt(
        &self,
        connection: &mut Connection,
        attempt: u32,
    ) -> Result<Self::Output, UnitError>;
}

/// A server on which units are done one after another, over a connection that is opened when it is
/// needed.
pub(super) struct Session {
    connector: Connector,
    connection: Mutex<Option<Connection>>,
    back_off: BackOff,
}

impl Session {
    pub(super) fn new(connector: Connector, policy: RetryPolicy) -> Self {
        Self { connector, connection: Mutex::new(None), back_off: BackOff::new(policy) }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The connection, where one is open: for work that keeps it to itself.
    pub(super) fn into_connection(self) -> Option<Connection> {
        self.connection.into_inner().filter(Connection::is_open)
    }

    /// Does the unit, as often as its failures are worth it and the policy allows.
    pub(super) async fn run<U: Unit>(&self, unit: &U) -> PortResult<U::Output> {
        let mut slot = self.connection.lock().await;
        let mut n_failed = 0;
        loop {
            let failure = match self.attempt(&mut slot, unit, n_failed + 1).await {
                Ok(output) => return Ok(output),
                Err(failure) => failure,
            };
            n_failed += 1;
            let class = failure.retry_class();
            let wait = self.back_off.wait(class, n_failed);
            let failure = self.error(unit.doing(), failure);
            let Some(wait) = wait else { return Err(failure.into()) };
            let why = with_causes(&failure);
            warn!(n_failed, wait_ms = wait.as_millis(), "trying again: {why}");
            self.connector.clock().sleep(wait).await;
        }
    }

    /// One try. Afterwards the slot holds a connection only where it is sound and at rest.
    async fn attempt<U: Unit>(
        &self,
        slot: &mut Option<Connection>,
        unit: &U,
        attempt: u32,
    ) -> Result<U::Output, UnitError> {
        // Out of the slot, so that a caller that stops waiting closes it.
        let mut connection = match slot.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => self.connector.connect().await?,
        };
        let output = unit.attempt(&mut connection, attempt).await?;
        *slot = Some(connection);
        Ok(output)
    }

    /// The failure, with what was to be done and where.
    pub(super) fn error(&self, doing: impl Into<String>, source: UnitError) -> SqlServerError {
        SqlServerError::new(doing, self.connector.options(), source)
    }
}
