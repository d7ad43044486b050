//! The HTTP API: its router over a store in memory, its connections over real sockets, and the real
//! binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod changing;
mod connections;
mod desk;
mod documentation;
mod guarding;
mod neighbours;
mod program;
mod reading;
mod uploads;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use speedfit::http::{Api, Options, Tokens, router};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use desk::MemoryDesk;

const READ: &str = "read-0123456789abcdef";
const OPERATE: &str = "operate-0123456789abcdef";

/// Options of a server on the loopback that asks for no token.
fn open_options() -> Options {
    Options {
        tokens: Tokens::default(),
        max_body_bytes: 1 << 20,
        timeout: Duration::from_secs(60),
        max_fits: 1,
        local_names_only: true,
    }
}

/// Options of a server that asks for tokens.
fn token_options() -> Options {
    let tokens = Tokens::parse(&format!("read:{READ}\noperate:{OPERATE}")).unwrap();
    Options { tokens, local_names_only: false, ..open_options() }
}

/// An API over that desk, and its stop signal.
fn api(desk: &MemoryDesk, options: Options) -> (Api, CancellationToken) {
    let stop = CancellationToken::new();
    (Api::new(std::sync::Arc::new(desk.clone()), options, &stop), stop)
}

fn open(desk: &MemoryDesk) -> Router {
    router(api(desk, open_options()).0)
}

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status, the headers that depend on the endpoint, and the body, for snapshots.
    fn shown(&self) -> String {
        let mut text = format!("{}\n", self.status);
        let told = [
            "allow",
            "cache-control",
            "connection",
            "content-type",
            "etag",
            "location",
            "retry-after",
            "vary",
            "www-authenticate",
        ];
        for name in told {
            if let Some(value) = self.header(name) {
                text.push_str(&format!("{name}: {value}\n"));
            }
        }
        let body = serde_json::from_str::<Value>(&self.body);
        let body = body.map(|json| serde_json::to_string_pretty(&json).unwrap());
        format!("{text}\n{}", body.unwrap_or_else(|_| self.body.clone()))
    }
}

/// A request to a server of that name, with these headers.
fn request(
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:8765");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn get(router: &Router, uri: &str) -> Answer {
    send(router, request("GET", uri, &[], Body::empty())).await
}

/// Posts JSON.
async fn post(router: &Router, uri: &str, body: &str) -> Answer {
    let length = body.len().to_string();
    let headers = [("content-type", "application/json"), ("content-length", length.as_str())];
    send(router, request("POST", uri, &headers, body.to_owned())).await
}
