//! Parts of a request, with errors that are problems.

use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::domain::RunId;

/// Bytes of a JSON body at the most: a request is a few lines.
pub(super) const MAX_JSON_BYTES: usize = 64 * 1024;

/// Query parameters; unknown ones are an error where the type says so.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(params) = Query::from_request_parts(parts, state).await?;
        Ok(Self(params))
    }
}

/// One part of the path, percent-decoded.
pub(super) struct PathPart<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathPart<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(part) = Path::from_request_parts(parts, state).await?;
        Ok(Self(part))
    }
}

/// Number of a run from the path: whatever is no number names no run.
pub(super) struct RunPart(pub(super) RunId);

impl<S: Send + Sync> FromRequestParts<S> for RunPart {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let PathPart(text) = PathPart::<String>::from_request_parts(parts, state).await?;
        let id = text.parse().map_err(|_| Problem::not_found(format!("there is no run `{text}`")));
        id.map(|id| Self(RunId(id)))
    }
}

/// A JSON body, or nothing where there is none at all.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if is_empty(request.headers()) {
            return Ok(Self(T::default()));
        }
        // An object first: serde would take the fields in their order from an array, too.
        let Json(fields) = Json::<serde_json::Map<_, _>>::from_request(request, state).await?;
        let body = serde_json::from_value(serde_json::Value::Object(fields));
        body.map(Self).map_err(|error| Problem::unprocessable(format!("the body: {error}")))
    }
}

/// Whether the headers announce no body.
fn is_empty(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).map(|length| length.as_bytes());
    match length {
        Some(length) => length == b"0",
        None => !headers.contains_key(header::TRANSFER_ENCODING),
    }
}
