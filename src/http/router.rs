//! Which request goes where, through which checks.

use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;

use super::extract::{MAX_JSON_BYTES, NoParams};
use super::problem::Problem;
use super::state::Api;
use super::{access, auth, documentation, fit, guard, mark, predict, probes, regions, runs};

/// The whole API. The outermost layer is the last.
pub fn router(api: Api) -> Router {
    let of = |api: &Api| api.clone();
    read_routes(&api)
        .merge(operate_routes(&api))
        .merge(open_routes())
        .fallback(no_endpoint)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(of(&api), guard::in_time))
        .layer(middleware::from_fn_with_state(of(&api), guard::same_site))
        .layer(CatchPanicLayer::custom(guard::after_panic))
        .layer(middleware::from_fn(guard::secure_headers))
        .layer(middleware::from_fn_with_state(of(&api), access::log))
        .with_state(api)
}

/// For whoever has a token.
fn read_routes(api: &Api) -> Router<Api> {
    let check = middleware::from_fn_with_state(api.clone(), auth::require_read);
    Router::new()
        .route("/api/v1/regions", get(regions::list))
        .route("/api/v1/regions/{region}/parameters", get(regions::parameters))
        .route("/api/v1/predict", get(predict::predict))
        // It has a limit of its own.
        .route("/api/v1/fit", post(fit::fit).layer(DefaultBodyLimit::disable()))
        .route("/api/v1/runs", get(runs::list))
        .route("/api/v1/runs/{id}", get(runs::show))
        .route("/api/v1/schedule", get(probes::schedule))
        .route("/metrics", get(probes::metrics))
        .route_layer(check)
}

/// For whoever may change something.
fn operate_routes(api: &Api) -> Router<Api> {
    let check = middleware::from_fn_with_state(api.clone(), auth::require_operate);
    Router::new()
        .route("/api/v1/runs", post(runs::start))
        .route("/api/v1/runs/{id}/publish", post(mark::publish))
        .route("/api/v1/rollback", post(mark::roll_back))
        .route_layer(check)
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
}

/// For everyone: they tell nothing of the job.
fn open_routes() -> Router<Api> {
    Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/api/v1/openapi.json", get(openapi))
}

/// This document.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "probes", operation_id = "openapi", security(()),
    responses((status = 200, description = "The API in OpenAPI's words.", body = Object)),
)]
pub(super) async fn openapi(_: NoParams) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], documentation::openapi_json())
}

async fn no_endpoint() -> Problem {
    Problem::not_found("there is no such endpoint")
        .with_hint("GET /api/v1/openapi.json describes them all")
}

async fn no_method(method: Method) -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let why = format!("this endpoint has no method {method}");
    Problem::new(status, "method-not-allowed", "The endpoint has no such method", why)
}
