//! The clock of the ports as the timer of the HTTP library, so that tests own its limits too.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use super::services::Services;

/// Waits by the clock of the services.
pub(super) struct ClockTimer {
    services: Arc<dyn Services>,
}

impl ClockTimer {
    pub(super) fn new(services: Arc<dyn Services>) -> Self {
        Self { services }
    }
}

impl Timer for ClockTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let services = Arc::clone(&self.services);
        let wait = async move { services.clock().sleep(duration).await };
        Box::pin(Wait { wait: Mutex::new(Box::pin(wait)) })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

/// One wait. Only one task polls it; the mutex is there for the type's sake and never contended.
struct Wait {
    wait: Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let wait = self.get_mut().wait.get_mut().unwrap_or_else(PoisonError::into_inner);
        wait.as_mut().poll(context)
    }
}

impl Sleep for Wait {}
