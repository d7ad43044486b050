//! Locks of scopes among the handles of one store in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::fault::{FaultScript, Operation};
use crate::ports::{FailureKind, PortError, PortResult, ScopeLock};

/// Who holds what: for each scope the channel by which its holder learns that the lock is lost.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: Mutex<HashMap<String, watch::Sender<Option<FailureKind>>>>,
}

impl Locks {
    pub(super) fn lose(&self, scope: &str, kind: FailureKind) {
        if let Some(lost) = self.held().remove(scope) {
            lost.send_replace(Some(kind));
        }
    }

    pub(super) fn is_held(&self, scope: &str) -> bool {
        self.held().contains_key(scope)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Option<FailureKind>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct MemoryLock {
    scope: String,
    locks: Arc<Locks>,
    faults: Arc<FaultScript>,
    lost: watch::Receiver<Option<FailureKind>>,
}

impl MemoryLock {
    /// `None` where another holds it.
    pub(super) fn take(locks: &Arc<Locks>, faults: &Arc<FaultScript>, scope: &str) -> Option<Self> {
        let mut held = locks.held();
        if held.contains_key(scope) {
            return None;
        }
        let (sender, lost) = watch::channel(None);
        held.insert(scope.to_owned(), sender);
        let (locks, faults) = (Arc::clone(locks), Arc::clone(faults));
        Some(Self { scope: scope.to_owned(), locks, faults, lost })
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut held = self.locks.held();
        // A lost lock may be another's by now.
        if self.lost.borrow().is_none() {
            held.remove(&self.scope);
        }
    }
}

#[async_trait]
impl ScopeLock for MemoryLock {
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
