//! What all requests share: services, limits, tokens, the current set, tasks under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::answer::Room;
use super::auth::Tokens;
use super::current::CurrentSet;
use super::services::Services;
use super::tasks::{RunSlot, Tasks};
use super::upload::UploadRoom;

/// How the API behaves.
#[derive(Clone)]
pub struct Options {
    /// Tokens that are taken.
    pub tokens: Tokens,
    /// Largest body of `POST /fit`, bytes.
    pub max_body_bytes: u64,
    /// Longest time of one request.
    pub timeout: Duration,
    /// Fits at once.
    pub max_fits: usize,
    /// Whether only names of this machine are answered to: where it listens on the loopback without
    /// tokens, so that no web page reaches it through a name of its own.
    pub local_names_only: bool,
}

/// The API's state; its clones are the same.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    services: Arc<dyn Services>,
    options: Options,
    tokens: RwLock<Arc<Tokens>>,
    fits: Arc<Semaphore>,
    room: Room,
    upload_room: UploadRoom,
    current: Arc<CurrentSet>,
    run: RunSlot,
    tasks: Tasks,
    stop: CancellationToken,
    n_requests: AtomicU64,
}

impl Api {
    /// An API over these services, until `stop` fires.
    #[must_use]
    pub fn new(services: Arc<dyn Services>, options: Options, stop: &CancellationToken) -> Self {
        let inner = Inner {
            services,
            tokens: RwLock::new(Arc::new(options.tokens.clone())),
            fits: Arc::new(Semaphore::new(options.max_fits)),
            upload_room: UploadRoom::new(options.max_fits, options.max_body_bytes),
            options,
            room: Room::default(),
            current: Arc::default(),
            run: RunSlot::default(),
            tasks: Tasks::default(),
            stop: stop.clone(),
            n_requests: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes these tokens from now on.
    pub fn renew_tokens(&self, tokens: Tokens) {
        *self.inner.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }

    pub(super) fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.inner.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn services(&self) -> &Arc<dyn Services> {
        &self.inner.services
    }

    pub(super) fn options(&self) -> &Options {
        &self.inner.options
    }

    pub(super) fn fits(&self) -> &Arc<Semaphore> {
        &self.inner.fits
    }

    /// Room for large answers.
    pub(super) fn room(&self) -> &Room {
        &self.inner.room
    }

    /// Room for bodies of fits.
    pub(super) fn upload_room(&self) -> &UploadRoom {
        &self.inner.upload_room
    }

    pub(super) fn current(&self) -> &Arc<CurrentSet> {
        &self.inner.current
    }

    pub(super) fn run_slot(&self) -> &RunSlot {
        &self.inner.run
    }

    pub(super) fn tasks(&self) -> &Tasks {
        &self.inner.tasks
    }

    /// Fires when the server stops.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// Number of the next request, from 1.
    pub(super) fn next_request(&self) -> u64 {
        self.inner.n_requests.fetch_add(1, Ordering::Relaxed) + 1
    }
}
