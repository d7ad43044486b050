//! Files that clients send: which are taken, how large, how many at once.

use std::io::Write as _;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use flate2::write::GzEncoder;
use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::desk::MemoryDesk;
use super::{Answer, open, request, send};

const CSV: [(&str, &str); 1] = [("content-type", "text/csv")];

#[tokio::test]
async fn parameters_come_back_in_the_form_that_is_wanted() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    let asked = |accept: &str| {
        let headers = [("content-type", "text/csv"), ("accept", accept)];
        request("POST", "/api/v1/fit?model=kwh", &headers, "region\n")
    };
    insta::assert_snapshot!("as_json", send(&router, asked("*/*")).await.shown());
    insta::assert_snapshot!("as_csv", send(&router, asked("text/csv")).await.shown());
    insta::assert_snapshot!("as_html", send(&router, asked("text/html")).await.shown());
    assert_eq!(desk.n_uploads(), 0);
}

#[tokio::test]
async fn forms_that_are_not_read_are_named() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    let status = async |headers: &[(&str, &str)], query: &str| {
        let uri = format!("/api/v1/fit{query}");
        send(&router, request("POST", &uri, headers, "region\n")).await.status
    };
    let json = [("content-type", "application/json")];
    assert_eq!(status(&json, "").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(status(&[], "").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let packed = [("content-type", "text/csv"), ("content-encoding", "br")];
    assert_eq!(status(&packed, "").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(status(&CSV, "?workers=9").await, StatusCode::BAD_REQUEST);
    assert_eq!(desk.n_uploads(), 0);
}

/// A body of so many bytes in pieces, whose length nobody announces.
fn pieces(n_bytes: usize) -> Body {
    let whole = Bytes::from(vec![b'x'; n_bytes]);
    let pieces: Vec<_> = whole.chunks(65_536).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)))
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_leaves_nothing() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    let limit = 1 << 20;
    let sent = async |body: Body, length: Option<usize>| -> Answer {
        let length = length.map(|n| n.to_string());
        let mut headers = CSV.to_vec();
        headers.extend(length.as_deref().map(|length| ("content-length", length)));
        send(&router, request("POST", "/api/v1/fit", &headers, body)).await
    };
    assert_eq!(sent(pieces(limit), None).await.status, StatusCode::OK);
    let streamed = sent(pieces(limit + 1), None).await;
    insta::assert_snapshot!("too_large", streamed.shown());
    // What announces too much is refused before a byte of it is read.
    let announced = sent(Body::empty(), Some(limit + 1)).await;
    assert_eq!(announced.shown(), streamed.shown());
    assert_eq!(desk.n_uploads(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let desk = MemoryDesk::new();
    let parts = [Ok(Bytes::from("region\n")), Err(std::io::Error::other("gone"))];
    let body = Body::from_stream(stream::iter(parts));
    let answer = send(&open(&desk), request("POST", "/api/v1/fit", &CSV, body)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(desk.n_uploads(), 0);
}

#[tokio::test]
async fn more_fits_than_allowed_are_asked_to_come_back() {
    let desk = MemoryDesk::gated();
    let router = open(&desk);
    let asked = || request("POST", "/api/v1/fit", &CSV, "region\n");
    let first = tokio::spawn({
        let router = router.clone();
        async move { send(&router, asked()).await.status }
    });
    desk.reached.cancelled().await;
    insta::assert_snapshot!("too_many", send(&router, asked()).await.shown());
    // Who hangs up stops the fit, and makes room.
    first.abort();
    desk.noticed.cancelled().await;
    desk.gate.cancel();
    while send(&router, asked()).await.status != StatusCode::OK {
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.n_uploads(), 0);
}

/// A body of so many bytes without an end, and a signal that they were taken.
fn unfinished(n_bytes: usize) -> (Body, CancellationToken) {
    let taken = CancellationToken::new();
    let rest = stream::poll_fn({
        let taken = taken.clone();
        move |_| {
            taken.cancel();
            std::task::Poll::Pending
        }
    });
    let begin = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; n_bytes]))]);
    (Body::from_stream(begin.chain(rest)), taken)
}

#[tokio::test]
async fn a_body_that_does_not_come_keeps_no_fit_waiting() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    let (body, taken) = unfinished(1);
    let silent = tokio::spawn({
        let router = router.clone();
        async move { send(&router, request("POST", "/api/v1/fit", &CSV, body)).await }
    });
    taken.cancelled().await;
    let fit = request("POST", "/api/v1/fit", &CSV, "region\n");
    assert_eq!(send(&router, fit).await.status, StatusCode::OK);
    // The limits on the request and on the body.
    desk.clock.until_sleeping(2).await;
    desk.clock.advance(std::time::Duration::from_secs(5));
    insta::assert_snapshot!("stalled", silent.await.unwrap().shown());
    assert_eq!(desk.n_uploads(), 0);
}

#[tokio::test]
async fn bodies_that_do_not_come_fill_no_disk() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    // There is room for four of the largest.
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (body, taken) = unfinished(1 << 20);
        let router = router.clone();
        let asked = request("POST", "/api/v1/fit", &CSV, body);
        clients.push(tokio::spawn(async move { send(&router, asked).await }));
        taken.cancelled().await;
    }
    let fit = || request("POST", "/api/v1/fit", &CSV, "region\n");
    insta::assert_snapshot!("no_room", send(&router, fit()).await.shown());
    clients.pop().unwrap().abort();
    while send(&router, fit()).await.status != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

/// The text inside gzip.
pub(super) fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}
