//! Whoever is told: a small HTTP server that answers by a script and keeps what it got.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as they do")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One answer of the script; after the last, everything is taken.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Status(u16),
    /// A status with one header.
    With(u16, &'static str, String),
    /// None at all.
    Hang,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether the signature is that of the body at that time with this key.
    pub(super) fn is_signed_by(&self, key: &str) -> bool {
        let mut message = format!("{}.", self.header("x-speedfit-timestamp")).into_bytes();
        message.extend(&self.body);
        let expected: String =
            hmac_sha256(key.as_bytes(), &message).iter().map(|b| format!("{b:02x}")).collect();
        self.header("x-speedfit-signature") == format!("sha256={expected}")
    }
}

/// HMAC as RFC 2104 writes it, so that no library is asked about itself.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut padded = if key.len() > BLOCK { Sha256::digest(key).to_vec() } else { key.to_vec() };
    padded.resize(BLOCK, 0);
    let with = |pad: u8, tail: &[u8]| {
        let mut text: Vec<u8> = padded.iter().map(|byte| byte ^ pad).collect();
        text.extend(tail);
        Sha256::digest(&text).to_vec()
    };
    with(0x5c, &with(0x36, message))
}

#[derive(Default)]
struct Kept {
    script: Mutex<VecDeque<Answer>>,
    got: watch::Sender<Vec<Got>>,
}

/// The server; it ends with the test.
pub(super) struct Receiver {
    kept: Arc<Kept>,
    pub(super) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    pub(super) async fn new(script: &[Answer]) -> Self {
        let kept = Arc::new(Kept {
            script: Mutex::new(script.iter().cloned().collect()),
            ..Kept::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&kept);
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers, body| {
            let kept = Arc::clone(&serving);
            async move { kept.answer(&method, &uri, &headers, &body).await }
        });
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { kept, address, serving }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came so far, in order.
    pub(super) fn got(&self) -> Vec<Got> {
        self.kept.got.borrow().clone()
    }

    /// Returns once so many requests came.
    pub(super) async fn until(&self, n: usize) {
        self.kept.got.subscribe().wait_for(|got| got.len() >= n).await.unwrap();
    }
}

impl Kept {
    async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Response<String> {
        let named = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()));
        let got = Got {
            method: method.to_string(),
            path: uri.to_string(),
            headers: named.collect(),
            body: body.to_vec(),
        };
        let answer = self.script.lock().unwrap().pop_front();
        self.got.send_modify(|all| all.push(got));
        let mut response = Response::builder();
        response = match answer.unwrap_or(Answer::Status(204)) {
            Answer::Status(status) => response.status(StatusCode::from_u16(status).unwrap()),
            Answer::With(status, name, value) => response.status(status).header(name, value),
            Answer::Hang => std::future::pending().await,
        };
        response.body("x".repeat(10)).unwrap()
    }
}
