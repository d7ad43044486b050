//! Locks of scopes among the handles of one store in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::fault::{FaultScript, Operation};
use crate::adapters::ledger_rules::LedgerError;
use crate::ports::{FailureKind, LockKey, PortError, PortResult, ScopeLock};

/// Who holds what.
#[derive(Debug, Default)]
pub(super) struct Locks {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<String, Holding>,
    /// Lost by holders who do not know it.
    unnoticed: Vec<Holding>,
    n_taken: u64,
}

#[derive(Debug)]
struct Holding {
    key: LockKey,
    /// By which the holder learns that the lock is lost.
    lost: watch::Sender<Option<FailureKind>>,
}

impl Locks {
    pub(super) fn lose(&self, scope: &str, kind: FailureKind) {
        if let Some(holding) = self.state().held.remove(scope) {
            holding.lost.send_replace(Some(kind));
        }
    }

    pub(super) fn is_held(&self, scope: &str) -> bool {
        self.state().held.contains_key(scope)
    }

    pub(super) fn lose_unnoticed(&self, scope: &str) {
        let mut state = self.state();
        let holding = state.held.remove(scope);
        state.unnoticed.extend(holding);
    }

    /// Whether the lock is held by that key, where one is given.
    pub(super) fn check(&self, scope: &str, key: Option<&LockKey>) -> Result<(), LedgerError> {
        let is_held =
            |key: &LockKey| self.state().held.get(scope).is_some_and(|holding| holding.key == *key);
        if key.is_none_or(is_held) { Ok(()) } else { Err(LedgerError::LockLost(scope.to_owned())) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct MemoryLock {
    scope: String,
    key: LockKey,
    locks: Arc<Locks>,
    faults: Arc<FaultScript>,
    lost: watch::Receiver<Option<FailureKind>>,
}

impl MemoryLock {
    /// `None` where another holds it.
    pub(super) fn take(locks: &Arc<Locks>, faults: &Arc<FaultScript>, scope: &str) -> Option<Self> {
        let mut state = locks.state();
        if state.held.contains_key(scope) {
            return None;
        }
        state.n_taken += 1;
        let key = LockKey(state.n_taken.to_string());
        let (sender, lost) = watch::channel(None);
        state.held.insert(scope.to_owned(), Holding { key: key.clone(), lost: sender });
        let (locks, faults) = (Arc::clone(locks), Arc::clone(faults));
        Some(Self { scope: scope.to_owned(), key, locks, faults, lost })
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = self.locks.state();
        // A lost lock may be another's by now.
        if state.held.get(&self.scope).is_some_and(|holding| holding.key == self.key) {
            state.held.remove(&self.scope);
        }
    }
}

#[async_trait]
impl ScopeLock for MemoryLock {
    fn key(&self) -> LockKey {
        self.key.clone()
    }

    async fn lost(&self) -> PortError {
        let mut lost = self.lost.clone();
        let kind = match lost.wait_for(Option::is_some).await {
            Ok(kind) => *kind,
            Err(_) => None,
        };
        let text = format!("the lock of scope `{}` is lost", self.scope);
        PortError::new(kind.unwrap_or(FailureKind::Internal), text)
    }

    async fn release(self: Box<Self>) -> PortResult<()> {
        let faults = Arc::clone(&self.faults);
        faults
            .call(Operation::Release, move || {
                drop(self);
                Ok(())
            })
            .await
    }
}
