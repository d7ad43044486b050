//! A number for every request, in the log and in the answer, and one line of log per request: method,
//! path as it is declared, status, duration. Neither query nor headers are logged.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument as _, debug, info, info_span};

use super::state::Api;

/// Carries the number of a request; a client may choose one.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a number that a client chooses, at the most.
const MAX_ID_CHARS: usize = 64;

/// Path of a request that meets no endpoint.
const UNMATCHED: &str = "(none)";

/// Numbers the request, and tells how it ended.
pub(super) async fn log(State(api): State<Api>, request: Request, next: Next) -> Response {
    let clock = api.services().clock();
    let begun = clock.now();
    let id = given_id(&request).unwrap_or_else(|| {
        // Different in every process, since no two start in the same microsecond.
        format!("{:x}-{}", begun.as_microsecond(), api.next_request())
    });
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let span = info_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = clock.now().duration_since(begun);
    let took_ms = took.as_secs_f64() * 1e3;
    span.in_scope(|| {
        // Probes come every few seconds.
        if path.starts_with("/api/") || status >= 400 {
            info!(%method, path, status, took_ms, "request answered");
        } else {
            debug!(%method, path, status, took_ms, "request answered");
        }
    });
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The number that the client chose, where it may stand in a log.
fn given_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = !id.is_empty() && id.len() <= MAX_ID_CHARS && id.chars().all(is_plain);
    fits.then(|| id.to_owned())
}
