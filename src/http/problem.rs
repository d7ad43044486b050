//! Errors as the client reads them: one document per error (RFC 9457), and the one table from kinds
//! of failure to status codes.

use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ServiceError, with_causes};
use crate::domain::RefusalReason;
use crate::ports::{FailureKind, PortError};

/// Media type of a problem.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// After how many seconds a client that was asked to come back may do so.
const RETRY_AFTER_S: u16 = 5;

/// An error, as RFC 9457 has it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem, for programs: `urn:speedfit:problem:` and a name.
    #[serde(rename = "type")]
    #[schema(rename = "type", value_type = String, examples("urn:speedfit:problem:not-found"))]
    kind: Box<str>,
    /// The kind of problem in words.
    title: &'static str,
    /// The status code of the answer.
    status: u16,
    /// What is wrong this time.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Rows of the file that were refused, by reason, where that is why nothing was fitted.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false, value_type = Vec<RefusedRows>)]
    refusals: Box<[RefusedRows]>,
    #[serde(skip)]
    extra: Vec<(HeaderName, HeaderValue)>,
}

/// Rows that were refused for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct RefusedRows {
    /// The first check that the rows failed.
    pub(super) reason: RefusalReason,
    /// Rows.
    pub(super) count: u64,
    /// One of them: what could not be read and where, or the incident's id; null where it names none.
    pub(super) example: Option<String>,
}

/// Whose doing a failure behind a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The server's: its source, its store, its disk.
    Server,
    /// The client's: the file that it sent.
    Client,
}

/// The status code of a failure behind a port.
#[must_use]
pub fn status_of(kind: FailureKind, whose: Whose) -> StatusCode {
    match (kind, whose) {
        (FailureKind::Unreachable | FailureKind::Busy | FailureKind::Conflict, _)
        | (FailureKind::LockLost, _)
        | (FailureKind::SchemaOutdated | FailureKind::SchemaForeign, _)
        | (FailureKind::Cancelled, _) => StatusCode::SERVICE_UNAVAILABLE,
        (FailureKind::TimedOut, _) => StatusCode::GATEWAY_TIMEOUT,
        (FailureKind::Full, _) => StatusCode::INSUFFICIENT_STORAGE,
        (FailureKind::Taken, _) | (FailureKind::Refused, Whose::Server) => StatusCode::CONFLICT,
        (FailureKind::Refused, Whose::Client) => StatusCode::PAYLOAD_TOO_LARGE,
        (FailureKind::Missing | FailureKind::Malformed, Whose::Client) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        (FailureKind::Missing | FailureKind::Malformed, Whose::Server)
        | (FailureKind::Denied | FailureKind::Internal, _) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Problem {
    /// A problem of that status; `name` is the end of its type.
    pub(super) fn new(
        status: StatusCode,
        name: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind: format!("urn:speedfit:problem:{name}").into(),
            title,
            status: status.as_u16(),
            detail: detail.into().into(),
            hint: None,
            refusals: Box::default(),
            extra: Vec::new(),
        }
    }

    /// Says what to do about it.
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn with_some_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// Shows rows that were refused.
    pub(super) fn with_refusals(mut self, refusals: Vec<RefusedRows>) -> Self {
        self.refusals = refusals.into();
        self
    }

    /// Adds a header to the answer.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.extra.push((name, value));
        self
    }

    /// Asks the client to come back.
    pub(super) fn retry_later(self) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S))
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What the client sent cannot be understood.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request cannot be understood",
            detail,
        )
    }

    /// What the client asks for makes no sense.
    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::new(status, "unprocessable", "What is asked for does not do", detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    /// What is there does not allow it.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        let title = "What is there does not allow it";
        Self::new(StatusCode::CONFLICT, "conflict", title, detail)
    }

    /// The body is larger than this server takes.
    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(status, "too-large", "The body is too large", detail)
    }

    /// A mistake in this program.
    pub(super) fn internal(detail: impl Into<String>) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "internal", "The server failed", detail)
    }

    /// The server stops, or waits for something that does not come.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "The server cannot do it now", detail).retry_later()
    }

    /// A failure of the store.
    pub(super) fn store(error: PortError) -> Self {
        ServiceError::Store(error).into()
    }
}

fn of_port(error: &ServiceError, cause: &PortError, whose: Whose) -> Problem {
    let status = status_of(cause.kind, whose);
    let (name, title) = match whose {
        Whose::Client if status == StatusCode::PAYLOAD_TOO_LARGE => {
            ("too-large", "The body is too large")
        }
        Whose::Client if status.is_client_error() => ("bad-file", "The file cannot be fitted"),
        _ if status == StatusCode::CONFLICT => ("conflict", "What is there does not allow it"),
        _ => ("behind", "Something behind the server does not do"),
    };
    let problem = Problem::new(status, name, title, with_causes(error));
    let problem = problem.with_hint(cause.remedy());
    if status == StatusCode::SERVICE_UNAVAILABLE { problem.retry_later() } else { problem }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let text = with_causes(&error);
        match error {
            ServiceError::Asked { hint, .. } => Self::unprocessable(text).with_some_hint(hint),
            ServiceError::NotThere { hint, .. } => Self::not_found(text).with_some_hint(hint),
            ServiceError::Refused { hint, .. } => Self::conflict(text).with_some_hint(hint),
            ServiceError::Busy(_) => Self::conflict(text)
                .with_hint("GET /api/v1/runs?status=running shows it; wait for its end")
                .retry_later(),
            ServiceError::Settings { hint, .. } => Self::internal(text).with_some_hint(hint),
            ServiceError::Body(ref cause) => of_port(&error, cause, Whose::Client),
            ServiceError::Source(ref cause) | ServiceError::Store(ref cause) => {
                of_port(&error, cause, Whose::Server)
            }
            ServiceError::Cancelled => Self::unavailable(text),
            ServiceError::Internal { .. } => Self::internal(text),
        }
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(rejection.body_text()),
            _ => Self::bad_request(rejection.body_text()),
        }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::JsonDataError(why) => Self::unprocessable(why.body_text()),
            JsonRejection::MissingJsonContentType(why) => unsupported(why.body_text()),
            JsonRejection::BytesRejection(why) => why.into(),
            other => Self::bad_request(other.body_text()),
        }
    }
}

/// A body of a form that is not read here.
pub(super) fn unsupported(detail: impl Into<String>) -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "unsupported", "The form of the body is not read here", detail)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let extra = self.extra.clone();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let content_type = HeaderValue::from_static(PROBLEM_JSON);
        let mut response = (status, [(header::CONTENT_TYPE, content_type)], body).into_response();
        for (name, value) in extra {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
