//! Runs: asked for here, told of by the ledger.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::answer;
use super::bodies::{FitResults, Group, Parameter, Refusal, Run};
use super::error::ServiceError;
use super::extract::{Body, NoParams, Params, RunPart};
use super::mark::caller;
use super::problem::Problem;
use super::services::{Requested, RunAsk, Services};
use super::state::Api;
use super::tasks::TakenSlot;
use crate::domain::{RunId, RunRow, RunStatus};
use crate::ports::RunFilter;

/// Runs of one answer at the most.
const MAX_RUNS: u32 = 1000;
/// Runs of one answer where no number is given.
const DEFAULT_RUNS: u32 = 20;
/// Characters of a reason: the width of its column in the stores.
pub(super) const MAX_REASON_CHARS: usize = 1000;
/// Patterns of a selection.
const MAX_PATTERNS: usize = 1000;

/// Which runs are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// At most so many, newest first; 20 where nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Runs with this status only.
    #[param(inline, value_type = Option<RunStatus>)]
    status: Option<String>,
}

/// The newest runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Runs {
    /// Newest first.
    runs: Vec<Run>,
}

/// A run with what it left.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeRun {
    /// Its row in the ledger.
    run: Run,
    /// Its groups.
    groups: Vec<Group>,
    /// Their parameters.
    parameters: Vec<Parameter>,
    /// Its refusals, by region and reason.
    refusals: Vec<Refusal>,
}

/// What is asked of a run; what is missing is as the settings say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RunBody {
    /// Why, for the ledger.
    #[schema(max_length = 1000)]
    reason: String,
    /// First moment of the window: a time stamp, or a date or time in the server's time zone. Where one
    /// end is given, an end that is not is open.
    #[schema(examples("2026-01-05"))]
    from: Option<String>,
    /// First moment after the window.
    #[schema(examples("2026-02-01T06:00:00+01:00"))]
    to: Option<String>,
    /// Regions that are run; `*` stands for any text. The others keep what they have.
    #[schema(max_items = 1000)]
    select: Vec<String>,
    /// Regions that are left out, likewise.
    #[schema(max_items = 1000)]
    exclude: Vec<String>,
    /// Model, in place of that of the settings.
    model: Option<String>,
    /// Show what would be published and leave no trace: the answer comes when the run is over, and a
    /// client that hangs up stops it.
    dry_run: bool,
}

/// A run that is under way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// Its number.
    id: i64,
    /// Where it is told of; also in the header `Location`.
    location: String,
}

/// The newest runs of the scope.
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs", operation_id = "list_runs",
    params(Wanted),
    responses((status = 200, description = "The runs.", body = Runs)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    let limit = wanted.limit.unwrap_or(DEFAULT_RUNS);
    if !(1..=MAX_RUNS).contains(&limit) {
        return Err(Problem::bad_request(format!("`limit` must be 1 to {MAX_RUNS}")));
    }
    let status = wanted.status.as_deref().map(|name| {
        RunStatus::from_name(name).ok_or_else(|| {
            let names: Vec<&str> = RunStatus::ALL.iter().map(|status| status.as_str()).collect();
            Problem::bad_request(format!("`status` must be one of {}", names.join(", ")))
        })
    });
    let services = api.services();
    let filter = RunFilter {
        scope: Some(services.scope().to_owned()),
        status: status.transpose()?,
        limit,
        ..RunFilter::default()
    };
    let held = api.room().enter().await?;
    let runs = services.store().runs(&filter).await.map_err(Problem::store)?;
    answer::large_json(held, || Runs { runs: runs.into_iter().map(Run::from).collect() }).await
}

/// One run: its row, its groups with their parameters, its refusals.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", tag = "runs", operation_id = "show_run",
    params(("id" = i64, Path, description = "Number of the run.")),
    responses((status = 200, description = "The run.", body = WholeRun)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    _: NoParams,
    RunPart(id): RunPart,
) -> Result<Response, Problem> {
    // Before all of it is read.
    let held = api.room().enter().await?;
    let services = &**api.services();
    let run = of_scope(services, id).await?;
    let store = services.store();
    let set = store.parameter_set(id).await.map_err(Problem::store)?.unwrap_or_default();
    let refusals = store.refusals(id).await.map_err(Problem::store)?;
    let whole = move || WholeRun {
        run: run.into(),
        groups: set.groups.into_iter().map(Group::from).collect(),
        parameters: set.parameters.into_iter().map(Parameter::from).collect(),
        refusals: refusals.into_iter().map(Refusal::from).collect(),
    };
    answer::large_json(held, whole).await
}

/// The run's row; those of other scopes are not told of.
pub(super) async fn of_scope(services: &dyn Services, id: RunId) -> Result<RunRow, Problem> {
    let row = services.store().run(id).await.map_err(Problem::store)?;
    let row = row.filter(|row| row.request.scope == services.scope());
    row.ok_or_else(|| {
        Problem::not_found(format!("there is no run {id}"))
            .with_hint("GET /api/v1/runs lists the newest")
    })
}

