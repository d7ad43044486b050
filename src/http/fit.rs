//! File in, parameters out: nothing of it is kept.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::accept;
use super::answer;
use super::bodies::FitResults;
use super::extract::Params;
use super::problem::{Problem, RefusedRows};
use super::services::{FitAsk, Fitted};
use super::state::Api;
use super::upload::{self, Upload};
use crate::domain::{RefusalReason, RefusalRow, RunResults, Severity, row_fault};
use crate::job::{gate, off_thread};

/// Media type of the answer as a document.
const JSON: &str = "application/json";
/// Media type of the answer as rows.
const CSV: &str = "text/csv";

/// Bytes of a short record: a body may hold as many as one of the largest size could, unpacked. A fit
/// takes 40 bytes for each, so that `http.max_fits` of them stay under a gigabyte by default.
const MIN_RECORD_BYTES: u64 = 16;

/// Settings that differ from the server's.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Model to fit: the setting `fit.model`.
    #[param(example = "kwh")]
    model: Option<String>,
    /// What a residual costs: the setting `fit.loss`.
    #[param(example = "least_squares")]
    loss: Option<String>,
    /// Law of the errors: the setting `fit.errors`.
    #[param(example = "normal")]
    errors: Option<String>,
    /// How wide times scatter: the setting `fit.spread`.
    #[param(example = "constant")]
    spread: Option<String>,
    /// Answer also where the gate refuses the records; what it found is in `findings`.
    #[param(example = false)]
    force: Option<bool>,
}

impl Asked {
    fn settings(self) -> Vec<(&'static str, String)> {
        let given = [
            ("model", self.model),
            ("loss", self.loss),
            ("errors", self.errors),
            ("spread", self.spread),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Fits every region of a file. As JSON the whole document comes back, as CSV the parameter rows. A
/// client that hangs up stops the fit.
#[utoipa::path(
    post, path = "/api/v1/fit", tag = "fit", operation_id = "fit",
    params(Asked),
    request_body(
        description = "Records, as CSV (gzip allowed) or Parquet.",
        content(
            (String = "text/csv",
                example = "region,distance_km,travel_time_s\nNorth,2.1,240\nNorth,3.4,310\n"),
            (Vec<u8> = "application/gzip"),
            (Vec<u8> = "application/vnd.apache.parquet"),
        ),
    ),
    responses(
        (status = 200, description = "The parameters.", content(
            (FitResults = "application/json"),
            (String = "text/csv"),
        )),
    ),
)]
pub(super) async fn fit(
    State(api): State<Api>,
    Params(asked): Params<Asked>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let wanted = accept::choose(&parts.headers, &[JSON, CSV]).ok_or_else(not_acceptable)?;
    let form = upload::form(&parts.headers)?;
    let is_forced = asked.force == Some(true);
    // So that nobody sends a body in vain, as far as that can be known.
    if api.fits().available_permits() == 0 {
        return Err(too_many(&api));
    }
    let upload = Upload::receive(&api, &parts.headers, body, form).await?;
    // Only now: a body that comes slowly, or never, keeps nobody else from a fit.
    let permit = Arc::clone(api.fits()).try_acquire_owned().map_err(|_| too_many(&api))?;
    let ask = FitAsk {
        path: upload.path().to_owned(),
        format: form.format,
        max_records: api.options().max_body_bytes / MIN_RECORD_BYTES,
        settings: asked.settings(),
    };
    let fitted = fit_until_hang_up(&api, ask, upload, permit).await?;
    answered(&api, wanted, fitted, is_forced).await
}

/// Fits in a task of the server's, which is told to stop when nobody waits for it any more; file and
/// permit stay until it has.
async fn fit_until_hang_up(
    api: &Api,
    ask: FitAsk,
    upload: Upload,
    permit: OwnedSemaphorePermit,
) -> Result<Fitted, Problem> {
    let cancel = api.stop().child_token();
    let hang_up = cancel.clone().drop_guard();
    let (told, answer) = oneshot::channel();
    let services = Arc::clone(api.services());
    api.tasks().spawn(async move {
        let outcome = services.fit(&ask, &cancel).await;
        drop((upload, permit));
        // Nobody hears it after a hang-up.
        _ = told.send(outcome);
    });
    let outcome = answer.await;
    drop(hang_up);
    let outcome = outcome.map_err(|_| Problem::internal("the fit broke off"))?;
    Ok(outcome?)
}

async fn answered(
    api: &Api,
    wanted: &str,
    fitted: Fitted,
    is_forced: bool,
) -> Result<Response, Problem> {
    if fitted.set.parameters.is_empty() {
        return Err(nothing_fitted(&fitted.results));
    }
    let mut findings = fitted.results.findings.iter();
    let refused = findings.find(|finding| finding.severity == Severity::Refuse);
    if let Some(finding) = refused.filter(|_| !is_forced) {
        let remedy = gate::remedy(&fitted.results.findings, false).unwrap_or_default();
        let hint = format!("{remedy}; `force=true` answers all the same");
        let what = format!("the gate refuses these records: {finding}");
        return Err(Problem::unprocessable(what).with_hint(hint));
    }
    let held = api.room().enter().await?;
    let vary = (header::VARY, HeaderValue::from_static("accept"));
    if wanted == CSV {
        let services = Arc::clone(api.services());
        let rows = off_thread(move || services.csv(&fitted.set)).await?;
        let rows = held.body(rows);
        let content_type =
            (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
        return Ok(([vary, content_type], rows).into_response());
    }
    let Fitted { results, .. } = fitted;
    let document = answer::large_json(held, move || FitResults::from(results)).await?;
    Ok(([vary], document).into_response())
}

fn nothing_fitted(results: &RunResults) -> Problem {
    let rows = &results.rows;
    let why = match (rows.read, rows.used) {
        (0, _) => "the file holds no record".to_owned(),
        (n, 0) => {
            let most = RefusalRow::commonest_in_words(&results.refusals);
            format!("all {n} rows were refused, {most}")
        }
        _ => "no group has enough records".to_owned(),
    };
    let problem = Problem::unprocessable(format!("nothing fitted: {why}"));
    if rows.used > 0 || rows.read == 0 {
        return problem.with_hint(
            "names and units of columns are settings of the server: `columns`, `accept`",
        );
    }
    let hint = match RefusalRow::commonest(&results.refusals) {
        Some((reason, _, what)) if reason.is_unreadable() => row_fault::remedy(what),
        _ => {
            "`refusals` shows a row for each reason; what rows must be is said by settings of the \
             server: `columns`, `accept`, `window`, `file.delimiter`"
        }
    };
    problem.with_hint(hint).with_refusals(refused_rows(results))
}

/// What was refused, a row for each reason.
fn refused_rows(results: &RunResults) -> Vec<RefusedRows> {
    let of = |(reason, count): (&RefusalReason, &u64)| {
        let mut examples = results.refusals.iter().filter(|row| row.reason == *reason);
        let example = examples.find_map(|row| row.examples.first().cloned());
        RefusedRows { reason: *reason, count: *count, example }
    };
    results.rows.refused.iter().map(of).collect()
}

fn not_acceptable() -> Problem {
    Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "not-acceptable",
        "No form of the answer is accepted",
        format!("the answer comes as `{JSON}` or `{CSV}`"),
    )
}

fn too_many(api: &Api) -> Problem {
    let max_fits = api.options().max_fits;
    let why = format!("{max_fits} fits are under way, and no more are taken at once");
    Problem::unavailable(why).with_hint("come back in a moment; the limit is `http.max_fits`")
}
