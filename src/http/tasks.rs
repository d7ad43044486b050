//! Work that outlives the request which began it: runs, and fits on their way to notice that nobody
//! waits for them. The server waits for all of it before it ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

/// The tasks under way.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    set: Mutex<JoinSet<()>>,
}

impl Tasks {
    /// Starts a task; forgets those that are over.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(task);
    }

    /// Returns when every task is over. Tasks that are started meanwhile are not waited for.
    pub(super) async fn join(&self) {
        let taken = {
            let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *set)
        };
        // A panic was told where it happened.
        let mut taken = taken;
        while taken.join_next().await.is_some() {}
    }
}

/// The one run that this process may have under way.
#[derive(Debug, Default)]
pub(super) struct RunSlot {
    is_taken: Arc<AtomicBool>,
}

/// The slot, until it is dropped.
#[derive(Debug)]
pub(super) struct TakenSlot {
    is_taken: Arc<AtomicBool>,
}

impl RunSlot {
    /// Takes the slot, or tells that it is taken.
    pub(super) fn take(&self) -> Option<TakenSlot> {
        let was_taken = self.is_taken.swap(true, Ordering::AcqRel);
        (!was_taken).then(|| TakenSlot { is_taken: Arc::clone(&self.is_taken) })
    }

    /// Whether a run is under way.
    pub(super) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Acquire)
    }
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        self.is_taken.store(false, Ordering::Release);
    }
}
