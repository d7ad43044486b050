//! The current set: which groups there are, and their parameters.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::bodies::Parameter;
use super::current::Current;
use super::extract::{NoParams, PathPart};
use super::problem::Problem;
use super::schemas::moment;
use super::state::Api;
use crate::domain::{GroupOutcome, GroupRow, Publication};

/// The groups of the current set.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Regions {
    /// Name of the job.
    scope: String,
    /// The run whose set is current.
    run_id: i64,
    /// Since when.
    #[schema(schema_with = moment)]
    published_at: Timestamp,
    /// One entry per group.
    regions: Vec<RegionGroup>,
}

/// A group of the current set.
#[derive(Debug, Serialize, ToSchema)]
struct RegionGroup {
    /// Region.
    region: String,
    /// Band of the week; empty where groups are not split by bands.
    band: String,
    /// Priority class, likewise.
    priority: String,
    /// Model.
    model: String,
    /// Records behind its parameters.
    n: u64,
    /// How it ended in that run.
    outcome: GroupOutcome,
}

impl Regions {
    pub(super) fn new(mark: &Publication, groups: &[GroupRow]) -> Self {
        Self {
            scope: mark.scope.clone(),
            run_id: mark.run_id.0,
            published_at: mark.published_at,
            regions: groups.iter().map(RegionGroup::from).collect(),
        }
    }
}

impl From<&GroupRow> for RegionGroup {
    fn from(row: &GroupRow) -> Self {
        Self {
            region: row.key.region.clone(),
            band: row.key.band.clone(),
            priority: row.key.priority.clone(),
            model: row.model.clone(),
            n: row.n_used,
            outcome: row.outcome,
        }
    }
}

/// The parameters of one region.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegionParameters {
    /// The region.
    region: String,
    /// The run whose set is current.
    run_id: i64,
    /// Since when.
    #[schema(schema_with = moment)]
    published_at: Timestamp,
    /// The rows of all its groups, group by group, in the model's order.
    parameters: Vec<Parameter>,
}

/// The groups of the current set.
#[utoipa::path(
    get, path = "/api/v1/regions", tag = "set", operation_id = "list_regions",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer.")),
    responses(
        (status = 200, description = "The groups.", body = Regions,
            headers(("ETag" = String, description = "Names the run whose set is current."))),
        (status = 304, description = "The set is still the one that `If-None-Match` names."),
    ),
)]
pub(super) async fn list(
    State(api): State<Api>,
    _: NoParams,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let current = api.current().read(&api).await?;
    Ok(unless_known(&headers, &current, || current.regions.clone()))
}

/// The parameters of one region, of all its groups.
#[utoipa::path(
    get, path = "/api/v1/regions/{region}/parameters", tag = "set",
    operation_id = "region_parameters",
    params(
        ("region" = String, Path, description = "The region's name, percent-encoded, slashes too."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer."),
    ),
    responses(
        (status = 200, description = "Its parameters.", body = RegionParameters,
            headers(("ETag" = String, description = "Names the run whose set is current."))),
        (status = 304, description = "The set is still the one that `If-None-Match` names."),
    ),
)]
pub(super) async fn parameters(
    State(api): State<Api>,
    _: NoParams,
    PathPart(region): PathPart<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let current = api.current().read(&api).await?;
    let rows = current.groups_of(&region).iter().flat_map(|group| &group.parameters);
    let parameters: Vec<Parameter> = rows.cloned().map(Parameter::from).collect();
    if parameters.is_empty() {
        return Err(no_region(&region));
    }
    let body = RegionParameters {
        region,
        run_id: current.mark.run_id.0,
        published_at: current.mark.published_at,
        parameters,
    };
    Ok(unless_known(&headers, &current, || Json(body)))
}

/// The problem of a region that has no parameters.
pub(super) fn no_region(region: &str) -> Problem {
    let region = region.escape_debug();
    Problem::not_found(format!("region `{region}` has no parameters"))
        .with_hint("GET /api/v1/regions lists the regions")
}

/// The body, or nothing where the client has the current set already.
fn unless_known<T: IntoResponse>(
    headers: &HeaderMap,
    current: &Current,
    body: impl FnOnce() -> T,
) -> Response {
    let tag = format!("\"{}\"", current.mark.run_id);
    let mut response = if knows(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body().into_response()
    };
    let tag = HeaderValue::from_str(&tag).ok();
    let about: [(HeaderName, Option<HeaderValue>); 2] = [
        (header::ETAG, tag),
        // It may be kept, but must be asked for each time.
        (header::CACHE_CONTROL, Some(HeaderValue::from_static("private, no-cache"))),
    ];
    for (name, value) in about.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Whether `If-None-Match` names the tag.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
