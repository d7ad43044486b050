//! Parts of a request, with errors that are problems.

use std::fmt;

use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

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

/// The query of an endpoint that takes no parameters: there must be none.
pub(super) struct NoParams;

impl<S: Send + Sync> FromRequestParts<S> for NoParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) else {
            return Ok(Self);
        };
        let name = query.split(['=', '&']).next().unwrap_or(query).escape_debug();
        Err(Problem::bad_request(format!("unknown parameter `{name}`: this endpoint takes none")))
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
        let Json(fields) = Json::<Fields>::from_request(request, state).await?;
        if let Some(key) = fields.repeated {
            let key = key.escape_debug();
            return Err(Problem::bad_request(format!("the body has the key `{key}` twice")));
        }
        let body = serde_json::from_value(Value::Object(fields.known));
        body.map(Self).map_err(|error| Problem::unprocessable(format!("the body: {error}")))
    }
}

/// The fields of an object, and one that stands there twice: which of its values is meant, nobody knows.
struct Fields {
    known: Map<String, Value>,
    repeated: Option<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields { known: Map::new(), repeated: None };
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if fields.known.insert(key.clone(), value).is_some() {
                fields.repeated.get_or_insert(key);
            }
        }
        Ok(fields)
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
