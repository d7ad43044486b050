//! What an orchestrator and a monitor ask, at the root.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::extract::NoParams;
use super::problem::Problem;
use super::state::Api;
use crate::ports::PortError;

/// Longest time that the store may take to answer a probe.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Whether the process answers at all.
#[utoipa::path(
    get, path = "/livez", tag = "probes", operation_id = "livez", security(()),
    responses((status = 200, description = "It answers.", body = String, content_type = "text/plain")),
)]
pub(super) async fn live(_: NoParams) -> &'static str {
    "ok\n"
}

/// Whether the store answers, and its schema fits.
#[utoipa::path(
    get, path = "/readyz", tag = "probes", operation_id = "readyz", security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain")),
)]
pub(super) async fn ready(State(api): State<Api>, _: NoParams) -> Result<&'static str, Problem> {
    let services = api.services();
    let probe = async {
        let store = services.store();
        store.mark(services.scope()).await?;
        store.script().await
    };
    let answer = tokio::select! {
        biased;
        answer = probe => answer,
        () = services.clock().sleep(PROBE_LIMIT) => {
            let limit_s = PROBE_LIMIT.as_secs();
            return Err(not_ready(&format!("the store did not answer within {limit_s} s")));
        }
    };
    match answer {
        Ok(missing) if missing.is_empty() => Ok("ok\n"),
        Ok(_) => Err(not_ready("the store's schema is older than this program")
            .with_hint("run `speedfit migrate`")),
        Err(error) => Err(unready_store(&error)),
    }
}

/// Without the store's own words, which may name servers and files: whoever asks has no token.
fn unready_store(error: &PortError) -> Problem {
    tracing::warn!("the store does not answer a probe as it should: {error}");
    not_ready("the store does not answer as it should; the log tells more")
        .with_hint(error.kind.remedy())
}

fn not_ready(why: &str) -> Problem {
    Problem::unavailable(why)
}

/// What the schedule of this process does: of every scope its state, its next moment, its last run.
#[utoipa::path(
    get, path = "/api/v1/schedule", tag = "probes", operation_id = "schedule",
    responses((status = 200, description = "What it does, as in the health file.", body = Object)),
)]
pub(super) async fn schedule(State(api): State<Api>, _: NoParams) -> Result<Response, Problem> {
    match api.services().schedule() {
        Some(status) => Ok(axum::Json(status).into_response()),
        None => Err(Problem::not_found("this process has no schedule")
            .with_hint("`speedfit serve --schedule` has one")),
    }
}

/// Figures for a monitor, in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "probes", operation_id = "metrics",
    responses((status = 200, description = "The figures.", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(State(api): State<Api>, _: NoParams) -> Result<Response, Problem> {
    let text = api.services().metrics().await?;
    // The version of the format belongs to its name.
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
