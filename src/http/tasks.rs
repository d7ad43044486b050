//! Work that outlives the request which began it: runs, and fits on their way to notice that nobody
//! waits for them. The server waits for all of it before it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use crate::domain::RunId;

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
///
/// Whoever holds it may be done in the ledger and still tell others of it, which can take minutes:
/// then the next run takes the slot over.
#[derive(Debug, Default)]
pub(super) struct RunSlot {
    state: Arc<Mutex<SlotState>>,
}

#[derive(Debug, Default)]
struct SlotState {
    /// Number of the last holder, from 1.
    n_holders: u64,
    /// The last holder, if it still holds the slot: its run, once that has a number.
    holder: Option<Option<RunId>>,
    /// Whether a run ended after the stop signal.
    has_stopped: bool,
}

/// The slot, until it is dropped or taken over.
#[derive(Debug)]
pub(super) struct TakenSlot {
    state: Arc<Mutex<SlotState>>,
    holder: u64,
}

impl RunSlot {
    /// Takes the slot, or tells that it is taken.
    pub(super) fn take(&self) -> Option<TakenSlot> {
        let mut state = locked(&self.state);
        state.holder.is_none().then(|| self.hand_over(&mut state))
    }

    /// Takes the slot over from that run, if it still holds it.
    pub(super) fn take_over(&self, from: RunId) -> Option<TakenSlot> {
        let mut state = locked(&self.state);
        (state.holder == Some(Some(from))).then(|| self.hand_over(&mut state))
    }

    fn hand_over(&self, state: &mut SlotState) -> TakenSlot {
        state.n_holders += 1;
        state.holder = Some(None);
        TakenSlot { state: Arc::clone(&self.state), holder: state.n_holders }
    }

    /// The run that holds the slot, where it has a number.
    pub(super) fn run(&self) -> Option<RunId> {
        locked(&self.state).holder.flatten()
    }

    /// Whether the stop signal has met a run: one that is under way, or that has ended since.
    pub(super) fn has_met_stop(&self) -> bool {
        let state = locked(&self.state);
        state.holder.is_some() || state.has_stopped
    }

    /// Whether a run is under way.
    pub(super) fn is_taken(&self) -> bool {
        locked(&self.state).holder.is_some()
    }
}

impl TakenSlot {
    /// Notes that its run ended after the stop signal.
    pub(super) fn note_stopped(&self) {
        locked(&self.state).has_stopped = true;
    }

    /// The run of this slot has that number.
    pub(super) fn name(&self, run_id: RunId) {
        let mut state = locked(&self.state);
        if state.n_holders == self.holder {
            state.holder = Some(Some(run_id));
        }
    }
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        let mut state = locked(&self.state);
        if state.n_holders == self.holder {
            state.holder = None;
        }
    }
}

fn locked(state: &Mutex<SlotState>) -> MutexGuard<'_, SlotState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_was_taken_over_is_not_freed_by_its_first_holder() {
        let slot = RunSlot::default();
        let first = slot.take().unwrap();
        assert!(slot.take().is_none() && slot.take_over(RunId(1)).is_none());
        first.name(RunId(1));
        assert_eq!(slot.run(), Some(RunId(1)));
        let second = slot.take_over(RunId(1)).unwrap();
        first.name(RunId(9));
        drop(first);
        assert!(slot.is_taken());
        assert_eq!(slot.run(), None);
        drop(second);
        assert!(!slot.is_taken());
        assert!(slot.take_over(RunId(1)).is_none());
    }
}
