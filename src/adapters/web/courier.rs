//! Sends a request, again where it may help, and never for longer than it was told.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::error::WebError;
use crate::ports::Clock;

/// The wait after the first try; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two tries, whoever asks for it: somebody waits for the run to end.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// How often and how long a message is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Most tries, the first included; at least 1.
    pub attempts: u32,
    /// Longest time of one try.
    pub timeout: Duration,
}

/// Sends requests.
pub struct Courier {
    client: Client,
    clock: Arc<dyn Clock>,
    patience: Patience,
}

/// What one try came to, where that was no success.
enum Fault {
    Broken(reqwest::Error),
    TimedOut,
    Status { status: StatusCode, retry_after: Option<Duration> },
    Stopped,
}

impl Courier {
    /// A courier with the certificates of the system.
    ///
    /// # Errors
    /// [`WebError::Client`].
    pub fn new(clock: Arc<dyn Clock>, patience: Patience) -> Result<Self, WebError> {
        let client = Client::builder()
            .user_agent(concat!("speedfit/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry what is said to somebody whom nobody named.
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(WebError::Client)?;
        Ok(Self { client, clock, patience })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Sends what `build` makes, anew for each try, until it is taken. `seed` scatters the waits.
    pub(super) async fn send(
        &self,
        host: &str,
        seed: &str,
        build: impl Fn() -> Result<RequestBuilder, WebError> + Send + Sync,
        cancel: &CancellationToken,
    ) -> Result<(), WebError> {
        let mut n_tries = 0;
        loop {
            n_tries += 1;
            let Err(fault) = self.try_once(build()?, cancel).await else { return Ok(()) };
            let wait = fault.wait(n_tries, seed).filter(|_| n_tries < self.patience.attempts);
            let error = self.error(host, n_tries, fault);
            let Some(wait) = wait else { return Err(error) };
            debug!(wait_ms = wait.as_millis(), "trying again: {error}");
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(WebError::Stopped { host: host.to_owned() }),
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    async fn try_once(
        &self,
        request: RequestBuilder,
        cancel: &CancellationToken,
    ) -> Result<(), Fault> {
        let answer = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Fault::Stopped),
            answer = request.send() => answer,
            () = self.clock.sleep(self.patience.timeout) => return Err(Fault::TimedOut),
        };
        // The body is left unread: nothing in it is of use, and it may be endless.
        let answer = answer.map_err(|error| Fault::Broken(error.without_url()))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let retry_after = retry_after(answer.headers(), self.clock());
        Err(Fault::Status { status: answer.status(), retry_after })
    }

    fn error(&self, host: &str, n_tries: u32, fault: Fault) -> WebError {
        let host = host.to_owned();
        match fault {
            Fault::Broken(source) => WebError::Unreachable { host, n_tries, source },
            Fault::TimedOut => {
                WebError::TimedOut { host, n_tries, timeout_s: self.patience.timeout.as_secs() }
            }
            Fault::Status { status, .. } => {
                WebError::Answered { host, n_tries, status: status.as_u16() }
            }
            Fault::Stopped => WebError::Stopped { host },
        }
    }
}

impl Fault {
    /// How long to wait before the next try, where one may help.
    fn wait(&self, n_tries: u32, seed: &str) -> Option<Duration> {
        match self {
            Self::Broken(error) if error.is_builder() => None,
            Self::Broken(_) | Self::TimedOut => Some(back_off(n_tries, seed)),
            Self::Status { status, retry_after } if may_pass(*status) => {
                Some(retry_after.unwrap_or_else(|| back_off(n_tries, seed)).min(MAX_WAIT))
            }
            Self::Status { .. } | Self::Stopped => None,
        }
    }
}

fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// Twice as long after each try, and between half and all of that, so that many jobs that met the
/// same outage do not come back as one.
fn back_off(n_tries: u32, seed: &str) -> Duration {
    let full = FIRST_WAIT.saturating_mul(1 << n_tries.saturating_sub(1).min(16)).min(MAX_WAIT);
    let digest = Sha256::digest(format!("{seed}/{n_tries}"));
    let share = 0.5 + f64::from(digest[0]) / 510.0;
    full.mul_f64(share)
}

/// What the other side asks for: seconds, or a date.
fn retry_after(headers: &HeaderMap, clock: &dyn Clock) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(until.duration_since(clock.now()).try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::ManualClock;

    #[test]
    fn waits_grow_and_scatter_and_have_a_limit() {
        for n_tries in 1..40 {
            let full = FIRST_WAIT.as_secs_f64() * f64::from(n_tries - 1).exp2();
            let full = full.min(MAX_WAIT.as_secs_f64());
            let waits = ["a", "b", "c", "d"].map(|seed| back_off(n_tries, seed).as_secs_f64());
            assert!(waits.iter().all(|wait| (full / 2.0..=full).contains(wait)), "{waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        }
        assert_eq!(back_off(3, "a"), back_off(3, "a"));
    }

    #[test]
    fn the_other_side_may_ask_for_a_wait() {
        let clock = ManualClock::new("2026-10-21T07:28:00Z".parse().unwrap());
        let check = |text: &str, expected_s: Option<u64>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(
                retry_after(&headers, &clock),
                expected_s.map(Duration::from_secs),
                "{text}"
            );
        };
        check("7", Some(7));
        check(" 0 ", Some(0));
        check("Wed, 21 Oct 2026 07:28:05 GMT", Some(5));
        check("Wed, 21 Oct 2026 07:27:05 GMT", Some(0));
        check("soon", None);
        check("-1", None);
        let long = Fault::Status {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(Duration::from_secs(86_400)),
        };
        assert_eq!(long.wait(1, ""), Some(MAX_WAIT));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let check = |status: u16, expected: bool| {
            let status = StatusCode::from_u16(status).unwrap();
            let fault = Fault::Status { status, retry_after: None };
            assert_eq!(fault.wait(1, "").is_some(), expected, "{status}");
        };
        for status in [408, 429, 500, 502, 503, 504, 599] {
            check(status, true);
        }
        for status in [301, 302, 307, 400, 401, 403, 404, 410, 413, 422] {
            check(status, false);
        }
        assert!(Fault::TimedOut.wait(1, "").is_some());
        assert_eq!(Fault::Stopped.wait(1, ""), None);
    }
}
