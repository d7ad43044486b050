//! Faults on order: which operation fails, at which occurrence, and how.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::ports::{FailureKind, PortError, PortResult};

/// A call through a port of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `RunJournal::request`.
    Request,
    /// `RunJournal::start`.
    Start,
    /// `RunJournal::conclude`.
    Conclude,
    /// `RunJournal::abandon_dead`.
    AbandonDead,
    /// `RunJournal::run`.
    Run,
    /// `RunJournal::runs`.
    Runs,
    /// `RunJournal::refusals`.
    Refusals,
    /// `RunJournal::keep_settings`.
    KeepSettings,
    /// `RunJournal::settings`.
    Settings,
    /// `RunJournal::prune`.
    Prune,
    /// `ParameterStore::publications`.
    Publications,
    /// `ParameterStore::publish`.
    Publish,
    /// `ParameterStore::mark`.
    Mark,
    /// `ParameterStore::parameter_set`.
    ParameterSet,
    /// `ParameterStore::sets`.
    Sets,
    /// `ScopeLocks::try_lock`.
    TryLock,
    /// `ScopeLocks::is_locked`.
    IsLocked,
    /// `ScopeLock::release`.
    Release,
    /// `SchemaAdmin::migrate` and `script`.
    Schema,
}

/// What happens to one call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It fails and does nothing.
    Reject(FailureKind),
    /// It does its work, and the reply is lost: the caller sees a failure.
    FailAfterWrite(FailureKind),
    /// It waits before it does its work.
    HoldRequest(Hold),
    /// It does its work, and the reply waits.
    HoldResponse(Hold),
}

/// A gate that a call waits at until the test lets it pass; its clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Hold {
    reached: CancellationToken,
    released: CancellationToken,
}

impl Hold {
    /// Returns when a call waits at the gate, or has passed it.
    pub async fn reached(&self) {
        self.reached.cancelled().await;
    }

    /// Lets the call, and every later one, pass.
    pub fn release(&self) {
        self.released.cancel();
    }

    pub(super) async fn pass(&self) {
        self.reached.cancel();
        self.released.cancelled().await;
    }
}

/// The faults of a store, by operation and occurrence. An empty script changes nothing.
#[derive(Debug, Default)]
pub struct FaultScript {
    state: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    n_calls: HashMap<Operation, u32>,
    faults: HashMap<(Operation, u32), Fault>,
}

impl FaultScript {
    /// Makes the `nth` call from now on of `operation` fail, counted from 1. Every retry is a call.
    pub fn on(&self, operation: Operation, nth: u32, fault: Fault) {
        let mut script = self.lock();
        let n_before = script.n_calls.get(&operation).copied().unwrap_or_default();
        script.faults.insert((operation, n_before.saturating_add(nth)), fault);
    }

    /// How many calls of `operation` there were, failed ones included.
    #[must_use]
    pub fn n_calls(&self, operation: Operation) -> u32 {
        self.lock().n_calls.get(&operation).copied().unwrap_or_default()
    }

    /// Does `work` as one call of `operation`, with the fault that the script has for it.
    pub(super) async fn call<T>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> PortResult<T> + Send,
    ) -> PortResult<T> {
        match self.next(operation) {
            None => work(),
            Some(Fault::Reject(kind)) => Err(scripted(operation, kind)),
            Some(Fault::FailAfterWrite(kind)) => {
                work()?;
                Err(scripted(operation, kind))
            }
            Some(Fault::HoldRequest(hold)) => {
                hold.pass().await;
                work()
            }
            Some(Fault::HoldResponse(hold)) => {
                let reply = work();
                hold.pass().await;
                reply
            }
        }
    }

    fn next(&self, operation: Operation) -> Option<Fault> {
        let mut script = self.lock();
        let n_calls = script.n_calls.entry(operation).or_default();
        *n_calls = n_calls.saturating_add(1);
        let nth = *n_calls;
        script.faults.remove(&(operation, nth))
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn scripted(operation: Operation, kind: FailureKind) -> PortError {
    PortError::new(kind, format!("scripted failure of {operation:?}"))
}
