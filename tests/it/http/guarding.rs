//! Who is let in, and what every answer carries.

use axum::body::Body;
use axum::http::StatusCode;
use speedfit::http::{Tokens, router};

use super::desk::MemoryDesk;
use super::{OPERATE, READ, api, get, open, open_options, request, send, token_options};

const UNKNOWN: &str = "Bearer unknown-0123456789abcdef";

#[tokio::test]
async fn every_endpoint_has_its_role() {
    let desk = MemoryDesk::new();
    let router = router(api(&desk, token_options()).0);
    let (read, operate) = (format!("Bearer {READ}"), format!("bearer  {OPERATE}"));
    // Method, path, whether everyone may, whether who reads may.
    for (method, uri, is_open, is_read) in [
        ("GET", "/livez", true, true),
        ("GET", "/readyz", true, true),
        ("GET", "/api/v1/openapi.json", true, true),
        ("GET", "/metrics", false, true),
        ("GET", "/api/v1/schedule", false, true),
        ("GET", "/api/v1/regions", false, true),
        ("HEAD", "/api/v1/regions", false, true),
        ("GET", "/api/v1/regions/A/parameters", false, true),
        ("GET", "/api/v1/predict", false, true),
        ("POST", "/api/v1/fit", false, true),
        ("GET", "/api/v1/runs", false, true),
        ("GET", "/api/v1/runs/1", false, true),
        ("POST", "/api/v1/runs", false, false),
        ("POST", "/api/v1/runs/1/publish", false, false),
        ("POST", "/api/v1/rollback", false, false),
    ] {
        let status = async |authorization: &[(&str, &str)]| {
            let asked = request(method, uri, authorization, Body::from("x"));
            send(&router, asked).await.status
        };
        let is_refused =
            |status| matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let none = status(&[]).await;
        assert_eq!(none == StatusCode::UNAUTHORIZED, !is_open, "{method} {uri} {none}");
        let unknown = status(&[("authorization", UNKNOWN)]).await;
        assert_eq!(unknown == StatusCode::UNAUTHORIZED, !is_open, "{method} {uri} {unknown}");
        let reads = status(&[("authorization", &read)]).await;
        assert_eq!(reads == StatusCode::FORBIDDEN, !is_read, "{method} {uri} {reads}");
        let operates = status(&[("authorization", &operate)]).await;
        assert!(!is_refused(operates), "{method} {uri} {operates}");
    }
}

#[tokio::test]
async fn whoever_is_refused_is_told_why() {
    let desk = MemoryDesk::new();
    let router = router(api(&desk, token_options()).0);
    let told = async |headers: &[(&str, &str)], method: &str, uri: &str| {
        send(&router, request(method, uri, headers, Body::empty())).await.shown()
    };
    let read = format!("Bearer {READ}");
    insta::assert_snapshot!("no_token", told(&[], "GET", "/api/v1/runs").await);
    let unknown = [("authorization", UNKNOWN)];
    insta::assert_snapshot!("unknown_token", told(&unknown, "GET", "/api/v1/runs").await);
    let reads = [("authorization", read.as_str())];
    insta::assert_snapshot!("may_not", told(&reads, "POST", "/api/v1/runs").await);
    for odd in ["Basic cmVhZA==", "Bearer", "Bearer ", READ] {
        let answer = told(&[("authorization", odd)], "GET", "/api/v1/runs").await;
        assert!(answer.starts_with("401"), "{odd} {answer}");
    }
    let twice = [("authorization", read.as_str()), ("authorization", read.as_str())];
    assert!(told(&twice, "GET", "/api/v1/runs").await.starts_with("401"));
}

#[tokio::test]
async fn tokens_can_be_renewed() {
    let desk = MemoryDesk::new();
    let (api, _) = api(&desk, token_options());
    let router = router(api.clone());
    let old = format!("Bearer {READ}");
    let status = async |token: &str| {
        let asked = request("GET", "/api/v1/runs", &[("authorization", token)], Body::empty());
        send(&router, asked).await.status
    };
    assert_eq!(status(&old).await, StatusCode::OK);
    api.renew_tokens(Tokens::parse("read:another-0123456789").unwrap());
    assert_eq!(status(&old).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status("Bearer another-0123456789").await, StatusCode::OK);
}

#[tokio::test]
async fn names_of_elsewhere_are_not_answered_to() {
    let desk = MemoryDesk::new();
    let open = open(&desk);
    let guarded = router(api(&desk, token_options()).0);
    let asked = |host: &str| request("GET", "/livez", &[("host", host)], Body::empty());
    let rebound = send(&open, asked("evil.example:8765")).await;
    insta::assert_snapshot!("rebound", rebound.shown());
    assert_eq!(send(&open, asked("[::1]:8765")).await.status, StatusCode::OK);
    // Where tokens are asked for, any name will do.
    assert_eq!(send(&guarded, asked("evil.example:8765")).await.status, StatusCode::OK);
    let nameless = axum::http::Request::get("/livez").body(Body::empty()).unwrap();
    assert_eq!(send(&open, nameless).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    let check = async |headers: &[(&str, &str)], expected: StatusCode| {
        let asked = request("POST", "/api/v1/rollback", headers, Body::empty());
        let answer = send(&router, asked).await;
        assert_eq!(answer.status == StatusCode::FORBIDDEN, expected == StatusCode::FORBIDDEN);
    };
    check(&[("origin", "https://evil.example")], StatusCode::FORBIDDEN).await;
    check(&[("origin", "null")], StatusCode::FORBIDDEN).await;
    check(&[("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN).await;
    check(&[("origin", "http://localhost:8765")], StatusCode::CONFLICT).await;
    let read = request("GET", "/livez", &[("origin", "https://evil.example")], Body::empty());
    let answer = send(&router, read).await;
    assert_eq!(answer.status, StatusCode::OK);
    // No page of another origin may read it.
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn every_answer_is_closed_to_browsers_and_numbered() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    for uri in ["/livez", "/api/v1/runs", "/api/v1/regions", "/nowhere"] {
        let answer = get(&router, uri).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{uri}");
        }
        assert!(answer.header("x-request-id").is_some_and(|id| id.len() > 4), "{uri}");
    }
    let numbered = async |id: &str| {
        let asked = request("GET", "/livez", &[("x-request-id", id)], Body::empty());
        send(&router, asked).await.header("x-request-id").unwrap() == id
    };
    assert!(numbered("trace-1.2_3").await);
    assert!(!numbered("a b").await);
    assert!(!numbered(&"x".repeat(65)).await);
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    insta::assert_snapshot!("no_endpoint", get(&router, "/api/v2/runs").await.shown());
    let asked = request("DELETE", "/api/v1/runs", &[], Body::empty());
    insta::assert_snapshot!("no_method", send(&router, asked).await.shown());
}

#[tokio::test]
async fn a_request_has_its_time() {
    let desk = MemoryDesk::gated();
    let router = open(&desk);
    let headers = [("content-type", "text/csv")];
    let asked = request("POST", "/api/v1/fit", &headers, "region\n");
    let call = tokio::spawn({
        let router = router.clone();
        async move { send(&router, asked).await }
    });
    desk.reached.cancelled().await;
    desk.clock.until_sleeping(1).await;
    desk.clock.advance(open_options().timeout);
    insta::assert_snapshot!("too_slow", call.await.unwrap().shown());
    // The fit was told, and its file is gone.
    desk.noticed.cancelled().await;
    while desk.n_uploads() > 0 {
        tokio::task::yield_now().await;
    }
}
