//! Answers as bytes. Large ones are written on a thread of their own, since no request may keep the others
//! waiting, and few of them are held at once, however slowly their clients read.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::job::off_thread;

/// Large answers that are made or read at once; whoever asks for one more waits. One of 20,000 groups has
/// 30 MB.
const MAX_LARGE: usize = 4;

/// Bytes of a large answer that are handed on at a time.
const CHUNK_BYTES: usize = 1 << 16;

/// Room for large answers; its clones are the same room.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LARGE)))
    }
}

impl Room {
    /// Waits for room for one answer.
    pub(super) async fn enter(&self) -> Result<Held, Problem> {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        permit
            .map(|permit| Held { _permit: permit })
            .map_err(|_| Problem::internal("there is no room for the answer"))
    }
}

/// The room of one answer, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    _permit: OwnedSemaphorePermit,
}

impl Held {
    /// A body that keeps the room until the client has read it, or is gone.
    pub(super) fn body(self, bytes: impl Into<Bytes>) -> Body {
        Body::new(Large { rest: bytes.into(), _held: self })
    }
}

struct Large {
    rest: Bytes,
    _held: Held,
}

impl HttpBody for Large {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let rest = &mut self.get_mut().rest;
        if rest.is_empty() {
            return Poll::Ready(None);
        }
        let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// A document of JSON, written; its clones share the bytes.
#[derive(Debug, Clone)]
pub(super) struct JsonBytes(Bytes);

impl IntoResponse for JsonBytes {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, content_type)], self.0).into_response()
    }
}

/// Writes a document.
pub(super) fn json_bytes<T: Serialize>(document: &T) -> Result<JsonBytes, Problem> {
    let written = serde_json::to_vec(document);
    written.map(|bytes| JsonBytes(bytes.into())).map_err(|error| {
        tracing::error!("an answer cannot be written: {error}");
        Problem::internal("the answer cannot be written")
    })
}

/// Makes a document of any size and writes it, in the room that is held.
pub(super) async fn large_json<T: Serialize>(
    held: Held,
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<Response, Problem> {
    let JsonBytes(bytes) = off_thread(move || json_bytes(&make())).await?;
    let content_type = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, content_type)], held.body(bytes)).into_response())
}
