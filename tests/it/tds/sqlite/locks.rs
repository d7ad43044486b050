//! Application locks (`sp_getapplock`): a name, owned by one session at a time.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Exclusive locks by resource name, each owned by the session (connection number) that took it.
#[derive(Debug, Clone, Default)]
pub struct AppLocks {
    owners: Arc<Mutex<HashMap<String, u64>>>,
    released: Arc<Condvar>,
}

impl AppLocks {
    /// Takes a lock at once or not at all; true where it is the session's now or was before.
    #[must_use]
    pub fn acquire(&self, resource: &str, session: u64) -> bool {
        *self.owners().entry(resource.to_owned()).or_insert(session) == session
    }

    /// Takes a lock, and waits at most so long for another's release.
    #[must_use]
    pub fn acquire_within(&self, resource: &str, session: u64, timeout: Duration) -> bool {
        let taken = |owners: &mut HashMap<String, u64>| {
            owners.get(resource).is_some_and(|owner| *owner != session)
        };
        let (mut owners, waited) = self
            .released
            .wait_timeout_while(self.owners(), timeout, taken)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return false;
        }
        owners.insert(resource.to_owned(), session);
        true
    }

    /// Gives a lock back; false where the session did not own it.
    pub fn release(&self, resource: &str, session: u64) -> bool {
        let mut owners = self.owners();
        let owned = owners.get(resource) == Some(&session);
        if owned {
            owners.remove(resource);
            self.released.notify_all();
        }
        owned
    }

    /// Gives back all locks of a session.
    pub fn release_all(&self, session: u64) {
        self.owners().retain(|_, owner| *owner != session);
        self.released.notify_all();
    }

    /// Who owns a lock.
    #[must_use]
    pub fn owner(&self, resource: &str) -> Option<u64> {
        self.owners().get(resource).copied()
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
