//! The mark, moved by hand.

use axum::Json;
use axum::extract::{ConnectInfo, FromRequest as _, Request, State};
use serde::Deserialize;
use std::net::SocketAddr;
use utoipa::ToSchema;

use super::bodies::Move;
use super::extract::{Body, NoParams, RunPart};
use super::problem::Problem;
use super::runs::check_reason;
use super::services::{MarkAsk, MarkTarget};
use super::state::Api;
use crate::domain::RunId;

/// Why a set is made current.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PublishBody {
    /// Why, for the history of the mark.
    #[schema(max_length = 1000)]
    reason: String,
    /// Publish it also where groups of the current set would be left without parameters.
    force: bool,
}

/// Why the mark goes back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RollbackBody {
    /// Why, for the history of the mark.
    #[schema(max_length = 1000)]
    reason: String,
    /// Back to this run, in place of the one that was current before.
    run_id: Option<i64>,
    /// Go back also where groups of the current set would be left without parameters.
    force: bool,
}

/// Makes a run's set current.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/publish", tag = "runs", operation_id = "publish_run",
    params(("id" = i64, Path, description = "Number of the run.")),
    request_body(content = PublishBody, description = "May be left out."),
    responses((status = 200, description = "The mark has moved.", body = Move)),
)]
pub(super) async fn publish(
    State(api): State<Api>,
    _: NoParams,
    RunPart(id): RunPart,
    request: Request,
) -> Result<Json<Move>, Problem> {
    let requested_by = caller(&request);
    let Body(body): Body<PublishBody> = Body::from_request(request, &api).await?;
    let target = MarkTarget::Run(id);
    let ask = MarkAsk { target, requested_by, reason: body.reason, force: body.force };
    move_mark(&api, ask).await
}

/// Makes the set current again that was current before.
#[utoipa::path(
    post, path = "/api/v1/rollback", tag = "runs", operation_id = "roll_back",
    request_body(content = RollbackBody, description = "May be left out."),
    responses((status = 200, description = "The mark has moved.", body = Move)),
)]
pub(super) async fn roll_back(
    State(api): State<Api>,
    _: NoParams,
    request: Request,
) -> Result<Json<Move>, Problem> {
    let requested_by = caller(&request);
    let Body(body): Body<RollbackBody> = Body::from_request(request, &api).await?;
    let target = MarkTarget::Before(body.run_id.map(RunId));
    let ask = MarkAsk { target, requested_by, reason: body.reason, force: body.force };
    move_mark(&api, ask).await
}

async fn move_mark(api: &Api, ask: MarkAsk) -> Result<Json<Move>, Problem> {
    check_reason(&ask.reason)?;
    let moved = api.services().move_mark(ask, api.stop()).await;
    // Whatever came of it: of an error nobody may know whether the mark has moved.
    api.current().may_have_moved();
    Ok(Json(moved?.into()))
}

/// Who asks, for the ledger: the address that the request came from. Tokens have no names.
pub(super) fn caller(request: &Request) -> String {
    match request.extensions().get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(address)) => format!("api from {}", address.ip()),
        None => "api".to_owned(),
    }
}
