//! Work of the processor on a thread of its own, so that it holds no worker of the runtime up: probes are
//! answered beside a run of any size.

use std::panic::resume_unwind;

/// Does the work where it may take its time, and returns what it made.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(made) => made,
        Err(failure) => match failure.try_into_panic() {
            // As if the work had been done here.
            Ok(panic) => resume_unwind(panic),
            // The runtime shuts down, and polls nobody any more.
            Err(_) => std::future::pending().await,
        },
    }
}
