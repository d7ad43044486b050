//! How many connections there are at once, and which of them makes room for another.
//!
//! A connection is *busy* while a request of it is handled. All others wait: for a request, for the
//! rest of one, or for the client to read its answer. Where every place is taken, the one that has
//! waited longest gives its place to whoever comes, so that clients that send nothing, or slowly, keep
//! nobody away. Knows nothing of sockets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Places for connections; its clones are the same places.
#[derive(Debug, Clone)]
pub(super) struct Places {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    n_places: usize,
    taken: Mutex<Taken>,
    /// A place became free, or one that may be given away.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    /// Counts arrivals and ends of requests, so that waits can be compared.
    now: u64,
    by_id: HashMap<u64, Occupant>,
}

#[derive(Debug)]
struct Occupant {
    /// Requests that are handled at this moment.
    n_busy: usize,
    waits_since: u64,
    given_away: CancellationToken,
}

/// The place of one connection, until it is dropped or given away.
#[derive(Debug)]
pub(super) struct Place {
    inner: Arc<Inner>,
    id: u64,
    given_away: CancellationToken,
}

/// A request that is handled, until this is dropped.
#[derive(Debug)]
pub(super) struct Busy {
    inner: Arc<Inner>,
    id: u64,
}

impl Places {
    pub(super) fn new(n_places: usize) -> Self {
        let (taken, freed) = (Mutex::default(), Notify::new());
        Self { inner: Arc::new(Inner { n_places, taken, freed }) }
    }

    /// A place, as soon as one is free or its connection waits.
    pub(super) async fn take(&self) -> Place {
        loop {
            let freed = self.inner.freed.notified();
            if let Some(place) = self.try_take() {
                return place;
            }
            freed.await;
        }
    }

    /// A free place, or that of the connection which has waited longest; none where all are busy.
    fn try_take(&self) -> Option<Place> {
        let mut taken = self.inner.taken();
        if taken.by_id.len() >= self.inner.n_places {
            let waiting = taken.by_id.iter().filter(|(_, of)| of.n_busy == 0);
            let (&longest, _) = waiting.min_by_key(|(_, of)| of.waits_since)?;
            if let Some(occupant) = taken.by_id.remove(&longest) {
                occupant.given_away.cancel();
            }
        }
        let id = taken.tick();
        let given_away = CancellationToken::new();
        let occupant = Occupant { n_busy: 0, waits_since: id, given_away: given_away.clone() };
        taken.by_id.insert(id, occupant);
        Some(Place { inner: Arc::clone(&self.inner), id, given_away })
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }
}

impl Place {
    /// Fires when another connection has got this place.
    pub(super) fn given_away(&self) -> &CancellationToken {
        &self.given_away
    }

    /// A request is handled from now on.
    pub(super) fn busy(&self) -> Busy {
        if let Some(occupant) = self.inner.taken().by_id.get_mut(&self.id) {
            occupant.n_busy += 1;
        }
        Busy { inner: Arc::clone(&self.inner), id: self.id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.taken().by_id.remove(&self.id);
        self.inner.freed.notify_one();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut taken = self.inner.taken();
        let now = taken.tick();
        if let Some(occupant) = taken.by_id.get_mut(&self.id) {
            occupant.n_busy = occupant.n_busy.saturating_sub(1);
            occupant.waits_since = now;
        }
        drop(taken);
        self.inner.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(place: &Place) -> bool {
        !place.given_away().is_cancelled()
    }

    #[test]
    fn the_connection_that_waited_longest_makes_room() {
        let places = Places::new(3);
        let all: Vec<Place> = (0..3).map(|_| places.try_take().unwrap()).collect();
        // The first is at work, and the second has been: the third has waited longest.
        let busy = all[0].busy();
        drop(all[1].busy());
        let fourth = places.try_take().unwrap();
        assert_eq!(all.iter().map(is_there).collect::<Vec<_>>(), [true, true, false]);
        let fifth = places.try_take().unwrap();
        assert_eq!(all.iter().map(is_there).collect::<Vec<_>>(), [true, false, false]);
        // Nobody who is at work loses its place.
        let rest = [fourth.busy(), fifth.busy()];
        assert!(places.try_take().is_none());
        drop(busy);
        let sixth = places.try_take().unwrap();
        assert!(is_there(&sixth) && !is_there(&all[0]));
        drop(rest);
        // The end of one that has lost its place frees none.
        drop(all);
        drop(sixth);
        let seventh = places.try_take().unwrap();
        assert!(is_there(&fourth) && is_there(&fifth) && is_there(&seventh));
    }

    #[tokio::test]
    async fn who_finds_all_at_work_waits_for_one_to_end() {
        let places = Places::new(1);
        let place = places.take().await;
        let busy = place.busy();
        let next = tokio::spawn({
            let places = places.clone();
            async move { places.take().await.id }
        });
        tokio::task::yield_now().await;
        assert!(!next.is_finished() && is_there(&place));
        drop(busy);
        next.await.unwrap();
        assert!(!is_there(&place));
    }
}