/// Asks for a run, which goes on whether or not the client stays.
#[utoipa::path(
    post, path = "/api/v1/runs", tag = "runs", operation_id = "start_run",
    request_body(content = RunBody, description = "May be left out."),
    responses(
        (status = 202, description = "The request stands in the ledger, and the run is under way.",
            body = Accepted, headers(("Location" = String, description = "Where it is told of."))),
        (status = 200, description = "The end of a dry run.", body = FitResults),
    ),
)]
pub(super) async fn start(
    State(api): State<Api>,
    _: NoParams,
    request: Request,
) -> Result<Response, Problem> {
    let requested_by = caller(&request);
    let Body(body): Body<RunBody> = Body::from_request(request, &api).await?;
    let (ask, is_dry) = asked(body, requested_by)?;
    let slot = match api.run_slot().take() {
        Some(slot) => slot,
        None => slot_of_ended(&api).await?,
    };
    if is_dry {
        return dry_run(&api, ask, slot).await;
    }
    let id = begin(&api, ask, slot).await?;
    let location = format!("/api/v1/runs/{id}");
    let header = (header::LOCATION, HeaderValue::from_str(&location).ok());
    let mut response =
        (StatusCode::ACCEPTED, Json(Accepted { id: id.0, location })).into_response();
    if let (name, Some(value)) = header {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn asked(body: RunBody, requested_by: String) -> Result<(RunAsk, bool), Problem> {
    check_reason(&body.reason)?;
    if body.select.len().max(body.exclude.len()) > MAX_PATTERNS {
        return Err(Problem::unprocessable(format!(
            "at most {MAX_PATTERNS} patterns may be given"
        )));
    }
    let ask = RunAsk {
        requested_by,
        reason: body.reason,
        from: body.from,
        to: body.to,
        select: body.select,
        exclude: body.exclude,
        model: body.model,
    };
    Ok((ask, body.dry_run))
}

/// Whether a reason has room in the ledger.
pub(super) fn check_reason(reason: &str) -> Result<(), Problem> {
    if reason.chars().count() <= MAX_REASON_CHARS {
        return Ok(());
    }
    let why = format!("`reason` may have {MAX_REASON_CHARS} characters at the most");
    Err(Problem::unprocessable(why))
}

fn busy(services: &dyn Services) -> Problem {
    ServiceError::Busy(services.scope().to_owned()).into()
}

/// The slot of a run that is over in the ledger, and still tells others of it.
async fn slot_of_ended(api: &Api) -> Result<TakenSlot, Problem> {
    let services = &**api.services();
    let holder = api.run_slot().run().ok_or_else(|| busy(services))?;
    let row = services.store().run(holder).await.map_err(Problem::store)?;
    let is_over = row.is_none_or(|row| row.status.is_final());
    let slot = is_over.then(|| api.run_slot().take_over(holder)).flatten();
    slot.ok_or_else(|| busy(services))
}

/// Refuses where a run of another process is under way. One that died untold does not count: the lock
/// is free then. Only where the ledger has a running one the lock is tried, so that a run which
/// starts elsewhere at this moment does not find it taken.
async fn refuse_second(services: &dyn Services) -> Result<(), Problem> {
    let scope = services.scope();
    let filter = RunFilter {
        scope: Some(scope.to_owned()),
        status: Some(RunStatus::Running),
        limit: 1,
        ..RunFilter::default()
    };
    let store = services.store();
    if store.runs(&filter).await.map_err(Problem::store)?.is_empty() {
        return Ok(());
    }
    match store.try_lock(scope).await.map_err(Problem::store)? {
        None => Err(busy(services)),
        Some(lock) => lock.release().await.map_err(Problem::store),
    }
}

/// Runs in a task of the server's, and returns as soon as the request is written. The client may hang
/// up at any moment.
async fn begin(api: &Api, ask: RunAsk, slot: TakenSlot) -> Result<RunId, Problem> {
    let (requested, numbered) = Requested::channel();
    let (tell, heard) = oneshot::channel();
    let (told, failed) = oneshot::channel();
    let (services, stop) = (Arc::clone(api.services()), api.stop().clone());
    let current = Arc::clone(api.current());
    api.tasks().spawn(async move {
        let outcome = async {
            refuse_second(&*services).await?;
            services.run(ask, requested, &stop).await.map_err(Problem::from)
        };
        let number = async {
            if let Ok(run_id) = numbered.await {
                slot.name(run_id);
                // Whoever asked may have hung up.
                _ = tell.send(run_id);
            }
        };
        let (outcome, ()) = tokio::join!(outcome, number);
        // Before the slot is free: until then no mark is taken for the current one by its age.
        current.may_have_moved();
        if stop.is_cancelled() {
            slot.note_stopped();
        }
        drop(slot);
        if let Err(problem) = outcome {
            // Nobody hears it once the request was written: the ledger and the log tell then.
            _ = told.send(problem);
        }
    });
    match heard.await {
        Ok(id) => Ok(id),
        Err(_) => match failed.await {
            Ok(problem) => Err(problem),
            Err(_) => Err(Problem::internal("the run broke off before its request was written")),
        },
    }
}

/// Runs without a trace; whoever hangs up stops it.
async fn dry_run(api: &Api, ask: RunAsk, slot: TakenSlot) -> Result<Response, Problem> {
    let cancel = api.stop().child_token();
    let hang_up = cancel.clone().drop_guard();
    let (told, answer) = oneshot::channel();
    let services = Arc::clone(api.services());
    api.tasks().spawn(async move {
        let outcome = services.dry_run(ask, &cancel).await;
        drop(slot);
        // Nobody hears it after a hang-up.
        _ = told.send(outcome);
    });
    let outcome = answer.await;
    drop(hang_up);
    let results = outcome.map_err(|_| Problem::internal("the run broke off"))??;
    let held = api.room().enter().await?;
    answer::large_json(held, move || FitResults::from(results)).await
}
